//! Policies: when something may be set, on which target, and what holds it back. Data, read from the configuration.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::calendar::cron::Cron;
use crate::model::calendar::window::Window;
use crate::model::labels::Labels;
use crate::model::matcher::Matcher;

/// How far a policy may go by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Says what it would do.
    DryRun,
    /// Proposes, and a person has it done.
    Approve,
    /// Does it, once armed.
    Auto,
}

impl Mode {
    pub const WORDS: &'static [&'static str] = &["dry-run", "approve", "auto"];

    pub fn word(self) -> &'static str {
        match self {
            Mode::DryRun => "dry-run",
            Mode::Approve => "approve",
            Mode::Auto => "auto",
        }
    }

    pub fn from_word(word: &str) -> Option<Mode> {
        [Mode::DryRun, Mode::Approve, Mode::Auto].into_iter().find(|one| one.word() == word)
    }
}

/// What takes a change back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// A person, by `watchward journal undo`.
    Manual,
    /// The end of the alert that caused it.
    OnResolve,
}

impl Undo {
    pub const WORDS: &'static [&'static str] = &["manual", "on_resolve"];

    pub fn word(self) -> &'static str {
        match self {
            Undo::Manual => "manual",
            Undo::OnResolve => "on_resolve",
        }
    }

    pub fn from_word(word: &str) -> Option<Undo> {
        [Undo::Manual, Undo::OnResolve].into_iter().find(|one| one.word() == word)
    }
}

/// What a policy waits for.
#[derive(Clone, Debug)]
pub enum When {
    /// Alerts of this name whose labels pass.
    Alert {
        name: String,
        matchers: Vec<Matcher>,
    },
    Schedule(Cron),
}

impl When {
    /// Whether an alert with these labels is one that is waited for.
    pub fn hears(&self, labels: &Labels) -> bool {
        match self {
            When::Alert { name, matchers } => {
                labels.value("alertname") == name && matchers.iter().all(|matcher| matcher.accepts_labels(labels))
            }
            When::Schedule(_) => false,
        }
    }
}

impl fmt::Display for When {
    /// As it would stand in the configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Schedule(cron) => write!(f, "schedule:{cron}"),
            When::Alert { name, matchers } if matchers.is_empty() => write!(f, "alert:{name}"),
            When::Alert { name, matchers } => {
                let matchers: Vec<String> = matchers.iter().map(ToString::to_string).collect();
                write!(f, "alert:{name}{{{}}}", matchers.join(","))
            }
        }
    }
}

/// A setting that is to have a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Set {
    /// The target's name; the policy's tenant is its tenant.
    pub target: String,
    pub key: String,
    pub value: String,
}

/// What holds a policy back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long after a change of this policy there is none.
    pub cooldown: Duration,
    /// When it may change anything; `None`: always.
    pub window: Option<Window>,
    /// How many changes of this policy one day may see, in the window's time zone, else the agent's.
    pub per_day_max: u32,
}

/// One policy. Its identity is tenant/name.
#[derive(Clone, Debug)]
pub struct Policy {
    pub name: String,
    pub tenant: String,
    pub when: When,
    pub set: Set,
    pub mode: Mode,
    pub undo: Undo,
    pub limits: Limits,
}

impl Policy {
    /// `tenant/name`.
    pub fn identity(&self) -> String {
        format!("{}/{}", self.tenant, self.name)
    }

    /// All that decides what the policy does, as text: whoever arms a policy arms this. `server` is where its target
    /// is, for the same name may come to mean another server.
    pub fn definition(&self, server: &str) -> String {
        let Limits { cooldown, window, per_day_max } = &self.limits;
        serde_json::json!({
            "when": self.when.to_string(),
            "set": self.set,
            "server": server,
            "mode": self.mode.word(),
            "undo": self.undo.word(),
            "guard": {
                "cooldown_ms": u64::try_from(cooldown.as_millis()).unwrap_or(u64::MAX),
                "window": window.as_ref().map(|window| format!("{window} {}", window.zone())),
                "max_per_day": per_day_max,
            },
        })
        .to_string()
    }
}
