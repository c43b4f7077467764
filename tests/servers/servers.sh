#!/usr/bin/env bash
# Real servers on loopback for the tests. NAME: kafka registry neo4j opensearch postgres redis
# prometheus; without a name, all.
#   servers.sh start [NAME...]   with fresh data, ready when it returns; prints `export VARIABLE=value` for the tests
#   servers.sh stop [NAME...]    and remove their data
#   servers.sh restart|kill|pause|resume|pid NAME   one server, its data kept; kill is kill -9, restart also revives
#   servers.sh fetch [NAME...]   download only
#   servers.sh broker   Kafka alone, with what it held before if it was only ended, not stopped; $KGROOT_SERVERS_RUN/kafka.pid
#                       is its process
# KGROOT_SERVERS_JVM: heap and compilers of the stores, where they are measured and not only tried: "-Xms2g -Xmx2g".
# KGROOT_KAFKA_BEHIND=PORT@HOST:PORT: one more listener of Kafka, which says that it is at HOST:PORT (a proxy).
# Downloads are kept in the user's cache, all else in one folder.
set -euo pipefail
all="kafka registry neo4j opensearch postgres redis prometheus"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/kgroot/servers"
run="$(realpath -m "${KGROOT_SERVERS_RUN:-${TMPDIR:-/tmp}/kgroot-servers-$UID}")"

kafka_port="${KGROOT_KAFKA_PORT:-19092}"
kafka_port_controller="${KGROOT_KAFKA_CONTROLLER_PORT:-$((kafka_port + 1000))}"
kafka_behind="${KGROOT_KAFKA_BEHIND:-}"
registry_port="${KGROOT_REGISTRY_PORT:-18081}"
registry_port_management=$((registry_port + 1000))
neo4j_port="${KGROOT_NEO4J_PORT:-17687}"
neo4j_port_http="${KGROOT_NEO4J_HTTP_PORT:-17474}"
opensearch_port="${KGROOT_OPENSEARCH_PORT:-19200}"
opensearch_port_transport=$((opensearch_port + 100))
postgres_port="${KGROOT_POSTGRES_PORT:-15432}"
redis_port="${KGROOT_REDIS_PORT:-16379}"
prometheus_port="${KGROOT_PROMETHEUS_PORT:-19090}"

kafka_jars="$cache/kafka-4.3.1"
registry_home="$cache/apicurio-3.0.9"
neo4j_jars="$cache/neo4j-5.26.30"
opensearch_jars="$cache/opensearch-2.19.1"
postgres_bin=/usr/lib/postgresql/15/bin
as_postgres=()
[ "$UID" != 0 ] || as_postgres=(setpriv --reuid=postgres --regid=postgres --init-groups) # it refuses to be root
password=kgroot-tests
# Without -UsePerfData a JVM that starts goes for a moment into the folder of everybody's figures, and `alive` looks at
# where a process is.
jvm="-XX:+UseSerialGC -XX:-UsePerfData"
quick_jvm="$jvm ${KGROOT_SERVERS_JVM:--Xms512m -Xmx512m -XX:TieredStopAtLevel=1}" # half of a start is the second compiler

# Each server has fetch_, prepare_ (fresh data), launch_ (becomes the server), ready_ and export_. The middle three run
# in the server's own folder.

