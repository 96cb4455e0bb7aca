//! Schedules: their words, their days, and what happens when clocks are set.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use watchward::model::calendar::Zone;
use watchward::model::calendar::cron::Cron;

use super::{ms, shown, zone, zones_that_differ};

fn cron(text: &str) -> Cron {
    Cron::parse(text, &Zone::UTC).unwrap_or_else(|fault| panic!("{fault}"))
}

/// The one story: asked from this moment on, the schedule comes at these times, as clocks of its zone show them.
fn check(text: &str, from: &str, expected: &[&str]) {
    let cron = cron(text);
    let mut at = ms(from);
    for one in expected {
        let next = cron.next_after(at).unwrap_or_else(|| panic!("'{text}' ends before {one}"));
        assert_eq!(shown(next, cron.zone()), *one, "of '{text}' after {}", shown(at, cron.zone()));
        at = next;
    }
}

#[test]
fn fields_name_minutes_hours_and_days() {
    let from = "2026-01-01T00:00:00Z"; // a Thursday
    check("* * * * *", from, &["2026-01-01 00:01 +00", "2026-01-01 00:02 +00"]);
    check("30 2 * * *", from, &["2026-01-01 02:30 +00", "2026-01-02 02:30 +00"]);
    check("*/20 5 * * *", from, &["2026-01-01 05:00 +00", "2026-01-01 05:20 +00", "2026-01-01 05:40 +00"]);
    check("0 8-18/5 * * *", from, &["2026-01-01 08:00 +00", "2026-01-01 13:00 +00", "2026-01-01 18:00 +00"]);
    check("5,10-12,59 0 1 1 *", from, &["2026-01-01 00:05 +00", "2026-01-01 00:10 +00", "2026-01-01 00:11 +00"]);
    check("0 0 29 2 *", from, &["2028-02-29 00:00 +00", "2032-02-29 00:00 +00"]);
    check("0 0 31 * *", from, &["2026-01-31 00:00 +00", "2026-03-31 00:00 +00", "2026-05-31 00:00 +00"]);
    check("0 0 1 jan,MAR *", from, &["2026-03-01 00:00 +00", "2027-01-01 00:00 +00"]);
    check(
        "0 0 * * Fri-Sun",
        from,
        &["2026-01-02 00:00 +00", "2026-01-03 00:00 +00", "2026-01-04 00:00 +00", "2026-01-09 00:00 +00"],
    );
    for sunday in ["0", "7", "Sun", "sun", "7-7"] {
        check(&format!("0 0 * * {sunday}"), from, &["2026-01-04 00:00 +00", "2026-01-11 00:00 +00"]);
    }
    check("  0   0 *\t* * ", from, &["2026-01-02 00:00 +00"]);
    check("0 0 29 2 */7", "2088-03-01T00:00:00Z", &["2128-02-29 00:00 +00"]);
}

#[test]
fn days_of_the_month_and_of_the_week_mean_either_unless_one_begins_with_a_star() {
    let from = "2026-01-01T00:00:00Z";
    check("0 0 13 * Fri", from, &["2026-01-02 00:00 +00", "2026-01-09 00:00 +00", "2026-01-13 00:00 +00"]);
    check("0 0 */13 * Wed", from, &["2026-01-14 00:00 +00", "2026-04-01 00:00 +00"]);
    check("0 0 13 * */5", from, &["2026-02-13 00:00 +00", "2026-03-13 00:00 +00", "2026-09-13 00:00 +00"]);
}

#[test]
fn nicknames_stand_for_five_fields() {
    let from = "2026-01-01T00:00:00Z";
    for (name, expected) in [
        ("@yearly", "2027-01-01 00:00 +00"),
        ("@annually", "2027-01-01 00:00 +00"),
        ("@monthly", "2026-02-01 00:00 +00"),
        ("@weekly", "2026-01-04 00:00 +00"),
        ("@daily", "2026-01-02 00:00 +00"),
        ("@midnight", "2026-01-02 00:00 +00"),
        ("@hourly", "2026-01-01 01:00 +00"),
        ("@Daily Asia/Tokyo", "2026-01-02 00:00 +09"),
    ] {
        check(name, from, &[expected]);
    }
}

