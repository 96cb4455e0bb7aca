//! What can be measured here: every metric and family with its help, and the threshold rows. Engines build it, pipeline hands it out.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::model::row::{Family, Metric, MetricKind, Rename};

/// The name of the series by which rules say which alerts are pending or firing, as Prometheus has it.
pub const ALERTS: &str = "ALERTS";

/// A threshold users may set under `[alert.thresholds]`, and the rule it expands to for one engine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// The key in the configuration: `cpu_usage`.
    pub key: &'static str,
    /// The word of the engine it is for.
    pub engine: &'static str,
    /// The name of the alert it raises.
    pub alert: &'static str,
    /// An expression with `{matchers}` (for the target's label matchers) that is compared `> {value}`.
    pub expression: &'static str,
    /// How long it must hold.
    pub hold: &'static str,
    /// An expression with `{matchers}` for the highest value that can be reached; empty where there is no such limit.
    pub ceiling: &'static str,
    /// What the alert says, with templates: `{{ $labels.target }}`, `{{ $value }}`, `{value}` for the threshold.
    pub summary: &'static str,
    pub unit: &'static str,
}

/// A figure that tells at a glance how a target of one engine does, beside those that thresholds measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Glance {
    /// What it is, the same for every engine that has it: `operations` each second, `lag` of a replica in seconds.
    pub key: &'static str,
    /// An expression over all targets, with `{window}` for the span of its rates.
    pub expression: &'static str,
}

/// Help and type of one name, as output needs it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    pub kind: MetricKind,
    pub help: &'static str,
    pub unit: &'static str,
    pub strict: &'static str,
    pub otel: &'static str,
    pub attribute: (&'static str, &'static str),
    pub renames: &'static [Rename],
    pub scale: f64,
}

/// Everything that this build can measure.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    metrics: HashMap<&'static str, Entry>,
    families: Vec<Family>,
    thresholds: Vec<Threshold>,
    /// Metrics of the user's own queries: these change with the configuration.
    own: Arc<RwLock<HashMap<&'static str, Entry>>>,
}

impl Catalogue {
    pub fn new() -> Catalogue {
        Catalogue::default()
    }

    pub fn add_metrics(&mut self, metrics: &[Metric]) {
        self.metrics.extend(metrics.iter().map(entry));
    }

    /// Takes these in place of the metrics of own queries that were known before.
    pub fn set_own(&self, metrics: &mut dyn Iterator<Item = &Metric>) {
        *self.own.write().unwrap_or_else(PoisonError::into_inner) = metrics.map(entry).collect();
    }

    pub fn add_families(&mut self, families: &[Family]) {
        self.families.extend_from_slice(families);
    }

    pub fn add_thresholds(&mut self, thresholds: &[Threshold]) {
        self.thresholds.extend_from_slice(thresholds);
    }

    /// What is known of a name: its row, or a query of the user's own, else the longest family prefix and suffix that fit.
    pub fn find(&self, name: &str) -> Option<Entry> {
        let own = || self.own.read().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        self.metrics.get(name).copied().or_else(own).or_else(|| {
            let fits = |family: &&Family| {
                name.len() > family.prefix.len() + family.suffix.len()
                    && name.starts_with(family.prefix)
                    && name.ends_with(family.suffix)
            };
            let best =
                self.families.iter().filter(fits).max_by_key(|family| family.prefix.len() + family.suffix.len())?;
            let Family { kind, help, unit, .. } = *best;
            let (strict, otel, attribute) = ("", "", ("", ""));
            Some(Entry { kind, help, unit, strict, otel, attribute, renames: &[], scale: 1.0 })
        })
    }

    pub fn thresholds(&self) -> &[Threshold] {
        &self.thresholds
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.metrics.keys().copied()
    }
}

fn entry(metric: &Metric) -> (&'static str, Entry) {
    let Metric { name, kind, help, unit, strict, otel, attribute, renames, scale, .. } = *metric;
    (name, Entry { kind, help, unit, strict, otel, attribute, renames, scale })
}