fetch_kafka() { need java openjdk-17-jre-headless; jars "$kafka_jars" kafka; }
prepare_kafka() {
  cat >kafka.properties <<C
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$kafka_port_controller
listeners=PLAINTEXT://127.0.0.1:$kafka_port,CONTROLLER://127.0.0.1:$kafka_port_controller${kafka_behind:+,BEHIND://127.0.0.1:${kafka_behind%@*}}
advertised.listeners=PLAINTEXT://127.0.0.1:$kafka_port${kafka_behind:+,BEHIND://${kafka_behind#*@}}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,BEHIND:PLAINTEXT
log.dirs=$run/kafka/data
num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
C
  java -Xmx256m -cp "$kafka_jars/*" kafka.tools.StorageTool format -t a2dyb290LXRlc3RzLTAwMQ -c kafka.properties
}
launch_kafka() {
  exec java $jvm -Xmx512m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$kafka_jars/*" \
    kafka.Kafka kafka.properties
}
ready_kafka() { answers "$kafka_port"; }
export_kafka() { echo "export KGROOT_TEST_KAFKA=127.0.0.1:$kafka_port"; }

fetch_registry() {
  need java openjdk-17-jre-headless
  [ ! -f "$registry_home/.complete" ] || return 0
  need mvn maven
  mkdir -p "$registry_home"
  # Version 2 of the plugin resolves the archive alone; later ones want a parent POM that is not published.
  mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:2.10:get -Dtransitive=false \
    -Dartifact=io.apicurio:apicurio-registry-app:3.0.9:tar.gz:all -Ddest="$registry_home/registry.tar.gz" >&2
  tar xzf "$registry_home/registry.tar.gz" -C "$registry_home"
  rm -f "$registry_home/registry.tar.gz"
  touch "$registry_home/.complete"
}
prepare_registry() { :; }
launch_registry() {
  exec java $jvm -Xmx384m -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$registry_port" \
    -Dquarkus.management.host=127.0.0.1 -Dquarkus.management.port="$registry_port_management" -Dquarkus.log.level=WARN \
    -Dapicurio.datasource.url="jdbc:h2:file:$run/registry/data" \
    -jar "$registry_home/apicurio-registry-app-3.0.9-runner.jar"
}
ready_registry() { get "http://127.0.0.1:$registry_port/apis/ccompat/v7/subjects"; }
export_registry() { echo "export KGROOT_TEST_REGISTRY=http://127.0.0.1:$registry_port/apis/ccompat/v7"; }

fetch_neo4j() { need java openjdk-17-jre-headless; jars "$neo4j_jars" neo4j; }
prepare_neo4j() {
  mkdir conf
  # The last five make a stop take two seconds instead of twelve.
  cat >conf/neo4j.conf <<C
server.default_listen_address=127.0.0.1
server.bolt.listen_address=127.0.0.1:$neo4j_port
server.bolt.advertised_address=127.0.0.1:$neo4j_port
server.http.listen_address=127.0.0.1:$neo4j_port_http
server.https.enabled=false
server.memory.pagecache.size=64m
db.tx_log.preallocate=false
dbms.usage_report.enabled=false
db.shutdown_transaction_end_timeout=1s
internal.dbms.bolt.netty_server_shutdown_quiet_period=0
internal.dbms.bolt.netty_server_shutdown_timeout=2s
internal.server.bolt.connection_shutdown_wait_time=1s
internal.server.bolt.thread_pool_shutdown_wait_time=1s
C
  NEO4J_HOME="$run/neo4j" java -Xmx256m -cp "$neo4j_jars/*" \
    org.neo4j.cli.AdminTool dbms set-initial-password "$password"
}
launch_neo4j() {
  local opens=() package
  for package in java.nio java.io java.lang java.util.concurrent sun.nio.ch; do
    opens+=("--add-opens=java.base/$package=ALL-UNNAMED")
  done
  exec java $quick_jvm -Dlog4j2.disable.jmx=true "${opens[@]}" -cp "$neo4j_jars/*" \
    org.neo4j.server.CommunityEntryPoint --home-dir="$run/neo4j" --config-dir="$run/neo4j/conf"
}
ready_neo4j() { # the database is up some time after the port
  get -u "neo4j:$password" -H 'content-type: application/json' -d '{"statement":"RETURN 1"}' \
    "http://127.0.0.1:$neo4j_port_http/db/neo4j/query/v2"
}
export_neo4j() {
  echo "export KGROOT_TEST_NEO4J=bolt://127.0.0.1:$neo4j_port"
  echo "export KGROOT_TEST_NEO4J_HTTP=http://127.0.0.1:$neo4j_port_http"
  echo "export KGROOT_TEST_NEO4J_USER=neo4j"
  echo "export KGROOT_TEST_NEO4J_PASSWORD=$password"
}

fetch_opensearch() {
  need javac openjdk-17-jdk-headless
  [ ! -f "$opensearch_jars/.complete" ] || return 0
  need python3 python3
  jars "$opensearch_jars" opensearch
}
prepare_opensearch() {
  mkdir -p node_1/config
  cat >node_1/config/opensearch.yml <<C
network.host: 127.0.0.1
transport.port: $opensearch_port_transport
discovery.type: single-node
cluster.routing.allocation.disk.threshold_enabled: false
C
  javac -cp "$opensearch_jars/*" -d . "$here/OneNode.java"
}
launch_opensearch() {
  exec java $quick_jvm -Dlog4j2.disable.jmx=true -cp "$run/opensearch:$opensearch_jars/*" \
    OneNode "$run/opensearch" "$opensearch_port"
}
ready_opensearch() { get "http://127.0.0.1:$opensearch_port/_cluster/health?wait_for_status=yellow&timeout=3s"; }
export_opensearch() { echo "export KGROOT_TEST_OPENSEARCH=http://127.0.0.1:$opensearch_port"; }

fetch_postgres() { need "$postgres_bin/initdb" postgresql; }
prepare_postgres() {
  echo "$password" >password
  [ "$UID" != 0 ] || chown postgres: . password
  "${as_postgres[@]}" "$postgres_bin/initdb" -D data -U kgroot --pwfile=password -A scram-sha-256 -E UTF8 \
    --locale=C.UTF-8 --no-sync
}
launch_postgres() {
  rm -f data/postmaster.pid # after a kill it keeps the next one out for as long as nobody reaps the dead one
  # No socket files: their paths are limited to 107 bytes.
  exec "${as_postgres[@]}" "$postgres_bin/postgres" -D data -p "$postgres_port" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories= -c shared_buffers=64MB
}
ready_postgres() { "$postgres_bin/pg_isready" -q -h 127.0.0.1 -p "$postgres_port"; }
export_postgres() {
  echo "export KGROOT_TEST_POSTGRES=postgres://kgroot:$password@127.0.0.1:$postgres_port/postgres"
}

fetch_redis() { need redis-server redis-server; }
prepare_redis() { :; }
launch_redis() { exec redis-server --bind 127.0.0.1 --port "$redis_port" --save '' --appendonly yes; }
ready_redis() { [ "$(redis-cli -h 127.0.0.1 -p "$redis_port" ping)" = PONG ]; }
export_redis() { echo "export KGROOT_TEST_REDIS=redis://127.0.0.1:$redis_port"; }

fetch_prometheus() { need prometheus prometheus; }
prepare_prometheus() { # it watches itself as if it were a pod, one target that is not there, and one alert that fires;
  # what it knows of both it writes to the program, whenever a test runs it
  cat >prometheus.yml <<C
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: ['rules.yml']
scrape_configs:
  - job_name: self
    static_configs:
      - {targets: ['127.0.0.1:$prometheus_port'], labels: {namespace: watch, service: prometheus, pod: prometheus-0}}
  - job_name: gone
    static_configs:
      - {targets: ['127.0.0.1:1'], labels: {namespace: watch, service: gone, pod: gone-0}}
remote_write:
  - url: http://127.0.0.1:18783/api/v1/ingest/prometheus/write?tenant_id=watch
    queue_config: {max_backoff: 1s}
    write_relabel_configs: [{source_labels: [__name__], regex: up, action: keep}]
C
  cat >rules.yml <<C
groups:
  - name: tests
    rules:
      - {alert: TargetDown, expr: up == 0, labels: {severity: page}, annotations: {summary: 'a target is down'}}
C
}
launch_prometheus() {
  exec prometheus --config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address="127.0.0.1:$prometheus_port"
}
ready_prometheus() { # it has scraped, and the alert fires
  curl -sf -m 5 --noproxy '*' "http://127.0.0.1:$prometheus_port/api/v1/alerts" | grep -q '"state":"firing"'
}
export_prometheus() { echo "export KGROOT_TEST_PROMETHEUS=http://127.0.0.1:$prometheus_port"; }

die() { echo "servers.sh: $*" >&2; exit 1; }
need() { command -v "$1" >/dev/null || die "$1 is missing: apt-get install -y --no-install-recommends $2"; }
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
get() { curl -sf -m 5 --noproxy '*' -o /dev/null "$@"; }

jars() { # FOLDER POM; once each: a half-finished download never counts
  [ ! -f "$1/.complete" ] || return 0
  need mvn maven
  mvn -q -B -ntp -f "$here/$2-pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    -DoutputDirectory="$1" -DincludeScope=runtime >&2
  for plugin in "$1"/*.zip; do # an OpenSearch plugin brings its jars in an archive
    [ ! -f "$plugin" ] || python3 -m zipfile -e "$plugin" "$1"
  done
  touch "$1/.complete"
}

alive() { # by its folder too: a process number may have been given to somebody else
  [ -f "$run/$1.pid" ] && [[ "$(readlink "/proc/$(cat "$run/$1.pid")/cwd")" == "$run/$1"* ]]
}

broken() { # NAME WHAT
  echo "$1 $2; its log:" >&2
  tail -n 20 "$run/$1.log" >&2
  exit 1
}

up() ( # launch and wait; in a shell of its own
  cd "$run/$1"
  . "$run/$1.settings"
  "launch_$1" >>"$run/$1.log" 2>&1 </dev/null &
  echo $! >"$run/$1.pid"
  deadline=$((SECONDS + 300))
  until "ready_$1" >/dev/null 2>&1; do
    alive "$1" || broken "$1" "died"
    [ "$SECONDS" -lt "$deadline" ] || broken "$1" "is not ready after 300 s"
    sleep 0.2
  done
)

fresh_up() (
  mkdir -p "$run/$1"
  cd "$run/$1"
  # A restart uses the ports of the start, whatever the environment says by then.
  declare -p $(compgen -v "$1_port") >"$run/$1.settings"
  "prepare_$1" >"$run/$1.log" 2>&1 </dev/null || broken "$1" "could not be prepared"
  up "$1"
)

down() { # all at once, then wait for each
  for name in "$@"; do
    alive "$name" || continue
    signal=TERM
    [ "$name" != postgres ] || signal=INT # TERM would wait for its clients
    kill -s "$signal" "$(cat "$run/$name.pid")" 2>/dev/null || true
    send CONT "$name"
  done
  for name in "$@"; do
    for _ in $(seq 150); do alive "$name" || continue 2; sleep 0.2; done
    kill9 "$name"
  done
}

family() { # of NAME: its process and the children, which only PostgreSQL has
  local pid
  alive "$1" || return 0
  pid="$(cat "$run/$1.pid")"
  echo "$pid" $(cat "/proc/$pid/task/$pid/children" 2>/dev/null)
}

send() { # SIGNAL NAME
  local pid
  for pid in $(family "$2"); do kill -s "$1" "$pid" 2>/dev/null || true; done
}

fetch() (
  need curl curl
  mkdir -p "$cache"
  exec 9>"$cache/.lock"
  flock 9 # other checkouts share the cache
  for name in "$@"; do "fetch_$name"; done
)

free() { # NAME: nobody has its ports
  local port
  for port in $(compgen -v "$1_port"); do
    if answers "${!port}"; then die "port ${!port} of $1 is taken; set KGROOT_${1^^}_PORT"; fi
  done
}

start() {
  local jobs=() failed=
  fetch "$@"
  stop "$@"
  for name in "$@"; do free "$name"; done
  for name in "$@"; do
    fresh_up "$name" >&2 &
    jobs+=($!)
  done
  for job in "${jobs[@]}"; do wait "$job" || failed=1; done
  if [ -n "$failed" ]; then down "$@"; exit 1; fi # the logs stay
  for name in "$@"; do "export_$name"; done
}

broker() {
  fetch kafka
  free kafka
  if [ -f "$run/kafka.settings" ]; then up kafka >&2; else fresh_up kafka >&2; fi
  export_kafka
}

stop() {
  down "$@"
  for name in "$@"; do rm -rf "${run:?}/$name" "$run/$name".*; done
  rmdir "$run" 2>/dev/null || true
}

restart() { down "$1"; up "$1"; }
kill9() {
  local pid
  send STOP "$1" # so that no child appears between the look and the kill
  for pid in $(family "$1"); do
    kill -9 "$pid" 2>/dev/null || true
    while readlink "/proc/$pid/cwd" >/dev/null; do sleep 0.05; done # a zombie has none
  done
}

usage() { sed -n '2,/^set /{s/^# \?//p}' "${BASH_SOURCE[0]}" >&2; exit 2; }
command="${1:-}"
shift || usage
for name in "$@"; do case " $all " in *" $name "*) ;; *) usage ;; esac; done
case "$command" in
  fetch | start | stop)
    # shellcheck disable=SC2086 # a list of words
    [ $# -gt 0 ] || set -- $all
    "$command" "$@"
    exit
    ;;
  broker)
    [ $# = 0 ] || usage
    broker
    exit
    ;;
esac
[ $# = 1 ] || usage
[ -d "$run/$1" ] || die "$1 was not started in $run"
case "$command" in
  restart) restart "$1" ;;
  kill) kill9 "$1" ;;
  pause) send STOP "$1" ;;
  resume) send CONT "$1" ;;
  pid) alive "$1" || die "$1 is down"; cat "$run/$1.pid" ;;
  *) usage ;;
esac
