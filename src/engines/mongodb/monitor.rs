//! What we read from MongoDB, and how often. To add a metric, add its line; to add a command, add a row.
//!
//! Names and labels are those of Percona's exporter; its `mongodb_mongod_*` names stand where copied rules use them.
//! It types everything as untyped; here counters are counters. Of its topology labels `cl_role` and `rs_nm` are kept:
//! `rs_state` would end every series at each election.

use serde_json::{Value, json};

use crate::engines::contract::{Answer, Ask, Emit, Facts, Row, Take, at_path, number, take_paths};
use crate::model::catalogue::{Glance, Threshold};
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::row::{Metric, Rename};

/// A role and the database it belongs to.
const CLUSTER_MONITOR: &str = "clusterMonitor@admin";

pub static ROWS: &[Row] = &[
    Row {
        name: "server_status",
        privilege: CLUSTER_MONITOR,
        // What is left out is what no metric below reads: two thirds of the answer.
        ask: Ask::Text(
            r#"{"serverStatus": 1, "oplog": 1, "metrics": {"commands": false, "operatorCounters": false,
                "aggStageCounters": false, "query": false}, "tcmalloc": 0, "security": 0, "indexStats": 0,
                "locks": 0, "logicalSessionRecordCache": 0, "readConcernCounters": 0,
                "twoPhaseCommitCoordinator": 0, "activeIndexBuilds": 0, "tenantMigrations": 0}"#,
        ),
        take: Take::Own(take_server_status),
        metrics: SERVER_STATUS,
        ..Row::DEFAULT
    },
    Row {
        name: "replica_set",
        needs: &["a replica set"],
        privilege: CLUSTER_MONITOR,
        ask: Ask::Text(r#"{"replSetGetStatus": 1}"#),
        take: Take::Own(take_replica_set),
        metrics: REPLICA_SET,
        ..Row::DEFAULT
    },
    Row {
        name: "operations",
        privilege: CLUSTER_MONITOR,
        // Never the command itself: it may hold what people wrote. What replication and the server do for ever is not
        // an operation that takes long.
        ask: Ask::Text(
            r#"{"aggregate": 1, "cursor": {}, "pipeline": [
                {"$currentOp": {"allUsers": true, "idleConnections": false}},
                {"$match": {"active": true, "op": {"$nin": ["none", ""]},
                    "ns": {"$not": {"$regex": "^(admin|local|config)\\."}}}},
                {"$group": {"_id": {"op": "$op", "ns": "$ns"}, "micros": {"$max": "$microsecs_running"}}},
                {"$sort": {"micros": -1}}, {"$limit": 20}]}"#,
        ),
        take: Take::Own(take_operations),
        metrics: &OPERATIONS,
        ..Row::DEFAULT
    },
    Row {
        name: "databases",
        every: 12,
        privilege: CLUSTER_MONITOR,
        ask: Ask::Text(r#"{"dbStats": 1, "$db": "{database}"}"#),
        take: Take::Paths,
        metrics: &[
            Metric::gauge("mongodb_dbstats_dataSize", "Uncompressed size of a database's documents.")
                .unit("By")
                .strict("mongodb_database_data_size_bytes")
                .otel("mongodb.data.size")
                .renames(DATABASE)
                .from("{database}.dataSize"),
            Metric::gauge("mongodb_dbstats_storageSize", "Space allocated to a database's collections.")
                .unit("By")
                .strict("mongodb_database_storage_size_bytes")
                .otel("mongodb.storage.size")
                .renames(DATABASE)
                .from("{database}.storageSize"),
            Metric::gauge("mongodb_dbstats_indexSize", "Space allocated to a database's indexes.")
                .unit("By")
                .strict("mongodb_database_index_size_bytes")
                .otel("mongodb.index.size")
                .renames(DATABASE)
                .from("{database}.indexSize"),
            Metric::gauge("mongodb_dbstats_objects", "Documents in a database.")
                .unit("{object}")
                .strict("mongodb_database_objects")
                .otel("mongodb.object.count")
                .renames(DATABASE)
                .from("{database}.objects"),
            Metric::gauge("mongodb_dbstats_collections", "Collections in a database.")
                .unit("{collection}")
                .strict("mongodb_database_collections")
                .otel("mongodb.collection.count")
                .renames(DATABASE)
                .from("{database}.collections"),
            Metric::gauge("mongodb_dbstats_indexes", "Indexes in a database.")
                .unit("{index}")
                .strict("mongodb_database_indexes")
                .otel("mongodb.index.count")
                .renames(DATABASE)
                .from("{database}.indexes"),
            Metric::gauge("mongodb_dbstats_fsTotalSize", "Size of the file system that holds a database.")
                .unit("By")
                .strict("mongodb_database_filesystem_size_bytes")
                .from("{database}.fsTotalSize"),
            Metric::gauge("mongodb_dbstats_fsUsedSize", "Used space of the file system that holds a database.")
                .unit("By")
                .strict("mongodb_database_filesystem_used_bytes")
                .from("{database}.fsUsedSize"),
        ],
        ..Row::DEFAULT
    },
];

