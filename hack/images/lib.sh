# shellcheck shell=bash
# What the scripts in this folder share: buildah with a store of its own. Sourced.
# shellcheck source=hack/tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tools/lib.sh"

IMAGES=$DVRE_CACHE/images
export BASE_IMAGE=docker.io/library/debian:trixie-slim

# Beside the machine's own images, and without what a container engine would set up around a build:
# the build machine may be a container itself.
BUILDAH=(buildah --storage-driver overlay --root "$IMAGES/store" --runroot "$IMAGES/run")
storage() { "${BUILDAH[@]}" "$@"; }
build_image() { storage bud --isolation chroot --network host --layers "$@" >&2; }
