//! The metrics of each row: `from` is the column. Strict names where promtool would complain of the exporter's.

use crate::model::row::{Metric, Rename};

/// The conventions' word for the label `datname`.
const RENAMES: &[Rename] = &[Rename::new("datname", "db.namespace")];

/// When the server was started.
pub static POSTMASTER: &[Metric] =
    &[Metric::gauge("pg_postmaster_start_time_seconds", "When the server was started, in seconds since 1970.")
        .from("start_time")
        .unit("s")];

/// The version, as labels.
pub static STATIC: &[Metric] = &[Metric::untyped("pg_static", "1; the version stands in the labels.").from("present")];

/// Sessions.
pub static ACTIVITY: &[Metric] = &[
    Metric::gauge("pg_stat_activity_count", "Sessions in this state.")
        .from("sessions")
        .unit("{connection}")
        .strict("pg_stat_activity_sessions")
        .otel("postgresql.backends")
        .renames(RENAMES),
    Metric::gauge(
        "pg_stat_activity_max_tx_duration",
        "Age of the oldest transaction of sessions in this state, in seconds.",
    )
    .from("longest")
    .unit("s")
    .strict("pg_stat_activity_max_tx_duration_seconds"),
];

/// Databases since their statistics were reset.
pub static DATABASE: &[Metric] = &[
    Metric::gauge("pg_stat_database_numbackends", "Sessions connected to the database.")
        .from("numbackends")
        .unit("{connection}"),
    Metric::counter("pg_stat_database_xact_commit", "Transactions committed.")
        .from("xact_commit")
        .unit("{transaction}")
        .strict("pg_stat_database_xact_commit_total")
        .otel("postgresql.commits")
        .renames(RENAMES),
    Metric::counter("pg_stat_database_xact_rollback", "Transactions rolled back.")
        .from("xact_rollback")
        .unit("{transaction}")
        .strict("pg_stat_database_xact_rollback_total")
        .otel("postgresql.rollbacks")
        .renames(RENAMES),
    Metric::counter("pg_stat_database_blks_read", "Blocks read from the system.")
        .from("blks_read")
        .unit("{block}")
        .strict("pg_stat_database_blks_read_total")
        .otel("postgresql.blks_read")
        .renames(RENAMES),
    Metric::counter("pg_stat_database_blks_hit", "Blocks found in shared buffers.")
        .from("blks_hit")
        .unit("{block}")
        .strict("pg_stat_database_blks_hit_total")
        .otel("postgresql.blks_hit")
        .renames(RENAMES),
    Metric::counter("pg_stat_database_tup_returned", "Rows that scans returned.")
        .from("tup_returned")
        .unit("{row}")
        .strict("pg_stat_database_tup_returned_total")
        .otel("postgresql.tup_returned")
        .renames(RENAMES),
    Metric::counter("pg_stat_database_tup_fetched", "Rows fetched by index scans.")
        .from("tup_fetched")
        .unit("{row}")
        .strict("pg_stat_database_tup_fetched_total")
        .otel("postgresql.tup_fetched")
        .renames(RENAMES),
    Metric::counter("pg_stat_database_tup_inserted", "Rows inserted.")
        .from("tup_inserted")
        .unit("{row}")
        .strict("pg_stat_database_tup_inserted_total")
        .otel("postgresql.tup_inserted")
        .renames(RENAMES),
    Metric::counter("pg_stat_database_tup_updated", "Rows updated.")
        .from("tup_updated")
        .unit("{row}")
        .strict("pg_stat_database_tup_updated_total")
        .otel("postgresql.tup_updated")
        .renames(RENAMES),
    Metric::counter("pg_stat_database_tup_deleted", "Rows deleted.")
        .from("tup_deleted")
        .unit("{row}")
        .strict("pg_stat_database_tup_deleted_total")
        .otel("postgresql.tup_deleted")
        .renames(RENAMES),
    Metric::counter(
        "pg_stat_database_conflicts",
        "Queries cancelled on a standby because they conflicted with recovery.",
    )
    .from("conflicts")
    .unit("{query}")
    .strict("pg_stat_database_conflicts_total"),
    Metric::counter("pg_stat_database_temp_files", "Temporary files made by queries.")
        .from("temp_files")
        .unit("{file}")
        .strict("pg_stat_database_temp_files_total")
        .otel("postgresql.temp_files")
        .renames(RENAMES),
    Metric::counter("pg_stat_database_temp_bytes", "Bytes written to temporary files.")
        .from("temp_bytes")
        .unit("By")
        .strict("pg_stat_database_temp_bytes_total")
        .otel("postgresql.temp.io")
        .renames(RENAMES),
    Metric::counter("pg_stat_database_deadlocks", "Deadlocks detected.")
        .from("deadlocks")
        .unit("{deadlock}")
        .strict("pg_stat_database_deadlocks_total")
        .otel("postgresql.deadlocks")
        .renames(RENAMES),
    Metric::counter(
        "pg_stat_database_blk_read_time",
        "Time spent reading blocks, in milliseconds; 0 without track_io_timing.",
    )
    .from("blk_read_time")
    .unit("s")
    .strict("pg_stat_database_blk_read_time_seconds_total")
    .scale(1e-3),
    Metric::counter(
        "pg_stat_database_blk_write_time",
        "Time spent writing blocks, in milliseconds; 0 without track_io_timing.",
    )
    .from("blk_write_time")
    .unit("s")
    .strict("pg_stat_database_blk_write_time_seconds_total")
    .scale(1e-3),
    Metric::counter("pg_stat_database_checksum_failures", "Pages whose checksum was wrong.")
        .from("checksum_failures")
        .unit("{page}")
        .strict("pg_stat_database_checksum_failures_total"),
    Metric::counter("pg_stat_database_stats_reset", "When these statistics were last reset, in seconds since 1970.")
        .from("stats_reset")
        .unit("s")
        .strict("pg_stat_database_stats_reset_seconds_total"),
    Metric::gauge(
        "pg_stat_database_checksum_last_failure",
        "When a page's checksum was last wrong, in seconds since 1970; NaN: never.",
    )
    .from("checksum_last_failure")
    .unit("s")
    .strict("pg_stat_database_checksum_last_failure_seconds"),
    Metric::counter("pg_stat_database_active_time_seconds_total", "Time spent executing statements.")
        .from("active_time")
        .unit("s"),
    Metric::counter("pg_stat_database_active_time", "Time spent executing statements, in ms.")
        .from("active_ms")
        .unit("s")
        .strict("pg_stat_database_active_seconds_total")
        .scale(1e-3),
    Metric::counter("pg_stat_database_session_time", "Time that sessions were open, in ms.")
        .from("session_time")
        .unit("s")
        .strict("pg_stat_database_session_seconds_total")
        .scale(1e-3),
    Metric::counter("pg_stat_database_idle_in_transaction_time", "Time spent idle in a transaction, in ms.")
        .from("idle_in_transaction_time")
        .unit("s")
        .strict("pg_stat_database_idle_in_transaction_seconds_total")
        .scale(1e-3),
    Metric::counter("pg_stat_database_sessions", "Sessions begun.")
        .from("sessions")
        .unit("{session}")
        .strict("pg_stat_database_sessions_total"),
    Metric::counter("pg_stat_database_sessions_abandoned", "Sessions whose client was lost.")
        .from("sessions_abandoned")
        .unit("{session}")
        .strict("pg_stat_database_sessions_abandoned_total"),
    Metric::counter("pg_stat_database_sessions_fatal", "Sessions that a fatal error ended.")
        .from("sessions_fatal")
        .unit("{session}")
        .strict("pg_stat_database_sessions_fatal_total"),
    Metric::counter("pg_stat_database_sessions_killed", "Sessions that somebody ended.")
        .from("sessions_killed")
        .unit("{session}")
        .strict("pg_stat_database_sessions_killed_total"),
];

