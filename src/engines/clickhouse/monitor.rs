//! What we read from ClickHouse, and how often. To add a metric, add its column; to add a query, add a row.
//!
//! Names that begin with `ClickHouse` are those of its own Prometheus endpoint, read from the system tables behind it;
//! those that begin with `clickhouse_` are what that endpoint cannot say: by table, by disk, by query.

pub mod keeper;
pub mod log;

use std::time::Duration;

use serde_json::Value;

use crate::engines::clickhouse::session::SHOWS_ZERO;
use crate::engines::contract::{Answer, Ask, Busiest, Emit, Facts, Row, Take, When};
use crate::engines::take::text_number;
use crate::model::catalogue::{Glance, Threshold};
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::row::{Family, Metric, MetricKind};

pub static ROWS: &[Row] = &[
    Row {
        name: "metrics",
        privilege: "SELECT ON system.metrics",
        ask: Ask::Text("SELECT metric AS name, value FROM system.metrics"),
        take: Take::Own(|answer, _, emit| take_family(answer, &METRICS[0], emit)),
        families: &METRICS,
        ..Row::DEFAULT
    },
    Row {
        name: "events",
        privilege: "SELECT ON system.events",
        ask: Ask::Own(events),
        take: Take::Own(|answer, _, emit| take_family(answer, &EVENTS[0], emit)),
        families: &EVENTS,
        ..Row::DEFAULT
    },
    Row {
        name: "asynchronous_metrics",
        every: 2, // older servers work them out once a minute
        privilege: "SELECT ON system.asynchronous_metrics",
        // By processor and by allocator arena these are hundreds, which say nothing more about the server.
        ask: Ask::Text(
            "SELECT metric AS name, value FROM system.asynchronous_metrics \
             WHERE NOT match(metric, 'CPU[0-9]+$|^CPUFrequencyMHz|^jemalloc.arenas.')",
        ),
        take: Take::Own(|answer, _, emit| take_family(answer, &ASYNCHRONOUS[0], emit)),
        families: &ASYNCHRONOUS,
        ..Row::DEFAULT
    },
    Row {
        name: "errors",
        every: 4,
        when: &[When::since((20, 11))],
        needs: &["system.errors"],
        privilege: "SELECT ON system.errors",
        ask: Ask::Own(errors),
        take: Take::Own(|answer, _, emit| take_family(answer, &ERRORS[0], emit)),
        families: &ERRORS,
        ..Row::DEFAULT
    },
    Row {
        name: "queries",
        privilege: "SELECT ON system.processes",
        ask: Ask::Text(
            "SELECT count() AS running, max(elapsed) AS longest FROM system.processes \
             WHERE is_initial_query AND http_user_agent != 'watchward'",
        ),
        take: Take::Columns { labels: &[] },
        metrics: &[
            Metric::gauge("clickhouse_running_queries", "Queries of clients under way.")
                .unit("{query}")
                .from("running"),
            Metric::gauge("clickhouse_longest_query_seconds", "How long the longest of them has been running.")
                .unit("s")
                .from("longest"),
        ],
        ..Row::DEFAULT
    },
    Row {
        name: "tables",
        every: 12,
        privilege: "SELECT ON system.parts, SHOW TABLES ON *.*",
        // A table is seen here by users who may see the table.
        ask: Ask::Text(
            "SELECT database, table, sum(active) AS parts, sum(active * rows) AS rows, \
             sum(active * bytes_on_disk) AS bytes FROM system.parts \
             GROUP BY database, table ORDER BY bytes DESC LIMIT 2000",
        ),
        take: Take::Busiest(Busiest { labels: &["database", "table"], rank_by: "bytes", keep: 100, most: 2000 }),
        metrics: &[
            Metric::gauge("clickhouse_table_parts", "Active parts of a table.").unit("{part}").from("parts"),
            Metric::gauge("clickhouse_table_parts_bytes", "Size on disk of a table's active parts.")
                .unit("By")
                .from("bytes"),
            Metric::gauge("clickhouse_table_parts_rows", "Rows in a table's active parts.").unit("{row}").from("rows"),
        ],
        ..Row::DEFAULT
    },
    Row {
        name: "replicas",
        every: 2,
        privilege: "SELECT ON system.replicas, SHOW TABLES ON *.*",
        // Only columns that the server knows by itself: total_replicas and the like ask ZooKeeper, table by table.
        ask: Ask::Text(
            "SELECT database, table, absolute_delay, queue_size, is_readonly, is_session_expired, parts_to_check \
             FROM system.replicas ORDER BY is_readonly DESC, absolute_delay DESC, queue_size DESC LIMIT 200",
        ),
        take: Take::Columns { labels: &["database", "table"] },
        metrics: &[
            Metric::gauge("clickhouse_replica_absolute_delay_seconds", "How far a replicated table is behind.")
                .unit("s")
                .from("absolute_delay"),
            Metric::gauge("clickhouse_replica_queue_size", "Operations that a replicated table has still to do.")
                .unit("{operation}")
                .from("queue_size"),
            Metric::gauge("clickhouse_replica_is_readonly", "Whether a replicated table takes no writes.")
                .from("is_readonly"),
            Metric::gauge("clickhouse_replica_is_session_expired", "Whether its session with ZooKeeper is over.")
                .from("is_session_expired"),
            Metric::gauge("clickhouse_replica_parts_to_check", "Parts of a replicated table under suspicion.")
                .unit("{part}")
                .from("parts_to_check"),
        ],
        ..Row::DEFAULT
    },
    Row {
        name: "mutations",
        every: 4,
        needs: &["system.mutations"],
        privilege: "SELECT ON system.mutations, SHOW TABLES ON *.*",
        ask: Ask::Own(mutations),
        take: Take::Own(|answer, _, emit| take_what_is_there(answer, MUTATIONS, emit)),
        metrics: MUTATIONS,
        ..Row::DEFAULT
    },
    Row {
        name: "detached_parts",
        every: 60,
        when: &[When::since((19, 6))],
        needs: &["system.detached_parts"],
        privilege: "SELECT ON system.detached_parts, SHOW TABLES ON *.*",
        ask: Ask::Text(
            "SELECT if(isNull(reason) OR reason = '', 'by hand', assumeNotNull(reason)) AS reason, count() AS parts \
             FROM system.detached_parts GROUP BY reason LIMIT 50",
        ),
        take: Take::Columns { labels: &["reason"] },
        metrics: &[Metric::gauge(
            "clickhouse_detached_parts",
            "Parts set aside, by reason; broken ones are lost data.",
        )
        .unit("{part}")
        .from("parts")],
        ..Row::DEFAULT
    },
    Row {
        name: "disks",
        every: 2,
        when: &[When::since((19, 15))],
        needs: &["system.disks"],
        privilege: "SELECT ON system.disks",
        ask: Ask::Text("SELECT name AS disk, free_space, total_space FROM system.disks LIMIT 100"),
        take: Take::Columns { labels: &["disk"] },
        metrics: &[
            Metric::gauge("clickhouse_disk_free_bytes", "Free space of a disk that tables are stored on.")
                .unit("By")
                .from("free_space"),
            Metric::gauge("clickhouse_disk_total_bytes", "Size of a disk that tables are stored on.")
                .unit("By")
                .from("total_space"),
        ],
        ..Row::DEFAULT
    },
    Row { name: "query_durations", when: &[When::since((21, 0))], privilege: log::COLUMNS, ..QUERY_DURATIONS },
    Row {
        name: "query_durations",
        when: &[When::before((21, 0))],
        privilege: "SELECT ON system.query_log",
        ..QUERY_DURATIONS
    },
    Row { name: "statements", when: &[When::since((21, 0))], privilege: log::COLUMNS, ..STATEMENTS },
    Row { name: "statements", when: &[When::before((21, 0))], privilege: "SELECT ON system.query_log", ..STATEMENTS },
    Row {
        name: "histograms",
        every: 4,
        when: &[When::since((25, 0))],
        only: &["system.histogram_metrics.labels"],
        privilege: "SELECT ON system.histogram_metrics",
        // Those that never counted anything say nothing.
        ask: Ask::Text(
            "SELECT metric AS name, value, toJSONString(labels) AS labels FROM system.histogram_metrics \
             WHERE replaceRegexpOne(metric, '_(sum|count)$', '') IN (SELECT replaceRegexpOne(metric, '_count$', '') \
             FROM system.histogram_metrics WHERE endsWith(metric, '_count') AND value > 0) LIMIT 1000",
        ),
        take: Take::Own(take_histograms),
        families: &HISTOGRAMS,
        ..Row::DEFAULT
    },
    Row {
        name: "dimensional_metrics",
        every: 4,
        optional: true,
        when: &[When::since((25, 0))],
        only: &["system.dimensional_metrics.labels"],
        privilege: "SELECT ON system.dimensional_metrics",
        ask: Ask::Text(
            "SELECT metric AS name, value, toJSONString(labels) AS labels FROM system.dimensional_metrics LIMIT 1000",
        ),
        take: Take::Own(take_dimensions),
        families: &DIMENSIONS,
        ..Row::DEFAULT
    },
    Row {
        name: "dictionaries",
        every: 4,
        optional: true,
        only: &["system.dictionaries.bytes_allocated"],
        privilege: "SELECT ON system.dictionaries, SHOW DICTIONARIES ON *.*",
        ask: Ask::Own(dictionaries),
        take: Take::Columns { labels: &["database", "dictionary"] },
        metrics: &[
            Metric::gauge("clickhouse_dictionary_bytes", "Memory that a dictionary takes.").unit("By").from("bytes"),
            Metric::gauge("clickhouse_dictionary_elements", "Entries of a dictionary.")
                .unit("{element}")
                .from("elements"),
            Metric::counter("clickhouse_dictionary_queries_total", "How often it was asked since it was loaded.")
                .unit("{query}")
                .from("queries"),
            Metric::gauge("clickhouse_dictionary_is_failed", "Whether the last attempt to load it failed.")
                .from("is_failed"),
        ],
        ..Row::DEFAULT
    },
    Row {
        name: "async_inserts",
        optional: true,
        when: &[When::since((21, 11))],
        only: &["system.asynchronous_inserts.total_bytes"],
        privilege: "SELECT ON system.asynchronous_inserts",
        ask: Ask::Text(
            "SELECT database, table, count() AS batches, sum(total_bytes) AS bytes FROM system.asynchronous_inserts \
             GROUP BY database, table ORDER BY bytes DESC LIMIT 200",
        ),
        take: Take::Columns { labels: &["database", "table"] },
        metrics: &[
            Metric::gauge("clickhouse_async_insert_batches", "Batches of inserts that wait to be written.")
                .unit("{batch}")
                .from("batches"),
            Metric::gauge("clickhouse_async_insert_bytes", "Data that wait to be written.").unit("By").from("bytes"),
        ],
        ..Row::DEFAULT
    },
    Row {
        name: "backups",
        every: 12,
        optional: true,
        when: &[When::since((22, 8))],
        only: &["system.backups.status"],
        privilege: "SELECT ON system.backups",
        // The table is kept in memory: it tells of backups since the server started.
        ask: Ask::Text(
            "SELECT toString(status) AS status, count() AS backups, \
             toUnixTimestamp(max(if(end_time = 0, start_time, end_time))) AS latest FROM system.backups \
             GROUP BY status",
        ),
        take: Take::Columns { labels: &["status"] },
        metrics: &[
            Metric::gauge("clickhouse_backups", "Backups and restores since the server started, by status.")
                .unit("{backup}")
                .from("backups"),
            Metric::gauge("clickhouse_backup_latest_timestamp_seconds", "When the latest of them ended, or began.")
                .unit("s")
                .from("latest"),
        ],
        ..Row::DEFAULT
    },
    Row {
        name: "distribution_queue",
        every: 4,
        optional: true,
        when: &[When::since((19, 17))],
        only: &["system.distribution_queue.data_files"],
        privilege: "SELECT ON system.distribution_queue, SHOW TABLES ON *.*",
        ask: Ask::Text(
            "SELECT database, table, sum(data_files) AS files, sum(data_compressed_bytes) AS bytes, \
             max(is_blocked) AS is_blocked, sum(error_count) AS errors FROM system.distribution_queue \
             GROUP BY database, table ORDER BY files DESC LIMIT 200",
        ),
        take: Take::Columns { labels: &["database", "table"] },
        metrics: &[
            Metric::gauge("clickhouse_distribution_files", "Files of a Distributed table that wait to be sent.")
                .unit("{file}")
                .from("files"),
            Metric::gauge("clickhouse_distribution_bytes", "Size of these files.").unit("By").from("bytes"),
            Metric::gauge("clickhouse_distribution_is_blocked", "Whether sending is stopped.").from("is_blocked"),
            Metric::counter("clickhouse_distribution_errors_total", "Attempts to send that failed.")
                .unit("{error}")
                .from("errors"),
        ],
        ..Row::DEFAULT
    },
    Row {
        name: "keeper",
        every: 4,
        optional: true,
        only: &[keeper::NAMED],
        ask: Ask::Text(keeper::ASK),
        take: Take::Own(keeper::take),
        metrics: keeper::METRICS,
        ..Row::DEFAULT
    },
];

