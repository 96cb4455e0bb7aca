//! The rules that come with the agent: promtool's unit tests in `alerts/tests`, played to the agent's own judge.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_norway::Value;
use watchward::engines;
use watchward::judge::builtin;
use watchward::judge::evaluate::{Judge, Roster, Settings};
use watchward::judge::producers::unproduced;
use watchward::judge::rules::{LoadLimits, Rules};
use watchward::judge::thresholds::{TargetThresholds, Wanted, expand};
use watchward::model::labels::Labels;
use watchward::model::scope::Scope;
use watchward::model::transition::Phase;
use watchward::promql::expression::Expression;

use crate::judge::story::{Memory, moment, settings};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("alerts")
}

fn builtin_rules() -> Rules {
    Rules::load(&builtin::files(), &LoadLimits::default()).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("no text '{key}' in {value:?}"))
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_sequence().unwrap_or_else(|| panic!("no list '{key}' in {value:?}"))
}

fn map(value: &Value) -> BTreeMap<String, String> {
    let all = value.as_mapping().into_iter().flatten();
    all.map(|(key, value)| (key.as_str().unwrap().to_string(), value.as_str().unwrap().to_string())).collect()
}

/// `m{a="b"}` as labels.
fn labels(series: &str) -> Labels {
    let expression: Expression = watchward::promql::parse(series).unwrap();
    let selector = expression.selectors().remove(0);
    Labels::new(selector.matchers.iter().map(|matcher| (matcher.name.clone(), matcher.value.clone())))
}

/// promtool's notation: `1 2x3 0+1x5`, one value a minute; `axn` and `a+bxn` are n values after the first.
fn values(notation: &str) -> Vec<f64> {
    let mut values = Vec::new();
    for part in notation.split(' ') {
        let (head, times) = part.split_once('x').map_or((part, 0), |(head, times)| (head, times.parse().unwrap()));
        let sign = head.get(1..).and_then(|rest| rest.find(['+', '-'])).map(|at| at + 1);
        let (first, step) = sign.map_or((head, "0"), |at| head.split_at(at));
        let (first, step): (f64, f64) = (first.parse().unwrap(), step.parse().unwrap());
        values.extend((0..=times).map(|count: u32| first + step * f64::from(count)));
    }
    values
}

#[test]
fn promtools_notation_is_read() {
    assert_eq!(values("1 2x2 0+10x2 9-3x1"), [1.0, 2.0, 2.0, 2.0, 0.0, 10.0, 20.0, 9.0, 6.0]);
}

/// Plays one test of a file as promtool does: the rules are evaluated every minute up to the time asked for.
fn play(rules: &Arc<Rules>, test: &Value) {
    let name = text(test, "name");
    let mut memory = Memory::default();
    for series in list(test, "input_series") {
        let labels = labels(text(series, "series"));
        for (minute, value) in values(text(series, "values")).into_iter().enumerate() {
            memory.push(&labels, moment(minute as u64 * 60).stored_ms, value);
        }
    }
    for expected in list(test, "alert_rule_test") {
        let at = watchward::model::duration::parse(text(expected, "eval_time")).unwrap().as_secs();
        let settings = Settings { interval: Duration::from_secs(60), ..settings() };
        let mut judge = Judge::new(Arc::clone(rules), Roster::new([("t", "x", false)]), settings);
        for second in (0..=at).step_by(60) {
            let failures = judge.evaluate("t", &memory, moment(second)).failures;
            assert!(failures.is_empty(), "{name}: {failures:?}");
        }
        let alert = text(expected, "alertname");
        let firing = judge.active(&Scope::of_tenant("t")).into_iter().filter(|one| one.to == Phase::Firing);
        let got: Vec<_> = firing
            .filter(|one| one.labels.value("alertname") == alert)
            .map(|one| (one.labels, one.annotations))
            .collect();
        let wanted: Vec<_> = list(expected, "exp_alerts")
            .iter()
            .map(|one| (Labels::new(map(&one["exp_labels"])).with("alertname", alert), map(&one["exp_annotations"])))
            .collect();
        assert_eq!(got, wanted, "{name}");
    }
}

