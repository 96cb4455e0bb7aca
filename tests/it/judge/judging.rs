//! The judge over tenants, groups and rules that fail.

use watchward::judge::evaluate::{Judge, Roster};
use watchward::model::catalogue::ALERTS;
use watchward::model::labels::Labels;
use watchward::model::scope::Scope;
use watchward::model::series::is_stale;
use watchward::model::transition::Transition;

use crate::judge::story::{Memory, judge, moment, rule, rules, series, settings};

fn lag_of(target: &str, value: f64) -> Memory {
    let mut memory = Memory::default();
    memory.push(&series("lag", &[("target", target)]), moment(0).stored_ms, value);
    memory
}

fn only(transitions: Vec<Transition>) -> Transition {
    assert_eq!(transitions.len(), 1, "{transitions:#?}");
    transitions.into_iter().next().unwrap()
}

#[test]
fn an_alert_has_labels_and_annotations_as_in_prometheus() {
    let more = [
        "labels: {severity: page, of: 'on {{ $labels.target }}', job: ''}",
        "annotations: {summary: '{{ $labels.instance }} lags {{ $value | humanizeDuration }} in {{ $externalLabels.cluster }}'}",
    ];
    let mut judge = judge(&rule("lag > 30", &more));
    let fired = only(judge.evaluate("acme", &lag_of("orders", 90.0), moment(0)).transitions);
    let expected = Labels::new([
        ("alertname", "Lags"),
        ("instance", "db1:1"),
        ("of", "on orders"),
        ("severity", "page"),
        ("target", "orders"),
        ("tenant", "acme"),
    ]);
    assert_eq!(fired.labels, expected, "an empty label removes one of the result, __name__ is gone");
    assert_eq!(fired.annotations["summary"], "db1:1 lags 1m 30s in c1");
    assert_eq!((fired.rule.as_str(), fired.value, fired.discovered), ("test.yml;g;Lags", 90.0, false));
}

#[test]
fn what_was_merely_found_is_marked() {
    let mut judge = judge(&rule("lag > 30", &[]));
    assert!(only(judge.evaluate("acme", &lag_of("found", 90.0), moment(0)).transitions).discovered);
}

/// Most copied rules keep `instance` and drop the rest; a server that was merely found must not page for that.
#[test]
fn a_result_that_names_only_its_instance_is_its_targets() {
    let instances = [("acme", "db1:1", "found")].map(|(a, b, c)| (a.to_string(), b.to_string(), c.to_string()));
    let roster = crate::judge::story::roster().with_instances(instances);
    let text = rule("max by (instance) (lag) > 30", &[]);
    let mut judge = Judge::new(rules(&text), roster, settings());
    let fired = only(judge.evaluate("acme", &lag_of("found", 90.0), moment(0)).transitions);
    assert_eq!((fired.labels.value("target"), fired.discovered), ("found", true));
}

#[test]
fn a_result_that_names_nothing_is_found_only_where_all_is() {
    let alone = Roster::new([("acme", "found", true)]);
    for (roster, discovered) in [(alone, true), (crate::judge::story::roster(), false)] {
        let mut judge = Judge::new(rules(&rule("sum(lag) > 30", &[])), roster, settings());
        assert_eq!(only(judge.evaluate("acme", &lag_of("found", 90.0), moment(0)).transitions).discovered, discovered);
    }
}

#[test]
fn without_rules_nothing_is_ever_due() {
    let mut judge = judge("");
    assert_eq!(judge.next_due(), std::time::Duration::MAX);
    assert!(!judge.due(moment(0)));
    assert_eq!(judge.evaluate("acme", &Memory::default(), moment(0)).rules, 0);
}

#[test]
fn a_result_without_labels_gets_its_tenant() {
    let mut judge = judge(&rule("vector(1)", &[]));
    let fired = only(judge.evaluate("acme", &Memory::default(), moment(0)).transitions);
    assert_eq!(fired.labels, Labels::new([("alertname", "Lags"), ("tenant", "acme")]));
}

#[test]
fn tenants_do_not_see_each_other() {
    let roster = Roster::new([("acme", "orders", false), ("other", "x", false)]);
    let mut judge = Judge::new(rules(&rule("vector(1)", &[])), roster, settings());
    judge.evaluate("acme", &Memory::default(), moment(0));
    assert_eq!(judge.active(&Scope::of_tenant("acme")).len(), 1);
    assert_eq!(judge.active(&Scope::of_tenant("other")).len(), 0);
    assert!(judge.evaluate("nobody", &Memory::default(), moment(0)).transitions.is_empty());
}

