//! Stored time: never back, at once forward, and a backward step of the wall clock is worked off at 5 %.

use std::time::Duration;

use proptest::prelude::*;
use watchward::sys::clock::{Clock, StoredTime};

const HOUR_MS: i64 = 3_600_000;

/// Wall time that runs evenly from 1,000,000 s, stepped at given seconds; asked once a second.
fn run(steps: &[(u64, i64)], seconds: u64) -> Vec<(i64, i64)> {
    let begin = 1_000_000_000;
    let mut stored = StoredTime::begin(Duration::ZERO, begin, None);
    let mut shift = 0;
    let mut seen = Vec::new();
    for second in 1..=seconds {
        shift += steps.iter().filter(|(at, _)| *at == second).map(|(_, by)| by).sum::<i64>();
        let wall = begin + i64::try_from(second).unwrap() * 1000 + shift;
        seen.push((stored.advance(Duration::from_secs(second), wall), stored.ahead_ms()));
    }
    seen
}

#[test]
fn without_steps_stored_time_is_wall_time() {
    assert_eq!(run(&[], 3), [(1_000_001_000, 0), (1_000_002_000, 0), (1_000_003_000, 0)]);
}

#[test]
fn a_forward_step_is_followed_at_once() {
    let seen = run(&[(10, HOUR_MS)], 20);
    assert_eq!(seen[9].0 - seen[8].0, HOUR_MS + 1000);
    assert!(seen.iter().all(|(_, ahead)| *ahead == 0));
}

#[test]
fn a_backward_step_becomes_an_offset_that_shrinks_by_a_twentieth_of_the_time_that_passes() {
    let seen = run(&[(10, -HOUR_MS)], 110);
    assert_eq!(seen[9].0 - seen[8].0, 950);
    assert_eq!(seen[9].1, HOUR_MS - 50);
    assert_eq!(seen[109].1, HOUR_MS - 101 * 50);
    let paces: Vec<i64> = seen[9..].windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(paces.iter().all(|pace| *pace == 950), "{paces:?}");
}

#[test]
fn the_offset_is_gone_after_twenty_times_the_step() {
    let seen = run(&[(1, -60_000)], 1300);
    assert_eq!(seen[1198].1, 50);
    assert_eq!(seen[1199].1, 0);
    assert_eq!(seen[1299].1, 0);
}

#[test]
fn after_a_restart_stored_time_begins_at_the_newest_sample() {
    let mut stored = StoredTime::begin(Duration::ZERO, 1_000, Some(5_000));
    assert_eq!(stored.ahead_ms(), 4_000);
    assert_eq!(stored.advance(Duration::from_millis(1000), 2_000), 5_950);
    let mut behind = StoredTime::begin(Duration::ZERO, 9_000, Some(5_000));
    assert_eq!(behind.advance(Duration::from_millis(10), 9_010), 9_010);
}

#[test]
fn asking_often_does_not_slow_the_catching_up() {
    let mut stored = StoredTime::begin(Duration::ZERO, 10_000, Some(20_000));
    for ms in 1..=10_000 {
        stored.advance(Duration::from_millis(ms), 10_000 + i64::try_from(ms).unwrap());
    }
    // Ten seconds at 5 % are half a second; asked every millisecond, rounding may cost a little of it, but not much.
    assert!((9_400..=9_620).contains(&stored.ahead_ms()), "{}", stored.ahead_ms());
}

#[test]
fn a_step_of_the_agent_s_clock_shows_in_its_moments() {
    let clock = Clock::begin(None);
    let before = clock.now();
    clock.step_wall(-HOUR_MS);
    let after = clock.now();
    assert!(after.stored_ms >= before.stored_ms);
    assert!(after.wall_ms < before.wall_ms - HOUR_MS + 10_000);
    assert!(clock.ahead_ms() > HOUR_MS - 10_000);
}

proptest! {
    #[test]
    fn stored_time_never_goes_back_and_never_stands_still_for_long(
        moves in prop::collection::vec((0_u64..5_000, -10_000_000_i64..10_000_000), 1..200),
    ) {
        let mut stored = StoredTime::begin(Duration::ZERO, 1_000_000_000, None);
        let (mut since_start, mut wall, mut last) = (Duration::ZERO, 1_000_000_000_i64, 1_000_000_000_i64);
        for (passed_ms, step) in moves {
            since_start += Duration::from_millis(passed_ms);
            wall += i64::try_from(passed_ms).unwrap() + if step % 7 == 0 { step } else { 0 };
            let now = stored.advance(since_start, wall);
            prop_assert!(now >= last, "{now} after {last}");
            prop_assert!(now >= wall);
            let passed = i64::try_from(passed_ms).unwrap();
            prop_assert!(now - last >= passed - passed / 20 - 1, "{now} after {last}, {passed} ms later");
            last = now;
        }
    }
}
