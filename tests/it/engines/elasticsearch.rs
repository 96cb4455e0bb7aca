//! The rows of Elasticsearch and OpenSearch against recorded answers, and their session against prepared ones.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use watchward::engines::contract::{Access, Answer, Ask, Engine, Facts, Session};
use watchward::engines::elasticsearch::Elasticsearch;
use watchward::model::fault::Fault;
use watchward::model::reading::UnknownKind;
use watchward::model::secret::Secret;

use crate::engines::http_answers::{Answers, Asked, HttpAnswers};
use crate::engines::points::{Points, from_fixture, row};
use crate::engines::targets::target;

static ELASTICSEARCH: Elasticsearch = Elasticsearch;

fn of(name: &str, answer: &Answer) -> Points {
    let facts = Facts::default();
    let points = Points::of(row(&ELASTICSEARCH, name, &facts), answer, &facts).expect("points");
    assert!(points.twice.is_empty(), "{:?}", points.twice);
    points
}

fn check(folder: &str, name: &str) -> Points {
    of(name, &from_fixture(&format!("elasticsearch/{folder}/{name}.json")))
}

#[test]
fn health_is_one_colour_of_three() {
    let health = check("7.17", "cluster_health");
    let colours: Vec<&str> = ["green", "yellow", "red"]
        .into_iter()
        .filter(|color| {
            let series =
                format!(r#"elasticsearch_cluster_health_status{{cluster="elasticsearch-test",color="{color}"}}"#);
            health.value(&series) == 1.0
        })
        .collect();
    assert_eq!(colours.len(), 1);
    assert_eq!(health.all.len(), 3 + 12);
    let red = of("cluster_health", &Answer::Json(json!({ "cluster_name": "c", "status": "red", "active_shards": 3 })));
    assert_eq!(red.value(r#"elasticsearch_cluster_health_status{cluster="c",color="red"}"#), 1.0);
    assert_eq!(red.value(r#"elasticsearch_cluster_health_active_shards{cluster="c"}"#), 3.0);
}

#[test]
fn a_node_carries_the_exporters_labels_and_seconds() {
    let node = check("7.17", "node_stats");
    let labels = r#"cluster="elasticsearch-test",es_client_node="true",es_data_node="true",es_ingest_node="true",es_master_node="true",host="127.0.0.1""#;
    let value = |name: &str, before: &str, after: &str| {
        node.value(&format!(r#"elasticsearch_{name}{{{before}{labels}{after}}}"#))
    };
    let name = r#",name="elasticsearch-1""#;
    assert_eq!(value("jvm_memory_max_bytes", r#"area="heap","#, name), 536_870_912.0);
    assert!(value("jvm_memory_used_bytes", r#"area="non-heap","#, name) > 0.0);
    assert_eq!(value("breakers_limit_size_bytes", r#"breaker="parent","#, name), 510_027_366.0);
    assert_eq!(
        value(
            "filesystem_data_size_bytes",
            "",
            &format!(r#",mount="/ (/dev/vda)"{name},path="/srv/elasticsearch/data/nodes/0""#)
        ),
        270_553_174_016.0
    );
    let pressure = format!(r#",indexing_pressure="memory"{name}"#);
    assert_eq!(value("indexing_pressure_limit_in_bytes", "", &pressure), 53_687_091.0);
    assert_eq!(value("thread_pool_rejected_count", "", &format!(r#"{name},type="write""#)), 0.0);
    let uptime_s = value("jvm_uptime_seconds", "", name);
    assert!((60.0..10_000.0).contains(&uptime_s), "{uptime_s} are milliseconds");
}

/// Each server with its folder of recorded answers.
const RECORDED: [&str; 5] = ["7.17", "8.15", "9.1", "opensearch-2.19", "opensearch-3.3"];

/// What dashboards and alerts go by, of which every server must have all.
const STARRED: &[(&str, &str)] = &[
    ("cluster_health", "status number_of_nodes number_of_data_nodes unassigned_shards relocating_shards"),
    ("cluster_health", "initializing_shards delayed_unassigned_shards active_shards active_primary_shards"),
    ("cluster_health", "number_of_pending_tasks task_max_waiting_in_queue_millis"),
    (
        "node_stats",
        "jvm_memory_used_bytes jvm_memory_max_bytes jvm_memory_pool_used_bytes jvm_gc_collection_seconds_sum",
    ),
    ("node_stats", "jvm_gc_collection_seconds_count filesystem_data_available_bytes filesystem_data_size_bytes"),
    ("node_stats", "indices_indexing_index_total indices_indexing_index_time_seconds_total"),
    ("node_stats", "indices_search_query_total indices_search_query_time_seconds indices_search_fetch_total"),
    ("node_stats", "indices_search_fetch_time_seconds thread_pool_queue_count thread_pool_rejected_count"),
    ("node_stats", "thread_pool_active_count indexing_pressure_current_all_in_bytes indexing_pressure_limit_in_bytes"),
    ("node_stats", "breakers_tripped breakers_estimated_size_bytes breakers_limit_size_bytes"),
    (
        "cluster_settings",
        "clustersettings_allocation_watermark_low_bytes clustersettings_allocation_watermark_high_bytes",
    ),
    ("cluster_settings", "clustersettings_allocation_watermark_flood_stage_bytes"),
    ("snapshots", "snapshot_stats_number_of_snapshots snapshot_stats_latest_snapshot_timestamp_seconds"),
    ("indices", "indices_docs_primary indices_store_size_bytes_primary indices_store_size_bytes_total"),
    ("cluster_info", "clusterinfo_version_info"),
    ("node_shards", "node_shards_total"),
];

#[test]
fn every_version_has_every_name_that_dashboards_and_alerts_go_by() {
    for folder in RECORDED {
        for (row, names) in STARRED {
            let points = check(folder, row);
            for name in names.split(' ') {
                let name = if *row == "cluster_health" { format!("cluster_health_{name}") } else { name.to_string() };
                let name = format!("elasticsearch_{name}");
                let has = points.all.keys().any(|series| series.split('{').next() == Some(name.as_str()));
                assert!(has, "{folder} {row} has no {name}: {}", points.text());
            }
        }
        for row in ["read_only_indices", "index_settings", "index_mappings", "tasks"] {
            check(folder, row);
        }
    }
}

#[test]
fn a_cluster_manager_of_opensearch_is_a_master_node() {
    let node = check("opensearch-2.19", "node_stats");
    let roles = |series: &&String| series.starts_with("elasticsearch_nodes_roles{");
    assert!(node.all.keys().filter(|series| !roles(series)).all(|one| one.contains(r#"es_master_node="true""#)));
    let held =
        r#"elasticsearch_nodes_roles{cluster="opensearch-test",host="127.0.0.1",name="opensearch-1",role="master"}"#;
    assert_eq!(node.value(held), 1.0);
    assert!(node.all.len() > 130, "{}", node.all.len());
}

#[test]
fn watermarks_are_ratios_or_bytes_and_what_is_set_goes_before_defaults() {
    assert_eq!(
        check("7.17", "cluster_settings").text(),
        "elasticsearch_clustersettings_allocation_threshold_enabled 1\n\
         elasticsearch_clustersettings_allocation_watermark_flood_stage_bytes 524288000\n\
         elasticsearch_clustersettings_allocation_watermark_high_bytes 1073741824\n\
         elasticsearch_clustersettings_allocation_watermark_low_bytes 2147483648\n\
         elasticsearch_clustersettings_stats_max_shards_per_node 1000\n\
         elasticsearch_clustersettings_stats_shard_allocation_enabled 0\n"
    );
    let disk =
        |low: &str| json!({ "cluster": { "routing": { "allocation": { "disk": { "watermark": { "low": low } } } } } });
    let mut defaults = disk("85%");
    defaults["cluster"]["max_shards_per_node"] = json!("1000");
    let ratio = |answer| of("cluster_settings", &Answer::Json(answer)).text();
    let low = "elasticsearch_clustersettings_allocation_watermark_low_ratio";
    let limit = "elasticsearch_clustersettings_stats_max_shards_per_node 1000";
    assert_eq!(ratio(json!({ "defaults": defaults })), format!("{low} 0.85\n{limit}\n"));
    assert_eq!(ratio(json!({ "defaults": defaults, "persistent": disk("0.7") })), format!("{low} 0.7\n{limit}\n"));
    let all = json!({ "defaults": defaults, "persistent": disk("0.7"), "transient": disk("60%") });
    assert_eq!(ratio(all), format!("{low} 0.6\n{limit}\n"));
}

#[test]
fn indices_that_the_flood_stage_closed_are_counted() {
    for folder in ["7.17", "8.15", "9.1", "opensearch-2.19"] {
        let series = "elasticsearch_indices_settings_stats_read_only_indices";
        assert_eq!(check(folder, "read_only_indices").value(series), 1.0);
        assert_eq!(of("read_only_indices", &Answer::Json(json!({}))).value(series), 0.0);
    }
}

#[test]
fn snapshots_tell_the_oldest_the_latest_good_one_and_what_became_of_the_last() {
    assert_eq!(
        check("7.17", "snapshots").value(r#"elasticsearch_snapshot_stats_number_of_snapshots{repository="backup"}"#),
        2.0
    );
    let snapshot = |state: &str, begun_ms: i64, failed: u32| {
        json!({ "state": state, "version": "7.17.28", "start_time_in_millis": begun_ms,
            "end_time_in_millis": begun_ms + 500, "indices": ["a", "b"], "failures": [{ "index": "a" }],
            "shards": { "failed": failed, "successful": 2 - failed, "total": 2 } })
    };
    let all = [snapshot("FAILED", 9_000_000, 2), snapshot("SUCCESS", 1_000_999, 0), snapshot("PARTIAL", 5_000_000, 1)];
    let found = of("snapshots", &Answer::Json(json!({ "r": { "snapshots": all }, "empty": { "snapshots": [] } })));
    let prefix = "elasticsearch_snapshot_stats_";
    let lines: Vec<String> = found.text().lines().map(|line| line.replace(prefix, "")).collect();
    let last = r#"{repository="r",state="FAILED",version="7.17.28"}"#;
    assert_eq!(
        lines,
        [
            r#"latest_snapshot_timestamp_seconds{repository="empty"} 0"#.to_string(),
            r#"latest_snapshot_timestamp_seconds{repository="r"} 5000"#.to_string(),
            r#"number_of_snapshots{repository="empty"} 0"#.to_string(),
            r#"number_of_snapshots{repository="r"} 3"#.to_string(),
            r#"oldest_snapshot_timestamp{repository="empty"} 0"#.to_string(),
            r#"oldest_snapshot_timestamp{repository="r"} 1000"#.to_string(),
            format!("snapshot_end_time_timestamp{last} 9000.5"),
            format!("snapshot_failed_shards{last} 2"),
            format!("snapshot_number_of_failures{last} 1"),
            format!("snapshot_number_of_indices{last} 2"),
            format!("snapshot_start_time_timestamp{last} 9000"),
            format!("snapshot_successful_shards{last} 0"),
            format!("snapshot_total_shards{last} 2"),
        ]
    );
}

#[test]
fn only_sections_that_a_version_knows_are_asked_for() {
    let asked = |version, flavour: &str| {
        let facts = Facts { version, flavour: flavour.to_string(), ..Facts::default() };
        let Ask::Own(own) = row(&ELASTICSEARCH, "node_stats", &facts).ask else { panic!("made at run time") };
        own(&facts).contains(",indexing_pressure/")
    };
    assert!(!asked((7, 9), "") && asked((7, 10), "") && asked((8, 15), "") && asked((1, 0), "opensearch"));
}

fn healthy(asked: &Asked) -> (u16, String) {
    let (path, _) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    match path {
        "/es/" => (200, r#"{"cluster_name": "c", "version": {"number": "8.15.1"}}"#.to_string()),
        "/es/_snapshot" => (200, r#"{"a b": {"type": "fs"}, "c": {"type": "s3"}}"#.to_string()),
        "/es/_snapshot/a%20b/_all" | "/es/_snapshot/c/_all" => (200, r#"{"snapshots": []}"#.to_string()),
        "/es/_cluster/health" => {
            (403, r#"{"error": {"type": "security_exception", "reason": "action [cluster:monitor/health] is unauthorized."}}"#.to_string())
        }
        "/es/_cluster/settings" => (400, r#"{"error": "no handler found for uri [/_cluster/settings]"}"#.to_string()),
        "/es/_all/_settings/index.blocks.read_only_allow_delete" => (200, "<html>".to_string()),
        _ => (200, format!("\"{}\"", "x".repeat(9 << 20))),
    }
}

async fn open(server: &HttpAnswers, access: &Access) -> Result<Box<dyn Session>, Fault> {
    let mut target = target("elasticsearch", "http", server.port);
    target.url.path = "es/".to_string();
    target.url.user = "watchward".to_string();
    ELASTICSEARCH.connect(&target, access).await
}

fn password() -> Access {
    Access { password: Some(Secret::new("planted-7f3a")), api_key: None }
}

#[tokio::test]
async fn each_way_to_fail_a_row_has_its_kind_and_leaves_the_session() {
    let server = HttpAnswers::start(healthy).await;
    let mut session = open(&server, &password()).await.expect("a session");
    let facts = session.facts().clone();
    assert_eq!((facts.version, facts.flavour.as_str()), ((8, 15), ""));
    let mut seen = Vec::new();
    for name in ["cluster_health", "cluster_settings", "read_only_indices", "snapshots"] {
        let row = row(&ELASTICSEARCH, name, &facts);
        match session.ask(row, Duration::from_secs(3)).await {
            Ok(answer) => seen.push(format!("{} points", Points::of(row, &answer, &facts).expect("points").all.len())),
            Err(unknown) => seen.push(format!("{}: {}", unknown.kind.word(), unknown.reason)),
        }
    }
    assert_eq!(
        seen,
        [
            "privilege: action [cluster:monitor/health] is unauthorized (status 403)",
            "not_here: no handler found for uri [/_cluster/settings] (status 400)",
            "garbled: no answer in JSON: '<html>'",
            "6 points",
        ]
    );
    assert!(!session.is_broken());
    let stats =
        session.ask(row(&ELASTICSEARCH, "node_stats", &facts), Duration::from_secs(3)).await.expect_err("9 MiB");
    assert_eq!(stats.kind, UnknownKind::TooLarge);
    assert!(session.is_broken());
    assert!(server.asked().iter().all(|asked| asked.method == "GET" && asked.body.is_empty()));
}

#[tokio::test]
async fn a_login_is_basic_or_an_api_key_in_either_form() {
    let server = HttpAnswers::start(healthy).await;
    let key = |text: &str| Access { password: None, api_key: Some(Secret::new(text)) };
    for (access, header) in [
        (password(), "Basic d2F0Y2h3YXJkOnBsYW50ZWQtN2YzYQ=="),
        (
            key("VuaCfGcBCdbkQm-e5aOx:ui2lp2axTNmsyakw9tvNnw"),
            "ApiKey VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw==",
        ),
        (key("VnVhQ2ZHY0JDZGJrUW0"), "ApiKey VnVhQ2ZHY0JDZGJrUW0"),
    ] {
        drop(open(&server, &access).await.expect("a session"));
        let asked = server.asked().pop().expect("a request");
        assert_eq!((asked.header("authorization"), asked.header("user-agent")), (header, "watchward"));
    }
}

async fn refused(answers: Answers, access: &Access) -> String {
    let server = HttpAnswers::start(answers).await;
    let fault = open(&server, access).await.err().expect("a fault");
    assert!(!format!("{fault:?}").contains("planted-7f3a"));
    fault.to_string().replace(&server.port.to_string(), "PORT")
}

#[tokio::test]
async fn faults_tell_what_the_server_said() {
    let unauthorized: Answers =
        |_| (401, r#"{"error": {"reason": "unable to authenticate"}, "status": 401}"#.to_string());
    let key = Access { password: None, api_key: Some(Secret::new("planted-7f3a")) };
    assert_eq!(
        refused(unauthorized, &key).await,
        "127.0.0.1:PORT refuses this API key [elasticsearch-01]\n\
         detail: The server answered with status 401: unable to authenticate.\n\
         hint: Is the password or API key right, and neither expired nor of another cluster?"
    );
    assert_eq!(
        refused(
            |_| (403, r#"{"error": {"reason": "action [cluster:monitor/main] is unauthorized"}}"#.into()),
            &password()
        )
        .await,
        "127.0.0.1:PORT does not let this login read [elasticsearch-02]\n\
         detail: The server answered with status 403: action [cluster:monitor/main] is unauthorized.\n\
         hint: Give it the cluster privilege monitor, and monitor on all indices."
    );
    assert_eq!(
        refused(|_| (503, "upstream is gone".into()), &password()).await,
        "127.0.0.1:PORT answers with status 503 [elasticsearch-03]\n\
         detail: The server answered with status 503: upstream is gone.\n\
         hint: Is the node still starting, or is there a proxy between that cannot reach it?"
    );
    assert_eq!(
        refused(|_| (200, r#"{"hello": "world"}"#.into()), &password()).await,
        "127.0.0.1:PORT does not answer like Elasticsearch: it names no version [elasticsearch-04]\n\
         hint: Is this the HTTP port (9200), not the transport port (9300)?"
    );
}

#[tokio::test]
async fn a_connection_closed_at_the_moment_of_a_request_is_no_server_that_is_down() {
    let server = HttpAnswers::start(healthy).await;
    let mut session = open(&server, &password()).await.expect("a session");
    server.patience.store(1, Ordering::Relaxed);
    for _ in 0..3 {
        session.probe().await.unwrap_or_else(|fault| panic!("{fault}"));
    }
    server.patience.store(0, Ordering::Relaxed);
    let fault = session.probe().await.expect_err("every connection is closed");
    assert_eq!(fault.code, "http-01");
    assert!(session.is_broken());
}
