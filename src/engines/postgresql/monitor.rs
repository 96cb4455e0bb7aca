//! The table of what is read. Names, labels and types are postgres_exporter's; what it lacks is added under the same prefix.

mod detail;
mod metrics;
pub mod objects;
pub mod pool;
mod settings;
mod statements;

use crate::engines::contract::{Answer, Ask, Emit, Facts, Row, Take, When};
use crate::engines::postgresql::monitor::metrics as m;
use crate::engines::take::take_columns;
use crate::model::catalogue::{Glance, Threshold};
use crate::model::reading::{Unknown, UnknownKind};

const MONITOR: &str = "pg_monitor";

/// Rows that would be silently incomplete without the role: other people's sessions show no state, standbys no position.
const AS_MONITOR: &[&str] = &["pg_monitor"];

/// Every version of the server that is watched, and not PgBouncer's console, whose versions begin with 1.
const SINCE_12: &[When] = &[When::since((12, 0))];

/// Asked of the connection, and not of the server: how long the certificate lasts that it showed us.
pub const CERTIFICATE: &str = "certificate";

/// Where the WAL is: written on a primary, received on a standby; replayed on one that is fed from an archive.
macro_rules! wal_position {
    () => {
        "(CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) \
               ELSE pg_current_wal_lsn() END)"
    };
}

