//! What is read in every database: its tables, and where it is asked for, indexes, sequences, functions, bloat.

use crate::engines::contract::{Ask, Busiest, Row, Take, When};
use crate::engines::postgresql::monitor::SINCE_12;
use crate::engines::postgresql::session::databases::LABEL;
use crate::model::row::Metric;

/// Reads what is in tables and sequences as well, so it is granted only to who wants these rows.
pub const READ_ALL_DATA: &str = "pg_read_all_data";

/// The hundred largest tables. One that is being rewritten or altered, or an index of which is being built anew, is listed
/// without its size, for that would have to wait for it.
pub const TABLES: Row = Row {
    name: "stat_user_tables",
    every: 8,
    when: SINCE_12,
    each: LABEL,
    ask: Ask::Text(
        "SELECT current_database() AS datname, t.*, CASE WHEN free THEN pg_indexes_size(relid) END AS index_size, \
                CASE WHEN free THEN pg_table_size(relid) END AS table_size \
         FROM (SELECT relid, schemaname, relname, seq_scan, seq_tup_read, coalesce(idx_scan, 0) AS idx_scan, \
                      coalesce(idx_tup_fetch, 0) AS idx_tup_fetch, n_tup_ins, n_tup_upd, n_tup_del, n_tup_hot_upd, \
                      n_live_tup, n_dead_tup, n_mod_since_analyze, vacuum_count, autovacuum_count, analyze_count, \
                      autoanalyze_count, coalesce(extract(epoch FROM last_vacuum), 0) AS last_vacuum, \
                      coalesce(extract(epoch FROM last_autovacuum), 0) AS last_autovacuum, \
                      coalesce(extract(epoch FROM last_analyze), 0) AS last_analyze, \
                      coalesce(extract(epoch FROM last_autoanalyze), 0) AS last_autoanalyze, \
                      relid NOT IN (SELECT coalesce(c.oid, i.indrelid, l.relation) FROM pg_locks l \
                                    LEFT JOIN pg_index i ON i.indexrelid = l.relation \
                                    LEFT JOIN pg_class c ON c.reltoastrelid = coalesce(i.indrelid, l.relation) \
                                    WHERE l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL \
                                    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())) \
                      AS free \
               FROM pg_stat_user_tables ORDER BY n_live_tup + n_dead_tup DESC, relid LIMIT 100) t",
    ),
    take: Take::Columns { labels: &["datname", "schemaname", "relname"] },
    metrics: USER_TABLES,
    ..Row::DEFAULT
};

pub const TABLES_IO: Row = Row {
    name: "statio_user_tables",
    every: 8,
    optional: true,
    when: SINCE_12,
    each: LABEL,
    ask: Ask::Text(
        "SELECT current_database() AS datname, schemaname, relname, heap_blks_read, heap_blks_hit, idx_blks_read, \
                idx_blks_hit, toast_blks_read, toast_blks_hit, tidx_blks_read, tidx_blks_hit \
         FROM pg_statio_user_tables ORDER BY heap_blks_read + heap_blks_hit DESC, relid LIMIT 100",
    ),
    take: Take::Columns { labels: &["datname", "schemaname", "relname"] },
    metrics: STATIO_TABLES,
    ..Row::DEFAULT
};

/// Sizes are those of the last VACUUM, ANALYZE or build: to measure one now would wait for whoever locks the index.
/// An index that is being built is not invalid yet.
pub const INDEXES: Row = Row {
    name: "index",
    every: 20,
    optional: true,
    when: SINCE_12,
    each: LABEL,
    ask: Ask::Text(
        "SELECT current_database() AS datname, count(*) FILTER (WHERE NOT indisvalid) AS invalid, \
                count(*) FILTER (WHERE is_unused) AS unused, \
                coalesce(sum(size) FILTER (WHERE is_unused), 0) AS unused_size \
         FROM (SELECT i.indisvalid, c.relpages::int8 * current_setting('block_size')::int8 AS size, \
                      s.idx_scan = 0 AND NOT i.indisunique AND NOT i.indisexclusion AND i.indisvalid AS is_unused \
               FROM pg_stat_user_indexes s JOIN pg_index i USING (indexrelid) JOIN pg_class c ON c.oid = indexrelid \
               WHERE NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)) i",
    ),
    take: Take::Columns { labels: &["datname"] },
    metrics: INDEX,
    ..Row::DEFAULT
};

