//! What we read from Elasticsearch and OpenSearch, and how often. To add a metric, add its line in `metrics.rs`.
//!
//! Names and labels are those of elasticsearch_exporter. Every answer is cut down by `filter_path` to what is read.
//! Rows of the cluster say the same whichever node is asked; a target's own node is read by `_local`.

pub mod cluster;
pub mod index_stats;
pub mod indices;
pub mod lifecycle;
pub mod metrics;
pub mod slow_log;

use serde_json::{Map, Value, json};

use crate::engines::contract::{Answer, Ask, Emit, Facts, Row, Take, When};
use crate::engines::elasticsearch::monitor::cluster::{HEALTH, INFO, READ_ONLY, SETTINGS, SNAPSHOTS};
use crate::engines::elasticsearch::monitor::metrics::NODE;
use crate::engines::elasticsearch::session::{OPENSEARCH, SLOW_LOG, STREAMS, X_PACK};
use crate::engines::take::{at_path, number, take_paths};
use crate::model::catalogue::{Glance, Threshold};
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::row::{Family, Metric};

const CLUSTER: &str = "cluster monitor";

pub static ROWS: &[Row] = &[
    Row {
        name: "cluster_health",
        of_cluster: true,
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
        of_cluster: true,
        every: 12,
        privilege: CLUSTER,
        ask: Ask::Text(
            "/_cluster/settings?include_defaults=true&filter_path=**.disk.threshold_enabled,**.disk.watermark,\
             **.max_shards_per_node,**.routing.allocation.enable",
        ),
        take: Take::Own(take_settings),
        metrics: SETTINGS,
        ..Row::DEFAULT
    },
    Row {
        name: "read_only_indices",
        of_cluster: true,
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
        of_cluster: true,
        every: 60,
        privilege: "cluster monitor_snapshot",
        ask: Ask::Text(
            "/_snapshot/{repository}/_all?ignore_unavailable=true&filter_path=snapshots.state,snapshots.version,\
             snapshots.start_time_in_millis,snapshots.end_time_in_millis,snapshots.shards,snapshots.indices,\
             snapshots.failures.index",
        ),
        take: Take::Own(take_snapshots),
        metrics: SNAPSHOTS,
        ..Row::DEFAULT
    },
    Row {
        name: "cluster_info",
        every: 12,
        of_cluster: true,
        privilege: CLUSTER,
        ask: Ask::Text("/"),
        take: Take::Own(take_info),
        metrics: &INFO,
        ..Row::DEFAULT
    },
    Row {
        name: "node_shards",
        every: 12,
        of_cluster: true,
        privilege: "cluster monitor, indices monitor",
        ask: Ask::Text("/_cat/allocation?format=json&h=node,shards"),
        take: Take::Own(lifecycle::take_shards),
        metrics: &lifecycle::SHARDS,
        ..Row::DEFAULT
    },
    Row {
        name: "slm",
        every: 12,
        of_cluster: true,
        when: &[When::since((7, 5))],
        only: &[X_PACK],
        privilege: "cluster read_slm",
        ask: Ask::Text("/_slm/stats"),
        take: Take::Own(lifecycle::take_slm),
        metrics: lifecycle::SLM,
        ..Row::DEFAULT
    },
    Row {
        name: "ilm",
        every: 12,
        of_cluster: true,
        only: &[X_PACK],
        privilege: "cluster read_ilm",
        ask: Ask::Text("/_ilm/status"),
        take: Take::Own(lifecycle::take_ilm),
        metrics: lifecycle::ILM,
        ..Row::DEFAULT
    },
    Row {
        name: "health_report",
        every: 4,
        optional: true,
        of_cluster: true,
        when: &[When::since((8, 7))],
        only: &[X_PACK],
        privilege: CLUSTER,
        ask: Ask::Text(
            "/_health_report?size=1&filter_path=cluster_name,status,indicators.*.status,\
             indicators.repository_integrity.details.total_repositories,indicators.shards_capacity.details,\
             indicators.shards_availability.details,indicators.slm.details.policies,indicators.ilm.details.policies,\
             indicators.ilm.details.stagnating_indices",
        ),
        take: Take::Own(lifecycle::take_report),
        metrics: lifecycle::REPORT,
        ..Row::DEFAULT
    },
    Row {
        name: "statements",
        only: &[SLOW_LOG],
        ask: Ask::Text(slow_log::STATEMENTS_ASK),
        take: Take::Busiest(slow_log::BUSIEST),
        metrics: &slow_log::STATEMENTS,
        ..Row::DEFAULT
    },
    Row {
        name: "slow_log",
        only: &[SLOW_LOG],
        ask: Ask::Text(slow_log::READING_ASK),
        metrics: &slow_log::READING,
        ..Row::DEFAULT
    },
    Row {
        name: "indices",
        every: 4,
        optional: true,
        of_cluster: true,
        privilege: "indices monitor",
        ask: Ask::Text(indices::STATS_ASK),
        take: Take::Busiest(indices::BUSIEST),
        metrics: indices::STATS,
        ..Row::DEFAULT
    },
    Row {
        name: "index_stats",
        every: 4,
        optional: true,
        of_cluster: true,
        privilege: "indices monitor",
        ask: Ask::Text(index_stats::STATS_ASK),
        take: Take::Busiest(indices::BUSIEST),
        metrics: index_stats::STATS,
        ..Row::DEFAULT
    },
    Row {
        name: "shards",
        every: 12,
        optional: true,
        of_cluster: true,
        privilege: "indices monitor",
        ask: Ask::Text(index_stats::SHARDS_ASK),
        take: Take::Busiest(index_stats::LARGEST),
        metrics: index_stats::SHARDS,
        ..Row::DEFAULT
    },
    Row {
        name: "index_settings",
        every: 20,
        optional: true,
        of_cluster: true,
        privilege: "indices monitor",
        ask: Ask::Text(
            "/{indices}/_settings?ignore_unavailable=true&filter_path=*.settings.index.mapping.total_fields.limit,\
             *.settings.index.number_of_replicas,*.settings.index.creation_date",
        ),
        take: Take::Own(indices::take_settings),
        metrics: indices::SETTINGS,
        ..Row::DEFAULT
    },
    Row {
        name: "index_mappings",
        every: 60,
        optional: true,
        of_cluster: true,
        privilege: "indices view_index_metadata",
        // All that a field says of itself but its name and type is left out; of fields below others, some levels.
        ask: Ask::Text("/{indices}/_mapping?ignore_unavailable=true&filter_path=*.mappings.**.type"),
        take: Take::Own(indices::take_mappings),
        metrics: &indices::FIELDS,
        ..Row::DEFAULT
    },
    Row {
        name: "data_streams",
        every: 12,
        optional: true,
        of_cluster: true,
        when: &[When::since((7, 9)), When::since((1, 0)).flavour(OPENSEARCH)],
        only: &[STREAMS],
        privilege: "indices monitor",
        ask: Ask::Text(
            "/_data_stream/_stats?filter_path=data_streams.data_stream,data_streams.backing_indices,\
             data_streams.store_size_bytes",
        ),
        take: Take::Own(indices::take_streams),
        metrics: indices::STREAMS,
        ..Row::DEFAULT
    },
    Row {
        name: "ilm_indices",
        every: 20,
        optional: true,
        of_cluster: true,
        only: &[X_PACK],
        privilege: "indices view_index_metadata",
        ask: Ask::Text(
            "/{indices}/_ilm/explain?filter_path=indices.*.managed,indices.*.phase,indices.*.action,indices.*.step",
        ),
        take: Take::Own(lifecycle::take_ilm_indices),
        metrics: &lifecycle::ILM_INDICES,
        ..Row::DEFAULT
    },
    Row {
        name: "tasks",
        every: 2,
        optional: true,
        of_cluster: true,
        privilege: CLUSTER,
        ask: Ask::Text("/_tasks?group_by=none&actions=indices:*&filter_path=tasks.action"),
        take: Take::Own(lifecycle::take_tasks),
        metrics: &lifecycle::TASKS,
        ..Row::DEFAULT
    },
];

