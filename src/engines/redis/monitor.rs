//! The table of what is read. Names, labels and types are redis_exporter's.

pub mod info;
mod metrics;
mod newer;
mod optional;
pub mod slowlog;
mod takes;

use crate::engines::contract::{Ask, Facts, Row, Take, When};
use crate::engines::redis::monitor::metrics as m;
use crate::engines::redis::monitor::optional as o;
use crate::model::catalogue::{Glance, Threshold};

/// Servers that hold data; a Sentinel knows none of these commands.
const DATA: &[&str] = &["data"];
const SENTINEL: &[&str] = &["sentinel"];

/// Every row. What INFO answers is asked once in a cycle: the session's probe does, and these rows read what it was told.
pub static ROWS: &[Row] = &[
    Row {
        name: "info",
        privilege: "+info",
        ask: Ask::Text("INFO"),
        take: Take::Own(takes::info),
        metrics: &m::INFO,
        ..Row::DEFAULT
    },
    Row {
        name: "commandstats",
        only: DATA,
        privilege: "+info",
        ask: Ask::Own(commands),
        take: Take::Own(takes::commands),
        metrics: &m::COMMANDS_AND_PERCENTILES,
        ..Row::DEFAULT
    },
    Row {
        name: "config",
        every: 4,
        only: DATA,
        privilege: "+config|get",
        // max… and io-…: one pattern, for only 7 and later take several.
        ask: Ask::Text("CONFIG GET [mi][ao][-x]*"),
        take: Take::Own(takes::config),
        metrics: m::CONFIG,
        ..Row::DEFAULT
    },
    Row {
        name: "slowlog_length",
        only: DATA,
        privilege: "+slowlog|len",
        ask: Ask::Text("SLOWLOG LEN"),
        take: Take::Own(takes::slowlog_length),
        metrics: m::SLOWLOG_LENGTH,
        ..Row::DEFAULT
    },
    Row {
        name: "slowlog",
        only: DATA,
        privilege: "+slowlog|get",
        ask: Ask::Text("SLOWLOG GET 1"),
        take: Take::Own(takes::slowlog_last),
        metrics: m::SLOWLOG_LAST,
        ..Row::DEFAULT
    },
    Row {
        name: "latency",
        only: DATA,
        privilege: "+latency|latest",
        ask: Ask::Text("LATENCY LATEST"),
        take: Take::Own(takes::latency),
        metrics: m::SPIKES,
        ..Row::DEFAULT
    },
    Row {
        name: "latency_histogram",
        every: 4,
        when: &[When::since((7, 0))],
        only: DATA,
        privilege: "+latency|histogram",
        ask: Ask::Text("LATENCY HISTOGRAM"),
        take: Take::Own(takes::histograms),
        metrics: m::HISTOGRAMS,
        ..Row::DEFAULT
    },
    Row {
        name: "cluster",
        only: &["data", "cluster"],
        privilege: "+cluster|info",
        ask: Ask::Text("CLUSTER INFO"),
        take: Take::Own(takes::cluster),
        metrics: m::CLUSTER,
        ..Row::DEFAULT
    },
    Row {
        name: "latency_histogram_seconds",
        every: 4,
        optional: true,
        when: &[When::since((7, 0))],
        only: DATA,
        privilege: "+latency|histogram",
        ask: Ask::Text("LATENCY HISTOGRAM"),
        take: Take::Own(o::histograms),
        metrics: o::HISTOGRAMS,
        ..Row::DEFAULT
    },
    Row {
        name: "clients",
        every: 12,
        optional: true,
        only: DATA,
        privilege: "+client|list",
        ask: Ask::Text("CLIENT LIST"),
        take: Take::Own(o::clients),
        metrics: o::CLIENTS,
        ..Row::DEFAULT
    },
    Row {
        name: "streams",
        every: 12,
        optional: true,
        when: &[When::since((6, 0))],
        only: DATA,
        // Of all rows this and the next alone read keys.
        privilege: "+scan, +select, +xlen, +xinfo|groups, %R~*",
        ask: Ask::Text("XINFO GROUPS {stream}"),
        take: Take::Own(o::streams),
        metrics: o::STREAMS,
        ..Row::DEFAULT
    },
    Row {
        name: "keys",
        every: 12,
        optional: true,
        only: DATA,
        privilege: "+scan, +select, +type, +strlen, +llen, +scard, +zcard, +hlen, +xlen, %R~*",
        ask: Ask::Text("TYPE {key}"),
        take: Take::Own(o::keys),
        metrics: &o::KEYS,
        ..Row::DEFAULT
    },
    Row {
        name: "sentinel",
        only: SENTINEL,
        privilege: "+info",
        ask: Ask::Text("INFO sentinel"),
        take: Take::Own(takes::sentinel),
        metrics: &m::SENTINEL_ALL,
        ..Row::DEFAULT
    },
    Row {
        name: "sentinel_masters",
        only: SENTINEL,
        privilege: "+sentinel|masters",
        ask: Ask::Text("SENTINEL MASTERS"),
        take: Take::Own(takes::sentinel_masters),
        metrics: m::SENTINEL_SETTINGS,
        ..Row::DEFAULT
    },
    Row {
        name: "sentinel_ckquorum",
        only: SENTINEL,
        privilege: "+info, +sentinel|ckquorum",
        ask: Ask::Text("SENTINEL CKQUORUM {master}"),
        take: Take::Own(takes::quorum),
        metrics: m::SENTINEL_QUORUM,
        ..Row::DEFAULT
    },
    Row {
        name: "sentinel_slaves",
        only: SENTINEL,
        privilege: "+info, +sentinel|slaves",
        ask: Ask::Text("SENTINEL SLAVES {master}"),
        take: Take::Own(takes::ok_slaves),
        metrics: m::SENTINEL_OK_SLAVES,
        ..Row::DEFAULT
    },
    Row {
        name: "sentinel_sentinels",
        only: SENTINEL,
        privilege: "+info, +sentinel|sentinels",
        ask: Ask::Text("SENTINEL SENTINELS {master}"),
        take: Take::Own(takes::ok_sentinels),
        metrics: m::SENTINEL_OK_SENTINELS,
        ..Row::DEFAULT
    },
];

