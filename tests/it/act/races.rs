//! What comes in between: edits, the switch, a server that hung, two names of one server, a clock that was wrong.

use std::time::Duration;

use watchward::act::when;
use watchward::act::world::Times;
use watchward::model::calendar::Zone;
use watchward::model::command::Order;
use watchward::model::policy::{Mode, Policy, Undo};
use watchward::model::transition::{Phase, Transition};
use watchward::state::outbox::Change;

use crate::act::{Fake, Mood, Stage, at, policy, quick, settings, target, words};
use crate::state::{Folder, moment, open, transition};

const NOTHING: [&str; 0] = [];

async fn stage_with(policies: Vec<Policy>, times: Times) -> (Folder, Stage) {
    let folder = Folder::new();
    let stage = Stage::with(open(&folder).await, &Fake::new(), policies, times);
    (folder, stage)
}

async fn firing(undo: Undo, times: Times) -> (Folder, Stage) {
    let (folder, stage) = stage_with(vec![policy(Mode::Auto, undo)], times).await;
    stage.arm().await;
    stage.world.told();
    stage.alert("CacheFull", 0, Phase::Firing).await;
    (folder, stage)
}

#[tokio::test]
async fn an_edit_disarms_also_what_a_round_has_just_found_to_do() {
    let (_folder, stage) = firing(Undo::OnResolve, quick()).await;
    let job = stage.acting.round().await.unwrap().pop().unwrap();
    let mut edited = policy(Mode::Auto, Undo::OnResolve);
    edited.set.value = "4gb".to_string();
    stage.acting.reload(settings(vec![edited]));
    let refused = words(&stage.acting.perform(&job).await);
    assert!(refused.starts_with("policy 'more memory' was edited since socket:uid 0 armed it [act-05]"), "{refused}");
    stage.acting.reload(settings(Vec::new()));
    let refused = words(&stage.acting.perform(&job).await);
    assert!(refused.contains("[act-05]"), "gone is as good as edited: {refused}");
    assert_eq!((stage.value(), stage.phases().await.len()), ("1gb".to_string(), 0));
}

#[tokio::test]
async fn the_switch_holds_also_the_undo_that_a_round_has_just_found_to_do() {
    let (_folder, stage) = firing(Undo::OnResolve, quick()).await;
    stage.sweep().await;
    stage.alert("CacheFull", 0, Phase::Resolved).await;
    let job = stage.acting.round().await.unwrap().pop().unwrap();
    assert_eq!(stage.ask(Order::Stop).await.unwrap()["under_way"], serde_json::json!([]));
    let refused = words(&stage.acting.perform(&job).await);
    assert!(refused.starts_with("all actions are stopped, by socket:uid 0 [act-06]"), "{refused}");
    assert_eq!((stage.value(), stage.phases().await), ("2gb".to_string(), vec!["done"]));
}

/// The change is sent, the server hangs for longer than a value may take to hold, and does then what it was told.
#[tokio::test]
async fn what_a_server_that_hung_does_late_is_still_on_record() {
    let (_folder, stage) = firing(Undo::OnResolve, Times { question: Duration::from_secs(2), ..quick() }).await;
    stage.world.server(|server| server.mood = Mood::DoesLater);
    assert_eq!(stage.sweep().await, ["done"]);
    assert_eq!(stage.value(), "2gb");
}

/// The same, and the agent gave up meanwhile: a minute later it looks, and the server has not done it yet.
#[tokio::test]
async fn what_a_server_does_after_the_first_look_is_seen_by_the_second() {
    let times = Times { action: Duration::from_millis(300), question: Duration::from_secs(60), ..quick() };
    let (_folder, stage) = firing(Undo::OnResolve, times).await;
    stage.world.server(|server| server.mood = Mood::DoesLater);
    let job = stage.acting.round().await.unwrap().pop().unwrap();
    let cut = words(&stage.acting.perform(&job).await);
    assert!(cut.contains("[act-17]"), "{cut}");
    assert!(stage.world.server(|server| server.late.is_some()), "it is on its way");
    stage.world.pass(60);
    assert_eq!(stage.sweep().await, ["done"]);
    assert_eq!((stage.value(), stage.phases().await), ("2gb".to_string(), vec!["done"]));
}

/// Ours is taken out again, and the server goes by its file, in which somebody has written meanwhile.
#[tokio::test]
async fn what_was_changed_below_ours_is_what_an_undo_leads_back_to() {
    let (_folder, stage) = firing(Undo::OnResolve, quick()).await;
    stage.sweep().await;
    stage.world.told();
    stage.world.server(|server| server.below = "3gb".to_string());
    stage.alert("CacheFull", 0, Phase::Resolved).await;
    assert_eq!(stage.sweep().await, ["undone"]);
    assert_eq!(stage.world.server(|server| server.held("maxmemory").written), None);
    let told = "maxmemory of cache is set back (entry 1 of policy 'more memory'): maxmemory is '3gb' (not written)";
    assert_eq!(stage.world.told(), [told]);
}

/// Whoever runs a policy by hand while only the alert of a found server fires stands for it alone.
#[tokio::test]
async fn the_alert_of_a_found_server_is_no_cause_of_a_run_by_hand() {
    let (_folder, stage) = stage_with(vec![policy(Mode::Approve, Undo::OnResolve)], quick()).await;
    let found = Transition { discovered: true, ..transition("default", "CacheFull", Phase::Firing, 1000) };
    let transitions = [found];
    let change = Change { transitions: &transitions, events: &[], notices: &[], at_ms: 0, entries_max: 10 };
    stage.state.commit(&change).await.unwrap();
    let order = Order::Run { policy: "more memory".to_string(), tenant: None, dry_run: false };
    assert_eq!(stage.ask(order).await.unwrap()["phase"], "done");
    assert_eq!(stage.sweep().await, NOTHING, "nothing that fires would have to end");
    assert_eq!((stage.value(), stage.journal().await[0].undo), ("2gb".to_string(), Undo::Manual));
}