/// What `top` shows beside the thresholds.
pub static GLANCE: &[Glance] = &[Glance {
    key: "operations",
    expression: "sum by (tenant, target) (rate(elasticsearch_indices_search_query_total[{window}])) \
                     + sum by (tenant, target) (rate(elasticsearch_indices_indexing_index_total[{window}]))",
}];

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
    let indices: String = INDICES.iter().map(|part| format!(",nodes.*.indices.{part}")).collect();
    format!(
        "/_nodes/_local/stats/indices,os,process,jvm,thread_pool,fs,transport,http,breaker{pressure}\
         /docs,store,indexing,get,search,merge,refresh,flush,warmer,segments,completion,translog,fielddata,query_cache,\
         request_cache\
         ?filter_path=cluster_name,nodes.*.name,nodes.*.host,nodes.*.roles{indices},nodes.*.os.cpu,\
         nodes.*.os.mem.free_in_bytes,nodes.*.os.mem.used_in_bytes,\
         nodes.*.process.cpu,nodes.*.process.*_file_descriptors,nodes.*.process.mem,nodes.*.jvm.mem.*_in_bytes,\
         nodes.*.jvm.mem.pools.*.*_in_bytes,nodes.*.jvm.buffer_pools.*.used_in_bytes,nodes.*.jvm.gc,\
         nodes.*.jvm.uptime_in_millis,nodes.*.thread_pool,nodes.*.fs.io_stats.devices,nodes.*.fs.data.path,nodes.*.fs.data.mount,nodes.*.fs.data.*_in_bytes,nodes.*.transport.*x_*,\
         nodes.*.http.current_open,nodes.*.breakers.*.*_in_bytes,nodes.*.breakers.*.tripped,\
         nodes.*.breakers.*.overhead,nodes.*.indexing_pressure.*.current.all_in_bytes,\
         nodes.*.indexing_pressure.*.limit_in_bytes,nodes.*.indexing_pressure.*.total.*_rejections"
    )
}

