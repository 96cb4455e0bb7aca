//! What is read only where it is asked for: progress of long commands, I/O, caches, who blocks whom, workers.

use crate::engines::contract::{Ask, Facts, Row, Take, When};
use crate::engines::postgresql::monitor::{AS_MONITOR, MONITOR, SINCE_12};
use crate::engines::postgresql::session::BUFFER_SUMMARY;
use crate::model::row::Metric;

/// Who blocks whom, as numbers: the pids change too often to be labels. Only sessions that wait are looked at, for
/// pg_blocking_pids holds up the lock manager for a moment.
pub const LOCK_TREE: Row = Row {
    name: "lock_tree",
    optional: true,
    when: SINCE_12,
    needs: AS_MONITOR,
    privilege: MONITOR,
    ask: Ask::Text(
        "WITH waits AS (SELECT pid, unnest(pg_blocking_pids(pid)) AS blocker FROM pg_stat_activity \
                        WHERE wait_event_type = 'Lock') \
         SELECT count(DISTINCT blocker) AS blockers, \
                count(DISTINCT blocker) FILTER (WHERE blocker NOT IN (SELECT pid FROM waits)) AS roots, \
                coalesce((SELECT max(waiters) FROM (SELECT count(DISTINCT pid) AS waiters FROM waits GROUP BY blocker) w), \
                         0) AS most FROM waits",
    ),
    take: Take::Columns { labels: &[] },
    metrics: LOCK_TREES,
    ..Row::DEFAULT
};

pub const AUTOVACUUM: Row = Row {
    name: "autovacuum",
    every: 2,
    optional: true,
    when: SINCE_12,
    needs: AS_MONITOR,
    privilege: MONITOR,
    ask: Ask::Text(
        "SELECT count(*) AS workers, current_setting('autovacuum_max_workers') AS workers_max, \
                coalesce(max(extract(epoch FROM now() - xact_start)), 0) AS oldest \
         FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'",
    ),
    take: Take::Columns { labels: &[] },
    metrics: WORKERS,
    ..Row::DEFAULT
};

/// 17 counts bytes of dead rows and not rows.
pub const PROGRESS_VACUUM: Row = Row {
    name: "stat_progress_vacuum",
    optional: true,
    when: SINCE_12,
    needs: AS_MONITOR,
    privilege: MONITOR,
    ask: Ask::Text(
        "SELECT datname, relid, phase, heap_blks_total, heap_blks_scanned, heap_blks_vacuumed, index_vacuum_count \
         FROM pg_stat_progress_vacuum",
    ),
    take: Take::Columns { labels: &["datname", "relid", "phase"] },
    metrics: VACUUMS,
    ..Row::DEFAULT
};

pub const PROGRESS_CREATE_INDEX: Row = Row {
    name: "stat_progress_create_index",
    optional: true,
    when: SINCE_12,
    needs: AS_MONITOR,
    privilege: MONITOR,
    ask: Ask::Text(
        "SELECT datname, relid, phase, blocks_total, blocks_done, tuples_total, tuples_done, lockers_total, lockers_done \
         FROM pg_stat_progress_create_index",
    ),
    take: Take::Columns { labels: &["datname", "relid", "phase"] },
    metrics: INDEX_BUILDS,
    ..Row::DEFAULT
};

pub const PROGRESS_ANALYZE: Row = Row {
    name: "stat_progress_analyze",
    optional: true,
    when: &[When::since((13, 0))],
    needs: AS_MONITOR,
    privilege: MONITOR,
    ask: Ask::Text(
        "SELECT datname, relid, phase, sample_blks_total, sample_blks_scanned FROM pg_stat_progress_analyze",
    ),
    take: Take::Columns { labels: &["datname", "relid", "phase"] },
    metrics: ANALYSES,
    ..Row::DEFAULT
};

pub const IO: Row = Row {
    name: "stat_io",
    every: 4,
    optional: true,
    when: &[When::since((16, 0))],
    ask: Ask::Own(io),
    take: Take::Columns { labels: &["backend_type", "object", "context"] },
    metrics: IOS,
    ..Row::DEFAULT
};

