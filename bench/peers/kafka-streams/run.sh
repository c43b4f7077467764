#!/usr/bin/env bash
# Runs the Kafka Streams peer: run.sh EVENTS WAYS BATCH RATE OUTPUT. It starts the broker of the tests, alone, and ends it.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
source "$here/../jvm/build.sh" kafka-streams
servers="$here/../../../tests/servers/servers.sh"
folder="$(mktemp -d)"
export KGROOT_SERVERS_RUN="$folder/servers" KGROOT_KAFKA_PORT="${KGROOT_PEERS_KAFKA_PORT:-29392}"
trap 'bash "$servers" stop kafka >/dev/null 2>&1 || true; rm -rf "$folder"' EXIT
eval "$(bash "$servers" start kafka)"
mkdir "$folder/state"
java -Xms3g -Xmx3g -XX:+AlwaysPreTouch -XX:+UseParallelGC -XX:-UsePerfData -cp "$classes:$jars/*" \
  peer.Streams "$@" "$KGROOT_TEST_KAFKA" "$(bash "$servers" pid kafka)" "$folder/state"
