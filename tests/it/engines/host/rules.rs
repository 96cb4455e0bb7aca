//! The rules that people copy for hosts: each metric they name is one of ours, and has data in the recorded tree, on this machine,
//! or is listed in docs/host.md with the reason why a machine like this has none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use watchward::engines;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/alert-rules/host-and-hardware.yml");

/// The metrics that the rules' expressions name, with the labels they match.
fn named(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for expression in text.lines().filter_map(|line| line.trim().strip_prefix("expr: ")) {
        let mut rest = expression;
        while let Some(at) = rest.find("node_") {
            let name_and_on = &rest[at..];
            let end = name_and_on.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name_and_on.len());
            let (name, after) = name_and_on.split_at(end);
            let labels = after.strip_prefix('{').and_then(|inner| inner.split_once('}')).map_or("", |(inner, _)| inner);
            let labels = labels.split(',').filter_map(|one| one.split(['=', '!']).next()).map(str::trim);
            named.entry(name.to_string()).or_default().extend(labels.filter(|l| !l.is_empty()).map(str::to_string));
            rest = after;
        }
    }
    named
}

#[test]
fn every_metric_that_copied_rules_name_is_ours() {
    let Ok(text) = std::fs::read_to_string(FILE) else {
        #[allow(clippy::disallowed_methods)] // the test's own switch, not the agent's
        let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!in_ci, "CI=true and {FILE} is absent");
        println!("skipped: {} is absent", Path::new(FILE).display());
        return;
    };
    let named = named(&text);
    assert!(named.len() > 40, "{named:?}");
    assert_eq!(named["node_systemd_unit_state"], BTreeSet::from(["state".to_string()]));
    let catalogue = engines::catalogue();
    let page = include_str!("../../../../docs/host.md");
    let table = page.split("## Rules that people copy").nth(1).expect("a section of rules").split("\n## ").next();
    let optional: Vec<&str> =
        table.unwrap_or("").lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    for name in named.keys() {
        assert!(catalogue.find(name).is_some(), "{name}: nobody measures it");
        let row = engines::find("host").expect("registered").rows().iter().find(|row| {
            row.metrics.iter().any(|metric| metric.name == name)
                || row.families.iter().any(|family| name.starts_with(family.prefix) && name.ends_with(family.suffix))
        });
        let row = row.unwrap_or_else(|| panic!("{name}: no row of the host has it"));
        assert!(
            !row.optional || optional.contains(&name.as_str()),
            "{name} is optional, and docs/host.md does not say so"
        );
    }
    for name in optional {
        assert!(named.contains_key(name), "docs/host.md lists {name}, which no rule names");
    }
    println!("{} metrics of the rules are ours: {:?}", named.len(), named.keys());
}
