//! Windows: their words, and when they open and close.

use proptest::prelude::*;
use watchward::model::calendar::Zone;
use watchward::model::calendar::window::Window;

use super::{ms, shown, zone, zones_that_differ};

fn window(text: &str) -> Window {
    Window::parse(text, &Zone::UTC).unwrap_or_else(|fault| panic!("{fault}"))
}

/// The one story: asked from this moment on, the window opens and closes at these times, as clocks of its zone show them.
fn check(text: &str, from: &str, expected: &[(&str, &str)]) {
    let window = window(text);
    let mut at = ms(from);
    for (opens, closes) in expected {
        let open = window.next_open(at).unwrap_or_else(|| panic!("'{text}' does not open"));
        assert_eq!(shown(open, window.zone()), *opens, "'{text}' opens after {}", shown(at, window.zone()));
        let close = window.next_close(open).unwrap_or_else(|| panic!("'{text}' does not close"));
        assert_eq!(shown(close, window.zone()), *closes, "'{text}' closes");
        assert!(
            window.contains(open)
                && !window.contains(open - 1)
                && window.contains(close - 1)
                && !window.contains(close)
        );
        at = close;
    }
}

#[test]
fn a_window_has_days_times_and_a_zone() {
    let from = "2026-01-01T12:00:00Z"; // a Thursday
    check(
        "08:00-17:30",
        from,
        &[("2026-01-02 08:00 +00", "2026-01-02 17:30 +00"), ("2026-01-03 08:00 +00", "2026-01-03 17:30 +00")],
    );
    check(
        "Mon-Fri 22:00-05:00 Europe/Berlin",
        from,
        &[
            ("2026-01-01 22:00 +01", "2026-01-02 05:00 +01"),
            ("2026-01-02 22:00 +01", "2026-01-03 05:00 +01"),
            ("2026-01-05 22:00 +01", "2026-01-06 05:00 +01"),
        ],
    );
    check(
        "sun,WED 9:00-10:00",
        from,
        &[("2026-01-04 09:00 +00", "2026-01-04 10:00 +00"), ("2026-01-07 09:00 +00", "2026-01-07 10:00 +00")],
    );
    check(
        "Sat-Mon 23:00-24:00",
        from,
        &[("2026-01-03 23:00 +00", "2026-01-04 00:00 +00"), ("2026-01-04 23:00 +00", "2026-01-05 00:00 +00")],
    );
    check("Sat,Sun 00:00-24:00", from, &[("2026-01-03 00:00 +00", "2026-01-05 00:00 +00")]);
    let caller = Window::parse("22:00-05:00", &zone("Asia/Tokyo")).expect("sound");
    assert_eq!(caller.next_open(ms(from)), Some(ms("2026-01-01T13:00:00Z")));
    assert_eq!(caller.to_string(), "22:00-05:00");
}

#[test]
fn a_window_of_all_days_never_closes() {
    for text in ["00:00-24:00", "Mon-Sun 00:00-24:00", "Sat-Fri 00:00-24:00 America/Havana"] {
        let window = window(text);
        let at = ms("2026-03-08T03:00:00Z");
        assert!(window.contains(at));
        assert_eq!((window.next_open(at), window.next_close(at)), (None, None), "{text}");
    }
}

#[test]
fn from_within_the_next_open_is_the_one_after() {
    let window = window("22:00-05:00");
    let at = ms("2026-01-01T23:00:00Z");
    assert!(window.contains(at));
    assert_eq!(window.next_open(at), Some(ms("2026-01-02T22:00:00Z")));
    assert_eq!(window.next_close(at), Some(ms("2026-01-02T05:00:00Z")));
    assert_eq!(window.next_close(ms("2026-01-02T05:00:00Z")), Some(ms("2026-01-03T05:00:00Z")));
}

/// Berlin skips 02:00 to 03:00 on 29 March 2026, and shows it twice on 25 October.
#[test]
fn a_window_opens_at_most_once_a_day_when_clocks_are_set() {
    let spring = "2026-03-28T12:00:00Z";
    check("22:00-05:00 Europe/Berlin", spring, &[("2026-03-28 22:00 +01", "2026-03-29 05:00 +02")]);
    check("02:30-04:00 Europe/Berlin", spring, &[("2026-03-29 03:00 +02", "2026-03-29 04:00 +02")]);
    check("01:00-02:30 Europe/Berlin", spring, &[("2026-03-29 01:00 +01", "2026-03-29 03:00 +02")]);
    check("02:10-02:50 Europe/Berlin", spring, &[("2026-03-30 02:10 +02", "2026-03-30 02:50 +02")]);
    check("Sun 02:10-02:50 Europe/Berlin", spring, &[("2026-04-05 02:10 +02", "2026-04-05 02:50 +02")]);
    let autumn = "2026-10-24T12:00:00Z";
    check("22:00-05:00 Europe/Berlin", autumn, &[("2026-10-24 22:00 +02", "2026-10-25 05:00 +01")]);
    check(
        "02:10-02:50 Europe/Berlin",
        autumn,
        &[("2026-10-25 02:10 +02", "2026-10-25 02:50 +02"), ("2026-10-26 02:10 +01", "2026-10-26 02:50 +01")],
    );
    check("02:30-03:00 Europe/Berlin", autumn, &[("2026-10-25 02:30 +02", "2026-10-25 03:00 +01")]);
}

