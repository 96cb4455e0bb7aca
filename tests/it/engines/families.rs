//! The families that dashboards, copied rules and users go by are in the tables: read without being asked for where they
//! matter at night, and otherwise where `collect` names their row.

use watchward::engines;
use watchward::engines::contract::Engine;

const FAMILIES: &str = include_str!("../../fixtures/metrics/families.tsv");

/// Every name that an engine's rows may give, those from data with `*`, and whether the row is read without being asked for.
fn names(engine: &'static dyn Engine) -> Vec<(String, bool)> {
    let mut names = vec![(engine.card().up.name.to_string(), true)];
    for row in engine.rows() {
        let metrics = row.metrics.iter().map(|metric| metric.name.to_string());
        let families = row.families.iter().map(|family| format!("{}*{}", family.prefix, family.suffix));
        names.extend(metrics.chain(families).map(|name| (name, !row.optional)));
    }
    names
}

/// Whether a name, or a pattern of one, is what a table's name, or its pattern, gives.
fn gives(given: &str, asked: &str) -> bool {
    let fits = |pattern: &str, name: &str| match pattern.split_once('*') {
        Some((before, after)) => {
            name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        }
        None => pattern == name,
    };
    fits(given, asked) || fits(asked, given)
}

#[test]
fn every_family_that_people_go_by_is_read_as_it_should_be() {
    let mut lacking = Vec::new();
    let mut count = 0;
    for line in FAMILIES.lines().filter(|line| !line.starts_with('#')) {
        let [word, depth, name] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let engine = engines::find(word).unwrap_or_else(|| panic!("{line}"));
        assert!(["always", "optional"].contains(&depth), "{line}");
        let found =
            names(engine).into_iter().any(|(given, always)| gives(&given, name) && (always || depth != "always"));
        if !found {
            lacking.push(line);
        }
        count += 1;
    }
    println!("{count} families, {} lacking", lacking.len());
    assert!(lacking.is_empty(), "{lacking:#?}");
}
