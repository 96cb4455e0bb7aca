//! The matrix: every endpoint and verb, for everybody who may come to a door. What is expected is written by hand here,
//! so that a line of the route table that is wrong, or that nobody thought about, ends the test.

use hyper::Method;
use watchward::serve::routes::{Need, ROUTES};
use watchward::sys::http::Response;
use watchward::sys::net::Address;

use crate::serve::Served;

/// What each endpoint needs, and what it answers to those who have that.
#[rustfmt::skip] // a table is read across
const EXPECTED: &[(&str, &str, Need, u16)] = &[
    ("GET", "/", Need::Open, 200),
    ("GET", "/healthz", Need::Read, 200),
    ("GET", "/readyz", Need::Read, 200),
    ("GET", "/metrics", Need::Read, 200),
    ("GET", "/api/v1/targets", Need::Read, 200),
    ("GET", "/api/v1/alerts", Need::Read, 200),
    ("GET", "/api/v1/findings", Need::Read, 200),
    ("GET", "/api/v1/database/health/{tenant_id}", Need::Read, 200),
    ("GET", "/api/v1/query", Need::Read, 400),
    ("GET", "/api/v1/query_range", Need::Read, 400),
    ("GET", "/api/v1/stream", Need::Read, 426),
    ("GET", "/api/v1/config", Need::AdministerAll, 200),
    ("GET", "/api/v1/policies", Need::Read, 200),
    ("POST", "/api/v1/policies/{name}/run", Need::Operate, 415),
    ("POST", "/api/v1/policies/{name}/arm", Need::Administer, 415),
    ("POST", "/api/v1/policies/{name}/disarm", Need::Operate, 415),
    ("POST", "/api/v1/actions/stop", Need::Operate, 415),
    ("POST", "/api/v1/actions/start", Need::AdministerAll, 415),
    ("GET", "/api/v1/journal", Need::Read, 200),
    ("GET", "/api/v1/journal/{change_id}", Need::Read, 200),
    ("POST", "/api/v1/journal/{change_id}/undo", Need::Operate, 415),
    ("POST", "/api/v1/journal/{change_id}/close", Need::Operate, 415),
];

#[test]
fn every_endpoint_stands_in_the_matrix_with_what_it_needs() {
    let mut table: Vec<_> = ROUTES.iter().map(|one| (one.verb.as_str(), one.path, one.needs)).collect();
    let mut matrix: Vec<_> = EXPECTED.iter().map(|(verb, path, needs, _)| (*verb, *path, *needs)).collect();
    table.sort_by_key(|(verb, path, _)| (*path, *verb));
    matrix.sort_by_key(|(verb, path, _)| (*path, *verb));
    assert_eq!(table, matrix);
}

/// A path with its parts filled in.
fn filled(path: &str) -> String {
    path.replace("{tenant_id}", "acme").replace("{change_id}", "1").replace("{name}", "x")
}

async fn ask(served: &Served, address: Address, verb: &str, path: &str) -> Response {
    let host = if matches!(address, Address::Unix(_)) { "localhost".to_string() } else { served.address.to_string() };
    let verb = Method::from_bytes(verb.as_bytes()).unwrap();
    served.client(address, &host).send(verb, path, &[], Vec::new()).await.unwrap()
}

#[tokio::test]
async fn without_a_token_loopback_reads_and_no_more_and_the_socket_does_all() {
    let served = Served::begin("acme", 1).await;
    for (verb, path, needs, well) in EXPECTED {
        let path = filled(path);
        let expected = if matches!(needs, Need::Open | Need::Read) { *well } else { 403 };
        assert_eq!(ask(&served, served.tcp(), verb, &path).await.status, expected, "{verb} {path} on loopback");
        let socket = Address::Unix(served.socket.clone());
        assert_eq!(ask(&served, socket, verb, &path).await.status, *well, "{verb} {path} on the socket");
    }
    let refused = ask(&served, served.tcp(), "GET", "/api/v1/config").await;
    let words: serde_json::Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(words["error"]["what"], "GET /api/v1/config needs the role admin of all tenants");
    assert_eq!(words["error"]["detail"], "You are anonymous, viewer.");
    let asked = ask(&served, Address::Unix(served.socket.clone()), "GET", "/api/v1/config").await.text();
    assert_eq!(asked, format!("\"EffectiveConfiguration for socket:uid {}\"", watchward::sys::process::user_id()));
}

#[tokio::test]
async fn a_verb_that_no_line_has_is_told_so() {
    let served = Served::begin("*", 1).await;
    let answer = ask(&served, served.tcp(), "PUT", "/metrics").await;
    assert_eq!(answer.status, 405);
    assert!(answer.text().contains("there is no PUT at /metrics"), "{}", answer.text());
}
