//! What answers mean and how long the waits are.

use std::time::Duration;

use proptest::prelude::*;
use watchward::alert::retry::{Verdict, verdict, wait, wait_asked};

/// Wed, 21 Oct 2015 07:28:00 GMT
const DATE_MS: i64 = 1_445_412_480_000;

#[test]
fn each_status_has_its_meaning() {
    let soon = Verdict::Retry { not_before: None };
    let table: &[(&[u16], Verdict)] = &[
        (&[200, 201, 202, 204, 299], Verdict::Delivered),
        (&[408, 429, 500, 502, 503, 504, 599], soon),
        (&[100, 301, 302, 307, 308, 400, 401, 403, 404, 410, 413, 422, 600], Verdict::Refused),
    ];
    for (statuses, expected) in table {
        for status in *statuses {
            assert_eq!(verdict(*status, "", 0), *expected, "{status}");
        }
    }
}

#[test]
fn retry_after_counts_for_overload_only() {
    let asked = Verdict::Retry { not_before: Some(Duration::from_secs(7)) };
    assert_eq!(verdict(429, "7", 0), asked);
    assert_eq!(verdict(503, " 7 ", 0), asked);
    assert_eq!(verdict(500, "7", 0), Verdict::Retry { not_before: None });
    assert_eq!(verdict(404, "7", 0), Verdict::Refused);
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let table = [
        ("0", Some(0)),
        ("120", Some(120)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", Some(90)),
        ("Wed, 21 Oct 2015 07:20:00 GMT", Some(0)),
        ("-5", None),
        ("soon", None),
        ("", None),
    ];
    for (header, expected) in table {
        assert_eq!(wait_asked(header, DATE_MS - 90_000), expected.map(Duration::from_secs), "{header:?}");
    }
}

#[test]
fn waits_double_from_one_second_to_five_minutes() {
    let full = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300];
    for (at, full_s) in full.iter().enumerate() {
        let waits: Vec<Duration> = (0..500).map(|seed| wait(at as u32 + 1, seed)).collect();
        let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
        let full = Duration::from_secs(*full_s);
        assert!(*least >= full / 2 && *least < full * 6 / 10, "after {} failures at least {least:?}", at + 1);
        assert!(*most <= full && *most > full * 9 / 10, "after {} failures at most {most:?}", at + 1);
    }
}

proptest! {
    #[test]
    fn no_number_of_failures_breaks_the_wait(failures: u32, seed: u64) {
        let wait = wait(failures, seed);
        prop_assert!(wait >= Duration::from_millis(500) && wait <= Duration::from_secs(300));
    }
}
