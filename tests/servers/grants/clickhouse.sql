-- The login with which Watchward watches ClickHouse: it reads these system tables, and nobody's data.
-- For clickhouse-client as a user with access_management. The hash: printf %s "$PASSWORD" | sha256sum
CREATE USER IF NOT EXISTS watchward IDENTIFIED WITH sha256_hash BY 'SHA256_OF_THE_PASSWORD' HOST LOCAL SETTINGS readonly = 2;
GRANT SELECT ON system.metrics TO watchward;
GRANT SELECT ON system.events TO watchward;
GRANT SELECT ON system.asynchronous_metrics TO watchward;
GRANT SELECT ON system.errors TO watchward;
GRANT SELECT ON system.processes TO watchward;
GRANT SELECT ON system.parts TO watchward;
GRANT SHOW TABLES ON *.* TO watchward;
GRANT SELECT ON system.replicas TO watchward;
GRANT SELECT ON system.mutations TO watchward;
GRANT SELECT ON system.detached_parts TO watchward;
GRANT SELECT ON system.disks TO watchward;
GRANT SELECT(type,event_date,event_time,query_duration_ms,read_rows,read_bytes,query_kind,normalized_query_hash,is_initial_query,user,http_user_agent) ON system.query_log TO watchward;
GRANT SELECT ON system.histogram_metrics TO watchward;
GRANT SELECT ON system.dimensional_metrics TO watchward;
GRANT SELECT ON system.dictionaries TO watchward;
GRANT SHOW DICTIONARIES ON *.* TO watchward;
GRANT SELECT ON system.asynchronous_inserts TO watchward;
GRANT SELECT ON system.backups TO watchward;
GRANT SELECT ON system.distribution_queue TO watchward;
