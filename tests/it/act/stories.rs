//! Stories of one policy: it acts, is held back, takes back, and leaves alone what somebody else changed.

use std::time::Duration;

use watchward::act::Acting;
use watchward::model::policy::{Mode, Policy, Undo};
use watchward::model::span::{Span, Trace};
use watchward::model::transition::{Phase, Transition};
use watchward::state::outbox::Change;

use crate::act::{Fake, Mood, Stage, policy, quick, settings};
use crate::state::{Folder, moment, open, transition};

const NOTHING: [&str; 0] = [];

async fn stage_of(policies: Vec<Policy>) -> (Folder, Stage) {
    let folder = Folder::new();
    let stage = Stage::on(open(&folder).await, &Fake::new(), policies);
    (folder, stage)
}

/// A policy that is armed, and its alert, which fires.
async fn firing(undo: Undo) -> (Folder, Stage) {
    let (folder, stage) = stage_of(vec![policy(Mode::Auto, undo)]).await;
    stage.arm().await;
    stage.world.told();
    stage.alert("CacheFull", 0, Phase::Firing).await;
    (folder, stage)
}

fn kinds(stage: &Stage) -> Vec<String> {
    stage.acting.troubles().into_iter().map(|one| format!("{}: {}", one.kind, one.evidence)).collect()
}

/// The traces since the last look: the whole, its outcome, and its parts.
fn traces(stage: &Stage) -> Vec<String> {
    let traces = std::mem::take(&mut stage.world.inner().traces);
    let words = |trace: Trace| {
        let root = &trace.root;
        let outcome = root.attributes.last().map(|(name, value)| format!("{name}={value}")).unwrap_or_default();
        let sign = |part: &Span| match (part.is_call, part.failed.as_deref()) {
            (_, Some(why)) => format!("{} ({why})", part.name),
            (true, None) => format!("{}*", part.name),
            (false, None) => part.name.to_string(),
        };
        assert!(root.parts.iter().all(|part| part.after + part.took <= root.took), "{root:?}");
        let parts: Vec<String> = root.parts.iter().map(sign).collect();
        format!("{} {} {outcome}: {}", trace.target, root.name, parts.join(" "))
    };
    traces.into_iter().map(words).collect()
}

#[tokio::test]
async fn every_action_leaves_a_trace_of_its_phases() {
    let (_folder, stage) = firing(Undo::OnResolve).await;
    assert_eq!(stage.sweep().await, ["done"]);
    let set = "guard connect* plan* guard journal look* put* look* journal";
    let set = set.replace("connect* plan*", "plan* connect*"); // a session is opened by the first question
    assert_eq!(traces(&stage), [format!("default/cache set watchward.outcome=done: {set}")]);
    stage.world.server(|server| server.mood = Mood::Away);
    stage.alert("CacheFull", 0, Phase::Resolved).await;
    assert_eq!(stage.sweep().await, ["connection refused [net-01]"]);
    let away = "look (connection refused) connect (connection refused)";
    assert_eq!(traces(&stage), [format!("default/cache undo error.type=net-01: {away}")]);
}

#[tokio::test]
async fn an_alert_sets_and_its_end_takes_back() {
    let (_folder, stage) = firing(Undo::OnResolve).await;
    assert_eq!(stage.sweep().await, ["done"]);
    assert_eq!(stage.value(), "2gb");
    assert_eq!(stage.sweep().await, NOTHING, "one firing acts once");
    stage.alert("CacheFull", 0, Phase::Resolved).await;
    assert_eq!(stage.sweep().await, ["undone"]);
    let (written, puts) = stage.world.server(|server| (server.held("maxmemory").written, server.puts.clone()));
    assert_eq!((written, puts), (None, vec!["2gb".to_string(), "RESET".to_string()]));
    assert_eq!(
        stage.world.told(),
        [
            "policy 'more memory' has set maxmemory of cache to '2gb', was '1gb' (not written) (entry 1)",
            "maxmemory of cache is set back (entry 1 of policy 'more memory'): maxmemory is '1gb' (not written)",
        ]
    );
    let kept = stage.state.events(&watchward::model::scope::Scope::of_tenant("default"), 10).await.unwrap();
    let kinds: Vec<&str> = kept.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["policy.undone", "policy.done", "policy.armed"], "newest first");
    let story = stage.state.story(&stage.journal().await[0]).await.unwrap();
    let story: Vec<String> =
        story.iter().map(|line| format!("{}, by {}: {}", line.phase, line.actor, line.words)).collect();
    assert_eq!(
        story,
        [
            "begun, by agent: alert CacheFull of db: SET maxmemory = 2gb; undo: RESET maxmemory",
            "done, by agent: maxmemory is '2gb'",
            "undoing, by agent: resolved: RESET maxmemory",
            "undone, by agent: maxmemory is '1gb' (not written)",
        ]
    );
}