/// What promtool says of our rules our own judge says too, and every rule is tested both ways.
#[test]
fn every_builtin_rule_fires_and_stays_silent_as_in_prometheus() {
    let rules = Arc::new(builtin_rules());
    let mut tested = BTreeSet::new();
    for entry in std::fs::read_dir(folder().join("tests")).unwrap() {
        let file: Value = serde_norway::from_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
        for test in list(&file, "tests") {
            play(&rules, test);
            tested.insert(text(test, "name").to_string());
        }
    }
    for (_, rule) in rules.each() {
        for way in ["fires", "stays silent"] {
            assert!(tested.contains(&format!("{} {way}", rule.name)), "no test in which {} {way}", rule.name);
        }
    }
    assert_eq!(tested.len(), 2 * rules.each().count());
}

#[test]
fn every_file_of_alerts_is_embedded() {
    let mut there: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".yml"))
        .collect();
    let mut embedded: Vec<String> =
        builtin::files().iter().map(|(name, _)| name.trim_start_matches("builtin/").to_string()).collect();
    let mut engines: Vec<String> = engines::ALL.iter().map(|engine| format!("{}.yml", engine.word())).collect();
    for list in [&mut there, &mut embedded, &mut engines] {
        list.sort();
    }
    assert_eq!(embedded, there);
    assert_eq!(embedded, engines);
}

#[test]
fn every_builtin_rule_looks_at_what_an_engine_measures() {
    assert_eq!(unproduced(&builtin_rules(), &engines::catalogue()), []);
}

#[test]
fn a_rule_that_nobody_can_feed_is_told() {
    let text = "groups:\n- name: g\n  rules:\n  - {record: 'a:b', expr: up}\n  - {alert: A, expr: 'a:b > nothing_here and pg_up'}\n";
    let rules = Rules::load(&[("f.yml".to_string(), text.to_string())], &LoadLimits::default()).unwrap();
    let found = unproduced(&rules, &engines::catalogue());
    assert_eq!(found.len(), 1);
    assert_eq!((&*found[0].rule, found[0].metrics.as_slice()), ("f.yml;g;A", ["nothing_here".to_string()].as_slice()));
}

#[test]
fn every_builtin_rule_has_a_severity_and_says_what_to_do() {
    for (_, rule) in builtin_rules().each() {
        let severity = rule.labels.iter().find(|(name, _)| name == "severity").unwrap().1.text();
        assert!(["critical", "warning", "info"].contains(&severity), "{}", rule.name);
        let alert = rule.alert.as_ref().unwrap();
        assert!(alert.annotations.iter().any(|(name, text)| name == "summary" && text.text().len() > 40));
    }
}

/// Every threshold that an engine offers expands, for everyone, for one tenant and for one target.
#[test]
fn every_threshold_of_every_engine_expands() {
    let catalogue = engines::catalogue();
    let values: BTreeMap<String, f64> = catalogue.thresholds().iter().map(|row| (row.key.to_string(), 80.0)).collect();
    let own = |engine: &str| TargetThresholds {
        tenant: "t".to_string(),
        name: format!("own-{engine}"),
        engine: engine.to_string(),
        values: values
            .iter()
            .filter(|(key, _)| catalogue.thresholds().iter().any(|row| row.engine == engine && row.key == **key))
            .map(|(key, value)| (key.clone(), *value))
            .collect(),
    };
    let wanted = Wanted {
        global: values.clone(),
        tenants: [("u".to_string(), values.clone())].into(),
        targets: engines::ALL.iter().map(|engine| own(engine.word())).collect(),
    };
    let expanded = expand(catalogue.thresholds(), &wanted).unwrap_or_else(|faults| panic!("{faults:#?}"));
    let rules = Rules { groups: expanded.groups, ceilings: expanded.ceilings };
    assert_eq!(rules.each().count(), 4 * catalogue.thresholds().len());
    assert_eq!(unproduced(&rules, &catalogue), []);
    for ceiling in &rules.ceilings {
        assert!(ceiling.unreachable(&Memory::default(), 0, &settings().limits).unwrap().is_empty());
        let names = ceiling.expression.selectors().into_iter().filter_map(|selector| selector.name);
        assert!(names.into_iter().all(|name| catalogue.find(&name).is_some()), "{:?}", ceiling.expression);
    }
}
