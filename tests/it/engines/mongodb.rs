//! MongoDB's rows against recorded answers, and its session against a server that misbehaves.

use std::time::Duration;

use serde_json::{Value, json};
use watchward::engines::contract::{Access, Answer, Ask, Engine, Facts, Session};
use watchward::engines::mongodb::MongoDb;
use watchward::engines::mongodb::monitor::shapes::{Shapes, without_literals};
use watchward::engines::mongodb::monitor::things;
use watchward::model::reading::Unknown;
use watchward::model::secret::Secret;
use watchward::sys::clock::Stopwatch;
use watchward::sys::files;
use watchward::sys::task;

use crate::engines::mongodb_fake::{Fake, Manner};
use crate::engines::points::{Points, from_fixture, row};
use crate::engines::targets::target;

static MONGODB: MongoDb = MongoDb;

fn facts(role: &str) -> Facts {
    Facts { version: (6, 0), role: role.to_string(), ..Facts::default() }
}

fn of(name: &str, answer: &Answer, role: &str) -> Result<Points, Unknown> {
    let facts = facts(role);
    let points = Points::of(row(&MONGODB, name, &facts), answer, &facts)?;
    assert!(points.twice.is_empty(), "{:?}", points.twice);
    Ok(points)
}

fn check(name: &str) -> Points {
    recorded("6.0-primary", name)
}

fn recorded(folder: &str, name: &str) -> Points {
    let answer = from_fixture(&format!("mongodb/{folder}/{name}.json"));
    of(name, &answer, "primary").unwrap_or_else(|unknown| panic!("{folder} {name}: {unknown:?}"))
}

/// Each version with its folder; 7.0 and 8.0 are put together by hand.
const VERSIONS: [&str; 4] = ["5.0", "6.0-primary", "7.0", "8.0"];

/// What dashboards and alerts go by, of which every version must have all.
const STARRED: &[(&str, &str)] = &[
    ("server_status", "mongodb_ss_uptime mongodb_mongod_instance_uptime_seconds mongodb_ss_connections"),
    ("server_status", "mongodb_ss_opcounters mongodb_op_counters_total mongodb_ss_opLatencies_latency"),
    ("server_status", "mongodb_ss_opLatencies_ops mongodb_mongod_op_latencies_latency_total"),
    ("server_status", "mongodb_mongod_op_latencies_ops_total mongodb_ss_globalLock_currentQueue"),
    ("server_status", "mongodb_ss_globalLock_activeClients_readers mongodb_ss_globalLock_activeClients_writers"),
    ("server_status", "mongodb_ss_globalLock_activeClients_total mongodb_ss_wt_concurrentTransactions_out"),
    ("server_status", "mongodb_ss_wt_concurrentTransactions_available"),
    ("server_status", "mongodb_ss_wt_concurrentTransactions_totalTickets"),
    ("server_status", "mongodb_ss_wt_cache_bytes_currently_in_the_cache mongodb_ss_wt_cache_maximum_bytes_configured"),
    ("server_status", "mongodb_ss_wt_cache_tracked_dirty_bytes_in_the_cache"),
    ("server_status", "mongodb_ss_wt_cache_pages_evicted_by_application_threads"),
    ("server_status", "mongodb_ss_mem_resident mongodb_ss_network_bytesIn mongodb_ss_network_bytesOut"),
    (
        "server_status",
        "mongodb_ss_network_numRequests mongodb_ss_metrics_cursor_open mongodb_ss_metrics_cursor_timedOut",
    ),
    ("server_status", "mongodb_ss_metrics_document mongodb_ss_metrics_queryExecutor_scanned"),
    ("server_status", "mongodb_ss_metrics_queryExecutor_scannedObjects mongodb_ss_metrics_operation_scanAndOrder"),
    (
        "server_status",
        "mongodb_ss_metrics_operation_writeConflicts mongodb_ss_asserts mongodb_ss_extra_info_page_faults",
    ),
    ("server_status", "mongodb_ss_metrics_repl_buffer_sizeBytes"),
    ("server_status", "mongodb_mongod_replset_oplog_head_timestamp mongodb_mongod_replset_oplog_tail_timestamp"),
    ("replica_set", "mongodb_rs_members_state mongodb_rs_members_health mongodb_rs_members_optimeDate"),
    (
        "databases",
        "mongodb_dbstats_dataSize mongodb_dbstats_storageSize mongodb_dbstats_indexSize mongodb_dbstats_objects",
    ),
    ("operations", "mongodb_longest_operation_seconds"),
    ("features", "mongodb_fcv_featureCompatibilityVersion"),
];

