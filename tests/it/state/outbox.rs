//! The outbox: whole changes, membership, merging when too much waits, and giving up.

use std::sync::Arc;

use serde_json::json;
use watchward::model::labels::Labels;
use watchward::model::scope::Scope;
use watchward::model::transition::Phase;
use watchward::state::State;
use watchward::state::deliveries::{Attempt, Outcome};
use watchward::state::outbox::{Alert, Change, Notice, Outlet, Place, Queue};
use watchward::state::rehome::Move;

use crate::state::{Folder, moment, open, transition};

fn outlet(receiver: &str) -> Outlet {
    Outlet { receiver: receiver.to_string(), channel: "webhook".to_string() }
}

fn place(receiver: &str) -> Arc<Place> {
    let labels = Labels::new([("tenant", "acme"), ("alertname", "A")]);
    Arc::new(Place { outlet: outlet(receiver), key: "{}:{}".to_string(), tenant: "acme".to_string(), labels })
}

/// `a+10`: alert a began at 10 ms; `a-20`: it ended at 20 ms.
fn notices(place: &Arc<Place>, text: &str) -> Vec<Notice> {
    let notice = |word: &str| {
        let at = word.find(['+', '-']).unwrap();
        let at_ms: i64 = word[at + 1..].parse().unwrap();
        let ends_ms = word[at..].starts_with('-').then_some(at_ms);
        let one = transition("acme", &word[..at], Phase::Firing, at_ms);
        let starts_ms = if ends_ms.is_some() { 1 } else { at_ms };
        let alert = Alert { rule: one.rule, labels: one.labels, annotations: one.annotations, starts_ms, ends_ms };
        Notice { place: place.clone(), alert }
    };
    text.split_whitespace().map(notice).collect()
}

async fn queue(state: &State, notices: &[Notice], entries_max: usize) -> Queue {
    let change = Change { transitions: &[], events: &[], notices, at_ms: moment(0).stored_ms, entries_max };
    state.commit(&change).await.unwrap()
}

/// What a receiver's one group waits for, in the same short form, and after a bar the alerts that it knows of.
async fn waiting(state: &State, receiver: &str) -> String {
    let Some(group) = state.next_group(&outlet(receiver), &[]).await.unwrap() else { return String::new() };
    let waiting = state.waiting(group, 100).await.unwrap().unwrap();
    let short = |alert: &Alert| {
        let sign = if alert.ends_ms.is_some() { '-' } else { '+' };
        format!("{}{sign}{}", alert.labels.value("alertname"), alert.ends_ms.unwrap_or(alert.starts_ms))
    };
    let notices: Vec<String> = waiting.notices.iter().map(|(_, alert)| short(alert)).collect();
    let others: Vec<String> = waiting.others.iter().map(short).collect();
    format!("{} | {}", notices.join(" "), others.join(" ")).trim_end_matches([' ', '|']).to_string()
}

async fn settle(state: &State, receiver: &str, outcome: Outcome) {
    let group = state.next_group(&outlet(receiver), &[]).await.unwrap().unwrap();
    let waiting = state.waiting(group, 100).await.unwrap().unwrap();
    let ids: Vec<i64> = waiting.notices.iter().map(|(id, _)| *id).collect();
    let attempt = Attempt {
        group,
        place: &waiting.place,
        notices: &ids,
        delivery: "d1",
        number: 1,
        at_ms: 77,
        outcome,
        status: Some(200),
        answer: "thanks",
    };
    state.settle(&attempt).await.unwrap();
}

#[tokio::test]
async fn what_was_told_leaves_the_outbox_and_is_listed_beside_what_comes_next() {
    let folder = Folder::new();
    let state = open(&folder).await;
    queue(&state, &notices(&place("dba"), "a+1 b+2"), 100).await;
    assert_eq!(waiting(&state, "dba").await, "a+1 b+2");
    assert_eq!(waiting(&state, "other").await, "");
    settle(&state, "dba", Outcome::Failed).await;
    assert_eq!(waiting(&state, "dba").await, "a+1 b+2", "a failed attempt takes nothing away");
    settle(&state, "dba", Outcome::Delivered).await;
    assert_eq!(waiting(&state, "dba").await, "");
    queue(&state, &notices(&place("dba"), "c+3 a-4"), 100).await;
    assert_eq!(waiting(&state, "dba").await, "c+3 a-4 | b+2");
    let log = state.deliveries(&Scope::of_tenant("acme"), 9).await.unwrap();
    let said: Vec<_> = log.iter().map(|one| (one.outcome, one.alerts_total, one.answer.as_str())).collect();
    assert_eq!(said, [(Outcome::Delivered, 2, "thanks"), (Outcome::Failed, 2, "thanks")]);
    assert_eq!(log[0].alerts[1]["status"], json!("firing"));
    assert_eq!(log[0].alerts[1]["labels"]["alertname"], json!("b"));
    assert!(state.deliveries(&Scope::of_tenant("zeta"), 9).await.unwrap().is_empty());
}

