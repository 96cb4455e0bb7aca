//! PgBouncer's console, which is entered as the database `pgbouncer` and speaks commands of its own.

use crate::engines::contract::{Answer, Ask, Emit, Facts, Row, Take, When};
use crate::engines::take::text_number;
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::row::Metric;

/// The flavour of the console.
pub const FLAVOUR: &str = "pgbouncer";

/// What is answered there.
const ON_CONSOLE: &[When] = &[When::since((0, 0)).flavour(FLAVOUR)];

pub const POOLS: Row = Row {
    name: "pgbouncer_pools",
    when: ON_CONSOLE,
    ask: Ask::Text("SHOW POOLS"),
    take: Take::Columns { labels: &["database", "user", "pool_mode"] },
    metrics: POOL,
    ..Row::DEFAULT
};

pub const DATABASES: Row = Row {
    name: "pgbouncer_databases",
    every: 4,
    when: ON_CONSOLE,
    ask: Ask::Text("SHOW DATABASES"),
    take: Take::Columns { labels: &["name", "host", "port", "database", "force_user", "pool_mode"] },
    metrics: DATABASE,
    ..Row::DEFAULT
};

pub const STATS: Row = Row {
    name: "pgbouncer_stats",
    when: ON_CONSOLE,
    ask: Ask::Text("SHOW STATS"),
    take: Take::Own(stats),
    metrics: STAT,
    ..Row::DEFAULT
};

pub const LISTS: Row = Row {
    name: "pgbouncer_lists",
    when: ON_CONSOLE,
    ask: Ask::Text("SHOW LISTS"),
    take: Take::Columns { labels: &["list"] },
    metrics: LIST,
    ..Row::DEFAULT
};

static POOL: &[Metric] = &[
    Metric::gauge("pgbouncer_pools_client_active_connections", "Clients that have a server, or need none now.")
        .from("cl_active")
        .unit("{connection}"),
    Metric::gauge("pgbouncer_pools_client_waiting_connections", "Clients that wait for a server.")
        .from("cl_waiting")
        .unit("{connection}"),
    Metric::gauge("pgbouncer_pools_server_active_connections", "Servers that a client has.")
        .from("sv_active")
        .unit("{connection}"),
    Metric::gauge("pgbouncer_pools_server_idle_connections", "Servers that are free.")
        .from("sv_idle")
        .unit("{connection}"),
    Metric::gauge("pgbouncer_pools_server_used_connections", "Servers to be checked before they are used again.")
        .from("sv_used")
        .unit("{connection}"),
    Metric::gauge("pgbouncer_pools_server_testing_connections", "Servers that are being checked or reset.")
        .from("sv_tested")
        .unit("{connection}"),
    Metric::gauge("pgbouncer_pools_server_login_connections", "Servers that are being logged in to.")
        .from("sv_login")
        .unit("{connection}"),
    Metric::gauge("pgbouncer_pools_client_maxwait_seconds", "How long the client that has waited longest has waited.")
        .from("maxwait")
        .unit("s"),
];

static DATABASE: &[Metric] = &[
    Metric::gauge("pgbouncer_databases_pool_size", "The most servers of a pool.")
        .from("pool_size")
        .unit("{connection}"),
    Metric::gauge("pgbouncer_databases_max_connections", "The most servers of the database; 0: no limit.")
        .from("max_connections")
        .unit("{connection}"),
    Metric::gauge("pgbouncer_databases_current_connections", "Servers of the database now.")
        .from("current_connections")
        .unit("{connection}"),
    Metric::gauge("pgbouncer_databases_paused", "1 if the database is paused.").from("paused"),
    Metric::gauge("pgbouncer_databases_disabled", "1 if the database is disabled.").from("disabled"),
];

static STAT: &[Metric] = &[
    Metric::counter("pgbouncer_stats_sql_transactions_pooled_total", "Transactions.")
        .from("total_xact_count")
        .unit("{transaction}"),
    Metric::counter("pgbouncer_stats_queries_pooled_total", "Queries.").from("total_query_count").unit("{query}"),
    Metric::counter("pgbouncer_stats_received_bytes_total", "Bytes from clients.").from("total_received").unit("By"),
    Metric::counter("pgbouncer_stats_sent_bytes_total", "Bytes to clients.").from("total_sent").unit("By"),
    Metric::counter("pgbouncer_stats_server_in_transaction_seconds_total", "Time that servers were in a transaction.")
        .from("total_xact_time")
        .unit("s"),
    Metric::counter("pgbouncer_stats_queries_duration_seconds_total", "Time that servers spent on queries.")
        .from("total_query_time")
        .unit("s"),
    Metric::counter("pgbouncer_stats_client_wait_seconds_total", "Time that clients waited for a server.")
        .from("total_wait_time")
        .unit("s"),
];

/// The console counts time in microseconds.
fn stats(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let Answer::Table(table) = answer else {
        return Err(Unknown::new(UnknownKind::Garbled, "the answer is no table"));
    };
    let database = table.column("database")?;
    for metric in STAT {
        let at = table.column(metric.from)?;
        let scale = if metric.unit == "s" { 1e-6 } else { 1.0 };
        for row in &table.rows {
            if let Some(value) = row[at].as_deref().and_then(text_number) {
                emit.metric(metric, &[("database", row[database].as_deref().unwrap_or(""))], value * scale);
            }
        }
    }
    Ok(())
}

static LIST: &[Metric] =
    &[Metric::gauge("pgbouncer_list_items", "Items of the list that the label names.").from("items")];