#[test]
fn every_version_has_every_name_that_dashboards_and_alerts_go_by() {
    for folder in VERSIONS {
        for (row, names) in STARRED {
            let points = recorded(folder, row);
            for name in names.split(' ') {
                let has = points.all.keys().any(|series| series.split('{').next() == Some(name));
                assert!(has, "{folder} {row} has no {name}: {}", points.text());
            }
        }
        // What backups write down no server alone has: a live test puts it there.
        for row in MONGODB.rows().iter().filter(|row| row.exists(&facts("primary")) && row.name != "pbm") {
            recorded(folder, row.name);
        }
    }
}

#[test]
fn what_8_0_calls_otherwise_has_the_names_of_old() {
    let labels = r#"cl_role="shardsvr",rs_nm="docs""#;
    for (folder, tickets, buffered) in [("6.0-primary", 128.0, 0.0), ("7.0", 10.0, 0.0), ("8.0", 10.0, 2048.0)] {
        let status = recorded(folder, "server_status");
        let total = format!(r#"mongodb_ss_wt_concurrentTransactions_totalTickets{{{labels},txn_rw_type="write"}}"#);
        assert_eq!(status.value(&total), tickets, "{folder}");
        let buffer = format!("mongodb_ss_metrics_repl_buffer_sizeBytes{{{labels}}}");
        assert_eq!(status.value(&buffer), buffered, "{folder}");
    }
}

#[test]
fn server_status_has_the_exporters_names_and_labels() {
    let status = check("server_status");
    let value = |name: &str, label: &str| {
        // Labels stand in the order of their names.
        let mut labels = vec![r#"cl_role="shardsvr""#, r#"rs_nm="docs""#];
        labels.extend(Some(label).filter(|label| !label.is_empty()));
        labels.sort_unstable();
        status.value(&format!("mongodb_{name}{{{}}}", labels.join(",")))
    };
    assert!(value("ss_connections", r#"conn_type="current""#) >= 1.0);
    assert!(value("ss_connections", r#"conn_type="available""#) > 10_000.0);
    assert_eq!(value("ss_opcounters", r#"legacy_op_type="insert""#), value("op_counters_total", r#"type="insert""#));
    assert!(
        value("ss_opLatencies_latency", r#"op_type="commands""#) > value("ss_opLatencies_ops", r#"op_type="commands""#)
    );
    assert_eq!(value("ss_wt_concurrentTransactions_totalTickets", r#"txn_rw_type="read""#), 128.0);
    assert_eq!(value("ss_wt_cache_maximum_bytes_configured", ""), 268_435_456.0);
    assert_eq!(value("ss_globalLock_currentQueue", r#"count_type="readers""#), 0.0);
    assert_eq!(value("ss_asserts", r#"assert_type="regular""#), 0.0);
    assert!(value("ss_metrics_document", r#"doc_op_type="inserted""#) > 2000.0);
    assert!(value("ss_metrics_cursor_open", r#"csr_type="total""#) >= 1.0);
    let window_s = value("mongod_replset_oplog_head_timestamp", "") - value("mongod_replset_oplog_tail_timestamp", "");
    assert!((1.0..10_000.0).contains(&window_s), "the oplog spans {window_s} s");
}

#[test]
fn tickets_are_found_where_8_0_keeps_them() {
    let status = json!({ "queues": { "execution": { "read": { "out": 2, "available": 10, "totalTickets": 12 } } } });
    let points = of("server_status", &Answer::Json(status), "standalone").expect("points");
    let series = r#"mongodb_ss_wt_concurrentTransactions_out{cl_role="mongod",txn_rw_type="read"}"#;
    assert_eq!((points.all.len(), points.value(series)), (3, 2.0));
}

#[test]
fn the_replica_set_has_newer_and_older_names() {
    let set = check("replica_set");
    let member = r#"{member_idx="127.0.0.1:27018",member_state="SECONDARY",rs_nm="docs"}"#;
    assert_eq!(set.value(&format!("mongodb_rs_members_state{member}")), 2.0);
    assert_eq!(set.value(&format!("mongodb_rs_members_health{member}")), 1.0);
    assert_eq!(set.value(r#"mongodb_rs_myState{rs_nm="docs"}"#), 1.0);
    assert_eq!(set.value(r#"mongodb_mongod_replset_number_of_members{set="docs"}"#), 3.0);
    let old = r#"{name="127.0.0.1:27018",set="docs",state="SECONDARY"}"#;
    let seconds = set.value(&format!("mongodb_mongod_replset_member_optime_date{old}"));
    assert_eq!(set.value(&format!("mongodb_rs_members_optimeDate{member}")), seconds * 1000.0);
}

fn lag(members: Value) -> Vec<String> {
    let status = json!({ "set": "s", "myState": 2, "members": members });
    let text = of("replica_set", &Answer::Json(status), "secondary").expect("points").text();
    let lines = text.lines().filter_map(|line| line.strip_prefix("mongodb_mongod_replset_member_replication_lag"));
    lines.map(str::to_string).collect()
}

#[test]
fn lag_is_what_secondaries_are_behind_and_unknown_without_a_primary() {
    let member = |name: &str, state: u32, word: &str, optime_ms: i64| json!({ "name": name, "state": state, "stateStr": word, "optimeDate": optime_ms });
    let primary = member("a", 1, "PRIMARY", 100_000);
    let behind = member("b", 2, "SECONDARY", 97_500);
    let ahead = member("c", 2, "SECONDARY", 100_500);
    let arbiter = json!({ "name": "d", "state": 7, "stateStr": "ARBITER" });
    assert_eq!(
        lag(json!([primary, behind, ahead, arbiter])),
        [r#"{name="b",set="s",state="SECONDARY"} 2.5"#, r#"{name="c",set="s",state="SECONDARY"} 0"#]
    );
    assert_eq!(lag(json!([behind, ahead, arbiter])), [""; 0]);
}

#[test]
fn a_set_that_is_no_set_is_missing() {
    let unknown = of("replica_set", &Answer::Json(json!({ "ok": 1 })), "secondary").expect_err("nothing to read");
    assert_eq!((unknown.kind.word(), unknown.reason.as_str()), ("missing", "the answer has no 'set'"));
}

#[test]
fn databases_are_told_apart_by_a_label() {
    let databases = check("databases");
    assert_eq!(databases.value(r#"mongodb_dbstats_objects{database="shop"}"#), 2000.0);
    assert_eq!(databases.all.len(), 8 * 4);
}

#[test]
fn operations_come_as_the_longest_of_a_kind_and_the_longest_of_all() {
    assert_eq!(check("operations").text(), "mongodb_longest_operation_seconds 0\n");
    let one = |op: &str, ns: &str, micros: i64| json!({ "_id": { "op": op, "ns": ns }, "micros": micros });
    let all = json!({ "cursor": { "firstBatch": [one("query", "shop.a.b", 2_500_000), one("update", "shop.c", 10)] } });
    assert_eq!(
        of("operations", &Answer::Json(all), "primary").expect("points").text(),
        "mongodb_currentop_query_uptime{collection=\"a.b\",database=\"shop\",ns=\"shop.a.b\",op=\"query\"} 2500000\n\
         mongodb_currentop_query_uptime{collection=\"c\",database=\"shop\",ns=\"shop.c\",op=\"update\"} 10\n\
         mongodb_longest_operation_seconds 2.5\n"
    );
}

#[test]
fn the_older_names_of_latencies_have_their_own_words() {
    let status = json!({ "version": "6.0.5", "opLatencies": { "reads": { "latency": 30, "ops": 2 } } });
    assert_eq!(
        of("server_status", &Answer::Json(status), "standalone").expect("points").text(),
        "mongodb_mongod_op_latencies_latency_total{cl_role=\"mongod\",type=\"read\"} 30\n\
         mongodb_mongod_op_latencies_ops_total{cl_role=\"mongod\",type=\"read\"} 2\n\
         mongodb_ss_opLatencies_latency{cl_role=\"mongod\",op_type=\"reads\"} 30\n\
         mongodb_ss_opLatencies_ops{cl_role=\"mongod\",op_type=\"reads\"} 2\n\
         mongodb_version_info{cl_role=\"mongod\",mongodb=\"6.0.5\"} 1\n"
    );
}

#[test]
fn collections_indexes_and_shapes_are_read_as_recorded() {
    let orders = r#"{collection="orders",database="shop"}"#;
    assert!(check("top").value(&format!("mongodb_top_total_count{orders}")) > 0.0);
    let collections = check("collections");
    assert_eq!(collections.value(&format!("mongodb_collstats_storageStats_count{orders}")), 2000.0);
    assert_eq!(collections.value(&format!("mongodb_collstats_storageStats_nindexes{orders}")), 2.0);
    let index = r#"{collection="orders",database="shop",key_name="customer_1"}"#;
    assert!(check("indexes").value(&format!("mongodb_indexstats_accesses_ops{index}")) > 0.0);
    assert_eq!(check("features").text(), "mongodb_fcv_featureCompatibilityVersion 6\n");
    assert!(!check("query_shapes").all.is_empty());
}

#[test]
fn answers_about_collections_become_tables_without_the_servers_own() {
    let facts = facts("primary");
    let said = |name: &str, answer: &Value| {
        let row = row(&MONGODB, name, &facts);
        let table = things::table(row, things::busiest(row).expect("many things"), answer);
        Points::of(row, &Answer::Table(table), &facts).expect("points").text()
    };
    let figures = json!({ "total": { "time": 40, "count": 3 } });
    let top = json!({ "totals": {
        "note": "all times in microseconds", "shop.a.b": figures, "local.oplog.rs": figures, "shop.system.views": figures
    } });
    assert_eq!(
        said("top", &top),
        "mongodb_top_total_count{collection=\"a.b\",database=\"shop\"} 3\n\
         mongodb_top_total_time{collection=\"a.b\",database=\"shop\"} 40\n"
    );
    let index = |shard: &str| json!({ "name": "_id_", "shard": shard, "accesses": { "ops": 7 } });
    let of_each = json!([{
        "database": "shop", "collection": "a", "answer": { "cursor": { "firstBatch": [index("s1"), index("s2")] } }
    }]);
    assert_eq!(
        said("indexes", &of_each),
        "mongodb_indexstats_accesses_ops{collection=\"a\",database=\"shop\",key_name=\"_id_\",shard=\"s1\"} 7\n\
         mongodb_indexstats_accesses_ops{collection=\"a\",database=\"shop\",key_name=\"_id_\",shard=\"s2\"} 7\n"
    );
    assert_eq!(said("collections", &json!([])), "");
}

#[test]
fn shapes_are_summed_up_over_readings_and_the_oldest_go_when_there_are_too_many() {
    let kept = |hash: &str, operations: u32| {
        json!({ "_id": { "ns": "shop.orders", "op": "query", "hash": hash }, "operations": operations,
            "milliseconds": 1500, "examined_documents": 10 })
    };
    let answer = |all: Vec<Value>| json!({ "cursor": { "firstBatch": all } });
    let mut shapes = Shapes::default();
    for operations in [2, 3] {
        shapes.begin();
        shapes.add(&answer(vec![kept("AB12", operations)]));
    }
    let things = shapes.things();
    assert_eq!((things.len(), &things[0]["operations"], &things[0]["seconds"]), (1, &json!(5.0), &json!(3.0)));
    shapes.begin();
    shapes.add(&answer((0..things::MOST).map(|number| kept(&format!("{number:08}"), 1)).collect()));
    let things = shapes.things();
    assert_eq!(things.len(), things::MOST - 1);
    assert!(things.iter().all(|thing| thing["query_hash"] != "AB12"), "it was not seen for longest");
    shapes.begin();
    let own = json!({ "_id": { "ns": "shop.system.profile", "op": "query" }, "operations": 1 });
    shapes.add(&answer(vec![own]));
    assert!(shapes.things().iter().all(|thing| thing["collection"] == "orders"));
}

#[test]
fn a_command_is_shown_without_what_people_wrote() {
    let check = |command: Value, expected: &str| assert_eq!(without_literals(&command, 2000), expected);
    check(
        json!({ "find": "orders", "filter": { "name": "planted", "age": { "$in": [1, 2] } }, "lsid": { "id": 1 }, "$db": "shop" }),
        r#"{"filter":{"age":{"$in":"?"},"name":"?"},"find":"orders"}"#,
    );
    check(
        json!({ "aggregate": "orders", "pipeline": [{ "$match": { "a": "planted" } }, { "$limit": 3 }], "comment": "planted" }),
        r#"{"aggregate":"orders","pipeline":[{"$match":{"a":"?"}},{"$limit":"?"}]}"#,
    );
    check(
        json!({ "q": { "find": "planted" }, "u": { "$set": { "a": 1 } } }),
        r#"{"q":{"find":"?"},"u":{"$set":{"a":"?"}}}"#,
    );
    assert_eq!(without_literals(&json!({ "find": "orders" }), 5), "{\"fin");
}

#[test]
fn a_router_tells_of_shards_chunks_and_its_balancer() {
    let facts = Facts { capabilities: ["mongos"].into(), ..facts("mongos") };
    let said = |name: &str| {
        let answer = from_fixture(&format!("mongodb/6.0-mongos/{name}.json"));
        Points::of(row(&MONGODB, name, &facts), &answer, &facts).expect("points").text()
    };
    assert_eq!(
        said("chunks"),
        "mongodb_mongos_sharding_chunks_total 7\n\
         mongodb_mongos_sharding_shard_chunks_total{shard=\"shard1\"} 4\n\
         mongodb_mongos_sharding_shard_chunks_total{shard=\"shard2\"} 3\n"
    );
    assert_eq!(
        said("shards"),
        "mongodb_mongos_sharding_shards_draining_total 1\nmongodb_mongos_sharding_shards_total 2\n"
    );
    assert_eq!(
        said("balancer"),
        "mongodb_mongos_sharding_balancer_enabled 1\nmongodb_mongos_sharding_balancer_running 0\n"
    );
    let rows: Vec<&str> = MONGODB.rows().iter().filter(|row| row.lacks(&facts).is_some()).map(|row| row.name).collect();
    assert_eq!(rows, ["replica_set", "features", "top", "query_shapes"], "a router has no data of its own");
}

#[test]
fn every_command_only_reads() {
    for row in MONGODB.rows() {
        let Ask::Text(text) = row.ask else { panic!("{} is made at run time", row.name) };
        let first = text.trim_start_matches('{').split('"').nth(1).expect("a command");
        let known = ["serverStatus", "replSetGetStatus", "aggregate", "dbStats", "getParameter", "top", "listShards"];
        assert!(known.contains(&first) || first == "balancerStatus", "{first}");
        assert!(!text.contains("$out") && !text.contains("$merge"), "{text}");
    }
}

#[tokio::test]
async fn a_login_that_is_too_weak_is_refused_before_it_is_tried() {
    let mut target = target("mongodb", "mongodb", 1);
    target.url.user = "watchward".to_string();
    target.url.parameters.insert("authMechanism".to_string(), "PLAIN".to_string());
    let access = Access { password: Some(Secret::new("planted-7f3a")), api_key: None };
    let fault = MONGODB.connect(&target, &access).await.err().expect("a fault");
    assert_eq!(
        fault.to_string(),
        "authMechanism is 'PLAIN' [mongodb-01]\n\
         hint: Known are SCRAM-SHA-256, SCRAM-SHA-1 and, with tls=true, PLAIN."
    );
}

async fn open(fake: &Fake) -> Box<dyn Session> {
    let mut target = target("mongodb", "mongodb", fake.port);
    target.deadline = Duration::from_secs(2);
    MONGODB.connect(&target, &Access::default()).await.unwrap_or_else(|fault| panic!("{fault}"))
}

/// Asks a misbehaving server for its status, as a cycle does: no longer than two seconds.
async fn ask(session: &mut Box<dyn Session>) -> Result<Result<Answer, Unknown>, &'static str> {
    let facts = session.facts().clone();
    let ask = session.ask(row(&MONGODB, "server_status", &facts), Duration::from_secs(1));
    tokio::time::timeout(Duration::from_secs(2), ask).await.map_err(|_| "the deadline passed")
}

async fn check_fake(manner: Manner) -> (String, bool, u64) {
    let fake = Fake::start(manner).await;
    let mut session = open(&fake).await;
    assert_eq!((session.facts().role.as_str(), session.facts().version), ("standalone", (6, 0)));
    let said = match ask(&mut session).await {
        Ok(Ok(answer)) => format!("{answer:?}"),
        Ok(Err(unknown)) => format!("{}: {}", unknown.kind.word(), unknown.reason),
        Err(late) => late.to_string(),
    };
    (said.replace(&fake.port.to_string(), "PORT"), session.is_broken(), fake.sent())
}

fn resident_bytes() -> u64 {
    let text = files::read_text("/proc/self/statm".as_ref(), 4096).expect("statm");
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("pages") * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_a_gigabyte_costs_next_to_nothing() {
    const MIB: u64 = 1 << 20;
    let before = resident_bytes();
    let watch = task::spawn("watch", async move {
        let mut highest = 0;
        for _ in 0..200 {
            highest = resident_bytes().max(highest);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        highest
    });
    let (said, is_broken, sent) = check_fake(Manner::Announces(1 << 30)).await;
    assert_eq!(said, "too_large: 127.0.0.1:PORT announced a message of 1073741824 bytes");
    assert!(is_broken);
    let (flood, is_broken, flooded) = check_fake(Manner::Floods).await;
    assert!(flood.starts_with("garbled: "), "{flood}");
    assert!(is_broken);
    let grown = watch.await.expect("the highest").saturating_sub(before);
    println!("grown by {} MiB; it sent {} and {} MiB", grown / MIB, sent / MIB, flooded / MIB);
    // What it got rid of lies in the system's socket buffers. Other tests run beside this one, hence the slack;
    // a third of what was announced would be a fault all the same.
    assert!(sent < 32 * MIB && flooded < 64 * MIB, "it sent {sent} and {flooded}");
    assert!(grown < 340 * MIB, "grown by {grown} bytes");
}

#[tokio::test]
async fn a_server_that_hangs_or_trickles_ends_at_the_deadline_and_the_session_is_kept() {
    for manner in [Manner::Hangs, Manner::Trickles] {
        let watch = Stopwatch::start();
        let (said, is_broken, _) = check_fake(manner).await;
        assert_eq!((said.as_str(), is_broken), ("the deadline passed", false), "{manner:?}");
        assert!(watch.elapsed() < Duration::from_secs(4));
    }
}

#[tokio::test]
async fn what_is_no_answer_breaks_the_session_and_a_refusal_does_not() {
    assert_eq!(
        check_fake(Manner::SpeaksHttp).await.0,
        "too_large: 127.0.0.1:PORT announced a message of 1347703880 bytes",
        "the letters HTTP, taken for a length"
    );
    let (said, is_broken, _) = check_fake(Manner::Closes).await;
    assert_eq!(said, "disconnected: no whole answer from 127.0.0.1:PORT: it closed the connection");
    assert!(is_broken);
    let (said, is_broken, _) = check_fake(Manner::Refuses).await;
    assert_eq!(said, "refused: the disk is on fire (UnknownError, 8)");
    assert!(!is_broken);
}

#[tokio::test]
async fn documents_without_end_cost_the_session_and_not_the_agent() {
    let (said, is_broken, _) = check_fake(Manner::Nests(100_000)).await;
    assert_eq!(said, "garbled: 127.0.0.1:PORT sent documents within documents without end");
    assert!(is_broken);
}

#[tokio::test]
async fn a_server_that_gives_no_session_or_no_text_is_told_in_its_words() {
    for (trouble, manner, expected) in [
        (
            "buildInfo",
            Manner::WantsLogin,
            "127.0.0.1:PORT answers nothing without a login [mongodb-03]\n\
             detail: The server said: Command requires authentication (Unauthorized, 13).\n\
             hint: Give the target a user with the role clusterMonitor, and its password.",
        ),
        (
            "buildInfo",
            Manner::Refuses,
            "127.0.0.1:PORT refuses to be read [mongodb-04]\n\
             detail: The server said: the disk is on fire (UnknownError, 8).",
        ),
        (
            "hello",
            Manner::Refuses,
            "no answer from 127.0.0.1:PORT: Command failed: Error code 8 (UnknownError): the disk is on fire [mongodb-05]\n\
             hint: Is it a MongoDB server, and not overloaded or starting?",
        ),
    ] {
        let fake = Fake::start_at(trouble, manner).await;
        let fault = MONGODB.connect(&target("mongodb", "mongodb", fake.port), &Access::default()).await.err();
        assert_eq!(fault.expect("a fault").to_string().replace(&fake.port.to_string(), "PORT"), expected);
    }
    let fake = Fake::start_at("listDatabases", Manner::Refuses).await;
    let fault = open(&fake).await.statement("A1B2C3D4").await.expect_err("no text").to_string();
    assert_eq!(
        fault.replace(&fake.port.to_string(), "PORT"),
        "no profile from 127.0.0.1:PORT: the disk is on fire (UnknownError, 8) [mongodb-42]"
    );
}
