//! Transitions: a rule or finding that began or ceased, with its reason. Judge decides them; alert begins where one fires.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::labels::Labels;
use crate::model::moment;

/// The state a rule's or finding's instance is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Inactive,
    Pending,
    Firing,
    Resolved,
}

impl Phase {
    pub fn word(self) -> &'static str {
        match self {
            Phase::Inactive => "inactive",
            Phase::Pending => "pending",
            Phase::Firing => "firing",
            Phase::Resolved => "resolved",
        }
    }

    pub fn from_word(word: &str) -> Option<Phase> {
        [Phase::Inactive, Phase::Pending, Phase::Firing, Phase::Resolved].into_iter().find(|one| one.word() == word)
    }
}

/// One change of one instance. `rule` + `labels` identify the instance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Transition {
    pub tenant: String,
    /// `file-or-origin;group;name` of the rule, or `finding;KIND`: unique for what made it.
    pub rule: String,
    /// Of the alert: with `alertname`, `tenant`, and where there is one `target`, `instance`, `job`, `severity`.
    pub labels: Labels,
    pub annotations: BTreeMap<String, String>,
    pub from: Phase,
    pub to: Phase,
    /// When this happened (stored time).
    #[serde(rename = "at", serialize_with = "moment::serialize")]
    pub at_ms: i64,
    /// Since when the condition holds (stored time).
    #[serde(rename = "since", serialize_with = "moment::serialize")]
    pub since_ms: i64,
    pub value: f64,
    /// One sentence that names why: `held for 2m`, `condition ceased`, `target removed`.
    pub reason: String,
    /// Whether the target was merely found: such a transition is shown and pages nobody.
    pub discovered: bool,
}
