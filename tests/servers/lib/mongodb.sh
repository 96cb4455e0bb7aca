# MongoDB 6.0: a replica set of three with key file, SCRAM users, and TLS allowed beside plain connections.
# shellcheck shell=bash
# Sourced after process.sh, never run.

mongodb_setup() {
  local name
  for name in mongodb-{1..3}; do
    make_dir "$name" "$DATA/$name" 0750
    make_dir "$name" "$DATA/$name/data"
    give_certificates "$name"
    cat "$SECRETS/server.key" "$SECRETS/server.pem" | write_for "$name" 0600 "$DATA/$name/server-both.pem"
    write_for "$name" 0600 "$DATA/$name/keyfile" <"$SECRETS/mongodb-keyfile"
  done
}

mongodb_launch() {
  # Without the last parameter a primary keeps serving for 15 s after SIGTERM, and every stop would take that long.
  spawn "$1" "$MONGOD" --replSet docs --bind_ip 127.0.0.1 --port "$(port_of "$1")" \
    --dbpath "$DATA/$1/data" --keyFile "$DATA/$1/keyfile" --unixSocketPrefix "$DATA/$1" \
    --tlsMode allowTLS --tlsCertificateKeyFile "$DATA/$1/server-both.pem" --tlsCAFile "$DATA/$1/ca.pem" \
    --tlsAllowConnectionsWithoutCertificates \
    --wiredTigerCacheSizeGB 0.25 --oplogSize 128 --slowms 100 \
    --setParameter diagnosticDataCollectionEnabled=false \
    --setParameter shutdownTimeoutMillisForSignaledShutdown=100
}

mongodb_python() { # STEP: see mongodb.py
  local ports
  ports="$(port_of mongodb-1) $(port_of mongodb-2) $(port_of mongodb-3)"
  WW_PORTS=$ports WW_ADMIN=$(secret mongodb-admin) WW_MONITOR=$(secret mongodb-monitor) \
    "$CACHE/venv/bin/python" "$SERVERS_DIR/lib/mongodb.py" "$@"
}

mongodb_ready() { mongodb_python member "$(port_of "$1")"; }

mongodb_up() {
  local name
  mongodb_setup
  for name in mongodb-{1..3}; do start_server "$name"; done
  mongodb_python create || fail_with_log mongodb-1 "the replica set could not be made"
  for name in mongodb-{1..3}; do wait_ready "$name" 120; done
}
