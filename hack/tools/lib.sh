# shellcheck shell=bash
# What the scripts under hack/ share: where things live, and how they talk. Sourced.

say() { printf '%s\n' "$*" >&2; }
die() {
  say "error: $*"
  exit 1
}

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
DVRE_CACHE=${DVRE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dvre-operator}
case $DVRE_CACHE in
/*) ;;
*) die "DVRE_CACHE must be an absolute path, not $DVRE_CACHE" ;;
esac
# Without links in it, as it is compared with what the kernel says of running programs.
DVRE_CACHE=$(realpath --canonicalize-missing "$DVRE_CACHE")
export DVRE_CACHE
# Where the current version of each tool is found by its plain name.
export TOOLS_BIN=$DVRE_CACHE/bin

# version_of NAME: the version in the table.
version_of() {
  awk -v name="$1" '$1 == name { print $2; found = 1 } END { exit !found }' \
    "$ROOT/hack/tools/versions" || die "no tool $1 in hack/tools/versions"
}

# source_of NAME: what it is built from.
source_of() { awk -v name="$1" '$1 == name { print $3 }' "$ROOT/hack/tools/versions"; }

# tool_folder NAME: where its binaries are, by version.
tool_folder() { printf '%s/tools/%s-%s\n' "$DVRE_CACHE" "$1" "$(version_of "$1")"; }
