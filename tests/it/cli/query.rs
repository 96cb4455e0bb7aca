//! `query`: what is asked of the agent, and how its answers are shown.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use watchward::cli::query::{Answer, Question, path};

use crate::cli::{Ended, Folder, answer, run};

const NOW_MS: i64 = 1_800_000_000_250;

/// The request for `EXPR [at=…] [range=…] [step=…]`.
fn asked(words: &str) -> String {
    let mut words = words.split(' ');
    let expression = words.next().unwrap().to_string();
    let given: BTreeMap<&str, &str> = words.filter_map(|word| word.split_once('=')).collect();
    let flag = |name: &str| given.get(name).map(ToString::to_string);
    let question = Question { expression, at: flag("at"), range: flag("range"), step: flag("step") };
    path(&question, NOW_MS).unwrap_or_else(|fault| fault.to_string())
}

#[test]
fn a_question_becomes_a_request() {
    for (words, expected) in [
        ("up", "/api/v1/query?query=up"),
        ("a{b=\"c+d\"}/2", "/api/v1/query?query=a%7Bb%3D%22c%2Bd%22%7D%2F2"),
        ("up at=2027-01-15T08:00:00Z", "/api/v1/query?query=up&time=1800000000.000"),
        ("up at=2027-01-15T10:00:00+02:00", "/api/v1/query?query=up&time=1800000000.000"),
        ("up at=1800000000.5", "/api/v1/query?query=up&time=1800000000.500"),
        ("up at=-10m", "/api/v1/query?query=up&time=1799999400.250"),
        ("up range=1h", "/api/v1/query_range?query=up&start=1799996400.250&end=1800000000.250&step=60"),
        ("up range=10s", "/api/v1/query_range?query=up&start=1799999990.250&end=1800000000.250&step=1"),
        (
            "up range=1h step=90s at=1800000000",
            "/api/v1/query_range?query=up&start=1799996400.000&end=1800000000.000&step=90",
        ),
        (
            "up at=noon",
            "--at 'noon' is no time [cli-07]\nhint: Write 2026-11-24T02:18:40Z, seconds since 1970, or so long ago as in -10m.",
        ),
        ("up range=0s", "--range must be longer than nothing [cli-07]"),
    ] {
        assert_eq!(asked(words), expected);
    }
    for (words, flag) in [("up range=1h step=often", "--step"), ("up range=often", "--range")] {
        let expected =
            "'often' is not a duration: write a number and a unit, like \"15s\", \"1h30m\" or \"7d\" [cli-07]";
        assert_eq!(asked(words), format!("{flag}: {expected}"));
    }
}

fn vector() -> Value {
    let one = json!({ "metric": { "__name__": "up", "target": "a\"b" }, "value": [1_800_000_000.25, "1"] });
    json!({ "resultType": "vector", "result": [one, { "metric": {}, "value": [1_800_000_000.25, "NaN"] }] })
}

#[test]
fn a_vector_is_a_table_of_labels_value_and_time() {
    let expected = "\
SERIES             VALUE  TIME
up{target=\"a\\\"b\"}      1  2027-01-15T08:00:00.250Z
{}                   NaN  2027-01-15T08:00:00.250Z
";
    let answer = Answer::read(&vector());
    assert_eq!(answer.text(), expected);
    let document: Value = serde_json::from_str(&answer.document()).unwrap();
    let at = "2027-01-15T08:00:00.250Z";
    let first = json!({ "labels": { "__name__": "up", "target": "a\"b" }, "samples": [{ "at": at, "value": 1.0 }] });
    let second = json!({ "labels": {}, "samples": [{ "at": at, "value": "NaN" }] });
    assert_eq!(document, json!({ "type": "vector", "series": [first, second] }));
}

#[test]
fn a_matrix_names_each_series_once_and_a_scalar_has_no_labels() {
    let values = json!([[1_800_000_000, "1"], [1_800_000_060, "22.5"]]);
    let matrix = json!({ "resultType": "matrix", "result": [{ "metric": { "job": "node" }, "values": values }] });
    let expected = "\
SERIES        VALUE  TIME
{job=\"node\"}      1  2027-01-15T08:00:00.000Z
               22.5  2027-01-15T08:01:00.000Z
";
    assert_eq!(Answer::read(&matrix).text(), expected);
    let scalar = Answer::read(&json!({ "resultType": "scalar", "result": [1_800_000_000, "2"] }));
    assert_eq!(scalar.text(), "SERIES  VALUE  TIME\n{}          2  2027-01-15T08:00:00.000Z\n");
    assert_eq!(Answer::read(&json!({ "resultType": "vector", "result": [] })).text(), "");
    let odd = json!({ "metric": { "re": "a|b\n\u{1b}[2J" }, "value": [1_800_000_000, "1"] });
    let odd = Answer::read(&json!({ "resultType": "vector", "result": [odd] })).text();
    assert!(odd.contains("{re=\"a|b\\n\\u{1b}[2J\"}"), "{odd}");
}

#[test]
fn the_program_prints_it_and_tells_what_the_agent_says_of_a_wrong_expression() {
    let folder = Folder::new();
    answer(&folder, BTreeMap::from([("/api/v1/query", (200, json!({ "status": "success", "data": vector() })))]));
    let Ended { code, out, err } = run(&folder, &["query", "up"]);
    assert_eq!((code, out, err.as_str()), (0, Answer::read(&vector()).text(), ""));
    let Ended { code, out, .. } = run(&folder, &["query", "up", "--json"]);
    assert_eq!((code, out), (0, Answer::read(&vector()).document()));

    let folder = Folder::new();
    let fault = json!({ "status": "error", "errorType": "bad_data", "error": "unknown function 'ratee'" });
    answer(&folder, BTreeMap::from([("/api/v1/query", (400, fault))]));
    let expected = Ended { code: 2, out: String::new(), err: "error: unknown function 'ratee'\n".to_string() };
    assert_eq!(run(&folder, &["query", "ratee(up[1m])"]), expected);
}
