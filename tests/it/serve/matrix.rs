//! The matrix: every endpoint and verb, for everybody who may come to a door. What is expected is written by hand here,
//! so that a line of the route table that is wrong, or that nobody thought about, ends the test. Other users of the
//! socket need other users: tests/live/doors.rs.

use serde_json::{Value, json};
use watchward::serve::routes::{Need, ROUTES};

use crate::serve::{Served, what};

/// An endpoint: what it needs, what it answers to those of its tenant who have that, and to those of another tenant.
#[rustfmt::skip] // a table is read across
const EXPECTED: &[(&str, &str, Need, u16, u16)] = &[
    ("GET", "/", Need::Open, 200, 200),
    ("POST", "/login", Need::Open, 415, 415), // no JSON
    ("POST", "/logout", Need::Open, 200, 200),
    ("GET", "/healthz", Need::Read, 200, 200),
    ("GET", "/readyz", Need::Read, 200, 200),
    ("GET", "/metrics", Need::Read, 200, 200),
    ("GET", "/api/v1/targets", Need::Read, 200, 200),
    ("GET", "/api/v1/alerts", Need::Read, 200, 200),
    ("GET", "/api/v1/findings", Need::Read, 200, 200),
    ("GET", "/api/v1/database/health/{tenant_id}", Need::Read, 200, 404),
    ("GET", "/api/v1/query", Need::Read, 400, 400), // no query
    ("GET", "/api/v1/query_range", Need::Read, 400, 400),
    ("GET", "/api/v1/statements", Need::ReadKnown, 400, 400), // no target
    ("GET", "/api/v1/stream", Need::Read, 426, 426), // no upgrade
    ("GET", "/api/v1/caller", Need::Read, 200, 200),
    ("GET", "/api/v1/tokens", Need::Administer, 200, 200),
    ("POST", "/api/v1/tokens", Need::Administer, 415, 415),
    ("DELETE", "/api/v1/tokens/{token_id}", Need::Administer, 404, 404),
    ("GET", "/api/v1/config", Need::AdministerAll, 200, 200),
    ("GET", "/api/v1/policies", Need::Read, 200, 200),
    ("POST", "/api/v1/policies/{name}/run", Need::Operate, 415, 415),
    ("POST", "/api/v1/policies/{name}/arm", Need::Administer, 415, 415),
    ("POST", "/api/v1/policies/{name}/disarm", Need::Operate, 415, 415),
    ("POST", "/api/v1/actions/stop", Need::OperateAll, 415, 415),
    ("POST", "/api/v1/actions/start", Need::AdministerAll, 415, 415),
    ("GET", "/api/v1/journal", Need::Read, 200, 200),
    ("GET", "/api/v1/journal/{change_id}", Need::Read, 200, 200),
    ("POST", "/api/v1/journal/{change_id}/undo", Need::Operate, 415, 415),
    ("POST", "/api/v1/journal/{change_id}/close", Need::Operate, 415, 415),
];

#[test]
fn every_endpoint_stands_in_the_matrix_with_what_it_needs() {
    let mut table: Vec<_> = ROUTES.iter().map(|one| (one.path, one.verb.as_str(), one.needs)).collect();
    let mut matrix: Vec<_> = EXPECTED.iter().map(|(verb, path, needs, ..)| (*path, *verb, *needs)).collect();
    table.sort_by_key(|(path, verb, _)| (*path, *verb));
    matrix.sort_by_key(|(path, verb, _)| (*path, *verb));
    assert_eq!(table, matrix);
    let changes = |verb: &str| !matches!(verb, "GET" | "HEAD");
    for (path, verb, needs) in matrix {
        let harmless = ["/login", "/logout"].contains(&path);
        let is_guarded = !matches!(needs, Need::Open | Need::Read);
        assert!(!changes(verb) || harmless || is_guarded, "{verb} {path} changes something for mere readers");
    }
}

