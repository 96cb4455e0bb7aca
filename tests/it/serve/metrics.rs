//! `/metrics`: the text format, one target alone, and what other tenants must not see.

use crate::serve::Served;

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
watchward_own 1
"#;
    assert_eq!(response.text(), expected);
}

#[tokio::test]
async fn one_target_looks_like_the_exporter_it_replaces() {
    let served = Served::begin("acme", 1).await;
    let text = served.get("/metrics?target=orders").await.text();
    assert!(text.contains("\ndb_commits 12345678901234\n"), "{text}");
    assert!(text.contains("db_size_bytes{datname=\"plain\"} +Inf\n"), "{text}");
    assert!(!text.contains("watchward_own"), "{text}");
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
    assert_eq!(closed.get("/metrics").await.text(), "watchward_own 1\n");
    let acme = Served::begin("acme", 1).await;
    assert!(!acme.get("/metrics").await.text().contains("zeta"));
    assert_eq!(acme.get("/metrics?target=orders&tenant=zeta").await.status, 404);
    assert!(!acme.get("/api/v1/targets").await.text().contains("zeta"));
    assert!(acme.json("/api/v1/query?query=db_commits").await["data"]["result"].as_array().unwrap().len() == 1);
}
