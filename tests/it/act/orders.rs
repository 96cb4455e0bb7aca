//! What people ask: running by hand, arming, the switch, the journal; each within what they may see.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use watchward::model::caller::{Caller, Role};
use watchward::model::command::Order;
use watchward::model::fault::Fault;
use watchward::model::policy::{Mode, Policy, Undo};
use watchward::model::scope::Scope;
use watchward::model::transition::Phase;

use crate::act::{Fake, Mood, Stage, policy, root};
use crate::state::{Folder, open};

const NOTHING: [&str; 0] = [];

async fn stage(policies: Vec<Policy>) -> (Folder, Stage) {
    let folder = Folder::new();
    let stage = Stage::on(open(&folder).await, &Fake::new(), policies);
    (folder, stage)
}

fn run(dry_run: bool) -> Order {
    Order::Run { policy: "more memory".to_string(), tenant: None, dry_run }
}

fn words(outcome: Result<Value, Fault>) -> String {
    outcome.unwrap_err().to_string()
}

#[tokio::test]
async fn an_approved_run_is_the_firings_and_ends_with_it() {
    let (_folder, stage) = stage(vec![policy(Mode::Approve, Undo::OnResolve)]).await;
    stage.alert("CacheFull", 0, Phase::Firing).await;
    assert_eq!(stage.sweep().await, ["planned"]);
    let answer = stage.ask(run(false)).await.unwrap();
    assert_eq!(answer, json!({ "entry": 1, "phase": "done", "words": "maxmemory is '2gb'" }));
    assert_eq!(stage.state.plans().await.unwrap(), [], "what is done is no proposal any more");
    assert_eq!(stage.sweep().await, NOTHING);
    let entry = &stage.journal().await[0];
    assert_eq!((entry.actor.as_str(), entry.undo), ("socket:uid 0", Undo::OnResolve));
    stage.alert("CacheFull", 0, Phase::Resolved).await;
    assert_eq!(stage.sweep().await, ["undone"]);
}

#[tokio::test]
async fn a_run_without_a_firing_is_taken_back_by_hand_alone() {
    let (_folder, stage) = stage(vec![policy(Mode::Auto, Undo::OnResolve)]).await;
    stage.ask(run(false)).await.unwrap();
    assert_eq!(stage.sweep().await, NOTHING);
    assert_eq!(stage.value(), "2gb");
    let answer = stage.undo(1).await.unwrap();
    assert_eq!(answer, json!({ "entry": 1, "phase": "undone", "words": "maxmemory is '1gb' (not written)" }));
}

#[tokio::test]
async fn a_dry_run_shows_everything_and_changes_nothing() {
    let (_folder, stage) = stage(vec![policy(Mode::Auto, Undo::OnResolve)]).await;
    stage.alert("CacheFull", 0, Phase::Firing).await;
    stage.world.inner().up = None;
    let answer = stage.ask(run(true)).await.unwrap();
    let codes = |key: &str| -> Vec<String> {
        answer[key].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap().to_string()).collect()
    };
    assert_eq!(codes("refusals"), ["act-11"]);
    assert_eq!(codes("refusals_by_itself"), ["act-04", "act-11"]);
    assert_eq!(
        answer["step"],
        json!({
            "key": "maxmemory",
            "before": { "written": null, "effective": "1gb" },
            "after": { "written": "2gb", "effective": "2gb" },
            "words": "SET maxmemory = 2gb",
            "undo_words": "RESET maxmemory",
        })
    );
    assert_eq!((&answer["cause"], &answer["undo"]), (&json!("alert CacheFull of db"), &json!("on_resolve")));
    assert_eq!(stage.journal().await, []);
    assert_eq!(stage.world.server(|server| server.puts.len()), 0);
    stage.world.server(|server| server.mood = Mood::Away);
    let answer = stage.ask(run(true)).await.unwrap();
    assert_eq!((&answer["step"], &answer["fault"]["what"]), (&Value::Null, &json!("connection refused")));
}

#[tokio::test]
async fn by_hand_the_guard_holds_all_the_same() {
    let (_folder, stage) = stage(vec![policy(Mode::DryRun, Undo::Manual)]).await;
    let refused = "policy 'more memory' is in mode dry-run, which changes nothing [act-02]";
    assert!(words(stage.ask(run(false)).await).starts_with(refused));
    assert_eq!(stage.journal().await, []);
}

