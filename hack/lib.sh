# shellcheck shell=bash
# What the scripts behind the Makefile share. Sourced.
# shellcheck source=hack/tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/tools/lib.sh"
cd "$ROOT" || exit

# The namespace of the operator, for installing and for tests.
export DVRE_OPERATOR_NAMESPACE=${DVRE_OPERATOR_NAMESPACE:-dvre-system}
CLUSTER=${CLUSTER:-dev}

# What building needs and a minimal system may lack.
require_build_tools() {
  hack/tools/packages cc=gcc /usr/include/stdio.h=libc6-dev git=git curl=curl
  command -v cargo >/dev/null || die "Rust is missing: install it with rustup (https://rustup.rs)"
}

# Tools on PATH.
use_tools() {
  hack/tools/install "$@" >/dev/null
  PATH=$TOOLS_BIN:$PATH
}

# Starts or finds the cluster, and sets KUBECONFIG and REGISTRY for it.
use_cluster() {
  use_tools helm
  case $CLUSTER in
  dev)
    hack/cluster/up >/dev/null
    eval "$(hack/cluster/env)"
    ;;
  current)
    [[ -n ${REGISTRY:-} ]] || die "CLUSTER=current needs REGISTRY: where images are pushed, and where the cluster can pull them, such as REGISTRY=registry.example.org/team"
    command -v kubectl >/dev/null || use_tools kubernetes
    ;;
  kind)
    command -v kind >/dev/null || die "CLUSTER=kind needs kind (https://kind.sigs.k8s.io)"
    command -v kubectl >/dev/null || use_tools kubernetes
    ;;
  *) die "CLUSTER must be dev, current or kind, not $CLUSTER" ;;
  esac
}