/// Why queries were cancelled on a standby.
pub static CONFLICTS: &[Metric] = &[
    Metric::counter(
        "pg_stat_database_conflicts_confl_tablespace",
        "Queries cancelled because of a dropped tablespace.",
    )
    .from("confl_tablespace")
    .unit("{query}")
    .strict("pg_stat_database_conflicts_confl_tablespace_total"),
    Metric::counter("pg_stat_database_conflicts_confl_lock", "Queries cancelled because of a lock.")
        .from("confl_lock")
        .unit("{query}")
        .strict("pg_stat_database_conflicts_confl_lock_total"),
    Metric::counter("pg_stat_database_conflicts_confl_snapshot", "Queries cancelled because of an old snapshot.")
        .from("confl_snapshot")
        .unit("{query}")
        .strict("pg_stat_database_conflicts_confl_snapshot_total"),
    Metric::counter("pg_stat_database_conflicts_confl_bufferpin", "Queries cancelled because of a pinned buffer.")
        .from("confl_bufferpin")
        .unit("{query}")
        .strict("pg_stat_database_conflicts_confl_bufferpin_total"),
    Metric::counter("pg_stat_database_conflicts_confl_deadlock", "Queries cancelled because of a deadlock.")
        .from("confl_deadlock")
        .unit("{query}")
        .strict("pg_stat_database_conflicts_confl_deadlock_total"),
];

