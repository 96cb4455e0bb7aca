//! Policies with a schedule: each time once, whatever the clock and the agent do in between.

use watchward::act::when;
use watchward::model::calendar::Zone;
use watchward::model::policy::{Mode, Policy, Undo};

use crate::act::{Fake, Mood, Stage, policy};
use crate::state::{Folder, open};

const NOTHING: [&str; 0] = [];

/// At every full hour. The tests begin at 08:00.
fn hourly(mode: Mode) -> Policy {
    Policy { when: when::read("schedule:0 * * * *", &Zone::UTC).unwrap(), ..policy(mode, Undo::Manual) }
}

async fn stage(mode: Mode) -> (Folder, Stage) {
    let folder = Folder::new();
    let stage = Stage::on(open(&folder).await, &Fake::new(), vec![hourly(mode)]);
    if mode == Mode::Auto {
        stage.arm().await;
    }
    stage.sweep().await;
    stage.world.told();
    (folder, stage)
}

/// Somebody sets it back, so that the next time has something to do.
fn set_back(stage: &Stage) {
    stage.world.server(|server| server.set_by_somebody("maxmemory", "1gb"));
}

#[tokio::test]
async fn a_time_is_due_once() {
    let (_folder, stage) = stage(Mode::Auto).await;
    assert_eq!(stage.sweep().await, NOTHING, "what was before the policy was there does not count");
    stage.world.pass(3600);
    assert_eq!(stage.sweep().await, ["done"]);
    set_back(&stage);
    stage.world.pass(1800);
    assert_eq!(stage.sweep().await, NOTHING);
    stage.world.pass(1800);
    assert_eq!(stage.sweep().await, ["done"]);
    assert_eq!(stage.phases().await, ["done", "done"]);
}

#[tokio::test]
async fn neither_a_restart_nor_a_clock_that_goes_back_repeats_it() {
    let (folder, first) = stage(Mode::Auto).await;
    first.world.pass(3600);
    first.sweep().await;
    set_back(&first);
    let next = Stage::on(open(&folder.image()).await, &first.world, vec![hourly(Mode::Auto)]);
    assert_eq!(next.sweep().await, NOTHING);
    next.world.inner().now.wall_ms -= 1_800_000;
    assert_eq!(next.sweep().await, NOTHING);
    next.world.pass(1800 + 60); // it is the full hour once more
    assert_eq!(next.sweep().await, NOTHING);
}

#[tokio::test]
async fn a_time_missed_by_less_than_an_hour_is_made_up_for_once() {
    let (folder, first) = stage(Mode::Auto).await;
    first.world.pass(5 * 3600 + 1200); // the agent was down: five times passed, the last twenty minutes ago
    let next = Stage::on(open(&folder.image()).await, &first.world, vec![hourly(Mode::Auto)]);
    assert_eq!(next.sweep().await, ["done"]);
    set_back(&next);
    assert_eq!(next.sweep().await, NOTHING);
    let missed = "policy 'more memory' does nothing for its schedule: its time was missed by more than 1 h";
    assert_eq!(next.world.told()[0], missed);
}

#[tokio::test]
async fn a_time_that_cannot_be_kept_is_made_up_for_within_the_hour() {
    let (_folder, stage) = stage(Mode::Auto).await;
    stage.world.server(|server| server.mood = Mood::Away);
    stage.world.pass(3600);
    assert_eq!(stage.sweep().await, ["connection refused [net-01]"]);
    stage.world.server(|server| server.mood = Mood::Well);
    stage.world.pass(600);
    assert_eq!(stage.sweep().await, ["done"]);
}

#[tokio::test]
async fn what_is_so_already_is_well_until_the_next_time() {
    let (_folder, stage) = stage(Mode::Auto).await;
    stage.world.server(|server| server.set_by_somebody("maxmemory", "2gb"));
    stage.world.pass(3600);
    assert_eq!(stage.sweep().await, ["maxmemory of 'cache' is '2gb' already [act-14]"]);
    set_back(&stage);
    stage.world.pass(600);
    assert_eq!(stage.sweep().await, NOTHING);
}

#[tokio::test]
async fn a_proposal_is_made_for_each_time() {
    let (_folder, stage) = stage(Mode::Approve).await;
    stage.world.pass(3600);
    assert_eq!(stage.sweep().await, ["planned"]);
    let words = "policy 'more memory' proposes for its schedule: set maxmemory of cache to '2gb', is '1gb' (not written); \
                 `watchward policy run 'more memory'` does it";
    assert_eq!(stage.world.told(), [words]);
    assert_eq!(stage.sweep().await, NOTHING);
    assert_eq!(stage.state.plans().await.unwrap().len(), 1, "it stands until it is done or there is a newer one");
}