/// Every row, cheap ones first; the multiples of slow rows are meant for intervals of 5 to 30 seconds.
pub static ROWS: &[Row] = &[
    Row {
        name: "postmaster",
        when: SINCE_12,
        ask: Ask::Text("SELECT extract(epoch FROM pg_postmaster_start_time()) AS start_time"),
        take: Take::Columns { labels: &[] },
        metrics: m::POSTMASTER,
        ..Row::DEFAULT
    },
    Row {
        name: "static",
        when: SINCE_12,
        every: 20,
        ask: Ask::Text(
            "SELECT version() AS version, substring(version() FROM '[0-9]+[.0-9]*') AS short_version, 1 AS present",
        ),
        take: Take::Columns { labels: &["short_version", "version"] },
        metrics: m::STATIC,
        ..Row::DEFAULT
    },
    Row {
        name: "settings",
        when: SINCE_12,
        every: 20,
        ask: Ask::Text(settings::ASK),
        take: Take::Own(settings::take),
        families: settings::FAMILIES,
        ..Row::DEFAULT
    },
    Row {
        name: "stat_activity",
        when: SINCE_12,
        needs: AS_MONITOR,
        privilege: MONITOR,
        ask: Ask::Text(ACTIVITY),
        take: Take::Columns {
            labels: &[
                "datname",
                "state",
                "usename",
                "application_name",
                "backend_type",
                "wait_event_type",
                "wait_event",
            ],
        },
        metrics: m::ACTIVITY,
        ..Row::DEFAULT
    },
    Row {
        name: "stat_database",
        when: SINCE_12,
        ask: Ask::Own(stat_database),
        take: Take::Columns { labels: &["datid", "datname"] },
        metrics: m::DATABASE,
        ..Row::DEFAULT
    },
    Row {
        name: "stat_database_conflicts",
        when: SINCE_12,
        ask: Ask::Text(
            "SELECT datid, datname, confl_tablespace, confl_lock, confl_snapshot, confl_bufferpin, confl_deadlock \
             FROM pg_stat_database_conflicts",
        ),
        take: Take::Columns { labels: &["datid", "datname"] },
        metrics: m::CONFLICTS,
        ..Row::DEFAULT
    },
    Row {
        name: "locks",
        when: SINCE_12,
        ask: Ask::Text(
            "SELECT d.datname, m.mode, count(l.mode) AS count FROM pg_database d CROSS JOIN (VALUES \
             ('accesssharelock'), ('rowsharelock'), ('rowexclusivelock'), ('shareupdateexclusivelock'), ('sharelock'), \
             ('sharerowexclusivelock'), ('exclusivelock'), ('accessexclusivelock'), ('sireadlock')) m(mode) \
             LEFT JOIN pg_locks l ON l.database = d.oid AND lower(l.mode) = m.mode GROUP BY d.datname, m.mode",
        ),
        take: Take::Columns { labels: &["datname", "mode"] },
        metrics: m::LOCKS,
        ..Row::DEFAULT
    },
    Row {
        name: "blocked",
        when: SINCE_12,
        ask: Ask::Own(blocked),
        take: Take::Columns { labels: &[] },
        metrics: m::BLOCKED,
        ..Row::DEFAULT
    },
    Row {
        name: "replication",
        when: SINCE_12,
        needs: AS_MONITOR,
        privilege: MONITOR,
        ask: Ask::Text(REPLICATION),
        take: Take::Columns { labels: &[] },
        metrics: m::REPLICATION,
        ..Row::DEFAULT
    },
    Row {
        name: "stat_replication",
        when: SINCE_12,
        needs: AS_MONITOR,
        privilege: MONITOR,
        ask: Ask::Text(concat!(
            "SELECT r.application_name, host(r.client_addr) AS client_addr, r.state, s.slot_name, r.pid, \
             pg_wal_lsn_diff(",
            wal_position!(),
            ", '0/0') AS position, pg_wal_lsn_diff(",
            wal_position!(),
            ", r.replay_lsn) AS behind, extract(epoch FROM r.write_lag) AS write_lag, \
             extract(epoch FROM r.flush_lag) AS flush_lag, extract(epoch FROM r.replay_lag) AS replay_lag, \
             extract(epoch FROM r.reply_time) AS reply_time \
             FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid",
        )),
        take: Take::Columns { labels: &["application_name", "client_addr", "state", "slot_name", "pid"] },
        metrics: m::STANDBYS,
        ..Row::DEFAULT
    },
    Row {
        name: "replication_slots",
        when: SINCE_12,
        ask: Ask::Own(replication_slots),
        take: Take::Own(slots),
        metrics: m::SLOTS,
        ..Row::DEFAULT
    },
    Row {
        name: "stat_archiver",
        when: SINCE_12,
        ask: Ask::Text(
            "SELECT archived_count, failed_count, \
             coalesce(extract(epoch FROM now() - last_archived_time), 'NaN') AS last_archive_age FROM pg_stat_archiver",
        ),
        take: Take::Columns { labels: &[] },
        metrics: m::ARCHIVER,
        ..Row::DEFAULT
    },
    Row {
        name: "stat_bgwriter",
        when: &[When { flavour: "", from: (12, 0), below: (17, 0) }],
        ask: Ask::Text(WRITERS_BEFORE_17),
        take: Take::Columns { labels: &[] },
        metrics: m::WRITERS,
        ..Row::DEFAULT
    },
    Row {
        name: "stat_bgwriter",
        when: &[When::since((17, 0))],
        ask: Ask::Own(writers_since_17),
        take: Take::Columns { labels: &[] },
        metrics: m::WRITERS,
        ..Row::DEFAULT
    },
    Row {
        name: "database_wraparound",
        when: SINCE_12,
        every: 4,
        ask: Ask::Text(
            "SELECT datname, age(datfrozenxid) AS xid_age, mxid_age(datminmxid) AS mxid_age \
             FROM pg_database WHERE datallowconn",
        ),
        take: Take::Columns { labels: &["datname"] },
        metrics: m::WRAPAROUND,
        ..Row::DEFAULT
    },
    Row {
        name: "xmin_horizon",
        when: SINCE_12,
        every: 4,
        needs: AS_MONITOR,
        privilege: MONITOR,
        ask: Ask::Text(HORIZON),
        take: Take::Columns { labels: &["holder"] },
        metrics: m::HORIZON,
        ..Row::DEFAULT
    },
    Row {
        name: "prepared_xacts",
        when: SINCE_12,
        every: 4,
        ask: Ask::Text(
            "SELECT coalesce(max(extract(epoch FROM now() - prepared)), 0) AS oldest_age FROM pg_prepared_xacts",
        ),
        take: Take::Columns { labels: &[] },
        metrics: m::PREPARED,
        ..Row::DEFAULT
    },
    Row {
        name: "wal",
        when: SINCE_12,
        every: 4,
        needs: AS_MONITOR,
        privilege: MONITOR,
        ask: Ask::Text(concat!(
            "SELECT count(*) AS segments, sum(size) AS size, pg_wal_lsn_diff(",
            wal_position!(),
            ", '0/0') AS position FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'",
        )),
        take: Take::Columns { labels: &[] },
        metrics: m::WAL,
        ..Row::DEFAULT
    },
    Row {
        name: "database",
        when: SINCE_12,
        every: 20,
        needs: AS_MONITOR,
        privilege: MONITOR,
        ask: Ask::Text(
            "SELECT datname, pg_database_size(oid) AS size, datconnlimit AS connection_limit FROM pg_database",
        ),
        take: Take::Columns { labels: &["datname"] },
        metrics: m::DATABASE_SIZE,
        ..Row::DEFAULT
    },
    Row {
        name: "transaction_ids",
        when: SINCE_12,
        // Unlike txid_current() it takes no id itself, and it works on a standby.
        ask: Ask::Text("SELECT txid_snapshot_xmax(txid_current_snapshot()) AS next"),
        take: Take::Columns { labels: &[] },
        metrics: m::TRANSACTION_IDS,
        ..Row::DEFAULT
    },
    Row {
        name: "long_running_transactions",
        when: SINCE_12,
        needs: AS_MONITOR,
        privilege: MONITOR,
        ask: Ask::Text(
            "SELECT count(*) AS transactions, \
                    coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) AS oldest, \
                    coalesce(max(extract(epoch FROM clock_timestamp() - state_change)) \
                             FILTER (WHERE state LIKE 'idle in transaction%'), 0) AS idle \
             FROM pg_stat_activity WHERE xact_start IS NOT NULL AND state IS DISTINCT FROM 'idle' \
                  AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
        ),
        take: Take::Columns { labels: &[] },
        metrics: m::LONG_RUNNING,
        ..Row::DEFAULT
    },
    Row {
        name: "stat_wal",
        when: &[When::since((14, 0))],
        every: 2,
        ask: Ask::Own(stat_wal),
        take: Take::Columns { labels: &[] },
        metrics: m::WAL_WRITTEN,
        ..Row::DEFAULT
    },
    Row {
        name: "stat_ssl",
        every: 20,
        when: &[When { flavour: "", from: (12, 0), below: (14, 0) }],
        needs: AS_MONITOR,
        privilege: MONITOR,
        ask: Ask::Text("SELECT count(*) FILTER (WHERE compression) AS compressed FROM pg_stat_ssl"),
        take: Take::Columns { labels: &[] },
        metrics: m::SSL,
        ..Row::DEFAULT
    },
    Row {
        name: "certificate",
        every: 20,
        optional: true,
        ask: Ask::Text(CERTIFICATE),
        take: Take::Columns { labels: &[] },
        metrics: m::CERTIFICATE,
        ..Row::DEFAULT
    },
    objects::TABLES,
    statements::STATEMENTS,
    objects::TABLES_IO,
    objects::INDEXES,
    objects::INVALID_INDEXES,
    objects::SEQUENCES,
    objects::FUNCTIONS,
    objects::BLOAT,
    detail::LOCK_TREE,
    detail::AUTOVACUUM,
    detail::PROGRESS_VACUUM,
    detail::PROGRESS_CREATE_INDEX,
    detail::PROGRESS_ANALYZE,
    detail::IO,
    detail::SLRU,
    detail::BUFFERCACHE,
    pool::POOLS,
    pool::DATABASES,
    pool::STATS,
    pool::LISTS,
];

