//! Rows of Elasticsearch and OpenSearch that are read only where asked for or where there is such a thing.
//!
//! Lifecycle management and data streams with data in them are not on the servers of the tests: their
//! answers are put together here by what the manuals of the servers say of them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use watchward::engines::contract::{Access, Answer, Engine, Facts};
use watchward::engines::elasticsearch::Elasticsearch;
use watchward::engines::elasticsearch::monitor::indices;
use watchward::model::filter::{Filter, Glob};
use watchward::model::reading::UnknownKind;

use crate::engines::http_answers::{Asked, HttpAnswers};
use crate::engines::points::{Points, from_fixture, row};
use crate::engines::targets::target;

static ELASTICSEARCH: Elasticsearch = Elasticsearch;

/// Elasticsearch in its usual build.
fn usual() -> Facts {
    Facts { version: (8, 15), capabilities: ["x-pack", "data streams"].into(), ..Facts::default() }
}

fn of(name: &str, answer: &Answer) -> Points {
    let facts = usual();
    let points = Points::of(row(&ELASTICSEARCH, name, &facts), answer, &facts).expect("points");
    assert!(points.twice.is_empty(), "{:?}", points.twice);
    points
}

fn recorded(folder: &str, name: &str) -> Points {
    of(name, &from_fixture(&format!("elasticsearch/{folder}/{name}.json")))
}

fn check(name: &str, document: Value, expected: &[&str]) {
    let text = of(name, &Answer::Json(document)).text();
    assert_eq!(text.lines().collect::<Vec<_>>(), expected, "{name}");
}

#[test]
fn a_row_is_there_where_its_thing_is() {
    let names = |facts: &Facts| -> Vec<&str> {
        ELASTICSEARCH.rows().iter().filter(|row| row.exists(facts)).map(|row| row.name).collect()
    };
    let has = |facts: &Facts, name: &str| names(facts).contains(&name);
    let free = Facts { version: (7, 17), ..Facts::default() };
    let opensearch = Facts {
        version: (3, 1),
        flavour: "opensearch".to_string(),
        capabilities: ["data streams"].into(),
        ..Facts::default()
    };
    for name in ["slm", "ilm", "ilm_indices", "health_report"] {
        assert!(has(&usual(), name) && !has(&free, name) && !has(&opensearch, name), "{name}");
    }
    assert!(has(&usual(), "data_streams") && has(&opensearch, "data_streams") && !has(&free, "data_streams"));
    assert!(!has(&Facts { version: (8, 6), ..usual() }, "health_report"));
    assert!(!has(&Facts { version: (7, 8), ..usual() }, "data_streams"));
    let of_node: Vec<&str> = ELASTICSEARCH.rows().iter().filter(|row| !row.of_cluster).map(|row| row.name).collect();
    assert_eq!(
        of_node,
        ["node_stats", "statements", "slow_log"],
        "everything else is the same whichever node is asked"
    );
}

