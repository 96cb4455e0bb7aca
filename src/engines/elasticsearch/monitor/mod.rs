//! What we read from Elasticsearch and OpenSearch, and how often. To add a metric, add its line in `metrics.rs`.
//!
//! Names and labels are those of elasticsearch_exporter. Every answer is cut down by `filter_path` to what is read.
//! Rows of the cluster say the same whichever node is asked; a target's own node is read by `_local`.

pub mod metrics;

use serde_json::{Value, json};

use crate::engines::contract::{Answer, Ask, Emit, Facts, Row, Take, at_path, number, take_paths};
use crate::engines::elasticsearch::monitor::metrics::{HEALTH, NODE, READ_ONLY, SETTINGS, SNAPSHOTS};
use crate::engines::elasticsearch::session::OPENSEARCH;
use crate::model::catalogue::Threshold;
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::row::{Family, Metric};

const CLUSTER: &str = "cluster monitor";

pub static ROWS: &[Row] = &[
    Row {
        name: "cluster_health",
        privilege: CLUSTER,
        ask: Ask::Text("/_cluster/health"),
        take: Take::Own(take_health),
        metrics: HEALTH,
        ..Row::DEFAULT
    },
    Row {
        name: "node_stats",
        privilege: CLUSTER,
        ask: Ask::Own(node_stats),
        take: Take::Own(take_nodes),
        metrics: NODE,
        ..Row::DEFAULT
    },
    Row {
        name: "cluster_settings",
        every: 12,
        privilege: CLUSTER,
        ask: Ask::Text(
            "/_cluster/settings?include_defaults=true&filter_path=**.disk.threshold_enabled,**.disk.watermark,\
             **.max_shards_per_node",
        ),
        take: Take::Own(take_settings),
        metrics: SETTINGS,
        ..Row::DEFAULT
    },
    Row {
        name: "read_only_indices",
        every: 4,
        privilege: "indices monitor",
        // Only indices that have the setting are in the answer.
        ask: Ask::Text("/_all/_settings/index.blocks.read_only_allow_delete"),
        take: Take::Own(take_read_only),
        metrics: &READ_ONLY,
        ..Row::DEFAULT
    },
    Row {
        name: "snapshots",
        every: 60,
        privilege: "cluster monitor_snapshot",
        ask: Ask::Text(
            "/_snapshot/{repository}/_all?ignore_unavailable=true&filter_path=snapshots.state,snapshots.version,\
             snapshots.start_time_in_millis,snapshots.end_time_in_millis,snapshots.shards",
        ),
        take: Take::Own(take_snapshots),
        metrics: SNAPSHOTS,
        ..Row::DEFAULT
    },
];

pub static THRESHOLDS: &[Threshold] = &[
    Threshold {
        key: "memory_usage",
        engine: "elasticsearch",
        alert: "ElasticsearchHeapUsageTooHigh",
        expression: "100 * elasticsearch_jvm_memory_used_bytes{area=\"heap\",{matchers}} \
                     / elasticsearch_jvm_memory_max_bytes{area=\"heap\",{matchers}}",
        hold: "5m",
        ceiling: "",
        summary: "The heap of {{ $labels.name }} ({{ $labels.target }}) is {{ $value }} % full, more than {value} %",
        unit: "%",
    },
    Threshold {
        key: "disk_usage",
        engine: "elasticsearch",
        alert: "ElasticsearchDiskOutOfSpace",
        expression: "100 * (1 - elasticsearch_filesystem_data_available_bytes{{matchers}} \
                     / elasticsearch_filesystem_data_size_bytes{{matchers}})",
        hold: "5m",
        ceiling: "",
        summary: "{{ $labels.path }} of {{ $labels.name }} ({{ $labels.target }}) is {{ $value }} % full, more than \
                  {value} %",
        unit: "%",
    },
    Threshold {
        key: "connection_count",
        engine: "elasticsearch",
        alert: "ElasticsearchTooManyConnections",
        expression: "elasticsearch_http_open_connections{{matchers}}",
        hold: "2m",
        ceiling: "",
        summary: "{{ $labels.name }} ({{ $labels.target }}) has {{ $value }} client connections, more than {value}",
        unit: "{connection}",
    },
];