/// The longest that the server may spend on its log.
const LOG_DEADLINE: Duration = Duration::from_secs(2);

const QUERY_DURATIONS: Row = Row {
    every: 4,
    deadline: LOG_DEADLINE,
    only: &["system.query_log.query_duration_ms"],
    ask: Ask::Own(log::durations),
    take: Take::Own(log::take_durations),
    metrics: &log::DURATIONS,
    ..Row::DEFAULT
};

const STATEMENTS: Row = Row {
    every: 4,
    deadline: LOG_DEADLINE,
    only: &["system.query_log.query_duration_ms"],
    ask: Ask::Own(log::statements),
    take: log::STATEMENTS_TAKE,
    metrics: &log::STATEMENTS,
    ..Row::DEFAULT
};

static MUTATIONS: &[Metric] = &[
    Metric::gauge("clickhouse_mutations_pending", "Changes of data (ALTER … UPDATE, DELETE) not yet done.")
        .unit("{mutation}")
        .from("pending"),
    Metric::gauge("clickhouse_mutations_failing", "Those of them whose last attempt failed.")
        .unit("{mutation}")
        .from("failing"),
    Metric::gauge("clickhouse_mutation_oldest_seconds", "How long the oldest of them has been waiting.")
        .unit("s")
        .from("oldest"),
];