/// 18 counts bytes itself; before that every operation had one size.
fn io(facts: &Facts) -> String {
    let bytes = |what: &str, count: &str| {
        if facts.version >= (18, 0) { format!("{what}_bytes") } else { format!("{count} * op_bytes AS {what}_bytes") }
    };
    format!(
        "SELECT backend_type, object, context, reads, writes, extends, hits, evictions, reuses, fsyncs, {}, {}, {}, \
                read_time / 1000 AS read_time, write_time / 1000 AS write_time FROM pg_stat_io",
        bytes("read", "reads"),
        bytes("write", "writes"),
        bytes("extend", "extends")
    )
}

pub const SLRU: Row = Row {
    name: "stat_slru",
    every: 4,
    optional: true,
    when: &[When::since((13, 0))],
    ask: Ask::Text(
        "SELECT name, blks_zeroed, blks_hit, blks_read, blks_written, blks_exists, flushes, truncates FROM pg_stat_slru",
    ),
    take: Take::Columns { labels: &["name"] },
    metrics: SLRUS,
    ..Row::DEFAULT
};

pub const BUFFERCACHE: Row = Row {
    name: "buffercache_summary",
    every: 20,
    optional: true,
    when: &[When::since((16, 0))],
    needs: &["pg_monitor", BUFFER_SUMMARY],
    privilege: MONITOR,
    ask: Ask::Text(
        "SELECT buffers_used, buffers_unused, buffers_dirty, buffers_pinned, usagecount_avg \
         FROM pg_buffercache_summary()",
    ),
    take: Take::Columns { labels: &[] },
    metrics: BUFFERS,
    ..Row::DEFAULT
};

static LOCK_TREES: &[Metric] = &[
    Metric::gauge("pg_blocking_sessions", "Sessions that others wait for.").from("blockers").unit("{connection}"),
    Metric::gauge("pg_blocking_root_sessions", "Those of them that wait for nobody: where the queues begin.")
        .from("roots")
        .unit("{connection}"),
    Metric::gauge("pg_blocking_most_waiters", "Sessions that wait for the one that most wait for.")
        .from("most")
        .unit("{connection}"),
];

static WORKERS: &[Metric] = &[
    Metric::gauge("pg_autovacuum_workers", "Autovacuum workers at work.").from("workers").unit("{worker}"),
    Metric::gauge("pg_autovacuum_workers_max", "The most there may be.").from("workers_max").unit("{worker}"),
    Metric::gauge("pg_autovacuum_oldest_age_seconds", "Age of the oldest transaction of one.").from("oldest").unit("s"),
];

static VACUUMS: &[Metric] = &[
    Metric::gauge("pg_stat_progress_vacuum_heap_blks", "Blocks of the table that is vacuumed.")
        .from("heap_blks_total")
        .unit("{block}"),
    Metric::gauge("pg_stat_progress_vacuum_heap_blks_scanned", "Those scanned.")
        .from("heap_blks_scanned")
        .unit("{block}"),
    Metric::gauge("pg_stat_progress_vacuum_heap_blks_vacuumed", "Those vacuumed.")
        .from("heap_blks_vacuumed")
        .unit("{block}"),
    Metric::gauge("pg_stat_progress_vacuum_index_vacuums", "Times all its indexes were vacuumed.")
        .from("index_vacuum_count"),
];

static INDEX_BUILDS: &[Metric] = &[
    Metric::gauge("pg_stat_progress_create_index_blocks", "Blocks of the phase of an index being built.")
        .from("blocks_total")
        .unit("{block}"),
    Metric::gauge("pg_stat_progress_create_index_blocks_done", "Those done.").from("blocks_done").unit("{block}"),
    Metric::gauge("pg_stat_progress_create_index_tuples", "Rows of the phase.").from("tuples_total").unit("{row}"),
    Metric::gauge("pg_stat_progress_create_index_tuples_done", "Those done.").from("tuples_done").unit("{row}"),
    Metric::gauge("pg_stat_progress_create_index_lockers", "Sessions that it has to wait for.")
        .from("lockers_total")
        .unit("{connection}"),
    Metric::gauge("pg_stat_progress_create_index_lockers_done", "Those that it has waited for.")
        .from("lockers_done")
        .unit("{connection}"),
];