#[test]
fn what_is_no_window_is_told_with_what_may_stand_there() {
    let form = "Write it like \"22:00-05:00\" or \"Mon-Fri 22:00-05:00 Europe/Berlin\".";
    let days = "Days are Mon, Tue, Wed, Thu, Fri, Sat and Sun.";
    for (text, why, hint) in [
        ("", "it has no times", form),
        ("22-05", "it has no times", form),
        ("22:00", "'22:00' has no end", form),
        ("22:00 - 05:00", "more than one word stands behind the times", form),
        ("Mon Tue 22:00-05:00", "more than one word stands before the times", form),
        ("22:00-25:00", "'25:00' is not a time from 00:00 to 24:00", form),
        ("22:60-23:00", "'22:60' is not a time from 00:00 to 24:00", form),
        ("10pm:00-23:00", "'10pm:00' is not a time from 00:00 to 24:00", form),
        ("9:0-10:00", "'9:0' is not a time from 00:00 to 24:00", form),
        ("-22:00", "'' is not a time from 00:00 to 24:00", form),
        ("24:00-24:00", "it ends when it begins", "Write a whole day as \"00:00-24:00\"."),
        ("05:00-05:00", "it ends when it begins", "Write a whole day as \"00:00-24:00\"."),
        ("24:00-05:00", "it begins at a day's end", "Begin it at 00:00."),
        ("Mo-Fr 22:00-05:00", "'Mo' is not a day of the week", days),
        ("Mon- 22:00-05:00", "'' is not a day of the week", days),
    ] {
        let fault = Window::parse(text, &Zone::UTC).expect_err(text);
        let expected = format!("'{text}' is not a window: {why} [calendar-03] | hint: {hint}");
        assert_eq!(fault.to_string().replace('\n', " | "), expected);
    }
    let fault = Window::parse("22:00-05:00 Europe/Berln", &Zone::UTC).expect_err("no zone").to_string();
    assert_eq!(fault, "unknown time zone 'Europe/Berln' [calendar-01]\nhint: Did you mean 'Europe/Berlin'?");
}

const HOURS: i64 = 3_600_000;

/// What is said of the next opening and close is what every minute says of itself.
fn holds_by_the_minute(window: &Window, from: i64, until: i64) {
    let inside: Vec<(i64, bool)> = (from..until).step_by(60_000).map(|at| (at, window.contains(at))).collect();
    let (mut next_open, mut next_close) = (window.next_open(from), window.next_close(from));
    for pair in inside.windows(2) {
        let [(_, before), (at, now)] = pair else { continue };
        let zone = window.zone();
        assert_eq!(next_open == Some(*at), !before && *now, "'{window}' in {zone} opens at {}", shown(*at, zone));
        assert_eq!(next_close == Some(*at), *before && !now, "'{window}' in {zone} closes at {}", shown(*at, zone));
        if next_open == Some(*at) {
            next_open = window.next_open(*at);
        }
        if next_close == Some(*at) {
            next_close = window.next_close(*at);
        }
    }
}

#[test]
fn around_each_change_of_clocks_openings_and_closes_are_where_minutes_say() {
    for (zone, changes) in zones_that_differ() {
        for change in changes {
            for text in ["22:00-02:30", "02:15-02:45", "01:30-03:30", "00:00-24:00", "Sun 00:30-01:00"] {
                let window = Window::parse(text, &zone).expect(text);
                holds_by_the_minute(&window, change - 2 * HOURS, change + 2 * HOURS);
                let opens = std::iter::successors(window.next_open(change - 12 * HOURS), |at| window.next_open(*at));
                let times = opens.take_while(|at| *at < change + 12 * HOURS).count();
                assert!(times <= 2, "'{text}' in {zone} opens {times} times within a day");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_next_opening_and_close_are_where_minutes_say(
        opens in 0_i16..1440, length in 1_i16..1440, first in 0_usize..7, last in 0_usize..7, from_hours in 0_i64..17_000,
        name in prop::sample::select(vec!["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Havana"]),
    ) {
        const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        let time = |minutes: i16| format!("{:02}:{:02}", minutes % 1440 / 60, minutes % 60);
        let window = window(&format!("{}-{} {}-{} {name}", DAYS[first], DAYS[last], time(opens), time(opens + length)));
        let from = ms("2026-01-01T00:00:00Z") + from_hours * HOURS;
        holds_by_the_minute(&window, from, from + 50 * HOURS);
        let open = window.next_open(from).expect("it opens");
        prop_assert!(open > from && window.contains(open) && !window.contains(open - 1));
        let close = window.next_close(from).expect("it closes");
        prop_assert!(close > from && !window.contains(close) && window.contains(close - 1));
    }

    #[test]
    fn no_text_panics(text in "[A-Za-z,-]{0,9} ?[0-9:-]{0,12}( [A-Za-z/]{0,9})?|\\PC{0,40}", at in any::<i64>()) {
        if let Ok(window) = Window::parse(&text, &Zone::UTC) {
            prop_assert!(window.next_open(at).is_none_or(|open| open > at));
            prop_assert!(window.next_close(at).is_none_or(|close| close > at));
        }
    }
}
