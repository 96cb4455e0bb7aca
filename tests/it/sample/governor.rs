//! The governor in virtual time: what it does without, in which order, and that it neither flaps nor forgets.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use watchward::sample::census::Census;
use watchward::sample::governor::{Budget, Governor, Level, Orders, Used, Weight, by_importance};

const MINUTE: Duration = Duration::from_secs(60);
/// As often as the agent looks.
const LOOK: Duration = Duration::from_secs(5);
const MIB: u64 = 1 << 20;

fn budget() -> Budget {
    Budget { cpu_cores: 0.5, memory_bytes: 256 * MIB, window: MINUTE }
}

/// An agent whose load is a function of the time and of the level.
struct Agent {
    governor: Governor,
    now: Duration,
    cpu: Duration,
}

impl Agent {
    fn new() -> Agent {
        Agent { governor: Governor::new(budget()), now: Duration::ZERO, cpu: Duration::ZERO }
    }

    /// Runs for a while; returns each change as second and level.
    fn run(&mut self, time: Duration, load: impl Fn(Duration, Level) -> (f64, u64)) -> Vec<(u64, usize)> {
        let mut changes = Vec::new();
        let until = self.now + time;
        while self.now < until {
            self.now += LOOK;
            let (cores, memory_mib) = load(self.now, self.governor.level());
            self.cpu += LOOK.mul_f64(cores);
            if self.governor.observe(self.now, Used { cpu: self.cpu, memory_bytes: memory_mib * MIB }) {
                changes.push((self.now.as_secs(), self.governor.level().number()));
            }
        }
        changes
    }
}

/// What `cores` cost that are spent on asking alone.
fn asking(cores: f64, level: Level) -> f64 {
    let rest = [1.0, 1.0, 1.0, 1.0, 0.9, 0.7, 0.5, 0.25][level.number()];
    cores * rest / f64::from(level.stretch())
}

#[test]
fn within_its_budget_nothing_changes_however_long() {
    let changes = Agent::new().run(MINUTE * 600, |_, _| (0.49, 250));
    assert_eq!(changes, []);
}

#[test]
fn a_burst_shorter_than_the_window_is_no_reason() {
    let burst = |now: Duration, _| (if now.as_secs() % 300 < 20 { 1.4 } else { 0.02 }, 60);
    assert_eq!(Agent::new().run(MINUTE * 120, burst), []);
    let memory = |now: Duration, _| (0.1, if now.as_secs() % 300 < 50 { 400 } else { 100 });
    assert_eq!(Agent::new().run(MINUTE * 120, memory), [], "memory that was given back");
}

#[test]
fn over_its_budget_it_takes_one_step_for_each_window_and_stops_where_it_is_enough() {
    let mut agent = Agent::new();
    let changes = agent.run(MINUTE * 5, |_, level| (asking(1.8, level), 60));
    assert_eq!(changes, [(65, 1), (125, 2)], "0.9 cores are still too much, 0.45 are not");
    assert_eq!(agent.governor.level().stretch(), 4);
}

#[test]
fn what_no_stretching_helps_goes_on_to_drop_rows_and_ends_at_the_last_step() {
    let mut agent = Agent::new();
    let changes = agent.run(MINUTE * 30, |_, _| (0.9, 60));
    assert_eq!(changes.iter().map(|(_, level)| *level).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(agent.governor.level(), Level::MAX);
}

#[test]
fn what_ends_is_followed_by_one_step_back_for_every_five_windows_of_ease() {
    let mut agent = Agent::new();
    agent.run(MINUTE * 10, |_, level| (asking(5.0, level), 60));
    assert_eq!(agent.governor.level().number(), 5);
    let began = agent.now.as_secs();
    let back: Vec<(u64, usize)> =
        agent.run(MINUTE * 60, |_, _| (0.03, 60)).into_iter().map(|(at, level)| (at - began, level)).collect();
    assert_eq!(back.iter().map(|(_, level)| *level).collect::<Vec<_>>(), [4, 3, 2, 1, 0]);
    let waits = back.windows(2).all(|two| two[1].0 - two[0].0 >= 300);
    assert!(waits && back[4].0 < 2400, "{back:?}");
}

#[test]
fn memory_is_given_five_windows_for_each_step_after_the_first() {
    let changes = Agent::new().run(MINUTE * 20, |_, _| (0.1, 300));
    assert_eq!(changes, [(65, 1), (365, 2), (665, 3), (965, 4)]);
}

/// Asking half as often is enough, asking everything is not: it must not try again and again.
#[test]
fn a_load_that_stays_is_tried_less_and_less_often() {
    let changes = Agent::new().run(MINUTE * 60 * 24, |_, level| (asking(0.7, level), 60));
    let tries: Vec<u64> = changes.iter().filter(|(_, level)| *level == 0).map(|(at, _)| *at).collect();
    assert!((6..=9).contains(&tries.len()), "{changes:?}");
    let waits: Vec<u64> = tries.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(waits.windows(2).all(|two| two[1] >= two[0]), "{waits:?}");
    assert!(waits.last().is_some_and(|wait| *wait > 4 * 3600), "{waits:?}");
}

#[test]
fn after_a_long_rest_it_is_patient_anew() {
    let mut agent = Agent::new();
    agent.run(MINUTE * 60 * 12, |_, level| (asking(0.7, level), 60));
    agent.run(MINUTE * 60 * 13, |_, _| (0.05, 60));
    assert_eq!(agent.governor.level().number(), 0);
    let began = agent.now.as_secs();
    agent.run(MINUTE * 3, |_, level| (asking(0.7, level), 60));
    let back = agent.run(MINUTE * 20, |_, _| (0.05, 60));
    assert_eq!(back.len(), 1, "{back:?}");
    assert!(back[0].0 - began < 600, "{back:?}");
}

fn weight(target: &str, row: &'static str, optional: bool, every: u32, series: usize) -> Weight {
    Weight { target: Arc::from(target), row, optional, every, series }
}

fn rows() -> Vec<Weight> {
    vec![
        weight("default/a", "stats", false, 1, 40),
        weight("default/a", "tables", false, 1, 400),
        weight("default/a", "sizes", false, 20, 400),
        weight("default/b", "stats", false, 1, 40),
        weight("default/b", "statements", true, 4, 100),
        weight("default/b", "bloat", true, 1, 5),
    ]
}

#[test]
fn the_least_important_are_the_optional_ones_and_then_those_with_most_points() {
    let mut rows = rows();
    rows.sort_by(by_importance);
    let order: Vec<String> = rows.iter().map(|one| format!("{} {}", one.target, one.row)).collect();
    let expected = [
        "default/b statements", // 25 points a cycle
        "default/b bloat",
        "default/a tables",
        "default/a stats", // as many as the next: by name
        "default/b stats",
        "default/a sizes", // 400 series, once in twenty cycles
    ];
    assert_eq!(order, expected);
}

fn names(orders: &Orders) -> Vec<&'static str> {
    orders.dropped.iter().map(|(_, row)| *row).collect()
}

