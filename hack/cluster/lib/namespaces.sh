# shellcheck shell=bash
# The namespaces that hold the cluster, and the link between them and the host. Sourced.

# init_pid: the process that holds the namespaces, by the host's numbers; fails if there is none.
# The number alone is not enough, as after a restart of the machine it may be anybody's.
init_pid() {
  local pid
  pid=$(cat "$INIT_PID_FILE" 2>/dev/null) && [[ -n $pid ]] || return 1
  [[ $(readlink "/proc/$pid/exe" 2>/dev/null) == "$DVRE_CACHE"/tools/pause-*/pause* ]] || return 1
  echo "$pid"
}

# enter CMD...: runs it inside, with an environment of its own: nothing of the caller's proxies,
# contexts or session may reach a component.
enter() {
  local pid
  pid=$(init_pid) || die "the cluster $CLUSTER_NAME is not running (make cluster)"
  nsenter --target "$pid" --mount --pid --net --ipc --uts --wd=/ env -i HOME=/root TERM="${TERM:-dumb}" \
    PATH="$TOOLS_BIN:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
    KUBECONFIG="$KUBECONFIG_FILE" "$@"
}

# The interface's name and the addresses must be nobody else's.
check_addresses() {
  local used
  if [[ -e /sys/class/net/$CLUSTER_NAME ]]; then
    die "a network interface $CLUSTER_NAME exists and is not of this cluster;" \
      "set DVRE_CLUSTER_NAME (and DVRE_CLUSTER_NET) to something else"
  fi
  used=$({
    ip -4 route show table all root "$CLUSTER_NET.0.0/16"
    ip -4 route show table all match "$NODE_IP" | grep -v '^default'
  } | sort -u || true)
  [[ -z $used ]] || die "addresses of $CLUSTER_NET.0.0/16 are used on this machine already" \
    "(set DVRE_CLUSTER_NET, for example to 198.19):"$'\n'"$used"
}

# The kernel's parts that may be modules; on most machines they are there or load by themselves.
load_modules() {
  [[ -e /proc/sys/net/bridge ]] || modprobe br_netfilter 2>/dev/null ||
    die "the kernel has no br_netfilter: services would not be reachable from pods"
  grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null ||
    die "the kernel has no overlay file system"
}

start_namespaces() {
  rm -f "$INIT_PID_FILE"
  # The state folder's file appears when all mounts are made, as the last act before pause takes over.
  setsid unshare --mount --propagation private --pid --net --ipc --uts --fork --kill-child \
    bash "$ROOT/hack/cluster/lib/init" "$STATE" "$INNER" "$NODE_NAME" "$(tool_folder pause)/pause" \
    >"$LOGS/init.log" 2>&1 </dev/null &
  local parent=$! child _
  for _ in {1..100}; do
    read -r child 2>/dev/null <"/proc/$parent/task/$parent/children" || true
    if [[ -n $child ]]; then
      echo "$child" >"$INIT_PID_FILE"
      ! init_pid >/dev/null || return 0
    fi
    kill -0 "$parent" 2>/dev/null || break
    sleep 0.05
  done
  tail -n 5 "$LOGS/init.log" >&2
  die "the namespaces could not be set up (log: $LOGS/init.log)"
}

# One link, host on one end, node on the other. There is no default route inside: nothing leaves.
start_network() {
  ip link add "$CLUSTER_NAME" type veth peer name eth0 netns "$(init_pid)"
  ip addr add "$HOST_IP/30" dev "$CLUSTER_NAME"
  ip link set "$CLUSTER_NAME" up
  # shellcheck disable=SC2016 # the variables are the inner shell's
  enter sh -ec '
    ip link set lo up
    ip addr add "$1/30" dev eth0
    ip link set eth0 up
    # The API server calls webhooks at the addresses of Services, which the proxy turns into those of
    # pods; without a route nothing gets that far.
    ip route add "$2" via "$3"
    for setting in ipv4/ip_forward bridge/bridge-nf-call-iptables; do
      echo 1 >/proc/sys/net/$setting
    done' sh "$NODE_IP" "$SERVICE_NET" "$HOST_IP"
  ip route add "$POD_NET" via "$NODE_IP" dev "$CLUSTER_NAME"
  ip route add "$SERVICE_NET" via "$NODE_IP" dev "$CLUSTER_NAME"
}

# The kubelet makes its groups below one that has to exist.
make_cgroups() {
  local folder
  if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
    enable_controllers /sys/fs/cgroup
    mkdir -p "/sys/fs/cgroup/$CGROUP"
    enable_controllers "/sys/fs/cgroup/$CGROUP"
    return
  fi
  for folder in /sys/fs/cgroup/*/; do
    [[ ! -L ${folder%/} && -e $folder/cgroup.procs ]] || continue
    mkdir -p "$folder/$CGROUP"
    # A new cpuset is empty, and then takes no process.
    if [[ -e $folder/cpuset.cpus ]]; then
      cat "$folder/cpuset.cpus" >"$folder/$CGROUP/cpuset.cpus"
      cat "$folder/cpuset.mems" >"$folder/$CGROUP/cpuset.mems"
    fi
  done
}

enable_controllers() {
  local controller
  for controller in cpuset cpu io memory hugetlb pids; do
    ! grep -qw "$controller" "$1/cgroup.controllers" || echo "+$controller" >"$1/cgroup.subtree_control"
  done
}

# Empty groups are all that can outlive the namespaces; only the own ones, deepest first.
remove_cgroups() {
  local folder _
  for folder in "/sys/fs/cgroup/$CGROUP" /sys/fs/cgroup/*/"$CGROUP"; do
    [[ -d $folder && ! -L ${folder%/*} ]] || continue
    for _ in {1..20}; do
      find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null || true
      [[ -d $folder ]] || break
      sleep 0.1
    done
    [[ ! -d $folder ]] || say "left: $folder is still in use"
  done
}

# Everything at once: processes, mounts, interfaces, rules.
stop_namespaces() {
  local pid _
  if pid=$(init_pid); then
    kill -KILL "$pid"
    for _ in {1..100}; do
      [[ -d /proc/$pid ]] || break
      sleep 0.05
    done
  fi
  # The kernel takes the interface away with its peer, but a little later. An interface of this name
  # that is not the cluster's is left alone.
  if [[ -n $(ip -4 -oneline addr show dev "$CLUSTER_NAME" type veth to "$HOST_IP" 2>/dev/null) ]]; then
    ip link del "$CLUSTER_NAME" 2>/dev/null || true
  fi
  rm -f "$INIT_PID_FILE"
}
