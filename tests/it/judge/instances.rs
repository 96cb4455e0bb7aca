//! Stories of one rule's instances: hold, resolve, flap, restart, reload.

use std::time::Duration;

use proptest::prelude::*;
use watchward::judge::evaluate::Judge;
use watchward::judge::rules::Alerting;
use watchward::judge::state::{RuleState, Seen, Subject};
use watchward::model::labels::Labels;
use watchward::model::moment::Moment;
use watchward::model::scope::Scope;
use watchward::model::transition::{Phase, Transition};

use crate::judge::story::{BEGIN_MS, Memory, check, judge, moment, play, roster, rule, rules, series, settings, tell};

fn lags() -> String {
    rule("lag > 30", &["for: 2m"])
}

/// One good reading starts the hold anew: a flapping replica must not wake anybody.
#[test]
fn a_good_reading_resets_the_hold() {
    check(&lags(), "0s:31 60s:12 120s:44 240s:44", "pending at 0s, inactive at 60s, pending at 120s, firing at 240s");
}

#[test]
fn a_condition_that_never_holds_is_silent() {
    check(&lags(), "0s:30 60s:12 600s:1", "silent");
}

#[test]
fn without_a_hold_it_fires_at_once_and_is_never_pending() {
    check(&rule("lag > 30", &[]), "0s:1 60s:31 90s:2 120s:2", "firing at 60s, resolved at 90s");
}

#[test]
fn a_series_that_ended_resolves_at_once() {
    check(&lags(), "0s:31 150s:- 200s:-", "pending at 0s, firing at 120s, resolved at 150s");
}

#[test]
fn what_resolved_can_fire_again_after_its_whole_hold() {
    let story = "0s:31 150s:1 180s:31 300s:31";
    check(&lags(), story, "pending at 0s, firing at 120s, resolved at 150s, pending at 180s, firing at 300s");
}

#[test]
fn keep_firing_for_bridges_a_gap_and_counts_it_anew_each_time() {
    let kept = rule("lag > 30", &["keep_firing_for: 1m"]);
    check(&kept, "0s:31 30s:1 75s:31 90s:1 180s:1", "firing at 0s, resolved at 150s");
}

