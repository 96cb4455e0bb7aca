//! What the agent itself says of a target, cycle by cycle.

use watchward::model::fault::Fault;
use watchward::model::reading::UnknownKind;

use crate::sample::cycle::{Act, Stage, target};

const ERROR: &[&str] = &["fake_exporter_last_scrape_error"];

/// The word of the exporters: 1 while something lacks that should have been read.
async fn lacking(stage: &mut Stage) -> String {
    let cycle = stage.cycle().await;
    stage.points_of(&cycle, ERROR).join(";").replace("fake_exporter_last_scrape_error  ", "")
}

#[tokio::test]
async fn what_was_not_read_is_an_error_of_the_last_scrape_and_what_the_server_does_not_have_is_none() {
    let mut stage = Stage::of(target());
    assert_eq!(lacking(&mut stage).await, "0", "the row 'needy' needs what this server does not have");
    stage.next("fast", Act::Fail(UnknownKind::NotHere));
    assert_eq!(lacking(&mut stage).await, "0", "and so it may answer itself");
    stage.next("fast", Act::Fail(UnknownKind::Privilege));
    assert_eq!(lacking(&mut stage).await, "1");
    assert_eq!(lacking(&mut stage).await, "0", "read again");
    stage.next("fast", Act::Lack(&[("a", "1")]));
    assert_eq!(lacking(&mut stage).await, "1", "one part of it did not answer");
    assert_eq!(lacking(&mut stage).await, "0");
}

#[tokio::test]
async fn a_slow_row_that_failed_is_an_error_until_it_is_read_again() {
    let mut stage = Stage::of(target());
    stage.next("slow", Act::Fail(UnknownKind::Refused));
    let mut told = Vec::new();
    loop {
        let word = lacking(&mut stage).await;
        told.push(word);
        if told.len() > 1 && stage.asked().contains(&"slow") {
            break;
        }
    }
    let (last, before) = told.split_last().unwrap();
    assert_eq!(last, "0", "{told:?}");
    assert!(before.iter().all(|word| word == "1"), "{told:?}");
}

#[tokio::test]
async fn a_target_that_is_down_is_an_error_and_one_that_wants_a_login_says_nothing() {
    let mut stage = Stage::of(target());
    stage.script.lock().unwrap().refuse = Some(Fault::new("net-01", "connection refused"));
    assert_eq!(lacking(&mut stage).await, "1");
    let mut found = Stage::of(watchward::model::target::Target { discovered: true, ..target() });
    found.script.lock().unwrap().refuse = Some(Fault::new("fake-01", "who are you?").of_login(true));
    assert_eq!(lacking(&mut found).await, "");
}

#[tokio::test]
async fn a_target_says_what_it_is_and_how_many_series_each_row_has() {
    let mut stage = Stage::of(target());
    stage.next("fast", Act::Answer(&[("a", "1"), ("b", "2")]));
    let names = ["target_info", "watchward_sample_series", "fake_scrape_collector_success"];
    let cycle = stage.cycle().await;
    let up = [
        "fake_scrape_collector_success broken 1",
        "fake_scrape_collector_success fast 1",
        "fake_scrape_collector_success slow 1",
        "target_info fake,primary 1",
        "watchward_sample_series fast 2",
        "watchward_sample_series slow 1",
    ];
    assert_eq!(stage.points_of(&cycle, &names), up);
    stage.lose_session();
    stage.script.lock().unwrap().refuse = Some(Fault::new("net-01", "connection refused"));
    let down = stage.cycle().await;
    let ends: Vec<String> = up.iter().map(|line| format!("{} stale", line.rsplit_once(' ').unwrap().0)).collect();
    assert_eq!(stage.points_of(&down, &names), ends);
}