static ANALYSES: &[Metric] = &[
    Metric::gauge("pg_stat_progress_analyze_sample_blks", "Blocks of the sample of a table that is analyzed.")
        .from("sample_blks_total")
        .unit("{block}"),
    Metric::gauge("pg_stat_progress_analyze_sample_blks_scanned", "Those scanned.")
        .from("sample_blks_scanned")
        .unit("{block}"),
];

static IOS: &[Metric] = &[
    Metric::counter("pg_stat_io_reads_total", "Reads.").from("reads"),
    Metric::counter("pg_stat_io_writes_total", "Writes.").from("writes"),
    Metric::counter("pg_stat_io_extends_total", "Extensions of files.").from("extends"),
    Metric::counter("pg_stat_io_hits_total", "Blocks found in shared buffers.").from("hits").unit("{block}"),
    Metric::counter("pg_stat_io_evictions_total", "Blocks put out of a buffer for another.")
        .from("evictions")
        .unit("{block}"),
    Metric::counter("pg_stat_io_reuses_total", "Buffers of a ring used again.").from("reuses"),
    Metric::counter("pg_stat_io_fsyncs_total", "Flushes.").from("fsyncs"),
    Metric::counter("pg_stat_io_read_bytes_total", "Bytes read.").from("read_bytes").unit("By"),
    Metric::counter("pg_stat_io_write_bytes_total", "Bytes written.").from("write_bytes").unit("By"),
    Metric::counter("pg_stat_io_extend_bytes_total", "Bytes by which files were extended.")
        .from("extend_bytes")
        .unit("By"),
    Metric::counter("pg_stat_io_read_time_seconds_total", "Time spent reading; 0 without track_io_timing.")
        .from("read_time")
        .unit("s"),
    Metric::counter("pg_stat_io_write_time_seconds_total", "Time spent writing; 0 without track_io_timing.")
        .from("write_time")
        .unit("s"),
];

static SLRUS: &[Metric] = &[
    Metric::counter("pg_stat_slru_blks_zeroed_total", "Blocks initialised.").from("blks_zeroed").unit("{block}"),
    Metric::counter("pg_stat_slru_blks_hit_total", "Blocks found in the cache.").from("blks_hit").unit("{block}"),
    Metric::counter("pg_stat_slru_blks_read_total", "Blocks read.").from("blks_read").unit("{block}"),
    Metric::counter("pg_stat_slru_blks_written_total", "Blocks written.").from("blks_written").unit("{block}"),
    Metric::counter("pg_stat_slru_blks_exists_total", "Blocks checked for.").from("blks_exists").unit("{block}"),
    Metric::counter("pg_stat_slru_flushes_total", "Flushes.").from("flushes"),
    Metric::counter("pg_stat_slru_truncates_total", "Truncations.").from("truncates"),
];

static BUFFERS: &[Metric] = &[
    Metric::gauge("pg_buffercache_summary_buffers_used", "Shared buffers in use.")
        .from("buffers_used")
        .unit("{buffer}")
        .strict("pg_shared_buffers_used"),
    Metric::gauge("pg_buffercache_summary_buffers_unused", "Shared buffers that are free.")
        .from("buffers_unused")
        .unit("{buffer}")
        .strict("pg_shared_buffers_unused"),
    Metric::gauge("pg_buffercache_summary_buffers_dirty", "Shared buffers to be written.")
        .from("buffers_dirty")
        .unit("{buffer}")
        .strict("pg_shared_buffers_dirty"),
    Metric::gauge("pg_buffercache_summary_buffers_pinned", "Shared buffers that somebody holds.")
        .from("buffers_pinned")
        .unit("{buffer}")
        .strict("pg_shared_buffers_pinned"),
    Metric::gauge("pg_buffercache_summary_usagecount_avg", "How often the buffers in use were used, on average.")
        .from("usagecount_avg")
        .strict("pg_shared_buffers_usage_average"),
];
