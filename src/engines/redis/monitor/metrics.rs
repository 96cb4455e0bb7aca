//! The metrics of each row: `from` is INFO's field (or a field and a divisor). Types are the exporter's, so some counters
//! are gauges; strict names where promtool would complain.

use crate::engines::redis::monitor::newer::NEWER;
use crate::model::row::{Metric, MetricKind};

/// Several groups as one, for the row's list of what it can give; points carry the group's own.
const fn join<const N: usize>(groups: &[&[Metric]]) -> [Metric; N] {
    let mut all = [Metric::gauge("", ""); N];
    let (mut filled, mut group) = (0, 0);
    while group < groups.len() {
        let mut at = 0;
        while at < groups[group].len() {
            all[filled] = groups[group][at];
            filled += 1;
            at += 1;
        }
        group += 1;
    }
    assert!(filled == N, "the length of the list is not that of its groups");
    all
}

const fn total(groups: &[&[Metric]]) -> usize {
    let (mut sum, mut group) = (0, 0);
    while group < groups.len() {
        sum += groups[group].len();
        group += 1;
    }
    sum
}

const INFO_GROUPS: &[&[Metric]] =
    &[SERVER, PERSISTENCE, STATS, NEWER, REPLICATION, MASTER, SLAVE_INFO, SLAVES, INSTANCE, START, KEYSPACE, ERRORS];
/// All that plain INFO gives.
pub static INFO: [Metric; total(INFO_GROUPS)] = join(INFO_GROUPS);

const COMMAND_GROUPS: &[&[Metric]] = &[COMMANDS, PERCENTILES];
/// All that INFO says of commands.
pub static COMMANDS_AND_PERCENTILES: [Metric; total(COMMAND_GROUPS)] = join(COMMAND_GROUPS);

const SENTINEL_GROUPS: &[&[Metric]] = &[SENTINEL, SENTINEL_STATUS, SENTINEL_MASTERS];
/// All that a Sentinel's INFO gives.
pub static SENTINEL_ALL: [Metric; total(SENTINEL_GROUPS)] = join(SENTINEL_GROUPS);

