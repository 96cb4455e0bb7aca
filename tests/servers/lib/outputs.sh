# What up leaves in target/servers for the tests: env (where everything is) and agent.toml (the agent's own view).
# shellcheck shell=bash
# shellcheck disable=SC2153  # DATA is common.sh's
# Sourced after the engines' files, never run.

write_env() {
  local name prefix data
  {
    echo "# Written by tests/servers/up: KEY=value, no quotes, for shells and simple parsers."
    printf '%s\n' "WW_HOST=127.0.0.1" "WW_TLS_HOST=localhost" "WW_STATE_DIR=$STATE" "WW_DATA_DIR=$DATA" \
      "WW_CTL=$SERVERS_DIR/ctl" "WW_AGENT_CONFIG=$STATE/agent.toml" "WW_AGENT_PORT=$(port_of agent)" \
      "WW_HOOK_PORT=$(port_of hook)" "WW_ALERTMANAGER_HOOK_PORT=$(port_of alertmanager-hook)" \
      "WW_HOOK_SECRET_FILE=$SECRETS/webhook" "WW_CA_FILE=$CA" "WW_CA_KEY_FILE=$SECRETS/ca.key" \
      "WW_TLS_CERT_FILE=$SECRETS/server.pem" "WW_TLS_KEY_FILE=$SECRETS/server.key" "WW_MONITOR_USER=watchward" \
      "WW_PID_DIR=$PIDS" "WW_LOG_DIR=$DATA/logs" "WW_SERVERS=$(IFS=,; echo "${SERVERS[*]}")"
    for name in "${SERVERS[@]}"; do
      prefix=$(env_prefix "$name")
      data=$DATA/$name
      [[ ! -d $data/data ]] || data=$data/data
      printf '%s\n' "${prefix}_NAME=$name" "${prefix}_PORT=$(port_of "$name")" "${prefix}_PID_FILE=$PIDS/$name" \
        "${prefix}_DATA=$data" "${prefix}_LOG=$(log_of "$name")"
    done
    printf '%s\n' \
      "WW_PG_DATABASE=postgres" "WW_PG_SHOP_DATABASE=orders" "WW_PG_ADMIN_USER=postgres" \
      "WW_PG_ADMIN_PASSWORD_FILE=$SECRETS/pg-admin" "WW_PG_MONITOR_PASSWORD_FILE=$SECRETS/pg-monitor" \
      "WW_PG_REPLICATION_USER=replicator" "WW_PG_REPLICATION_PASSWORD_FILE=$SECRETS/pg-replication" "WW_PG_SLOT=standby" \
      "WW_PG_BIN_DIR=$PG_BIN" "WW_PG_BIN_DIRS=$(pg_bin_dirs)" "WW_PSQL=$PG_BIN/psql" WW_PGBOUNCER=/usr/sbin/pgbouncer "WW_PG_OS_USER=$(user_of postgresql-primary)" \
      "WW_REDIS_ADMIN_USER=admin" "WW_REDIS_ADMIN_PASSWORD_FILE=$SECRETS/redis-admin" \
      "WW_REDIS_MONITOR_PASSWORD_FILE=$SECRETS/redis-monitor" "WW_REDIS_MASTER_NAME=cache" \
      "WW_REDIS_CLI=/usr/bin/redis-cli" "WW_REDIS_SERVER=/usr/bin/redis-server" \
      "WW_REDIS_SERVERS=$(redis_servers)" "WW_ACTION_USER=watchward_act" \
      "WW_PG_ACTION_PASSWORD_FILE=$SECRETS/pg-action" "WW_REDIS_ACTION_PASSWORD_FILE=$SECRETS/redis-action" \
      "WW_MONGODB_REPLICA_SET=docs" "WW_MONGODB_ADMIN_USER=admin" "WW_MONGODB_ADMIN_PASSWORD_FILE=$SECRETS/mongodb-admin" \
      "WW_MONGODB_MONITOR_PASSWORD_FILE=$SECRETS/mongodb-monitor" "WW_MONGOD=$MONGOD" "WW_MONGODB_SERVERS=$(mongodb_servers)" \
      "WW_PYTHON=$CACHE/venv/bin/python" "WW_COLLECTOR=$COLLECTOR" "WW_OPENMETRICS_PARSER=$OPENMETRICS_PARSER" \
      "WW_CLICKHOUSE_TCP_PORT=$(port_of clickhouse-tcp)" "WW_CLICKHOUSE_ADMIN_USER=admin" \
      "WW_CLICKHOUSE_ADMIN_PASSWORD_FILE=$SECRETS/clickhouse-admin" \
      "WW_CLICKHOUSE_MONITOR_PASSWORD_FILE=$SECRETS/clickhouse-monitor" "WW_CLICKHOUSE_CLIENT=/usr/bin/clickhouse-client" \
      "WW_ELASTICSEARCH_MONITOR_PASSWORD_FILE=$SECRETS/elasticsearch-monitor" \
      "WW_ELASTICSEARCH_REPO=$DATA/elasticsearch/repo" "WW_ELASTICSEARCH_LOGS=$DATA/elasticsearch/logs" \
      "WW_OPENSEARCH_MONITOR_PASSWORD_FILE=$SECRETS/opensearch-monitor" "WW_OPENSEARCH_REPO=$DATA/opensearch/repo" \
      "WW_OPENSEARCH_3_MONITOR_PASSWORD_FILE=$SECRETS/opensearch-3-monitor" \
      "WW_OPENSEARCH_LOGS=$DATA/opensearch/logs" \
      "WW_PROMETHEUS_SD_DIR=$STATE/prometheus-sd" "WW_PROMETHEUS=/usr/bin/prometheus" "WW_PROMTOOL=/usr/bin/promtool" "WW_AMTOOL=/usr/bin/amtool"
  } >"$STATE/.env"
  mv "$STATE/.env" "$STATE/env"
}