/// The levels, in the order in which an agent goes through them.
fn levels() -> Vec<Level> {
    let mut agent = Agent::new();
    let mut levels = vec![agent.governor.level()];
    while *levels.last().unwrap() < Level::MAX {
        agent.run(LOOK, |_, _| (2.0, 60));
        if agent.governor.level() != *levels.last().unwrap() {
            levels.push(agent.governor.level());
        }
    }
    levels
}

#[test]
fn each_level_drops_what_the_one_before_did_and_more() {
    let levels = levels();
    let mut orders = Orders::default();
    let mut seen = Vec::new();
    for two in levels.windows(2) {
        orders = orders.follow(two[0], two[1], rows());
        seen.push((orders.stretch, names(&orders)));
    }
    let optional = vec!["bloat", "statements"];
    let heavy = vec!["tables", "bloat", "statements"];
    let expected = [
        (2, vec![]),
        (4, vec![]),
        (8, vec![]),
        (8, optional),
        (8, heavy.clone()),
        (8, heavy.clone()),
        (8, heavy), // 400 of 500 points are more than three quarters
    ];
    assert_eq!(seen, expected);
}

#[test]
fn what_comes_to_weigh_more_is_not_dropped_on_the_way_back() {
    let levels = levels();
    let up = Orders::default().follow(levels[4], levels[5], rows());
    let mut later = rows();
    later[3].series = 5000; // b's stats are the heaviest now
    let down = up.follow(levels[5], levels[4], later.clone());
    assert_eq!(names(&down), ["bloat", "statements"]);
    let again = down.follow(levels[4], levels[5], later);
    assert_eq!(names(&again), ["bloat", "statements", "stats"], "and is on the way up");
}

#[test]
fn what_is_done_without_is_told_with_its_reason_and_ends_with_another_budget() {
    let census = Census::new(budget());
    let target: Arc<str> = Arc::from("default/b");
    census.report(&target, rows());
    let mut told = Vec::new();
    for look in 0..=60_u32 {
        let used = Used { cpu: LOOK.mul_f64(0.75) * look, memory_bytes: 300 * MIB };
        told.extend(census.observe(LOOK * look, used).map(|standing| standing.complaint()));
    }
    let why = "Over 1m it used 0.750 cores of 0.500 and it held 300 MiB of 256 MiB.";
    let text = |rest: &str| Some(format!("{why} Rows are asked {rest}"));
    let expected = [
        text("2 times less often; every row is still asked."),
        text("4 times less often; every row is still asked."),
        text("8 times less often; every row is still asked."),
        text("8 times less often; 2 rows are not asked."),
        text("8 times less often; 3 rows are not asked."),
    ];
    assert_eq!(told, expected);
    assert!(census.orders().drops(&target, "bloat"));
    census.retain(|identity| identity != "default/b");
    assert!(!census.orders().drops(&target, "bloat"), "a target that is gone is forgotten");
    census.set_budget(Budget { cpu_cores: 1.0, ..budget() });
    assert_eq!(census.standing().complaint(), None);
    assert_eq!(*census.orders(), Orders::default());
}

proptest! {
    /// Whatever the load does: one step at a time, never two within a window, never back before five.
    #[test]
    fn it_never_flaps(loads in prop::collection::vec((0.0_f64..2.0, 0_u64..512, 1_u32..400), 1..40)) {
        let mut agent = Agent::new();
        let (mut level, mut at) = (0_usize, 0);
        for (cores, memory, looks) in loads {
            for (second, next) in agent.run(LOOK * looks, |_, _| (cores, memory)) {
                prop_assert_eq!(level.abs_diff(next), 1);
                prop_assert!(second - at >= if next > level { 60 } else { 300 }, "{} to {} at {}", level, next, second);
                (level, at) = (next, second);
            }
        }
    }
}
