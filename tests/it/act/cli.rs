//! What `policy` and `journal` print, made of what the stage really answers.

use clap::Parser;
use watchward::cli::arguments::{Arguments, Verb};
use watchward::cli::{journal, policy as policies};
use watchward::model::command::Order;
use watchward::model::policy::{Mode, Undo};
use watchward::model::transition::Phase;

use crate::act::{Fake, Stage, policy};
use crate::state::{Folder, open};

fn policy_verb(words: &str) -> policies::What {
    match Arguments::try_parse_from(["watchward", "policy"].into_iter().chain(words.split(' '))).unwrap().verb {
        Some(Verb::Policy { what }) => what,
        other => panic!("{other:?}"),
    }
}

fn journal_verb(words: &[&str]) -> Option<journal::What> {
    match Arguments::try_parse_from(["watchward", "journal"].iter().chain(words)).unwrap().verb {
        Some(Verb::Journal { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_printed_is_what_a_person_needs() {
    let folder = Folder::new();
    let stage = Stage::on(open(&folder).await, &Fake::new(), vec![policy(Mode::Approve, Undo::OnResolve)]);
    stage.alert("CacheFull", 0, Phase::Firing).await;
    stage.sweep().await;
    let list = policies::text(&policy_verb("list"), &stage.ask(Order::Policies).await.unwrap());
    let expected = "\
POLICY       TENANT   MODE     ARMED  WHEN             SETS                   UNDO
more memory  default  approve         alert:CacheFull  cache maxmemory = 2gb  on_resolve

more memory proposes for alert CacheFull of db: SET maxmemory = 2gb
";
    assert_eq!(list, expected);

    let run = |dry_run| Order::Run { policy: "more memory".to_string(), tenant: None, dry_run };
    let rehearsal = policies::text(&policy_verb("run x --dry-run"), &stage.ask(run(true)).await.unwrap());
    let expected = "\
maxmemory of cache: 1gb -> 2gb
  does: SET maxmemory = 2gb
  undo: RESET maxmemory
  undone: when the alert ends

by hand: nothing speaks against it

by itself: held back
  policy 'more memory' is in mode approve and waits for a person [act-03]

nothing was changed
";
    assert_eq!(rehearsal, expected);

    let answer = stage.ask(run(false)).await.unwrap();
    let verb = policy_verb("run x");
    assert_eq!(
        policies::text(&verb, &answer),
        "done (entry 1): maxmemory is '2gb'\n`watchward journal undo 1` takes it back\n"
    );
    assert_eq!(policies::code(&verb, &answer), 0);
    let failed = serde_json::json!({ "entry": 2, "phase": "failed", "words": "maxmemory is '1gb'" });
    assert_eq!(policies::code(&verb, &failed), 2);
    let told = "failed (entry 2): maxmemory is '1gb'\n`watchward journal show 2` tells how it went\n";
    assert_eq!(policies::text(&verb, &failed), told, "nothing stands that could be taken back");

    let listed = journal::text(None, &stage.ask(Order::Journal { rows_max: 10 }).await.unwrap());
    let expected = "\
ENTRY  PHASE  BEGUN                     TARGET         SETTING    FROM  TO   POLICY       BY
    1  done   2027-01-15T08:00:00.000Z  default/cache  maxmemory  1gb   2gb  more memory  socket:uid 0
";
    assert_eq!(listed, expected);
    let show = journal_verb(&["show", "1"]);
    let shown = journal::text(show.as_ref(), &stage.ask(Order::Change(1)).await.unwrap());
    let expected = "\
entry 1: done
maxmemory of default/cache (redis 127.0.0.1:6379): 1gb -> 2gb
  does: SET maxmemory = 2gb
  undo: RESET maxmemory, when the alert ends
policy 'more memory', alert:CacheFull, by socket:uid 0

AT                        PHASE  BY            WORDS
2027-01-15T08:00:00.000Z  begun  socket:uid 0  alert CacheFull of db: SET maxmemory = 2gb; undo: RESET maxmemory
2027-01-15T08:00:00.000Z  done   socket:uid 0  maxmemory is '2gb'
";
    assert_eq!(shown, expected);
    let closed = stage.close(1).await.unwrap();
    assert_eq!(
        journal::text(journal_verb(&["close", "1"]).as_ref(), &closed),
        "entry 1 is closed: what it changed stays, and only `watchward journal undo` takes it back\n"
    );
    let closed = serde_json::json!({ "phase": "unclear" });
    assert_eq!(journal::text(journal_verb(&["close", "1"]).as_ref(), &closed), "entry 1 is closed\n");
}

#[test]
fn what_cannot_be_planned_is_said_with_what_an_expert_would_ask() {
    let verb = policy_verb("run x --dry-run");
    let fault = serde_json::json!({
        "code": "postgresql-20",
        "what": "the server knows no setting 'work_men'",
        "detail": "Asked of PostgreSQL 15.1 at db1:5432 as 'watchward_act'.",
        "hint": "Did you mean work_mem?",
    });
    let answer = serde_json::json!({ "step": null, "fault": fault, "refusals": [], "refusals_by_itself": [] });
    let expected = "\
nothing can be planned: the server knows no setting 'work_men' [postgresql-20]
detail: Asked of PostgreSQL 15.1 at db1:5432 as 'watchward_act'.
hint: Did you mean work_mem?

by hand: nothing speaks against it

by itself: nothing speaks against it

nothing was changed
";
    assert_eq!(policies::text(&verb, &answer), expected);
    assert_eq!(policies::code(&verb, &answer), 2);
}

#[tokio::test]
async fn a_stop_that_is_not_over_exits_with_a_warning() {
    let answer = serde_json::json!({ "stopped": {}, "under_way": ["policy 'x' sets y of z"] });
    let verb = policy_verb("stop");
    assert_eq!(policies::code(&verb, &answer), 1);
    assert!(policies::text(&verb, &answer).ends_with("still under way: policy 'x' sets y of z\n"));
    assert_eq!(policies::code(&verb, &serde_json::json!({ "under_way": [] })), 0);
}

#[test]
fn the_newest_changes_need_no_verb() {
    assert!(journal_verb(&[]).is_none());
    assert!(journal_verb(&["--json"]).is_none());
    assert_eq!(journal::text(None, &serde_json::json!([])), "nothing was changed yet\n");
}