/// The conventions' word for the label `database`.
const DATABASE: &[Rename] = &[Rename::new("database", "db.namespace")];

/// Paths in the answer of serverStatus.
static SERVER_STATUS: &[Metric] = &[
    Metric::counter("mongodb_ss_uptime", "Seconds since the server started.").unit("s").from("uptime"),
    Metric::counter("mongodb_mongod_instance_uptime_seconds", "Seconds since the server started.")
        .unit("s")
        .from("uptime"),
    Metric::gauge("mongodb_ss_connections", "Client connections by kind: current, available, active, totalCreated, …")
        .unit("{connection}")
        .otel("mongodb.connection.count")
        .renames(&[Rename::new("conn_type", "type")])
        .from("connections.{conn_type}"),
    Metric::counter("mongodb_ss_opcounters", "Operations by kind since the server started.")
        .unit("{operation}")
        .strict("mongodb_operations_total")
        .otel("mongodb.operation.count")
        .renames(&[Rename::new("legacy_op_type", "operation")])
        .from("opcounters.{legacy_op_type}"),
    Metric::counter("mongodb_ss_opcountersRepl", "Replicated operations by kind since the server started.")
        .unit("{operation}")
        .strict("mongodb_replicated_operations_total")
        .otel("mongodb.operation.repl.count")
        .renames(&[Rename::new("legacy_op_type", "operation")])
        .from("opcountersRepl.{legacy_op_type}"),
    Metric::counter("mongodb_op_counters_total", "Operations by kind since the server started (older name).")
        .unit("{operation}")
        .from("opcounters.{type}"),
    Metric::counter("mongodb_ss_opLatencies_latency", "Time that operations took, by kind.")
        .unit("s")
        .strict("mongodb_operation_latency_seconds_total")
        .scale(1e-6)
        .from("opLatencies.{op_type}.latency"),
    Metric::counter("mongodb_ss_opLatencies_ops", "Operations whose time is in the latency, by kind.")
        .unit("{operation}")
        .strict("mongodb_operation_latency_operations_total")
        .from("opLatencies.{op_type}.ops"),
    Metric::gauge("mongodb_ss_globalLock_currentQueue", "Operations that wait for a lock, by kind.")
        .unit("{operation}")
        .from("globalLock.currentQueue.{count_type}"),
    Metric::gauge("mongodb_ss_globalLock_activeClients_total", "Clients with an operation under way.")
        .unit("{client}")
        .from("globalLock.activeClients.total"),
    Metric::gauge("mongodb_ss_globalLock_activeClients_readers", "Clients that read.")
        .unit("{client}")
        .otel("mongodb.active.reads")
        .from("globalLock.activeClients.readers"),
    Metric::gauge("mongodb_ss_globalLock_activeClients_writers", "Clients that write.")
        .unit("{client}")
        .otel("mongodb.active.writes")
        .from("globalLock.activeClients.writers"),
    // Where the tickets stand changed in 7.0: a server has one of the two paths.
    Metric::gauge("mongodb_ss_wt_concurrentTransactions_out", "Storage engine tickets in use, by kind.")
        .unit("{ticket}")
        .from("wiredTiger.concurrentTransactions.{txn_rw_type}.out"),
    Metric::gauge("mongodb_ss_wt_concurrentTransactions_available", "Storage engine tickets left, by kind.")
        .unit("{ticket}")
        .from("wiredTiger.concurrentTransactions.{txn_rw_type}.available"),
    Metric::gauge("mongodb_ss_wt_concurrentTransactions_totalTickets", "All storage engine tickets, by kind.")
        .unit("{ticket}")
        .from("wiredTiger.concurrentTransactions.{txn_rw_type}.totalTickets"),
    Metric::gauge("mongodb_ss_wt_concurrentTransactions_out", "Storage engine tickets in use, by kind.")
        .unit("{ticket}")
        .from("queues.execution.{txn_rw_type}.out"),
    Metric::gauge("mongodb_ss_wt_concurrentTransactions_available", "Storage engine tickets left, by kind.")
        .unit("{ticket}")
        .from("queues.execution.{txn_rw_type}.available"),
    Metric::gauge("mongodb_ss_wt_concurrentTransactions_totalTickets", "All storage engine tickets, by kind.")
        .unit("{ticket}")
        .from("queues.execution.{txn_rw_type}.totalTickets"),
    Metric::gauge("mongodb_ss_wt_cache_bytes_currently_in_the_cache", "Bytes in the storage engine's cache.")
        .unit("By")
        .from("wiredTiger.cache.bytes currently in the cache"),
    Metric::gauge("mongodb_ss_wt_cache_maximum_bytes_configured", "The most that the cache may hold.")
        .unit("By")
        .from("wiredTiger.cache.maximum bytes configured"),
    Metric::gauge("mongodb_ss_wt_cache_tracked_dirty_bytes_in_the_cache", "Bytes in the cache not yet written.")
        .unit("By")
        .from("wiredTiger.cache.tracked dirty bytes in the cache"),
    Metric::counter("mongodb_ss_wt_cache_bytes_read_into_cache", "Bytes read into the cache.")
        .unit("By")
        .strict("mongodb_wiredtiger_cache_read_bytes_total")
        .from("wiredTiger.cache.bytes read into cache"),
    Metric::counter("mongodb_ss_wt_cache_bytes_written_from_cache", "Bytes written from the cache.")
        .unit("By")
        .strict("mongodb_wiredtiger_cache_written_bytes_total")
        .from("wiredTiger.cache.bytes written from cache"),
    Metric::counter(
        "mongodb_ss_wt_cache_pages_evicted_by_application_threads",
        "Pages that clients' own threads had to evict: the cache could not keep up.",
    )
    .unit("{page}")
    .strict("mongodb_wiredtiger_cache_application_evictions_total")
    .from("wiredTiger.cache.pages evicted by application threads"),
    Metric::gauge("mongodb_ss_wt_txn_transaction_checkpoint_most_recent_time_msecs", "Time of the last checkpoint.")
        .unit("s")
        .strict("mongodb_wiredtiger_checkpoint_last_seconds")
        .scale(1e-3)
        .from("wiredTiger.transaction.transaction checkpoint most recent time (msecs)"),
    Metric::gauge("mongodb_ss_mem_resident", "Resident memory, in MiB.")
        .unit("By")
        .strict("mongodb_memory_resident_bytes")
        .otel("mongodb.memory.usage")
        .attribute("type", "resident")
        .scale(1_048_576.0)
        .from("mem.resident"),
    Metric::gauge("mongodb_ss_mem_virtual", "Virtual memory, in MiB.")
        .unit("By")
        .strict("mongodb_memory_virtual_bytes")
        .otel("mongodb.memory.usage")
        .attribute("type", "virtual")
        .scale(1_048_576.0)
        .from("mem.virtual"),
    Metric::counter("mongodb_ss_network_bytesIn", "Bytes received from clients and members.")
        .unit("By")
        .strict("mongodb_network_received_bytes_total")
        .otel("mongodb.network.io.receive")
        .from("network.bytesIn"),
    Metric::counter("mongodb_ss_network_bytesOut", "Bytes sent to clients and members.")
        .unit("By")
        .strict("mongodb_network_transmitted_bytes_total")
        .otel("mongodb.network.io.transmit")
        .from("network.bytesOut"),
    Metric::counter("mongodb_ss_network_numRequests", "Requests received.")
        .unit("{request}")
        .strict("mongodb_network_requests_total")
        .otel("mongodb.network.request.count")
        .from("network.numRequests"),
    Metric::gauge("mongodb_ss_metrics_cursor_open", "Open cursors by kind.")
        .unit("{cursor}")
        .otel("mongodb.cursor.count")
        .from("metrics.cursor.open.{csr_type}"),
    Metric::counter("mongodb_ss_metrics_cursor_timedOut", "Cursors that timed out.")
        .unit("{cursor}")
        .strict("mongodb_cursors_timed_out_total")
        .otel("mongodb.cursor.timeout.count")
        .from("metrics.cursor.timedOut"),
    Metric::counter("mongodb_ss_metrics_document", "Documents by what was done with them.")
        .unit("{document}")
        .strict("mongodb_documents_total")
        .otel("mongodb.document.operation.count")
        .renames(&[Rename::new("doc_op_type", "operation")])
        .from("metrics.document.{doc_op_type}"),
    Metric::counter("mongodb_ss_metrics_queryExecutor_scanned", "Index entries looked at by queries.")
        .unit("{entry}")
        .strict("mongodb_query_scanned_keys_total")
        .from("metrics.queryExecutor.scanned"),
    Metric::counter("mongodb_ss_metrics_queryExecutor_scannedObjects", "Documents looked at by queries.")
        .unit("{document}")
        .strict("mongodb_query_scanned_documents_total")
        .from("metrics.queryExecutor.scannedObjects"),
    Metric::counter("mongodb_ss_metrics_operation_scanAndOrder", "Queries that sorted without an index.")
        .unit("{query}")
        .strict("mongodb_query_unindexed_sorts_total")
        .from("metrics.operation.scanAndOrder"),
    Metric::counter("mongodb_ss_metrics_operation_writeConflicts", "Writes that had to be tried again.")
        .unit("{conflict}")
        .strict("mongodb_write_conflicts_total")
        .from("metrics.operation.writeConflicts"),
    Metric::counter("mongodb_ss_metrics_ttl_deletedDocuments", "Documents deleted because they expired.")
        .unit("{document}")
        .strict("mongodb_ttl_deleted_documents_total")
        .from("metrics.ttl.deletedDocuments"),
    Metric::gauge("mongodb_ss_metrics_repl_buffer_sizeBytes", "Bytes fetched from the sync source, not yet applied.")
        .unit("By")
        .from("metrics.repl.buffer.sizeBytes"),
    Metric::counter("mongodb_ss_metrics_repl_apply_ops", "Replicated operations applied.")
        .unit("{operation}")
        .strict("mongodb_replication_applied_operations_total")
        .from("metrics.repl.apply.ops"),
    Metric::counter("mongodb_ss_asserts", "Assertions raised, by kind.")
        .unit("{assertion}")
        .strict("mongodb_asserts_total")
        .from("asserts.{assert_type}"),
    Metric::counter("mongodb_ss_extra_info_page_faults", "Page faults that needed the disk.")
        .unit("{fault}")
        .strict("mongodb_page_faults_total")
        .from("extra_info.page_faults"),
    Metric::gauge("mongodb_ss_transactions_currentOpen", "Open transactions.")
        .unit("{transaction}")
        .from("transactions.currentOpen"),
    Metric::counter("mongodb_ss_transactions_totalAborted", "Transactions aborted.")
        .unit("{transaction}")
        .strict("mongodb_transactions_aborted_total")
        .from("transactions.totalAborted"),
    Metric::counter("mongodb_ss_transactions_totalCommitted", "Transactions committed.")
        .unit("{transaction}")
        .strict("mongodb_transactions_committed_total")
        .from("transactions.totalCommitted"),
    Metric::gauge("mongodb_ss_flowControl_isLagged", "Whether writes are slowed because members lag.")
        .from("flowControl.isLagged"),
    Metric::gauge("mongodb_mongod_replset_oplog_head_timestamp", "When the newest entry of the oplog was made.")
        .unit("s")
        .from("oplog.latestOptime"),
    Metric::gauge("mongodb_mongod_replset_oplog_tail_timestamp", "When the oldest entry of the oplog was made.")
        .unit("s")
        .from("oplog.earliestOptime"),
];