#[tokio::test]
async fn what_a_person_takes_back_the_same_firing_does_not_do_again() {
    let (_folder, stage) = firing(Undo::Manual).await;
    stage.sweep().await;
    stage.undo(1).await.unwrap();
    assert_eq!(stage.value(), "1gb");
    stage.world.pass(3600);
    assert_eq!(stage.sweep().await, NOTHING);
    assert_eq!(stage.phases().await, ["undone"]);
    let again = stage.undo(1).await.unwrap_err();
    assert_eq!(again.to_string(), "entry 1 cannot be undone: it is undone [act-23]");
}

#[tokio::test]
async fn with_undo_by_hand_the_end_of_the_alert_leaves_the_change() {
    let (_folder, stage) = firing(Undo::Manual).await;
    stage.sweep().await;
    stage.alert("CacheFull", 0, Phase::Resolved).await;
    assert_eq!(stage.sweep().await, NOTHING);
    assert_eq!(stage.value(), "2gb");
}

#[tokio::test]
async fn dry_run_says_once_what_it_would_do_and_forgets_it_with_the_alert() {
    let (_folder, stage) = stage_of(vec![policy(Mode::DryRun, Undo::OnResolve)]).await;
    stage.alert("CacheFull", 0, Phase::Firing).await;
    assert_eq!(stage.sweep().await, ["planned"]);
    stage.world.pass(3600);
    assert_eq!(stage.sweep().await, NOTHING);
    assert_eq!(
        stage.world.told(),
        [
            "policy 'more memory' would for alert CacheFull of db set maxmemory of cache to '2gb', is '1gb' (not written)"
        ]
    );
    assert_eq!(stage.world.server(|server| server.puts.len()), 0);
    assert_eq!(stage.state.plans().await.unwrap().len(), 1);
    stage.alert("CacheFull", 0, Phase::Resolved).await;
    stage.sweep().await;
    assert_eq!(stage.state.plans().await.unwrap(), []);
}

#[tokio::test]
async fn why_it_is_held_back_is_told_once_and_again_when_it_is_another_reason() {
    let (_folder, stage) = stage_of(vec![policy(Mode::Auto, Undo::OnResolve)]).await;
    stage.alert("CacheFull", 0, Phase::Firing).await;
    stage.sweep().await;
    stage.sweep().await;
    let words = "policy 'more memory' does nothing for alert CacheFull of db: policy 'more memory' is not armed";
    assert_eq!(stage.world.told(), [words]);
    stage.world.inner().up = Some(false);
    stage.sweep().await;
    assert_eq!(stage.world.told(), [format!("{words}; target 'cache' is down")]);
    assert_eq!(stage.world.inner().refused, ["act-04", "act-04", "act-10"]);
}

#[tokio::test]
async fn a_second_firing_waits_for_the_cooldown() {
    let (_folder, stage) = firing(Undo::OnResolve).await;
    stage.sweep().await;
    stage.alert("CacheFull", 0, Phase::Resolved).await;
    stage.sweep().await;
    stage.world.told();
    stage.world.pass(300);
    stage.alert("CacheFull", 300, Phase::Firing).await;
    assert_eq!(stage.sweep().await, NOTHING);
    let told = stage.world.told();
    assert_eq!(told.len(), 1);
    assert!(told[0].ends_with("policy 'more memory' cools down for another 10m"), "{told:?}");
    stage.world.pass(600);
    assert_eq!(stage.sweep().await, ["done"]);
    assert_eq!(stage.phases().await, ["undone", "done"]);
}

