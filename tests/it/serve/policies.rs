//! Orders to act over REST: each request becomes exactly one order, and a body that is not understood becomes none.

use crate::serve::{Served, what};

const JSON: (&str, &str) = ("content-type", "application/json");

async fn ordered(verb: &str, path: &str, body: &str) -> String {
    let served = Served::begin("", 1).await;
    let answer = served.ask_socket(verb, path, &[JSON], body).await;
    if answer.status == 200 { answer.text() } else { format!("{}: {}", answer.status, what(&answer)) }
}

#[tokio::test]
async fn a_request_is_one_order_by_whoever_came() {
    let by = format!("for socket:uid {}\"", watchward::sys::process::user_id());
    for (verb, path, body, order) in [
        ("GET", "/api/v1/policies", "", "Act(Policies)"),
        (
            "POST",
            "/api/v1/policies/more%20memory/run",
            "{}",
            r#"Act(Run { policy: \"more memory\", tenant: None, dry_run: false })"#,
        ),
        (
            "POST",
            "/api/v1/policies/a%2Fb/run",
            r#"{"dry_run": true, "tenant": "acme"}"#,
            r#"Act(Run { policy: \"a/b\", tenant: Some(\"acme\"), dry_run: true })"#,
        ),
        ("POST", "/api/v1/policies/p/arm", "{}", r#"Act(Arm { policy: \"p\", tenant: None })"#),
        ("POST", "/api/v1/policies/p/disarm", "{}", r#"Act(Disarm { policy: \"p\", tenant: None })"#),
        ("POST", "/api/v1/actions/stop", "{}", "Act(Stop)"),
        ("POST", "/api/v1/actions/start", "{}", "Act(Start)"),
        ("GET", "/api/v1/journal", "", "Act(Journal { rows_max: 100 })"),
        ("GET", "/api/v1/journal?limit=99999", "", "Act(Journal { rows_max: 10000 })"),
        ("GET", "/api/v1/journal/7", "", "Act(Change(7))"),
        ("POST", "/api/v1/journal/7/undo", "{}", "Act(Undo(7))"),
        ("POST", "/api/v1/journal/7/close", "{}", "Act(Close(7))"),
    ] {
        assert_eq!(ordered(verb, path, body).await, format!("\"{order} {by}"), "{verb} {path}");
    }
}

/// Whoever means to look only must not change anything by a slip of the pen.
#[tokio::test]
async fn a_body_that_is_not_understood_orders_nothing() {
    let run = "/api/v1/policies/p/run";
    for (body, words) in [
        (r#"{"dry_run": "yes"}"#, "400: dry_run is neither true nor false"),
        (r#"{"dry-run": true}"#, "400: the request's body has a key that is not known"),
        (r#"{"tenant": 1}"#, "400: tenant is not a text"),
        ("", "400: the request's body is not JSON"),
    ] {
        assert_eq!(ordered("POST", run, body).await, words, "{body}");
    }
    for (verb, path, words) in [
        ("GET", "/api/v1/journal/seven", "400: 'seven' is not the number of a change"),
        ("POST", "/api/v1/journal/7x/undo", "400: '7x' is not the number of a change"),
        (
            "POST",
            "/api/v1/journal/99999999999999999999/close",
            "400: '99999999999999999999' is not the number of a change",
        ),
        ("GET", "/api/v1/journal?limit=-1", "400: '-1' is not a number of changes"),
    ] {
        assert_eq!(ordered(verb, path, "{}").await, words, "{verb} {path}");
    }
    assert_eq!(
        ordered("POST", "/api/v1/actions/stop", r#"{"x": 1}"#).await,
        "400: the request's body has a key that is not known"
    );
}
