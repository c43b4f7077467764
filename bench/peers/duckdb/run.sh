#!/usr/bin/env bash
# Runs the DuckDB peer: run.sh EVENTS WAYS BATCH RATE OUTPUT. Its environment is kept in the user's cache.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
home="${XDG_CACHE_HOME:-$HOME/.cache}/kgroot/peers-venv"
[ -x "$home/bin/python" ] || python3 -m venv "$home" >&2
"$home/bin/python" -c 'import duckdb; assert duckdb.__version__ == "2.0.0"' 2>/dev/null ||
  "$home/bin/pip" install -q duckdb==2.0.0 >&2
exec "$home/bin/python" "$here/peer.py" "$@"
