//! Cycles whose time does not suffice for all rows: a busy machine, and every row due at once.

use watchward::model::fault::Fault;
use watchward::model::reading::{Cycle, UnknownKind};

use crate::sample::cycle::{Act, DEADLINE, Stage, target};

/// The rows of a cycle that there was no time for, with the reasons.
fn late(cycle: &Cycle) -> Vec<(&'static str, String)> {
    let unknown = cycle.rows.iter().filter_map(|row| Some((row.name, row.result.clone().err()?)));
    let late = unknown.filter(|(_, why)| why.kind == UnknownKind::Deadline);
    late.map(|(name, why)| (name, why.reason)).collect()
}

const NO_TURN: &str = "the cycle's time was over before its turn; it comes first in the next one";

/// The first cycle after a reconnect asks every row; the first of them takes longer than there is.
#[tokio::test]
async fn a_server_that_answered_its_probe_is_up_though_its_rows_ran_out_of_time() {
    let mut stage = Stage::of(target());
    stage.script.lock().unwrap().refuse = Some(Fault::new("net-01", "connection refused"));
    assert!(!stage.cycle().await.up);
    stage.script.lock().unwrap().refuse = None;
    stage.next("fast", Act::Take(DEADLINE + DEADLINE / 10));
    let first = stage.cycle().await;
    assert!(first.up, "{:?}", first.fault);
    assert!(first.fault.is_none());
    assert_eq!(stage.points(&first), ["fake_up 1", "up 1"]);
    let no_answer = "no answer before the cycle's time was over";
    assert_eq!(late(&first), [("fast", no_answer.into()), ("slow", NO_TURN.into()), ("broken", NO_TURN.into())]);
    assert_eq!(stage.asked(), ["fast"]);
    let next = stage.cycle().await;
    assert!(next.up, "a row that ends a little late is no hung server: {:?}", next.fault);
    assert_eq!(stage.asked(), ["slow", "broken", "fast"], "who had no turn comes first");
    assert_eq!(stage.points(&next), ["fake_up 1", "fasta 1", "slowa 1", "up 1"]);
    assert_eq!(late(&next), []);
    stage.cycle().await;
    assert_eq!(stage.asked(), ["fast", "broken"], "and then all is as ever");
}

/// What is left is too little for another question: none is begun, so that the session is back for the next cycle.
#[tokio::test]
async fn no_question_is_begun_at_the_very_end_of_a_cycle() {
    let mut stage = Stage::of(target());
    stage.cycle().await;
    stage.next("fast", Act::Take(DEADLINE - DEADLINE / 50));
    let cycle = stage.cycle().await;
    assert!(cycle.up);
    assert_eq!(late(&cycle).last(), Some(&("broken", NO_TURN.to_string())));
    assert_eq!(stage.asked(), ["fast"]);
    let next = stage.cycle().await;
    assert!(next.up && stage.asked()[0] == "broken", "{:?}", stage.asked());
}

#[tokio::test]
async fn rows_that_always_run_out_of_time_leave_turns_to_each_other() {
    let mut stage = Stage::of(target());
    let mut first = Vec::new();
    for _ in 0..4 {
        for row in ["fast", "slow", "broken"] {
            stage.next(row, Act::Take(DEADLINE - DEADLINE / 50));
        }
        assert!(stage.cycle().await.up);
        first.push(stage.asked()[0]);
    }
    assert_eq!(first, ["fast", "slow", "broken", "fast"]);
}

#[tokio::test]
async fn a_server_that_does_not_answer_its_probe_is_down_within_the_deadline() {
    let mut stage = Stage::of(target());
    stage.cycle().await;
    stage.script.lock().unwrap().probe_hangs = true;
    let cycle = stage.cycle().await;
    assert_eq!(stage.points(&cycle), ["fake_up 0", "fasta stale", "slowa stale", "up 0"]);
    assert_eq!(
        cycle.fault.unwrap().to_string(),
        "no whole answer from localhost:1 within 1 s [sample-02]\n\
         hint: Is the server stopped, overloaded, or is something else listening on this port?"
    );
}
