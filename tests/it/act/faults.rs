//! Every fault of act that the other tests do not meet, word for word.

use std::time::Duration;

use watchward::act::world::{Times, reach};
use watchward::model::command::Order;
use watchward::model::policy::{Mode, Policy, Undo};
use watchward::model::transition::Phase;

use crate::act::{Fake, Mood, Stage, at, policy, quick, settings, target, words};
use crate::state::{Folder, open};

async fn stage_with(policies: Vec<Policy>, times: Times) -> (Folder, Stage) {
    let folder = Folder::new();
    let stage = Stage::with(open(&folder).await, &Fake::new(), policies, times);
    (folder, stage)
}

/// A policy that is armed and rests for no time, and its alert, which fires.
async fn firing(undo: Undo, times: Times) -> (Folder, Stage) {
    let mut policy = policy(Mode::Auto, undo);
    policy.limits.cooldown = Duration::ZERO;
    let (folder, stage) = stage_with(vec![policy], times).await;
    stage.arm().await;
    stage.world.told();
    stage.alert("CacheFull", 0, Phase::Firing).await;
    (folder, stage)
}

fn run(dry_run: bool) -> Order {
    Order::Run { policy: "more memory".to_string(), tenant: None, dry_run }
}

fn kinds(stage: &Stage) -> Vec<String> {
    stage.acting.troubles().into_iter().map(|one| format!("{}: {}", one.kind, one.evidence)).collect()
}

#[tokio::test]
async fn one_firing_is_recorded_once_whatever_looks_at_it() {
    let (_folder, stage) = firing(Undo::Manual, quick()).await;
    let job = stage.acting.round().await.unwrap().pop().unwrap();
    assert_eq!(words(&stage.acting.perform(&job).await), "done");
    stage.world.server(|server| server.set_by_somebody("maxmemory", "1gb"));
    assert_eq!(
        words(&stage.acting.perform(&job).await),
        "policy 'more memory' has acted on this already, or its target has a change under way [act-15]\n\
         hint: Look at `watchward journal`."
    );
    assert_eq!((stage.value(), stage.phases().await), ("1gb".to_string(), vec!["done"]));
}

#[tokio::test]
async fn what_takes_too_long_is_cut_off_and_settled_later() {
    let times = Times { action: Duration::from_millis(300), question: Duration::from_secs(60), ..quick() };
    let (_folder, stage) = firing(Undo::OnResolve, times).await;
    stage.world.server(|server| server.mood = Mood::Hangs);
    let job = stage.acting.round().await.unwrap().pop().unwrap();
    assert_eq!(
        words(&stage.acting.perform(&job).await),
        "the change was not over within 300ms [act-17]\n\
         hint: What was begun is in the journal, and is brought to an end."
    );
    assert_eq!(stage.phases().await, ["begun"]);
    stage.world.server(|server| server.mood = Mood::Well);
    assert_eq!(stage.sweep().await, ["done"]);
}

#[tokio::test]
async fn an_undo_that_does_not_hold_is_told_and_can_be_given_up() {
    let (_folder, stage) = firing(Undo::OnResolve, quick()).await;
    stage.sweep().await;
    stage.world.server(|server| server.mood = Mood::Ignores);
    stage.alert("CacheFull", 0, Phase::Resolved).await;
    let words = "entry 1 is not taken back yet: maxmemory is '2gb' (not written) [act-18]";
    assert_eq!(stage.sweep().await, [words]);
    stage.acting.round().await.unwrap();
    assert_eq!(kinds(&stage), [format!("UndoOverdue: Entry 1 of policy 'more memory', maxmemory of cache: {words}")]);
    assert_eq!(stage.acting.statistics().undo_due, 1, "what is being taken back still stands");
    stage.world.told();
    let closed = stage.close(1).await.unwrap();
    assert!(closed["phase"] == "unclear" && !closed["closed"].is_null(), "{closed}");
    assert_eq!(
        stage.world.told(),
        ["what became of entry 1 of policy 'more memory' is unclear: given up while it was undoing"]
    );
    stage.world.pass(3600);
    assert_eq!(stage.sweep().await, [] as [String; 0], "nobody tries any more");
    assert_eq!((kinds(&stage).len(), stage.acting.statistics().undo_due), (0, 0));
    assert_eq!(stage.undo(1).await.unwrap_err().code, "act-26");
}

#[tokio::test]
async fn an_entry_that_went_on_meanwhile_is_not_touched() {
    let (_folder, stage) = firing(Undo::OnResolve, quick()).await;
    stage.sweep().await;
    stage.alert("CacheFull", 0, Phase::Resolved).await;
    let job = stage.acting.round().await.unwrap().pop().unwrap();
    assert_eq!(words(&stage.acting.perform(&job).await), "undone");
    assert_eq!(words(&stage.acting.perform(&job).await), "entry 1 is done no longer [act-19]");
}

#[tokio::test]
async fn an_engine_that_is_none_is_not_reached() {
    let mut target = target("cache");
    target.engine = "oracle".to_string();
    let fault = reach(&target).await.map(|_| ()).unwrap_err();
    assert_eq!(fault.to_string(), "engine 'oracle' is not one [act-21]");
}

