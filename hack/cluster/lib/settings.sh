# shellcheck shell=bash
# Names, addresses and paths of the development cluster. Sourced by everything in hack/cluster.
# shellcheck source=hack/tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../tools/lib.sh"

# The name is that of the host's network interface, of the state's folder and of the cgroup.
CLUSTER_NAME=${DVRE_CLUSTER_NAME:-dvre0}
# The first two bytes of all addresses. 198.18.0.0/15 is set aside for tests of networks (RFC 2544).
CLUSTER_NET=${DVRE_CLUSTER_NET:-198.18}
[[ $CLUSTER_NAME =~ ^[a-z][a-z0-9-]{0,14}$ ]] ||
  die "DVRE_CLUSTER_NAME must be at most 15 of a-z, 0-9 and -, not $CLUSTER_NAME"
[[ $CLUSTER_NET =~ ^[0-9]{1,3}\.[0-9]{1,3}$ ]] ||
  die "DVRE_CLUSTER_NET must be the first two bytes of an address, not $CLUSTER_NET"

POD_NET=$CLUSTER_NET.0.0/22
POD_GATEWAY=$CLUSTER_NET.0.1
SERVICE_NET=$CLUSTER_NET.4.0/22
API_SERVICE_IP=$CLUSTER_NET.4.1
HOST_IP=$CLUSTER_NET.255.1
NODE_IP=$CLUSTER_NET.255.2
NODE_NAME=node1

REGISTRY=$NODE_IP:5000
API_URL=https://$NODE_IP:6443

STATE=$DVRE_CACHE/cluster/$CLUSTER_NAME
PKI=$STATE/pki
CONFIG=$STATE/config
LOGS=$STATE/log
VOLUMES=$STATE/volumes
KUBECONFIG_FILE=$STATE/kubeconfig
AUDIT_LOG=$LOGS/audit.log
INIT_PID_FILE=$STATE/init.pid
# A folder that exists inside the cluster's mount namespace only.
INNER=/run/dvre
CONTAINERD_SOCKET=$INNER/containerd.sock
CGROUP=dvre-operator-$CLUSTER_NAME
PAUSE_IMAGE=$REGISTRY/dvre/pause:$(version_of pause)
VOLUME_COUNT=40

export POD_NET POD_GATEWAY SERVICE_NET API_SERVICE_IP HOST_IP NODE_NAME REGISTRY API_URL PKI CONFIG \
  VOLUMES KUBECONFIG_FILE AUDIT_LOG INIT_PID_FILE CONTAINERD_SOCKET CGROUP PAUSE_IMAGE VOLUME_COUNT

# In the order in which they are started.
COMPONENTS=(etcd registry containerd apiserver controller-manager scheduler kubelet proxy recycler)
export COMPONENTS

kubectl() { "$TOOLS_BIN/kubectl" --kubeconfig "$KUBECONFIG_FILE" "$@"; }

require_root() {
  [[ $(id -u) == 0 ]] || die "the cluster needs root (namespaces, mounts, cgroups): use sudo, or another cluster"
}