/// Locks by mode.
pub static LOCKS: &[Metric] = &[Metric::gauge("pg_locks_count", "Locks held or waited for.")
    .from("count")
    .unit("{lock}")
    .strict("pg_locks_held_or_awaited")
    .otel("postgresql.database.locks")
    .renames(RENAMES)];

/// Who waits for a lock.
pub static BLOCKED: &[Metric] = &[
    Metric::gauge("pg_blocked_sessions", "Sessions that wait for a lock.").from("sessions").unit("{connection}"),
    Metric::gauge("pg_longest_blocked_seconds", "How long the longest of them has waited.").from("longest").unit("s"),
];

/// This server as a standby.
pub static REPLICATION: &[Metric] = &[
    Metric::gauge("pg_replication_is_replica", "1 on a standby, 0 on a primary.").from("is_replica"),
    Metric::gauge(
        "pg_replication_lag_seconds",
        "How far replay is behind; grows when the link is cut, even if all that was received is replayed.",
    )
    .from("lag")
    .unit("s"),
    Metric::gauge("pg_replication_last_replay_seconds", "Age of the last commit replayed.")
        .from("last_replay")
        .unit("s"),
];

/// Standbys of this server.
pub static STANDBYS: &[Metric] = &[
    Metric::gauge("pg_stat_replication_pg_current_wal_lsn_bytes", "Position of the WAL here.")
        .from("position")
        .unit("By"),
    Metric::gauge("pg_stat_replication_pg_wal_lsn_diff", "Bytes of WAL that the standby has not replayed.")
        .from("behind")
        .unit("By")
        .strict("pg_stat_replication_pg_wal_lsn_diff_bytes")
        .otel("postgresql.replication.data_delay"),
    Metric::gauge("pg_stat_replication_write_lag_seconds", "Time until the standby has written.")
        .from("write_lag")
        .unit("s"),
    Metric::gauge("pg_stat_replication_flush_lag_seconds", "Time until the standby has flushed.")
        .from("flush_lag")
        .unit("s"),
    Metric::gauge("pg_stat_replication_replay_lag_seconds", "Time until the standby has replayed.")
        .from("replay_lag")
        .unit("s"),
    Metric::gauge("pg_stat_replication_reply_time", "When the standby last answered, in seconds since 1970.")
        .from("reply_time")
        .unit("s")
        .strict("pg_stat_replication_reply_time_seconds"),
];

/// Replication slots: two with the database, four with the type, the last with the status as labels.
pub static SLOTS: &[Metric] = &[
    Metric::gauge("pg_replication_slots_active", "1 if somebody uses the slot.").from("active"),
    Metric::gauge("pg_replication_slots_pg_wal_lsn_diff", "Bytes of WAL that the slot keeps.")
        .from("behind")
        .unit("By")
        .strict("pg_replication_slots_pg_wal_lsn_diff_bytes"),
    Metric::gauge("pg_replication_slots_slot_current_wal_lsn", "Position of the WAL here, in bytes.")
        .from("position")
        .unit("By")
        .strict("pg_replication_slots_slot_current_wal_lsn_bytes"),
    Metric::gauge(
        "pg_replication_slots_slot_confirmed_flush_lsn",
        "Position that the user of the slot has confirmed, in bytes.",
    )
    .from("confirmed")
    .unit("By")
    .strict("pg_replication_slots_slot_confirmed_flush_lsn_bytes"),
    Metric::gauge("pg_replication_slots_slot_is_active", "1 if somebody uses the slot.").from("active"),
    Metric::gauge(
        "pg_replication_slots_safe_wal_size_bytes",
        "Bytes that may still be written before the slot is lost.",
    )
    .from("safe_wal_size")
    .unit("By"),
    Metric::gauge(
        "pg_replication_slots_wal_status",
        "1; whether the WAL that the slot needs is there stands in the label.",
    )
    .from("has_status"),
];

/// The archiver.
pub static ARCHIVER: &[Metric] = &[
    Metric::counter("pg_stat_archiver_archived_count", "WAL files archived.")
        .from("archived_count")
        .unit("{file}")
        .strict("pg_stat_archiver_archived_total"),
    Metric::counter("pg_stat_archiver_failed_count", "Attempts to archive that failed.")
        .from("failed_count")
        .unit("{attempt}")
        .strict("pg_stat_archiver_failed_total"),
    Metric::gauge("pg_stat_archiver_last_archive_age", "Seconds since a WAL file was archived; NaN: never.")
        .from("last_archive_age")
        .unit("s")
        .strict("pg_stat_archiver_last_archive_age_seconds"),
];

