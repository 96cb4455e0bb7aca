//! Findings: what judge says of a subject, with severity, evidence and remedy.

use std::fmt;

use serde::Serialize;

use crate::model::moment;

/// How bad a finding is. Ordered: info < warning < critical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

impl Severity {
    pub fn word(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }

    pub fn from_word(word: &str) -> Option<Severity> {
        [Severity::Info, Severity::Warning, Severity::Critical].into_iter().find(|one| one.word() == word)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What judge says. Its identity is (tenant, target, kind, subject): the same finding is never raised twice at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What sort of finding, in the form of an alert name: `TargetDown`.
    pub kind: String,
    pub tenant: String,
    /// Empty for findings about the agent itself.
    pub target: String,
    /// What exactly is meant, where the target has several: a row, a file, a mount. Else empty.
    pub subject: String,
    pub severity: Severity,
    /// What was read that proves it.
    pub evidence: String,
    /// What to do.
    pub remedy: String,
    /// When it began (stored time).
    #[serde(rename = "since", serialize_with = "moment::serialize")]
    pub since_ms: i64,
    /// Whether the target was merely found, and so must not page anyone.
    pub discovered: bool,
}