#[tokio::test]
async fn only_auto_can_be_armed_and_the_list_says_who_did() {
    let (_folder, stage) = stage(vec![policy(Mode::Approve, Undo::Manual)]).await;
    let arm = || Order::Arm { policy: "more memory".to_string(), tenant: None };
    assert_eq!(
        words(stage.ask(arm()).await),
        "policy 'more memory' is in mode approve and cannot be armed [act-44]\nhint: Only mode = \"auto\" acts by itself."
    );
    stage.acting.reload(crate::act::settings(vec![policy(Mode::Auto, Undo::Manual)]));
    stage.ask(arm()).await.unwrap();
    stage.ask(arm()).await.unwrap();
    let listed = stage.ask(Order::Policies).await.unwrap();
    assert_eq!(listed["policies"][0]["armed"], json!({ "at": "2027-01-15T08:00:00.000Z", "by": "socket:uid 0" }));
    assert_eq!(listed["policies"][0]["guard"], json!({ "cooldown": "15m", "window": null, "max_per_day": 4 }));
    stage.ask(Order::Disarm { policy: "more memory".to_string(), tenant: None }).await.unwrap();
    assert_eq!(stage.ask(Order::Policies).await.unwrap()["policies"][0]["armed"], Value::Null);
    assert_eq!(
        stage.world.told(),
        ["policy 'more memory' is armed, by socket:uid 0", "policy 'more memory' is disarmed, by socket:uid 0"],
        "what was so already is no event"
    );
}

#[tokio::test]
async fn stopped_nothing_is_changed_but_what_a_person_takes_back() {
    let (folder, stage) = stage(vec![policy(Mode::Auto, Undo::OnResolve)]).await;
    stage.arm().await;
    stage.alert("CacheFull", 0, Phase::Firing).await;
    stage.sweep().await;
    let answer = stage.ask(Order::Stop).await.unwrap();
    assert_eq!(
        answer,
        json!({ "stopped": { "at": "2027-01-15T08:00:00.000Z", "by": "socket:uid 0" }, "under_way": [] })
    );
    stage.alert("CacheFull", 0, Phase::Resolved).await;
    // It survives a restart.
    let stage = Stage::on(open(&folder.image()).await, &stage.world, vec![policy(Mode::Auto, Undo::OnResolve)]);
    assert_eq!(stage.sweep().await, NOTHING);
    let troubles = stage.acting.troubles();
    assert_eq!(troubles[0].evidence, "Entry 1 of policy 'more memory', maxmemory of cache: All actions are stopped.");
    stage.world.told();
    assert!(words(stage.ask(run(false)).await).starts_with("all actions are stopped, by socket:uid 0 [act-06]"));
    let told = "policy 'more memory' does nothing for a run by hand: all actions are stopped, by socket:uid 0";
    assert_eq!(stage.world.told(), [told]);
    assert_eq!(stage.value(), "2gb");
    assert_eq!(stage.undo(1).await.unwrap()["phase"], "undone");
    assert_eq!(stage.ask(Order::Start).await.unwrap(), json!({ "stopped": null, "under_way": [] }));
    stage.alert("CacheFull", 3600, Phase::Firing).await;
    stage.world.pass(3600);
    assert_eq!(stage.sweep().await, ["done"]);
}