/// Paths in the answer of replSetGetStatus; what begins with `members.` is read of each member, to which
/// `with_worked_out` adds what the server leaves to its readers.
static REPLICA_SET: &[Metric] = &[
    Metric::gauge("mongodb_rs_myState", "State of this member: 1 primary, 2 secondary, 7 arbiter.").from("myState"),
    Metric::gauge("mongodb_rs_members_state", "State of a member as this one sees it.").from("members.state"),
    Metric::gauge("mongodb_rs_members_health", "Whether a member answers this one.").from("members.health"),
    Metric::gauge("mongodb_rs_members_uptime", "Seconds that a member has been up for this one.")
        .unit("s")
        .from("members.uptime"),
    Metric::gauge("mongodb_rs_members_optimeDate", "When a member's newest operation was made, in ms since 1970.")
        .unit("s")
        .strict("mongodb_replicaset_member_optime_timestamp_seconds")
        .scale(1e-3)
        .from("members.optimeDate"),
    Metric::gauge("mongodb_rs_members_pingMs", "Round trip to a member, in ms.")
        .unit("s")
        .strict("mongodb_replicaset_member_ping_seconds")
        .scale(1e-3)
        .from("members.pingMs"),
    Metric::gauge("mongodb_mongod_replset_my_state", "State of this member (older name).").from("myState"),
    Metric::gauge("mongodb_mongod_replset_number_of_members", "Members of the replica set.").from("memberCount"),
    Metric::gauge("mongodb_mongod_replset_member_state", "State of a member (older name).").from("members.state"),
    Metric::gauge("mongodb_mongod_replset_member_health", "Whether a member answers (older name).")
        .from("members.health"),
    Metric::gauge("mongodb_mongod_replset_member_optime_date", "When a member's newest operation was made.")
        .unit("s")
        .from("members.optimeSeconds"),
    Metric::gauge(
        "mongodb_mongod_replset_member_replication_lag",
        "Seconds that a secondary's newest operation is older than the primary's.",
    )
    .unit("s")
    .from("members.lagSeconds"),
];