#[test]
fn a_zone_stands_behind_the_fields_or_is_the_callers() {
    check("0 9 * * * Asia/Kolkata", "2026-01-01T00:00:00Z", &["2026-01-01 09:00 +05:30"]);
    let caller = Cron::parse("0 9 * * *", &zone("Asia/Tokyo")).expect("sound");
    assert_eq!(caller.next_after(ms("2026-01-01T00:00:00Z")), Some(ms("2026-01-02T00:00:00Z")));
    assert_eq!((caller.to_string(), caller.zone().to_string()), ("0 9 * * *".into(), "Asia/Tokyo".into()));
    assert_eq!(cron(" 0 9  * * * asia/Kolkata").to_string(), "0 9 * * * asia/Kolkata");
}

/// Clocks in Berlin skip 02:00 to 03:00 on 29 March 2026.
#[test]
fn a_time_that_clocks_skip_comes_once_at_the_first_moment_after() {
    let from = "2026-03-28T12:00:00Z";
    check("30 2 * * * Europe/Berlin", from, &["2026-03-29 03:00 +02", "2026-03-30 02:30 +02"]);
    check("0,15,30 2 * * * Europe/Berlin", from, &["2026-03-29 03:00 +02", "2026-03-30 02:00 +02"]);
    check(
        "0,30 2,3 * * * Europe/Berlin",
        from,
        &["2026-03-29 03:00 +02", "2026-03-29 03:30 +02", "2026-03-30 02:00 +02"],
    );
    check("*/15 * * * * Europe/Berlin", "2026-03-29T00:30:00Z", &["2026-03-29 01:45 +01", "2026-03-29 03:00 +02"]);
    check("30 * * * * Europe/Berlin", "2026-03-29T00:00:00Z", &["2026-03-29 01:30 +01", "2026-03-29 03:30 +02"]);
    check("*/15 2 * * * Europe/Berlin", from, &["2026-03-30 02:00 +02"]);
    check("15 2 * * * Australia/Lord_Howe", "2026-10-03T00:00:00Z", &["2026-10-04 02:30 +11", "2026-10-05 02:15 +11"]);
}

/// Clocks in Berlin show 02:00 to 03:00 twice on 25 October 2026.
#[test]
fn a_time_that_clocks_show_twice_comes_once_and_intervals_come_each_time() {
    let from = "2026-10-24T12:00:00Z";
    check("30 2 * * * Europe/Berlin", from, &["2026-10-25 02:30 +02", "2026-10-26 02:30 +01"]);
    check("0 3 * * * Europe/Berlin", from, &["2026-10-25 03:00 +01", "2026-10-26 03:00 +01"]);
    check("30 2 * * * Europe/Berlin", "2026-10-25T01:10:00Z", &["2026-10-26 02:30 +01"]);
    check(
        "*/30 * * * * Europe/Berlin",
        "2026-10-24T23:30:00Z",
        &[
            "2026-10-25 02:00 +02",
            "2026-10-25 02:30 +02",
            "2026-10-25 02:00 +01",
            "2026-10-25 02:30 +01",
            "2026-10-25 03:00 +01",
        ],
    );
    check("30 * * * * Europe/Berlin", "2026-10-25T00:00:00Z", &["2026-10-25 02:30 +02", "2026-10-25 02:30 +01"]);
}