#[tokio::test]
async fn a_server_that_gives_no_answer_is_not_waited_for_long() {
    let (_folder, stage) = firing(Undo::OnResolve, quick()).await;
    stage.world.server(|server| server.mood = Mood::Silent);
    assert_eq!(stage.sweep().await, ["target 'cache' gave no answer within 150ms [act-22]"]);

    // Nor by whoever asked.
    let times = Times { question: Duration::from_secs(60), answer: Duration::from_millis(50), ..quick() };
    let (_folder, stage) = firing(Undo::OnResolve, times).await;
    stage.world.server(|server| server.mood = Mood::Silent);
    assert_eq!(stage.ask(run(true)).await.unwrap()["fault"]["what"], "target 'cache' gave no answer within 50ms");
    assert_eq!(
        stage.ask(run(false)).await.unwrap_err().to_string(),
        "the change is not over after 50ms, and goes on [act-48]\nhint: Look at `watchward journal`."
    );
}

#[tokio::test]
async fn a_change_on_a_target_that_is_gone_is_told_and_can_be_closed() {
    let (_folder, stage) = firing(Undo::OnResolve, quick()).await;
    stage.leave_begun("maxmemory").await;
    let mut gone = settings(Vec::new());
    gone.targets.clear();
    stage.acting.reload(gone);
    let words = "target 'cache' of tenant 'default' is configured no longer [act-27]\n\
                 hint: What was changed on it stands, and is in `watchward journal`.";
    assert_eq!(stage.sweep().await, [words]);
    stage.acting.round().await.unwrap();
    let trouble = format!("ChangeUnsettled: Entry 1 of policy 'more memory', maxmemory of cache: {words}");
    assert_eq!(kinds(&stage), [trouble]);
    stage.close(1).await.unwrap();
    stage.world.pass(3600);
    assert_eq!(stage.sweep().await, [] as [String; 0]);
    assert_eq!(kinds(&stage), [] as [String; 0]);
    let story = stage.state.story(&stage.journal().await[0]).await.unwrap();
    let story: Vec<String> = story.iter().map(|line| format!("{} {} {}", line.phase, line.actor, line.words)).collect();
    assert_eq!(
        story,
        [
            "begun agent ",
            "unclear socket:uid 0 given up while it was begun",
            "closed socket:uid 0 its end is not waited for"
        ]
    );
}

#[tokio::test]
async fn what_is_under_way_and_well_is_not_closed() {
    let (_folder, stage) = firing(Undo::OnResolve, Times { question: Duration::from_secs(60), ..quick() }).await;
    stage.world.server(|server| server.mood = Mood::Hangs);
    let job = stage.acting.round().await.unwrap().pop().unwrap();
    let _told = stage.acting.begin(job).unwrap();
    while stage.world.server(|server| server.puts.is_empty()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(
        stage.close(1).await.unwrap_err().to_string(),
        "entry 1 is under way: it comes to an end of its own [act-45]\n\
         hint: Look at `watchward journal show 1` in a minute."
    );
    assert_eq!(
        stage.undo(1).await.unwrap_err().to_string(),
        "target 'default/cache' has a change under way: policy 'more memory' sets maxmemory of default/cache [act-12]\n\
         hint: Ask again when it is over; nothing takes longer than half a minute."
    );
    assert_eq!(stage.phases().await, ["begun"]);
}

/// The journal lets one change be under way on a target, so an undo beside one that is stuck has to wait for it.
#[tokio::test]
async fn an_undo_beside_a_change_that_is_not_over_says_which() {
    let (_folder, stage) = firing(Undo::OnResolve, quick()).await;
    stage.sweep().await;
    let other = stage.leave_begun("maxclients").await;
    assert_eq!(
        stage.undo(1).await.unwrap_err().to_string(),
        format!(
            "target 'cache' has a change under way: entry {other} of maxclients [act-12]\n\
             hint: Look at `watchward journal show {other}`."
        )
    );
    assert_eq!(
        stage.undo(other).await.unwrap_err().to_string(),
        format!("entry {other} is under way [act-12]\nhint: Look at `watchward journal show {other}`.")
    );
    assert_eq!(stage.value(), "2gb");
}

#[tokio::test]
async fn what_is_so_already_is_neither_proposed_nor_rehearsed_as_a_change() {
    let (_folder, stage) = stage_with(vec![policy(Mode::Approve, Undo::OnResolve)], quick()).await;
    stage.world.server(|server| server.set_by_somebody("maxmemory", "2gb"));
    stage.alert("CacheFull", 0, Phase::Firing).await;
    let so = "maxmemory of 'cache' is '2gb' already";
    assert_eq!(stage.sweep().await, [format!("{so} [act-14]")]);
    assert_eq!(stage.state.plans().await.unwrap(), []);
    let answer = stage.ask(run(true)).await.unwrap();
    assert_eq!((&answer["refusals"][0]["what"], &answer["refusals"][0]["code"]), (&so.into(), &"act-14".into()));
    assert_eq!(stage.ask(run(false)).await.unwrap_err().to_string(), format!("{so} [act-14]"));
}

/// Another server behind the name: what was begun on the first is not looked for on the second.
#[tokio::test]
async fn a_change_that_was_begun_on_another_server_is_not_settled_here() {
    let (_folder, stage) = firing(Undo::OnResolve, quick()).await;
    stage.leave_begun("maxmemory").await;
    let mut moved = settings(Vec::new());
    moved.targets[0] = at(target("cache"), 6380).into();
    stage.acting.reload(moved);
    let fault = stage.sweep().await.remove(0);
    assert!(
        fault.starts_with("target 'cache' is another server now: entry 1 was made on redis 127.0.0.1:6379 [act-25]")
    );
    stage.close(1).await.unwrap();
    assert_eq!(stage.phases().await, ["unclear"]);
}
