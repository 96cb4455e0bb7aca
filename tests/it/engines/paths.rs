//! Documents: values at paths, in lists, and the whole.

use serde_json::json;
use watchward::engines::contract::{Answer, Facts, Row, Take};
use watchward::engines::take::at_path;
use watchward::model::row::Metric;

use super::points::Points;

#[test]
fn a_path_leads_through_keys_lists_and_keys_with_dots() {
    let document = json!({ "a": { "b": [10, { "c": 11 }] }, "x.y": 1, "x": { "z": 2 } });
    for (path, expected) in [
        ("a.b.0", Some(json!(10))),
        ("a.b.1.c", Some(json!(11))),
        ("a.b.2", None),
        ("a.b.-1", None),
        ("x.y", Some(json!(1))),
        ("x.z", Some(json!(2))),
        (".", Some(document.clone())),
        ("", None),
    ] {
        assert_eq!(at_path(&document, path).cloned(), expected, "'{path}'");
    }
}

static WHOLE: Row =
    Row { name: "whole", take: Take::Paths, metrics: &[Metric::gauge("app_n", "N.").from(".")], ..Row::DEFAULT };

#[test]
fn a_single_value_is_the_whole_answer() {
    for answer in [Answer::Json(json!(42)), Answer::Text("42".to_string()), Answer::Json(json!("42"))] {
        let points = Points::of(&WHOLE, &answer, &Facts::default()).unwrap();
        assert_eq!(points.text(), "app_n 42\n");
    }
    let points = Points::of(&WHOLE, &Answer::Text("forty-two".to_string()), &Facts::default()).unwrap();
    assert_eq!(points.text(), "");
}