/// One server under two names: the second policy waits until the first has taken its change back.
#[tokio::test]
async fn two_names_of_one_server_do_not_hide_one_change_from_the_other() {
    for tenant in ["default", "acme"] {
        let (_folder, stage) = stage_with(Vec::new(), quick()).await;
        let mut second = policy(Mode::Approve, Undo::Manual);
        (second.name, second.tenant) = ("much more".to_string(), tenant.to_string());
        (second.set.target, second.set.value) = ("other".to_string(), "4gb".to_string());
        let mut both = settings(vec![policy(Mode::Auto, Undo::OnResolve), second]);
        let mut alias = at(target("other"), 6379);
        alias.tenant = tenant.to_string();
        both.targets[1] = alias.into();
        stage.acting.reload(both);
        let cache = stage.world.inner().servers["cache"].clone();
        stage.world.inner().servers.insert("other".to_string(), cache);
        stage.arm().await;
        stage.alert("CacheFull", 0, Phase::Firing).await;
        assert_eq!(stage.sweep().await[0], "done");
        let order = || Order::Run { policy: "much more".to_string(), tenant: None, dry_run: false };
        let refused = stage.ask(order()).await.unwrap_err().to_string();
        let expected = match tenant {
            "default" => {
                "entry 1 of policy 'more memory' has changed maxmemory of target 'cache' and is not over [act-13]\n\
                 hint: It is taken back when its alert ends, or with `watchward journal undo 1`."
            }
            _ => "another tenant has changed maxmemory on the server of target 'other' and is not over [act-13]",
        };
        assert_eq!(refused, expected);

        // Where the first owes nothing, the second may lie on it, and has to go first.
        let both = |mode, undo| {
            let mut settings = settings(Vec::new());
            settings.targets[1] = at(target("other"), 6379).into();
            let mut target = (*settings.targets[1]).clone();
            target.tenant = tenant.to_string();
            settings.targets[1] = target.into();
            let mut second = policy(mode, undo);
            (second.name, second.tenant) = ("much more".to_string(), tenant.to_string());
            (second.set.target, second.set.value) = ("other".to_string(), "4gb".to_string());
            settings.policies = vec![second.into()];
            settings
        };
        stage.acting.reload(both(Mode::Approve, Undo::Manual));
        stage.close(1).await.unwrap();
        assert_eq!(stage.ask(order()).await.unwrap()["phase"], "done");
        let under = match tenant {
            "default" => {
                "entry 1 cannot be undone: entry 2 stands on top of it [act-24]\n\
                 hint: Undo that one first: `watchward journal undo 2`."
            }
            _ => "entry 1 cannot be undone: a change of another tenant stands on top of it [act-24]",
        };
        assert_eq!(stage.undo(1).await.unwrap_err().to_string(), under);
        stage.undo(2).await.unwrap();
        stage.world.server(|server| server.set_by_somebody("maxmemory", "3gb"));
        let on_record = match tenant {
            "default" => "On record: entry 2 of policy 'much more', by socket:uid 0, which is undone.",
            _ => "On record: a policy of another tenant.",
        };
        assert_eq!(stage.undo(1).await.unwrap_err().detail, on_record);
    }
}

fn hourly() -> Policy {
    let mut policy =
        Policy { when: when::read("schedule:0 * * * *", &Zone::UTC).unwrap(), ..policy(Mode::Auto, Undo::Manual) };
    policy.limits.per_day_max = 1;
    policy
}

/// A machine begins with a clock that is nine years ahead, and is put right: its schedules go on.
#[tokio::test]
async fn a_clock_that_was_years_ahead_does_not_silence_a_schedule_nor_use_up_its_days() {
    let years_ms = 9 * 365 * 86_400_000;
    let (_folder, stage) = stage_with(vec![hourly()], quick()).await;
    stage.arm().await;
    stage.world.inner().now.wall_ms += years_ms;
    stage.sweep().await;
    stage.world.pass(3600);
    assert_eq!(stage.sweep().await, ["done"]);
    stage.world.inner().now.wall_ms -= years_ms;
    stage.world.server(|server| server.set_by_somebody("maxmemory", "1gb"));
    assert_eq!(stage.sweep().await, NOTHING, "it counts from now on");
    stage.world.pass(3600);
    assert_eq!(stage.sweep().await, ["done"]);
    assert_eq!(moment(0).wall_ms, moment(0).stored_ms, "the tests' time begins as one");
}

/// What was skipped is told, with what that means.
#[tokio::test]
async fn a_time_that_was_missed_is_told_with_its_reason() {
    let (_folder, stage) = stage_with(vec![hourly()], quick()).await;
    stage.arm().await;
    stage.sweep().await;
    stage.world.told();
    stage.world.inner().up = Some(false);
    stage.world.pass(3600 + 1800);
    stage.sweep().await;
    stage.world.pass(1800 + 1);
    stage.sweep().await;
    let missed = stage.world.inner().events.iter().any(|event| {
        event.detail["refusals"][0]
            == serde_json::json!({
                "code": "act-28",
                "what": "its time was missed by more than 1 h",
                "detail": "",
                "hint": "The agent was down, or the guard held it back for that long. The next time counts.",
            })
    });
    assert!(missed, "{:?}", stage.world.told());
}
