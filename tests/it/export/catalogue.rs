//! What all engines measure, under the names of OpenTelemetry.

use std::collections::HashMap;

use watchward::engines;
use watchward::model::row::{MetricKind, Rename};

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

/// From the semantic conventions of `system.*`: name, whether it is a counter, unit, attributes.
const SYSTEM: &[(&str, bool, &str, &[&str])] = &[
    ("system.cpu.time", true, "s", &["cpu.logical_number", "cpu.mode"]),
    ("system.disk.io", true, "By", &["disk.io.direction", "system.device"]),
    ("system.disk.io_time", true, "s", &["system.device"]),
    ("system.disk.operations", true, "{operation}", &["disk.io.direction", "system.device"]),
    ("system.filesystem.limit", false, "By", FILESYSTEM),
    (
        "system.filesystem.usage",
        false,
        "By",
        &["system.device", "system.filesystem.mountpoint", "system.filesystem.state", "system.filesystem.type"],
    ),
    ("system.network.errors", true, "{error}", INTERFACE),
    ("system.network.io", true, "By", INTERFACE),
    ("system.network.packet.count", true, "{packet}", &["network.io.direction", "system.device"]),
    ("system.network.packet.dropped", true, "{packet}", INTERFACE),
];
const FILESYSTEM: &[&str] = &["system.device", "system.filesystem.mountpoint", "system.filesystem.type"];
const INTERFACE: &[&str] = &["network.interface.name", "network.io.direction"];

#[test]
fn what_is_called_as_in_the_conventions_is_as_they_say() {
    let mut seen: Vec<&str> = Vec::new();
    for (compat, entry) in every_metric().into_iter().filter(|(_, entry)| entry.otel.starts_with("system.")) {
        let (name, is_counter, unit, attributes) =
            SYSTEM.iter().find(|(name, ..)| *name == entry.otel).unwrap_or_else(|| panic!("{compat}: {}", entry.otel));
        let mut own: Vec<&str> = entry.renames.iter().map(|rename| rename.attribute).collect();
        own.extend(Some(entry.attribute.0).filter(|name| !name.is_empty()));
        own.sort_unstable();
        assert_eq!((entry.kind == MetricKind::Counter, entry.unit), (*is_counter, *unit), "{compat}");
        assert_eq!(own, *attributes, "{compat}");
        seen.push(name);
    }
    assert!(SYSTEM.iter().all(|(name, ..)| seen.contains(name)), "{seen:?}");
}

#[test]
fn every_name_of_opentelemetry_has_a_unit_and_no_attribute_twice() {
    for (compat, entry) in every_metric().into_iter().filter(|(_, entry)| !entry.otel.is_empty()) {
        assert!(!entry.unit.is_empty(), "{compat} as {} has no unit", entry.otel);
        for (at, rename) in entry.renames.iter().enumerate() {
            let is_taken = |other: &Rename| other.attribute == rename.attribute || other.label == rename.label;
            assert!(!entry.renames[..at].iter().any(is_taken), "{compat}: {} twice", rename.attribute);
            assert_ne!(rename.attribute, entry.attribute.0, "{compat}");
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
