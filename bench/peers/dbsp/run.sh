#!/usr/bin/env bash
# Runs the DBSP peer: run.sh EVENTS WAYS BATCH RATE OUTPUT. It is built when it is asked for, into the user's cache.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
command -v cargo >/dev/null || { echo "dbsp needs cargo: install the Rust toolchain" >&2; exit 3; }
target="${XDG_CACHE_HOME:-$HOME/.cache}/kgroot/peers/dbsp"
CARGO_TARGET_DIR="$target" cargo build -q --release --locked --manifest-path "$here/Cargo.toml" >&2
exec "$target/release/peer-dbsp" "$@"