#[tokio::test]
async fn what_somebody_else_changed_is_left_alone_and_said() {
    let (_folder, stage) = firing(Undo::OnResolve).await;
    stage.sweep().await;
    stage.world.told();
    stage.world.server(|server| server.set_by_somebody("maxmemory", "3gb"));
    stage.alert("CacheFull", 0, Phase::Resolved).await;
    let refused = "someone else changed maxmemory of 'cache' since: it is '3gb', not '2gb' [act-26]\n\
                   detail: Nobody is on record: the agent has not changed it since.\n\
                   hint: If it is to be as before: RESET maxmemory";
    assert_eq!(stage.sweep().await, [refused]);
    assert_eq!((stage.value(), stage.phases().await), ("3gb".to_string(), vec!["undo refused"]));
    let said = "someone else changed maxmemory of 'cache' since: it is '3gb', not '2gb'. Nobody is on record: the agent \
                has not changed it since.";
    assert_eq!(
        stage.world.told(),
        [format!("maxmemory of cache is not set back (entry 1 of policy 'more memory'): {said}")]
    );
    assert_eq!(kinds(&stage), [format!("UndoRefused: Entry 1 of policy 'more memory', maxmemory of cache: {said}")]);
    stage.world.pass(3600);
    assert_eq!(stage.sweep().await, NOTHING);
    stage.close(1).await.unwrap();
    stage.sweep().await;
    assert_eq!(kinds(&stage), NOTHING);
    assert_eq!(stage.close(1).await.unwrap_err().to_string(), "entry 1 is closed already [act-46]");
}

#[tokio::test]
async fn what_somebody_else_set_back_needs_no_undo() {
    let (_folder, stage) = firing(Undo::OnResolve).await;
    stage.sweep().await;
    stage.world.server(|server| {
        server.written.clear();
        server.effective.clear();
    });
    stage.alert("CacheFull", 0, Phase::Resolved).await;
    assert_eq!(stage.sweep().await, ["undone"]);
    assert_eq!(stage.world.server(|server| server.puts.clone()), ["2gb"]);
}

#[tokio::test]
async fn what_does_not_hold_is_taken_back_at_once_and_not_tried_again() {
    let (_folder, stage) = firing(Undo::OnResolve).await;
    stage.world.server(|server| server.mood = Mood::Ignores);
    assert_eq!(stage.sweep().await, ["failed"]);
    assert_eq!(
        stage.world.server(|server| (server.held("maxmemory").written, server.puts.clone())),
        (None, vec!["2gb".into(), "RESET".into()])
    );
    let told = "policy 'more memory' has not set maxmemory of cache to '2gb' (entry 1): it did not hold, and is taken back: maxmemory is '1gb' (not written)";
    assert_eq!(stage.world.told(), [told]);
    let evidence = "ChangeFailed: Entry 1 of policy 'more memory', maxmemory of cache: it did not hold, and is taken back: maxmemory is '1gb' (not written)";
    assert_eq!(kinds(&stage), [evidence]);
    stage.world.pass(3600);
    assert_eq!(stage.sweep().await, NOTHING);
    assert_eq!(kinds(&stage), [evidence]);
    stage.world.pass(86_400);
    stage.sweep().await;
    assert_eq!(kinds(&stage), NOTHING, "after a day it is history");
}

#[tokio::test]
async fn what_the_server_refuses_has_failed_with_its_words() {
    let (_folder, stage) = firing(Undo::OnResolve).await;
    stage.world.server(|server| server.mood = Mood::Refuses);
    assert_eq!(stage.sweep().await, ["failed"]);
    let told = stage.world.told();
    assert!(told[0].ends_with("maxmemory is '1gb' (not written); the server said: permission denied"), "{told:?}");
}

#[tokio::test]
async fn what_was_done_is_done_though_the_answer_was_lost() {
    for mood in [Mood::LosesAnswers, Mood::Hangs] {
        let (_folder, stage) = firing(Undo::OnResolve).await;
        stage.world.server(|server| server.mood = mood);
        assert_eq!(stage.sweep().await, ["done"], "{mood:?}");
    }
}