#[test]
fn what_is_no_schedule_is_told_with_what_may_stand_there() {
    let form = "Write minute, hour, day of the month, month and day of the week, like \"30 2 * * Mon-Fri\", or \"@daily\"; \
                a time zone may follow.";
    for (text, why, hint) in [
        ("", "it is empty", form),
        ("0 2 * *", "it has 4 of 5 fields", form),
        ("0 0 2 * * *", "it has 6 fields, not 5", form),
        ("0 2 * * * UTC UTC", "it has 7 fields, not 5", form),
        ("60 2 * * *", "its minute is '60', not from 0 to 59", form),
        ("0 24 * * *", "its hour is '24', not from 0 to 23", form),
        ("0 0 0 * *", "its day of the month is '0', not from 1 to 31", form),
        ("0 0 L * *", "its day of the month is 'L', not from 1 to 31", form),
        ("0 0 * 13 *", "its month is '13', not from 1 to 12 or Jan to Dec", form),
        ("0 0 * * 8", "its day of the week is '8', not from 0 to 7 or Sun to Sat", form),
        ("0 0 * * Monday", "its day of the week is 'Monday', not from 0 to 7 or Sun to Sat", form),
        ("1,,2 0 * * *", "its minute is empty, not from 0 to 59", form),
        ("-1 0 * * *", "its minute is empty, not from 0 to 59", form),
        ("+1 0 * * *", "its minute is '+1', not from 0 to 59", form),
        ("999 0 * * *", "its minute is '999', not from 0 to 59", form),
        ("*/0 0 * * *", "the step '0' of its minute is not from 1 to 59", form),
        ("*/x 0 * * *", "the step 'x' of its minute is not from 1 to 59", form),
        ("5/15 0 * * *", "its minute '5/15' has a step, but is no range", "Write where it ends as well: \"5-59/15\"."),
        ("0 22-5 * * *", "its hour '22-5' ends before it begins", "Write it as two: \"22-23,0-5\"."),
        ("0 0 * * Sat-Mon", "its day of the week 'Sat-Mon' ends before it begins", "Write it as two: \"6-7,0-1\"."),
        (
            "0 0 30 2 *",
            "no month that it names has such a day",
            "Name the first of the next month, or the last day that each month has.",
        ),
        (
            "@reboot",
            "'@reboot' is unknown",
            "Known: @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly.",
        ),
    ] {
        let fault = Cron::parse(text, &Zone::UTC).expect_err(text);
        let expected = format!("'{text}' is not a schedule: {why} [calendar-02] | hint: {hint}");
        assert_eq!(fault.to_string().replace('\n', " | "), expected);
    }
    let fault = Cron::parse("@daily Berlin", &Zone::UTC).expect_err("no zone").to_string();
    assert_eq!(fault, "unknown time zone 'Berlin' [calendar-01]\nhint: Did you mean 'Europe/Berlin'?");
}

/// The definition, asked of every minute, in a way that shares nothing with the code: a person beside a clock on the wall
/// ticks off the times as the clock first reaches or passes them, and notes the intervals whenever it shows them.
struct Watcher {
    fields: [Vec<i8>; 3],
    intervals: bool,
    /// The latest time that the clock ever showed.
    reached: Option<jiff::civil::DateTime>,
}

impl Watcher {
    /// Of a schedule whose fields are plain numbers, minutes and hours, and a day of the week or all.
    fn new(minutes: &[i8], hours: &[i8], weekdays: &[i8], intervals: bool) -> Watcher {
        Watcher { fields: [minutes.to_vec(), hours.to_vec(), weekdays.to_vec()], intervals, reached: None }
    }

    fn has(&self, wall: jiff::civil::DateTime) -> bool {
        let values = [wall.minute(), wall.hour(), wall.weekday().to_sunday_zero_offset()];
        self.fields.iter().zip(values).all(|(field, value)| field.contains(&value))
    }

    /// Whether it is due at this minute. Must see each minute, in order.
    fn is_due(&mut self, wall: jiff::civil::DateTime) -> bool {
        let minute = jiff::ToSpan::minutes(1);
        let before = self.reached.unwrap_or(wall - minute);
        self.reached = Some(before.max(wall));
        if self.intervals {
            return self.has(wall);
        }
        std::iter::successors(Some(before + minute), |one| Some(*one + minute))
            .take_while(|one| *one <= wall)
            .any(|one| self.has(one))
    }
}

const HOURS: i64 = 3_600_000;