/// What is asked of commands where their latency is measured.
pub const COMMANDS_MEASURED: &str = "INFO commandstats latencystats";

/// Whether one INFO takes several sections. Valkey began at 7.2.
pub fn has_sections(facts: &Facts) -> bool {
    facts.version >= (7, 0)
}

/// 7 measures latency by command, and takes several sections in one INFO.
fn commands(facts: &Facts) -> String {
    if has_sections(facts) { COMMANDS_MEASURED } else { "INFO commandstats" }.to_string()
}

/// What `top` shows beside the thresholds.
pub static GLANCE: &[Glance] = &[
    Glance { key: "operations", expression: "rate(redis_commands_processed_total[{window}])" },
    Glance { key: "lag", expression: "redis_connected_slave_lag_seconds" },
];

pub static THRESHOLDS: &[Threshold] = &[
    Threshold {
        key: "connection_count",
        engine: "redis",
        alert: "RedisTooManyConnections",
        expression: "redis_connected_clients{matchers}",
        hold: "2m",
        ceiling: "redis_config_maxclients{matchers}",
        summary: "{{ $labels.target }} has {{ $value }} connections, more than {value}",
        unit: "{client}",
    },
    Threshold {
        key: "memory_usage",
        engine: "redis",
        alert: "RedisMemoryHigh",
        // Without maxmemory there is no share of it: the comparison leaves nothing, and the host's rule watches.
        expression: "100 * redis_memory_used_bytes{matchers} / (redis_memory_max_bytes{matchers} > 0)",
        hold: "5m",
        ceiling: "",
        summary: "{{ $labels.target }} uses {{ $value }} % of maxmemory, more than {value} %",
        unit: "%",
    },
];
