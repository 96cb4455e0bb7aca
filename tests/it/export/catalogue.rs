//! What all engines measure, under the names of OpenTelemetry.

use std::collections::HashMap;

use watchward::engines;

fn every_metric() -> Vec<(&'static str, watchward::model::catalogue::Entry)> {
    let catalogue = engines::catalogue();
    let mut all: Vec<_> = catalogue.names().filter_map(|name| Some((name, catalogue.find(name)?))).collect();
    all.sort_by_key(|(name, _)| *name);
    all
}

#[test]
fn metrics_that_share_a_name_have_one_type_and_unit_and_differ_by_an_attribute() {
    let mut names: HashMap<&str, Vec<(&str, watchward::model::catalogue::Entry)>> = HashMap::new();
    for (compat, entry) in every_metric().into_iter().filter(|(_, entry)| !entry.otel.is_empty()) {
        names.entry(entry.otel).or_default().push((compat, entry));
    }
    assert!(names.len() > 80, "{} names", names.len());
    for (name, all) in names.iter().filter(|(_, all)| all.len() > 1) {
        for (at, (compat, entry)) in all.iter().enumerate() {
            let first = all[0].1;
            assert_eq!((entry.kind, entry.unit), (first.kind, first.unit), "{compat} as {name}");
            assert_eq!(entry.attribute.0, first.attribute.0, "{compat} as {name}");
            assert!(!entry.attribute.1.is_empty(), "{compat} as {name} has no attribute");
            let again = all[..at].iter().any(|(_, other)| other.attribute == entry.attribute);
            assert!(!again, "{compat} as {name} has the attribute of another");
        }
    }
}

#[test]
fn names_and_units_are_such_as_opentelemetry_allows() {
    for (compat, entry) in every_metric() {
        let name = if entry.otel.is_empty() { compat } else { entry.otel };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
        assert!(name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(fits), "{name}");
        assert!(
            entry.unit.len() < 64 && entry.unit.is_ascii() && !entry.unit.contains(' '),
            "{compat}: {}",
            entry.unit
        );
        let is_base = !["ms", "us", "ns", "KiBy", "MiBy", "KBy", "MBy"].contains(&entry.unit) || entry.scale == 1.0;
        assert!(is_base, "{compat}: a scaled value has the unit {}", entry.unit);
    }
}
