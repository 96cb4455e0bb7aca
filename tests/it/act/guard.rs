//! Every reason of the guard, with its exact words; and what each does not hold back.

use std::time::Duration;

use watchward::act::guard::{By, Facts, day_began_ms, latest, refusals};
use watchward::model::calendar::Zone;
use watchward::model::calendar::cron::Cron;
use watchward::model::calendar::window::Window;
use watchward::model::plan::{Held, Step};
use watchward::model::policy::{Mode, Policy, Undo};
use watchward::state::journal::{Begin, Entry, Phase, Tally};
use watchward::state::policies::{Armed, Stopped};

use crate::act::policy;
use crate::state::moment;

/// Everything as it must be for a policy to act by itself.
struct Case {
    policy: Policy,
    by: By,
    is_enabled: bool,
    stopped: Option<Stopped>,
    armed: Option<Armed>,
    tally: Tally,
    up: Option<bool>,
    others: Vec<Entry>,
}

fn well() -> Case {
    let armed = Armed {
        tenant: "default".to_string(),
        policy: "more memory".to_string(),
        definition: "as it is".to_string(),
        at_ms: 0,
        actor: "socket:uid 0".to_string(),
    };
    Case {
        policy: policy(Mode::Auto, Undo::OnResolve),
        by: By::Itself,
        is_enabled: true,
        stopped: None,
        armed: Some(armed),
        tally: Tally::default(),
        up: Some(true),
        others: Vec::new(),
    }
}

fn entry(phase: Phase, undo: Undo, key: &str) -> Entry {
    let held = |text: &str| Held { written: None, effective: text.to_string() };
    let step = Step {
        key: key.to_string(),
        before: held("1gb"),
        after: held("2gb"),
        words: String::new(),
        undo_words: String::new(),
    };
    let begin = Begin {
        tenant: "default".to_string(),
        policy: "less memory".to_string(),
        cause: "alert:CacheFull".to_string(),
        instance: "x".to_string(),
        since_ms: 0,
        target: "cache".to_string(),
        server: String::new(),
        step,
        undo,
        actor: "agent".to_string(),
        words: String::new(),
        at_ms: 0,
        wall_ms: 0,
    };
    Entry { phase, ..begin.entry(7) }
}

fn check(change: impl FnOnce(&mut Case), expected: &[&str]) {
    let mut case = well();
    change(&mut case);
    let facts = Facts {
        policy: &case.policy,
        by: case.by,
        is_enabled: case.is_enabled,
        stopped: case.stopped.as_ref(),
        armed: case.armed.as_ref(),
        definition: "as it is",
        tally: case.tally,
        up: case.up,
        others: &case.others,
        key: "maxmemory",
        now: moment(1000),
    };
    let said: Vec<String> = refusals(&facts).iter().map(ToString::to_string).collect();
    assert_eq!(said, expected);
}

#[test]
fn where_nothing_speaks_against_it_a_policy_acts() {
    check(|_| {}, &[]);
}

#[test]
fn the_feature_switch_vetoes() {
    check(
        |case| case.is_enabled = false,
        &["the agent may set nothing: the feature ai_optimization is off [act-01]\n\
           hint: It is switched off by ai_optimization = false in [features]."],
    );
}

#[test]
fn dry_run_changes_nothing_even_by_hand() {
    let words = "policy 'more memory' is in mode dry-run, which changes nothing [act-02]\n\
                 hint: Set mode = \"approve\" to have it done by hand, or mode = \"auto\" and arm it.";
    check(|case| case.policy.mode = Mode::DryRun, &[words]);
    check(|case| (case.policy.mode, case.by) = (Mode::DryRun, By::Hand), &[words]);
}

#[test]
fn approve_waits_for_a_person_and_a_person_needs_no_arming() {
    check(
        |case| (case.policy.mode, case.armed) = (Mode::Approve, None),
        &["policy 'more memory' is in mode approve and waits for a person [act-03]\n\
           hint: Have it done with `watchward policy run 'more memory'`."],
    );
    check(|case| (case.policy.mode, case.armed, case.by) = (Mode::Approve, None, By::Hand), &[]);
}

#[test]
fn a_policy_that_is_not_armed_or_was_edited_does_not_act_by_itself() {
    let hint =
        "hint: Look at `watchward policy run 'more memory' --dry-run`, then `watchward policy arm 'more memory'`.";
    check(|case| case.armed = None, &[&format!("policy 'more memory' is not armed [act-04]\n{hint}")]);
    let edit = |case: &mut Case| case.armed.as_mut().unwrap().definition = "as it was".to_string();
    check(edit, &[&format!("policy 'more memory' was edited since socket:uid 0 armed it [act-05]\n{hint}")]);
    check(|case| (case.armed, case.by) = (None, By::Hand), &[]);
}

#[test]
fn the_switch_stops_everybody() {
    let stopped = || Some(Stopped { at_ms: 0, actor: "token:ops".to_string() });
    let words = "all actions are stopped, by token:ops [act-06]\n\
                 hint: `watchward policy start` lets policies act again.";
    check(|case| case.stopped = stopped(), &[words]);
    check(|case| (case.stopped, case.by) = (stopped(), By::Hand), &[words]);
}

#[test]
fn a_policy_cools_down_and_a_person_does_not_wait_for_it() {
    let changed = |case: &mut Case, seconds: i64| case.tally.last_ms = Some(moment(seconds).stored_ms);
    check(
        |case| changed(case, 400),
        &["policy 'more memory' cools down for another 5m [act-07]\n\
           hint: After each change it rests for cooldown = \"15m\"."],
    );
    check(|case| changed(case, 100), &[]);
    check(
        |case| {
            changed(case, 400);
            case.by = By::Hand;
        },
        &[],
    );
}

