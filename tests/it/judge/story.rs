//! Stories with virtual time: readings of one series as text, and what a rule made of them as text.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use watchward::judge::evaluate::{Judge, Roster, Settings};
use watchward::judge::rules::{LoadLimits, Rules};
use watchward::model::labels::Labels;
use watchward::model::matcher::Matcher;
use watchward::model::moment::Moment;
use watchward::model::series::STALE;
use watchward::model::transition::Transition;
use watchward::promql::{Limits, SeriesSamples, SeriesSource};

/// The stored time at which every story begins.
pub const BEGIN_MS: i64 = 1_700_000_000_000;

/// How often the judge of a story evaluates, and its series are read.
pub const STEP_S: u64 = 15;

/// Series in memory.
#[derive(Clone, Default, Debug)]
pub struct Memory(pub BTreeMap<Labels, Vec<(i64, f64)>>);

impl Memory {
    pub fn push(&mut self, labels: &Labels, at_ms: i64, value: f64) {
        self.0.entry(labels.clone()).or_default().push((at_ms, value));
    }
}

impl SeriesSource for Memory {
    fn select(&self, matchers: &[Matcher], from_ms: i64, to_ms: i64, _: usize) -> Result<Vec<SeriesSamples>, String> {
        let fits = |labels: &Labels| matchers.iter().all(|matcher| matcher.accepts_labels(labels));
        let within = |samples: &[(i64, f64)]| -> Vec<(i64, f64)> {
            samples.iter().copied().filter(|(at_ms, _)| from_ms < *at_ms && *at_ms <= to_ms).collect()
        };
        let series = self.0.iter().filter(|(labels, _)| fits(labels));
        let found = series.map(|(labels, samples)| SeriesSamples { labels: labels.clone(), samples: within(samples) });
        Ok(found.filter(|series| !series.samples.is_empty()).collect())
    }
}

/// `{__name__="up", …}` from pairs, with the labels every stored series carries.
pub fn series(name: &str, more: &[(&str, &str)]) -> Labels {
    let own = [("__name__", name), ("tenant", "acme"), ("target", "orders"), ("instance", "db1:1"), ("job", "db")];
    Labels::new(own.iter().chain(more).copied())
}

pub fn moment(second: u64) -> Moment {
    let stored_ms = BEGIN_MS + i64::try_from(second).unwrap() * 1000;
    Moment { since_start: Duration::from_secs(second), wall_ms: stored_ms, stored_ms }
}

pub fn settings() -> Settings {
    Settings {
        interval: Duration::from_secs(STEP_S),
        limits: Limits::default(),
        instances_max: 100,
        external_labels: Labels::new([("cluster", "c1")]),
        external_url: "http://agent".to_string(),
    }
}

pub fn roster() -> Roster {
    Roster::new([("acme", "orders", false), ("acme", "found", true)])
}

/// Rules from the text of one file, `test.yml`.
pub fn rules(text: &str) -> Arc<Rules> {
    let loaded = Rules::load(&[("test.yml".to_string(), text.to_string())], &LoadLimits::default());
    Arc::new(loaded.unwrap_or_else(|faults| panic!("{faults:#?}")))
}

pub fn judge(text: &str) -> Judge {
    Judge::new(rules(text), roster(), settings())
}

/// One rule called `Lags` in a file of its own: `when` and further lines of the rule.
pub fn rule(when: &str, more: &[&str]) -> String {
    let more: String = more.iter().map(|line| format!("    {line}\n")).collect();
    format!("groups:\n- name: g\n  rules:\n  - alert: Lags\n    expr: {when}\n{more}")
}

/// `0s:31 60s:12 120s:-`: from each time on the value is read at every step; `-` is a series that ended.
fn readings(story: &str) -> Vec<(u64, f64)> {
    let one = |part: &str| {
        let (at, value) = part.split_once("s:").unwrap_or_else(|| panic!("'{part}' is not like 60s:12"));
        (at.parse().unwrap(), if value == "-" { STALE } else { value.parse().unwrap() })
    };
    story.split_whitespace().map(one).collect()
}

/// Plays readings of the series `lag` to a judge for as long as the last reading and `after_s` more; says what changed
/// and when: `pending at 0s, firing at 120s`.
pub fn play(judge: &mut Judge, story: &str, after_s: u64) -> String {
    let readings = readings(story);
    let end = readings.last().map_or(0, |(at, _)| *at) + after_s;
    let mut memory = Memory::default();
    let mut told = Vec::new();
    for second in (0..=end).step_by(STEP_S as usize) {
        if let Some((_, value)) = readings.iter().rev().find(|(at, _)| *at <= second) {
            memory.push(&series("lag", &[]), moment(second).stored_ms, *value);
        }
        if judge.due(moment(second)) {
            told.extend(judge.evaluate("acme", &memory, moment(second)).transitions.iter().map(tell));
        }
    }
    if told.is_empty() { "silent".to_string() } else { told.join(", ") }
}

pub fn tell(one: &Transition) -> String {
    format!("{} at {}s", one.to.word(), (one.at_ms - BEGIN_MS) / 1000)
}

/// Plays a story to one rule and compares all that happened.
pub fn check(rule: &str, story: &str, expect: &str) {
    assert_eq!(play(&mut judge(rule), story, 0), expect, "\n{rule}\nstory: {story}");
}