pub const INVALID_INDEXES: Row = Row {
    name: "index_invalid",
    every: 20,
    optional: true,
    when: SINCE_12,
    each: LABEL,
    ask: Ask::Text(
        "SELECT current_database() AS datname, s.schemaname, s.relname, s.indexrelname, \
                c.relpages::int8 * current_setting('block_size')::int8 AS size \
         FROM pg_stat_user_indexes s JOIN pg_index i USING (indexrelid) JOIN pg_class c ON c.oid = indexrelid \
         WHERE NOT i.indisvalid AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p \
                                                WHERE p.index_relid = i.indexrelid) ORDER BY indexrelid LIMIT 100",
    ),
    take: Take::Columns { labels: &["datname", "schemaname", "relname", "indexrelname"] },
    metrics: INVALID_INDEX,
    ..Row::DEFAULT
};

/// Those that are half used up, and how many there are that the login may not read: their names are left out. One that
/// is being altered is not looked at, for that would have to wait for it.
pub const SEQUENCES: Row = Row {
    name: "sequences",
    every: 20,
    optional: true,
    when: SINCE_12,
    each: LABEL,
    ask: Ask::Text(
        "SELECT current_database() AS datname, * FROM ( \
            SELECT schemaname, sequencename, used, NULL::int8 AS unreadable FROM ( \
                SELECT schemaname, sequencename, CASE WHEN seqincrement > 0 THEN last_value::numeric / seqmax \
                                                      ELSE last_value::numeric / seqmin END AS used \
                FROM (SELECT n.nspname AS schemaname, c.relname AS sequencename, s.seqincrement, s.seqmax, s.seqmin, \
                             CASE WHEN has_sequence_privilege(c.oid, 'SELECT, USAGE') AND c.oid NOT IN ( \
                                 SELECT relation FROM pg_locks WHERE relation IS NOT NULL AND mode IN \
                                 ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') AND \
                                 database = (SELECT oid FROM pg_database WHERE datname = current_database())) \
                             THEN pg_sequence_last_value(c.oid) END AS last_value \
                      FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid \
                      JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relpersistence <> 't' OFFSET 0) l \
                WHERE last_value IS NOT NULL) s \
            WHERE used >= 0.5 ORDER BY used DESC LIMIT 100) near \
         UNION ALL SELECT current_database(), NULL, NULL, NULL, count(*) FROM pg_class \
         WHERE CASE WHEN relkind = 'S' AND relpersistence <> 't' THEN NOT has_sequence_privilege(oid, 'SELECT, USAGE') END",
    ),
    take: Take::Columns { labels: &["datname", "schemaname", "sequencename"] },
    metrics: SEQUENCE,
    privilege: READ_ALL_DATA,
    ..Row::DEFAULT
};

/// Functions, where track_functions counts them. Those of one name are one series.
pub const FUNCTIONS: Row = Row {
    name: "stat_user_functions",
    every: 8,
    optional: true,
    when: SINCE_12,
    each: LABEL,
    ask: Ask::Text(
        "SELECT current_database() AS datname, schemaname, funcname, sum(calls) AS calls, \
                sum(total_time) / 1000 AS total, sum(self_time) / 1000 AS self \
         FROM pg_stat_user_functions GROUP BY 2, 3 ORDER BY total DESC LIMIT 200",
    ),
    take: Take::Busiest(Busiest {
        labels: &["datname", "schemaname", "funcname"],
        rank_by: "self",
        keep: 20,
        most: 200,
    }),
    metrics: FUNCTION,
    ..Row::DEFAULT
};

/// Tables above 100 MB: their pages beside those that as many rows of average width would need, by the fill factor.
/// An estimate, as good as the last ANALYZE, that touches no table. Rows have 24 bytes of header and 4 of line pointer,
/// and are padded to 8; pages have 24 (PostgreSQL's documentation, "Database Page Layout").
pub const BLOAT: Row = Row {
    name: "bloat",
    every: 60,
    optional: true,
    when: &[When::since((14, 0))], // which has the role that may read the widths of columns
    each: LABEL,
    needs: &[READ_ALL_DATA],
    privilege: READ_ALL_DATA,
    ask: Ask::Text(
        "SELECT current_database() AS datname, schemaname, relname, size, \
                round(greatest(0, 100 * (1 - needed::numeric / pages)), 1) AS percent \
         FROM (SELECT n.nspname AS schemaname, c.relname, c.relpages AS pages, \
                      c.relpages::int8 * current_setting('block_size')::int8 AS size, \
                      ceil(c.reltuples * (8 * ceil((w.width + 24) / 8.0) + 4) \
                           / (current_setting('block_size')::int8 - 24) * 100 \
                           / coalesce(substring(array_to_string(c.reloptions, ' ') FROM 'fillfactor=([0-9]+)')::int, \
                                      100)) AS needed \
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                    JOIN LATERAL (SELECT sum((1 - null_frac) * avg_width) AS width FROM pg_stats s \
                                  WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND NOT s.inherited) w \
                         ON w.width IS NOT NULL \
               WHERE c.relkind IN ('r', 'm') AND c.reltuples > 0 \
                     AND c.relpages::int8 * current_setting('block_size')::int8 > 100 << 20 \
                     AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
               ORDER BY c.relpages DESC LIMIT 100) t",
    ),
    take: Take::Columns { labels: &["datname", "schemaname", "relname"] },
    metrics: BLOATED,
    ..Row::DEFAULT
};

