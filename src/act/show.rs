//! Showing: policies, plans and changes as JSON, with times as RFC 3339. Pure.

use serde_json::{Value, json};

use crate::model::duration;
use crate::model::moment::rfc3339;
use crate::model::plan::{Refusal, Step};
use crate::model::policy::Policy;
use crate::state::journal::{Entry, Line};
use crate::state::policies::{Armed, Planned, Stopped};

/// A policy, how it stands, and what it would do.
pub fn policy(policy: &Policy, armed: Option<&Armed>, refusals: &[Refusal], plans: &[&Planned]) -> Value {
    let limits = &policy.limits;
    json!({
        "name": policy.name,
        "tenant": policy.tenant,
        "when": policy.when.to_string(),
        "set": policy.set,
        "mode": policy.mode.word(),
        "undo": policy.undo.word(),
        "guard": {
            "cooldown": duration::format(limits.cooldown),
            "window": limits.window.as_ref().map(ToString::to_string),
            "max_per_day": limits.per_day_max,
        },
        "armed": armed.map(|armed| json!({ "at": rfc3339(armed.at_ms), "by": armed.actor })),
        "refusals": refusals,
        "plans": plans.iter().map(|plan| planned(plan)).collect::<Vec<_>>(),
    })
}

fn planned(plan: &Planned) -> Value {
    json!({ "cause": plan.cause, "at": rfc3339(plan.at_ms), "step": step(&plan.step) })
}

/// What is or would be done, with what takes it back.
pub fn step(step: &Step) -> Value {
    json!({
        "key": step.key,
        "before": step.before,
        "after": step.after,
        "words": step.words,
        "undo_words": step.undo_words,
    })
}

/// A change of the journal.
pub fn change(entry: &Entry) -> Value {
    json!({
        "id": entry.id,
        "tenant": entry.tenant,
        "policy": entry.policy,
        "cause": entry.cause,
        "target": entry.target,
        "server": entry.server,
        "step": step(&entry.step),
        "undo": entry.undo.word(),
        "by": entry.actor,
        "phase": entry.phase.word(),
        "why_undone": entry.why_undone.map(|why| why.word()),
        "begun": rfc3339(entry.begun_ms),
        "changed": rfc3339(entry.changed_ms),
        "closed": entry.closed_ms.map(rfc3339),
    })
}

/// A change with its whole story.
pub fn change_with_story(entry: &Entry, story: &[Line]) -> Value {
    let line =
        |line: &Line| json!({ "phase": line.phase, "at": rfc3339(line.at_ms), "by": line.actor, "words": line.words });
    let mut shown = change(entry);
    shown["story"] = story.iter().map(line).collect();
    shown
}

/// Whether everything is stopped, and by whom.
pub fn stopped(stopped: Option<&Stopped>) -> Value {
    stopped.map_or(Value::Null, |stopped| json!({ "at": rfc3339(stopped.at_ms), "by": stopped.actor }))
}
