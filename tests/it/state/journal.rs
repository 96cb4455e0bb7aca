//! The journal: one firing acts once, a target has one change under way, what stands is never forgotten.

use watchward::model::plan::{Held, Step};
use watchward::model::policy::Undo;
use watchward::model::scope::Scope;
use watchward::model::status::Event;
use watchward::state::State;
use watchward::state::journal::{Begin, Close, Entry, Phase, Tally, Turn, Why};
use watchward::state::policies::{Armed, Ruling, Stopped};
use watchward::state::trim::Keep;

use crate::state::{Folder, moment, open};

fn change(target: &str, instance: &str, at_s: i64) -> Begin {
    let held = |text: &str| Held { written: Some(text.to_string()), effective: text.to_string() };
    Begin {
        tenant: "acme".to_string(),
        policy: "p".to_string(),
        cause: "alert:A".to_string(),
        instance: instance.to_string(),
        since_ms: 1,
        target: target.to_string(),
        server: "host x".to_string(),
        step: Step {
            key: "k".to_string(),
            before: held("1"),
            after: held("2"),
            words: "k := 2".to_string(),
            undo_words: "k := 1".to_string(),
        },
        undo: Undo::Manual,
        actor: "agent".to_string(),
        words: "because".to_string(),
        at_ms: moment(at_s).stored_ms,
        wall_ms: moment(at_s).wall_ms,
    }
}

async fn begin(state: &State, begin: &Begin) -> Option<i64> {
    state.begin_change(begin).await.unwrap()
}

async fn turn(state: &State, entry: i64, from: Phase, to: Phase, at_s: i64) -> bool {
    let at_ms = moment(at_s).stored_ms;
    let turn = Turn { entry, from, to, why: None, at_ms, actor: "agent", words: "so", event: None };
    state.turn(&turn).await.unwrap()
}

async fn all(state: &State) -> Vec<(i64, Phase)> {
    let all = state.journal(&Scope::of_tenant("acme"), 100).await.unwrap();
    all.iter().rev().map(|entry| (entry.id, entry.phase)).collect()
}

#[tokio::test]
async fn one_firing_acts_once_unless_nothing_came_of_it() {
    let folder = Folder::new();
    let state = open(&folder).await;
    let one = change("db", "x", 0);
    assert_eq!(begin(&state, &one).await, Some(1));
    assert_eq!(begin(&state, &one).await, None);
    assert!(state.has_acted(("acme", "p"), "x", 1).await.unwrap());
    assert!(turn(&state, 1, Phase::Begun, Phase::Void, 1).await);
    assert!(!state.has_acted(("acme", "p"), "x", 1).await.unwrap());
    let second = begin(&state, &one).await.unwrap();
    assert!(turn(&state, second, Phase::Begun, Phase::Done, 2).await);
    assert_eq!(begin(&open(&folder.image()).await, &one).await, None, "after a restart as well");
}

#[tokio::test]
async fn a_target_has_one_change_under_way() {
    let folder = Folder::new();
    let state = open(&folder).await;
    assert_eq!(begin(&state, &change("db", "x", 0)).await, Some(1));
    assert_eq!(begin(&state, &change("db", "y", 0)).await, None);
    assert!(begin(&state, &change("db2", "y", 0)).await.is_some());
    assert!(turn(&state, 1, Phase::Begun, Phase::Done, 1).await);
    assert!(begin(&state, &change("db", "z", 2)).await.is_some());
}

#[tokio::test]
async fn what_was_recorded_is_read_back_and_belongs_to_its_tenant() {
    let folder = Folder::new();
    let state = open(&folder).await;
    let one = change("db", "x", 0);
    begin(&state, &one).await;
    let read = state.change(&Scope::of_tenant("acme"), 1).await.unwrap().unwrap();
    assert_eq!(read, one.entry(1));
    assert_eq!(state.change(&Scope::of_tenant("other"), 1).await.unwrap(), None);
    assert_eq!(state.journal(&Scope::of_tenant("other"), 10).await.unwrap(), []);
}

/// A phase, its line in the story and its event are one transaction, or none of them is there.
#[tokio::test]
async fn a_change_leaves_only_the_phase_it_is_in() {
    let folder = Folder::new();
    let state = open(&folder).await;
    begin(&state, &change("db", "x", 0)).await;
    let event = Event {
        at_ms: 0,
        tenant: "acme".to_string(),
        target: "db".to_string(),
        kind: "policy.done".to_string(),
        summary: "done".to_string(),
        detail: serde_json::json!({}),
    };
    let turn = |from, why| Turn {
        entry: 1,
        from,
        to: Phase::Done,
        why,
        at_ms: moment(1).stored_ms,
        actor: "agent",
        words: "so",
        event: Some(&event),
    };
    assert!(!state.turn(&turn(Phase::Undoing, None)).await.unwrap());
    assert_eq!(state.events(&Scope::of_tenant("acme"), 10).await.unwrap(), []);
    assert!(state.turn(&turn(Phase::Begun, Some(Why::Asked))).await.unwrap());
    assert_eq!(state.events(&Scope::of_tenant("acme"), 10).await.unwrap().len(), 1);
    let entry = state.change(&Scope::of_tenant("acme"), 1).await.unwrap().unwrap();
    assert_eq!((entry.phase, entry.why_undone), (Phase::Done, Some(Why::Asked)));
    let story: Vec<String> = state.story(&entry).await.unwrap().into_iter().map(|line| line.phase).collect();
    assert_eq!(story, ["begun", "done"]);
}