/// Each state of each database, so that a state that nobody is in reads 0; and who waits for what in those that are.
const ACTIVITY: &str = "\
    SELECT d.datname, s.state, a.usename, a.application_name, a.backend_type, a.wait_event_type, a.wait_event, \
           coalesce(a.sessions, 0) AS sessions, greatest(a.longest, 0) AS longest \
    FROM pg_database d CROSS JOIN (VALUES ('active'), ('idle'), ('idle in transaction'), \
         ('idle in transaction (aborted)'), ('fastpath function call'), ('disabled')) s(state) \
    LEFT JOIN (SELECT datname, state, usename, application_name, backend_type, wait_event_type, wait_event, \
                      count(*) AS sessions, max(extract(epoch FROM now() - xact_start)) AS longest \
               FROM pg_stat_activity WHERE pid <> pg_backend_pid() GROUP BY 1, 2, 3, 4, 5, 6, 7) a \
           ON a.datname = d.datname AND a.state = s.state";

/// Lag in seconds. A standby that has replayed all it received is only up to date while the primary feeds it: with the
/// link cut, `received = replayed` says nothing, and the lag is the age of the last commit replayed. Where none was
/// replayed since the start, it is the time since the start: never more than the truth, and never 0.
const REPLICATION: &str = "\
    SELECT is_replica, CASE WHEN is_replica AND NOT (is_fed AND has_all) THEN since_replay ELSE 0 END AS lag, \
           CASE WHEN is_replica THEN since_replay ELSE 0 END AS last_replay \
    FROM (SELECT pg_is_in_recovery() AS is_replica, \
                 EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming') AS is_fed, \
                 coalesce(pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn(), false) AS has_all, \
                 greatest(0, extract(epoch FROM clock_timestamp() - coalesce(pg_last_xact_replay_timestamp(), \
                                                                            pg_postmaster_start_time()))) AS since_replay) s";