static HISTOGRAMS: [Family; 1] =
    [Family::new(MetricKind::Histogram, "ClickHouseHistogramMetrics_", "", "A histogram in system.histogram_metrics.")];
static DIMENSIONS: [Family; 1] = [Family::new(
    MetricKind::Gauge,
    "ClickHouseDimensionalMetrics_",
    "",
    "Value of a metric in system.dimensional_metrics.",
)];

/// Events and errors that are told of also while they are zero, where the server can: rules ask how they grow, and what
/// appears only with its first occurrence has not grown.
const WATCHED_EVENTS: &str = "'Query','SelectQuery','InsertQuery','FailedQuery','FailedSelectQuery','FailedInsertQuery',\
    'QueryMemoryLimitExceeded','QueryTimeMicroseconds','SelectQueryTimeMicroseconds','InsertQueryTimeMicroseconds',\
    'InsertedRows','InsertedBytes','SelectedRows','SelectedBytes','DelayedInserts','RejectedInserts',\
    'DistributedRejectedInserts','DistributedDelayedInserts','MergedRows','MergesTimeMilliseconds',\
    'ZooKeeperHardwareExceptions','MarkCacheHits','MarkCacheMisses','UncompressedCacheHits','UncompressedCacheMisses',\
    'NetworkSendBytes','NetworkReceiveBytes','OSReadChars','OSCPUVirtualTimeMicroseconds'";
