//! Queries of the user's own: what is asked of which targets, and the metrics that the answer gives. Plain data, checked.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::filter::Glob;
use crate::model::row::MetricKind;

/// One `[[query]]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    pub name: String,
    pub tenant: String,
    /// The word of the engine whose tongue it is in.
    pub engine: String,
    /// The names of the targets that are asked.
    pub targets: Vec<Glob>,
    /// SQL, a command, or a path.
    pub ask: String,
    /// The versions that it is for: `since <= version < before`.
    pub since: (u32, u32),
    pub before: (u32, u32),
    /// How often it is asked; zero: in every cycle.
    pub interval: Duration,
    /// The longest that it may take.
    pub deadline: Duration,
    /// The most series that it may give.
    pub series_max: usize,
    /// Columns that are labels.
    pub labels: Vec<String>,
    pub metrics: Vec<QueryMetric>,
}

/// One metric of a query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueryMetric {
    pub name: String,
    /// Where its value stands in the answer: a column, or a dotted path.
    pub from: String,
    pub kind: MetricKind,
    pub help: String,
    pub unit: String,
    /// Labels that all its series have.
    pub labels: BTreeMap<String, String>,
}

impl Query {
    /// Whether a target is asked.
    pub fn is_for(&self, tenant: &str, engine: &str, target: &str) -> bool {
        self.tenant == tenant && self.engine == engine && self.targets.iter().any(|glob| glob.fits(target))
    }
}
