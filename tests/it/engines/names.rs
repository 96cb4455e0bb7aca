//! Names of metrics: unique, helped, and clean by promtool's rules under their strict names.

use std::collections::BTreeMap;

use watchward::engines;
use watchward::model::row::{Metric, MetricKind};

/// What promtool's linter would say of a name and its help.
fn complaints(metric: &Metric) -> Vec<&'static str> {
    let name = if metric.strict.is_empty() { metric.name } else { metric.strict };
    let is_counter = metric.kind == MetricKind::Counter;
    let is_whole = matches!(metric.kind, MetricKind::Summary | MetricKind::Histogram);
    let has = |units: &[&str]| name.split('_').any(|word| units.contains(&word));
    let rules = [
        (metric.help.is_empty(), "no help text"),
        (is_counter && !name.ends_with("_total"), "counter metrics should have \"_total\" suffix"),
        (!is_counter && name.ends_with("_total"), "non-counter metrics should not have \"_total\" suffix"),
        (!is_whole && ["_count", "_sum", "_bucket"].iter().any(|end| name.ends_with(end)), "reserved suffix"),
        (name.chars().any(|c| c.is_ascii_uppercase()), "metric names should be written in 'snake_case'"),
        (has(&["ms", "us", "ns", "sec", "kb", "mb", "gb", "tb"]), "abbreviated unit"),
        (
            has(&["milliseconds", "microseconds", "minutes", "hours", "days", "percent", "percentage"]),
            "not a base unit",
        ),
        (has(&["counter", "gauge", "histogram", "summary", "untyped"]), "the type is part of the name"),
    ];
    rules.into_iter().filter(|(broken, _)| *broken).map(|(_, complaint)| complaint).collect()
}

fn check(word: &str) {
    let engine = engines::find(word).expect("registered");
    let metrics = || engine.rows().iter().flat_map(|row| row.metrics).chain([engine.card().up]);
    let bad: Vec<_> =
        metrics().map(|metric| (metric.name, complaints(metric))).filter(|(_, all)| !all.is_empty()).collect();
    assert!(bad.is_empty(), "{word}: {bad:#?}");
    // Two rows may give a metric in different versions; then it is the same metric. No two share a strict name.
    let mut by_strict: BTreeMap<&str, &Metric> = BTreeMap::new();
    for metric in metrics() {
        let strict = if metric.strict.is_empty() { metric.name } else { metric.strict };
        let first = by_strict.entry(strict).or_insert(metric);
        assert_eq!((first.name, first.kind, first.help), (metric.name, metric.kind, metric.help), "{word}: {strict}");
        assert!(metric.name.starts_with(engine.card().prefix), "{word}: {}", metric.name);
    }
}

#[test]
fn the_names_of_postgresql_are_clean() {
    check("postgresql");
}

#[test]
fn the_names_of_redis_are_clean() {
    check("redis");
}

#[test]
fn thresholds_ask_for_what_is_measured() {
    let catalogue = engines::catalogue();
    for threshold in
        catalogue.thresholds().iter().filter(|threshold| ["postgresql", "redis"].contains(&threshold.engine))
    {
        for expression in [threshold.expression, threshold.ceiling] {
            for (at, _) in expression.match_indices("{matchers}") {
                let start = expression[..at].rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
                let name = &expression[start..at];
                assert!(catalogue.find(name).is_some(), "{}: nobody measures {name}", threshold.alert);
            }
        }
    }
}