const WRITERS_BEFORE_17: &str = "\
    SELECT checkpoints_timed, checkpoints_req, checkpoint_write_time, checkpoint_sync_time, buffers_checkpoint, \
           buffers_clean, maxwritten_clean, buffers_backend, buffers_backend_fsync, buffers_alloc, \
           extract(epoch FROM stats_reset) AS stats_reset, NULL AS restartpoints_timed, NULL AS restartpoints_req, \
           NULL AS restartpoints_done, extract(epoch FROM stats_reset) AS checkpointer_stats_reset \
    FROM pg_stat_bgwriter";

/// 17 moved the checkpointer's columns to a view of its own, and what backends write to pg_stat_io, where 18 counts
/// bytes instead of blocks.
fn writers_since_17(facts: &Facts) -> String {
    let blocks = if facts.version >= (18, 0) {
        "sum(write_bytes + extend_bytes) / current_setting('block_size')::int8"
    } else {
        "sum(writes + extends)"
    };
    format!(
        "SELECT c.num_timed AS checkpoints_timed, c.num_requested AS checkpoints_req, \
                c.write_time AS checkpoint_write_time, c.sync_time AS checkpoint_sync_time, \
                c.buffers_written AS buffers_checkpoint, b.buffers_clean, b.maxwritten_clean, io.buffers_backend, \
                io.buffers_backend_fsync, b.buffers_alloc, extract(epoch FROM b.stats_reset) AS stats_reset, \
                c.restartpoints_timed, c.restartpoints_req, c.restartpoints_done, \
                extract(epoch FROM c.stats_reset) AS checkpointer_stats_reset \
         FROM pg_stat_checkpointer c, pg_stat_bgwriter b, \
              (SELECT {blocks} AS buffers_backend, sum(fsyncs) AS buffers_backend_fsync FROM pg_stat_io \
               WHERE object = 'relation' AND backend_type NOT IN ('checkpointer', 'background writer')) io"
    )
}

/// 14 began to count the time of sessions.
fn stat_database(facts: &Facts) -> String {
    // What 14 began to count; before it, the columns are there and empty.
    let counted = if facts.version >= (14, 0) {
        "active_time / 1000 AS active_time, active_time AS active_ms, session_time, idle_in_transaction_time, sessions, \
         sessions_abandoned, sessions_fatal, sessions_killed"
    } else {
        "NULL AS active_time, NULL AS active_ms, NULL AS session_time, NULL AS idle_in_transaction_time, \
         NULL AS sessions, NULL AS sessions_abandoned, NULL AS sessions_fatal, NULL AS sessions_killed"
    };
    format!(
        "SELECT datid, datname, numbackends, xact_commit, xact_rollback, blks_read, blks_hit, tup_returned, tup_fetched, \
                tup_inserted, tup_updated, tup_deleted, conflicts, temp_files, temp_bytes, deadlocks, blk_read_time, \
                blk_write_time, checksum_failures, \
                coalesce(extract(epoch FROM checksum_last_failure), 'NaN') AS checksum_last_failure, \
                coalesce(extract(epoch FROM stats_reset), 0) AS stats_reset, {counted} FROM pg_stat_database WHERE datname IS NOT NULL"
    )
}

/// 14 began to say since when a lock is waited for; before that, the time since the waiting statement began.
fn blocked(facts: &Facts) -> String {
    if facts.version >= (14, 0) {
        "SELECT count(DISTINCT pid) AS sessions, \
                coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0) AS longest \
         FROM pg_locks WHERE NOT granted"
    } else {
        "SELECT count(DISTINCT l.pid) AS sessions, \
                coalesce(max(extract(epoch FROM clock_timestamp() - a.query_start)), 0) AS longest \
         FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid WHERE NOT l.granted"
    }
    .to_string()
}

