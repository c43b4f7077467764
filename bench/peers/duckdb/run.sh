#!/usr/bin/env bash
# Runs the DuckDB peer: run.sh EVENTS WAYS BATCH RATE OUTPUT. Its environment is kept in the user's cache.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
home="${XDG_CACHE_HOME:-$HOME/.cache}/kgroot/peers-venv"
missing() { echo "duckdb needs $1: install $2" >&2; exit 3; }
command -v python3 >/dev/null || missing python3 python3
[ -x "$home/bin/pip" ] || python3 -m venv "$home" >&2 || missing "the module venv of python3" python3-venv
"$home/bin/python" -c 'import duckdb; assert duckdb.__version__ == "2.0.0"' 2>/dev/null ||
  "$home/bin/pip" install -q duckdb==2.0.0 >&2 || missing "the package duckdb 2.0.0" "it with pip"
exec "$home/bin/python" "$here/peer.py" "$@"