/// The table of merging: what waited, and what is left of it. Nobody is left with a wrong picture.
#[tokio::test]
async fn when_too_much_waits_each_alert_is_merged_into_its_last_state() {
    let table = [
        ("a+1 a-2", "a+1 a-2"),
        ("a+1 a-2 a+3", "a+3"),
        ("a+1 a-2 a+3 a-4", "a+3 a-4"),
        ("a-2 a+3", "a+3"),
        ("a-2 a+3 a-4", "a+3 a-4"),
        ("a+1 b+1 a-2 b-2 a+3 c+1", "b+1 b-2 a+3 c+1"),
    ];
    for (before, expected) in table {
        let folder = Folder::new();
        let state = open(&folder).await;
        let before = notices(&place("dba"), before);
        let queued = queue(&state, &before, 1).await;
        assert_eq!(waiting(&state, "dba").await.split(" |").next().unwrap(), expected);
        let left = expected.split_whitespace().count() as u64;
        assert_eq!((queued.entries, queued.coalesced), (left, before.len() as u64 - left));
    }
}

#[tokio::test]
async fn below_the_limit_nothing_is_merged() {
    let folder = Folder::new();
    let state = open(&folder).await;
    let queued = queue(&state, &notices(&place("dba"), "a+1 a-2 a+3 a-4"), 4).await;
    assert_eq!((queued.entries, queued.coalesced, queued.oldest_ms), (4, 0, Some(moment(0).stored_ms)));
    assert_eq!(waiting(&state, "dba").await, "a+1 a-2 a+3 a-4");
}

#[tokio::test]
async fn what_is_given_up_is_logged_and_its_alert_is_still_held() {
    let folder = Folder::new();
    let state = open(&folder).await;
    queue(&state, &notices(&place("dba"), "a+1 b+2"), 100).await;
    let late = moment(10).stored_ms;
    let (given_up, left) = state.give_up(moment(0).stored_ms, late).await.unwrap();
    assert_eq!((given_up, left.entries), (0, 2), "nothing is older than itself");
    let (given_up, left) = state.give_up(moment(1).stored_ms, late).await.unwrap();
    assert_eq!((given_up, left.entries), (2, 0));
    let log = state.deliveries(&Scope::from_anonymous("*"), 9).await.unwrap();
    assert_eq!((log.len(), log[0].outcome, log[0].alerts_total), (1, Outcome::GivenUp, 2));
    assert_eq!(state.members().await.unwrap().len(), 2);
}

#[tokio::test]
async fn alerts_of_a_receiver_that_is_gone_move_with_what_waits() {
    let folder = Folder::new();
    let state = open(&folder).await;
    queue(&state, &notices(&place("old"), "told+1"), 100).await;
    settle(&state, "old", Outcome::Delivered).await;
    queue(&state, &notices(&place("old"), "fresh+2"), 100).await;
    assert!(state.orphans(&[outlet("old")]).await.unwrap().is_empty());
    let orphans = state.orphans(&[outlet("new")]).await.unwrap();
    assert_eq!(orphans.len(), 2);
    let to = (*place("new")).clone();
    let moves: Vec<Move> = orphans.into_iter().map(|orphan| Move { orphan, to: to.clone() }).collect();
    state.rehome(&moves).await.unwrap();
    assert_eq!(waiting(&state, "old").await, "");
    assert_eq!(waiting(&state, "new").await, "fresh+2 | told+1");
    assert!(state.orphans(&[outlet("new")]).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_instance_that_fires_and_that_nobody_was_told_of_is_found() {
    let folder = Folder::new();
    let state = open(&folder).await;
    let place = place("dba");
    let told = transition("acme", "told", Phase::Firing, 1);
    let untold = transition("acme", "untold", Phase::Firing, 2);
    let pending = transition("acme", "pending", Phase::Pending, 3);
    let twin = transition("zeta", "told", Phase::Firing, 4);
    let all = [told, untold.clone(), pending, twin.clone()];
    let notices = notices(&place, "told+1");
    let change = Change { transitions: &all, events: &[], notices: &notices, at_ms: 5, entries_max: 100 };
    state.commit(&change).await.unwrap();
    assert_eq!(state.untold_instances().await.unwrap(), [untold, twin]);
}