/// Fields of plain INFO: server, clients, memory.
pub static SERVER: &[Metric] = &[
    Metric::gauge("redis_uptime_in_seconds", "Time since the server was started.")
        .from("uptime_in_seconds")
        .unit("s")
        .otel("redis.uptime"),
    Metric::gauge("redis_process_id", "Process of the server.").from("process_id"),
    Metric::gauge("redis_configured_hz", "Configured frequency of background work.").from("configured_hz").unit("Hz"),
    Metric::gauge("redis_hz", "Frequency of background work.").from("hz").unit("Hz"),
    Metric::gauge("redis_io_threads_active", "1 if the I/O threads are in use.").from("io_threads_active"),
    Metric::gauge("redis_connected_clients", "Connections of clients.")
        .from("connected_clients")
        .unit("{client}")
        .otel("redis.clients.connected"),
    Metric::gauge("redis_max_clients", "The most connections it allows.").from("maxclients").unit("{client}"),
    Metric::gauge("redis_blocked_clients", "Clients that wait in a blocking command.")
        .from("blocked_clients")
        .unit("{client}")
        .otel("redis.clients.blocked"),
    Metric::gauge("redis_tracking_clients", "Clients that are told of changed keys.")
        .from("tracking_clients")
        .unit("{client}"),
    Metric::gauge("redis_clients_in_timeout_table", "Clients that wait with a time-out.")
        .from("clients_in_timeout_table")
        .unit("{client}"),
    Metric::gauge("redis_client_recent_max_input_buffer_bytes", "Largest recent input buffer.")
        .from("client_recent_max_input_buffer|client_biggest_input_buf")
        .unit("By"),
    Metric::gauge("redis_client_recent_max_output_buffer_bytes", "Largest recent output buffer.")
        .from("client_recent_max_output_buffer|client_longest_output_list")
        .unit("By"),
    Metric::gauge("redis_memory_used_bytes", "Memory allocated.")
        .from("used_memory")
        .unit("By")
        .otel("redis.memory.used"),
    Metric::gauge("redis_memory_used_rss_bytes", "Memory resident.")
        .from("used_memory_rss")
        .unit("By")
        .otel("redis.memory.rss"),
    Metric::gauge("redis_memory_used_peak_bytes", "The most memory ever allocated.")
        .from("used_memory_peak")
        .unit("By")
        .otel("redis.memory.peak"),
    Metric::gauge("redis_memory_used_lua_bytes", "Memory of the Lua engine.")
        .from("used_memory_lua")
        .unit("By")
        .otel("redis.memory.lua"),
    Metric::gauge("redis_memory_used_overhead_bytes", "Memory for what is not data.")
        .from("used_memory_overhead")
        .unit("By"),
    Metric::gauge("redis_memory_used_startup_bytes", "Memory that was used at the start.")
        .from("used_memory_startup")
        .unit("By"),
    Metric::gauge("redis_memory_used_dataset_bytes", "Memory for data.").from("used_memory_dataset").unit("By"),
    Metric::gauge("redis_memory_used_scripts_bytes", "Memory of cached scripts and functions.")
        .from("used_memory_scripts")
        .unit("By"),
    Metric::gauge("redis_memory_used_functions_bytes", "Memory of functions.").from("used_memory_functions").unit("By"),
    Metric::gauge("redis_memory_max_bytes", "The most memory it may use for data; 0: no limit.")
        .from("maxmemory")
        .unit("By")
        .otel("redis.maxmemory"),
    Metric::gauge("redis_total_system_memory_bytes", "Memory of the machine.").from("total_system_memory").unit("By"),
    Metric::gauge("redis_allocator_active_bytes", "Memory in active pages.").from("allocator_active").unit("By"),
    Metric::gauge("redis_allocator_allocated_bytes", "Memory given out by the allocator.")
        .from("allocator_allocated")
        .unit("By"),
    Metric::gauge("redis_allocator_resident_bytes", "Memory of the allocator that is resident.")
        .from("allocator_resident")
        .unit("By"),
    Metric::gauge("redis_allocator_frag_ratio", "Active to allocated.").from("allocator_frag_ratio").unit("1"),
    Metric::gauge("redis_allocator_frag_bytes", "Active less allocated.").from("allocator_frag_bytes").unit("By"),
    Metric::gauge("redis_allocator_rss_ratio", "Resident to active.").from("allocator_rss_ratio").unit("1"),
    Metric::gauge("redis_allocator_rss_bytes", "Resident less active.").from("allocator_rss_bytes").unit("By"),
    Metric::gauge("redis_mem_fragmentation_ratio", "Resident to allocated.")
        .from("mem_fragmentation_ratio")
        .unit("1")
        .otel("redis.memory.fragmentation_ratio"),
    Metric::gauge("redis_mem_fragmentation_bytes", "Resident less allocated.")
        .from("mem_fragmentation_bytes")
        .unit("By"),
    Metric::gauge("redis_mem_clients_slaves", "Memory of buffers for replicas, in bytes.")
        .from("mem_clients_slaves")
        .unit("By")
        .strict("redis_mem_clients_slaves_bytes"),
    Metric::gauge("redis_mem_clients_normal", "Memory of buffers for clients, in bytes.")
        .from("mem_clients_normal")
        .unit("By")
        .strict("redis_mem_clients_normal_bytes"),
    Metric::gauge("redis_mem_cluster_links", "Memory of links in the cluster, in bytes.")
        .from("mem_cluster_links")
        .unit("By")
        .strict("redis_mem_cluster_links_bytes"),
    Metric::gauge("redis_mem_aof_buffer", "Memory of the AOF buffer, in bytes.")
        .from("mem_aof_buffer")
        .unit("By")
        .strict("redis_mem_aof_buffer_bytes"),
    Metric::gauge("redis_mem_replication_backlog", "Memory of the backlog, in bytes.")
        .from("mem_replication_backlog")
        .unit("By")
        .strict("redis_mem_replication_backlog_bytes"),
    Metric::gauge("redis_mem_total_replication_buffers_bytes", "Memory of all replication buffers.")
        .from("mem_total_replication_buffers")
        .unit("By"),
    Metric::gauge("redis_mem_not_counted_for_eviction_bytes", "Memory that eviction does not count.")
        .from("mem_not_counted_for_evict")
        .unit("By"),
    Metric::gauge("redis_lazyfree_pending_objects", "Objects waiting to be freed.").from("lazyfree_pending_objects"),
    Metric::gauge("redis_active_defrag_running", "1 while memory is defragmented.").from("active_defrag_running"),
    Metric::gauge("redis_number_of_cached_scripts", "Scripts in the cache.").from("number_of_cached_scripts"),
    Metric::gauge("redis_number_of_functions", "Functions loaded.").from("number_of_functions"),
];

