//! Rules written as a Prometheus rule file, which loads again to the same rules.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::judge::rules::{Group, Rule};
use crate::judge::template::Template;
use crate::model::duration;

#[derive(Serialize)]
struct FileText {
    groups: Vec<GroupText>,
}

#[derive(Serialize)]
struct GroupText {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_offset: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    limit: usize,
    rules: Vec<RuleText>,
}

#[derive(Serialize)]
struct RuleText {
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    expr: String,
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    hold: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_firing_for: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Groups as one rule file. Names of groups that stand in several files get their file's name in front.
pub fn render(groups: &[Group]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for group in groups {
        *counts.entry(&group.name).or_default() += 1;
    }
    let name = |group: &Group| match counts.get(group.name.as_str()) {
        Some(1) => group.name.clone(),
        _ => format!("{}: {}", group.origin, group.name),
    };
    let file = FileText { groups: groups.iter().map(|group| group_text(group, name(group))).collect() };
    serde_norway::to_string(&file).unwrap_or_else(|error| format!("# cannot be written: {error}\n"))
}

fn group_text(group: &Group, name: String) -> GroupText {
    GroupText {
        name,
        interval: group.interval.map(duration::format),
        query_offset: unless_zero(group.query_offset),
        limit: group.limit,
        rules: group.rules.iter().map(rule_text).collect(),
    }
}

fn rule_text(rule: &Rule) -> RuleText {
    let alert = rule.alert.as_ref();
    RuleText {
        alert: alert.map(|_| rule.name.clone()),
        record: alert.is_none().then(|| rule.name.clone()),
        expr: rule.expression.to_string(),
        hold: alert.and_then(|alert| unless_zero(alert.hold)),
        keep_firing_for: alert.and_then(|alert| unless_zero(alert.keep_firing)),
        labels: texts(&rule.labels),
        annotations: alert.map(|alert| texts(&alert.annotations)).unwrap_or_default(),
    }
}

fn unless_zero(time: Duration) -> Option<String> {
    (!time.is_zero()).then(|| duration::format(time))
}

fn texts(pairs: &[(String, Template)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, template)| (name.clone(), template.text().to_string())).collect()
}
