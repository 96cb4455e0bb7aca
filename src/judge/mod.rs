//! Judge: rules and findings over what the store keeps. Pure: no clock, no I/O, no async; it returns transitions.

pub mod yaml;
pub mod template;
pub mod rules;
pub mod load;
pub mod builtin;
pub mod thresholds;
pub mod producers;
pub mod print;
pub mod overlay;
pub mod state;
pub mod changes;
pub mod evaluate;
pub mod findings;

use std::time::Duration;

use crate::judge::evaluate::Settings;
use crate::model::labels::Labels;
use crate::model::schema::{Key, Kind, Table};
use crate::promql::Limits;

/// The section `[judge]`.
pub const KEYS: &[Key] = &[
    Key::new(
        "rule_files",
        Kind::Paths,
        "[]",
        "Prometheus rule files to judge by; `*` stands for any part of a file's name.",
    )
    .example("[\"/etc/watchward/rules/*.yml\"]"),
    Key::new(
        "builtin_rules",
        Kind::Flag,
        "true",
        "Judge also by the rules that come with the agent, for every engine that is watched.",
    ),
    Key::new(
        "interval",
        Kind::Duration { min: "1s", max: "1h" },
        "\"15s\"",
        "How often rules are evaluated whose group names no interval.",
    ),
    Key::new(
        "target_down_for",
        Kind::Duration { min: "0s", max: "1h" },
        "\"1m\"",
        "How long a target must be down before `TargetDown` fires, so that a restart pages nobody.",
    ),
    Key::new(
        "rules_max",
        Kind::Whole { min: 1, max: 1_000_000 },
        "10000",
        "The most rules that all files together may have.",
    ),
    Key::new(
        "instances_max",
        Kind::Whole { min: 1, max: 1_000_000 },
        "1000",
        "The most results one rule may have for one tenant; a rule that has more fails.",
    ),
    Key::new(
        "samples_max",
        Kind::Whole { min: 1_000, max: 1_000_000_000 },
        "5000000",
        "The most samples one expression may read; a rule that needs more fails.",
    ),
    Key::new(
        "series_max",
        Kind::Whole { min: 10, max: 10_000_000 },
        "20000",
        "The most series that any part of an expression may have; a rule that needs more fails.",
    ),
];

/// What `[judge]` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Patterns of file names; whoever reads files expands them.
    pub rule_files: Vec<String>,
    pub builtin_rules: bool,
    pub interval: Duration,
    pub target_down_for: Duration,
    pub rules_max: usize,
    pub instances_max: usize,
    pub samples_max: usize,
    pub series_max: usize,
}

impl Config {
    pub fn read(table: &Table) -> Config {
        let whole = |key: &str| usize::try_from(table.whole(key)).unwrap_or(0);
        Config {
            rule_files: table.texts("rule_files"),
            builtin_rules: table.flag("builtin_rules"),
            interval: table.duration("interval"),
            target_down_for: table.duration("target_down_for"),
            rules_max: whole("rules_max"),
            instances_max: whole("instances_max"),
            samples_max: whole("samples_max"),
            series_max: whole("series_max"),
        }
    }

    /// How the judge is to judge. `external_labels` and `external_url` are what templates may name.
    pub fn settings(&self, external_labels: Labels, external_url: String) -> Settings {
        let limits = Limits { samples_max: self.samples_max, series_max: self.series_max, ..Limits::default() };
        let (interval, instances_max) = (self.interval, self.instances_max);
        Settings { interval, limits, instances_max, external_labels, external_url }
    }
}
