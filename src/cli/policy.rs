//! `policy`: what may be changed, what it would be, having it done, and the switch that stops everything.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::cli::ask::{Agent, Refused};
use crate::cli::output;
use crate::cli::table::{Side, clean, columns};
use crate::cli::{REFUSED, WARNING, WELL};
use crate::config::Source;
use crate::config::url::encode;

/// What is to be done with policies.
#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// List them, with what holds each back and what each proposes
    List {
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
    /// Have one act now. Arming and the cooldown are not asked for; everything else that holds it back, does
    Run {
        #[command(flatten)]
        which: Which,
        /// Only say what would be done, and everything that speaks against it
        #[arg(long)]
        dry_run: bool,
    },
    /// Let one act by itself, as it is defined now; editing it disarms it
    Arm {
        #[command(flatten)]
        which: Which,
    },
    /// Let one act by itself no longer
    Disarm {
        #[command(flatten)]
        which: Which,
    },
    /// Stop everything: nothing is changed any more, be it by hand, but for `journal undo`
    Stop {
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
    /// Let policies act again
    Start {
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
}

/// The policy that is meant.
#[derive(Clone, Debug, clap::Args)]
pub struct Which {
    /// Its name
    pub name: String,
    /// Whose, where several tenants have one of this name
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    /// Machine-readable
    #[arg(long)]
    pub json: bool,
}

impl Which {
    fn path(&self, verb: &str) -> String {
        format!("/api/v1/policies/{}/{verb}", encode(&self.name, ""))
    }

    fn body(&self) -> Value {
        json!({ "tenant": self.tenant })
    }
}

/// Asks the running agent and prints its answer.
pub fn run(source: &Source, what: &What) -> u8 {
    match Agent::of(source).and_then(|mut agent| ask(&mut agent, what)) {
        Ok((answer, as_json)) => {
            let words = if as_json { format!("{answer}\n") } else { text(what, &answer) };
            output::answer(&words, code(what, &answer))
        }
        Err(refused) => refused.say(),
    }
}

fn ask(agent: &mut Agent, what: &What) -> Result<(Value, bool), Refused> {
    Ok(match what {
        What::List { json } => (agent.get("/api/v1/policies")?, *json),
        What::Run { which, dry_run } => {
            let mut body = which.body();
            body["dry_run"] = json!(dry_run);
            (agent.post(&which.path("run"), &body)?, which.json)
        }
        What::Arm { which } => (agent.post(&which.path("arm"), &which.body())?, which.json),
        What::Disarm { which } => (agent.post(&which.path("disarm"), &which.body())?, which.json),
        What::Stop { json } => (agent.post("/api/v1/actions/stop", &json!({}))?, *json),
        What::Start { json } => (agent.post("/api/v1/actions/start", &json!({}))?, *json),
    })
}

/// 0 as wanted; 1 stopped, and something is still under way; 2 it did not come to what was wanted.
pub fn code(what: &What, answer: &Value) -> u8 {
    match what {
        What::Stop { .. } if answer["under_way"].as_array().is_some_and(|some| !some.is_empty()) => WARNING,
        What::Run { dry_run: false, .. } if answer["phase"] != "done" => REFUSED,
        What::Run { dry_run: true, .. } if answer["step"].is_null() => REFUSED,
        _ => WELL,
    }
}

/// The answer for people.
pub fn text(what: &What, answer: &Value) -> String {
    match what {
        What::List { .. } => list(answer),
        What::Run { dry_run: true, .. } => rehearsal(answer),
        What::Run { .. } => {
            let (phase, id) = (word(&answer["phase"]), &answer["entry"]);
            let next = match phase.as_str() {
                "done" => format!("`watchward journal undo {id}` takes it back"),
                _ => format!("`watchward journal show {id}` tells how it went"),
            };
            format!("{phase} (entry {id}): {}\n{next}\n", word(&answer["words"]))
        }
        What::Arm { which } => format!("'{}' is armed\n", clean(&which.name)),
        What::Disarm { which } => format!("'{}' is not armed\n", clean(&which.name)),
        What::Stop { .. } => {
            let under_way = answer["under_way"].as_array().map(Vec::as_slice).unwrap_or_default();
            let mut out = "all actions are stopped; `watchward policy start` lets them be done again\n".to_string();
            under_way.iter().for_each(|one| out.push_str(&format!("still under way: {}\n", word(one))));
            out
        }
        What::Start { .. } => "policies may act again\n".to_string(),
    }
}

fn word(value: &Value) -> String {
    clean(value.as_str().unwrap_or(""))
}

fn list(answer: &Value) -> String {
    let mut out = String::new();
    if !answer["stopped"].is_null() {
        let (by, at) = (word(&answer["stopped"]["by"]), word(&answer["stopped"]["at"]));
        out.push_str(&format!("all actions are stopped, by {by}, since {at}\n\n"));
    }
    let policies = answer["policies"].as_array().map(Vec::as_slice).unwrap_or_default();
    if policies.is_empty() {
        return out + "no policies: each stands in a [[policy]] of the configuration\n";
    }
    let left = ["POLICY", "TENANT", "MODE", "ARMED", "WHEN", "SETS", "UNDO"].map(|head| (head, Side::Left));
    let row = |one: &Value| {
        let set = &one["set"];
        let armed = match (one["mode"].as_str(), one["armed"].is_null()) {
            (Some("auto"), true) => "no",
            (Some("auto"), false) => "yes",
            _ => "",
        };
        let sets = format!("{} {} = {}", word(&set["target"]), word(&set["key"]), word(&set["value"]));
        let [name, tenant, mode, when, undo] = ["name", "tenant", "mode", "when", "undo"].map(|key| word(&one[key]));
        vec![name, tenant, mode, armed.to_string(), when, sets, undo]
    };
    out.push_str(&columns(&left, &policies.iter().map(row).collect::<Vec<_>>()));
    for one in policies {
        for plan in one["plans"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let verb = if one["mode"] == "approve" { "proposes" } else { "would do" };
            let (name, cause, words) = (word(&one["name"]), word(&plan["cause"]), word(&plan["step"]["words"]));
            out.push_str(&format!("\n{name} {verb} for {cause}: {words}\n"));
        }
    }
    out
}

fn rehearsal(answer: &Value) -> String {
    let mut out = String::new();
    let step = &answer["step"];
    if step.is_null() {
        let fault = &answer["fault"];
        out.push_str(&format!("nothing can be planned: {} [{}]\n", word(&fault["what"]), word(&fault["code"])));
        for key in ["detail", "hint"] {
            let words = word(&fault[key]);
            if !words.is_empty() {
                out.push_str(&format!("{key}: {words}\n"));
            }
        }
    } else {
        let held = |side: &str| word(&step[side]["effective"]);
        out.push_str(&format!(
            "{} of {}: {} -> {}\n",
            word(&step["key"]),
            word(&answer["target"]),
            held("before"),
            held("after")
        ));
        out.push_str(&format!("  does: {}\n  undo: {}\n", word(&step["words"]), word(&step["undo_words"])));
        let undone = if answer["undo"] == "on_resolve" { "when the alert ends" } else { "by hand" };
        out.push_str(&format!("  undone: {undone}\n"));
    }
    for (key, by) in [("refusals", "by hand"), ("refusals_by_itself", "by itself")] {
        let refusals = answer[key].as_array().map(Vec::as_slice).unwrap_or_default();
        if refusals.is_empty() {
            out.push_str(&format!("\n{by}: nothing speaks against it\n"));
            continue;
        }
        out.push_str(&format!("\n{by}: held back\n"));
        for one in refusals {
            out.push_str(&format!("  {} [{}]\n", word(&one["what"]), word(&one["code"])));
        }
    }
    out.push_str("\nnothing was changed\n");
    out
}