#[test]
fn the_manual_lists_every_endpoint_with_what_it_needs() {
    let manual = include_str!("../../../docs/serve.md");
    for route in ROUTES {
        let line = format!("| `{} {}` | {} | ", route.verb, route.path, route.needs.words());
        assert!(manual.contains(&line), "docs/serve.md lacks: {line}");
    }
    let lines = manual.lines().filter(|line| line.starts_with("| `") && line.contains(" /"));
    let lines = lines.filter(|line| line.split(' ').nth(2).is_some_and(|path| path.starts_with('/')));
    assert_eq!(lines.count(), ROUTES.len(), "docs/serve.md lists what is not there");
}

/// Who comes, beside the socket's peers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Nobody,
    Wrong,
    Expired,
    Revoked,
    OtherTenant,
    Viewer,
    Operator,
    Admin,
    OperatorOfAll,
    AdminOfAll,
}

use Who::{Admin, AdminOfAll, Expired, Nobody, Operator, OperatorOfAll, OtherTenant, Revoked, Viewer, Wrong};

const EVERYBODY: [Who; 10] =
    [Nobody, Wrong, Expired, Revoked, OtherTenant, Viewer, Operator, Admin, OperatorOfAll, AdminOfAll];

fn expected(who: Who, remote: bool, needs: Need, own: u16, foreign: u16) -> u16 {
    let rank = |who: Who| match who {
        OtherTenant | AdminOfAll => 4, // the other tenant's is an admin there
        Admin => 3,
        Operator | OperatorOfAll => 2,
        _ => 1,
    };
    match (needs, who) {
        (Need::Open, _) => own,
        (_, Wrong | Expired | Revoked) => 401,
        (_, Nobody) if remote => 401,
        (Need::AdministerAll, who) if who != AdminOfAll => 403,
        (Need::OperateAll, who) if ![AdminOfAll, OperatorOfAll].contains(&who) => 403,
        (Need::Administer, who) if rank(who) < 3 => 403,
        (Need::Operate, who) if rank(who) < 2 => 403,
        (Need::ReadKnown, Nobody) => 403,
        (_, OtherTenant) => foreign,
        _ => own,
    }
}

/// A token of somebody, or none.
async fn token(served: &Served, who: Who) -> Option<String> {
    let (tenants, role) = match who {
        Nobody => return None,
        Wrong => return Some("ww_0123456789_wrong".to_string()),
        OtherTenant => ("zeta", "admin"),
        Viewer | Expired | Revoked => ("acme", "viewer"),
        Operator => ("acme", "operator"),
        Admin => ("acme", "admin"),
        OperatorOfAll => ("*", "operator"),
        AdminOfAll => ("*", "admin"),
    };
    let expires = if who == Expired { json!("1h") } else { Value::Null };
    let made = served.token(json!({ "tenants": tenants, "role": role, "expires": expires })).await;
    if who == Expired {
        served.shared.clock.step_wall(3_600_000);
    }
    if who == Revoked {
        let path = format!("/api/v1/tokens/{}", made["id"].as_str().unwrap());
        assert_eq!(served.ask_socket("DELETE", &path, &[], "").await.status, 200);
    }
    Some(made["token"].as_str().unwrap().to_string())
}

async fn check(remote: bool) {
    for who in EVERYBODY {
        for part in EXPECTED.chunks(9) {
            // A door of its own for every few: too many wrong tokens are another matter.
            let served = if remote { Served::begin_remote(|_| {}).await } else { Served::begin("acme", 4).await };
            let token = token(&served, who).await.map(|token| format!("Bearer {token}"));
            let headers: Vec<(&str, &str)> = token.iter().map(|token| ("authorization", token.as_str())).collect();
            for (verb, path, needs, own, foreign) in part {
                let path = path
                    .replace("{tenant_id}", "acme")
                    .replace("{token_id}", "0123456789")
                    .replace("{change_id}", "1")
                    .replace("{name}", "x");
                let answer = served.ask(verb, &path, &headers, "").await;
                let wanted = expected(who, remote, *needs, *own, *foreign);
                assert_eq!(answer.status, wanted, "{who:?} {verb} {path} (remote: {remote}): {}", answer.text());
                assert_eq!(answer.header("www-authenticate").is_empty(), wanted != 401, "{who:?} {verb} {path}");
            }
        }
    }
}

