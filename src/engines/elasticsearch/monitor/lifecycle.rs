//! What watches over indices and snapshots in Elasticsearch itself: lifecycle management, the health report; tasks; shards by node.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::engines::contract::{Answer, Emit, Facts};
use crate::engines::elasticsearch::monitor::{Seconds, document, missing};
use crate::engines::take::{at_path, number, take_paths};
use crate::model::reading::Unknown;
use crate::model::row::Metric;

/// Paths in the statistics of snapshot lifecycle management; `policy` is worked out here.
pub static SLM: &[Metric] = &[
    Metric::counter("elasticsearch_slm_stats_retention_runs_total", "Times that old snapshots were looked for.")
        .unit("{run}")
        .from("retention_runs"),
    Metric::counter("elasticsearch_slm_stats_retention_failed_total", "Times that this failed.")
        .unit("{run}")
        .from("retention_failed"),
    Metric::counter("elasticsearch_slm_stats_retention_timed_out_total", "Times that this took too long.")
        .unit("{run}")
        .from("retention_timed_out"),
    Metric::gauge("elasticsearch_slm_stats_retention_deletion_time_seconds", "Time spent deleting old snapshots.")
        .unit("s")
        .from("retention_deletion_time_in_millis"),
    Metric::counter("elasticsearch_slm_stats_total_snapshots_taken_total", "Snapshots that policies took.")
        .unit("{snapshot}")
        .from("total_snapshots_taken"),
    Metric::counter("elasticsearch_slm_stats_total_snapshots_failed_total", "Snapshots of policies that failed.")
        .unit("{snapshot}")
        .from("total_snapshots_failed"),
    Metric::counter("elasticsearch_slm_stats_total_snapshots_deleted_total", "Snapshots that policies deleted.")
        .unit("{snapshot}")
        .from("total_snapshots_deleted"),
    Metric::counter(
        "elasticsearch_slm_stats_total_snapshot_deletion_failures_total",
        "Snapshots that policies could not delete.",
    )
    .unit("{snapshot}")
    .from("total_snapshot_deletion_failures"),
    Metric::counter("elasticsearch_slm_stats_snapshots_taken_total", "Snapshots that a policy took.")
        .unit("{snapshot}")
        .from("policy.{policy}.snapshots_taken"),
    Metric::counter("elasticsearch_slm_stats_snapshots_failed_total", "Snapshots of a policy that failed.")
        .unit("{snapshot}")
        .from("policy.{policy}.snapshots_failed"),
    Metric::counter("elasticsearch_slm_stats_snapshots_deleted_total", "Snapshots that a policy deleted.")
        .unit("{snapshot}")
        .from("policy.{policy}.snapshots_deleted"),
    Metric::counter(
        "elasticsearch_slm_stats_snapshot_deletion_failures_total",
        "Snapshots that a policy could not delete.",
    )
    .unit("{snapshot}")
    .from("policy.{policy}.snapshot_deletion_failures"),
];

pub fn take_slm(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let stats = document(answer)?;
    let policies = stats["policy_stats"].as_array().into_iter().flatten();
    let named = policies.filter_map(|policy| Some((policy["policy"].as_str()?.to_string(), policy.clone())));
    let mut whole = stats.as_object().ok_or_else(|| missing("total_snapshots_taken"))?.clone();
    whole.insert("policy".to_string(), Value::Object(named.collect()));
    let deleting = whole.get("retention_deletion_time_millis").cloned().unwrap_or(Value::Null);
    whole.insert("retention_deletion_time_in_millis".to_string(), deleting);
    take_paths(SLM, &[], &Value::Object(whole), &mut Seconds { emit });
    Ok(())
}

/// Modes in which index lifecycle management may be.
const MODES: [&str; 3] = ["RUNNING", "STOPPED", "STOPPING"];

pub static ILM: &[Metric] =
    &[Metric::gauge("elasticsearch_ilm_status", "1 for the mode that index lifecycle management is in.")
        .from("mode.{operation_mode}")];