#[tokio::test]
async fn a_server_that_dies_is_waited_for_and_holds_up_no_other() {
    let mut other = policy(Mode::Auto, Undo::OnResolve);
    (other.name, other.set.target) = ("other".to_string(), "other".to_string());
    let (_folder, stage) = stage_of(vec![policy(Mode::Auto, Undo::OnResolve), other]).await;
    stage.arm().await;
    stage.acting.arm("default", "other", "socket:uid 0").await.unwrap();
    stage.world.server(|server| server.mood = Mood::DiesAfterWriting);
    stage.alert("CacheFull", 0, Phase::Firing).await;
    let refused = "connection refused [net-01]";
    assert_eq!(stage.sweep().await, [refused, "done", refused], "and looked at once more");
    assert_eq!(stage.phases().await, ["begun", "done"]);
    stage.world.pass(6);
    assert_eq!(stage.sweep().await, ["connection refused [net-01]"]);
    stage.world.pass(6);
    assert_eq!(stage.sweep().await, NOTHING, "it is tried later and later");
    let trouble = "ChangeUnsettled: Entry 1 of policy 'more memory', maxmemory of cache: connection refused [net-01]";
    assert_eq!(kinds(&stage), [trouble]);
    stage.world.server(|server| server.mood = Mood::Well);
    stage.world.pass(300);
    assert_eq!(stage.sweep().await, ["done"]);
    stage.sweep().await;
    assert_eq!(kinds(&stage), NOTHING);
}

#[tokio::test]
async fn an_undo_that_cannot_be_done_yet_is_due_until_it_is_done() {
    let (_folder, stage) = firing(Undo::OnResolve).await;
    stage.sweep().await;
    stage.world.server(|server| server.mood = Mood::Away);
    stage.alert("CacheFull", 0, Phase::Resolved).await;
    assert_eq!(stage.sweep().await, ["connection refused [net-01]"]);
    assert_eq!(stage.acting.statistics().undo_due, 1);
    let trouble = "UndoOverdue: Entry 1 of policy 'more memory', maxmemory of cache: connection refused [net-01]";
    assert_eq!(kinds(&stage), [trouble]);
    stage.world.server(|server| server.mood = Mood::Well);
    stage.world.pass(300);
    assert_eq!(stage.sweep().await, ["undone"]);
    stage.sweep().await;
    assert_eq!((stage.acting.statistics().undo_due, kinds(&stage).len()), (0, 0));
}

#[tokio::test]
async fn an_alert_that_ended_while_nobody_watched_is_undone_at_the_start() {
    let (folder, stage) = firing(Undo::OnResolve).await;
    stage.sweep().await;
    stage.alert("CacheFull", 0, Phase::Resolved).await;
    let next = Stage::on(open(&folder.image()).await, &stage.world, vec![policy(Mode::Auto, Undo::OnResolve)]);
    assert_eq!(next.sweep().await, ["undone"]);
}

#[tokio::test]
async fn the_journal_takes_back_what_a_policy_did_that_is_configured_no_longer() {
    let (_folder, stage) = firing(Undo::OnResolve).await;
    stage.sweep().await;
    stage.acting.reload(settings(Vec::new()));
    assert_eq!(stage.sweep().await, NOTHING);
    stage.alert("CacheFull", 0, Phase::Resolved).await;
    assert_eq!(stage.sweep().await, ["undone"]);
    let told = stage.world.told();
    assert!(told.contains(&"policy 'more memory' is disarmed, for it is configured no longer, by agent".to_string()));
}