/// What keeps vacuum from removing dead rows, by who holds it. Age in transactions.
const HORIZON: &str = "\
    SELECT holder, max(xids) AS age FROM ( \
        SELECT 'session' AS holder, greatest(age(backend_xmin), age(backend_xid)) AS xids FROM pg_stat_activity \
         WHERE backend_type <> 'walsender' AND pid <> pg_backend_pid() \
        UNION ALL SELECT 'standby', age(backend_xmin) FROM pg_stat_replication \
        UNION ALL SELECT 'slot', greatest(age(xmin), age(catalog_xmin)) FROM pg_replication_slots \
        UNION ALL SELECT 'prepared', age(transaction) FROM pg_prepared_xacts \
        UNION ALL VALUES ('session', 0), ('standby', 0), ('slot', 0), ('prepared', 0)) h GROUP BY holder";

/// 14 began to count. 18 has what is written and flushed in pg_stat_io, in milliseconds as before.
fn stat_wal(facts: &Facts) -> String {
    let (columns, from) = if facts.version >= (18, 0) {
        (
            "io.writes, io.syncs, io.write_time, io.sync_time",
            "pg_stat_wal w, (SELECT sum(writes) AS writes, sum(fsyncs) AS syncs, sum(write_time) / 1000 AS write_time, \
             sum(fsync_time) / 1000 AS sync_time FROM pg_stat_io WHERE object = 'wal') io",
        )
    } else {
        let columns = "wal_write AS writes, wal_sync AS syncs, wal_write_time / 1000 AS write_time, \
                       wal_sync_time / 1000 AS sync_time";
        (columns, "pg_stat_wal")
    };
    format!(
        "SELECT wal_records AS records, wal_fpi AS fpi, wal_bytes AS bytes, wal_buffers_full AS buffers_full, {columns} \
         FROM {from}"
    )
}

/// 13 began to say what a slot may still keep.
fn replication_slots(facts: &Facts) -> String {
    let status = if facts.version >= (13, 0) {
        "safe_wal_size, wal_status, CASE WHEN wal_status IS NOT NULL THEN 1 END AS has_status"
    } else {
        "NULL AS safe_wal_size, NULL AS wal_status, NULL AS has_status"
    };
    const POSITION: &str = wal_position!();
    format!(
        "SELECT slot_name, slot_type, database, active, pg_wal_lsn_diff({POSITION}, restart_lsn) AS behind, \
                pg_wal_lsn_diff({POSITION}, '0/0') AS position, \
                CASE WHEN active THEN coalesce(confirmed_flush_lsn, '0/0') - '0/0' END AS confirmed, {status} \
         FROM pg_replication_slots"
    )
}

/// One view, three sets of labels.
fn slots(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let Answer::Table(table) = answer else {
        return Err(Unknown::new(UnknownKind::Garbled, "the answer is no table"));
    };
    let (by_database, rest) = m::SLOTS.split_at(2);
    let (by_type, by_status) = rest.split_at(4);
    take_columns(by_database, &["slot_name", "database"], table, emit)?;
    take_columns(by_type, &["slot_name", "slot_type"], table, emit)?;
    take_columns(by_status, &["slot_name", "slot_type", "wal_status"], table, emit)
}

/// What `top` shows beside the thresholds.
pub static GLANCE: &[Glance] = &[
    Glance {
        key: "operations",
        expression: "sum by (tenant, target) (rate(pg_stat_database_xact_commit[{window}])) \
                     + sum by (tenant, target) (rate(pg_stat_database_xact_rollback[{window}]))",
    },
    Glance { key: "lag", expression: "pg_replication_lag_seconds" },
];

pub static THRESHOLDS: &[Threshold] = &[Threshold {
    key: "connection_count",
    engine: "postgresql",
    alert: "PostgresqlTooManyConnections",
    expression: "sum by (tenant, target, instance, job) (pg_stat_database_numbackends{matchers})",
    hold: "2m",
    ceiling: "pg_settings_max_connections{matchers}",
    summary: "{{ $labels.target }} has {{ $value }} connections, more than {value}",
    unit: "{connection}",
}];
