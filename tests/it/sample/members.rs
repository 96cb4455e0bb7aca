//! Who asks for a cluster: the first that answers, until it leaves or is not heard of; and what that makes of the cycles.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use watchward::model::fault::Fault;
use watchward::sample::members::{Cluster, Members, Turn};

use crate::sample::cycle::{Stage, target};

fn cluster(tenant: &str, id: &str) -> Cluster {
    Cluster { tenant: tenant.into(), engine: "fake", id: id.to_string() }
}

/// What happens, second by second; the interval is 10 s.
fn check(story: &[(u64, &str, &str, Option<Turn>)]) {
    let mut members = Members::default();
    for (at, target, what, expected) in story {
        let target: Arc<str> = (*target).into();
        match expected {
            None => members.leave(&target),
            Some(expected) => {
                let (tenant, id) = what.split_once('/').expect("tenant/id");
                let seen =
                    members.turn(&cluster(tenant, id), &target, Duration::from_secs(*at), Duration::from_secs(10));
                assert_eq!(seen, *expected, "{target} at {at} s, {what}");
            }
        }
    }
}

const BEGINS: Option<Turn> = Some(Turn::Begins);
const GOES_ON: Option<Turn> = Some(Turn::GoesOn);
const OTHERS: Option<Turn> = Some(Turn::Others);

#[test]
fn the_first_that_answers_asks_and_goes_on() {
    check(&[(0, "a", "t/c", BEGINS), (3, "b", "t/c", OTHERS), (10, "a", "t/c", GOES_ON), (13, "b", "t/c", OTHERS)]);
}

#[test]
fn who_leaves_is_followed_by_whoever_answers_next_and_does_not_come_back_into_its_place() {
    check(&[
        (0, "a", "t/c", BEGINS),
        (3, "b", "t/c", OTHERS),
        (10, "a", "", None),
        (13, "b", "t/c", BEGINS),
        (20, "a", "t/c", OTHERS),
        (23, "b", "t/c", GOES_ON),
    ]);
}

#[test]
fn who_is_not_heard_of_is_followed_after_one_and_a_half_intervals() {
    check(&[
        (0, "a", "t/c", BEGINS),
        (13, "b", "t/c", OTHERS),
        (15, "c", "t/c", OTHERS),
        (16, "d", "t/c", BEGINS),
        (23, "b", "t/c", OTHERS),
    ]);
}

#[test]
fn tenants_and_clusters_know_nothing_of_each_other() {
    check(&[
        (0, "t/a", "t/c", BEGINS),
        (1, "u/a", "u/c", BEGINS),
        (2, "t/b", "t/d", BEGINS),
        (3, "t/c", "t/c", OTHERS),
    ]);
}

#[test]
fn a_member_that_went_to_another_cluster_asks_for_the_former_no_more() {
    check(&[(0, "a", "t/c", BEGINS), (1, "b", "t/c", OTHERS), (10, "a", "t/d", BEGINS), (11, "b", "t/c", BEGINS)]);
}

fn stage(name: &str, members: &Arc<Mutex<Members>>) -> Stage {
    let mut target = target();
    target.name = name.to_string();
    Stage::of_cluster(target, "c", members.clone())
}

#[tokio::test]
async fn one_of_two_reads_the_rows_of_the_cluster_and_the_other_follows_at_once_when_it_is_down() {
    let members = Arc::default();
    let (mut first, mut second) = (stage("first", &members), stage("second", &members));
    let cycle = first.cycle().await;
    assert_eq!(first.points(&cycle), ["fake_up 1", "fasta 1", "slowa 1", "up 1"]);
    let cycle = second.cycle().await;
    assert_eq!(second.points(&cycle), ["fake_up 1", "fasta 1", "up 1"]);
    assert!(cycle.rows.iter().all(|row| row.name != "slow"), "it is not unknown either");

    first.lose_session();
    first.script.lock().unwrap().refuse = Some(Fault::new("fake-01", "starting"));
    let cycle = first.cycle().await;
    assert_eq!(first.points(&cycle), ["fake_up 0", "fasta stale", "slowa stale", "up 0"]);
    // Its row is not due in this cycle; that it is new to it makes it so.
    let cycle = second.cycle().await;
    assert_eq!(second.points(&cycle), ["fake_up 1", "fasta 1", "slowa 1", "up 1"]);
    let cycle = second.cycle().await;
    assert_eq!(second.points(&cycle), ["fake_up 1", "fasta 1", "slowa 1", "up 1"], "repeated, or read again");

    first.script.lock().unwrap().refuse = None;
    let _ = first.reloads.fetch_add(1, std::sync::atomic::Ordering::Relaxed); // it is tried again at once
    let cycle = first.cycle().await;
    assert_eq!(first.points(&cycle), ["fake_up 1", "fasta 1", "up 1"], "the other goes on");
}

#[tokio::test]
async fn a_target_that_is_alone_reads_everything_in_a_cluster_or_not() {
    for cluster in ["", "c"] {
        let mut alone = Stage::of_cluster(target(), cluster, Arc::default());
        let cycle = alone.cycle().await;
        assert_eq!(alone.points(&cycle), ["fake_up 1", "fasta 1", "slowa 1", "up 1"]);
    }
}
