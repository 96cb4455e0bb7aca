//! The query API answers as Prometheus does, within the reader's scope.

use serde_json::json;

use crate::serve::Served;

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