toml_target() { # NAME ENGINE URL SECRET [tls]
  printf '\n[[target]]\nname = "%s"\nengine = "%s"\nurl = "%s"\n' "$1" "$2" "$3"
  [[ -z ${5:-} ]] || printf 'ca_file = "%s"\n' "$CA"
  printf 'password_file = "%s"\n' "$SECRETS/$4"
}

write_agent_toml() {
  local n
  {
    cat <<TOML
# Written by tests/servers/up: the agent for the servers of the tests, with monitoring roles only.
[agent]
name = "test-host"
state_dir = "$STATE/state"

[serve]
listen = "127.0.0.1:$(port_of agent)"

[sample]
interval = "5s"
TOML
    toml_target orders postgresql \
      "postgres://watchward@localhost:$(port_of postgresql-primary)/postgres?sslmode=verify-full" pg-monitor tls
    toml_target orders-standby postgresql \
      "postgres://watchward@localhost:$(port_of postgresql-standby)/postgres?sslmode=verify-full" pg-monitor tls
    toml_target cache redis "redis://watchward@127.0.0.1:$(port_of redis-primary)" redis-monitor
    toml_target cache-replica redis "redis://watchward@127.0.0.1:$(port_of redis-replica)" redis-monitor
    for n in 1 2 3; do
      toml_target "cache-sentinel-$n" redis "redis://watchward@127.0.0.1:$(port_of "redis-sentinel-$n")" redis-monitor
    done
    for n in 1 2 3; do
      toml_target "documents-$n" mongodb "mongodb://watchward@127.0.0.1:$(port_of "mongodb-$n")/?authSource=admin" \
        mongodb-monitor
    done
    toml_target visits clickhouse "http://watchward@127.0.0.1:$(port_of clickhouse)" clickhouse-monitor
    toml_target search elasticsearch "https://watchward@localhost:$(port_of elasticsearch-proxy)" elasticsearch-monitor tls
    toml_target search-opensearch elasticsearch "https://watchward@localhost:$(port_of opensearch-proxy)" \
      opensearch-monitor tls
    cat <<TOML

[[target]]
name = "this-host"
engine = "host"
root = "/"

[[alert.receiver]]
name = "hook"
webhook = { url = "http://127.0.0.1:$(port_of hook)/hook", secret_file = "$SECRETS/webhook" }

[alert.route]
receiver = "hook"
TOML
  } >"$STATE/.agent.toml"
  mv "$STATE/.agent.toml" "$STATE/agent.toml"
}
