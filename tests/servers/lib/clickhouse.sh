# ClickHouse 18.16: one server with an administrator and a monitoring user that can only read system tables.
# shellcheck shell=bash
# Sourced after process.sh, never run.

clickhouse_setup() {
  local dir=$DATA/clickhouse name=clickhouse
  make_dir "$name" "$dir" 0750
  for sub in data tmp user_files format_schemas; do make_dir "$name" "$dir/$sub" 0750; done
  write_for "$name" 0600 "$dir/config.xml" <<XML
<yandex>
  <logger><level>information</level><console>1</console></logger>
  <listen_host>127.0.0.1</listen_host>
  <http_port>$(port_of clickhouse)</http_port>
  <tcp_port>$(port_of clickhouse-tcp)</tcp_port>
  <path>$dir/data/</path>
  <tmp_path>$dir/tmp/</tmp_path>
  <user_files_path>$dir/user_files/</user_files_path>
  <format_schema_path>$dir/format_schemas/</format_schema_path>
  <users_config>$dir/users.xml</users_config>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
  <timezone>UTC</timezone>
  <max_connections>200</max_connections>
  <max_concurrent_queries>50</max_concurrent_queries>
  <mark_cache_size>67108864</mark_cache_size>
  <uncompressed_cache_size>16777216</uncompressed_cache_size>
  <query_log><database>system</database><table>query_log</table>
    <flush_interval_milliseconds>2000</flush_interval_milliseconds></query_log>
  <part_log><database>system</database><table>part_log</table>
    <flush_interval_milliseconds>2000</flush_interval_milliseconds></part_log>
</yandex>
XML
  write_for "$name" 0600 "$dir/users.xml" <<XML
<yandex>
  <profiles>
    <default><max_memory_usage>536870912</max_memory_usage><log_queries>1</log_queries></default>
  </profiles>
  <quotas><default/></quotas>
  <users>
    <admin>
      <password_sha256_hex>$(sha256_of "$(secret clickhouse-admin)")</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
    </admin>
  </users>
</yandex>
XML
  make_dir "$name" "$dir/users.d" 0750
  sed "s/SHA256_OF_THE_PASSWORD/$(sha256_of "$(secret clickhouse-monitor)")/" "$SERVERS_DIR/grants/clickhouse-18.16.xml" |
    write_for "$name" 0600 "$dir/users.d/watchward.xml"
}

clickhouse_launch() { spawn clickhouse /usr/sbin/clickhouse-server --config-file="$DATA/clickhouse/config.xml"; }

clickhouse_ready() { # SQL as the administrator: /ping answers before the users are loaded
  [[ $(clickhouse_ask 'SELECT 1') == 1 ]]
}

clickhouse_ask() { # SQL; the password goes by standard input, not by the command line
  curl --noproxy '*' -sS -f -m 10 -K - --data-binary "$1" "http://127.0.0.1:$(port_of clickhouse)/" \
    <<<"user = \"admin:$(secret clickhouse-admin)\""
}

clickhouse_up() {
  clickhouse_setup
  start_server clickhouse
  wait_ready clickhouse 90
  clickhouse_ask "CREATE TABLE default.visit (day Date, id UInt64, page String) ENGINE = MergeTree(day, id, 8192)"
  clickhouse_ask "INSERT INTO default.visit SELECT today() - number % 90, number, toString(number % 50) FROM \
(SELECT number FROM system.numbers LIMIT 20000)"
}
