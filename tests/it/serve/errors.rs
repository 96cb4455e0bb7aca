//! Every refusal that a caller can cause, in its exact words; and that none is left out.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::json;
use watchward::serve::listen::Doors;

use crate::serve::{Folder, JSON, Served, defaults, told};

const WRONG: (&str, &str) = ("authorization", "Bearer ww_0123456789_wrong");

/// A verb, a path, headers, and the words that come back.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

#[tokio::test]
async fn what_is_refused_is_told_with_the_way_out() {
    let served = Served::begin("*", 0).await;
    let upgrade = [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let foreign = [("origin", "http://evil.example")];
    let basic = [("authorization", "Basic d3c6d3c=")];
    let cases: [Case; 13] = [
        (
            "GET",
            "/nowhere",
            &[],
            "404 there is nothing at /nowhere [serve-04] | hint: The page at / and the manual list what there is.",
        ),
        ("GET", "/metrics", &foreign, "403 the Origin 'http://evil.example' is not this page's own [serve-06]"),
        (
            "GET",
            "/metrics?target=x",
            &[],
            "404 there is no target 'x' here [serve-08] | hint: GET /api/v1/targets lists them.",
        ),
        (
            "GET",
            "/metrics?target=orders",
            &[],
            "400 several tenants have a target 'orders' [serve-09] | hint: Say which: &tenant=NAME.",
        ),
        (
            "GET",
            "/api/v1/database/health/x",
            &[],
            "404 there is no tenant 'x' here [serve-10] | hint: Does the name stand in [[tenant]], and has the tenant a target? Without tenants it is 'default'.",
        ),
        (
            "GET",
            "/api/v1/stream?kind=events",
            &upgrade,
            "400 there is no kind 'events' of messages [serve-11] | hint: The kinds are samples, finding, alert, event, target.",
        ),
        (
            "GET",
            "/api/v1/stream",
            &[],
            "426 this is a WebSocket, and the request is not one for it [serve-12] | hint: Connect with ws://, version 13.",
        ),
        (
            "GET",
            "/api/v1/stream",
            &upgrade,
            "503 all 0 places of the stream are taken [serve-13] | hint: [serve] stream_clients_max sets how many there are.",
        ),
        ("PUT", "/metrics", &[], "405 there is no PUT at /metrics [serve-16]"),
        (
            "GET",
            "/api/v1/config",
            &[],
            "403 GET /api/v1/config needs the role admin of all tenants [serve-18] | detail: You are anonymous, viewer.",
        ),
        (
            "GET",
            "/metrics",
            &[WRONG],
            "401 the token is not known here [serve-19] | hint: Was it revoked, or is it another agent's? `watchward token list` shows those there are.",
        ),
        (
            "GET",
            "/metrics",
            &basic,
            "401 the header Authorization holds no token [serve-21] | hint: Send it as Authorization: Bearer ww_….",
        ),
        ("GET", "/api/v1/journal/seven", &[], "400 'seven' is not the number of a change [serve-41]"),
    ];
    for (verb, path, headers, words) in cases {
        assert_eq!(told(&served.ask(verb, path, headers, "").await), words, "{verb} {path}");
    }
    let gone = served.ask_socket("DELETE", "/api/v1/tokens/0123456789", &[], "").await;
    let words = "404 there is no token '0123456789' here [serve-35] | hint: `watchward token list` has the ids.";
    assert_eq!(told(&gone), words);
    let rebound =
        served.client(served.tcp(), "evil.example").send(hyper::Method::GET, "/", &[], Vec::new()).await.unwrap();
    assert_eq!(
        told(&rebound),
        "403 the Host 'evil.example' is not this machine's loopback [serve-05] | hint: Ask by 127.0.0.1, [::1] or \
         localhost, or add your name to [serve] hosts."
    );
}

#[tokio::test]
async fn what_is_refused_of_those_with_a_token_is_told_with_the_way_out() {
    let served = Served::begin("*", 1).await;
    let short = served.token(json!({ "tenants": "*", "role": "viewer", "name": "short", "expires": "1h" })).await;
    let admin = served.token(json!({ "tenants": "acme", "role": "admin", "name": "acme-admin" })).await;
    let text = |made: &serde_json::Value| made["token"].as_str().unwrap().to_string();
    let bearer = format!("Bearer {}", text(&admin));
    let more = json!({ "tenants": "*", "role": "viewer" }).to_string();
    assert_eq!(
        told(&served.ask("POST", "/api/v1/tokens", &[("authorization", &bearer), JSON], &more).await),
        "403 a token for the role viewer of all tenants is more than you have [serve-30] | detail: You are \
         token:acme-admin: admin of acme."
    );
    let login = json!({ "token": text(&admin) }).to_string();
    let cookie = served.ask("POST", "/login", &[JSON], &login).await.header("set-cookie").to_string();
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(
        told(&served.ask("POST", "/api/v1/tokens", &[("cookie", cookie), JSON], &more).await),
        "403 a session may change nothing without proof that its own page asks [serve-23] | hint: Send Origin, and \
         Content-Type: application/json or X-Watchward: 1; or use a token."
    );
    served.shared.clock.step_wall(3_600_000);
    let bearer = format!("Bearer {}", text(&short));
    assert_eq!(
        told(&served.ask("GET", "/metrics", &[("authorization", &bearer)], "").await),
        format!(
            "401 the token 'short' expired at {} [serve-20] | hint: `watchward token create` makes another.",
            short["expires"].as_str().unwrap()
        )
    );
    for _ in 0..10 {
        served.ask("GET", "/metrics", &[WRONG], "").await;
    }
    assert_eq!(
        told(&served.ask("GET", "/metrics", &[WRONG], "").await),
        "429 too many wrong tokens from 127.0.0.1 [serve-22] | hint: Wait a minute. A token that is right is honoured all \
         the same."
    );
}

#[tokio::test]
async fn what_is_refused_where_other_machines_come_is_told_with_the_way_out() {
    let served = Served::begin_remote(|_| {}).await;
    assert_eq!(
        told(&served.get("/metrics").await),
        "401 a token is needed here [serve-17] | hint: `watchward token create` on the agent's machine makes one."
    );
    let rebound =
        served.client(served.tcp(), "evil.example").send(hyper::Method::GET, "/", &[], Vec::new()).await.unwrap();
    assert_eq!(
        told(&rebound),
        "403 the Host 'evil.example' is not this agent's [serve-05] | hint: Ask by a name in its certificate, or add yours \
         to [serve] hosts."
    );
}

#[tokio::test]
async fn doors_that_cannot_be_opened_say_why() {
    let served = Served::begin("*", 1).await;
    let taken = served.address;
    let open = async |listen, health_listen, socket: Option<&Path>| {
        let config = watchward::serve::config::Config { listen, health_listen, ..defaults() };
        Doors::open(&config, socket).await.err().unwrap().to_string()
    };
    let words = |key: &str| {
        format!(
            "cannot listen on {taken}: Address already in use (os error 98) [serve-02]\nhint: Does another agent or program \
             use this port? Choose another with [serve] {key}."
        )
    };
    assert_eq!(open(taken, None, None).await, words("listen"));
    assert_eq!(open(defaults().listen, Some(taken), None).await, words("health_listen"));
    let folder = Folder::new();
    let socket = folder.0.join("missing").join("agent.sock");
    assert_eq!(
        open(defaults().listen, None, Some(&socket)).await,
        format!(
            "cannot make the socket {}: No such file or directory (os error 2) [serve-03]\nhint: May the agent's user write \
             to its state_dir? A socket's path may have 107 bytes at most.",
            socket.display()
        )
    );
}

/// All codes of serve in the texts of a folder, as they are written there.
fn codes(folder: &str, form: &str) -> BTreeSet<String> {
    let form = regex::Regex::new(form).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts: Vec<String> = files.filter_map(|path| fs::read_to_string(path).ok()).collect();
    texts.iter().flat_map(|text| form.captures_iter(text).map(|found| found[1].to_string())).collect()
}

#[test]
fn every_code_of_serve_has_its_words_in_a_test() {
    let ours = ["serve-01", "serve-07"]; // an answer that cannot be written, a panic: no caller can cause these
    let told = codes("tests/it/serve", r"\[(serve-\d\d)\]");
    let raw = codes("tests/it/serve", r#""code":\s?"(serve-\d\d)""#);
    let missing: Vec<String> = codes("src/serve", r#""(serve-\d\d)""#)
        .into_iter()
        .filter(|code| !told.contains(code) && !raw.contains(code) && !ours.contains(&code.as_str()))
        .collect();
    assert!(missing.is_empty(), "no test has the words of {missing:?}");
}