#[test]
fn outside_its_window_a_policy_changes_nothing() {
    let window = |text: &str| Some(Window::parse(text, &Zone::UTC).unwrap());
    // The moment is 2027-01-15 08:16:40 UTC.
    check(
        |case| case.policy.limits.window = window("22:00-05:00 Europe/Berlin"),
        &["it is outside the window '22:00-05:00 Europe/Berlin' of policy 'more memory' (Europe/Berlin) [act-08]\n\
           hint: The policy changes settings in its window only, be it by hand."],
    );
    check(|case| case.policy.limits.window = window("09:00-10:00 Europe/Berlin"), &[]);
    check(|case| case.policy.limits.window = window("08:00-09:00"), &[]);
}

#[test]
fn a_day_has_its_maximum() {
    check(
        |case| case.tally.today = 4,
        &["policy 'more memory' has made 4 of 4 changes today [act-09]\n\
           hint: Its limit is max_per_day; the count begins anew at midnight."],
    );
    check(|case| case.tally.today = 3, &[]);
}

#[test]
fn a_target_that_is_down_or_unknown_is_not_changed() {
    let hint = "hint: It must be read well before it is changed.";
    check(|case| case.up = Some(false), &[&format!("target 'cache' is down [act-10]\n{hint}")]);
    check(|case| case.up = None, &[&format!("nothing is known of target 'cache' yet [act-11]\n{hint}")]);
}

#[test]
fn a_target_has_one_change_under_way() {
    for phase in [Phase::Begun, Phase::Undoing] {
        check(
            |case| case.others = vec![entry(phase, Undo::Manual, "another")],
            &["target 'cache' has a change under way: entry 7 of another [act-12]\n\
               hint: Look at `watchward journal show 7`."],
        );
    }
}

#[test]
fn nothing_lies_on_top_of_a_change_that_owes_its_undo() {
    check(
        |case| case.others = vec![entry(Phase::Done, Undo::OnResolve, "maxmemory")],
        &["entry 7 of policy 'less memory' has changed maxmemory of target 'cache' and is not over [act-13]\n\
           hint: It is taken back when its alert ends, or with `watchward journal undo 7`."],
    );
    check(
        |case| case.others = vec![entry(Phase::Unclear, Undo::Manual, "maxmemory")],
        &["entry 7 of policy 'less memory' has changed maxmemory of target 'cache' and is not over [act-13]\n\
           hint: Look at `watchward journal show 7`."],
    );
    // What a person takes back, if anybody does, may be set anew: day and night, by two schedules.
    check(|case| case.others = vec![entry(Phase::Done, Undo::Manual, "maxmemory")], &[]);
    check(|case| case.others = vec![entry(Phase::Done, Undo::OnResolve, "another")], &[]);
    let closed = || Entry { closed_ms: Some(0), ..entry(Phase::Unclear, Undo::Manual, "maxmemory") };
    check(|case| case.others = vec![closed()], &[]);
}

#[test]
fn every_reason_is_told_not_the_first_alone() {
    let mut case = well();
    (case.is_enabled, case.armed, case.up) = (false, None, None);
    let facts = Facts {
        policy: &case.policy,
        by: case.by,
        is_enabled: false,
        stopped: None,
        armed: None,
        definition: "",
        tally: Tally { last_ms: Some(moment(999).stored_ms), today: 9 },
        up: None,
        others: &[],
        key: "maxmemory",
        now: moment(1000),
    };
    let codes: Vec<&str> = refusals(&facts).iter().map(|one| one.code).collect();
    assert_eq!(codes, ["act-01", "act-04", "act-07", "act-09", "act-11"]);
}

#[test]
fn the_day_begins_at_midnight_of_the_policys_own_zone() {
    let mut policy = policy(Mode::Auto, Undo::Manual);
    let now_ms = moment(0).wall_ms; // 2027-01-15 08:00 UTC
    let hours = |ms: i64| (now_ms - ms) / 3_600_000;
    assert_eq!(hours(day_began_ms(&policy, &Zone::UTC, now_ms)), 8);
    assert_eq!(hours(day_began_ms(&policy, &Zone::find("Asia/Tokyo").unwrap(), now_ms)), 17);
    policy.limits.window = Some(Window::parse("00:00-24:00 America/New_York", &Zone::UTC).unwrap());
    assert_eq!(hours(day_began_ms(&policy, &Zone::UTC, now_ms)), 3);
}

/// On the day of 25 hours, the day began 25 hours before its last moment.
#[test]
fn a_day_of_25_hours_is_one_day() {
    let policy = policy(Mode::Auto, Undo::Manual);
    let berlin = Zone::find("Europe/Berlin").unwrap();
    let last_ms = 1_792_969_199_000; // 2026-10-25T22:59:59Z, one second before midnight in Berlin
    let began_ms = day_began_ms(&policy, &berlin, last_ms);
    assert_eq!(Duration::from_millis((last_ms - began_ms).unsigned_abs()), Duration::from_secs(25 * 3600 - 1));
}

#[test]
fn the_latest_time_of_a_schedule_is_found() {
    let cron = Cron::parse("*/10 * * * *", &Zone::UTC).unwrap();
    let now_ms = moment(0).wall_ms;
    assert_eq!(latest(&cron, now_ms - 3_600_000, now_ms + 700_000), Some(now_ms + 600_000));
    assert_eq!(latest(&cron, now_ms, now_ms + 1000), None);
}
