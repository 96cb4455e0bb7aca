//! Instances, transitions, events and single values: kept whole, read within a scope, bounded.

use serde_json::json;
use watchward::model::scope::Scope;
use watchward::model::status::Event;
use watchward::model::transition::{Phase, Transition};
use watchward::state::State;
use watchward::state::outbox::Change;
use watchward::state::trim::Keep;

use crate::state::{Folder, cut, moment, open, transition};

async fn commit(state: &State, transitions: &[Transition], events: &[Event]) {
    let change = Change { transitions, events, notices: &[], at_ms: moment(0).stored_ms, entries_max: 10_000 };
    state.commit(&change).await.unwrap();
}

fn event(tenant: &str, kind: &str, at_ms: i64) -> Event {
    Event {
        at_ms,
        tenant: tenant.to_string(),
        target: "db".to_string(),
        kind: kind.to_string(),
        summary: "it happened".to_string(),
        detail: json!({ "from": "replica", "to": ["primary", 1, null] }),
    }
}

#[tokio::test]
async fn what_is_active_stands_after_a_kill_and_what_ended_does_not() {
    let folder = Folder::new();
    let state = open(&folder).await;
    let high = transition("acme", "High", Phase::Firing, moment(2).stored_ms);
    let mut odd = transition("acme", "Odd", Phase::Pending, moment(4).stored_ms);
    odd.discovered = true;
    odd.annotations.insert("ünïcode".to_string(), "line\nbreak '); DROP TABLE instances; --".to_string());
    let gone = transition("acme", "Gone", Phase::Firing, moment(5).stored_ms);
    let ended = transition("acme", "Gone", Phase::Resolved, moment(6).stored_ms);
    commit(&state, &[high.clone(), odd.clone(), gone.clone()], &[]).await;
    commit(&state, std::slice::from_ref(&ended), &[]).await;

    let image = folder.image();
    drop(state);
    let state = open(&image).await;
    assert_eq!(state.active_instances().await.unwrap(), [high.clone(), odd.clone()]);
    assert_eq!(state.transitions(&Scope::from_anonymous("*"), 10).await.unwrap(), [ended, gone, odd, high]);
}

#[tokio::test]
async fn values_that_are_no_ordinary_numbers_are_kept() {
    let folder = Folder::new();
    let state = open(&folder).await;
    let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.1, f64::MIN_POSITIVE, 1e300];
    for (at, value) in values.iter().enumerate() {
        let one = transition("acme", &format!("Value{at}"), Phase::Firing, 1000);
        commit(&state, &[Transition { value: *value, ..one }], &[]).await;
    }
    let kept: Vec<f64> = state.active_instances().await.unwrap().iter().map(|one| one.value).collect();
    for (kept, value) in kept.iter().zip(values) {
        assert!(kept.to_bits() == value.to_bits() || (kept.is_nan() && value.is_nan()), "{kept} is not {value}");
    }
}

#[tokio::test]
async fn a_reader_sees_only_the_tenants_of_its_scope() {
    let folder = Folder::new();
    let state = open(&folder).await;
    let both = [transition("acme", "A", Phase::Firing, 1), transition("zeta", "Z", Phase::Firing, 2)];
    commit(&state, &both, &[event("acme", "a.happened", 1), event("zeta", "z.happened", 2)]).await;
    let table = [("*", "acme zeta"), ("acme", "acme"), ("zeta,nobody", "zeta"), ("", ""), ("acme' OR '1'='1", "")];
    for (list, expected) in table {
        let scope = Scope::from_anonymous(list);
        let mut instances: Vec<_> = state.instances(&scope).await.unwrap().into_iter().map(|one| one.tenant).collect();
        let mut log: Vec<_> = state.transitions(&scope, 9).await.unwrap().into_iter().map(|one| one.tenant).collect();
        let mut events: Vec<_> = state.events(&scope, 9).await.unwrap().into_iter().map(|one| one.tenant).collect();
        for seen in [&mut instances, &mut log, &mut events] {
            seen.sort();
            assert_eq!(seen.join(" "), expected, "for {list:?}");
        }
    }
}

#[tokio::test]
async fn the_logs_are_bounded_by_rows_and_by_age() {
    let folder = Folder::new();
    let state = open(&folder).await;
    let at = |seconds: i64| moment(seconds).stored_ms;
    for second in 0..20 {
        let one = transition("acme", "A", if second % 2 == 0 { Phase::Firing } else { Phase::Resolved }, at(second));
        commit(&state, &[one], &[event("acme", "e", at(second))]).await;
    }
    let all = Scope::from_anonymous("*");
    let counts =
        async || (state.transitions(&all, 99).await.unwrap().len(), state.events(&all, 99).await.unwrap().len());
    assert_eq!(state.trim(Keep { age_ms: 15_000, rows_max: 1000 }, at(20)).await.unwrap(), 10);
    assert_eq!(counts().await, (15, 15));
    assert_eq!(state.trim(Keep { age_ms: 15_000, rows_max: 3 }, at(20)).await.unwrap(), 24);
    assert_eq!(counts().await, (3, 3));
    assert_eq!(state.transitions(&all, 1).await.unwrap()[0].at_ms, at(19), "the newest must stay");
}

#[tokio::test]
async fn single_values_are_replaced_and_survive() {
    let folder = Folder::new();
    let state = open(&folder).await;
    assert_eq!(state.meta("role").await.unwrap(), None);
    state.set_meta("role", "primary").await.unwrap();
    state.set_meta("role", "replica").await.unwrap();
    let image = folder.image();
    drop(state);
    assert_eq!(open(&image).await.meta("role").await.unwrap().as_deref(), Some("replica"));
}

/// A caller that is cancelled anywhere in its write leaves all of it or nothing, and the next writer is not hindered.
#[tokio::test]
async fn a_write_given_up_halfway_is_whole_or_absent_and_hinders_nobody() {
    let folder = Folder::new();
    let state = open(&folder).await;
    let all = Scope::from_anonymous("*");
    let (mut cuts, mut before, mut rounds, mut tried) = (0, 0, 0, 0);
    while rounds < 8 {
        let pair = [transition("acme", "A", Phase::Firing, 1), transition("acme", "B", Phase::Firing, 1)];
        let done = cut(commit(&state, &pair, &[event("acme", "e", 1)]), cuts).await;
        commit(&state, &[transition("acme", "C", Phase::Firing, 1)], &[]).await;
        let log: Vec<String> = state.transitions(&all, 10_000).await.unwrap().into_iter().map(|one| one.rule).collect();
        let of = |name: &str| log.iter().filter(|rule| rule.ends_with(name)).count();
        assert_eq!(of(";A"), of(";B"), "after {cuts} polls");
        assert_eq!(of(";A"), state.events(&all, 10_000).await.unwrap().len(), "after {cuts} polls");
        tried += 1;
        assert_eq!(of(";C"), tried, "after {cuts} polls");
        assert!(of(";A") - before <= 1);
        before = of(";A");
        cuts = if done.is_some() { 0 } else { cuts + 1 };
        rounds += usize::from(done.is_some());
    }
    assert!(tried > 24, "only {tried} places were tried");
}