/// Fields of plain INFO: RDB and AOF.
pub static PERSISTENCE: &[Metric] = &[
    Metric::gauge("redis_loading_dump_file", "1 while data is loaded.").from("loading"),
    Metric::gauge("redis_async_loading", "1 while a replica loads data and still serves the old.")
        .from("async_loading"),
    Metric::gauge("redis_rdb_changes_since_last_save", "Changes since the last save.")
        .from("rdb_changes_since_last_save")
        .unit("{change}")
        .otel("redis.rdb.changes_since_last_save"),
    Metric::gauge("redis_rdb_bgsave_in_progress", "1 while a save runs.").from("rdb_bgsave_in_progress"),
    Metric::gauge("redis_rdb_last_save_timestamp_seconds", "When the last save succeeded, in seconds since 1970.")
        .from("rdb_last_save_time")
        .unit("s"),
    Metric::gauge("redis_rdb_last_bgsave_status", "1 if the last save succeeded.").from("rdb_last_bgsave_status"),
    Metric::gauge("redis_rdb_last_bgsave_duration_sec", "Duration of the last save in seconds; -1: none yet.")
        .from("rdb_last_bgsave_time_sec")
        .unit("s")
        .strict("redis_rdb_last_bgsave_duration_seconds"),
    Metric::gauge("redis_rdb_current_bgsave_duration_sec", "Duration of the running save in seconds; -1: none runs.")
        .from("rdb_current_bgsave_time_sec")
        .unit("s")
        .strict("redis_rdb_current_bgsave_duration_seconds"),
    Metric::gauge("redis_rdb_saves_total", "Saves since the start.").from("rdb_saves").strict("redis_rdb_saves"),
    Metric::gauge("redis_rdb_last_cow_size_bytes", "Memory copied during the last save.")
        .from("rdb_last_cow_size")
        .unit("By"),
    Metric::gauge("redis_rdb_last_load_expired_keys", "Keys found expired when loading.")
        .from("rdb_last_load_keys_expired")
        .unit("{key}"),
    Metric::gauge("redis_rdb_last_load_loaded_keys", "Keys loaded.").from("rdb_last_load_keys_loaded").unit("{key}"),
    Metric::gauge("redis_aof_enabled", "1 if the AOF is on.").from("aof_enabled"),
    Metric::gauge("redis_aof_rewrite_in_progress", "1 while the AOF is rewritten.").from("aof_rewrite_in_progress"),
    Metric::gauge("redis_aof_rewrite_scheduled", "1 if a rewrite waits for a save to end.")
        .from("aof_rewrite_scheduled"),
    Metric::gauge("redis_aof_last_rewrite_duration_sec", "Duration of the last rewrite in seconds; -1: none yet.")
        .from("aof_last_rewrite_time_sec")
        .unit("s")
        .strict("redis_aof_last_rewrite_duration_seconds"),
    Metric::gauge(
        "redis_aof_current_rewrite_duration_sec",
        "Duration of the running rewrite in seconds; -1: none runs.",
    )
    .from("aof_current_rewrite_time_sec")
    .unit("s")
    .strict("redis_aof_current_rewrite_duration_seconds"),
    Metric::gauge("redis_aof_last_bgrewrite_status", "1 if the last rewrite succeeded.")
        .from("aof_last_bgrewrite_status"),
    Metric::gauge("redis_aof_last_write_status", "1 if the last write to the AOF succeeded.")
        .from("aof_last_write_status"),
    Metric::gauge("redis_aof_last_cow_size_bytes", "Memory copied during the last rewrite.")
        .from("aof_last_cow_size")
        .unit("By"),
    Metric::gauge("redis_aof_current_size_bytes", "Size of the AOF.").from("aof_current_size").unit("By"),
    Metric::gauge("redis_aof_base_size_bytes", "Size of the AOF after the last rewrite.")
        .from("aof_base_size")
        .unit("By"),
    Metric::gauge("redis_aof_pending_rewrite", "1 if a rewrite waits.").from("aof_pending_rewrite"),
    Metric::gauge("redis_aof_buffer_length", "Bytes in the AOF buffer.")
        .from("aof_buffer_length")
        .unit("By")
        .strict("redis_aof_buffer_length_bytes"),
    Metric::gauge("redis_aof_rewrite_buffer_length", "Bytes in the rewrite buffer.")
        .from("aof_rewrite_buffer_length")
        .unit("By")
        .strict("redis_aof_rewrite_buffer_length_bytes"),
    Metric::gauge("redis_aof_pending_bio_fsync", "Flushes that wait.").from("aof_pending_bio_fsync"),
    Metric::gauge("redis_aof_delayed_fsync", "Flushes that were late.").from("aof_delayed_fsync"),
    Metric::gauge("redis_module_fork_in_progress", "1 while a module has a fork running.")
        .from("module_fork_in_progress"),
    Metric::gauge("redis_module_fork_last_cow_size", "Memory copied during the last fork of a module, in bytes.")
        .from("module_fork_last_cow_size")
        .unit("By")
        .strict("redis_module_fork_last_cow_size_bytes"),
];