#[tokio::test]
async fn on_loopback_everybody_gets_what_they_may_have() {
    check(false).await;
}

#[tokio::test]
async fn where_other_machines_come_everybody_gets_what_they_may_have_by_token() {
    check(true).await;
}

#[tokio::test]
async fn the_own_user_does_all_over_the_socket() {
    let served = Served::begin("", 4).await;
    for (verb, path, _, own, _) in EXPECTED {
        let path = path
            .replace("{tenant_id}", "acme")
            .replace("{token_id}", "0123456789")
            .replace("{change_id}", "1")
            .replace("{name}", "x");
        assert_eq!(served.ask_socket(verb, &path, &[], "").await.status, *own, "{verb} {path}");
    }
    let asked = served.ask_socket("GET", "/api/v1/config", &[], "").await.text();
    assert_eq!(asked, format!("\"EffectiveConfiguration for socket:uid {}\"", watchward::sys::process::user_id()));
}

#[tokio::test]
async fn nobody_reads_a_word_of_another_tenant() {
    let served = Served::begin_remote(|_| {}).await;
    let acme = served.token(json!({ "tenants": "acme", "role": "admin", "name": "of-acme" })).await;
    let zeta = served.token(json!({ "tenants": "zeta", "role": "admin", "name": "of-zeta" })).await;
    for (token, own, foreign) in [(&acme, "acme", "zeta"), (&zeta, "zeta", "acme")] {
        let bearer = format!("Bearer {}", token["token"].as_str().unwrap());
        for (verb, path, ..) in EXPECTED.iter().filter(|(verb, path, ..)| *verb == "GET" && *path != "/") {
            let path = path
                .replace("{tenant_id}", own)
                .replace("{token_id}", "0123456789")
                .replace("{change_id}", "1")
                .replace("{name}", "x");
            let path = match path.as_str() {
                "/api/v1/query" => "/api/v1/query?query=db_commits".to_string(),
                "/api/v1/query_range" => "/api/v1/query_range?query=db_commits&start=1&end=9&step=1".to_string(),
                _ => path,
            };
            let text = served.ask(verb, &path, &[("authorization", &bearer)], "").await.text();
            assert!(!text.contains(foreign), "{verb} {path} as {own}: {text}");
            let tells =
                ["/metrics", "/api/v1/targets", "/api/v1/caller", "/api/v1/tokens", "/api/v1/query?query=db_commits"];
            assert!(!tells.contains(&path.as_str()) || text.contains(own), "{verb} {path} as {own}: {text}");
        }
    }
}

#[tokio::test]
async fn refusals_say_what_is_needed_and_who_asks() {
    let served = Served::begin("*", 4).await;
    let refused = served.ask("GET", "/api/v1/config", &[], "").await;
    let body: Value = serde_json::from_slice(&refused.body).unwrap();
    let expected = json!({ "error": { "code": "serve-18", "what": "GET /api/v1/config needs the role admin of all tenants",
        "detail": "You are anonymous, viewer.", "hint": "" } });
    assert_eq!(body, expected);
    assert_eq!(refused.header("cache-control"), "no-store");
    assert_eq!(served.ask("HEAD", "/api/v1/config", &[], "").await.status, 403, "HEAD needs what GET needs");
    assert_eq!(served.ask("HEAD", "/metrics", &[], "").await.status, 200);
    for odd in ["/api/v1/config/", "//api/v1/config", "/api/v1/%63onfig", "/api/v1/x/../config"] {
        assert_eq!(served.ask("GET", odd, &[], "").await.status, 404, "{odd}");
    }
    let answer = served.ask("PUT", "/metrics", &[], "").await;
    assert_eq!((answer.status, what(&answer).as_str()), (405, "there is no PUT at /metrics"));
}