pub fn take_ilm(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let mode = document(answer)?["operation_mode"].as_str().ok_or_else(|| missing("operation_mode"))?;
    let modes: Map<String, Value> = MODES.iter().map(|one| ((*one).to_string(), json!(*one == mode))).collect();
    take_paths(ILM, &[], &json!({ "mode": modes }), emit);
    Ok(())
}

pub static ILM_INDICES: [Metric; 1] = [Metric::gauge(
    "elasticsearch_ilm_index_status",
    "Whether index lifecycle management manages an index; phase, action and step say where it is.",
)];

pub fn take_ilm_indices(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for (index, found) in document(answer)?["indices"].as_object().into_iter().flatten() {
        let text = |name: &str| found[name].as_str().unwrap_or("");
        let labels =
            [("index", index.as_str()), ("phase", text("phase")), ("action", text("action")), ("step", text("step"))];
        emit.metric(&ILM_INDICES[0], &labels, number(&found["managed"]).unwrap_or(0.0));
    }
    Ok(())
}

/// Paths in the health report; `color` is worked out here, by indicator.
pub static REPORT: &[Metric] = &[
    Metric::gauge("elasticsearch_health_report_status", "1 for the colour that the report has.").from("is.{color}"),
    Metric::gauge("elasticsearch_health_report_master_is_stable_status", "1 for the colour: is there a stable master.")
        .from("indicator.master_is_stable.{color}"),
    Metric::gauge(
        "elasticsearch_health_report_repository_integrity_status",
        "1 for the colour: are snapshot repositories whole.",
    )
    .from("indicator.repository_integrity.{color}"),
    Metric::gauge("elasticsearch_health_report_disk_status", "1 for the colour: is there space on disks.")
        .from("indicator.disk.{color}"),
    Metric::gauge("elasticsearch_health_report_shards_capacity_status", "1 for the colour: may there be more shards.")
        .from("indicator.shards_capacity.{color}"),
    Metric::gauge(
        "elasticsearch_health_report_shards_availability_status",
        "1 for the colour: are all shards available.",
    )
    .from("indicator.shards_availability.{color}"),
    Metric::gauge(
        "elasticsearch_health_report_data_stream_lifecycle_status",
        "1 for the colour: does the lifecycle of data streams go on.",
    )
    .from("indicator.data_stream_lifecycle.{color}"),
    Metric::gauge("elasticsearch_health_report_slm_status", "1 for the colour: are snapshots taken.")
        .from("indicator.slm.{color}"),
    Metric::gauge("elasticsearch_health_report_ilm_status", "1 for the colour: does index lifecycle management run.")
        .from("indicator.ilm.{color}"),
    Metric::gauge("elasticsearch_health_report_total_repositories", "Snapshot repositories.")
        .unit("{repository}")
        .strict("elasticsearch_health_report_repositories")
        .from("indicators.repository_integrity.details.total_repositories"),
    Metric::gauge("elasticsearch_health_report_max_shards_in_cluster_data", "The most shards on data nodes.")
        .unit("{shard}")
        .from("indicators.shards_capacity.details.data.max_shards_in_cluster"),
    Metric::gauge("elasticsearch_health_report_max_shards_in_cluster_frozen", "The most shards on frozen nodes.")
        .unit("{shard}")
        .from("indicators.shards_capacity.details.frozen.max_shards_in_cluster"),
    Metric::gauge("elasticsearch_health_report_creating_primaries", "Primary shards that are being made.")
        .unit("{shard}")
        .from("indicators.shards_availability.details.creating_primaries"),
    Metric::gauge("elasticsearch_health_report_initializing_primaries", "Primary shards that start.")
        .unit("{shard}")
        .from("indicators.shards_availability.details.initializing_primaries"),
    Metric::gauge("elasticsearch_health_report_restarting_primaries", "Primary shards that wait for their node.")
        .unit("{shard}")
        .from("indicators.shards_availability.details.restarting_primaries"),
    Metric::gauge("elasticsearch_health_report_started_primaries", "Primary shards that work.")
        .unit("{shard}")
        .from("indicators.shards_availability.details.started_primaries"),
    Metric::gauge("elasticsearch_health_report_unassigned_primaries", "Primary shards that no node holds.")
        .unit("{shard}")
        .from("indicators.shards_availability.details.unassigned_primaries"),
    Metric::gauge("elasticsearch_health_report_creating_replicas", "Replicas that are being made.")
        .unit("{shard}")
        .from("indicators.shards_availability.details.creating_replicas"),
    Metric::gauge("elasticsearch_health_report_initializing_replicas", "Replicas that start.")
        .unit("{shard}")
        .from("indicators.shards_availability.details.initializing_replicas"),
    Metric::gauge("elasticsearch_health_report_restarting_replicas", "Replicas that wait for their node.")
        .unit("{shard}")
        .from("indicators.shards_availability.details.restarting_replicas"),
    Metric::gauge("elasticsearch_health_report_started_replicas", "Replicas that work.")
        .unit("{shard}")
        .from("indicators.shards_availability.details.started_replicas"),
    Metric::gauge("elasticsearch_health_report_unassigned_replicas", "Replicas that no node holds.")
        .unit("{shard}")
        .from("indicators.shards_availability.details.unassigned_replicas"),
    Metric::gauge("elasticsearch_health_report_slm_policies", "Policies of snapshot lifecycle management.")
        .unit("{policy}")
        .from("indicators.slm.details.policies"),
    Metric::gauge("elasticsearch_health_report_ilm_policies", "Policies of index lifecycle management.")
        .unit("{policy}")
        .from("indicators.ilm.details.policies"),
    Metric::gauge(
        "elasticsearch_health_report_ilm_stagnating_indices",
        "Indices that do not get on in their lifecycle.",
    )
    .unit("{index}")
    .from("indicators.ilm.details.stagnating_indices"),
];