/// The background writer and the checkpointer, under the names of before and since 17.
pub static WRITERS: &[Metric] = &[
    Metric::counter("pg_stat_bgwriter_checkpoints_timed_total", "Checkpoints that were due.")
        .from("checkpoints_timed")
        .unit("{checkpoint}"),
    Metric::counter("pg_stat_bgwriter_checkpoints_req_total", "Checkpoints that were asked for.")
        .from("checkpoints_req")
        .unit("{checkpoint}"),
    Metric::counter("pg_stat_bgwriter_checkpoint_write_time_total", "Time checkpoints spent writing, in milliseconds.")
        .from("checkpoint_write_time")
        .unit("s")
        .strict("pg_stat_bgwriter_checkpoint_write_time_seconds_total")
        .scale(1e-3),
    Metric::counter("pg_stat_bgwriter_checkpoint_sync_time_total", "Time checkpoints spent flushing, in milliseconds.")
        .from("checkpoint_sync_time")
        .unit("s")
        .strict("pg_stat_bgwriter_checkpoint_sync_time_seconds_total")
        .scale(1e-3),
    Metric::counter("pg_stat_bgwriter_buffers_checkpoint_total", "Buffers written by checkpoints.")
        .from("buffers_checkpoint")
        .unit("{buffer}"),
    Metric::counter("pg_stat_bgwriter_buffers_clean_total", "Buffers written by the background writer.")
        .from("buffers_clean")
        .unit("{buffer}"),
    Metric::counter(
        "pg_stat_bgwriter_maxwritten_clean_total",
        "Times the background writer stopped for having written too much.",
    )
    .from("maxwritten_clean"),
    Metric::counter("pg_stat_bgwriter_buffers_backend_total", "Buffers written by anybody else.")
        .from("buffers_backend")
        .unit("{buffer}"),
    Metric::counter("pg_stat_bgwriter_buffers_backend_fsync_total", "Flushes that anybody else had to do.")
        .from("buffers_backend_fsync"),
    Metric::counter("pg_stat_bgwriter_buffers_alloc_total", "Buffers allocated.")
        .from("buffers_alloc")
        .unit("{buffer}"),
    Metric::counter(
        "pg_stat_bgwriter_stats_reset_total",
        "When these statistics were last reset, in seconds since 1970.",
    )
    .from("stats_reset")
    .unit("s")
    .strict("pg_stat_bgwriter_stats_reset_seconds_total"),
    Metric::counter("pg_stat_checkpointer_num_timed_total", "Checkpoints that were due.")
        .from("checkpoints_timed")
        .unit("{checkpoint}"),
    Metric::counter("pg_stat_checkpointer_num_requested_total", "Checkpoints that were asked for.")
        .from("checkpoints_req")
        .unit("{checkpoint}"),
    Metric::counter("pg_stat_checkpointer_restartpoints_timed_total", "Restartpoints that were due.")
        .from("restartpoints_timed")
        .unit("{checkpoint}"),
    Metric::counter("pg_stat_checkpointer_restartpoints_req_total", "Restartpoints that were asked for.")
        .from("restartpoints_req")
        .unit("{checkpoint}"),
    Metric::counter("pg_stat_checkpointer_restartpoints_done_total", "Restartpoints that were done.")
        .from("restartpoints_done")
        .unit("{checkpoint}"),
    Metric::counter("pg_stat_checkpointer_write_time_total", "Time spent writing, in milliseconds.")
        .from("checkpoint_write_time")
        .unit("s")
        .strict("pg_stat_checkpointer_write_time_seconds_total")
        .scale(1e-3),
    Metric::counter("pg_stat_checkpointer_sync_time_total", "Time spent flushing, in milliseconds.")
        .from("checkpoint_sync_time")
        .unit("s")
        .strict("pg_stat_checkpointer_sync_time_seconds_total")
        .scale(1e-3),
    Metric::counter("pg_stat_checkpointer_buffers_written_total", "Buffers written.")
        .from("buffers_checkpoint")
        .unit("{buffer}"),
    Metric::counter(
        "pg_stat_checkpointer_stats_reset_total",
        "When these statistics were last reset, in seconds since 1970.",
    )
    .from("checkpointer_stats_reset")
    .unit("s")
    .strict("pg_stat_checkpointer_stats_reset_seconds_total"),
];

