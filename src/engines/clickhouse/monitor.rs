//! What we read from ClickHouse, and how often. To add a metric, add its column; to add a query, add a row.
//!
//! Names that begin with `ClickHouse` are those of its own Prometheus endpoint, read from the system tables behind it;
//! those that begin with `clickhouse_` are what that endpoint cannot say: by table, by disk, by query.

use crate::engines::contract::{Answer, Ask, Emit, Row, Take, When, text_number};
use crate::model::catalogue::Threshold;
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
        ask: Ask::Text("SELECT event AS name, value FROM system.events"),
        take: Take::Own(|answer, _, emit| take_family(answer, &EVENTS[0], emit)),
        families: &EVENTS,
        ..Row::DEFAULT
    },
    Row {
        name: "asynchronous_metrics",
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
        ask: Ask::Text("SELECT name, sum(value) AS value FROM system.errors GROUP BY name"),
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
             GROUP BY database, table ORDER BY parts DESC LIMIT 100",
        ),
        take: Take::Columns { labels: &["database", "table"] },
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
             FROM system.replicas ORDER BY absolute_delay DESC, queue_size DESC LIMIT 200",
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
        ask: Ask::Text(
            "SELECT count() AS pending, if(count() = 0, 0, toUInt32(now()) - toUInt32(min(create_time))) AS oldest \
             FROM system.mutations WHERE NOT is_done",
        ),
        take: Take::Columns { labels: &[] },
        metrics: &[
            Metric::gauge("clickhouse_mutations_pending", "Changes of data (ALTER … UPDATE, DELETE) not yet done.")
                .unit("{mutation}")
                .from("pending"),
            Metric::gauge("clickhouse_mutation_oldest_seconds", "How long the oldest of them has been waiting.")
                .unit("s")
                .from("oldest"),
        ],
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
];

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

/// A table of names and values as one metric a name.
fn take_family(answer: &Answer, family: &'static Family, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let Answer::Table(table) = answer else {
        return Err(Unknown::new(UnknownKind::Garbled, "the answer is not a table"));
    };
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