/// Fields of plain INFO: what happened since the start.
pub static STATS: &[Metric] = &[
    Metric::counter("redis_connections_received_total", "Connections accepted.")
        .from("total_connections_received")
        .unit("{connection}")
        .otel("redis.connections.received"),
    Metric::counter("redis_commands_processed_total", "Commands processed.")
        .from("total_commands_processed")
        .unit("{command}")
        .otel("redis.commands.processed"),
    Metric::counter("redis_rejected_connections_total", "Connections refused because of maxclients.")
        .from("rejected_connections")
        .unit("{connection}")
        .otel("redis.connections.rejected"),
    Metric::counter("redis_net_input_bytes_total", "Bytes read.")
        .from("total_net_input_bytes")
        .unit("By")
        .otel("redis.net.input"),
    Metric::counter("redis_net_output_bytes_total", "Bytes written.")
        .from("total_net_output_bytes")
        .unit("By")
        .otel("redis.net.output"),
    Metric::counter("redis_net_repl_input_bytes_total", "Bytes read for replication.")
        .from("total_net_repl_input_bytes")
        .unit("By"),
    Metric::counter("redis_net_repl_output_bytes_total", "Bytes written for replication.")
        .from("total_net_repl_output_bytes")
        .unit("By"),
    Metric::counter("redis_expired_keys_total", "Keys that expired.")
        .from("expired_keys")
        .unit("{key}")
        .otel("redis.keys.expired"),
    Metric::counter("redis_evicted_keys_total", "Keys evicted for want of memory.")
        .from("evicted_keys")
        .unit("{key}")
        .otel("redis.keys.evicted"),
    Metric::counter("redis_evicted_clients_total", "Clients evicted for want of memory.")
        .from("evicted_clients")
        .unit("{client}"),
    Metric::counter("redis_keyspace_hits_total", "Look-ups that found their key.")
        .from("keyspace_hits")
        .unit("{hit}")
        .otel("redis.keyspace.hits"),
    Metric::counter("redis_keyspace_misses_total", "Look-ups that did not.")
        .from("keyspace_misses")
        .unit("{miss}")
        .otel("redis.keyspace.misses"),
    Metric::counter("redis_acl_access_denied_auth_total", "Logins refused.").from("acl_access_denied_auth"),
    Metric::counter("redis_acl_access_denied_cmd_total", "Commands refused by ACL.").from("acl_access_denied_cmd"),
    Metric::counter("redis_acl_access_denied_key_total", "Keys refused by ACL.").from("acl_access_denied_key"),
    Metric::counter("redis_acl_access_denied_channel_total", "Channels refused by ACL.")
        .from("acl_access_denied_channel"),
    Metric::counter("redis_cpu_sys_seconds_total", "CPU time in the kernel.")
        .from("used_cpu_sys")
        .unit("s")
        .otel("redis.cpu.time")
        .attribute("state", "sys"),
    Metric::counter("redis_cpu_user_seconds_total", "CPU time in the server.")
        .from("used_cpu_user")
        .unit("s")
        .otel("redis.cpu.time")
        .attribute("state", "user"),
    Metric::counter("redis_cpu_sys_children_seconds_total", "CPU time of children in the kernel.")
        .from("used_cpu_sys_children")
        .unit("s")
        .otel("redis.cpu.time")
        .attribute("state", "sys_children"),
    Metric::counter("redis_cpu_user_children_seconds_total", "CPU time of children.")
        .from("used_cpu_user_children")
        .unit("s")
        .otel("redis.cpu.time")
        .attribute("state", "user_children"),
    Metric::counter("redis_cpu_sys_main_thread_seconds_total", "CPU time of the main thread in the kernel.")
        .from("used_cpu_sys_main_thread")
        .unit("s"),
    Metric::counter("redis_cpu_user_main_thread_seconds_total", "CPU time of the main thread.")
        .from("used_cpu_user_main_thread")
        .unit("s"),
    Metric::counter("redis_total_error_replies", "Errors answered.")
        .from("total_error_replies")
        .strict("redis_error_replies_total"),
    Metric::counter("redis_unexpected_error_replies", "Errors answered that should not be.")
        .from("unexpected_error_replies")
        .strict("redis_unexpected_error_replies_total"),
    Metric::counter("redis_total_reads_processed", "Reads from sockets.")
        .from("total_reads_processed")
        .strict("redis_reads_processed_total"),
    Metric::counter("redis_total_writes_processed", "Writes to sockets.")
        .from("total_writes_processed")
        .strict("redis_writes_processed_total"),
    Metric::gauge(
        "redis_expired_stale_percentage",
        "Estimated share of keys that are expired and not yet removed, in percent.",
    )
    .from("expired_stale_perc")
    .strict("redis_expired_stale_ratio")
    .scale(0.01),
    Metric::gauge("redis_expired_time_cap_reached_total", "Times the removal of expired keys ran out of time.")
        .from("expired_time_cap_reached_count")
        .strict("redis_expired_time_cap_reached"),
    Metric::counter("redis_io_threaded_reads_processed", "Reads done by I/O threads.")
        .from("io_threaded_reads_processed")
        .strict("redis_io_threaded_reads_processed_total"),
    Metric::counter("redis_io_threaded_writes_processed", "Writes done by I/O threads.")
        .from("io_threaded_writes_processed")
        .strict("redis_io_threaded_writes_processed_total"),
    Metric::counter("redis_dump_payload_sanitizations", "Payloads of RESTORE checked in depth.")
        .from("dump_payload_sanitizations")
        .strict("redis_dump_payload_sanitizations_total"),
    Metric::gauge("redis_tracking_total_keys", "Keys whose changes are told to clients.").from("tracking_total_keys"),
    Metric::gauge("redis_tracking_total_items", "Pairs of such a key and a client.").from("tracking_total_items"),
    Metric::gauge("redis_tracking_total_prefixes", "Prefixes whose changes are told.").from("tracking_total_prefixes"),
    Metric::gauge("redis_cluster_connections", "Connections of the cluster's bus.").from("cluster_connections"),
    Metric::gauge("redis_pubsub_channels", "Channels with subscribers.").from("pubsub_channels"),
    Metric::gauge("redis_pubsub_patterns", "Patterns with subscribers.").from("pubsub_patterns"),
    Metric::gauge("redis_latest_fork_seconds", "How long the last fork took.").from("latest_fork_usec/1e6").unit("s"),
    Metric::gauge("redis_defrag_hits", "Values moved by defragmentation.").from("active_defrag_hits"),
    Metric::gauge("redis_defrag_misses", "Values defragmentation left in place.").from("active_defrag_misses"),
    Metric::gauge("redis_defrag_key_hits", "Keys defragmented.").from("active_defrag_key_hits"),
    Metric::gauge("redis_defrag_key_misses", "Keys left in place.").from("active_defrag_key_misses"),
    Metric::gauge("redis_migrate_cached_sockets_total", "Sockets open for MIGRATE.")
        .from("migrate_cached_sockets")
        .strict("redis_migrate_cached_sockets"),
    Metric::gauge("redis_slave_expires_tracked_keys", "Keys a writable replica tracks for expiry.")
        .from("slave_expires_tracked_keys")
        .unit("{key}"),
];