/// The sections of a node's statistics that are read. Asking for one that a version does not know is an error there.
fn node_stats(facts: &Facts) -> String {
    let has_pressure = facts.flavour == OPENSEARCH || facts.version >= (7, 10);
    let pressure = if has_pressure { ",indexing_pressure" } else { "" };
    format!(
        "/_nodes/_local/stats/indices,os,process,jvm,thread_pool,fs,transport,http,breaker{pressure}\
         ?filter_path=cluster_name,nodes.*.name,nodes.*.host,nodes.*.roles,nodes.*.indices,nodes.*.os.cpu,\
         nodes.*.process,nodes.*.jvm.mem,nodes.*.jvm.gc,nodes.*.jvm.uptime_in_millis,nodes.*.thread_pool.*.active,\
         nodes.*.thread_pool.*.queue,nodes.*.thread_pool.*.rejected,nodes.*.fs.data,nodes.*.transport,\
         nodes.*.http.current_open,nodes.*.breakers,nodes.*.indexing_pressure"
    )
}

fn document(answer: &Answer) -> Result<&Value, Unknown> {
    match answer {
        Answer::Json(document) => Ok(document),
        _ => Err(Unknown::new(UnknownKind::Garbled, "the answer is not a document")),
    }
}

fn missing(what: &str) -> Unknown {
    Unknown::new(UnknownKind::Missing, format!("the answer has no '{what}'"))
}

fn take_health(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let health = document(answer)?;
    let status = health["status"].as_str().ok_or_else(|| missing("status"))?;
    let labels = [("cluster", health["cluster_name"].as_str().unwrap_or(""))];
    take_paths(HEALTH, &labels, health, emit);
    let is = |color: &str| u8::from(status == color);
    let color = json!({ "color": { "green": is("green"), "yellow": is("yellow"), "red": is("red") } });
    take_paths(HEALTH, &labels, &color, emit);
    Ok(())
}

fn take_nodes(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let stats = document(answer)?;
    let cluster = stats["cluster_name"].as_str().unwrap_or("");
    let nodes = stats["nodes"].as_object().ok_or_else(|| missing("nodes"))?;
    let mut emit = Seconds { emit };
    for node in nodes.values() {
        let text = |name: &str| node[name].as_str().unwrap_or("");
        let roles = node["roles"].as_array().map_or(&[][..], Vec::as_slice);
        let is = |names: &[&str]| {
            let has = roles.iter().filter_map(Value::as_str).any(|role| names.contains(&role));
            if has { "true" } else { "false" }
        };
        let mut labels = vec![
            ("cluster", cluster),
            ("host", text("host")),
            ("name", text("name")),
            ("es_master_node", is(&["master", "cluster_manager"])),
            ("es_data_node", is(&["data"])),
            ("es_ingest_node", is(&["ingest"])),
            // A node that answers HTTP, as this one does, is what the exporter calls a client node.
            ("es_client_node", "true"),
        ];
        take_paths(NODE, &labels, node, &mut emit);
        take_paths(NODE, &labels, &areas(&node["jvm"]["mem"]), &mut emit);
        for data in node["fs"]["data"].as_array().into_iter().flatten() {
            labels.truncate(7);
            labels.push(("mount", data["mount"].as_str().unwrap_or("")));
            labels.push(("path", data["path"].as_str().unwrap_or("")));
            take_paths(NODE, &labels, &json!({ "data": data }), &mut emit);
        }
    }
    Ok(())
}

/// The JVM's memory by area; only the heap has a limit.
fn areas(memory: &Value) -> Value {
    json!({ "area": {
        "heap": {
            "used": memory["heap_used_in_bytes"],
            "committed": memory["heap_committed_in_bytes"],
            "max": memory["heap_max_in_bytes"],
        },
        "non-heap": {
            "used": memory["non_heap_used_in_bytes"],
            "committed": memory["non_heap_committed_in_bytes"],
        },
    } })
}

/// Turns what the server gives in milliseconds into the seconds that the names promise.
struct Seconds<'e> {
    emit: &'e mut dyn Emit,
}

