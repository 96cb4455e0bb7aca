//! Telling: the events of act, and its words for how a change went. Pure.

use serde_json::json;

use crate::act::decide;
use crate::model::fault::Fault;
use crate::model::plan::{Held, Refusal, Step};
use crate::model::policy::{Mode, Policy};
use crate::model::status::Event;
use crate::state::journal::{Entry, Phase, Why};
use crate::state::policies::Planned;

/// The kind of the event that tells a phase; empty where it is only logged.
fn kind(phase: Phase) -> &'static str {
    match phase {
        Phase::Begun | Phase::Undoing => "",
        Phase::Done => "policy.done",
        Phase::Void => "policy.void",
        Phase::Failed => "policy.failed",
        Phase::Unclear => "policy.unclear",
        Phase::Undone => "policy.undone",
        Phase::UndoRefused => "policy.undo_refused",
    }
}

/// The event of a change that is in another phase now.
pub fn turned(entry: &Entry, words: &str, actor: &str) -> Option<Event> {
    let kind = Some(kind(entry.phase)).filter(|kind| !kind.is_empty())?;
    let (id, policy, key, target) = (entry.id, &entry.policy, &entry.step.key, &entry.target);
    let (before, after) = (decide::words(&entry.step.before), decide::words(&entry.step.after));
    let summary = match entry.phase {
        Phase::Done => format!("policy '{policy}' has set {key} of {target} to {after}, was {before} (entry {id})"),
        Phase::Undone => format!("{key} of {target} is set back (entry {id} of policy '{policy}'): {words}"),
        Phase::UndoRefused => format!("{key} of {target} is not set back (entry {id} of policy '{policy}'): {words}"),
        Phase::Unclear => format!("what became of entry {id} of policy '{policy}' is unclear: {words}"),
        _ => format!("policy '{policy}' has not set {key} of {target} to {after} (entry {id}): {words}"),
    };
    let detail = json!({
        "entry": id, "policy": policy, "key": key, "before": entry.step.before, "after": entry.step.after,
        "phase": entry.phase, "why_undone": entry.why_undone, "actor": actor, "words": words,
    });
    Some(event(kind, (&entry.tenant, target), entry.changed_ms, summary, detail))
}

/// The event of what a policy would do.
pub fn planned(policy: &Policy, plan: &Planned) -> Event {
    let Step { key, before, after, words, undo_words } = &plan.step;
    let (name, target, cause) = (&policy.name, &policy.set.target, &plan.cause);
    let (before, after) = (decide::words(before), decide::words(after));
    let (kind, summary) = match policy.mode {
        Mode::Approve => (
            "policy.proposed",
            format!(
                "policy '{name}' proposes for {cause}: set {key} of {target} to {after}, is {before}; `watchward policy run '{name}'` does it"
            ),
        ),
        _ => (
            "policy.planned",
            format!("policy '{name}' would for {cause} set {key} of {target} to {after}, is {before}"),
        ),
    };
    let detail = json!({ "policy": name, "key": key, "words": words, "undo_words": undo_words, "cause": cause });
    event(kind, (&policy.tenant, target), plan.at_ms, summary, detail)
}

/// The event of a policy that is held back.
pub fn refused(policy: &Policy, cause: &str, refusals: &[Refusal], at_ms: i64) -> Event {
    let why: Vec<&str> = refusals.iter().map(|refusal| refusal.what.as_str()).collect();
    let summary = format!("policy '{}' does nothing for {cause}: {}", policy.name, why.join("; "));
    let detail = json!({ "policy": policy.name, "cause": cause, "refusals": refusals });
    event("policy.refused", (&policy.tenant, &policy.set.target), at_ms, summary, detail)
}

/// The event of a ruling on a policy: `policy.armed`, `policy.disarmed`.
pub fn ruled(kind: &str, (tenant, policy): (&str, &str), words: &str, actor: &str, at_ms: i64) -> Event {
    let summary = format!("policy '{policy}' {words}, by {actor}");
    event(kind, (tenant, ""), at_ms, summary, json!({ "policy": policy, "actor": actor }))
}

/// The event of the switch.
pub fn switched(kind: &str, tenant: &str, words: &str, actor: &str, at_ms: i64) -> Event {
    event(kind, (tenant, ""), at_ms, format!("all actions {words}, by {actor}"), json!({ "actor": actor }))
}

fn event(kind: &str, (tenant, target): (&str, &str), at_ms: i64, summary: String, detail: serde_json::Value) -> Event {
    let (tenant, target, kind) = (tenant.to_string(), target.to_string(), kind.to_string());
    Event { at_ms, tenant, target, kind, summary, detail }
}

/// How a setting stands after it was written.
pub fn outcome(step: &Step, seen: &Held, refused: Option<&Fault>) -> String {
    let stands = format!("{} is {}", step.key, decide::words(seen));
    match refused {
        Some(fault) => format!("{stands}; the server said: {}", fault.what),
        None => stands,
    }
}

/// What was found of a change whose end was not known.
pub fn found(entry: &Entry, phase: Phase, seen: &Held) -> String {
    let (key, held) = (&entry.step.key, decide::words(seen));
    match phase {
        Phase::Done => format!("found finished: {key} is {held}"),
        Phase::Void => format!("found not begun: {key} is {held}, as before"),
        Phase::Undone if entry.why_undone == Some(Why::DidNotHold) => {
            format!("found taken back: {key} is {held}, as before")
        }
        Phase::Undone if *seen != entry.step.before => {
            format!("found undone: {key} is {held}, and what lies below it was changed meanwhile")
        }
        Phase::Undone => format!("found undone: {key} is {held}, as before"),
        _ => {
            let (before, after) = (decide::words(&entry.step.before), decide::words(&entry.step.after));
            format!("{key} is {held}; it was {before} and was to be {after}")
        }
    }
}