const WATCHED_ERRORS: &str = "'NO_AVAILABLE_REPLICA','TOO_FEW_LIVE_REPLICAS','ALL_REPLICAS_ARE_STALE','ALL_REPLICAS_LOST',\
    'AUTHENTICATION_FAILED','RESOURCE_ACCESS_DENIED','TOO_MANY_PARTS','MEMORY_LIMIT_EXCEEDED'";

fn events(facts: &Facts) -> String {
    let all = "SELECT event AS name, value FROM system.events";
    if !facts.capabilities.contains(SHOWS_ZERO) {
        return all.to_string();
    }
    format!("{all} WHERE value > 0 OR event IN ({WATCHED_EVENTS}) SETTINGS {SHOWS_ZERO} = 1")
}

fn errors(facts: &Facts) -> String {
    let all = "SELECT name, sum(value) AS value FROM system.errors GROUP BY name";
    if !facts.capabilities.contains(SHOWS_ZERO) {
        return all.to_string();
    }
    format!("{all} HAVING value > 0 OR name IN ({WATCHED_ERRORS}) SETTINGS {SHOWS_ZERO} = 1")
}

fn mutations(facts: &Facts) -> String {
    let has_reasons = facts.capabilities.contains("system.mutations.latest_fail_reason");
    let failing = if has_reasons { "countIf(latest_fail_reason != '') AS failing, " } else { "" };
    format!(
        "SELECT count() AS pending, {failing}\
         if(count() = 0, 0, toUInt32(now()) - toUInt32(min(create_time))) AS oldest \
         FROM system.mutations WHERE NOT is_done"
    )
}