#[tokio::test]
async fn a_policys_changes_are_counted_by_the_calendars_day() {
    let folder = Folder::new();
    let state = open(&folder).await;
    for (at, instance) in ["a", "b", "c"].into_iter().enumerate() {
        let id = begin(&state, &change("db", instance, 100 * i64::try_from(at).unwrap())).await.unwrap();
        turn(&state, id, Phase::Begun, if at == 2 { Phase::Void } else { Phase::Done }, 300).await;
    }
    let tally = state.tally(("acme", "p"), (moment(50).wall_ms, moment(500).wall_ms)).await.unwrap();
    assert_eq!(tally, Tally { last_ms: Some(moment(100).stored_ms), today: 1 });
    // One that lies more than a day ahead was made while the clock was wrong.
    let before_ms = moment(100).wall_ms - 86_400_001;
    assert_eq!(state.tally(("acme", "p"), (before_ms - 1000, before_ms)).await.unwrap().today, 1);
    assert_eq!(state.tally(("acme", "q"), (0, 0)).await.unwrap(), Tally::default());
}

#[tokio::test]
async fn what_is_over_is_forgotten_in_time_and_what_stands_is_not() {
    let folder = Folder::new();
    let state = open(&folder).await;
    // Three changes of one setting: the first is covered by the second, the second by the third, which stands.
    for (at, instance) in ["a", "b", "c"].into_iter().enumerate() {
        let id = begin(&state, &change("db", instance, i64::try_from(at).unwrap())).await.unwrap();
        turn(&state, id, Phase::Begun, Phase::Done, 3).await;
    }
    begin(&state, &change("db2", "d", 0)).await;
    begin(&state, &change("db3", "e", 0)).await;
    turn(&state, 5, Phase::Begun, Phase::Unclear, 3).await;
    begin(&state, &change("db4", "f", 0)).await;
    turn(&state, 6, Phase::Begun, Phase::Failed, 3).await;
    let keep = Keep { age_ms: 10_000, rows_max: 1000 };
    state.trim(keep, moment(5).stored_ms).await.unwrap();
    assert_eq!(all(&state).await.len(), 6, "nothing is old enough");
    state.trim(keep, moment(60).stored_ms).await.unwrap();
    assert_eq!(all(&state).await, [(3, Phase::Done), (4, Phase::Begun), (5, Phase::Unclear)]);
    let close = Close { entry: 5, at_ms: moment(61).stored_ms, actor: "me", words: "looked at" };
    assert!(state.close_change(&close).await.unwrap());
    assert!(!state.close_change(&close).await.unwrap());
    state.trim(keep, moment(90).stored_ms).await.unwrap();
    assert_eq!(all(&state).await, [(3, Phase::Done), (4, Phase::Begun)]);
}

#[tokio::test]
async fn what_is_open_is_what_owes_an_end() {
    let of = |phase, undo, closed_ms| Entry { phase, undo, closed_ms, ..change("db", "x", 0).entry(1) };
    for (entry, expected) in [
        (of(Phase::Begun, Undo::Manual, None), true),
        (of(Phase::Undoing, Undo::Manual, None), true),
        (of(Phase::Done, Undo::OnResolve, None), true),
        (of(Phase::Done, Undo::OnResolve, Some(1)), false),
        (of(Phase::Done, Undo::Manual, None), false),
        (of(Phase::Unclear, Undo::Manual, None), true),
        (of(Phase::Unclear, Undo::Manual, Some(1)), false),
        (of(Phase::Undone, Undo::OnResolve, None), false),
        (of(Phase::Failed, Undo::OnResolve, None), false),
        (of(Phase::UndoRefused, Undo::OnResolve, None), false),
        (of(Phase::Void, Undo::OnResolve, None), false),
    ] {
        assert_eq!(entry.is_open(), expected, "{entry:?}");
    }
}

#[tokio::test]
async fn arming_and_the_switch_survive_and_say_whether_anything_changed() {
    let folder = Folder::new();
    let state = open(&folder).await;
    let armed = |definition: &str| Armed {
        tenant: "acme".to_string(),
        policy: "p".to_string(),
        definition: definition.to_string(),
        at_ms: 1,
        actor: "me".to_string(),
    };
    assert!(state.rule(&Ruling::Arm(&armed("a")), None).await.unwrap());
    assert!(!state.rule(&Ruling::Arm(&armed("a")), None).await.unwrap());
    assert!(state.rule(&Ruling::Arm(&armed("b")), None).await.unwrap());
    let stopped = Stopped { at_ms: 2, actor: "me".to_string() };
    assert!(state.rule(&Ruling::Stop(&stopped), None).await.unwrap());
    assert!(!state.rule(&Ruling::Stop(&Stopped { at_ms: 3, actor: "you".to_string() }), None).await.unwrap());
    let state = open(&folder.image()).await;
    assert_eq!(state.armed().await.unwrap(), [armed("b")]);
    assert_eq!(state.stopped().await.unwrap(), Some(stopped));
    assert!(state.rule(&Ruling::Start, None).await.unwrap());
    assert!(state.rule(&Ruling::Disarm { tenant: "acme", policy: "p" }, None).await.unwrap());
    assert_eq!((state.armed().await.unwrap(), state.stopped().await.unwrap()), (vec![], None));
}