/// Fields of plain INFO: replication.
pub static REPLICATION: &[Metric] = &[
    Metric::gauge("redis_connected_slaves", "Replicas connected.")
        .from("connected_slaves")
        .unit("{replica}")
        .otel("redis.slaves.connected"),
    Metric::gauge("redis_master_repl_offset", "Position of the replication stream here.")
        .from("master_repl_offset")
        .unit("By")
        .strict("redis_master_repl_offset_bytes")
        .otel("redis.replication.offset"),
    Metric::gauge("redis_second_repl_offset", "Position up to which the former primary is followed.")
        .from("second_repl_offset")
        .unit("By")
        .strict("redis_second_repl_offset_bytes"),
    Metric::gauge("redis_repl_backlog_is_active", "1 if the backlog is active.").from("repl_backlog_active"),
    Metric::gauge("redis_replication_backlog_bytes", "Size of the backlog.").from("repl_backlog_size").unit("By"),
    Metric::gauge("redis_repl_backlog_first_byte_offset", "Position of the first byte in the backlog.")
        .from("repl_backlog_first_byte_offset")
        .unit("By")
        .strict("redis_repl_backlog_first_byte_offset_bytes")
        .otel("redis.replication.backlog_first_byte_offset"),
    Metric::gauge("redis_repl_backlog_history_bytes", "Bytes in the backlog.").from("repl_backlog_histlen").unit("By"),
    Metric::gauge("redis_slave_priority", "Priority for being promoted; 0: never.").from("slave_priority"),
    Metric::gauge("redis_replica_resyncs_full", "Full synchronisations.").from("sync_full"),
    Metric::gauge("redis_replica_partial_resync_accepted", "Partial synchronisations accepted.")
        .from("sync_partial_ok"),
    Metric::gauge("redis_replica_partial_resync_denied", "Partial synchronisations refused.").from("sync_partial_err"),
    Metric::gauge("redis_cluster_enabled", "1 if it is part of a cluster.").from("cluster_enabled"),
];

