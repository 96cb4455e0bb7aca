//! `[alert.thresholds]`: the nearest value wins, the printed rules load again, what cannot be reached is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use watchward::judge::evaluate::Judge;
use watchward::judge::print;
use watchward::judge::rules::{LoadLimits, Rules};
use watchward::judge::thresholds::{Expanded, TargetThresholds, Wanted, expand};
use watchward::model::catalogue::Threshold;

use crate::judge::story::{Memory, moment, roster, series, settings};

const ROWS: &[Threshold] = &[
    Threshold {
        key: "cpu_usage",
        engine: "alpha",
        alert: "CpuHigh",
        expression: "100 - avg by (tenant, target) (rate(cpu{mode=\"idle\",{matchers}}[5m])) * 100",
        hold: "5m",
        ceiling: "",
        summary: "{{ $labels.target }}: {{ printf \"%.0f\" $value }} % busy, more than {value} %",
        unit: "%",
    },
    Threshold {
        key: "connection_count",
        engine: "beta",
        alert: "Connections",
        expression: "connections{matchers}",
        hold: "0s",
        ceiling: "connections_max{matchers}",
        summary: "{{ $value }} connections",
        unit: "{connection}",
    },
];

fn values(pairs: &[(&str, f64)]) -> BTreeMap<String, f64> {
    pairs.iter().map(|(key, value)| ((*key).to_string(), *value)).collect()
}

fn target(tenant: &str, name: &str, engine: &str, pairs: &[(&str, f64)]) -> TargetThresholds {
    TargetThresholds { tenant: tenant.into(), name: name.into(), engine: engine.into(), values: values(pairs) }
}

fn expressions(expanded: &Expanded) -> Vec<String> {
    let all = expanded.groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (group, rule)));
    all.map(|(group, rule)| format!("{}: {}", group.name, rule.expression)).collect()
}

#[test]
fn a_global_value_is_one_rule() {
    let wanted = Wanted { global: values(&[("cpu_usage", 80.0)]), ..Wanted::default() };
    let expanded = expand(ROWS, &wanted).unwrap();
    let expected = "thresholds: (100 - avg by (tenant, target) (rate(cpu{mode=\"idle\"}[5m])) * 100) > 80".to_string();
    assert_eq!(expressions(&expanded), [expected]);
    let rule = &expanded.groups[0].rules[0];
    assert_eq!(&*rule.id, "[alert.thresholds];thresholds;CpuHigh");
    assert_eq!(rule.alert.as_ref().unwrap().hold.as_secs(), 300);
}

/// Engines write the place either way.
#[test]
fn matchers_fit_behind_a_name_and_inside_of_braces() {
    let row = |expression: &'static str| Threshold { expression, ..ROWS[1] };
    for (text, everywhere, somewhere) in [
        ("a{matchers}", "a", "a{tenant=\"t\"}"),
        ("a{{matchers}} + b", "a + b", "a{tenant=\"t\"} + b"),
        ("a{x=\"1\",{matchers}} / a", "a{x=\"1\"} / a", "a{x=\"1\",tenant=\"t\"} / a"),
    ] {
        let values = values(&[("connection_count", 1.0)]);
        let all = Wanted { global: values.clone(), ..Wanted::default() };
        let one = Wanted { tenants: [("t".to_string(), values)].into(), ..Wanted::default() };
        let told = |wanted: &Wanted| expand(&[row(text)], wanted).unwrap().groups[0].rules[0].expression.to_string();
        assert_eq!((told(&all), told(&one)), (format!("({everywhere}) > 1"), format!("({somewhere}) > 1")));
    }
}

#[test]
fn the_nearest_of_target_tenant_and_global_wins() {
    let wanted = Wanted {
        global: values(&[("connection_count", 100.0)]),
        tenants: [("acme".to_string(), values(&[("connection_count", 50.0)]))].into(),
        targets: vec![
            target("acme", "a", "beta", &[("connection_count", 20.0)]),
            target("acme", "b.c", "beta", &[("connection_count", 30.0)]),
            target("other", "x", "beta", &[("connection_count", 0.5)]),
            target("third", "y", "alpha", &[]),
        ],
    };
    let expected = [
        "thresholds: (connections{tenant!~\"acme|other\"}) > 100",
        "thresholds of tenant acme: (connections{tenant=\"acme\",target!~\"a|b\\\\.c\"}) > 50",
        "thresholds of tenant other: (connections{tenant=\"other\",target!=\"x\"}) > 100",
        "thresholds of target acme/a: (connections{tenant=\"acme\",target=\"a\"}) > 20",
        "thresholds of target acme/b.c: (connections{tenant=\"acme\",target=\"b.c\"}) > 30",
        "thresholds of target other/x: (connections{tenant=\"other\",target=\"x\"}) > 0.5",
    ];
    assert_eq!(expressions(&expand(ROWS, &wanted).unwrap()), expected);
}

