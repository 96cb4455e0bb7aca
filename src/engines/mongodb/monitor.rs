//! What we read from MongoDB, and how often. To add a metric, add its line; to add a command, add a row.
//!
//! Names and labels are those of Percona's exporter; its `mongodb_mongod_*` names stand where copied rules use them.
//! It types everything as untyped; here counters are counters. Of its topology labels `cl_role` and `rs_nm` are kept:
//! `rs_state` would end every series at each election.

mod metrics;
mod optional;
pub mod pbm;
pub mod shapes;
mod takes;
pub mod things;

use crate::engines::contract::{Ask, Busiest, Row, Take};
use crate::engines::mongodb::monitor::metrics as m;
use crate::engines::mongodb::monitor::optional as o;
use crate::model::catalogue::{Glance, Threshold};

/// A role and the database it belongs to.
const CLUSTER_MONITOR: &str = "clusterMonitor@admin";

/// A role that the grants make in their comments: clusterMonitor reads no documents.
const PBM_READER: &str = "pbmReader@admin";

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
        take: Take::Own(takes::server_status),
        metrics: m::SERVER_STATUS,
        ..Row::DEFAULT
    },
    Row {
        name: "replica_set",
        needs: &["a replica set"],
        privilege: CLUSTER_MONITOR,
        ask: Ask::Text(r#"{"replSetGetStatus": 1}"#),
        take: Take::Own(takes::replica_set),
        metrics: m::REPLICA_SET,
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
        take: Take::Own(takes::operations),
        metrics: &m::OPERATIONS,
        ..Row::DEFAULT
    },
    Row {
        name: "databases",
        every: 12,
        privilege: CLUSTER_MONITOR,
        ask: Ask::Text(r#"{"dbStats": 1, "$db": "{database}"}"#),
        take: Take::Paths,
        metrics: m::DATABASES,
        ..Row::DEFAULT
    },
    Row {
        name: "features",
        every: 60,
        needs: &["data of its own"],
        privilege: CLUSTER_MONITOR,
        ask: Ask::Text(r#"{"getParameter": 1, "featureCompatibilityVersion": 1}"#),
        metrics: m::FEATURES,
        ..Row::DEFAULT
    },
    Row {
        name: "top",
        every: 12,
        optional: true,
        needs: &["data of its own"],
        privilege: CLUSTER_MONITOR,
        ask: Ask::Text(r#"{"top": 1}"#),
        take: Take::Busiest(busiest(COLLECTION, "total.time")),
        metrics: o::TOP,
        ..Row::DEFAULT
    },
    Row {
        name: "collections",
        every: 60,
        optional: true,
        privilege: CLUSTER_MONITOR,
        // The storage engine's own figures are nine tenths of the answer, and a server with as many collections as one
        // answer may have of them would be too large for it.
        ask: Ask::Text(
            r#"{"aggregate": "{collection}", "$db": "{database}", "cursor": {}, "pipeline": [
                {"$collStats": {"storageStats": {}, "latencyStats": {}}},
                {"$project": {"storageStats.wiredTiger": 0, "storageStats.indexDetails": 0}}]}"#,
        ),
        take: Take::Busiest(busiest(COLLECTION, "latencyStats.total")),
        metrics: o::COLLECTIONS,
        ..Row::DEFAULT
    },
    Row {
        name: "indexes",
        every: 60,
        optional: true,
        privilege: CLUSTER_MONITOR,
        ask: Ask::Text(
            r#"{"aggregate": "{collection}", "$db": "{database}", "cursor": {}, "pipeline": [
                {"$indexStats": {}}, {"$project": {"name": 1, "shard": 1, "accesses.ops": 1}}]}"#,
        ),
        take: Take::Busiest(busiest(&["database", "collection", "key_name", "shard"], "accesses.ops")),
        metrics: o::INDEXES,
        ..Row::DEFAULT
    },
    Row {
        name: "query_shapes",
        every: 12,
        optional: true,
        needs: &["data of its own"],
        privilege: CLUSTER_MONITOR,
        // What the profiler kept since the last reading. Whether it keeps anything is the administrator's to say.
        ask: Ask::Text(
            r#"{"aggregate": "system.profile", "$db": "{database}", "cursor": {"batchSize": 1000}, "pipeline": [
                {"$match": {"ts": {"$gte": {"$date": {"$numberLong": "{since}"}}, "$lt": {"$date": {"$numberLong": "{until}"}}},
                    "appName": {"$ne": "watchward"}}},
                {"$group": {"_id": {"ns": "$ns", "op": "$op", "hash": {"$ifNull": ["$queryHash", "$planCacheShapeHash"]}},
                    "operations": {"$sum": 1}, "milliseconds": {"$sum": "$millis"},
                    "examined_keys": {"$sum": "$keysExamined"}, "examined_documents": {"$sum": "$docsExamined"},
                    "returned_documents": {"$sum": "$nreturned"}}},
                {"$sort": {"milliseconds": -1}}, {"$limit": 1000}]}"#,
        ),
        take: Take::Busiest(busiest(&["database", "collection", "op", "query_hash"], "seconds")),
        metrics: o::SHAPES,
        ..Row::DEFAULT
    },
    Row {
        name: "pbm",
        every: 12,
        optional: true,
        privilege: PBM_READER,
        ask: Ask::Text(pbm::ASK),
        take: Take::Own(pbm::take),
        metrics: &pbm::METRICS,
        ..Row::DEFAULT
    },
    Row {
        name: "chunks",
        every: 60,
        optional: true,
        only: MONGOS,
        privilege: CLUSTER_MONITOR,
        ask: Ask::Text(
            r#"{"aggregate": "chunks", "$db": "config", "cursor": {},
                "pipeline": [{"$group": {"_id": "$shard", "chunks": {"$sum": 1}}}, {"$limit": 100}]}"#,
        ),
        take: Take::Own(takes::chunks),
        metrics: &o::CHUNKS,
        ..Row::DEFAULT
    },
    Row {
        name: "shards",
        every: 12,
        optional: true,
        only: MONGOS,
        privilege: CLUSTER_MONITOR,
        ask: Ask::Text(r#"{"listShards": 1}"#),
        take: Take::Own(takes::shards),
        metrics: &o::SHARDS,
        ..Row::DEFAULT
    },
    Row {
        name: "balancer",
        every: 12,
        optional: true,
        only: MONGOS,
        privilege: CLUSTER_MONITOR,
        ask: Ask::Text(r#"{"balancerStatus": 1}"#),
        take: Take::Own(takes::balancer),
        metrics: &o::BALANCER,
        ..Row::DEFAULT
    },
];

/// The busiest things of a kind are series of their own.
const fn busiest(labels: &'static [&'static str], rank_by: &'static str) -> Busiest {
    Busiest { labels, rank_by, keep: 50, most: things::MOST }
}

const COLLECTION: &[&str] = &["database", "collection"];

/// Routers of a sharded cluster.
const MONGOS: &[&str] = &["mongos"];

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