#[tokio::test]
async fn editing_disarms_and_so_does_another_server_of_the_same_name() {
    let (_folder, stage) = firing(Undo::OnResolve).await;
    let mut edited = policy(Mode::Auto, Undo::OnResolve);
    edited.set.value = "4gb".to_string();
    stage.acting.reload(settings(vec![edited]));
    assert_eq!(stage.sweep().await, NOTHING);
    let words = "policy 'more memory' is disarmed, for it was edited, by agent";
    assert_eq!(stage.world.told()[0], words);
    assert_eq!(stage.state.armed().await.unwrap(), []);

    let (_folder, stage) = firing(Undo::OnResolve).await;
    let mut moved = settings(vec![policy(Mode::Auto, Undo::OnResolve)]);
    let mut target = crate::act::target("cache");
    target.url.port = 6380;
    moved.targets[0] = std::sync::Arc::new(target);
    stage.acting.reload(moved);
    assert_eq!(stage.sweep().await, NOTHING);
    assert_eq!(stage.world.told()[0], words);
}

#[tokio::test]
async fn a_change_is_not_taken_back_on_another_server() {
    let (_folder, stage) = firing(Undo::OnResolve).await;
    stage.sweep().await;
    let mut moved = settings(Vec::new());
    let mut target = crate::act::target("cache");
    target.url.port = 6380;
    moved.targets[0] = std::sync::Arc::new(target);
    stage.acting.reload(moved);
    stage.alert("CacheFull", 0, Phase::Resolved).await;
    let refused = "target 'cache' is another server now: entry 1 was made on redis 127.0.0.1:6379 [act-25]\n\
                   detail: It is redis 127.0.0.1:6380 now.\n\
                   hint: Undo it there by hand (RESET maxmemory), then `watchward journal close 1`.";
    assert_eq!(stage.sweep().await, [refused]);
    assert_eq!(stage.value(), "2gb");
    stage.close(1).await.unwrap();
    stage.world.pass(3600);
    assert_eq!(stage.sweep().await, NOTHING);
    assert_eq!(kinds(&stage), NOTHING);
}

#[tokio::test]
async fn a_change_stands_until_the_last_of_several_alerts_has_ended() {
    let (_folder, stage) = firing(Undo::OnResolve).await;
    let second = |to| Transition {
        labels: transition("default", "CacheFull", to, 0).labels.with("target", "db2"),
        since_ms: moment(0).stored_ms,
        ..transition("default", "CacheFull", to, moment(0).stored_ms)
    };
    let commit = |one: Transition| {
        let state = stage.state.clone();
        async move {
            let transitions = [one];
            let change = Change { transitions: &transitions, events: &[], notices: &[], at_ms: 0, entries_max: 10 };
            state.commit(&change).await.unwrap();
        }
    };
    commit(second(Phase::Firing)).await;
    assert_eq!(stage.sweep().await, ["done"]);
    stage.alert("CacheFull", 0, Phase::Resolved).await;
    assert_eq!(stage.sweep().await, NOTHING);
    commit(second(Phase::Resolved)).await;
    assert_eq!(stage.sweep().await, ["undone"]);
}

#[tokio::test]
async fn alerts_of_other_tenants_labels_and_found_servers_trigger_nothing() {
    let mut narrow = policy(Mode::Auto, Undo::OnResolve);
    narrow.when =
        watchward::act::when::read("alert:CacheFull{target=~\"cache.*\"}", &watchward::model::calendar::Zone::UTC)
            .unwrap();
    let (_folder, stage) = stage_of(vec![narrow]).await;
    stage.arm().await;
    let commit = |one: Transition| {
        let state = stage.state.clone();
        async move {
            let transitions = [one];
            let change = Change { transitions: &transitions, events: &[], notices: &[], at_ms: 0, entries_max: 10 };
            state.commit(&change).await.unwrap();
        }
    };
    let ours = transition("default", "CacheFull", Phase::Firing, 1000);
    let heard = ours.labels.with("target", "cache1");
    commit(transition("acme", "CacheFull", Phase::Firing, 1000)).await;
    commit(ours.clone()).await; // of the target db
    commit(Transition { labels: heard.with("instance", "x"), discovered: true, ..ours.clone() }).await;
    commit(Transition {
        to: Phase::Pending,
        from: Phase::Inactive,
        labels: heard.with("instance", "y"),
        ..ours.clone()
    })
    .await;
    assert_eq!(stage.sweep().await, NOTHING);
    commit(Transition { labels: heard, ..ours }).await;
    assert_eq!(stage.sweep().await, ["done"]);
    assert_eq!(stage.journal().await[0].cause, "alert:CacheFull{target=~\"cache.*\"}");
}

