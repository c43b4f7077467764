#!/usr/bin/env bash
# Real servers on loopback for the tests: servers.sh start|stop. Downloads are kept in the user's cache.
# Prints `export NAME=value` lines for the tests on start.
# `broker` starts Kafka alone, with what it held before if it was only ended, not stopped; $KGROOT_SERVERS_RUN/kafka.pid is
# its process. KGROOT_KAFKA_BEHIND=PORT@HOST:PORT: one more listener, which says that it is at HOST:PORT (a proxy).
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/kgroot/servers"
run="${KGROOT_SERVERS_RUN:-${TMPDIR:-/tmp}/kgroot-servers-$UID}"
kafka_port="${KGROOT_KAFKA_PORT:-19092}"
registry_port="${KGROOT_REGISTRY_PORT:-18081}"
controller_port="${KGROOT_KAFKA_CONTROLLER_PORT:-$((kafka_port + 1000))}"
behind="${KGROOT_KAFKA_BEHIND:-}"
kafka_jars="$cache/kafka-4.3.1"
registry_home="$cache/apicurio-3.0.9"

fetch() { # once each; a half-finished download never counts
  mkdir -p "$cache"
  if [ ! -f "$kafka_jars/.complete" ]; then
    mvn -q -B -ntp -f "$here/kafka-pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
      -DoutputDirectory="$kafka_jars" -DincludeScope=runtime >&2
    touch "$kafka_jars/.complete"
  fi
  if [ ! -f "$registry_home/.complete" ]; then
    mkdir -p "$registry_home"
    # Version 2 of the plugin resolves the archive alone; later ones want a parent POM that is not published.
    mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:2.10:get -Dtransitive=false \
      -Dartifact=io.apicurio:apicurio-registry-app:3.0.9:tar.gz:all -Ddest="$registry_home/registry.tar.gz" >&2
    tar xzf "$registry_home/registry.tar.gz" -C "$registry_home"
    rm -f "$registry_home/registry.tar.gz"
    touch "$registry_home/.complete"
  fi
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

wait_for() { # NAME PORT
  for _ in $(seq 300); do
    answers "$2" && return 0
    kill -0 "$(cat "$run/$1.pid")" 2>/dev/null || { echo "$1 died; its log:" >&2; tail -n 20 "$run/$1.log" >&2; exit 1; }
    sleep 0.2
  done
  echo "$1 does not answer on port $2; its log:" >&2
  tail -n 20 "$run/$1.log" >&2
  exit 1
}

free() { # PORT...
  for port in "$@"; do
    if answers "$port"; then echo "port $port is taken; set KGROOT_KAFKA_PORT or KGROOT_REGISTRY_PORT" >&2; exit 1; fi
  done
}

configure_broker() {
  mkdir -p "$run/kafka"
  cat >"$run/kafka.properties" <<C
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller_port
listeners=PLAINTEXT://127.0.0.1:$kafka_port,CONTROLLER://127.0.0.1:$controller_port${behind:+,BEHIND://127.0.0.1:${behind%@*}}
advertised.listeners=PLAINTEXT://127.0.0.1:$kafka_port${behind:+,BEHIND://${behind#*@}}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,BEHIND:PLAINTEXT
log.dirs=$run/kafka
num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
C
  java -Xmx256m -cp "$kafka_jars/*" kafka.tools.StorageTool format -t a2dyb290LXRlc3RzLTAwMQ -c "$run/kafka.properties" >"$run/kafka.log" 2>&1 </dev/null
}

launch_broker() {
  java -Xmx512m -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$kafka_jars/*" kafka.Kafka "$run/kafka.properties" >>"$run/kafka.log" 2>&1 </dev/null &
  echo $! >"$run/kafka.pid"
}

broker() {
  fetch
  free "$kafka_port"
  [ -f "$run/kafka.properties" ] || configure_broker
  launch_broker
  wait_for kafka "$kafka_port"
  echo "export KGROOT_TEST_KAFKA=127.0.0.1:$kafka_port"
}

start() {
  stop
  fetch
  free "$kafka_port" "$registry_port"
  configure_broker
  launch_broker
  java -Xmx384m -XX:+UseSerialGC -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$registry_port" \
    -Dquarkus.management.host=127.0.0.1 -Dquarkus.management.port=$((registry_port + 1000)) -Dquarkus.log.level=WARN \
    -jar "$registry_home/apicurio-registry-app-3.0.9-runner.jar" >"$run/registry.log" 2>&1 </dev/null &
  echo $! >"$run/registry.pid"
  wait_for kafka "$kafka_port"
  wait_for registry "$registry_port"
  echo "export KGROOT_TEST_KAFKA=127.0.0.1:$kafka_port"
  echo "export KGROOT_TEST_REGISTRY=http://127.0.0.1:$registry_port/apis/ccompat/v7"
}

stop() {
  for name in kafka registry; do
    [ -f "$run/$name.pid" ] || continue
    pid="$(cat "$run/$name.pid")"
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.2; done
    kill -9 "$pid" 2>/dev/null || true
  done
  rm -rf "$run"
}

case "${1:-}" in
  fetch) fetch ;;
  start) start ;;
  broker) broker ;;
  stop) stop ;;
  *) echo "usage: servers.sh fetch|start|broker|stop" >&2; exit 2 ;;
esac
