//! `/metrics`: the formats, the names, one target alone, service discovery, and what other tenants must not see.

use std::io::Read;

use serde_json::{Value, json};
use watchward::serve;
use watchward::serve::exposition::Naming;
use watchward::serve::gzip::is_accepted;

use crate::serve::{Folder, Served, defaults};

#[tokio::test]
async fn families_stand_together_with_help_type_and_escaped_labels() {
    let served = Served::begin("acme", 1).await;
    let response = served.get("/metrics").await;
    assert_eq!(response.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let expected = r#"# HELP db_commits Commits.
# TYPE db_commits counter
db_commits{instance="db1:1",job="db",target="orders",tenant="acme"} 12345678901234
# HELP db_size_bytes How large.\nIn bytes.
# TYPE db_size_bytes gauge
db_size_bytes{datname="a\"b\\c\nd",instance="db1:1",job="db",target="orders",tenant="acme"} 1.5
db_size_bytes{datname="plain",instance="db1:1",job="db",target="orders",tenant="acme"} +Inf
# HELP watchward_cycles_total Own.
# TYPE watchward_cycles_total counter
watchward_cycles_total{up="true"} 7
# HELP watchward_took_seconds Own.
# TYPE watchward_took_seconds histogram
watchward_took_seconds_bucket{le="0.5"} 1
watchward_took_seconds_bucket{le="+Inf"} 2
watchward_took_seconds_sum 1.25
watchward_took_seconds_count 2
"#;
    assert_eq!(response.text(), expected);
}

#[tokio::test]
async fn who_prefers_openmetrics_gets_it() {
    let served = Served::begin("acme", 1).await;
    // As Prometheus 2.42 asks.
    let accept = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                  text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let response = served.ask("GET", "/metrics", &[("accept", accept)], "").await;
    assert_eq!(response.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let expected = r#"# HELP db_commits Commits.
# TYPE db_commits unknown
db_commits{instance="db1:1",job="db",target="orders",tenant="acme"} 12345678901234
# HELP db_size_bytes How large.\nIn bytes.
# TYPE db_size_bytes gauge
db_size_bytes{datname="a\"b\\c\nd",instance="db1:1",job="db",target="orders",tenant="acme"} 1.5
db_size_bytes{datname="plain",instance="db1:1",job="db",target="orders",tenant="acme"} +Inf
# HELP watchward_cycles Own.
# TYPE watchward_cycles counter
watchward_cycles_total{up="true"} 7
# HELP watchward_took_seconds Own.
# TYPE watchward_took_seconds histogram
watchward_took_seconds_bucket{le="0.5"} 1
watchward_took_seconds_bucket{le="+Inf"} 2
watchward_took_seconds_sum 1.25
watchward_took_seconds_count 2
# EOF
"#;
    assert_eq!(response.text(), expected);
    let one = served.ask("GET", "/metrics?target=orders", &[("accept", accept)], "").await.text();
    assert!(one.contains("\ndb_commits 12345678901234\n") && one.ends_with("+Inf\n# EOF\n"), "{one}");
}

#[tokio::test]
async fn strict_names_stand_in_place_of_the_exporters_or_beside_them() {
    for (naming, has_compat, has_strict) in [(Naming::Strict, false, true), (Naming::Both, true, true)] {
        let config = serve::config::Config { naming, ..defaults() };
        let served = Served::begin_with(Folder::new(), config, Ok(())).await;
        let text = served.get("/metrics?target=orders&tenant=acme").await.text();
        assert_eq!(text.contains("\ndb_commits 12345678901234\n"), has_compat, "{naming:?}: {text}");
        assert_eq!(
            text.contains("# TYPE db_commits_total counter\ndb_commits_total 12345678901234\n"),
            has_strict,
            "{text}"
        );
        assert_eq!(text.matches("db_size_bytes{").count(), 2, "it is clean and has one name: {text}");
    }
}

#[tokio::test]
async fn prometheus_finds_each_target_by_service_discovery() {
    let served = Served::begin("acme", 1).await;
    let host = served.host();
    let expected = json!([{
        "targets": [host],
        "labels": {
            "__metrics_path__": "/metrics", "__param_target": "orders", "__param_tenant": "acme",
            "instance": "db1:1", "job": "db",
            "__meta_watchward_target": "orders", "__meta_watchward_tenant": "acme", "__meta_watchward_engine": "host",
        },
    }]);
    let response = served.get("/api/v1/sd").await;
    assert_eq!(response.header("content-type"), "application/json");
    assert_eq!(serde_json::from_slice::<Value>(&response.body).unwrap(), expected, "only what the caller may see");
    assert_eq!(Served::begin("", 1).await.json("/api/v1/sd").await, json!([]));
    assert_eq!(Served::begin("*", 1).await.json("/api/v1/sd").await.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn one_target_looks_like_the_exporter_it_replaces() {
    let served = Served::begin("acme", 1).await;
    let text = served.get("/metrics?target=orders").await.text();
    assert!(text.contains("\ndb_commits 12345678901234\n"), "{text}");
    assert!(text.contains("db_size_bytes{datname=\"plain\"} +Inf\n"), "{text}");
    assert!(!text.contains("watchward_cycles"), "{text}");
}

#[tokio::test]
async fn a_name_that_two_tenants_use_must_say_which() {
    let served = Served::begin("*", 1).await;
    let both = served.get("/metrics?target=orders").await;
    assert_eq!(both.status, 400);
    assert!(both.text().contains("several tenants have a target 'orders'"), "{}", both.text());
    let one = served.get("/metrics?target=orders&tenant=zeta").await;
    assert!(one.text().contains("db_commits 12345678901235\n"), "{}", one.text());
    let none = served.get("/metrics?target=nobody").await;
    assert_eq!(none.status, 404);
    assert!(none.text().contains("there is no target 'nobody' here"), "{}", none.text());
}

#[tokio::test]
async fn nobody_sees_a_tenant_that_the_configuration_does_not_open() {
    let closed = Served::begin("", 1).await;
    assert!(closed.get("/metrics").await.text().starts_with("# HELP watchward_cycles_total Own.\n"));
    let acme = Served::begin("acme", 1).await;
    assert!(!acme.get("/metrics").await.text().contains("zeta"));
    assert_eq!(acme.get("/metrics?target=orders&tenant=zeta").await.status, 404);
    assert!(!acme.get("/api/v1/targets").await.text().contains("zeta"));
    assert!(acme.json("/api/v1/query?query=db_commits").await["data"]["result"].as_array().unwrap().len() == 1);
}

#[tokio::test]
async fn answers_to_other_machines_are_compressed_for_who_takes_that() {
    let remote = Served::begin_remote(|_| {}).await;
    let token = remote.token(json!({ "tenants": "acme", "role": "viewer" })).await;
    let bearer = format!("Bearer {}", token["token"].as_str().unwrap());
    let plain = remote.ask("GET", "/metrics", &[("authorization", &bearer)], "").await;
    assert_eq!((plain.status, plain.header("content-encoding")), (200, ""));
    let gzip = ("accept-encoding", "gzip");
    let compressed = remote.ask("GET", "/metrics", &[("authorization", &bearer), gzip], "").await;
    assert_eq!(compressed.header("content-encoding"), "gzip");
    assert_eq!(compressed.header("content-type"), plain.header("content-type"));
    assert_eq!(compressed.header("vary"), "Accept, Accept-Encoding");
    let mut text = String::new();
    flate2::read::GzDecoder::new(compressed.body.as_slice()).read_to_string(&mut text).unwrap();
    assert_eq!(text, plain.text());
    assert!(compressed.body.len() < plain.body.len());

    let here = Served::begin("acme", 1).await.ask("GET", "/metrics", &[gzip], "").await;
    assert_eq!(here.header("content-encoding"), "", "on this machine it would gain nothing");
}

#[test]
fn what_takes_gzip_says_so() {
    for (header, expected) in [
        ("", false),
        ("gzip", true),
        ("deflate, GZIP;q=0.5", true),
        ("gzip;q=0", false),
        ("gzip;q=0.0, identity", false),
        ("x-gzip", false),
        ("br, zstd", false),
    ] {
        assert_eq!(is_accepted(header), expected, "{header}");
    }
}