pub fn take_report(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let report = document(answer)?;
    let status = report["status"].as_str().ok_or_else(|| missing("status"))?;
    let labels = [("cluster", report["cluster_name"].as_str().unwrap_or(""))];
    let colors = |seen: &str| json!({ "green": seen == "green", "yellow": seen == "yellow", "red": seen == "red" });
    let indicators = report["indicators"].as_object().into_iter().flatten();
    let of: Map<String, Value> =
        indicators.map(|(name, one)| (name.clone(), colors(one["status"].as_str().unwrap_or("")))).collect();
    take_paths(REPORT, &labels, report, emit);
    take_paths(REPORT, &labels, &json!({ "is": colors(status), "indicator": of }), emit);
    Ok(())
}

pub static TASKS: [Metric; 1] =
    [Metric::gauge("elasticsearch_task_stats_action", "Tasks under way in the cluster, by action.").unit("{task}")];

pub fn take_tasks(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for task in document(answer)?["tasks"].as_array().into_iter().flatten() {
        *counts.entry(task["action"].as_str().unwrap_or("")).or_default() += 1;
    }
    for (action, count) in counts {
        emit.metric(&TASKS[0], &[("action", action)], f64::from(count));
    }
    Ok(())
}

pub static SHARDS: [Metric; 1] = [Metric::gauge(
    "elasticsearch_node_shards_total",
    "Shards on a node; it may hold elasticsearch_clustersettings_stats_max_shards_per_node.",
)
.unit("{shard}")
.strict("elasticsearch_node_shards")];

pub fn take_shards(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for node in document(answer)?.as_array().ok_or_else(|| missing("a list of nodes"))? {
        let name = node["node"].as_str().ok_or_else(|| missing("node"))?;
        if let Some(count) = at_path(node, "shards").and_then(number).filter(|_| name != "UNASSIGNED") {
            emit.metric(&SHARDS[0], &[("node", name)], count);
        }
    }
    Ok(())
}