/// A replica and its primary.
pub static MASTER: &[Metric] = &[
    Metric::gauge("redis_master_link_up", "1 if the link to the primary is up.").from("master_link_status"),
    Metric::gauge("redis_master_last_io_seconds_ago", "Seconds since the primary was heard; -1: the link is down.")
        .from("master_last_io_seconds_ago")
        .unit("s")
        .strict("redis_master_silence_seconds"),
    Metric::gauge("redis_master_sync_in_progress", "1 while the primary sends all its data.")
        .from("master_sync_in_progress"),
    Metric::gauge("redis_slave_repl_offset", "Position up to which the replica has read.")
        .from("slave_repl_offset")
        .unit("By")
        .strict("redis_slave_repl_offset_bytes"),
];

/// What a replica follows, as labels.
pub static SLAVE_INFO: &[Metric] = &[Metric::gauge("redis_slave_info", "1; what it follows stands in the labels.")];

/// The replicas of a primary.
pub static SLAVES: &[Metric] = &[
    Metric::gauge("redis_connected_slave_offset_bytes", "Position up to which the replica has acknowledged.")
        .from("offset")
        .unit("By"),
    Metric::gauge("redis_connected_slave_lag_seconds", "Seconds since the replica last acknowledged.")
        .from("lag")
        .unit("s"),
];

/// What the server is, as labels.
pub static INSTANCE: &[Metric] = &[Metric::gauge("redis_instance_info", "1; what the server is stands in the labels.")];

/// When it was started.
pub static START: &[Metric] =
    &[Metric::gauge("redis_start_time_seconds", "When the server was started, in seconds since 1970.").unit("s")];

/// Databases.
pub static KEYSPACE: &[Metric] = &[
    Metric::gauge("redis_db_keys", "Keys.").from("keys").unit("{key}").otel("redis.db.keys"),
    Metric::gauge("redis_db_keys_expiring", "Keys that will expire.")
        .from("expires")
        .unit("{key}")
        .otel("redis.db.expires"),
    Metric::gauge("redis_db_avg_ttl_seconds", "Mean time to live of the keys that will expire.")
        .from("avg_ttl/1e3")
        .unit("s"),
];