/// Law 2 for rules: what cannot be evaluated costs itself, not its group.
#[test]
fn a_rule_that_fails_costs_only_itself_and_keeps_its_instances() {
    let text = "groups:\n- name: g\n  rules:\n  \
                - {alert: Twice, expr: lag > 0, labels: {device: same}}\n  - {alert: Fine, expr: lag > 0}\n";
    let mut judge = judge(text);
    let mut memory = Memory::default();
    memory.push(&series("lag", &[("device", "a")]), moment(0).stored_ms, 1.0);
    assert_eq!(judge.evaluate("acme", &memory, moment(0)).transitions.len(), 2);
    memory.push(&series("lag", &[("device", "b")]), moment(15).stored_ms, 1.0);
    let second = judge.evaluate("acme", &memory, moment(15));
    assert_eq!(only(second.transitions).labels.value("alertname"), "Fine");
    let said: Vec<_> = second.failures.iter().map(|one| (&*one.rule, one.what.as_str())).collect();
    let what = "vector contains metrics with the same labelset after applying alert labels";
    assert_eq!(said, [("test.yml;g;Twice", what)]);
    assert_eq!(judge.active(&Scope::of_tenant("acme")).len(), 3, "Twice still fires");
}

#[test]
fn more_results_than_the_limit_fail_the_rule() {
    let text = "groups:\n- name: g\n  limit: 1\n  rules:\n  - {alert: A, expr: lag > 0}\n";
    let mut memory = lag_of("orders", 1.0);
    memory.push(&series("lag", &[("device", "b")]), moment(0).stored_ms, 1.0);
    let evaluation = judge(text).evaluate("acme", &memory, moment(0));
    assert_eq!(evaluation.failures[0].what, "2 results are more than the limit of 1");
    assert!(evaluation.transitions.is_empty());
}

#[test]
fn a_recorded_series_is_seen_by_the_rules_after_it_and_ends_with_a_stale_marker() {
    let text = "groups:\n- name: g\n  rules:\n  - {record: 'lag:max', expr: max by (target) (lag), labels: {kind: max}}\n  \
                - {alert: A, expr: 'lag:max > 5'}\n";
    let mut judge = judge(text);
    let first = judge.evaluate("acme", &lag_of("orders", 9.0), moment(0));
    let recorded = Labels::new([("__name__", "lag:max"), ("kind", "max"), ("target", "orders"), ("tenant", "acme")]);
    assert_eq!(first.recorded[0], (recorded.clone(), 9.0));
    assert_eq!(only(first.transitions).value, 9.0);
    let second = judge.evaluate("acme", &Memory::default(), moment(15));
    let ended: Vec<&Labels> =
        second.recorded.iter().filter(|(_, value)| is_stale(*value)).map(|(labels, _)| labels).collect();
    assert!(ended.contains(&&recorded), "{ended:?}");
}

#[test]
fn pending_and_firing_alerts_are_written_as_series() {
    let mut judge = judge(&rule("lag > 30", &["for: 15s"]));
    let mut states = Vec::new();
    for second in [0, 15, 30] {
        let memory = if second < 30 { lag_of("orders", 90.0) } else { Memory::default() };
        let recorded = judge.evaluate("acme", &memory, moment(second)).recorded;
        for (labels, value) in recorded {
            assert_eq!(labels.name(), ALERTS);
            let ended = if is_stale(value) { " ended" } else { "" };
            states.push(format!("{second}s {}{ended}", labels.value("alertstate")));
        }
    }
    assert_eq!(states, ["0s pending", "15s pending ended", "15s firing", "30s firing ended"]);
}

#[test]
fn groups_have_their_own_intervals_and_missed_rounds_are_counted() {
    let text = "groups:\n- name: often\n  interval: 10s\n  rules:\n  - {alert: A, expr: lag}\n\
                - name: seldom\n  interval: 1m\n  rules:\n  - {alert: B, expr: lag}\n";
    let mut judge = judge(text);
    let mut rounds = Vec::new();
    for second in [0, 5, 10, 20, 55, 60] {
        let evaluation = judge.evaluate("acme", &Memory::default(), moment(second));
        rounds.push((second, evaluation.rules, evaluation.missed));
    }
    assert_eq!(rounds, [(0, 2, 0), (5, 0, 0), (10, 1, 0), (20, 1, 0), (55, 1, 2), (60, 2, 0)]);
}

#[test]
fn the_past_of_a_query_offset_is_judged() {
    let text = "groups:\n- name: g\n  query_offset: 1m\n  rules:\n  - {alert: A, expr: lag > 0}\n";
    let mut judge = judge(text);
    let memory = lag_of("orders", 1.0);
    assert!(judge.evaluate("acme", &memory, moment(45)).transitions.is_empty());
    assert_eq!(judge.evaluate("acme", &memory, moment(60)).transitions.len(), 1);
}

#[test]
fn rules_of_which_nothing_that_they_select_has_a_sample_are_counted() {
    let text = "groups: [{name: g, rules: [
        {alert: A, expr: 'lag > 60'}, {alert: B, expr: 'absent(nothing_has_this)'},
        {alert: C, expr: 'nothing_has_this / lag'}, {alert: D, expr: 'vector(1)'}]}]";
    let mut judge = judge(text);
    assert_eq!(judge.evaluate("acme", &lag_of("orders", 9.0), moment(0)).without_data, 1, "B");
    assert_eq!(judge.evaluate("acme", &Memory::default(), moment(15)).without_data, 3, "A, B and C");
}
