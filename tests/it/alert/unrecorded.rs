//! When state cannot be written: critical alerts go out from memory and say so, everything else waits for the disk.

use watchward::model::finding::Severity;
use watchward::model::scope::Scope;
use watchward::model::transition::Transition;
use watchward::state::State;
use watchward::state::open::Settings;

use crate::alert::sink::{Answer, Sink};
use crate::alert::{Stage, one_receiver, transitions};
use crate::state::{Folder, bare, moment, open_with};

/// A database that is so small that an alert with a large annotation does not fit.
async fn small(folder: &Folder) -> State {
    open_with(folder, &Settings { bytes_max: 400 << 10, ..bare() }).await.0
}

/// Transitions with a severity, each too large for the database, or not.
fn heavy(text: &str, severity: &str, kibibytes: usize) -> Vec<Transition> {
    let mut all = transitions(text, moment(0).stored_ms);
    for one in &mut all {
        one.labels = one.labels.with("severity", severity);
        one.annotations.insert("blob".to_string(), "x".repeat(kibibytes << 10));
    }
    all
}

/// Each message, `!` before those that say that they were not recorded.
fn told(sink: &Sink) -> String {
    let short = |seen: &crate::alert::sink::Seen| {
        let mark = if seen.body["watchward"]["unrecorded"] == true { "!" } else { "" };
        format!("{mark}{}", seen.short())
    };
    sink.seen().iter().map(short).collect::<Vec<_>>().join(" | ")
}

#[tokio::test]
async fn critical_alerts_go_out_from_memory_marked_and_counted() {
    let folder = Folder::new();
    let (sink, config) = one_receiver().await;
    let stage = Stage::new(config, small(&folder).await);
    let now = moment(0);
    let fault = stage.alerting.take(&heavy("+Down", "critical", 600), &[], now).await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "there is no room to write state.db: error returned from database: (code: 13) database or disk is full \
         [state-06]\ndetail: 1 transitions wait in memory; 1 critical ones are told without being recorded.\n\
         hint: Is the file system of state_dir full? Free some room there."
    );
    stage.alerting.take(&heavy("+Slow", "warning", 1), &[], now).await.unwrap_err();
    stage.tell("dba").await;
    assert_eq!(told(&sink), "!firing +Down");
    let seen = stage.alerting.statistics(now);
    assert_eq!((seen.unrecorded, seen.backlog, seen.queued), (1, 2, 0));
    let found = stage.alerting.findings(moment(stage.second)).remove(0);
    assert_eq!((found.kind.as_str(), found.severity), ("StateNotWritten", Severity::Critical));
    // Trying again does not tell it again.
    stage.alerting.keep_house(now).await;
    stage.tell("dba").await;
    assert_eq!(told(&sink), "!firing +Down");
}

#[tokio::test]
async fn what_waited_in_memory_is_written_and_told_when_there_is_room() {
    let folder = Folder::new();
    let (sink, config) = one_receiver().await;
    let state = small(&folder).await;
    let mut stage = Stage::new(config, state.clone());
    let now = moment(0);
    let down = heavy("+Down", "critical", 600);
    sink.answer([Answer::Status(500)]);
    stage.alerting.take(&down, &[], now).await.unwrap_err();
    stage.alerting.take(&heavy("+Slow", "warning", 1), &[], now).await.unwrap_err();
    stage.tell("dba").await;
    stage.second = 3;
    stage.alerting.take(&heavy("-Down", "critical", 1), &[], moment(3)).await.unwrap_err();
    stage.tell("dba").await;
    assert_eq!(
        told(&sink),
        "!firing +Down | !firing +Down | !resolved -Down",
        "the failed one is sent again, in order"
    );
    drop((stage, state));

    let folder = Folder::new();
    let (sink, config) = one_receiver().await;
    let state = small(&folder).await;
    let stage = Stage::new(config, state.clone());
    // The same, where room comes back: an alert that no longer fits is replaced by what still does.
    stage.alerting.take(&heavy("+Slow", "warning", 600), &[], now).await.unwrap_err();
    state.limit(4 << 20).await.unwrap();
    stage.alerting.keep_house(now).await;
    stage.tell("dba").await;
    assert_eq!(told(&sink), "firing +Slow");
    assert_eq!(stage.alerting.statistics(now).backlog, 0);
    assert_eq!(state.transitions(&Scope::of_tenant("acme"), 9).await.unwrap().len(), 1);
}

/// The receiver has the message, and the disk is full when that is to be written down: it is not told again.
#[tokio::test]
async fn what_was_told_is_not_told_again_because_it_cannot_be_written_down() {
    let folder = Folder::new();
    let (sink, config) = one_receiver().await;
    let state = open_with(&folder, &bare()).await.0;
    let mut stage = Stage::new(config, state.clone());
    // A label so large that the log of deliveries needs further pages for it.
    let mut one = transitions("+A", moment(0).stored_ms).remove(0);
    one.labels = one.labels.with("large", &"x".repeat(20_000));
    stage.alerting.take(&[one], &[], moment(0)).await.unwrap();
    state.limit(1).await.unwrap();
    for _ in 0..4 {
        assert_eq!(stage.tell("dba").await, Some(5.0));
        stage.second += 60;
    }
    assert_eq!(stage.alerting.statistics(moment(0)).queued, 1);
    state.limit(4 << 20).await.unwrap();
    assert_eq!(stage.tell("dba").await, None);
    assert_eq!(told(&sink), "firing +A");
    assert_eq!(stage.alerting.statistics(moment(0)).queued, 0);
}