static OPERATIONS: [Metric; 2] = [
    Metric::gauge(
        "mongodb_longest_operation_seconds",
        "How long the longest operation of clients has been running; 0 where there is none.",
    )
    .unit("s"),
    Metric::gauge(
        "mongodb_currentop_query_uptime",
        "How long the longest operation of a kind on a collection has been running, in microseconds.",
    )
    .unit("s")
    .strict("mongodb_operation_running_seconds")
    .scale(1e-6),
];

/// What `top` shows beside the thresholds.
pub static GLANCE: &[Glance] = &[
    Glance { key: "operations", expression: "sum by (tenant, target) (rate(mongodb_ss_opcounters[{window}]))" },
    Glance { key: "lag", expression: "mongodb_mongod_replset_member_replication_lag" },
];

pub static THRESHOLDS: &[Threshold] = &[
    Threshold {
        key: "connection_count",
        engine: "mongodb",
        alert: "MongodbTooManyConnections",
        expression: r#"mongodb_ss_connections{conn_type="current",{matchers}}"#,
        hold: "2m",
        ceiling: r#"sum without (conn_type) (mongodb_ss_connections{conn_type=~"current|available",{matchers}})"#,
        summary: "{{ $labels.target }} has {{ $value }} client connections, more than {value}",
        unit: "{connection}",
    },
    Threshold {
        key: "memory_usage",
        engine: "mongodb",
        alert: "MongodbCacheFull",
        expression: "100 * mongodb_ss_wt_cache_bytes_currently_in_the_cache{{matchers}} \
                     / mongodb_ss_wt_cache_maximum_bytes_configured{{matchers}}",
        // The storage engine keeps its cache at 80 % and makes clients evict from 95 % on.
        hold: "5m",
        ceiling: "",
        summary: "The storage engine's cache of {{ $labels.target }} is {{ $value }} % full, more than {value} %",
        unit: "%",
    },
];

