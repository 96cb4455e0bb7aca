# PostgreSQL 15: a primary and a streaming standby, TLS, SCRAM passwords, the extensions that a monitor looks for.
# shellcheck shell=bash
# Sourced after process.sh, never run.

PG_BIN=/usr/lib/postgresql/15/bin

pg_conninfo() { # NAME USER: over TLS, so that a broken certificate is found here and not in a test
  echo "host=localhost port=$(port_of "$1") user=$2 dbname=postgres sslmode=verify-full sslrootcert=$CA connect_timeout=5"
}

pg_psql() { # NAME USER SECRET: SQL on standard input; passwords travel in the environment, not in ps
  PGPASSWORD=$(secret "$3") "$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 -d "$(pg_conninfo "$1" "$2")" "${@:4}"
}

pg_settings() { # NAME: what differs between the two
  cat <<CONF
port = $(port_of "$1")
cluster_name = '$1'
unix_socket_directories = '$DATA/$1'
ssl_cert_file = '$DATA/$1/server.pem'
ssl_key_file = '$DATA/$1/server.key'
ssl_ca_file = '$DATA/$1/ca.pem'
CONF
}

postgresql_setup() {
  local name dir
  for name in postgresql-primary postgresql-standby; do
    make_dir "$name" "$DATA/$name" 0755
    give_certificates "$name"
    # Both have it: after a promotion the old primary can follow the new one.
    printf '*:*:*:replicator:%s\n' "$(secret pg-replication)" | write_for "$name" 0600 "$DATA/$name/pgpass"
  done
  dir=$DATA/postgresql-primary
  write_for postgresql-primary 0600 "$dir/first-password" <"$SECRETS/pg-admin"
  as_user "$(user_of postgresql-primary)" "$PG_BIN/initdb" -D "$dir/data" -U postgres --pwfile="$dir/first-password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --data-checksums --no-sync \
    >"$(log_of postgresql-primary)" 2>&1 || fail_with_log postgresql-primary "initdb failed"
  rm "$dir/first-password"
  {
    pg_settings postgresql-primary
    cat <<'CONF'
listen_addresses = '127.0.0.1'
unix_socket_permissions = 0700
ssl = on
password_encryption = 'scram-sha-256'
shared_preload_libraries = 'pg_stat_statements,pgaudit'
pg_stat_statements.track = 'all'
pgaudit.log = 'ddl, role'
max_connections = 60
shared_buffers = '64MB'
max_wal_size = '256MB'
wal_level = 'logical'
max_wal_senders = 10
max_replication_slots = 10
max_slot_wal_keep_size = '512MB'
hot_standby = on
track_io_timing = on
track_functions = 'all'
log_line_prefix = '%m [%p] %q%u@%d '
log_lock_waits = on
log_checkpoints = on
log_min_duration_statement = '500ms'
CONF
  } | as_user "$(user_of postgresql-primary)" tee -a "$dir/data/postgresql.conf" >/dev/null
  # Plain connections stay possible, because sslmode=disable must be testable; passwords are SCRAM either way.
  write_for postgresql-primary 0600 "$dir/data/pg_hba.conf" <<'HBA'
local   all          all                       scram-sha-256
host    all          all         127.0.0.1/32  scram-sha-256
hostssl replication  replicator  127.0.0.1/32  scram-sha-256
HBA
}

postgresql_launch() {
  # After SIGKILL its lock files stay, and as long as init has not collected the dead, PostgreSQL takes its own corpse
  # for a running server. That none of its processes is left is known here: stop_server has seen to it.
  local file=$DATA/$1/data/postmaster.pid seen
  if [[ -f $file ]] && ! { seen=$(stat_of "$(head -n 1 "$file")") && [[ ${seen% *} != Z ]]; }; then
    rm -f "$file" "$DATA/$1"/.s.PGSQL.*
  fi
  spawn "$1" "$PG_BIN/postgres" -D "$DATA/$1/data"
}

postgresql_ready() { "$PG_BIN/pg_isready" -q -h 127.0.0.1 -p "$(port_of "$1")" -t 2; }

postgresql_role() { # FILE of grants/, SECRET: a role as `watchward grants` makes it; \password reads it twice, without a terminal
  { cat "$SERVERS_DIR/grants/$1" && printf '%s\n' "$(secret "$2")" "$(secret "$2")"; } |
    PGPASSWORD=$(secret pg-admin) setsid -w "$PG_BIN/psql" -X -q -d "$(pg_conninfo postgresql-primary postgres)" \
      >>"$(log_of postgresql-primary)" 2>&1 || fail_with_log postgresql-primary "the role of $1 could not be made"
}

postgresql_up() { # first start: roles, extensions, some data, then the standby as a copy
  local dir=$DATA/postgresql-standby
  postgresql_setup
  start_server postgresql-primary
  wait_ready postgresql-primary 60
  postgresql_role postgresql-15.sql pg-monitor
  postgresql_role postgresql-15-action.sql pg-action
  REPLICATOR_PASSWORD=$(secret pg-replication) \
    pg_psql postgresql-primary postgres pg-admin <"$SERVERS_DIR/lib/postgresql.sql"
  as_user "$(user_of postgresql-standby)" PGPASSFILE="$dir/pgpass" "$PG_BIN/pg_basebackup" -D "$dir/data" \
    -R -C -S standby -X stream -c fast --no-sync \
    -d "host=localhost port=$(port_of postgresql-primary) user=replicator application_name=standby
        passfile=$dir/pgpass sslmode=verify-full sslrootcert=$dir/ca.pem" \
    >>"$(log_of postgresql-standby)" 2>&1 || fail_with_log postgresql-standby "pg_basebackup failed"
  pg_settings postgresql-standby | as_user "$(user_of postgresql-standby)" tee -a "$dir/data/postgresql.conf" >/dev/null
  start_server postgresql-standby
  wait_ready postgresql-standby 60
}
