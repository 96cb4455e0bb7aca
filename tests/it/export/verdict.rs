//! Answers of the collector, by the specification of OTLP over HTTP.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsPartialSuccess, ExportMetricsServiceResponse};
use prost::Message;
use watchward::export::verdict::{Success, Verdict, reason, success, verdict, wait, wait_asked};

/// A wall clock's noon.
const NOW_MS: i64 = 1_800_000_000_000;

fn check(status: u16, retry_after: &str, expected: Verdict) {
    assert_eq!(verdict(status, retry_after, NOW_MS), expected, "{status} '{retry_after}'");
}

#[test]
fn only_four_statuses_may_be_tried_again() {
    let again = |seconds: u64| Verdict::Retry { after: Some(Duration::from_secs(seconds)) };
    let soon = Verdict::Retry { after: None };
    for status in [200, 202, 204] {
        check(status, "", Verdict::Taken);
    }
    check(429, "7", again(7));
    check(503, " 30 ", again(30));
    check(503, "Fri, 15 Jan 2027 08:00:09 GMT", again(9));
    check(429, "", soon);
    check(429, "soon", soon);
    check(502, "7", soon);
    check(504, "", soon);
    for status in [100, 301, 307, 400, 401, 403, 404, 408, 413, 415, 500, 501, 505] {
        check(status, "7", Verdict::Refused);
    }
}

#[test]
fn no_collector_is_granted_more_than_ten_minutes() {
    assert_eq!(wait_asked("86400", NOW_MS), Some(Duration::from_secs(600)));
    assert_eq!(wait_asked("Wed, 15 Jan 2020 08:00:00 GMT", NOW_MS), Some(Duration::ZERO));
    assert_eq!(wait_asked("-1", NOW_MS), None);
}

#[test]
fn waits_double_up_to_half_a_minute_and_scatter_below() {
    for (failures, full_s) in [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (100, 30)] {
        let waits: Vec<Duration> = (0..1000).map(|scatter| wait(failures, scatter * 7919)).collect();
        let full = Duration::from_secs(full_s);
        assert!(waits.iter().all(|one| (full / 2..=full).contains(one)), "{failures}");
        assert!(waits.iter().collect::<std::collections::BTreeSet<_>>().len() > 100, "{failures}: no scatter");
    }
}

#[test]
fn a_success_may_be_partial() {
    let answer = |rejected: i64, words: &str| {
        let partial_success =
            Some(ExportMetricsPartialSuccess { rejected_data_points: rejected, error_message: words.to_string() });
        ExportMetricsServiceResponse { partial_success }.encode_to_vec()
    };
    let partial = |rejected: u64, words: &str| Success::Partial(rejected, words.to_string());
    assert_eq!(success(b""), Success::Whole);
    assert_eq!(success(&answer(0, "")), Success::Whole);
    assert_eq!(success(&answer(3, "too old")), partial(3, "too old"));
    assert_eq!(success(&answer(0, "please upgrade")), partial(0, "please upgrade"));
    assert_eq!(success(&answer(-5, "x")), partial(0, "x"));
    // In JSON, whose whole numbers of 64 bits are texts.
    assert_eq!(success(b"{}"), Success::Whole);
    assert_eq!(success(br#"{"partialSuccess":{}}"#), Success::Whole);
    let said = br#"{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"too old"}}"#;
    assert_eq!(success(said), partial(3, "too old"));
    assert_eq!(success(br#"{"partialSuccess":{"rejectedSpans":2}}"#), partial(2, ""));
}

#[test]
fn a_success_that_is_no_answer_of_otlp_is_known_as_such() {
    for body in ["<html>it works</html>", "[1]", "OK"] {
        assert_eq!(success(body.as_bytes()), Success::Strange(body.to_string()));
    }
}

#[test]
fn a_refusal_is_a_status_or_plain_text() {
    assert_eq!(reason(b"\x08\x03\x12\x08bad data"), "bad data");
    assert_eq!(reason(b"no such path"), "no such path");
    assert_eq!(reason(b""), "");
}
