//! Statements: those that take the most time, without their texts, which the server would read from disk.

use crate::engines::contract::{Ask, Busiest, Facts, Row, Take};
use crate::engines::postgresql::monitor::{MONITOR, SINCE_12};
use crate::engines::postgresql::session::{EXEC_TIMES, SPLIT_BLOCK_TIMES};
use crate::model::row::Metric;

/// Of the thousand that took the most time in all, the fifty that take most of it now are series; the others are one.
/// A statement run both by itself and inside functions has two entries, and is one series.
pub const STATEMENTS: Row = Row {
    name: "stat_statements",
    every: 4,
    when: SINCE_12,
    needs: &["pg_monitor", "pg_stat_statements"],
    privilege: MONITOR,
    ask: Ask::Own(statements),
    take: Take::Busiest(Busiest { labels: &["user", "datname", "queryid"], rank_by: "seconds", keep: 50, most: 1000 }),
    metrics: METRICS,
    ..Row::DEFAULT
};

fn statements(facts: &Facts) -> String {
    let has = |capability: &str| facts.capabilities.contains(capability);
    let (read, write) = if has(SPLIT_BLOCK_TIMES) {
        ("shared_blk_read_time", "shared_blk_write_time")
    } else {
        ("blk_read_time", "blk_write_time")
    };
    let seconds = if has(EXEC_TIMES) { "total_exec_time" } else { "total_time" };
    format!(
        "SELECT pg_get_userbyid(s.userid) AS user, d.datname, s.queryid, s.calls, s.seconds, s.rows, s.read, s.write \
         FROM (SELECT userid, dbid, queryid, sum(calls) AS calls, sum({seconds}) / 1000 AS seconds, \
                      sum(rows) AS rows, sum({read}) / 1000 AS read, sum({write}) / 1000 AS write \
               FROM pg_stat_statements(false) WHERE queryid IS NOT NULL GROUP BY userid, dbid, queryid \
               ORDER BY seconds DESC LIMIT 1000) s JOIN pg_database d ON d.oid = s.dbid"
    )
}

/// The statements that took the most time.
static METRICS: &[Metric] = &[
    Metric::counter("pg_stat_statements_calls_total", "Times executed.").from("calls"),
    Metric::counter("pg_stat_statements_seconds_total", "Time spent executing.").from("seconds").unit("s"),
    Metric::counter("pg_stat_statements_rows_total", "Rows returned or changed.").from("rows").unit("{row}"),
    Metric::counter("pg_stat_statements_block_read_seconds_total", "Time spent reading blocks.").from("read").unit("s"),
    Metric::counter("pg_stat_statements_block_write_seconds_total", "Time spent writing blocks.")
        .from("write")
        .unit("s"),
];