fn dictionaries(facts: &Facts) -> String {
    let database = if facts.capabilities.contains("system.dictionaries.database") { "database" } else { "''" };
    format!(
        "SELECT {database} AS database, name AS dictionary, bytes_allocated AS bytes, element_count AS elements, \
         query_count AS queries, last_exception != '' AS is_failed FROM system.dictionaries \
         ORDER BY bytes DESC LIMIT 200"
    )
}

static METRICS: [Family; 1] =
    [Family::new(MetricKind::Gauge, "ClickHouseMetrics_", "", "Current value of a metric in system.metrics.")];
static EVENTS: [Family; 1] =
    [Family::new(MetricKind::Counter, "ClickHouseProfileEvents_", "", "How often an event in system.events occurred.")];
static ASYNCHRONOUS: [Family; 1] = [Family::new(
    MetricKind::Gauge,
    "ClickHouseAsyncMetrics_",
    "",
    "Value of a metric in system.asynchronous_metrics.",
)];
static ERRORS: [Family; 1] =
    [Family::new(MetricKind::Counter, "ClickHouseErrorMetric_", "", "How often an error in system.errors occurred.")];

/// The most names that one family may bring: a server has about a thousand.
const NAMES_MAX: usize = 2000;

/// What `top` shows beside the thresholds.
pub static GLANCE: &[Glance] = &[
    Glance { key: "operations", expression: "rate(ClickHouseProfileEvents_Query[{window}])" },
    Glance { key: "lag", expression: "ClickHouseAsyncMetrics_ReplicasMaxAbsoluteDelay" },
];

