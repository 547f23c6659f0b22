# shellcheck shell=bash
# The processes of the cluster: their command lines, and starting and stopping them. Sourced.

# command_of NAME: sets COMMAND.
command_of() {
  local bin=$TOOLS_BIN
  local as_client=(--kubeconfig "$PKI/$1.kubeconfig" --authentication-kubeconfig "$PKI/$1.kubeconfig"
    --authorization-kubeconfig "$PKI/$1.kubeconfig" --bind-address 127.0.0.1
    --leader-elect=false --kube-api-qps=500 --kube-api-burst=1000)
  case $1 in
  etcd)
    # No fsync: it decides how fast the API server answers, and only a crash of the machine loses data.
    COMMAND=("$bin/etcd" --data-dir "$STATE/etcd" --unsafe-no-fsync --log-level warn
      --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379
      --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380
      --initial-cluster default=http://127.0.0.1:2380
      --auto-compaction-mode periodic --auto-compaction-retention 1h)
    ;;
  registry) COMMAND=("$bin/registry" -address "$REGISTRY" -folder "$STATE/registry") ;;
  containerd) COMMAND=(containerd --config "$CONFIG/containerd.toml") ;;
  apiserver)
    COMMAND=("$bin/kube-apiserver" --etcd-servers http://127.0.0.1:2379
      --secure-port 6443 --bind-address 0.0.0.0 --advertise-address "$NODE_IP"
      --service-cluster-ip-range "$SERVICE_NET" --allow-privileged
      --authorization-mode "Node,RBAC" --enable-admission-plugins NodeRestriction
      --client-ca-file "$PKI/ca.crt"
      --requestheader-client-ca-file "$PKI/ca.crt" --requestheader-allowed-names front-proxy
      --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group
      --tls-cert-file "$PKI/apiserver.crt" --tls-private-key-file "$PKI/apiserver.key"
      --service-account-key-file "$PKI/sa.pub" --service-account-signing-key-file "$PKI/sa.key"
      --service-account-issuer https://kubernetes.default.svc
      --kubelet-preferred-address-types InternalIP --kubelet-certificate-authority "$PKI/ca.crt"
      --kubelet-client-certificate "$PKI/apiserver-kubelet.crt"
      --kubelet-client-key "$PKI/apiserver-kubelet.key"
      --audit-policy-file "$CONFIG/audit.yaml" --audit-log-path "$AUDIT_LOG"
      --audit-log-maxsize 200 --audit-log-maxbackup 3)
    ;;
  controller-manager)
    COMMAND=("$bin/kube-controller-manager" "${as_client[@]}" --concurrent-job-syncs=50
      --use-service-account-credentials --root-ca-file "$PKI/ca.crt"
      --service-account-private-key-file "$PKI/sa.key"
      --cluster-signing-cert-file "$PKI/ca.crt" --cluster-signing-key-file "$PKI/ca.key")
    ;;
  scheduler) COMMAND=("$bin/kube-scheduler" "${as_client[@]}") ;;
  kubelet)
    COMMAND=("$bin/kubelet" --config "$CONFIG/kubelet.yaml" --kubeconfig "$PKI/kubelet.kubeconfig"
      --hostname-override "$NODE_NAME" --node-ip "$NODE_IP"
      --root-dir /var/lib/kubelet --cert-dir "$PKI")
    ;;
  proxy) COMMAND=("$bin/kube-proxy" --config "$CONFIG/proxy.yaml") ;;
  recycler) COMMAND=(bash "$CONFIG/recycler" "$VOLUMES") ;;
  *) die "no component $1; there are: ${COMPONENTS[*]}" ;;
  esac
}

# stopped_components: the names of those that do not run, asked with one look inside.
stopped_components() {
  # shellcheck disable=SC2016 # the variables are the inner shell's
  enter sh -c '
    inner=$1; shift
    for name; do
      pid=$(cat "$inner/$name.pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null || echo "$name"
    done' sh "$INNER" "${COMPONENTS[@]}"
}

is_stopped() { stopped_components | grep -qxF "$1"; }

start_component() {
  local name=$1 COMMAND log=$LOGS/$1.log
  command_of "$name"
  [[ ! -e $log ]] || mv "$log" "$log.old"
  # Started through nsenter, it is left to the first process inside, which reaps it one day.
  # shellcheck disable=SC2016 # the variables are the inner shell's
  enter setsid --fork sh -c 'echo $$ >"$1"; shift; exec "$@"' sh "$INNER/$name.pid" "${COMMAND[@]}" \
    >"$log" 2>&1 </dev/null
}

# stop_component NAME: asks, and after three seconds insists: the API server would wait for a minute
# until its clients have closed their watches.
stop_component() {
  # shellcheck disable=SC2016 # the variables are the inner shell's
  enter sh -c '
    pid=$(cat "$1" 2>/dev/null) || exit 0
    kill "$pid" 2>/dev/null
    tries=30
    while kill -0 "$pid" 2>/dev/null; do
      tries=$((tries - 1))
      [ "$tries" -gt 0 ] || kill -KILL "$pid" 2>/dev/null
      sleep 0.1
    done
    rm -f "$1"' sh "$INNER/$1.pid"
}

# wait_for NAME SECONDS CMD...: until CMD succeeds; gives up when component NAME ends or time is up.
wait_for() {
  local name=$1 end=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= end)) || is_stopped "$name"; then
      tail -n 15 "$LOGS/$name.log" >&2
      die "$name is not ready (log: $LOGS/$name.log)"
    fi
    sleep 0.1
  done
}

listens() { (exec 3<>"/dev/tcp/$1/$2"); }

# wait_ready NAME: until others can use it, for those where it matters.
wait_ready() {
  case $1 in
  registry) wait_for registry 20 listens "${REGISTRY%:*}" "${REGISTRY#*:}" ;;
  apiserver) wait_for apiserver 60 kubectl get --raw /readyz ;;
  esac
}
