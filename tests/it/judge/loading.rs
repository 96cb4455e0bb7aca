//! Rule files: what loads, and every fault of a file at once with its words.

use std::time::Duration;

use proptest::prelude::*;
use watchward::judge::print;
use watchward::judge::rules::{LoadLimits, Rules};
use watchward::judge::yaml::{self, Node};

fn load(text: &str) -> Result<Rules, Vec<String>> {
    let files = [("r.yml".to_string(), text.to_string())];
    Rules::load(&files, &LoadLimits::default()).map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

/// The faults of a file, each as `line N: what [code] hint`.
fn check(text: &str, expected: &[&str]) {
    let faults = Rules::load(&[("r.yml".to_string(), text.to_string())], &LoadLimits::default()).err();
    let told: Vec<String> = faults
        .unwrap_or_default()
        .iter()
        .map(|fault| {
            let place = fault.detail.split(", ").find(|part| part.starts_with("line")).unwrap_or("");
            let place = place.trim_end_matches('.');
            format!("{place}: {} [{}] {}", fault.what, fault.code, fault.hint).trim_end().to_string()
        })
        .collect();
    assert_eq!(told, expected, "\n{text}");
}

#[test]
fn a_whole_group_loads_with_all_its_fields() {
    let rules = load(
        "groups:\n- name: g\n  interval: 30s\n  limit: 5\n  query_offset: 1m\n  labels: {team: dba}\n  rules:\n  \
         - alert: A\n    expr: up == 0\n    for: 1h30m\n    keep_firing_for: 5m\n    labels: {severity: critical, v: 1.10}\n    \
         annotations: {summary: 'x {{ $value }}'}\n  - record: a:b\n    expr: sum(up)\n    labels: {l: '{{ kept }}'}\n",
    )
    .unwrap();
    let group = &rules.groups[0];
    assert_eq!((group.interval, group.limit), (Some(Duration::from_secs(30)), 5));
    assert_eq!(group.query_offset, Duration::from_secs(60));
    let labels = |at: usize| -> Vec<String> {
        group.rules[at].labels.iter().map(|(name, value)| format!("{name}={}", value.text())).collect()
    };
    // 1.10 stays what was written; YAML alone would make it 1.1.
    assert_eq!(labels(0), ["severity=critical", "team=dba", "v=1.10"]);
    assert_eq!(labels(1), ["l={{ kept }}", "team=dba"]);
    let alert = group.rules[0].alert.as_ref().unwrap();
    assert_eq!((alert.hold, alert.keep_firing), (Duration::from_secs(5_400), Duration::from_secs(300)));
    assert_eq!(&*group.rules[1].id, "r.yml;g;a:b");
}

#[test]
fn rules_of_one_name_are_told_apart_by_their_number() {
    let rules = load("groups:\n- name: g\n  rules:\n  - {alert: A, expr: up}\n  - {alert: A, expr: down}\n").unwrap();
    assert_eq!(rules.each().map(|(_, rule)| rule.id.to_string()).collect::<Vec<_>>(), ["r.yml;g;A", "r.yml;g;A#2"]);
}

#[test]
fn empty_files_and_empty_groups_are_fine() {
    for text in
        ["", "\n# nothing\n", "groups:\n", "groups: []\n", "groups:\n- name: g\n", "groups: [{name: g, rules: }]"]
    {
        assert!(load(text).is_ok(), "{text:?}");
    }
}

#[test]
fn every_fault_of_a_file_is_told_at_once() {
    let text = r#"groups:
- name: g
  intervall: 1m
  rules:
  - alert: A
    expr: rate(x)
    for: soon
    lables: {a: b}
  - alert: B
    expr: up ==
    labels: {"no-label": x, severity: [1]}
    annotations:
      summary: "{{ $lables.x }}"
  - expr: up
  - {alert: C, record: c, expr: up}
  - record: "1x"
    expr: up
    for: 1m
  - alert: D
- name: g
  rules: {}
- rules:
  - alert: E
    expr: '"text"'
    annotations: text
more: 1
"#;
    check(
        text,
        &[
            "line 26: a rule file has no field 'more' [judge-03] Known here: groups.",
            "line 3: a group has no field 'intervall' [judge-03] Did you mean interval?",
            "line 8: an alerting rule has no field 'lables' [judge-03] Did you mean labels?",
            "line 6: bad expression: expected type matrix in call to function 'rate', got vector in 'rate(x)' [judge-06]",
            "line 7: 'for' is 'soon', not a duration [judge-05] Write a number and a unit: 30s, 5m, 1h30m.",
            "line 10: bad expression: the expression ends where more is expected in 'up ==' [judge-06]",
            "line 11: 'no-label' cannot be the name of one of 'labels' [judge-09] Write letters, digits and `_`, and no \
             digit first.",
            "line 11: 'labels.severity' is a list, not a text [judge-04]",
            "line 13: bad template in 'annotations.summary': undefined variable '$lables' [judge-08] It stands at line 1, \
             column 4 of that text.",
            "line 14: a rule that is a mapping has neither 'alert' nor 'record' [judge-04] Name the alert it raises: \
             `alert: …`.",
            "line 15: a rule has both 'alert' and 'record' [judge-04] Make two rules of it.",
            "line 16: '1x' is not a metric's name [judge-09] Write letters, digits, `_` and `:`, and no digit first.",
            "line 18: a recording rule has no field 'for' [judge-03] Known here: record, expr, labels.",
            "line 19: a rule has no 'expr' [judge-04] Write the condition: `expr: …`.",
            "line 21: 'rules' is a mapping, not a list [judge-04]",
            "line 20: the group 'g' is there twice [judge-07] Names of groups are unique within a file: rename one.",
            "line 22: a group has no name [judge-04] Give it one: `name: …`.",
            "line 24: the expression '\"text\"' gives no single values [judge-06] A rule needs one value per series: wrap \
             it in a function.",
            "line 25: 'annotations' is a value, not a mapping [judge-04]",
        ],
    );
}

#[test]
fn a_fault_names_file_line_group_and_rule() {
    let faults = load("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up\n    fro: 1m\n").unwrap_err();
    let expected = "an alerting rule has no field 'fro' [judge-03]\n\
                    detail: In r.yml, line 6, group 'g', rule 'A'.\n\
                    hint: Did you mean for?";
    assert_eq!(faults, [expected]);
}

#[test]
fn what_is_not_yaml_is_told_with_its_line() {
    check(
        "groups:\n- name: g\n  rules: [\n",
        &["line 4: not YAML: did not find expected node content [judge-02] Look at the \
           indentation and the quotes there."],
    );
    check(
        "groups:\n- name: g\n  name: h\n",
        &[
            "line 3: not YAML: groups[0]: the key 'name' is given twice [judge-02] Look at the indentation and the quotes \
           there.",
        ],
    );
}

#[test]
fn files_groups_and_rules_are_bounded() {
    let limits = LoadLimits { file_bytes_max: 200, groups_max: 2, rules_max: 2 };
    let told = |text: &str| -> Vec<String> {
        let faults = Rules::load(&[("r.yml".to_string(), text.to_string())], &limits).err().unwrap_or_default();
        faults.iter().map(|fault| fault.what.clone()).collect()
    };
    assert_eq!(told(&"#".repeat(201)), ["rule file 'r.yml' has 201 bytes, more than 200"]);
    assert_eq!(told("groups: [{name: a}, {name: b}, {name: c}]"), ["more than 2 groups of rules"]);
    let rule = "{alert: A, expr: up}";
    assert_eq!(
        told(&format!("groups: [{{name: a, rules: [{rule}, {rule}, {rule}]}}]")),
        ["more rules than the agent judges by"]
    );
}

#[test]
fn more_than_fifty_faults_of_a_file_are_counted() {
    let text = format!("groups:\n- name: g\n  rules:\n{}", "  - {alert: A}\n".repeat(60));
    let faults = load(&text).unwrap_err();
    assert_eq!(faults.len(), 51);
    assert!(faults[50].starts_with("10 more faults in rule file 'r.yml' [judge-01]"), "{}", faults[50]);
}

/// Ten lines that unfold to a billion nodes.
#[test]
fn aliases_that_unfold_without_end_are_refused() {
    let mut text = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_string();
    for level in 1..10 {
        let inner = format!("*a{}, ", level - 1).repeat(9);
        text.push_str(&format!("b{level}: &a{level} [{inner}*a{}]\n", level - 1));
    }
    let error = yaml::read(&text).unwrap_err();
    assert!(error.what.contains("repetition limit") || error.what.contains("unfolds to more"), "{error:?}");
}

#[test]
fn any_node_is_found_by_its_way() {
    let text = "a: 1\nb:\n  - x\n  - {k: 007}\n";
    assert_eq!(yaml::locate(text, &[1, 1, 0], false), (4, 9));
    assert_eq!(yaml::locate(text, &[1, 1, 0], true), (4, 6));
    assert_eq!(yaml::locate(text, &[7], false), (0, 0));
    let Ok(Node::Map(entries)) = yaml::read(text) else { panic!("not a mapping") };
    assert_eq!(entries[0], ("a".to_string(), Node::Scalar("1".to_string())));
    assert!(format!("{entries:?}").contains("007"), "scalars keep their text");
}

#[test]
fn printed_rules_load_again_to_the_same() {
    let text = "groups:\n- name: g\n  interval: 1m\n  rules:\n  - alert: A\n    expr: |\n      up{a=\"b\"} == 0\n      and on() vector(1)\n    \
                for: 5m\n    labels: {severity: '1'}\n    annotations: {s: \"a: {{ $value }} # 'x'\\n\\tb\"}\n  \
                - {record: r, expr: sum(up)}\n";
    let first = load(text).unwrap();
    let second = load(&print::render(&first.groups)).unwrap();
    assert_eq!(first.groups, second.groups);
}

/// Lines of which rule files are made, at depths that may or may not fit.
fn file_like() -> impl Strategy<Value = String> {
    let lines = [
        "groups:",
        "- name: g",
        "- name: h",
        "rules:",
        "- alert: A",
        "- record: r",
        "expr: up == 0",
        "expr: rate(x[5m])",
        "for: 1m",
        "for: x",
        "labels:",
        "severity: page",
        "annotations:",
        "summary: '{{ $value }}'",
        "summary: '{{'",
        "interval: 15s",
        "limit: -1",
        "&a [1]",
        "*a",
        "- []",
        "- {}",
        "? x",
        "!!int 5",
        "---",
        "key: |",
        "é: \u{7}",
    ];
    let line = (0_usize..5, prop::sample::select(lines.to_vec()))
        .prop_map(|(depth, line)| format!("{}{line}\n", "  ".repeat(depth)));
    prop::collection::vec(line, 0..25).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(text in prop_oneof![file_like(), any::<String>()]) {
        if let Err(faults) = load(&text) {
            prop_assert!(!faults.is_empty() && faults.len() <= 52);
        }
    }

    /// A rule file with one piece of it replaced still gives an answer, and every fault has a line.
    #[test]
    fn a_rule_file_with_a_hole_in_it_has_faults_with_lines(at in 0_usize..150, with in "[-:{}\\[\\]a*&!#|> \n]{0,3}") {
        let good = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up == 0\n    for: 1m\n    labels:\n      \
                    severity: page\n    annotations:\n      summary: 'x {{ $value }}'\n";
        let at = at.min(good.len() - 1);
        let text = format!("{}{with}{}", &good[..at], &good[at + 1..]);
        for fault in load(&text).err().unwrap_or_default() {
            // The reader does not say where a second document begins.
            prop_assert!(fault.contains("line ") || fault.contains("more than one document"), "{fault}");
        }
    }
}
