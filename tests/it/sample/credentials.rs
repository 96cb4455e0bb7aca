//! Logins: a server that was only found and wants one is asked once; a configured one that is refused is put off.

use std::sync::atomic::Ordering;
use std::time::Duration;

use watchward::model::fault::Fault;
use watchward::model::reading::{Cycle, UnknownKind};
use watchward::model::target::{SecretSource, Target};

use crate::sample::cycle::{Act, Stage, target};

const HINT: &str = "Run `watchward discover`: it prints the grants and the [[target]] block for this server.";

/// Short enough for several to pass in a test, long enough for a busy machine to answer within one.
const INTERVAL: Duration = Duration::from_millis(300);

fn found() -> Target {
    Target { discovered: true, interval: INTERVAL, ..target() }
}

fn refusal() -> Fault {
    Fault::new("fake-01", "wrong password").detail("The server said 28P01.").of_login(true)
}

fn refuse(stage: &Stage, fault: Option<Fault>) {
    stage.script.lock().unwrap().refuse = fault;
}

fn attempts(stage: &Stage) -> u32 {
    stage.script.lock().unwrap().attempts
}

/// Neither up nor down: one series that says so, and what to do.
fn check_needs(stage: &Stage, cycle: &Cycle, points: &[&str]) {
    assert!(cycle.needs_credentials && !cycle.up && cycle.rows.is_empty());
    assert_eq!(cycle.fault.as_ref().expect("a fault").hint, HINT);
    assert_eq!(stage.points(cycle), points);
}

#[tokio::test]
async fn a_found_server_that_wants_a_login_is_asked_once_until_a_reload() {
    let mut stage = Stage::of(found());
    refuse(&stage, Some(refusal()));
    for _ in 0..4 {
        let cycle = stage.cycle().await;
        check_needs(&stage, &cycle, &["watchward_target_stateneeds_credentials 1"]);
        tokio::time::sleep(INTERVAL).await;
    }
    assert_eq!(attempts(&stage), 1);
    stage.reloads.fetch_add(1, Ordering::Relaxed);
    for _ in 0..3 {
        assert!(stage.cycle().await.needs_credentials);
    }
    assert_eq!(attempts(&stage), 2, "one for each configuration");
    refuse(&stage, None);
    assert!(stage.cycle().await.needs_credentials, "nobody has said that anything changed");
    stage.reloads.fetch_add(1, Ordering::Relaxed);
    let cycle = stage.cycle().await;
    assert!(cycle.up && !cycle.needs_credentials);
    let points = ["fake_up 1", "fasta 1", "slowa 1", "up 1", "watchward_target_stateneeds_credentials stale"];
    assert_eq!(stage.points(&cycle), points);
}

#[tokio::test]
async fn a_found_server_that_begins_to_want_a_login_is_not_down() {
    let mut stage = Stage::of(Target { interval: Duration::from_secs(1), ..found() });
    assert!(stage.cycle().await.up);
    stage.lose_session();
    refuse(&stage, Some(refusal()));
    let cycle = stage.cycle().await;
    let ended =
        ["fake_up stale", "fasta stale", "slowa stale", "up stale", "watchward_target_stateneeds_credentials 1"];
    check_needs(&stage, &cycle, &ended);
}

#[tokio::test]
async fn a_found_server_that_shows_nothing_to_strangers_wants_a_login() {
    let mut stage = Stage::of(Target { interval: Duration::from_secs(1), ..found() });
    for row in ["fast", "slow", "broken"] {
        stage.next(row, Act::Fail(UnknownKind::Privilege));
    }
    let cycle = stage.cycle().await;
    check_needs(&stage, &cycle, &["watchward_target_stateneeds_credentials 1"]);
    let fault = cycle.fault.expect("a fault").to_string();
    let expected = "localhost:1 shows nothing without a login [sample-04]\n\
                    hint: Run `watchward discover`: it prints the grants and the [[target]] block for this server.";
    assert_eq!(fault, expected);
    assert!(stage.cycle().await.needs_credentials);
    assert_eq!(attempts(&stage), 1);
}

#[tokio::test]
async fn a_found_server_that_shows_something_is_up() {
    let mut stage = Stage::of(Target { interval: Duration::from_secs(1), ..found() });
    for row in ["fast", "slow"] {
        stage.next(row, Act::Fail(UnknownKind::Privilege));
    }
    assert!(stage.cycle().await.up);
}

#[tokio::test]
async fn a_found_server_that_is_away_is_down_and_tried_every_cycle() {
    let mut stage = Stage::of(found());
    refuse(&stage, Some(Fault::new("net-01", "connection refused")));
    for _ in 0..3 {
        let cycle = stage.cycle().await;
        assert!(!cycle.up && !cycle.needs_credentials);
    }
    assert_eq!(attempts(&stage), 3);
}

#[tokio::test]
async fn a_configured_server_that_refuses_the_login_is_down_and_put_off_and_says_so() {
    let mut stage = Stage::of(Target { interval: Duration::from_secs(1), ..target() });
    refuse(&stage, Some(refusal()));
    for _ in 0..5 {
        let cycle = stage.cycle().await;
        assert!(!cycle.up && !cycle.needs_credentials);
        assert_eq!(stage.points(&cycle), ["fake_up 0", "up 0"]);
        assert_eq!(
            cycle.fault.expect("a fault").detail,
            "The server said 28P01. The next attempt comes after 1 s, or at once when the secret's file or the \
             configuration changes."
        );
    }
    assert_eq!(attempts(&stage), 1, "cycles pass, the server is not asked");
    stage.reloads.fetch_add(1, Ordering::Relaxed);
    let cycle = stage.cycle().await;
    assert!(cycle.fault.expect("a fault").detail.contains("after 2 s"), "it doubles");
    assert_eq!(attempts(&stage), 2);
}

#[tokio::test]
async fn a_new_secret_is_tried_at_once() {
    let file = std::env::temp_dir().join(format!("watchward-it-secret-{}", std::process::id()));
    std::fs::write(&file, "old").expect("a file");
    let password = SecretSource::File(file.clone());
    let mut stage = Stage::of(Target { interval: Duration::from_secs(60), password, ..target() });
    refuse(&stage, Some(refusal()));
    stage.cycle().await;
    refuse(&stage, None);
    assert!(!stage.cycle().await.up, "nothing has changed");
    std::fs::write(&file, "another").expect("a file");
    assert!(stage.cycle().await.up);
    assert_eq!(attempts(&stage), 2);
    std::fs::remove_file(&file).expect("gone");
}