#[test]
fn keys_that_nobody_knows_are_all_told_with_the_nearest() {
    let wanted = Wanted {
        global: values(&[("cpu_usge", 80.0), ("connection_count", f64::NAN)]),
        tenants: [("acme".to_string(), values(&[("nonsense", 1.0)]))].into(),
        targets: vec![target("acme", "a", "beta", &[("cpu_usage", 20.0)])],
    };
    let faults: Vec<String> = expand(ROWS, &wanted).unwrap_err().iter().map(ToString::to_string).collect();
    let expected = [
        "the threshold 'connection_count' is NaN, which is no number to compare with [judge-10]\n\
         detail: It stands in [alert.thresholds].",
        "no engine has a threshold 'cpu_usge' [judge-10]\ndetail: It stands in [alert.thresholds].\nhint: Did you mean \
         cpu_usage?",
        "no engine has a threshold 'nonsense' [judge-10]\ndetail: It stands in the tenant 'acme'.\nhint: Known: \
         connection_count, cpu_usage.",
        "no threshold of engine 'beta' is called 'cpu_usage' [judge-10]\ndetail: It stands in the target \
         'acme/a'.\nhint: Known: connection_count.",
    ];
    assert_eq!(faults, expected);
}

#[test]
fn the_printed_rules_load_again_to_the_same_rules() {
    let wanted = Wanted {
        global: values(&[("cpu_usage", 80.0), ("connection_count", 1e9)]),
        tenants: BTreeMap::new(),
        targets: vec![target("acme \"x\"", "a\\b", "beta", &[("connection_count", 20.0)])],
    };
    let expanded = expand(ROWS, &wanted).unwrap();
    let printed = print::render(&expanded.groups);
    assert!(printed.contains("> 1000000000\n"), "{printed}");
    let again = Rules::load(&[("printed.yml".to_string(), printed)], &LoadLimits::default()).unwrap();
    assert_eq!(print::render(&again.groups), print::render(&expanded.groups));
    for (first, second) in expanded.groups.iter().zip(&again.groups) {
        let (first, mut second) = (first.clone(), second.clone());
        second.origin.clone_from(&first.origin);
        assert_eq!(first, second.identify());
    }
}

fn judged(threshold: f64, now: f64, most: f64) -> watchward::judge::evaluate::Evaluation {
    let wanted = Wanted { global: values(&[("connection_count", threshold)]), ..Wanted::default() };
    let Expanded { groups, ceilings } = expand(ROWS, &wanted).unwrap();
    let mut memory = Memory::default();
    memory.push(&series("connections", &[]), moment(0).stored_ms, now);
    memory.push(&series("connections_max", &[]), moment(0).stored_ms, most);
    Judge::new(Arc::new(Rules { groups, ceilings }), roster(), settings()).evaluate("acme", &memory, moment(0))
}

#[test]
fn a_threshold_that_is_passed_fires() {
    let evaluation = judged(80.0, 81.0, 100.0);
    assert_eq!(evaluation.transitions[0].labels.value("alertname"), "Connections");
    assert_eq!(evaluation.transitions[0].labels.value("severity"), "warning");
    assert_eq!(evaluation.transitions[0].annotations["summary"], "81 connections");
    assert_eq!(evaluation.unreachable, []);
    assert!(judged(80.0, 80.0, 100.0).transitions.is_empty());
}

#[test]
fn a_threshold_above_what_is_possible_is_unreachable() {
    let one = &judged(1000.0, 5.0, 100.0).unreachable[0];
    assert_eq!((one.key.as_str(), one.labels.value("target")), ("connection_count", "orders"));
    assert_eq!((one.threshold, one.ceiling), (1000.0, 100.0));
    // `> 100` where 100 are allowed is never true either.
    assert_eq!(judged(100.0, 5.0, 100.0).unreachable.len(), 1);
    assert_eq!(judged(99.0, 5.0, 100.0).unreachable.len(), 0);
}