pub static THRESHOLDS: &[Threshold] = &[
    Threshold {
        key: "connection_count",
        engine: "clickhouse",
        alert: "ClickhouseTooManyConnections",
        expression: "ClickHouseMetrics_TCPConnection{{matchers}} + ClickHouseMetrics_HTTPConnection{{matchers}}",
        hold: "2m",
        ceiling: "",
        summary: "{{ $labels.target }} has {{ $value }} client connections, more than {value}",
        unit: "{connection}",
    },
    Threshold {
        key: "disk_usage",
        engine: "clickhouse",
        alert: "ClickhouseDiskFull",
        expression: "100 * (1 - clickhouse_disk_free_bytes{{matchers}} / clickhouse_disk_total_bytes{{matchers}})",
        hold: "5m",
        ceiling: "",
        summary: "The disk {{ $labels.disk }} of {{ $labels.target }} is {{ $value }} % full, more than {value} %",
        unit: "%",
    },
];

/// Of these metrics those whose column the answer has: older versions have fewer.
fn take_what_is_there(answer: &Answer, metrics: &'static [Metric], emit: &mut dyn Emit) -> Result<(), Unknown> {
    let Answer::Table(table) = answer else { return Err(no_table()) };
    let row = table.rows.first().ok_or_else(|| Unknown::new(UnknownKind::Missing, "the answer has no row"))?;
    for metric in metrics {
        let Some(at) = table.columns.iter().position(|column| column == metric.from) else { continue };
        let Some(text) = row[at].as_deref() else { continue };
        let garbled =
            || Unknown::new(UnknownKind::Garbled, format!("column '{}' is '{text}', not a number", metric.from));
        emit.metric(metric, &[], text_number(text).ok_or_else(garbled)?);
    }
    Ok(())
}

/// Names, values, and labels as a JSON object. A histogram's buckets have the label `le`, and bear no suffix in the table.
fn take_histograms(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    take_labelled(answer, &HISTOGRAMS[0], |labels| if labels.contains_key("le") { "_bucket" } else { "" }, emit)
}

fn take_dimensions(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    take_labelled(answer, &DIMENSIONS[0], |_| "", emit)
}

fn take_labelled(
    answer: &Answer,
    family: &'static Family,
    suffix: fn(&serde_json::Map<String, Value>) -> &'static str,
    emit: &mut dyn Emit,
) -> Result<(), Unknown> {
    let Answer::Table(table) = answer else { return Err(no_table()) };
    let (name_at, value_at, labels_at) = (table.column("name")?, table.column("value")?, table.column("labels")?);
    for row in &table.rows {
        let text = |at: usize| row[at].as_deref().unwrap_or("");
        let garbled = |what: &str, at: usize| {
            Unknown::new(UnknownKind::Garbled, format!("'{}' of '{}' is {what}", text(at), text(name_at)))
        };
        let labels: serde_json::Map<String, Value> =
            serde_json::from_str(text(labels_at)).map_err(|_| garbled("no object of labels", labels_at))?;
        let value = text_number(text(value_at)).ok_or_else(|| garbled("not a number", value_at))?;
        let named: Vec<(&str, &str)> =
            labels.iter().map(|(label, value)| (label.as_str(), value.as_str().unwrap_or(""))).collect();
        emit.family(family, &format!("{}{}", text(name_at), suffix(&labels)), &named, value);
    }
    Ok(())
}

fn no_table() -> Unknown {
    Unknown::new(UnknownKind::Garbled, "the answer is not a table")
}

/// A table of names and values as one metric a name.
fn take_family(answer: &Answer, family: &'static Family, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let Answer::Table(table) = answer else { return Err(no_table()) };
    let (name_at, value_at) = (table.column("name")?, table.column("value")?);
    for row in table.rows.iter().take(NAMES_MAX) {
        let (Some(name), Some(value)) = (row[name_at].as_deref(), row[value_at].as_deref()) else { continue };
        let value = text_number(value).ok_or_else(|| {
            Unknown::new(UnknownKind::Garbled, format!("the value of '{name}' is '{value}', not a number"))
        })?;
        emit.family(family, name, &[], value);
    }
    Ok(())
}
