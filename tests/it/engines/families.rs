//! The families that dashboards, copied rules and users go by are in the tables: read without being asked for where they
//! matter at night, and otherwise where `collect` names their row.

use watchward::engines;
use watchward::engines::contract::Engine;
use watchward::pipeline::mirror::FIGURES;
use watchward::pipeline::own::Own;
use watchward::sample::words::{COMMON, COMMON_FAMILIES};

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

/// What the agent says of itself, and of every target.
fn names_of_agent() -> Vec<(String, bool)> {
    let own = Own::new(FIGURES).expect("no name twice");
    let own = own.described().iter().map(|one| one.name.clone());
    let of_targets = COMMON.iter().map(|metric| metric.name.to_string());
    let prefixes = engines::ALL.iter().map(|engine| engine.card().prefix);
    let of_rows = prefixes.flat_map(|prefix| COMMON_FAMILIES.map(|family| format!("{prefix}{}", family.suffix)));
    own.chain(of_targets).chain(of_rows).map(|name| (name, true)).collect()
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
        let names = match word {
            "agent" => names_of_agent(),
            word => names(engines::find(word).unwrap_or_else(|| panic!("{line}"))),
        };
        assert!(["always", "optional"].contains(&depth), "{line}");
        let found = names.into_iter().any(|(given, always)| gives(&given, name) && (always || depth != "always"));
        if !found {
            lacking.push(line);
        }
        count += 1;
    }
    println!("{count} families, {} lacking", lacking.len());
    assert!(lacking.is_empty(), "{lacking:#?}");
}
