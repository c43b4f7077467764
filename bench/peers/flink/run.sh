#!/usr/bin/env bash
# Runs the Flink peer: run.sh EVENTS WAYS BATCH RATE OUTPUT heap|rocksdb. Its libraries are kept in the user's cache.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
source "$here/../jvm/build.sh" flink
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
java -Xms4g -Xmx4g -XX:+AlwaysPreTouch -XX:+UseParallelGC -XX:-UsePerfData -Djava.io.tmpdir="$folder" \
  --add-opens=java.base/java.util=ALL-UNNAMED \
  --add-opens=java.base/java.lang=ALL-UNNAMED -cp "$classes:$jars/*" peer.Flink "$@" "$folder"