/// Every schedule comes at exactly the minutes that the watcher notes, around every change of the clocks of every zone.
#[test]
fn around_each_change_of_clocks_no_time_is_lost_none_comes_twice_and_none_is_invented() {
    let every: Vec<i8> = (0..60).collect();
    let all_days: Vec<i8> = (0..7).collect();
    let mut seen = 0;
    for (zone, changes) in zones_that_differ() {
        let data = TimeZone::get(zone.name()).expect("a zone");
        for change in changes {
            let mut pairs = [
                ("30 0,1,2,3,23 * * *", Watcher::new(&[30], &[0, 1, 2, 3, 23], &all_days, false)),
                ("0,15,59 2 * * *", Watcher::new(&[0, 15, 59], &[2], &all_days, false)),
                ("0 0,3 * * 0,6", Watcher::new(&[0], &[0, 3], &[0, 6], false)),
                ("*/20 * * * *", Watcher::new(&[0, 20, 40], &every, &all_days, true)),
                ("*/15 1-2 * * *", Watcher::new(&[0, 15, 30, 45], &[1, 2], &all_days, true)),
                ("7 * * * *", Watcher::new(&[7], &every, &all_days, true)),
            ]
            .map(|(text, watcher)| (Cron::parse(text, &zone).expect(text), watcher, None::<i64>));
            for at in (change - 5 * HOURS..change + 5 * HOURS).step_by(60_000) {
                let wall = data.to_datetime(Timestamp::from_millisecond(at).expect("a time"));
                for (cron, watcher, expected) in &mut pairs {
                    let expected = expected.get_or_insert_with(|| cron.next_after(at - 1).expect("it goes on"));
                    assert!(*expected >= at, "'{cron}' comes at {} again", shown(*expected, &zone));
                    let is_due = watcher.is_due(wall);
                    assert_eq!(*expected == at, is_due, "'{cron}' in {zone} at {}", shown(at, &zone));
                    if is_due {
                        *expected = cron.next_after(at).expect("it goes on");
                        seen += 1;
                    }
                }
            }
        }
    }
    assert!(seen > 5_000, "{seen}");
}

fn any_field(min: i8, max: i8) -> impl Strategy<Value = Vec<i8>> {
    prop::collection::btree_set(min..=max, 1..4).prop_map(|values| values.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_next_is_later_the_least_and_never_goes_back(
        minutes in any_field(0, 59), hours in any_field(0, 23), weekdays in any_field(0, 6),
        from_minutes in 0_i64..1_051_200, later_ms in 0_i64..86_400_000,
        name in prop::sample::select(vec!["UTC", "Europe/Berlin", "Asia/Kolkata", "America/Havana", "Australia/Lord_Howe"]),
    ) {
        let list = |values: &[i8]| values.iter().map(i8::to_string).collect::<Vec<_>>().join(",");
        let text = format!("{} {} * * {} {name}", list(&minutes), list(&hours), list(&weekdays));
        let cron = cron(&text);
        let at = ms("2026-01-01T00:00:00Z") + from_minutes * 60_000;
        let next = cron.next_after(at).expect("it goes on");
        prop_assert!(next > at);
        prop_assert!(cron.next_after(at + later_ms).expect("it goes on") >= next, "monotone");

        let data = TimeZone::get(name).expect("a zone");
        let mut watcher = Watcher::new(&minutes, &hours, &weekdays, false);
        let least = (at - 4 * HOURS..).step_by(60_000).find(|minute| {
            let due = watcher.is_due(data.to_datetime(Timestamp::from_millisecond(*minute).expect("a time")));
            due && *minute > at
        });
        prop_assert_eq!(Some(next), least, "'{}' after {}", text, shown(at, cron.zone()));
    }

    #[test]
    fn no_text_panics(text in "[0-9*/,@a-zA-Z -]{0,30}|\\PC{0,40}", at in any::<i64>()) {
        if let Ok(cron) = Cron::parse(&text, &Zone::UTC) {
            prop_assert!(cron.next_after(at).is_none_or(|next| next > at));
        }
    }

    #[test]
    fn no_fields_panic_at_any_time(fields in prop::collection::vec("[*0-9]{1,2}([-/,][0-9*]{1,2})?", 5), at in any::<i64>()) {
        if let Ok(cron) = Cron::parse(&fields.join(" "), &zone("Europe/Berlin")) {
            prop_assert!(cron.next_after(at).is_none_or(|next| next > at));
        }
    }
}
