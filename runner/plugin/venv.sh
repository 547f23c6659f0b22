# shellcheck shell=bash
# Makes the virtual environment with the locked engines, in the cache, unless it is there, and sets
# `venv`; PYTHONPATH gets the plugin as it is here, without installing it again for every change.
# Sourced, in this folder.

python=${PYTHON:-python3}
locks=(../requirements-build.txt ../requirements.txt tests/requirements.txt)
key=$({ cat "${locks[@]}" venv.sh && "$python" -V; } | sha256sum | cut -c 1-16)
venv=${DVRE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dvre-operator}/venv-$key

if [[ ! -e $venv/complete ]]; then
  echo "making $venv" >&2
  rm -rf "$venv"
  "$python" -m venv "$venv"
  "$venv/bin/pip" install -q --require-hashes -r "${locks[0]}"
  "$venv/bin/pip" install -q --require-hashes --no-build-isolation "${locks[@]/#/-r}"
  # Where Python looks for entry points: metadata alone is enough.
  metadata=$venv/plugin
  mkdir -p "$metadata/dvre_streamflow-0.dist-info"
  printf 'Metadata-Version: 2.1\nName: dvre-streamflow\nVersion: 0\n' \
    >"$metadata/dvre_streamflow-0.dist-info/METADATA"
  printf '[unito.streamflow.plugin]\ndvre = dvre_streamflow.plugin:DvrePlugin\n' \
    >"$metadata/dvre_streamflow-0.dist-info/entry_points.txt"
  touch "$venv/complete"
fi
export PYTHONPATH=$PWD:$venv/plugin PYTHONDONTWRITEBYTECODE=1
