# shellcheck shell=bash
# Certificates and kubeconfigs, made once for a state folder. Sourced.

new_key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)

# certificate NAME SUBJECT EXTENSIONS: signed by the cluster's authority.
certificate() {
  openssl req "${new_key[@]}" -keyout "$PKI/$1.key" -out "$PKI/$1.csr" -subj "$2"
  openssl x509 -req -in "$PKI/$1.csr" -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -CAcreateserial \
    -days 3650 -out "$PKI/$1.crt" -extfile <(printf '%s\n' "$3")
  rm "$PKI/$1.csr"
}

# kubeconfig NAME FILE: with everything in it, so that it can be copied.
kubeconfig() {
  local name=$1 file=$2
  cat >"$file" <<YAML
apiVersion: v1
kind: Config
clusters:
  - name: $CLUSTER_NAME
    cluster:
      server: $API_URL
      certificate-authority-data: $(base64 -w0 "$PKI/ca.crt")
users:
  - name: $name
    user:
      client-certificate-data: $(base64 -w0 "$PKI/$name.crt")
      client-key-data: $(base64 -w0 "$PKI/$name.key")
contexts:
  - name: $CLUSTER_NAME
    context:
      cluster: $CLUSTER_NAME
      user: $name
current-context: $CLUSTER_NAME
YAML
}

make_certificates() {
  local client=extendedKeyUsage=clientAuth server=extendedKeyUsage=serverAuth
  # Clients in Python 3.13 and later refuse an authority without these uses.
  openssl req -x509 "${new_key[@]}" -keyout "$PKI/ca.key" -out "$PKI/ca.crt" -days 3650 \
    -subj "/CN=$CLUSTER_NAME-ca" -addext keyUsage=critical,keyCertSign,digitalSignature
  openssl genrsa -out "$PKI/sa.key" 2048
  openssl rsa -in "$PKI/sa.key" -pubout -out "$PKI/sa.pub"
  local names=DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc
  certificate apiserver /CN=kube-apiserver \
    "subjectAltName=$names,IP:127.0.0.1,IP:$NODE_IP,IP:$API_SERVICE_IP"$'\n'"$server"
  certificate kubelet-server "/CN=$NODE_NAME" "subjectAltName=DNS:$NODE_NAME,IP:$NODE_IP"$'\n'"$server"
  certificate apiserver-kubelet /O=system:masters/CN=apiserver-kubelet "$client"
  certificate admin /O=system:masters/CN=admin "$client"
  certificate kubelet "/O=system:nodes/CN=system:node:$NODE_NAME" "$client"
  certificate controller-manager /CN=system:kube-controller-manager "$client"
  certificate scheduler /CN=system:kube-scheduler "$client"
  certificate proxy /CN=system:kube-proxy "$client"
}

make_pki() {
  [[ ! -e $PKI/done ]] || return 0
  local name
  rm -rf "$PKI"
  mkdir -p "$PKI"
  make_certificates >"$LOGS/pki.log" 2>&1 || die "making certificates failed (log: $LOGS/pki.log)"
  for name in kubelet controller-manager scheduler proxy; do kubeconfig "$name" "$PKI/$name.kubeconfig"; done
  kubeconfig admin "$KUBECONFIG_FILE"
  touch "$PKI/done"
}
