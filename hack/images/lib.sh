# shellcheck shell=bash
# What the scripts in this folder share: buildah with a store of its own, images that are built and
# pushed once. Sourced.
# shellcheck source=hack/tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tools/lib.sh"

IMAGES=$DVRE_CACHE/images
export BASE_IMAGE=docker.io/library/debian:trixie-slim

# Beside the machine's own images, and without what a container engine would set up around a build:
# the build machine may be a container itself.
BUILDAH=(buildah --storage-driver overlay --root "$IMAGES/store" --runroot "$IMAGES/run")
storage() { "${BUILDAH[@]}" "$@"; }
build_image() { storage bud --isolation chroot --network host --layers "$@" >&2; }
has_image() { storage inspect --type image "$1" >/dev/null 2>&1; }
image_id() { storage inspect --type image --format '{{.FromImageID}}' "$1"; }

# Certificates of the registry are verified unless it is named by an address (a development
# registry, mostly without TLS); REGISTRY_TLS_VERIFY=true or false decides otherwise.
verify=${REGISTRY_TLS_VERIFY:-true}
if [[ -z ${REGISTRY_TLS_VERIFY:-} && ${REGISTRY:-} =~ ^(localhost|[0-9.]+|\[.*\])(:|$) ]]; then
  verify=false
fi

# One script at a time works on the store.
lock_images() {
  "$ROOT/hack/tools/packages" buildah=buildah curl=curl
  mkdir -p "$IMAGES"
  exec 9>"$IMAGES/lock"
  flock 9
}

# key_of FOLDER: what is in it.
key_of() {
  (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1)
}

# is_recorded FILE KEY: whether that was done for the same content.
is_recorded() { [[ $(cat "$IMAGES/$1" 2>/dev/null) == "$2" ]]; }

# in_registry REPOSITORY TAG DIGEST: whether the registry has just this.
in_registry() {
  local scheme=https host=${REGISTRY%%/*}
  local options=(-fsS -o /dev/null -D - --max-time 10 --noproxy "${host%%:*}")
  [[ $verify == true ]] || scheme=http
  curl "${options[@]}" -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
    "$scheme://$host/v2${REGISTRY#"$host"}/$1/manifests/$2" 2>/dev/null |
    tr -d '\r' | grep -qix "docker-content-digest: $3"
}

# is_pushed NAME KEY REPOSITORY TAG: whether the registry has what was pushed for this content.
is_pushed() {
  local pushed=$IMAGES/$1.pushed
  [[ -s $pushed ]] && is_recorded "$1.pushed.key" "$2" && in_registry "$3" "$4" "$(<"$pushed")"
}

# push NAME KEY IMAGE REPOSITORY TAG: unless it is there; sets `digest`.
push() {
  local name=$1 key=$2 image=$3 repository=$4 tag=$5 pushed=$IMAGES/$1.pushed
  if is_pushed "$name" "$key" "$repository" "$tag"; then
    say "image $name: $REGISTRY has it as $repository:$tag"
  else
    say "image $name: pushing to $REGISTRY/$repository:$tag"
    storage push -q --tls-verify="$verify" --format oci --digestfile "$pushed" \
      "$image" "docker://$REGISTRY/$repository:$tag" >&2
    echo "$key" >"$pushed.key"
  fi
  # shellcheck disable=SC2034 # for who calls
  digest=$(<"$pushed")
}
