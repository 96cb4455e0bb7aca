//! From answers to points, where paths alone do not say it.

use serde_json::{Value, json};

use crate::engines::contract::{Answer, Emit, Facts};
use crate::engines::mongodb::monitor::metrics as m;
use crate::engines::mongodb::monitor::optional as o;
use crate::engines::mongodb::session::OF_A_LIST;
use crate::engines::take::{at_path, number, take_paths};
use crate::model::reading::{Unknown, UnknownKind};

fn document(answer: &Answer) -> Result<&Value, Unknown> {
    match answer {
        Answer::Json(document) => Ok(document),
        _ => Err(Unknown::new(UnknownKind::Garbled, "the answer is not a document")),
    }
}

/// Everything of serverStatus, under the topology labels.
pub fn server_status(answer: &Answer, facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let status = document(answer)?;
    let set = at_path(status, "repl.setName").and_then(Value::as_str).unwrap_or("");
    // As the exporter has it: every member of a set counts as a shard's.
    let role = match facts.role.as_str() {
        "mongos" => "mongos",
        "standalone" => "mongod",
        _ => "shardsvr",
    };
    let topology = [("cl_role", role), ("rs_nm", set)];
    take_paths(m::SERVER_STATUS, &topology, status, emit);
    for metric in m::SERVER_STATUS.iter().filter(|metric| metric.from.is_empty()) {
        let Some(path) = OLD_LATENCIES.iter().find(|(name, _)| *name == metric.name).map(|(_, path)| *path) else {
            // A member says its own name here; of a single server nobody asks which one it is.
            let (field, label, is_told) = match metric.name {
                "mongodb_version_info" => ("version", "mongodb", true),
                _ => ("host", "member", facts.capabilities.contains(OF_A_LIST)),
            };
            if let Some(value) = status[field].as_str().filter(|_| is_told) {
                emit.metric(metric, &[("cl_role", role), ("rs_nm", set), (label, value)], 1.0);
            }
            continue;
        };
        for (kind, old) in [("reads", "read"), ("writes", "write"), ("commands", "command")] {
            if let Some(value) = at_path(&status["opLatencies"][kind], path).and_then(number) {
                emit.metric(metric, &[("cl_role", role), ("rs_nm", set), ("type", old)], value);
            }
        }
    }
    Ok(())
}

/// The older names of the latencies, whose kinds have other words, and what stands under each kind.
const OLD_LATENCIES: [(&str, &str); 2] =
    [("mongodb_mongod_op_latencies_latency_total", "latency"), ("mongodb_mongod_op_latencies_ops_total", "ops")];

/// The set as this member sees it, in the exporter's newer and older names.
pub fn replica_set(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let status = document(answer)?;
    let missing = |what: &str| Unknown::new(UnknownKind::Missing, format!("the answer has no '{what}'"));
    let set = status["set"].as_str().ok_or_else(|| missing("set"))?;
    let members = status["members"].as_array().ok_or_else(|| missing("members"))?;
    let own = json!({ "myState": status["myState"], "memberCount": members.len() });
    let primary_ms = members.iter().find(|one| one["state"] == PRIMARY).and_then(|one| one["optimeDate"].as_f64());
    let members: Vec<Value> = members.iter().map(|member| with_worked_out(member, primary_ms)).collect();
    for metric in m::REPLICA_SET {
        let is_old = metric.name.starts_with("mongodb_mongod_");
        let Some(path) = metric.from.strip_prefix("members.") else {
            if let Some(value) = number(&own[metric.from]) {
                emit.metric(metric, &[(if is_old { "set" } else { "rs_nm" }, set)], value);
            }
            continue;
        };
        for member in &members {
            let name = member["name"].as_str().unwrap_or("");
            let state = member["stateStr"].as_str().unwrap_or("");
            let labels = if is_old {
                [("set", set), ("name", name), ("state", state)]
            } else {
                [("rs_nm", set), ("member_idx", name), ("member_state", state)]
            };
            if let Some(value) = number(&member[path]) {
                emit.metric(metric, &labels, value);
            }
        }
    }
    Ok(())
}

/// States of members: https://www.mongodb.com/docs/manual/reference/replica-states/
const PRIMARY: u64 = 1;
const SECONDARY: u64 = 2;

/// A member with its optime in seconds and, for a secondary while there is a primary, its lag behind that.
fn with_worked_out(member: &Value, primary_ms: Option<f64>) -> Value {
    let mut member = member.clone();
    if let Some(optime_ms) = member["optimeDate"].as_f64() {
        member["optimeSeconds"] = Value::from(optime_ms / 1000.0);
        if let Some(primary_ms) = primary_ms.filter(|_| member["state"] == SECONDARY) {
            // Between two heartbeats a secondary may know of a newer operation than its primary had then.
            member["lagSeconds"] = Value::from(((primary_ms - optime_ms) / 1000.0).max(0.0));
        }
    }
    member
}

/// The longest running operations of clients, by kind and collection.
pub fn operations(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let [longest, uptime] = &m::OPERATIONS;
    let mut longest_micros: f64 = 0.0;
    for one in batch(answer)? {
        let (Some(op), Some(ns)) = (one["_id"]["op"].as_str(), one["_id"]["ns"].as_str()) else { continue };
        let Some(micros) = one["micros"].as_f64() else { continue };
        let (database, collection) = ns.split_once('.').unwrap_or((ns, ""));
        longest_micros = longest_micros.max(micros);
        emit.metric(uptime, &[("op", op), ("ns", ns), ("database", database), ("collection", collection)], micros);
    }
    emit.metric(longest, &[], longest_micros / 1e6);
    Ok(())
}

/// The first batch of a cursor, which for bounded questions is all of it.
fn batch(answer: &Answer) -> Result<&Vec<Value>, Unknown> {
    let missing = || Unknown::new(UnknownKind::Missing, "the answer has no 'cursor.firstBatch'");
    at_path(document(answer)?, "cursor.firstBatch").and_then(Value::as_array).ok_or_else(missing)
}

/// Chunks by shard: `{_id: shard, chunks: n}`.
pub fn chunks(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let [all, of_shard] = &o::CHUNKS;
    let mut sum = 0.0;
    for one in batch(answer)? {
        let (Some(shard), Some(chunks)) = (one["_id"].as_str(), one["chunks"].as_f64()) else { continue };
        emit.metric(of_shard, &[("shard", shard)], chunks);
        sum += chunks;
    }
    emit.metric(all, &[], sum);
    Ok(())
}

pub fn shards(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let missing = || Unknown::new(UnknownKind::Missing, "the answer has no 'shards'");
    let shards = document(answer)?["shards"].as_array().ok_or_else(missing)?;
    let draining = shards.iter().filter(|shard| shard["draining"] == true);
    #[allow(clippy::cast_precision_loss)] // far below 2^53
    for (metric, count) in o::SHARDS.iter().zip([shards.len() as f64, draining.count() as f64]) {
        emit.metric(metric, &[], count);
    }
    Ok(())
}

/// `mode` is `off`, `full`, or before 6.1 `autoSplitOnly`, in which nothing is moved.
pub fn balancer(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let status = document(answer)?;
    let missing = || Unknown::new(UnknownKind::Missing, "the answer has no 'mode'");
    let mode = status["mode"].as_str().ok_or_else(missing)?;
    let [enabled, running] = &o::BALANCER;
    emit.metric(enabled, &[], f64::from(u8::from(mode == "full")));
    emit.metric(running, &[], f64::from(u8::from(status["inBalancerRound"] == true)));
    Ok(())
}