/// Errors by their first word.
pub static ERRORS: &[Metric] = &[Metric::counter("redis_errors_total", "Errors answered.").from("count")];

/// Commands.
pub static COMMANDS: &[Metric] = &[
    Metric::counter("redis_commands_total", "Calls.").from("calls").unit("{call}").otel("redis.cmd.calls"),
    Metric::counter("redis_commands_duration_seconds_total", "Time spent.").from("usec/1e6").unit("s"),
    Metric::counter("redis_commands_rejected_calls_total", "Calls refused before they ran.").from("rejected_calls"),
    Metric::counter("redis_commands_failed_calls_total", "Calls that failed.").from("failed_calls"),
];

/// Latency of commands: quantiles, then their sum and count, all of one summary.
pub static PERCENTILES: &[Metric] = &[
    Metric::new(MetricKind::Summary, "redis_latency_percentiles_usec", "Latency of the command in microseconds.")
        .unit("s")
        .strict("redis_latency_percentiles_seconds")
        .scale(1e-6),
    Metric::new(MetricKind::Summary, "redis_latency_percentiles_usec_sum", "Latency of the command in microseconds.")
        .from("usec")
        .unit("s")
        .strict("redis_latency_percentiles_seconds_sum")
        .scale(1e-6),
    Metric::new(MetricKind::Summary, "redis_latency_percentiles_usec_count", "Latency of the command in microseconds.")
        .from("calls")
        .strict("redis_latency_percentiles_seconds_count"),
];

/// Latency of commands: buckets, then their count. The server keeps no sum beside them; that of
/// `redis_commands_duration_seconds_total` is the same.
pub static HISTOGRAMS: &[Metric] = &[
    Metric::new(
        MetricKind::Histogram,
        "redis_commands_latencies_usec_bucket",
        "Calls of the command by latency, in microseconds.",
    ),
    Metric::new(
        MetricKind::Histogram,
        "redis_commands_latencies_usec_count",
        "Calls of the command by latency, in microseconds.",
    ),
];

/// Limits.
pub static CONFIG: &[Metric] = &[
    Metric::gauge("redis_config_io_threads", "Threads that read and write for clients, the main one included.")
        .from("io-threads")
        .unit("{thread}"),
    Metric::gauge("redis_config_maxclients", "The most connections it allows.").from("maxclients").unit("{client}"),
    Metric::gauge("redis_config_maxmemory", "The most memory it may use for data, in bytes; 0: no limit.")
        .from("maxmemory")
        .unit("By")
        .strict("redis_config_maxmemory_bytes"),
];

/// The slow log.
pub static SLOWLOG_LENGTH: &[Metric] =
    &[Metric::gauge("redis_slowlog_length", "Entries in the slow log.").unit("{entry}")];

/// The last entry of the slow log.
pub static SLOWLOG_LAST: &[Metric] = &[
    Metric::gauge("redis_slowlog_last_id", "Number of the last slow command."),
    Metric::gauge("redis_last_slow_execution_duration_seconds", "How long it took.").unit("s"),
];

/// Latency events.
pub static SPIKES: &[Metric] = &[
    Metric::gauge("redis_latency_spike_last", "When the event last occurred, in seconds since 1970.")
        .unit("s")
        .strict("redis_latency_spike_last_timestamp_seconds"),
    Metric::gauge("redis_latency_spike_duration_seconds", "How long it took.").unit("s"),
];

