# shellcheck shell=bash
# All parts of the development cluster. Sourced.
cluster_lib=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=hack/cluster/lib/settings.sh
. "$cluster_lib/settings.sh"
# shellcheck source=hack/cluster/lib/namespaces.sh
. "$cluster_lib/namespaces.sh"
# shellcheck source=hack/cluster/lib/components.sh
. "$cluster_lib/components.sh"
# shellcheck source=hack/cluster/lib/pki.sh
. "$cluster_lib/pki.sh"
# shellcheck source=hack/cluster/lib/config.sh
. "$cluster_lib/config.sh"
# shellcheck source=hack/cluster/lib/volumes.sh
. "$cluster_lib/volumes.sh"

# locked ARGS...: starts the script again, alone. flock keeps the lock itself and does not hand it
# on, as what outlives the script would hold it for ever.
locked() {
  [[ -z ${DVRE_CLUSTER_LOCKED:-} ]] || return 0
  mkdir -p "$DVRE_CACHE/cluster"
  local lock=$DVRE_CACHE/cluster/.$CLUSTER_NAME.lock
  flock --nonblock "$lock" true || say "waiting for another start or stop of $CLUSTER_NAME"
  DVRE_CLUSTER_LOCKED=yes exec flock --close "$lock" "$0" "$@"
}