#[test]
fn an_index_has_its_documents_its_size_and_its_work() {
    for (folder, cluster) in [
        ("7.17", "elasticsearch-test"),
        ("8.15", "elasticsearch-test"),
        ("9.1", "elasticsearch-test"),
        ("opensearch-2.19", "opensearch-test"),
        ("opensearch-3.3", "opensearch-3-test"),
    ] {
        let points = recorded(folder, "indices");
        let value =
            |name: &str| points.value(&format!(r#"elasticsearch_{name}{{cluster="{cluster}",index="products"}}"#));
        assert_eq!(value("indices_docs_primary"), 2.0);
        assert_eq!(value("index_stats_indexing_index_total"), 2.0);
        let seconds = value("index_stats_indexing_index_time_seconds_total");
        assert!(0.0 < seconds && seconds < 1.0, "{seconds} are milliseconds");
        assert!(value("indices_store_size_bytes_total") >= value("indices_store_size_bytes_primary"));
        assert_eq!(points.all.len(), 2 * 10);
    }
}

#[test]
fn an_index_has_all_that_the_exporter_says_of_it_and_a_shard_its_size() {
    for (folder, cluster) in [("7.17", "elasticsearch-test"), ("opensearch-2.19", "opensearch-test")] {
        let points = recorded(folder, "index_stats");
        let value =
            |name: &str| points.value(&format!(r#"elasticsearch_{name}{{cluster="{cluster}",index="products"}}"#));
        assert!(value("indices_segment_count_primary") >= 1.0);
        assert_eq!(value("indices_segment_count_primary"), value("indices_segment_count_total"));
        assert!(value("index_stats_refresh_total") >= 1.0 && value("index_stats_refresh_time_seconds_total") < 10.0);
        assert_eq!(value("index_stats_merge_auto_throttle_bytes_total"), 20.0 * 1024.0 * 1024.0);
        assert_eq!(points.all.len(), 62, "each metric, of one index");
        let shards = recorded(folder, "shards");
        let sizes: Vec<(&String, &f64)> =
            shards.all.iter().filter(|(series, _)| series.contains("store_size")).collect();
        let [(series, size)] = sizes[..] else { panic!("one shard: {sizes:?}") };
        assert!(series.contains(r#"index="products""#) && series.contains(r#"primary="true",shard="0""#), "{series}");
        assert!(*size > 1000.0);
    }
}

#[test]
fn which_indices_are_watched_is_said_to_the_server_as_far_as_it_understands() {
    let globs = |all: &[&str]| all.iter().map(|one| Glob::new(*one)).collect::<Vec<_>>();
    let watched = |include: Option<&[&str]>, exclude: &[&str]| {
        let by = |all: Vec<Glob>| [("index".to_string(), all)].into();
        let include = include.map_or_else(BTreeMap::new, |all| by(globs(all)));
        indices::watched(&Filter { include, exclude: by(globs(exclude)) })
    };
    let long: Vec<String> = (0..300).map(|n| format!("orders-{n}-*")).collect();
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    /// `include`, `exclude`, and what stands in the path.
    type Case<'c> = (Option<&'c [&'c str]>, &'c [&'c str], &'c str);
    let rows: &[Case<'_>] = &[
        (None, &[], "_all"),
        (None, &[".*"], "*,-.*"),
        (Some(&["orders-*", "users"]), &[], "orders-*,users"),
        (Some(&["orders-*"]), &["*-old", "orders-a?"], "orders-*,-*-old"), // the ? is left to the reader
        (Some(&["orders-202?"]), &[], "orders-202*"), // more than wanted: the reader sorts them out
        (Some(&["users"]), &["*-old"], "users"),      // behind no wildcard a minus is part of a name
        (Some(&["a/../_cluster"]), &[], "_all"),
        (Some(&["_all", "-x"]), &[], "_all"),
        (Some(&["elsewhere:*"]), &[], "_all"), // another cluster's
        (Some(&["Größe*"]), &[], "_all"),
        (Some(&long), &[], "_all"), // no path is that long
    ];
    for (include, exclude, expected) in rows {
        assert_eq!(watched(*include, exclude), *expected, "{include:?} without {exclude:?}");
    }
}

/// Gives more than it was asked for, as a server does that knows no `?`.
fn too_many(asked: &Asked) -> (u16, String) {
    if asked.path.starts_with("/?") {
        let root = json!({ "cluster_name": "c", "cluster_uuid": "u", "version": { "number": "7.17.28" } });
        return (200, root.to_string());
    }
    let index = |docs: u32| json!({ "primaries": { "docs": { "count": docs, "deleted": 0 } } });
    let all = json!({ "orders-1": index(1), "orders-22": index(22), "orders-3": index(3), "users": index(4) });
    (200, json!({ "indices": all }).to_string())
}

#[tokio::test]
async fn only_the_watched_indices_are_asked_for_and_counted_among_all_others() {
    let server = HttpAnswers::start(too_many).await;
    let mut target = target("elasticsearch", "http", server.port);
    target.filter = Filter {
        include: [("index".to_string(), vec![Glob::new("orders-?"), Glob::new("other")])].into(),
        exclude: [("index".to_string(), vec![Glob::new("*-3")])].into(),
    };
    let mut session = ELASTICSEARCH.connect(&target, &Access::default()).await.expect("a session");
    let facts = session.facts().clone();
    for name in ["indices", "index_stats", "shards", "index_settings", "index_mappings"] {
        session.ask(row(&ELASTICSEARCH, name, &facts), Duration::from_secs(5)).await.expect("an answer");
        let path = server.asked().last().expect("asked").path.clone();
        assert!(path.starts_with("/orders-*,other,-*-3/_") && path.contains("ignore_unavailable=true"), "{path}");
    }
    let row = row(&ELASTICSEARCH, "indices", &facts);
    let answer = session.ask(row, Duration::from_secs(5)).await.expect("an answer");
    let points = Points::of(row, &answer, &facts).expect("points");
    assert_eq!(
        points.text(),
        "elasticsearch_indices_deleted_docs_primary{cluster=\"c\",index=\"orders-1\"} 0\n\
         elasticsearch_indices_docs_primary{cluster=\"c\",index=\"orders-1\"} 1\n",
        "what the server gave beyond that is no series, and in no sum"
    );
}

#[test]
fn settings_and_fields_of_an_index() {
    for folder in ["7.17", "8.15", "9.1", "opensearch-2.19", "opensearch-3.3"] {
        let settings = recorded(folder, "index_settings");
        let limit =
            |index: &str| settings.value(&format!(r#"elasticsearch_indices_settings_total_fields{{index="{index}"}}"#));
        assert_eq!([limit("frozen"), limit("products")], [50.0, 1000.0], "what is not set is the default");
        let made = settings.value(r#"elasticsearch_indices_settings_creation_timestamp_seconds{index="frozen"}"#);
        assert!((1.7e9..2e9).contains(&made), "{made} are milliseconds");
        let fields = recorded(folder, "index_mappings");
        // name and name.raw, place.town and place.at: an object is no field.
        assert_eq!(fields.value(r#"elasticsearch_indices_mappings_stats_fields{index="frozen"}"#), 4.0);
        assert_eq!(fields.value(r#"elasticsearch_indices_mappings_stats_fields{index="products"}"#), 2.0);
        assert_eq!(recorded(folder, "tasks").text(), "");
    }
    let shards = recorded("7.17", "node_shards");
    assert_eq!(shards.text(), "elasticsearch_node_shards_total{node=\"elasticsearch-1\"} 2\n");
    let info = recorded("7.17", "cluster_info").text();
    assert!(
        info.starts_with("elasticsearch_clusterinfo_version_info{") && info.contains(r#"version="7.17.28""#),
        "{info}"
    );
}

#[test]
fn shards_that_no_node_holds_are_no_nodes() {
    check(
        "node_shards",
        json!([{ "node": "n1", "shards": "7" }, { "node": "UNASSIGNED", "shards": "2" }]),
        &[r#"elasticsearch_node_shards_total{node="n1"} 7"#],
    );
}

#[test]
fn tasks_are_counted_by_action() {
    check(
        "tasks",
        json!({ "tasks": [{ "action": "indices:data/read/search" }, { "action": "indices:data/write/bulk" },
            { "action": "indices:data/read/search" }] }),
        &[
            r#"elasticsearch_task_stats_action{action="indices:data/read/search"} 2"#,
            r#"elasticsearch_task_stats_action{action="indices:data/write/bulk"} 1"#,
        ],
    );
}

#[test]
fn data_streams_have_their_size_and_their_indices() {
    assert_eq!(recorded("opensearch-2.19", "data_streams").text(), "");
    check(
        "data_streams",
        json!({ "data_streams": [{ "data_stream": "logs", "backing_indices": 3, "store_size_bytes": 4096 }] }),
        &[
            r#"elasticsearch_data_stream_backing_indices_total{data_stream="logs"} 3"#,
            r#"elasticsearch_data_stream_store_size_bytes{data_stream="logs"} 4096"#,
        ],
    );
}

#[test]
fn snapshots_by_policy_and_the_lifecycle_of_indices() {
    check(
        "slm",
        json!({ "retention_runs": 13, "retention_deletion_time_millis": 1404, "total_snapshots_failed": 2,
            "policy_stats": [{ "policy": "nightly", "snapshots_taken": 9, "snapshots_failed": 2 }] }),
        &[
            "elasticsearch_slm_stats_retention_deletion_time_seconds 1.404",
            "elasticsearch_slm_stats_retention_runs_total 13",
            r#"elasticsearch_slm_stats_snapshots_failed_total{policy="nightly"} 2"#,
            r#"elasticsearch_slm_stats_snapshots_taken_total{policy="nightly"} 9"#,
            "elasticsearch_slm_stats_total_snapshots_failed_total 2",
        ],
    );
    check(
        "ilm",
        json!({ "operation_mode": "STOPPED" }),
        &[
            r#"elasticsearch_ilm_status{operation_mode="RUNNING"} 0"#,
            r#"elasticsearch_ilm_status{operation_mode="STOPPED"} 1"#,
            r#"elasticsearch_ilm_status{operation_mode="STOPPING"} 0"#,
        ],
    );
    check(
        "ilm_indices",
        json!({ "indices": { "logs-1": { "managed": true, "phase": "hot", "action": "rollover", "step": "ERROR" },
            "plain": { "managed": false } } }),
        &[
            r#"elasticsearch_ilm_index_status{action="rollover",index="logs-1",phase="hot",step="ERROR"} 1"#,
            r#"elasticsearch_ilm_index_status{index="plain"} 0"#,
        ],
    );
}

#[test]
fn the_health_report_has_a_colour_for_each_indicator() {
    check(
        "health_report",
        json!({ "cluster_name": "c", "status": "yellow", "indicators": {
            "disk": { "status": "green" },
            "shards_capacity": { "status": "unknown", "details": { "data": { "max_shards_in_cluster": 3000 } } },
            "ilm": { "status": "green", "details": { "policies": 17, "stagnating_indices": 1 } } } }),
        &[
            r#"elasticsearch_health_report_disk_status{cluster="c",color="green"} 1"#,
            r#"elasticsearch_health_report_disk_status{cluster="c",color="red"} 0"#,
            r#"elasticsearch_health_report_disk_status{cluster="c",color="yellow"} 0"#,
            r#"elasticsearch_health_report_ilm_policies{cluster="c"} 17"#,
            r#"elasticsearch_health_report_ilm_stagnating_indices{cluster="c"} 1"#,
            r#"elasticsearch_health_report_ilm_status{cluster="c",color="green"} 1"#,
            r#"elasticsearch_health_report_ilm_status{cluster="c",color="red"} 0"#,
            r#"elasticsearch_health_report_ilm_status{cluster="c",color="yellow"} 0"#,
            r#"elasticsearch_health_report_max_shards_in_cluster_data{cluster="c"} 3000"#,
            r#"elasticsearch_health_report_shards_capacity_status{cluster="c",color="green"} 0"#,
            r#"elasticsearch_health_report_shards_capacity_status{cluster="c",color="red"} 0"#,
            r#"elasticsearch_health_report_shards_capacity_status{cluster="c",color="yellow"} 0"#,
            r#"elasticsearch_health_report_status{cluster="c",color="green"} 0"#,
            r#"elasticsearch_health_report_status{cluster="c",color="red"} 0"#,
            r#"elasticsearch_health_report_status{cluster="c",color="yellow"} 1"#,
        ],
    );
}

#[test]
fn the_health_report_of_8_and_9_is_read() {
    for folder in ["8.15", "9.1"] {
        let report = recorded(folder, "health_report");
        let has = |name: &str, color: &str| {
            let labels = format!(r#"{{cluster="elasticsearch-test",color="{color}"}}"#);
            report.value(&format!("elasticsearch_health_report_{name}{labels}")) == 1.0
        };
        for name in ["status", "disk_status", "master_is_stable_status", "shards_capacity_status"] {
            let colours = ["green", "yellow", "red"].map(|color| has(name, color));
            assert_eq!(colours.iter().filter(|is_so| **is_so).count(), 1, "{folder}: {name}: {colours:?}");
        }
        assert!(has("master_is_stable_status", "green"), "{folder}");
        let repositories = r#"elasticsearch_health_report_total_repositories{cluster="elasticsearch-test"}"#;
        assert_eq!(report.value(repositories), 1.0, "{folder}");
    }
}

/// A managed service, which lets nobody through to some of its paths.
fn managed(asked: &Asked) -> (u16, String) {
    let (path, _) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    match path {
        "/" => {
            let version = r#"{"number": "8.15.1", "build_flavor": "serverless"}"#;
            (200, format!(r#"{{"cluster_name": "c", "cluster_uuid": "u1", "version": {version}}}"#))
        }
        "/_cluster/settings" => {
            (401, r#"{"Message": "Your request: '/_cluster/settings' is not allowed."}"#.to_string())
        }
        "/_cluster/health" => {
            let said =
                "uri [/_cluster/health] with method [GET] exists but is not available when running in serverless mode";
            (
                410,
                format!(r#"{{"error": {{"type": "api_not_available_exception", "reason": "{said}"}}, "status": 410}}"#),
            )
        }
        _ => (200, "{}".to_string()),
    }
}

#[tokio::test]
async fn what_a_managed_service_keeps_to_itself_is_not_here_and_no_error() {
    let server = HttpAnswers::start(managed).await;
    let target = target("elasticsearch", "http", server.port);
    let mut session = ELASTICSEARCH.connect(&target, &Access::default()).await.expect("a session");
    let facts = session.facts().clone();
    assert_eq!(facts.cluster, "u1");
    for name in ["cluster_settings", "cluster_health"] {
        let asked = session.ask(row(&ELASTICSEARCH, name, &facts), Duration::from_secs(3)).await;
        let unknown = asked.expect_err("it is kept");
        assert_eq!(unknown.kind, UnknownKind::NotHere, "{}", unknown.reason);
    }
    assert!(!session.is_broken());
}
