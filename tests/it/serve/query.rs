//! The query API answers as Prometheus does, within the reader's scope.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use watchward::serve::answers::Answers;

use crate::serve::{Folder, Served, defaults};

#[tokio::test]
async fn an_instant_query_gives_a_vector_of_pairs() {
    let served = Served::begin("*", 1).await;
    let answer = served.json("/api/v1/query?query=sum(db_commits)by(tenant)&time=9999999999").await;
    assert_eq!(answer["data"]["result"], json!([]), "{answer}");
    let answer = served.json("/api/v1/query?query=sum(db_commits)by(tenant)").await;
    assert_eq!(answer["status"], "success");
    assert_eq!(answer["data"]["resultType"], "vector");
    assert_eq!(answer["data"]["result"][0]["metric"], json!({ "tenant": "acme" }));
    assert_eq!(answer["data"]["result"][0]["value"][1], "12345678901234");
}

#[tokio::test]
async fn a_range_query_gives_a_matrix() {
    let served = Served::begin("acme", 1).await;
    let now_s = served.shared.clock.now().stored_ms / 1000;
    let path = format!("/api/v1/query_range?query=db_commits&start={}&end={}&step=15s", now_s - 15, now_s + 15);
    let answer = served.json(&path).await;
    assert_eq!(answer["data"]["resultType"], "matrix", "{answer}");
    assert!(!answer["data"]["result"][0]["values"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn faults_in_a_query_are_told_with_prometheus_error_types() {
    let served = Served::begin("*", 1).await;
    for (path, words) in [
        ("/api/v1/query", "the parameter query is missing"),
        ("/api/v1/query?query=up&time=soon", "time 'soon' is neither seconds since 1970 nor RFC 3339"),
        ("/api/v1/query_range?query=up&start=5&end=1&step=1", "end is before start"),
        ("/api/v1/query_range?query=up&start=1&end=5&step=0", "step must be longer than nothing"),
    ] {
        let response = served.get(path).await;
        assert_eq!(response.status, 400, "{path}");
        let answer: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!((&answer["errorType"], &answer["error"]), (&json!("bad_data"), &json!(words)), "{path}");
    }
    assert_eq!(served.get("/api/v1/query?query=sum(").await.status, 400);
}

/// A server whose queries may cost this much.
async fn begin(samples_max: usize) -> Served {
    let config = watchward::serve::config::Config { query_samples_max: samples_max, ..defaults() };
    Served::begin_with(Folder::new(), config, Ok(())).await
}

/// A range of 11,000 steps, each with the newest values.
fn range(served: &Served, expression: &str) -> String {
    let now_s = served.shared.clock.now().stored_ms / 1000;
    let expression = expression.replace("NOW", &(now_s + 1).to_string());
    let encoded: String = expression.bytes().map(|byte| format!("%{byte:02x}")).collect();
    format!("/api/v1/query_range?query={encoded}&start={}&end={now_s}&step=1", now_s - 10_999)
}

/// The same series so many times, told apart by a label.
fn copies(number: usize) -> String {
    let one = |at| format!("label_replace({{__name__=~\"db.+\"}} @ NOW, \"copy\", \"{at}\", \"\", \"\")");
    (0..number).map(one).collect::<Vec<_>>().join(" or ")
}

/// Hours of computing: more windows, and larger ones, than anybody waits for.
const ENDLESS: &str = "sum_over_time(vector(1)[400000s:1s])";

async fn failed(served: &Served, path: &str) -> (u16, String, String) {
    let answer = served.get(path).await;
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_string();
    (answer.status, text("errorType"), text("error"))
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whoever may read may not bring the machine down by what they ask.
#[tokio::test]
async fn what_a_query_holds_and_answers_is_limited() {
    let served = begin(100_000).await;
    let words = "the expression needs more than 100000 samples; narrow its selectors or its range".to_string();
    let all = range(&served, "count({__name__=~\".+\"} @ NOW or {__name__=~\".+\"})");
    assert_eq!(failed(&served, &range(&served, &copies(2))).await, (422, "execution".to_string(), words));
    let nested = format!("{}db_commits @ NOW{}", "db_commits @ NOW or (".repeat(20), ")".repeat(20));
    let words =
        "the parts of the expression come to more than 400000 values; narrow its selectors or its range".to_string();
    assert_eq!(failed(&served, &range(&served, &nested)).await, (422, "execution".to_string(), words));
    assert_eq!(served.get(&all).await.status, 200, "what is within the limits is answered");

    let served = begin(5_000_000).await;
    let words = "the answer is larger than 8 MiB; narrow the query, its range or its step".to_string();
    assert_eq!(failed(&served, &range(&served, &copies(8))).await, (422, "execution".to_string(), words));
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_given_up_and_so_is_its_computing() {
    let served = begin(500_000).await;
    let words = "the query took longer than 10 s".to_string();
    assert_eq!(failed(&served, &range(&served, ENDLESS)).await, (503, "timeout".to_string(), words));
    assert_eq!(served.shared.counters.queries_given_up.load(Ordering::Relaxed), 1);
    until("its thread goes on", || served.shared.queries.places_free() == 2).await;
}

#[tokio::test]
async fn a_query_ends_with_the_client_who_asked_it() {
    let served = begin(500_000).await;
    let mut socket = tokio::net::TcpStream::connect(served.address).await.unwrap();
    let head = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", range(&served, ENDLESS));
    socket.write_all(head.as_bytes()).await.unwrap();
    until("it is not computed", || served.shared.queries.places_free() == 1).await;
    drop(socket);
    until("it is still computed", || served.shared.queries.places_free() == 2).await;
    assert_eq!(served.shared.counters.queries_given_up.load(Ordering::Relaxed), 0, "it did not end by its time");
}

#[tokio::test]
async fn two_queries_are_computed_at_once_and_others_wait_no_longer_than_for_one() {
    let served = Served::begin("*", 1).await;
    let places = (served.shared.queries.place().await, served.shared.queries.place().await);
    let words = "other queries were computed for 10 s; try again in a moment".to_string();
    assert_eq!(failed(&served, "/api/v1/query?query=up").await, (503, "timeout".to_string(), words));
    assert_eq!(served.get("/metrics").await.status, 200, "a scrape waits for no query");
    drop(places);
    assert_eq!(served.get("/api/v1/query?query=up").await.status, 200);
}

#[tokio::test]
async fn large_answers_wait_for_slow_readers_in_limited_room() {
    let answers = Answers::default();
    let large = || answers.hold("x".repeat(7 << 20));
    let (first, second) = (large().unwrap(), large().unwrap());
    assert_eq!(
        large().err().unwrap().to_string(),
        "answers of 16 MiB wait to be read already [serve-38]\nhint: Try again in a moment, or ask for less."
    );
    assert!(answers.hold("small".to_string()).is_ok(), "what is small is nobody's burden");
    drop(second);
    assert_eq!(axum::body::to_bytes(first, usize::MAX).await.unwrap().len(), 7 << 20, "whole");
    assert_eq!(answers.room_kib(), 16 << 10);
    assert!(answers.hold("x".repeat(64 << 20)).is_ok(), "what is larger than the room may go alone");

    let served = begin(5_000_000).await;
    let room = || served.shared.answers.room_kib();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut socket = socket.connect(served.address).await.unwrap();
    let head = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", range(&served, &copies(4)));
    socket.write_all(head.as_bytes()).await.unwrap();
    until("the answer holds no room", || room() < 12 << 10).await;
    drop(socket);
    until("the room is not given back", || room() == 16 << 10).await;
}
