//! What the agent shows of itself: targets, alerts, events and stream messages, as serve renders them.

use serde::Serialize;
use serde_json::Value;

use crate::model::finding::Finding;
use crate::model::moment;
use crate::model::row::MetricKind;
use crate::model::scope::Scope;
use crate::model::transition::Transition;

/// A row that could not be read in the last cycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnknownRow {
    pub row: String,
    pub kind: String,
    pub reason: String,
}

/// A target as people see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetStatus {
    pub tenant: String,
    pub name: String,
    pub engine: String,
    pub instance: String,
    /// The value of the label `job` on its series.
    pub job: String,
    /// `None` until the first cycle ended.
    pub up: Option<bool>,
    /// It was only found, and wants a login that nobody has given: `up` is `None`, and the fault says what to do.
    pub needs_credentials: bool,
    /// Since when `up` has this value (stored time, milliseconds).
    #[serde(rename = "since", serialize_with = "moment::serialize")]
    pub since_ms: i64,
    #[serde(rename = "last_cycle", serialize_with = "moment::serialize")]
    pub last_cycle_ms: i64,
    pub cycle_took_s: f64,
    pub interval_s: f64,
    pub series: usize,
    pub version: String,
    pub flavour: String,
    pub role: String,
    pub discovered: bool,
    /// Why it is down, in the server's words, with a hint.
    pub fault: Option<crate::model::fault::Fault>,
    pub unknown_rows: Vec<UnknownRow>,
}

/// Something that happened: `target.role_changed`, `backup.completed`. One stream for WebSocket, webhooks, ledger.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    #[serde(rename = "at", serialize_with = "moment::serialize")]
    pub at_ms: i64,
    pub tenant: String,
    pub target: String,
    pub kind: String,
    pub summary: String,
    pub detail: Value,
}

/// One sample as the stream sends it.
#[derive(Clone, Debug, Serialize)]
pub struct StreamSample {
    pub labels: crate::model::labels::Labels,
    pub value: f64,
}

/// One message of the live stream, sorted by what it is.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", content = "body", rename_all = "lowercase")]
pub enum Body {
    Samples {
        #[serde(rename = "at", serialize_with = "moment::serialize")]
        at_ms: i64,
        samples: Vec<StreamSample>,
    },
    Finding {
        active: bool,
        finding: Finding,
    },
    Alert(Transition),
    Event(Event),
    /// A target's status changed or was read anew.
    Target(TargetStatus),
}

/// A message with whom it concerns.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    pub tenant: String,
    pub target: String,
    #[serde(flatten)]
    pub body: Body,
}

/// What serve may show, implemented by pipeline. Every read takes a scope.
pub trait Board: Send + Sync {
    fn targets(&self, scope: &Scope) -> Vec<TargetStatus>;
    /// Instances that are pending or firing now.
    fn alerts(&self, scope: &Scope) -> Vec<Transition>;
    fn findings(&self, scope: &Scope) -> Vec<Finding>;
    /// `Ok` once state, store and the first schedule stand; else what is missing.
    fn ready(&self) -> Result<(), String>;
    /// The agent's own metrics.
    fn own_metrics(&self) -> Vec<OwnFamily>;
}

/// One metric of the agent's own, as it is scraped.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnFamily {
    pub name: String,
    pub help: String,
    pub kind: MetricKind,
    pub samples: Vec<OwnSample>,
}

/// One sample of it.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnSample {
    /// What the sample's name has after the family's: `_bucket`, `_sum`, `_count` or nothing.
    pub part: &'static str,
    pub labels: Vec<(String, String)>,
    pub value: f64,
}