/// How near databases are to running out of transaction ids. The exporter calls transactions seconds.
pub static WRAPAROUND: &[Metric] = &[
    Metric::gauge(
        "pg_database_xid_age",
        "Age of the oldest transaction id not frozen, in transactions; at 2^31 the server stops writing.",
    )
    .from("xid_age")
    .unit("{transaction}"),
    Metric::gauge("pg_database_mxid_age", "Age of the oldest multixact id, in multixacts.")
        .from("mxid_age")
        .unit("{multixact}"),
    Metric::gauge(
        "pg_database_wraparound_age_datfrozenxid_seconds",
        "Age of the oldest transaction id not frozen, in transactions, whatever the name says.",
    )
    .from("xid_age")
    .unit("{transaction}"),
    Metric::gauge(
        "pg_database_wraparound_age_datminmxid_seconds",
        "Age of the oldest multixact id, in multixacts, whatever the name says.",
    )
    .from("mxid_age")
    .unit("{multixact}"),
];

/// What keeps vacuum from removing dead rows.
pub static HORIZON: &[Metric] = &[Metric::gauge(
    "pg_xmin_horizon_age_xids",
    "Age of the oldest transaction that the holder keeps visible, in transactions.",
)
.from("age")
.unit("{transaction}")];

/// Prepared transactions.
pub static PREPARED: &[Metric] =
    &[Metric::gauge("pg_prepared_xacts_oldest_age_seconds", "Age of the oldest prepared transaction.")
        .from("oldest_age")
        .unit("s")];

/// The WAL on disk.
pub static WAL: &[Metric] = &[
    Metric::gauge("pg_wal_segments", "WAL files on disk.").from("segments").unit("{file}"),
    Metric::gauge("pg_wal_size_bytes", "Their size.").from("size").unit("By"),
    Metric::gauge("pg_wal_lsn_location_bytes", "Position of the WAL.").from("position").unit("By"),
];

/// Sizes of databases.
pub static DATABASE_SIZE: &[Metric] = &[
    Metric::gauge("pg_database_size_bytes", "Disk space used by the database.")
        .from("size")
        .unit("By")
        .otel("postgresql.db_size")
        .renames(RENAMES),
    Metric::gauge("pg_database_connection_limit", "The most sessions it allows; -1: no limit.")
        .from("connection_limit")
        .unit("{connection}"),
];

/// How fast transaction ids are used up.
pub static TRANSACTION_IDS: &[Metric] =
    &[Metric::counter("pg_txid_current", "The next transaction id; reading it uses none up.")
        .from("next")
        .unit("{transaction}")
        .strict("pg_txid_current_total")];

/// Transactions that run, but for autovacuum's.
pub static LONG_RUNNING: &[Metric] = &[
    Metric::gauge("pg_long_running_transactions", "Transactions that are open.")
        .from("transactions")
        .unit("{transaction}"),
    Metric::gauge(
        "pg_long_running_transactions_oldest_timestamp_seconds",
        "Age of the oldest of them, in seconds, whatever the name says.",
    )
    .from("oldest")
    .unit("s"),
    Metric::gauge("pg_idle_in_transaction_oldest_age_seconds", "How long the longest idle transaction has been idle.")
        .from("idle")
        .unit("s"),
];

/// WAL that was written. 18 counts its writes and flushes in pg_stat_io.
pub static WAL_WRITTEN: &[Metric] = &[
    Metric::counter("pg_stat_wal_records_total", "WAL records.").from("records").unit("{record}"),
    Metric::counter("pg_stat_wal_fpi_total", "Full page images in the WAL.").from("fpi").unit("{page}"),
    Metric::counter("pg_stat_wal_bytes_total", "Bytes of WAL.").from("bytes").unit("By"),
    Metric::counter("pg_stat_wal_buffers_full_total", "Times WAL was written because its buffers were full.")
        .from("buffers_full"),
    Metric::counter("pg_stat_wal_write_total", "Writes of WAL.").from("writes"),
    Metric::counter("pg_stat_wal_sync_total", "Flushes of WAL.").from("syncs"),
    Metric::counter("pg_stat_wal_write_time_seconds_total", "Time spent writing WAL; 0 without track_wal_io_timing.")
        .from("write_time")
        .unit("s"),
    Metric::counter("pg_stat_wal_sync_time_seconds_total", "Time spent flushing WAL; 0 without track_wal_io_timing.")
        .from("sync_time")
        .unit("s"),
];

/// TLS compression, which 14 did away with.
pub static SSL: &[Metric] = &[Metric::gauge("pg_stat_ssl_compression", "Sessions whose TLS compresses.")
    .from("compressed")
    .unit("{connection}")];

/// The certificate that the server showed us.
pub static CERTIFICATE: &[Metric] = &[Metric::gauge(
    "pg_ssl_certificate_expiry_seconds",
    "Seconds until the certificate that the server showed us ends; below 0 it has ended.",
)
.from("left")
.unit("s")];