impl Emit for Seconds<'_> {
    fn metric(&mut self, metric: &'static Metric, labels: &[(&str, &str)], value: f64) {
        let is_millis = metric.unit == "s" && metric.from.ends_with("_in_millis");
        self.emit.metric(metric, labels, if is_millis { value / 1000.0 } else { value });
    }

    fn family(&mut self, family: &'static Family, part: &str, labels: &[(&str, &str)], value: f64) {
        self.emit.family(family, part, labels, value);
    }
}

fn take_settings(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let all = document(answer)?;
    // What is set goes before the defaults, and what is set until the next restart before what is set for good.
    let effective = |path: &str| {
        let mut layers = ["transient", "persistent", "defaults"].iter();
        layers.find_map(|layer| at_path(all, &format!("{layer}.cluster.{path}"))).and_then(Value::as_str)
    };
    let limit = effective("max_shards_per_node").ok_or_else(|| missing("max_shards_per_node"))?;
    let enabled = effective("routing.allocation.disk.threshold_enabled");
    let mark = |name: &str| effective(&format!("routing.allocation.disk.watermark.{name}")).map(watermark);
    let found = json!({
        "max_shards_per_node": limit,
        "threshold_enabled": enabled,
        "low": mark("low"),
        "high": mark("high"),
        "flood_stage": mark("flood_stage"),
    });
    take_paths(SETTINGS, &[], &found, emit);
    Ok(())
}

/// A watermark is a share of the disk that is used (`85%`, `0.85`) or an amount that is free (`20gb`).
fn watermark(text: &str) -> Value {
    if let Some(percent) = text.strip_suffix('%').and_then(|digits| digits.trim().parse::<f64>().ok()) {
        return json!({ "ratio": percent / 100.0 });
    }
    if let Ok(ratio) = text.parse::<f64>() {
        return json!({ "ratio": ratio });
    }
    let units = [("pb", 50), ("tb", 40), ("gb", 30), ("mb", 20), ("kb", 10), ("b", 0)];
    let lower = text.to_ascii_lowercase();
    let bytes = units.iter().find_map(|(unit, bits)| {
        let amount: f64 = lower.strip_suffix(unit)?.trim().parse().ok()?;
        Some(amount * 2_f64.powi(*bits))
    });
    json!({ "bytes": bytes })
}

fn take_read_only(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let indices = document(answer)?.as_object().ok_or_else(|| missing("indices"))?;
    let blocked =
        |index: &&Value| at_path(index, "settings.index.blocks.read_only_allow_delete") == Some(&json!("true"));
    let count = u32::try_from(indices.values().filter(blocked).count()).unwrap_or(u32::MAX);
    emit.metric(&READ_ONLY[0], &[], f64::from(count));
    Ok(())
}

fn take_snapshots(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for (repository, found) in document(answer)?.as_object().into_iter().flatten() {
        let mut all: Vec<&Value> = found["snapshots"].as_array().into_iter().flatten().collect();
        let begun = |snapshot: &Value| number(&snapshot["start_time_in_millis"]).map_or(0, |ms| ms as i64 / 1000);
        all.sort_by_key(|snapshot| begun(snapshot));
        let succeeded = |snapshot: &&&Value| matches!(snapshot["state"].as_str(), Some("SUCCESS" | "PARTIAL"));
        let whole = json!({
            "count": all.len(),
            "oldest": all.first().map_or(0, |snapshot| begun(snapshot)),
            "latest": all.iter().rev().find(succeeded).map_or(0, |snapshot| begun(snapshot)),
        });
        take_paths(SNAPSHOTS, &[("repository", repository)], &whole, emit);
        if let Some(last) = all.last() {
            let text = |name: &str| last[name].as_str().unwrap_or("");
            let labels = [("repository", repository.as_str()), ("state", text("state")), ("version", text("version"))];
            let end = number(&last["end_time_in_millis"]).map(|ms| ms / 1000.0);
            take_paths(SNAPSHOTS, &labels, &json!({ "last": { "end": end, "shards": last["shards"] } }), emit);
        }
    }
    Ok(())
}