#[test]
fn the_reasons_are_sentences() {
    let mut judge = judge(&lags());
    let mut memory = Memory::default();
    let mut reasons = Vec::new();
    for (second, value) in [(0, 31.0), (60, 1.0), (120, 31.0), (240, 31.0), (300, 1.0)] {
        memory.push(&series("lag", &[]), moment(second).stored_ms, value);
        reasons.extend(judge.evaluate("acme", &memory, moment(second)).transitions.into_iter().map(|one| one.reason));
    }
    let expected = [
        "condition holds, fires after 2m",
        "condition ceased before 2m",
        "condition holds, fires after 2m",
        "held for 2m",
        "condition ceased",
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn what_resolved_is_listed_for_fifteen_minutes() {
    let mut judge = judge(&rule("lag > 30", &[]));
    play(&mut judge, "0s:31 60s:1", 14 * 60);
    let all = Scope::from_anonymous("*");
    assert_eq!(judge.listing(&all).len(), 1);
    assert!(judge.active(&all).is_empty());
    judge.evaluate("acme", &Memory::default(), moment(60 + 16 * 60));
    assert_eq!(judge.listing(&all).len(), 0);
}

#[test]
fn a_target_that_is_removed_resolves_and_its_past_does_not_fire_again() {
    let mut judge = judge(&rule("max_over_time(lag[10m]) > 30", &[]));
    let mut memory = Memory::default();
    memory.push(&series("lag", &[]), moment(0).stored_ms, 31.0);
    assert_eq!(judge.evaluate("acme", &memory, moment(0)).transitions.len(), 1);
    let without = watchward::judge::evaluate::Roster::new([("acme", "found", true)]);
    let ended = judge.enlist(without, moment(10));
    assert_eq!(ended.iter().map(|one| one.reason.as_str()).collect::<Vec<_>>(), ["target removed"]);
    assert!(judge.evaluate("acme", &memory, moment(15)).transitions.is_empty());
}

#[test]
fn a_reload_keeps_the_rules_that_are_still_there_and_ends_the_others() {
    let both = "groups:\n- name: g\n  rules:\n  - {alert: A, expr: lag > 1}\n  - {alert: B, expr: lag > 2}\n";
    let mut judge = judge(both);
    let mut memory = Memory::default();
    memory.push(&series("lag", &[]), moment(0).stored_ms, 31.0);
    assert_eq!(judge.evaluate("acme", &memory, moment(0)).transitions.len(), 2);

    let one = "groups:\n- name: g\n  rules:\n  - {alert: B, expr: lag > 3}\n";
    let ended = judge.reload(rules(one), roster(), moment(5));
    let said: Vec<_> = ended.iter().map(|one| (one.rule.as_str(), one.to, one.reason.as_str())).collect();
    assert_eq!(said, [("test.yml;g;A", Phase::Resolved, "rule removed")]);
    assert!(judge.evaluate("acme", &memory, moment(15)).transitions.is_empty(), "B must not fire twice");
}

#[test]
fn after_a_short_restart_the_hold_goes_on() {
    let mut before = judge(&lags());
    assert_eq!(play(&mut before, "0s:31 60s:31", 0), "pending at 0s");
    let saved = before.active(&Scope::from_anonymous("*"));

    let (mut after, mut memory) = (judge(&lags()), Memory::default());
    // The agent's own time begins anew, stored time goes on.
    let at = |second: u64| Moment { since_start: Duration::from_secs(second - 70), ..moment(second) };
    assert!(after.restore(saved, Duration::from_secs(10), at(70)).is_empty());
    let mut told = Vec::new();
    for second in [75, 90, 105, 120, 135] {
        memory.push(&series("lag", &[]), moment(second).stored_ms, 31.0);
        told.extend(after.evaluate("acme", &memory, at(second)).transitions.iter().map(tell));
    }
    assert_eq!(told, ["firing at 120s"]);
}

/// After an hour away nothing is stored that an expression could see. To resolve now and fire again a moment later
/// would tell people twice of one thing.
#[test]
fn after_a_long_restart_what_fired_is_not_resolved_before_it_was_looked_at() {
    let mut before = judge(&rule("lag > 30", &[]));
    play(&mut before, "0s:31", 0);
    let saved = before.active(&Scope::from_anonymous("*"));

    let mut after = judge(&rule("lag > 30", &[]));
    let mut memory = Memory::default();
    let at = |second: u64| Moment { since_start: Duration::from_secs(second), ..moment(3_600 + second) };
    after.restore(saved, Duration::from_secs(3_600), at(0));
    assert!(after.evaluate("acme", &memory, at(0)).transitions.is_empty());
    memory.push(&series("lag", &[]), moment(3_615).stored_ms, 31.0);
    assert!(after.evaluate("acme", &memory, at(15)).transitions.is_empty());
    memory.push(&series("lag", &[]), moment(3_630).stored_ms, 1.0);
    let ended = after.evaluate("acme", &memory, at(30)).transitions;
    assert_eq!(ended.iter().map(tell).collect::<Vec<_>>(), ["resolved at 3630s"]);
}

#[test]
fn what_never_comes_back_after_a_long_restart_resolves_in_the_end() {
    let mut before = judge(&rule("lag > 30", &[]));
    play(&mut before, "0s:31", 0);
    let mut after = judge(&rule("lag > 30", &[]));
    let at = |second: u64| Moment { since_start: Duration::from_secs(second), ..moment(3_600 + second) };
    after.restore(before.active(&Scope::from_anonymous("*")), Duration::from_secs(3_600), at(0));
    let mut told = Vec::new();
    for second in (0..=600).step_by(15) {
        told.extend(after.evaluate("acme", &Memory::default(), at(second)).transitions.iter().map(tell));
    }
    assert_eq!(told, ["resolved at 3900s"]);
}

#[test]
fn what_was_pending_before_a_long_restart_begins_anew() {
    let mut before = judge(&lags());
    play(&mut before, "0s:31", 0);
    let mut after = judge(&lags());
    let now = Moment { since_start: Duration::ZERO, ..moment(3_600) };
    let ended = after.restore(before.active(&Scope::from_anonymous("*")), Duration::from_secs(3_600), now);
    assert_eq!(ended.iter().map(|one| one.reason.as_str()).collect::<Vec<_>>(), ["not watched for 1h"]);
    assert_eq!(ended[0].to, Phase::Inactive);
}

#[test]
fn a_rule_that_vanished_while_the_agent_was_down_ends_at_restore() {
    let mut before = judge(&rule("lag > 30", &[]));
    play(&mut before, "0s:31", 0);
    let other = "groups:\n- name: g\n  rules:\n  - {alert: Other, expr: lag > 1}\n";
    let ended = judge(other).restore(before.active(&Scope::from_anonymous("*")), Duration::ZERO, moment(60));
    assert_eq!(ended.iter().map(|one| one.reason.as_str()).collect::<Vec<_>>(), ["rule removed"]);
}

/// At start only configured targets are known; those that were found are found again a moment later, or not.
#[test]
fn instances_of_found_targets_wait_for_the_first_roster_after_a_restart() {
    let mut before = judge(&rule("lag > 30", &[]));
    let mut memory = Memory::default();
    memory.push(&series("lag", &[("target", "found")]), moment(0).stored_ms, 31.0);
    before.evaluate("acme", &memory, moment(0));
    let saved = before.active(&Scope::from_anonymous("*"));

    let configured = || watchward::judge::evaluate::Roster::new([("acme", "orders", false)]);
    let mut after = Judge::new(rules(&rule("lag > 30", &[])), configured(), settings());
    assert!(after.restore(saved, Duration::ZERO, moment(15)).is_empty());
    assert_eq!(after.active(&Scope::from_anonymous("*")).len(), 1);
    let ended = after.enlist(configured(), moment(20));
    assert_eq!(ended.iter().map(|one| one.reason.as_str()).collect::<Vec<_>>(), ["target removed"]);
}

/// Which of three instances hold the condition, round by round.
fn rounds() -> impl Strategy<Value = Vec<[bool; 3]>> {
    prop::collection::vec(prop::array::uniform3(any::<bool>()), 1..60)
}

fn seen(holds: [bool; 3]) -> Vec<Seen> {
    let one = |number: usize| Seen {
        labels: Labels::new([("n", number.to_string())]),
        annotations: Default::default(),
        value: 1.0,
        discovered: false,
    };
    (0..3).filter(|number| holds[*number]).map(one).collect()
}

fn times(hold_s: u64) -> Alerting {
    Alerting { hold: Duration::from_secs(hold_s), keep_firing: Duration::ZERO, annotations: Vec::new() }
}

const SUBJECT: Subject<'static> = Subject { tenant: "acme", rule: "r" };

/// Runs all rounds; before round `restart` the state is saved, lost, and restored under a clock that begins anew.
fn run(rounds: &[[bool; 3]], hold_s: u64, restart: Option<usize>) -> Vec<Transition> {
    let (mut state, mut told, mut begin) = (RuleState::default(), Vec::new(), 0);
    for (number, holds) in rounds.iter().enumerate() {
        let second = number as u64 * 15;
        if restart == Some(number) {
            begin = second;
        }
        let now = Moment { since_start: Duration::from_secs(second - begin), ..moment(second) };
        if restart == Some(number) {
            let saved: Vec<Transition> = state.active().cloned().collect();
            state = RuleState::default();
            for one in saved {
                told.extend(state.restore(one, Duration::ZERO, now));
            }
        }
        told.extend(state.step(SUBJECT, &times(hold_s), seen(*holds), now));
    }
    told
}

proptest! {
    #[test]
    fn a_restart_at_any_point_changes_nothing(rounds in rounds(), hold in 0_u64..120, at in 0_usize..60) {
        prop_assert_eq!(run(&rounds, hold, Some(at)), run(&rounds, hold, None));
    }

    #[test]
    fn every_firing_is_followed_by_exactly_one_resolved(rounds in rounds(), hold in 0_u64..120) {
        let mut rounds = rounds;
        rounds.push([false; 3]);
        let told = run(&rounds, hold, None);
        for number in 0..3 {
            let labels = Labels::new([("n", number.to_string())]);
            let own: Vec<&Transition> = told.iter().filter(|one| one.labels == labels).collect();
            let mut phase = Phase::Inactive;
            for one in own {
                let begins = if phase == Phase::Resolved { Phase::Inactive } else { phase };
                prop_assert_eq!(one.from, begins, "{:?}", one);
                prop_assert!(one.from != one.to);
                phase = one.to;
            }
            prop_assert!(matches!(phase, Phase::Inactive | Phase::Resolved), "left at {:?}", phase);
        }
    }

    #[test]
    fn nothing_fires_before_its_hold(rounds in rounds(), hold in 1_u64..120) {
        for one in run(&rounds, hold, None).iter().filter(|one| one.to == Phase::Firing) {
            let held_s = u64::try_from(one.at_ms - one.since_ms).unwrap() / 1000;
            prop_assert!(held_s >= hold && held_s < hold + 15, "held {held_s}s, hold {hold}s");
            let round = usize::try_from((one.at_ms - BEGIN_MS) / 15_000).unwrap();
            let number: usize = one.labels.value("n").parse().unwrap();
            let rounds_held = usize::try_from(held_s / 15).unwrap();
            prop_assert!(rounds[round - rounds_held..=round].iter().all(|holds| holds[number]));
        }
    }
}

#[test]
fn a_judge_asked_late_by_milliseconds_does_not_hold_longer() {
    let mut judge = Judge::new(rules(&lags()), roster(), settings());
    let mut memory = Memory::default();
    let mut told = Vec::new();
    // The condition begins in round 1, which is 9 ms late, and is held in round 9, which is 2 ms late.
    for (round, late_ms) in [0_i64, 9, 3, 0, 7, 1, 4, 0, 6, 2].into_iter().enumerate() {
        let mut now = moment(round as u64 * 15);
        now.since_start += Duration::from_millis(late_ms.unsigned_abs());
        now.stored_ms += late_ms;
        let value = if round == 0 { 1.0 } else { 31.0 };
        memory.push(&series("lag", &[]), moment(round as u64 * 15).stored_ms, value);
        told.extend(judge.evaluate("acme", &memory, now).transitions.iter().map(tell));
    }
    assert_eq!(told, ["pending at 15s", "firing at 135s"]);
}