/// The cluster as this node sees it.
pub static CLUSTER: &[Metric] = &[
    Metric::gauge("redis_cluster_state", "1 if the cluster serves.").from("cluster_state"),
    Metric::gauge("redis_cluster_slots_assigned", "Slots that some node has.")
        .from("cluster_slots_assigned")
        .unit("{slot}"),
    Metric::gauge("redis_cluster_slots_ok", "Slots whose node is well.").from("cluster_slots_ok").unit("{slot}"),
    Metric::gauge("redis_cluster_slots_pfail", "Slots whose node may have failed.")
        .from("cluster_slots_pfail")
        .unit("{slot}"),
    Metric::gauge("redis_cluster_slots_fail", "Slots whose node has failed.").from("cluster_slots_fail").unit("{slot}"),
    Metric::gauge("redis_cluster_known_nodes", "Nodes known.").from("cluster_known_nodes"),
    Metric::gauge("redis_cluster_size", "Primaries that serve slots.").from("cluster_size"),
    Metric::gauge("redis_cluster_current_epoch", "Epoch of the cluster.").from("cluster_current_epoch"),
    Metric::gauge("redis_cluster_my_epoch", "Epoch of this node.").from("cluster_my_epoch"),
    Metric::gauge("redis_cluster_messages_sent_total", "Messages sent.")
        .from("cluster_stats_messages_sent")
        .strict("redis_cluster_messages_sent"),
    Metric::gauge("redis_cluster_messages_received_total", "Messages received.")
        .from("cluster_stats_messages_received")
        .strict("redis_cluster_messages_received"),
];

/// This Sentinel.
pub static SENTINEL: &[Metric] = &[
    Metric::gauge("redis_sentinel_masters", "Masters it watches.").from("sentinel_masters"),
    Metric::gauge("redis_sentinel_tilt", "1 while it does not trust its clock and does nothing.").from("sentinel_tilt"),
    Metric::gauge("redis_sentinel_running_scripts", "Scripts that run.").from("sentinel_running_scripts"),
    Metric::gauge("redis_sentinel_scripts_queue_length", "Scripts that wait.").from("sentinel_scripts_queue_length"),
    Metric::gauge("redis_sentinel_simulate_failure_flags", "Failures it simulates.")
        .from("sentinel_simulate_failure_flags"),
];

/// Masters: whether they are well.
pub static SENTINEL_STATUS: &[Metric] =
    &[Metric::gauge("redis_sentinel_master_status", "1 if the master is well; the word stands in the label.")
        .from("status")];

/// Masters: who belongs to them.
pub static SENTINEL_MASTERS: &[Metric] = &[
    Metric::gauge("redis_sentinel_master_slaves", "Replicas known.").from("slaves"),
    Metric::gauge("redis_sentinel_master_sentinels", "Sentinels that watch it.").from("sentinels"),
];

/// Masters: how they are watched.
pub static SENTINEL_SETTINGS: &[Metric] = &[
    Metric::gauge("redis_sentinel_master_setting_ckquorum", "Sentinels that must agree that it is down.")
        .from("quorum"),
    Metric::gauge("redis_sentinel_master_setting_failover_timeout", "Time-out of a failover, in milliseconds.")
        .from("failover-timeout")
        .unit("s")
        .strict("redis_sentinel_master_setting_failover_timeout_seconds")
        .scale(1e-3),
    Metric::gauge("redis_sentinel_master_setting_parallel_syncs", "Replicas that are redirected at a time.")
        .from("parallel-syncs"),
    Metric::gauge(
        "redis_sentinel_master_setting_down_after_milliseconds",
        "Silence after which it counts as down, in milliseconds.",
    )
    .from("down-after-milliseconds")
    .unit("s")
    .strict("redis_sentinel_master_setting_down_after_seconds")
    .scale(1e-3),
    Metric::gauge("redis_sentinel_master_config_epoch", "Epoch of its configuration.").from("config-epoch"),
    Metric::gauge("redis_sentinel_master_last_ok_ping_reply_seconds", "Seconds since it answered a ping.")
        .from("last-ok-ping-reply/1e3")
        .unit("s"),
];

/// Masters: whether enough Sentinels could agree.
pub static SENTINEL_QUORUM: &[Metric] = &[Metric::gauge(
    "redis_sentinel_master_ckquorum_status",
    "1 if the quorum and the majority for a failover are reached.",
)];

/// Masters: replicas that are well.
pub static SENTINEL_OK_SLAVES: &[Metric] =
    &[Metric::gauge("redis_sentinel_master_ok_slaves", "Replicas that are not down.")];

/// Masters: Sentinels that are well.
pub static SENTINEL_OK_SENTINELS: &[Metric] =
    &[Metric::gauge("redis_sentinel_master_ok_sentinels", "Sentinels that are not down, this one included.")];
