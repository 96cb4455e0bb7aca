//! Times as machines read them.

use serde_json::{Value, json};
use watchward::model::finding::{Finding, Severity};
use watchward::model::moment::rfc3339;
use watchward::model::status::{Body, Event};

#[test]
fn a_time_is_written_in_utc_to_the_millisecond() {
    assert_eq!(rfc3339(1_800_000_000_000), "2027-01-15T08:00:00.000Z");
    assert_eq!(rfc3339(1_800_000_000_007), "2027-01-15T08:00:00.007Z");
    assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999Z");
    assert_eq!(rfc3339(i64::MAX), "");
}

#[test]
fn what_is_shown_has_its_times_so() {
    let finding = Finding {
        kind: "TargetDown".to_string(),
        tenant: "default".to_string(),
        target: "orders".to_string(),
        subject: String::new(),
        severity: Severity::Critical,
        evidence: String::new(),
        remedy: String::new(),
        since_ms: 1_800_000_000_000,
        discovered: false,
    };
    let shown: Value = serde_json::to_value(&finding).unwrap();
    assert_eq!(shown["since"], "2027-01-15T08:00:00.000Z");
    let event = Event {
        at_ms: 0,
        tenant: String::new(),
        target: String::new(),
        kind: String::new(),
        summary: String::new(),
        detail: json!({}),
    };
    let shown: Value = serde_json::to_value(Body::Event(event)).unwrap();
    assert_eq!(shown["body"]["at"], Value::Null, "not yet");
    let shown: Value = serde_json::to_value(Body::Samples { at_ms: 1, samples: Vec::new() }).unwrap();
    assert_eq!(shown["body"]["at"], "1970-01-01T00:00:00.001Z");
}
