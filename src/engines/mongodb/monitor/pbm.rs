//! Percona Backup for MongoDB: its backups, its agents and point-in-time recovery, by the documents that it keeps in `admin`.
//! Names and labels are those of Percona's exporter.

use serde_json::Value;

use crate::engines::contract::{Answer, Emit, Facts};
use crate::engines::take::at_path;
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::row::Metric;

/// The collections that are read.
pub const COLLECTIONS: [&str; 4] = ["pbmAgents", "pbmBackups", "pbmConfig", "pbmPITRChunks"];

/// The newest backups, the agents, the configuration without its storage, and how far the oplog is saved. One request.
/// Of the saved oplog all is looked at: among the newest pieces those of a set that is saved no more would be missing.
pub const ASK: &str = r#"{"aggregate": "pbmBackups", "$db": "admin", "cursor": {"batchSize": 1000}, "pipeline": [
    {"$sort": {"start_ts": -1}}, {"$limit": 50},
    {"$project": {"_id": 0, "kind": {"$literal": "backup"}, "me": {"$literal": "{own_name}"}, "now": "$$NOW", "opid": 1,
        "name": 1, "type": 1, "status": 1, "size": 1, "start_ts": 1, "last_transition_ts": 1, "replsets.name": 1,
        "replsets.node": 1}},
    {"$unionWith": {"coll": "pbmAgents", "pipeline": [{"$limit": 200},
        {"$project": {"_id": 0, "kind": {"$literal": "agent"}, "me": {"$literal": "{own_name}"}, "now": "$$NOW", "n": 1,
            "rs": 1, "s": 1, "hdn": 1, "arb": 1, "hb": 1, "pbms.ok": 1, "nodes.ok": 1, "stors.ok": 1}}]}},
    {"$unionWith": {"coll": "pbmConfig", "pipeline": [{"$limit": 1},
        {"$project": {"_id": 0, "kind": {"$literal": "config"}, "pitr.enabled": 1}}]}},
    {"$unionWith": {"coll": "pbmPITRChunks", "pipeline": [{"$group": {"_id": "$rs", "end_ts": {"$max": "$end_ts"}}},
        {"$sort": {"_id": 1}}, {"$limit": 200},
        {"$project": {"_id": 0, "kind": {"$literal": "chunks"}, "rs": "$_id", "end_ts": 1}}]}}]}"#;

/// In this order: whether it is configured, recovery, agents, three of a backup, the saved oplog.
pub static METRICS: [Metric; 7] = [
    Metric::gauge("mongodb_pbm_cluster_backup_configured", "Whether Percona Backup for MongoDB is configured."),
    Metric::gauge("mongodb_pbm_cluster_pitr_backup_enabled", "Whether the oplog is saved for point-in-time recovery."),
    Metric::gauge("mongodb_pbm_agent_status", "An agent: 0 well, 1 with an error, 2 lost."),
    Metric::gauge("mongodb_pbm_backup_size_bytes", "Size of a backup.").unit("By"),
    Metric::gauge(
        "mongodb_pbm_backup_last_transition_ts",
        "When a backup last changed its status, in seconds since 1970.",
    )
    .unit("s")
    .strict("mongodb_pbm_backup_last_transition_timestamp_seconds"),
    Metric::gauge("mongodb_pbm_backup_duration_seconds", "How long a backup took, or has been running.").unit("s"),
    Metric::gauge(
        "mongodb_pbm_pitr_last_chunk_end_timestamp_seconds",
        "Up to when the oplog of a replica set is saved, in seconds since 1970.",
    )
    .unit("s"),
];

/// An agent that has not told of itself for longer is lost, as PBM has it.
const STALE_S: f64 = 30.0;

/// States in which a backup has ended.
const ENDED: [&str; 4] = ["done", "canceled", "error", "down"];

/// From the documents to points.
///
/// # Errors
/// `Missing`: the answer is no cursor's.
pub fn take(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let missing = || Unknown::new(UnknownKind::Missing, "the answer has no 'cursor.firstBatch'");
    let Answer::Json(document) = answer else { return Err(missing()) };
    let all = at_path(document, "cursor.firstBatch").and_then(Value::as_array).ok_or_else(missing)?;
    let [configured, recovery, ..] = &METRICS;
    let config = all.iter().find(|one| one["kind"] == "config");
    emit.metric(configured, &[], f64::from(u8::from(config.is_some())));
    let Some(config) = config else { return Ok(()) };
    emit.metric(recovery, &[], f64::from(u8::from(at_path(config, "pitr.enabled") == Some(&Value::Bool(true)))));
    for one in all {
        match one["kind"].as_str() {
            Some("agent") => agent(one, emit),
            Some("backup") => backup(one, emit),
            Some("chunks") => {
                if let (Some(set), Some(end_s)) = (one["rs"].as_str(), one["end_ts"].as_f64()) {
                    emit.metric(&METRICS[6], &[("replica_set", set)], end_s);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn word<'v>(one: &'v Value, field: &str) -> &'v str {
    one[field].as_str().unwrap_or("")
}

/// Whether something is the server's that was asked.
fn own(one: &Value, host: &str) -> &'static str {
    if host == word(one, "me") { "1" } else { "0" }
}

fn now_s(one: &Value) -> f64 {
    one["now"].as_f64().unwrap_or(0.0) / 1000.0
}

fn agent(one: &Value, emit: &mut dyn Emit) {
    let host = word(one, "n");
    let is_well = ["pbms", "nodes", "stors"].iter().all(|part| one[part]["ok"] == true);
    let is_lost = one["hb"].as_f64().is_none_or(|heard_s| heard_s + STALE_S < now_s(one));
    let status = match (is_lost, is_well) {
        (true, _) => 2.0,
        (false, true) => 0.0,
        (false, false) => 1.0,
    };
    let labels = [("host", host), ("replica_set", word(one, "rs")), ("role", role(one)), ("self", own(one, host))];
    emit.metric(&METRICS[2], &labels, status);
}

/// PBM's letters: primary, secondary, arbiter, hidden. Which one is delayed its agents do not write down.
fn role(agent: &Value) -> &'static str {
    match () {
        () if agent["arb"] == true => "A",
        () if agent["s"] == 1 => "P",
        () if agent["hdn"] == true => "H",
        () => "S",
    }
}

fn backup(one: &Value, emit: &mut dyn Emit) {
    let status = word(one, "status");
    let number = |field: &str| one[field].as_f64();
    let end_s = if ENDED.contains(&status) { number("last_transition_ts") } else { Some(now_s(one).floor()) };
    let duration_s = end_s.zip(number("start_ts")).map(|(end_s, start_s)| end_s - start_s);
    let values = [number("size"), number("last_transition_ts"), duration_s];
    for set in one["replsets"].as_array().into_iter().flatten() {
        let host = word(set, "node");
        let labels = [
            ("opid", word(one, "opid")),
            ("status", status),
            ("name", word(one, "name")),
            ("host", host),
            ("replica_set", word(set, "name")),
            ("self", own(one, host)),
            ("type", word(one, "type")),
        ];
        for (metric, value) in METRICS[3..6].iter().zip(values) {
            if let Some(value) = value {
                emit.metric(metric, &labels, value);
            }
        }
    }
}