/// Tables of the connected database.
static USER_TABLES: &[Metric] = &[
    Metric::counter("pg_stat_user_tables_seq_scan", "Sequential scans.")
        .from("seq_scan")
        .unit("{scan}")
        .strict("pg_stat_user_tables_seq_scan_total"),
    Metric::counter("pg_stat_user_tables_seq_tup_read", "Rows read by sequential scans.")
        .from("seq_tup_read")
        .unit("{row}")
        .strict("pg_stat_user_tables_seq_tup_read_total"),
    Metric::counter("pg_stat_user_tables_idx_scan", "Index scans.")
        .from("idx_scan")
        .unit("{scan}")
        .strict("pg_stat_user_tables_idx_scan_total"),
    Metric::counter("pg_stat_user_tables_idx_tup_fetch", "Rows fetched by index scans.")
        .from("idx_tup_fetch")
        .unit("{row}")
        .strict("pg_stat_user_tables_idx_tup_fetch_total"),
    Metric::counter("pg_stat_user_tables_n_tup_ins", "Rows inserted.")
        .from("n_tup_ins")
        .unit("{row}")
        .strict("pg_stat_user_tables_n_tup_ins_total"),
    Metric::counter("pg_stat_user_tables_n_tup_upd", "Rows updated.")
        .from("n_tup_upd")
        .unit("{row}")
        .strict("pg_stat_user_tables_n_tup_upd_total"),
    Metric::counter("pg_stat_user_tables_n_tup_del", "Rows deleted.")
        .from("n_tup_del")
        .unit("{row}")
        .strict("pg_stat_user_tables_n_tup_del_total"),
    Metric::counter("pg_stat_user_tables_n_tup_hot_upd", "Rows updated without touching an index.")
        .from("n_tup_hot_upd")
        .unit("{row}")
        .strict("pg_stat_user_tables_n_tup_hot_upd_total"),
    Metric::gauge("pg_stat_user_tables_n_live_tup", "Estimate of live rows.").from("n_live_tup").unit("{row}"),
    Metric::gauge("pg_stat_user_tables_n_dead_tup", "Estimate of dead rows.").from("n_dead_tup").unit("{row}"),
    Metric::gauge("pg_stat_user_tables_n_mod_since_analyze", "Estimate of rows changed since the last analyze.")
        .from("n_mod_since_analyze")
        .unit("{row}"),
    Metric::gauge(
        "pg_stat_user_tables_last_vacuum",
        "When it was last vacuumed by hand, in seconds since 1970; 0: never.",
    )
    .from("last_vacuum")
    .unit("s")
    .strict("pg_stat_user_tables_last_vacuum_seconds"),
    Metric::gauge(
        "pg_stat_user_tables_last_autovacuum",
        "When it was last vacuumed by the daemon, in seconds since 1970; 0: never.",
    )
    .from("last_autovacuum")
    .unit("s")
    .strict("pg_stat_user_tables_last_autovacuum_seconds"),
    Metric::gauge(
        "pg_stat_user_tables_last_analyze",
        "When it was last analyzed by hand, in seconds since 1970; 0: never.",
    )
    .from("last_analyze")
    .unit("s")
    .strict("pg_stat_user_tables_last_analyze_seconds"),
    Metric::gauge(
        "pg_stat_user_tables_last_autoanalyze",
        "When it was last analyzed by the daemon, in seconds since 1970; 0: never.",
    )
    .from("last_autoanalyze")
    .unit("s")
    .strict("pg_stat_user_tables_last_autoanalyze_seconds"),
    Metric::counter("pg_stat_user_tables_vacuum_count", "Times vacuumed by hand.")
        .from("vacuum_count")
        .strict("pg_stat_user_tables_vacuums_total"),
    Metric::counter("pg_stat_user_tables_autovacuum_count", "Times vacuumed by the daemon.")
        .from("autovacuum_count")
        .strict("pg_stat_user_tables_autovacuums_total"),
    Metric::counter("pg_stat_user_tables_analyze_count", "Times analyzed by hand.")
        .from("analyze_count")
        .strict("pg_stat_user_tables_analyzes_total"),
    Metric::counter("pg_stat_user_tables_autoanalyze_count", "Times analyzed by the daemon.")
        .from("autoanalyze_count")
        .strict("pg_stat_user_tables_autoanalyzes_total"),
    Metric::gauge("pg_stat_user_tables_index_size_bytes", "Size of its indexes.").from("index_size").unit("By"),
    Metric::gauge("pg_stat_user_tables_table_size_bytes", "Size of the table with its TOAST.")
        .from("table_size")
        .unit("By"),
];