/// After a restart an alert may only seem to fire; what was begun is settled all the same, and at once.
#[tokio::test]
async fn before_what_fires_is_known_nothing_new_is_done_and_what_was_begun_is_settled() {
    let (folder, stage) = firing(Undo::OnResolve).await;
    stage.leave_begun("maxmemory").await;
    stage.world.server(|server| server.set_by_somebody("maxmemory", "2gb"));
    let state = open(&folder.image()).await;
    let world = Box::new(stage.world.clone());
    let settings = settings(vec![policy(Mode::Auto, Undo::OnResolve)]);
    let acting = Acting::new(state.clone(), world, settings, quick(), Duration::from_secs(60));
    let next = Stage { state, world: stage.world.clone(), acting: acting.into() };
    next.alert("CacheFull", 0, Phase::Resolved).await;
    assert_eq!(next.sweep().await, ["done"], "settled, and not undone");
    next.acting.judged();
    assert_eq!(next.sweep().await, NOTHING, "rules were evaluated, and it is too early");
    next.world.pass(61);
    assert_eq!(next.sweep().await, ["undone"]);
}

#[tokio::test]
async fn a_change_that_somebody_had_a_hand_in_is_unclear_and_left_alone() {
    let (_folder, stage) = stage_of(vec![policy(Mode::Auto, Undo::OnResolve)]).await;
    stage.arm().await;
    stage.world.told();
    stage.leave_begun("maxmemory").await;
    stage.world.server(|server| server.set_by_somebody("maxmemory", "3gb"));
    assert_eq!(stage.sweep().await.first().map(String::as_str), Some("unclear"));
    let words = "maxmemory is '3gb'; it was '1gb' (not written) and was to be '2gb'";
    assert_eq!(stage.world.told(), [format!("what became of entry 1 of policy 'more memory' is unclear: {words}")]);
    assert_eq!(kinds(&stage), [format!("ChangeUnclear: Entry 1 of policy 'more memory', maxmemory of cache: {words}")]);
    assert_eq!(stage.world.server(|server| server.puts.len()), 0);
    stage.alert("CacheFull", 0, Phase::Firing).await;
    stage.sweep().await;
    let told = stage.world.told();
    assert!(
        told[0].contains("entry 1 of policy 'more memory' has changed maxmemory of target 'cache' and is not over"),
        "{told:?}"
    );
    stage.world.server(|server| server.set_by_somebody("maxmemory", "2gb"));
    stage.world.pass(300);
    stage.sweep().await;
    assert_eq!(stage.phases().await, ["done"], "it stands exactly as recorded, so it is clear again");
}

#[tokio::test]
async fn what_was_begun_and_never_made_may_be_done_anew() {
    let (_folder, stage) = firing(Undo::OnResolve).await;
    stage.leave_begun("maxmemory").await;
    assert_eq!(stage.sweep().await, ["void", "done"]);
}

#[tokio::test]
async fn a_value_that_somebody_changes_between_plan_and_change_is_not_written_over() {
    let (_folder, stage) = firing(Undo::OnResolve).await;
    stage.world.server(|server| server.after_plan = Some("3gb".to_string()));
    let refused = "somebody changed maxmemory meanwhile: it is '3gb', and was '1gb' (not written) [act-16]";
    assert_eq!(stage.sweep().await, [refused]);
    assert_eq!((stage.value(), stage.phases().await), ("3gb".to_string(), vec!["void"]));
}

#[tokio::test]
async fn what_is_so_already_is_told_and_not_recorded() {
    let (_folder, stage) = firing(Undo::OnResolve).await;
    stage.world.server(|server| server.set_by_somebody("maxmemory", "2gb"));
    assert_eq!(stage.sweep().await, ["maxmemory of 'cache' is '2gb' already [act-14]"]);
    assert_eq!(stage.phases().await, NOTHING);
    stage.world.pass(6);
    stage.sweep().await;
    let words = "policy 'more memory' does nothing for alert CacheFull of db: maxmemory of 'cache' is '2gb' already";
    assert_eq!(stage.world.told(), [words]);
}
