//! Durations are read and written as Prometheus does it.

use std::time::Duration;

use proptest::prelude::*;
use watchward::model::duration::{format, parse};

#[test]
fn units_go_from_large_to_small() {
    for (text, ms) in
        [("15s", 15_000), ("1h30m", 5_400_000), ("250ms", 250), ("7d", 604_800_000), ("0", 0), ("1w", 604_800_000)]
    {
        assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
    }
}

#[test]
fn what_is_no_duration_is_told_with_examples() {
    for text in ["", "15", "s", "15 s", "1m1h", "5s5s", "-5s", "1.5h", "9999999999999999y", "1µs"] {
        let words = format!("'{text}' is not a duration: write a number and a unit, like \"15s\", \"1h30m\" or \"7d\"");
        assert_eq!(parse(text), Err(words));
    }
}

#[test]
fn written_from_the_largest_unit_down() {
    for (ms, text) in [(0, "0s"), (90_061_001, "1d1h1m1s1ms"), (604_800_000, "7d"), (60_000, "1m")] {
        assert_eq!(format(Duration::from_millis(ms)), text);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(ms in 0_u64..100_000_000_000) {
        let duration = Duration::from_millis(ms);
        prop_assert_eq!(parse(&format(duration)), Ok(duration));
    }

    #[test]
    fn no_text_panics(text in ".{0,40}") {
        let _ = parse(&text);
    }
}
