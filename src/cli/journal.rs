//! `journal`: what was changed on servers, each change's story, and taking it back.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::cli::ask::{Agent, Refused};
use crate::cli::output;
use crate::cli::table::{Side, clean, columns};
use crate::cli::{REFUSED, WELL};
use crate::config::Source;

/// What is to be done with a change.
#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// Show one change and its story
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Take one back: the setting is as before, unless somebody else changed it since
    Undo {
        #[command(flatten)]
        which: Which,
    },
    /// Say that one needs no more looking at: its finding ends, and what stands stays
    Close {
        #[command(flatten)]
        which: Which,
    },
}

/// The change that is meant.
#[derive(Clone, Debug, clap::Args)]
pub struct Which {
    /// Its number in the journal
    pub id: i64,
    /// Machine-readable
    #[arg(long)]
    pub json: bool,
}

/// Asks the running agent and prints its answer; without a verb, the newest changes.
pub fn run(source: &Source, what: Option<&What>, json: bool) -> u8 {
    match Agent::of(source).and_then(|mut agent| ask(&mut agent, what, json)) {
        Ok((answer, as_json)) => {
            let is_undone = !matches!(what, Some(What::Undo { .. })) || answer["phase"] == "undone";
            let words = if as_json { format!("{answer}\n") } else { text(what, &answer) };
            output::answer(&words, if is_undone { WELL } else { REFUSED })
        }
        Err(refused) => refused.say(),
    }
}

fn ask(agent: &mut Agent, what: Option<&What>, json: bool) -> Result<(Value, bool), Refused> {
    let path = |which: &Which| format!("/api/v1/journal/{}", which.id);
    Ok(match what {
        None => (agent.get("/api/v1/journal")?, json),
        Some(What::Show { which }) => (agent.get(&path(which))?, which.json || json),
        Some(What::Undo { which }) => (agent.post(&format!("{}/undo", path(which)), &json!({}))?, which.json || json),
        Some(What::Close { which }) => (agent.post(&format!("{}/close", path(which)), &json!({}))?, which.json || json),
    })
}

/// The answer for people.
pub fn text(what: Option<&What>, answer: &Value) -> String {
    match what {
        None => list(answer),
        Some(What::Show { .. }) => story(answer),
        Some(What::Undo { which }) => {
            format!("entry {} is {}: {}\n", which.id, word(&answer["phase"]), word(&answer["words"]))
        }
        Some(What::Close { which }) if answer["phase"] == "done" => {
            format!(
                "entry {} is closed: what it changed stays, and only `watchward journal undo` takes it back\n",
                which.id
            )
        }
        Some(What::Close { which }) => format!("entry {} is closed\n", which.id),
    }
}

fn word(value: &Value) -> String {
    clean(value.as_str().unwrap_or(""))
}

fn list(answer: &Value) -> String {
    let changes = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    if changes.is_empty() {
        return "nothing was changed yet\n".to_string();
    }
    let heads = [
        ("ENTRY", Side::Right),
        ("PHASE", Side::Left),
        ("BEGUN", Side::Left),
        ("TARGET", Side::Left),
        ("SETTING", Side::Left),
        ("FROM", Side::Left),
        ("TO", Side::Left),
        ("POLICY", Side::Left),
        ("BY", Side::Left),
    ];
    let row = |one: &Value| {
        let (step, target) = (&one["step"], format!("{}/{}", word(&one["tenant"]), word(&one["target"])));
        let [phase, begun, policy, by] = ["phase", "begun", "policy", "by"].map(|key| word(&one[key]));
        let (from, to) = (word(&step["before"]["effective"]), word(&step["after"]["effective"]));
        vec![one["id"].to_string(), phase, begun, target, word(&step["key"]), from, to, policy, by]
    };
    columns(&heads, &changes.iter().map(row).collect::<Vec<_>>())
}

fn story(answer: &Value) -> String {
    let step = &answer["step"];
    let held = |side: &str| word(&step[side]["effective"]);
    let mut out = format!(
        "entry {}: {}\n{} of {}/{} ({}): {} -> {}\n  does: {}\n  undo: {}, {}\npolicy '{}', {}, by {}\n\n",
        answer["id"],
        word(&answer["phase"]),
        word(&step["key"]),
        word(&answer["tenant"]),
        word(&answer["target"]),
        word(&answer["server"]),
        held("before"),
        held("after"),
        word(&step["words"]),
        word(&step["undo_words"]),
        if answer["undo"] == "on_resolve" { "when the alert ends" } else { "by hand" },
        word(&answer["policy"]),
        word(&answer["cause"]),
        word(&answer["by"]),
    );
    let heads = ["AT", "PHASE", "BY", "WORDS"].map(|head| (head, Side::Left));
    let row = |one: &Value| ["at", "phase", "by", "words"].map(|key| word(&one[key])).to_vec();
    let lines = answer["story"].as_array().map(Vec::as_slice).unwrap_or_default();
    out.push_str(&columns(&heads, &lines.iter().map(row).collect::<Vec<_>>()));
    out
}