/// What is read of the statistics of a node's indices.
const INDICES: &[&str] = &[
    "docs",
    "store.size_in_bytes",
    "indexing.*_total",
    "indexing.*_time_in_millis",
    "indexing.index_current",
    "indexing.is_throttled",
    "get.*total",
    "get.*time_in_millis",
    "search.*_total",
    "search.*_time_in_millis",
    "search.query_current",
    "merges.total*",
    "merges.current",
    "merges.current_size_in_bytes",
    "refresh.total*",
    "flush.total*",
    "warmer.total*",
    "segments.count",
    "segments.*memory_in_bytes",
    "completion.size_in_bytes",
    "translog.operations",
    "translog.*size_in_bytes",
    "fielddata",
    "query_cache",
    "request_cache",
];

pub fn document(answer: &Answer) -> Result<&Value, Unknown> {
    match answer {
        Answer::Json(document) => Ok(document),
        _ => Err(Unknown::new(UnknownKind::Garbled, "the answer is not a document")),
    }
}

pub fn missing(what: &str) -> Unknown {
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
        take_paths(NODE, &labels, &lookups(&node["indices"]), &mut emit);
        take_paths(NODE, &labels, &disks(&node["fs"]["io_stats"]), &mut emit);
        take_paths(NODE, &[labels[0], labels[1], labels[2]], &json!({ "role": held(roles) }), &mut emit);
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

/// Lookups in caches by how they ended; those that missed have a name of their own as well.
fn lookups(indices: &Value) -> Value {
    let of = |cache: &str| json!({ "hit": indices[cache]["hit_count"], "miss": indices[cache]["miss_count"] });
    let missed = |cache: &str| json!({ "miss": indices[cache]["miss_count"] });
    json!({
        "lookups": { "query_cache": of("query_cache"), "request_cache": of("request_cache") },
        "missed": { "query_cache": missed("query_cache"), "request_cache": missed("request_cache") },
    })
}

/// What was read and written on each device that has a data path.
fn disks(io_stats: &Value) -> Value {
    let devices = io_stats["devices"].as_array().into_iter().flatten();
    let named = devices.filter_map(|one| Some((one["device_name"].as_str()?.to_string(), one.clone())));
    json!({ "device": named.collect::<Map<_, _>>() })
}

/// The roles that a node has; `client` is said of each that answers HTTP, as this one does.
fn held(roles: &[Value]) -> Map<String, Value> {
    let named = roles.iter().filter_map(Value::as_str).chain(["client"]);
    named.map(|role| (if role == "cluster_manager" { "master" } else { role }.to_string(), json!(1))).collect()
}

/// Turns what the server gives in milliseconds into the seconds that the names promise.
pub struct Seconds<'e> {
    pub emit: &'e mut dyn Emit,
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

/// What the cluster is, as labels.
fn take_info(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let root = document(answer)?;
    let version = |name: &str| root["version"][name].as_str().unwrap_or("");
    let labels = [
        ("cluster", root["cluster_name"].as_str().unwrap_or("")),
        ("cluster_uuid", root["cluster_uuid"].as_str().unwrap_or("")),
        ("version", version("number")),
        ("build_date", version("build_date")),
        ("build_hash", version("build_hash")),
        ("lucene_version", version("lucene_version")),
    ];
    for metric in &INFO {
        emit.metric(metric, &labels, 1.0);
    }
    Ok(())
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
        "enabled": effective("routing.allocation.enable").and_then(allocation),
        "low": mark("low"),
        "high": mark("high"),
        "flood_stage": mark("flood_stage"),
    });
    take_paths(SETTINGS, &[], &found, emit);
    Ok(())
}

/// Which shards may be allocated, in the exporter's numbers.
fn allocation(text: &str) -> Option<usize> {
    ["all", "primaries", "new_primaries", "none"].iter().position(|known| *known == text)
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
            let at = |name: &str| number(&last[name]).map(|ms| ms / 1000.0);
            let count = |name: &str| last[name].as_array().map_or(0, Vec::len);
            let found = json!({ "last": {
                "start": at("start_time_in_millis"),
                "end": at("end_time_in_millis"),
                "shards": last["shards"],
                "failures": count("failures"),
                "indices": count("indices"),
            } });
            take_paths(SNAPSHOTS, &labels, &found, emit);
        }
    }
    Ok(())
}