static STATIO_TABLES: &[Metric] = &[
    Metric::counter("pg_statio_user_tables_heap_blocks_read", "Blocks of the table read from the system.")
        .from("heap_blks_read")
        .unit("{block}")
        .strict("pg_statio_user_tables_heap_blocks_read_total"),
    Metric::counter("pg_statio_user_tables_heap_blocks_hit", "Blocks of the table found in shared buffers.")
        .from("heap_blks_hit")
        .unit("{block}")
        .strict("pg_statio_user_tables_heap_blocks_hit_total"),
    Metric::counter("pg_statio_user_tables_idx_blocks_read", "Blocks of its indexes read from the system.")
        .from("idx_blks_read")
        .unit("{block}")
        .strict("pg_statio_user_tables_idx_blocks_read_total"),
    Metric::counter("pg_statio_user_tables_idx_blocks_hit", "Blocks of its indexes found in shared buffers.")
        .from("idx_blks_hit")
        .unit("{block}")
        .strict("pg_statio_user_tables_idx_blocks_hit_total"),
    Metric::counter("pg_statio_user_tables_toast_blocks_read", "Blocks of its TOAST read from the system.")
        .from("toast_blks_read")
        .unit("{block}")
        .strict("pg_statio_user_tables_toast_blocks_read_total"),
    Metric::counter("pg_statio_user_tables_toast_blocks_hit", "Blocks of its TOAST found in shared buffers.")
        .from("toast_blks_hit")
        .unit("{block}")
        .strict("pg_statio_user_tables_toast_blocks_hit_total"),
    Metric::counter("pg_statio_user_tables_tidx_blocks_read", "Blocks of its TOAST's index read from the system.")
        .from("tidx_blks_read")
        .unit("{block}")
        .strict("pg_statio_user_tables_tidx_blocks_read_total"),
    Metric::counter("pg_statio_user_tables_tidx_blocks_hit", "Blocks of its TOAST's index found in shared buffers.")
        .from("tidx_blks_hit")
        .unit("{block}")
        .strict("pg_statio_user_tables_tidx_blocks_hit_total"),
];

static INDEX: &[Metric] = &[
    Metric::gauge("pg_index_invalid_count", "Indexes that a failed CREATE INDEX CONCURRENTLY or REINDEX left invalid.")
        .from("invalid")
        .unit("{index}")
        .strict("pg_index_invalid"),
    Metric::gauge(
        "pg_index_unused_count",
        "Indexes that were never scanned since the statistics were reset, and enforce nothing.",
    )
    .from("unused")
    .unit("{index}")
    .strict("pg_index_unused"),
    Metric::gauge("pg_index_unused_size_bytes", "Their size.").from("unused_size").unit("By"),
];

static INVALID_INDEX: &[Metric] = &[Metric::gauge(
    "pg_general_index_info_pg_relation_size",
    "Size of an invalid index, as of the last VACUUM, ANALYZE or build.",
)
.from("size")
.unit("By")
.strict("pg_index_invalid_size_bytes")];

static SEQUENCE: &[Metric] = &[
    Metric::gauge(
        "pg_sequence_used_ratio",
        "How much of the sequence is used up, from one half on; at 1 inserts fail.",
    )
    .from("used")
    .unit("1"),
    Metric::gauge("pg_sequence_unreadable", "Sequences that the agent's login may not read.")
        .from("unreadable")
        .unit("{sequence}"),
];

static FUNCTION: &[Metric] = &[
    Metric::counter("pg_stat_user_functions_calls_total", "Times called.").from("calls").unit("{call}"),
    Metric::counter("pg_stat_user_functions_total_time_seconds_total", "Time spent in it and what it called.")
        .from("total")
        .unit("s"),
    Metric::counter("pg_stat_user_functions_self_time_seconds_total", "Time spent in it alone.").from("self").unit("s"),
];

static BLOATED: &[Metric] = &[
    Metric::gauge("pg_bloat_table_real_size", "Size of a table above 100 MB, as of the last VACUUM or ANALYZE.")
        .from("size")
        .unit("By")
        .strict("pg_bloat_table_real_size_bytes"),
    Metric::gauge("pg_bloat_table_bloat_pct", "How much of it holds nothing, in percent: an estimate.")
        .from("percent")
        .unit("1")
        .strict("pg_bloat_table_bloat_ratio")
        .scale(1e-2),
];