fn document(answer: &Answer) -> Result<&Value, Unknown> {
    match answer {
        Answer::Json(document) => Ok(document),
        _ => Err(Unknown::new(UnknownKind::Garbled, "the answer is not a document")),
    }
}

/// Everything of serverStatus, under the topology labels.
fn take_server_status(answer: &Answer, facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let status = document(answer)?;
    let set = at_path(status, "repl.setName").and_then(Value::as_str).unwrap_or("");
    // As the exporter has it: every member of a set counts as a shard's.
    let role = match facts.role.as_str() {
        "mongos" => "mongos",
        "standalone" => "mongod",
        _ => "shardsvr",
    };
    take_paths(SERVER_STATUS, &[("cl_role", role), ("rs_nm", set)], status, emit);
    Ok(())
}

/// The set as this member sees it, in the exporter's newer and older names.
fn take_replica_set(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let status = document(answer)?;
    let missing = |what: &str| Unknown::new(UnknownKind::Missing, format!("the answer has no '{what}'"));
    let set = status["set"].as_str().ok_or_else(|| missing("set"))?;
    let members = status["members"].as_array().ok_or_else(|| missing("members"))?;
    let own = json!({ "myState": status["myState"], "memberCount": members.len() });
    let primary_ms = members.iter().find(|one| one["state"] == PRIMARY).and_then(|one| one["optimeDate"].as_f64());
    let members: Vec<Value> = members.iter().map(|member| with_worked_out(member, primary_ms)).collect();
    for metric in REPLICA_SET {
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
fn take_operations(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let [longest, uptime] = &OPERATIONS;
    let Some(all) = at_path(document(answer)?, "cursor.firstBatch").and_then(Value::as_array) else {
        return Err(Unknown::new(UnknownKind::Missing, "the answer has no 'cursor.firstBatch'"));
    };
    let mut longest_micros: f64 = 0.0;
    for one in all {
        let (Some(op), Some(ns)) = (one["_id"]["op"].as_str(), one["_id"]["ns"].as_str()) else { continue };
        let Some(micros) = one["micros"].as_f64() else { continue };
        let (database, collection) = ns.split_once('.').unwrap_or((ns, ""));
        longest_micros = longest_micros.max(micros);
        emit.metric(uptime, &[("op", op), ("ns", ns), ("database", database), ("collection", collection)], micros);
    }
    emit.metric(longest, &[], longest_micros / 1e6);
    Ok(())
}
