//! The metrics of the optional rows, and how their answers become points: clients by who they are, streams, and
//! histograms in seconds.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::engines::contract::{Answer, Emit, Facts};
use crate::engines::redis::monitor::info::text;
use crate::engines::redis::monitor::takes::{Taken, array, garbled, histograms_scaled};
use crate::engines::take::number;
use crate::model::row::{Metric, MetricKind};

/// The most kinds of clients that are series of their own; all others are one, `other`.
const CLIENTS_MAX: usize = 50;

/// Latency of commands in seconds: buckets, then their count.
pub static HISTOGRAMS: &[Metric] = &[
    Metric::new(MetricKind::Histogram, "redis_commands_latencies_seconds_bucket", "Calls of the command by latency."),
    Metric::new(MetricKind::Histogram, "redis_commands_latencies_seconds_count", "Calls of the command by latency."),
];

/// Clients by user, name and host.
pub static CLIENTS: &[Metric] = &[
    Metric::gauge("redis_client_connections", "Connections by user, name and host.").unit("{connection}"),
    Metric::gauge("redis_client_idle_max_seconds", "How long the one that is idle for longest has been.").unit("s"),
    Metric::gauge("redis_client_output_buffer_bytes", "Memory of their output buffers.").unit("By"),
    Metric::gauge("redis_client_memory_bytes", "Memory for them in all.").unit("By"),
];

/// What CLIENT LIST calls the metrics, but for the first.
const CLIENT_FIELDS: [&str; 3] = ["idle", "omem", "tot-mem"];

/// Streams.
pub static STREAMS: &[Metric] = &[
    Metric::gauge("redis_stream_length", "Entries in a stream.").unit("{entry}"),
    Metric::gauge("redis_stream_groups", "Groups of a stream.").unit("{group}"),
    Metric::gauge("redis_stream_group_consumers", "Consumers of a group.").unit("{consumer}").from("consumers"),
    Metric::gauge("redis_stream_group_messages_pending", "Entries delivered to a group and not acknowledged.")
        .unit("{entry}")
        .from("pending"),
    Metric::gauge("redis_stream_group_entries_read", "Entries a group has read, if the server knows.")
        .unit("{entry}")
        .from("entries-read"),
    Metric::gauge("redis_stream_group_lag", "Entries that wait for delivery to a group, if the server knows.")
        .unit("{entry}")
        .from("lag"),
];

/// Keys that the target names.
pub static KEYS: [Metric; 2] = [
    Metric::gauge(
        "redis_key_size",
        "Length of a string in bytes, members of anything else; 0 where there is no such key.",
    ),
    Metric::gauge("redis_keys_count", "Keys that a pattern fits, as the last whole walk found.").unit("{key}"),
];

pub fn histograms(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Taken {
    histograms_scaled(answer, HISTOGRAMS, 1e6, emit)
}

/// A client is a line `id=3 addr=10.0.0.9:5123 name=web age=6 idle=0 …`; the port is nobody's name.
pub fn clients(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Taken {
    let mut all: BTreeMap<[&str; 3], [f64; 4]> = BTreeMap::new();
    for line in text(answer)?.lines().filter(|line| !line.is_empty()) {
        let field =
            |name: &str| line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('=')).unwrap_or("");
        let host = field("addr").rsplit_once(':').map_or("", |(host, _)| host);
        add(
            all.entry([field("user"), field("name"), host]).or_default(),
            CLIENT_FIELDS.map(|name| field(name).parse().unwrap_or(0.0)),
            1.0,
        );
    }
    let mut ranked: Vec<_> = all.into_iter().collect();
    ranked.sort_by(|a, b| b.1[0].total_cmp(&a.1[0]));
    let others = ranked.split_off(ranked.len().min(CLIENTS_MAX));
    if !others.is_empty() {
        let mut sums = [0.0; 4];
        others.iter().for_each(|(_, [count, idle, output, memory])| add(&mut sums, [*idle, *output, *memory], *count));
        ranked.push((["other"; 3], sums));
    }
    for ([user, name, host], values) in ranked {
        for (metric, value) in CLIENTS.iter().zip(values) {
            emit.metric(metric, &[("user", user), ("name", name), ("host", host)], value);
        }
    }
    Ok(())
}

fn add(sums: &mut [f64; 4], [idle, output, memory]: [f64; 3], count: f64) {
    *sums = [sums[0] + count, sums[1].max(idle), sums[2] + output, sums[3] + memory];
}

/// What the session gathered of each stream: its name, its length, and its groups as names and values in turn.
pub fn streams(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Taken {
    let [length, groups, of_group @ ..] = STREAMS else { return Ok(()) };
    for stream in array(answer)? {
        let word = |field: &str, otherwise: &'static str| stream[field].as_str().unwrap_or(otherwise);
        let (db, name) = (word("db", "db0"), word("name", ""));
        let all = stream["groups"].as_array().ok_or_else(garbled)?;
        let labels = [("db", db), ("stream", name)];
        emit.metric(length, &labels, number(&stream["length"]).ok_or_else(garbled)?);
        #[allow(clippy::cast_precision_loss)] // far below 2^53
        emit.metric(groups, &labels, all.len() as f64);
        for group in all.iter().filter_map(Json::as_array) {
            let field = |name: &str| group.chunks_exact(2).find(|pair| pair[0] == name).map(|pair| &pair[1]);
            let group = field("name").and_then(Json::as_str).unwrap_or("");
            let labels = [("db", db), ("stream", name), ("group", group)];
            for metric in of_group {
                if let Some(value) = field(metric.from).and_then(number) {
                    emit.metric(metric, &labels, value);
                }
            }
        }
    }
    Ok(())
}

/// What the session found of the keys: `{db, key, size}`, or `{db, key, count}` of a pattern.
pub fn keys(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Taken {
    for one in array(answer)? {
        let labels = ["db", "key"].map(|label| (label, one[label].as_str().unwrap_or("")));
        for (metric, field) in KEYS.iter().zip(["size", "count"]) {
            if let Some(value) = number(&one[field]) {
                emit.metric(metric, &labels, value);
            }
        }
    }
    Ok(())
}