/// What is under way when the switch is thrown is named; after the switch, settling looks and writes nothing.
#[tokio::test]
async fn stopping_says_what_is_under_way() {
    let (_folder, stage) = stage(vec![policy(Mode::Auto, Undo::OnResolve)]).await;
    stage.arm().await;
    stage.alert("CacheFull", 0, Phase::Firing).await;
    stage.world.server(|server| server.mood = Mood::Hangs);
    let nothing_yet = std::time::Duration::ZERO;
    let job = stage.acting.round().await.unwrap().pop().unwrap();
    let told = stage.acting.begin(job.clone()).unwrap();
    assert!(stage.acting.begin(job).is_none(), "one piece of work on one target");
    assert_eq!(stage.acting.statistics().under_way, 1);
    let busy = words(stage.ask(run(false)).await);
    let expected =
        "target 'default/cache' has a change under way: policy 'more memory' sets maxmemory of default/cache [act-12]";
    assert!(busy.starts_with(expected), "{busy}");
    assert_eq!(stage.acting.quiet(nothing_yet).await, ["policy 'more memory' sets maxmemory of default/cache"]);
    while stage.world.server(|server| server.puts.is_empty()) {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    // What is under way is brought to its end, and the answer waits for that.
    let answer = stage.ask(Order::Stop).await.unwrap();
    assert_eq!(answer["under_way"], json!([]));
    told.await.unwrap().unwrap();
    assert_eq!(stage.phases().await, ["done"]);
    assert_eq!(stage.sweep().await, NOTHING);
}

#[tokio::test]
async fn what_lies_under_another_change_is_not_undone_before_it() {
    let mut second = policy(Mode::Approve, Undo::Manual);
    (second.name, second.set.value) = ("much more memory".to_string(), "4gb".to_string());
    let (_folder, stage) = stage(vec![policy(Mode::Approve, Undo::Manual), second]).await;
    stage.ask(run(false)).await.unwrap();
    let order = Order::Run { policy: "much more memory".to_string(), tenant: None, dry_run: false };
    stage.ask(order).await.unwrap();
    assert_eq!(
        words(stage.undo(1).await),
        "entry 1 cannot be undone: entry 2 stands on top of it [act-24]\n\
         hint: Undo that one first: `watchward journal undo 2`."
    );
    stage.undo(2).await.unwrap();
    assert_eq!(stage.value(), "2gb");
    stage.undo(1).await.unwrap();
    assert_eq!(stage.value(), "1gb");
}

#[tokio::test]
async fn everybody_sees_and_touches_their_own_tenants_alone() {
    let mut theirs = policy(Mode::Approve, Undo::Manual);
    theirs.tenant = "acme".to_string();
    let (_folder, stage) = stage(vec![policy(Mode::Approve, Undo::Manual), theirs]).await;
    stage
        .ask(Order::Run { policy: "more memory".to_string(), tenant: Some("default".to_string()), dry_run: false })
        .await
        .unwrap();
    assert_eq!(
        words(stage.ask(run(false)).await),
        "policy 'more memory' is one of each of the tenants default, acme [act-41]\nhint: Say whose you mean with --tenant."
    );
    let scope = Scope::of_token(Some(BTreeSet::from(["acme".to_string()])));
    let caller = Caller { scope, role: Role::Admin, name: "token:acme".to_string() };
    let ask = |order: Order| {
        let (acting, caller) = (stage.acting.clone(), caller.clone());
        async move { acting.answer(&order, &caller).await }
    };
    assert_eq!(ask(Order::Policies).await.unwrap()["policies"].as_array().unwrap().len(), 1);
    assert_eq!(ask(Order::Journal { rows_max: 10 }).await.unwrap(), json!([]));
    let missing = "there is no entry 1 in the journal here [act-42]\nhint: `watchward journal` has the newest.";
    for order in [Order::Change(1), Order::Undo(1), Order::Close(1)] {
        assert_eq!(words(ask(order).await), missing);
    }
    let theirs = Order::Arm { policy: "more memory".to_string(), tenant: Some("default".to_string()) };
    assert_eq!(
        words(ask(theirs).await),
        "there is no policy 'more memory' here [act-40]\n\
         hint: `watchward policy list` has them; each stands in a [[policy]] of the configuration."
    );
    for order in [Order::Stop, Order::Start] {
        assert_eq!(
            words(ask(order).await),
            "actions are stopped and started for all tenants together, and you act for some [act-49]\n\
             hint: Disarm your own policies with `watchward policy disarm`."
        );
    }
    assert_eq!(root().role, Role::Admin);
}

#[tokio::test]
async fn the_journal_shows_a_change_with_its_story() {
    let (_folder, stage) = stage(vec![policy(Mode::Approve, Undo::Manual)]).await;
    stage.ask(run(false)).await.unwrap();
    let shown = stage.ask(Order::Change(1)).await.unwrap();
    assert_eq!(shown["story"][1]["phase"], "done");
    assert_eq!(shown["server"], "redis 127.0.0.1:6379");
    assert_eq!(shown["begun"], "2027-01-15T08:00:00.000Z");
    let listed = stage.ask(Order::Journal { rows_max: 10 }).await.unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["by"], "socket:uid 0");
}
