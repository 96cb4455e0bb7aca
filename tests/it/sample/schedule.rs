//! When cycles begin, and which rows are due.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use watchward::sample::schedule::{Schedule, is_due, repeats_until, retry_after};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn targets_begin_spread_over_the_first_seconds_and_always_at_the_same_place() {
    let first = |name: &str| Schedule::begin(name, 15 * SECOND, Duration::ZERO).next();
    let starts: BTreeSet<Duration> = (0..20).map(|at| first(&format!("default/db-{at}"))).collect();
    assert!(starts.len() > 15, "{starts:?}");
    assert!(starts.iter().all(|start| *start <= 2 * SECOND));
    assert_eq!(first("default/orders"), first("default/orders"));
}

#[test]
fn a_late_beat_is_measured_and_the_missed_ones_are_not_made_up_for() {
    let mut schedule = Schedule::begin("a", SECOND, Duration::ZERO);
    let planned = schedule.next();
    assert_eq!(schedule.beat(planned), Duration::ZERO);
    assert_eq!(schedule.next(), planned + SECOND);
    assert_eq!(schedule.beat(planned + SECOND * 4 + SECOND / 2), SECOND * 3 + SECOND / 2);
    assert_eq!(schedule.next(), planned + SECOND * 5);
}

#[test]
fn every_row_is_due_when_a_session_begins_and_slow_rows_do_not_all_fall_together() {
    assert!((0..12).all(|row| is_due(12, row, 0)));
    let due_in: Vec<usize> = (1..=12).map(|cycle| (0..12).filter(|row| is_due(12, *row, cycle)).count()).collect();
    assert_eq!(due_in, [1; 12]);
    assert!((0..9).all(|cycle| is_due(1, 3, cycle)));
}

#[test]
fn a_slow_row_is_repeated_for_twice_its_interval() {
    assert_eq!(repeats_until(4, 15 * SECOND), 120 * SECOND);
}

#[test]
fn a_server_that_refuses_is_asked_less_and_less_but_at_least_once_a_minute() {
    let waits: Vec<u64> = (1..=6).map(|failures| retry_after(failures, 5 * SECOND, false).as_secs()).collect();
    assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
    assert_eq!(retry_after(9, 300 * SECOND, false), 300 * SECOND);
}

#[test]
fn a_refused_login_is_put_off_up_to_five_minutes() {
    let waits: Vec<u64> = (1..=9).map(|failures| retry_after(failures, 5 * SECOND, true).as_secs()).collect();
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    assert_eq!(retry_after(20, SECOND, true), 300 * SECOND, "also with an interval of a second");
}

proptest! {
    #[test]
    fn beats_never_go_back_and_stay_on_the_grid(lates in prop::collection::vec(0_u64..20_000, 1..50)) {
        let mut schedule = Schedule::begin("x", SECOND, Duration::ZERO);
        let grid = schedule.next();
        let mut now = grid;
        for late in lates {
            now = now.max(schedule.next()) + Duration::from_millis(late);
            schedule.beat(now);
            prop_assert!(schedule.next() > now);
            prop_assert!(schedule.next() <= now + SECOND);
            prop_assert_eq!((schedule.next() - grid).as_nanos() % SECOND.as_nanos(), 0);
        }
    }
}
