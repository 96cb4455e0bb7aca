//! Names of metrics: unique, helped, and clean by promtool's rules under their strict names. Under the exporters' own they
//! are as unclean as those, which is written down and frozen.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::{prop_assert, prop_assert_eq, proptest};
use watchward::engines;
use watchward::model::catalogue::Entry;
use watchward::model::row::{Family, Metric, MetricKind};
use watchward::model::strict::{Strict, parted, strict};
use watchward::pipeline::agent;

use crate::engines::lint::complaints;

/// Everything that this build can measure, in the order of the names.
fn everything() -> Vec<(&'static str, Entry)> {
    let catalogue = agent::catalogue();
    let mut all: Vec<_> = catalogue.names().filter_map(|name| Some((name, catalogue.find(name)?))).collect();
    all.sort_by_key(|(name, _)| *name);
    all
}

/// The name of a metric's family, and the linter's complaints about that.
fn judged(name: &str, entry: &Entry) -> (String, Vec<String>) {
    let (stem, _) = parted(name, entry.kind);
    (stem.to_string(), complaints(stem, entry.kind, entry.help))
}

#[test]
fn the_names_of_an_engine_are_its_own_and_say_one_thing() {
    for engine in engines::ALL {
        let mut known: BTreeMap<&str, &Metric> = BTreeMap::new();
        for metric in engine.rows().iter().flat_map(|row| row.metrics).chain([engine.card().up]) {
            // Two rows may give a metric in different versions; then it is the same metric.
            let first = known.entry(metric.name).or_insert(metric);
            let what = |one: &Metric| (one.kind, one.help, one.unit, one.strict, one.scale);
            assert_eq!(what(first), what(metric), "{}", metric.name);
        }
    }
}

#[test]
fn strict_names_are_clean_and_no_two_metrics_share_one() {
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, entry) in everything() {
        let strict = strict(name, &entry);
        let (_, bad) = judged(&strict.name, &entry);
        wrong.extend(bad.iter().map(|bad| format!("{name} as {}: {bad}", strict.name)));
        assert!(strict.scale.is_finite() && strict.scale > 0.0, "{name}");
        if let Some(other) = owners.insert(strict.name.clone(), name) {
            wrong.push(format!("{name} and {other} are both {}", strict.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(owners.len() > 500, "{} names", owners.len());
}

#[test]
fn a_strict_name_is_made_of_the_exporter_s_where_no_table_says_one() {
    let entry = |kind, unit, strict, scale| Entry {
        kind,
        help: "Help.",
        unit,
        strict,
        otel: "",
        attribute: ("", ""),
        renames: &[],
        scale,
    };
    for (name, entry, expected, scale) in [
        ("db_size_bytes", entry(MetricKind::Gauge, "By", "", 1.0), "db_size_bytes", 1.0),
        ("db_size_bytes", entry(MetricKind::Gauge, "By", "", 1024.0), "db_size_bytes", 1.0),
        ("db_mem", entry(MetricKind::Gauge, "By", "db_memory_bytes", 1024.0), "db_memory_bytes", 1024.0),
        ("db_bytesIn", entry(MetricKind::Counter, "By", "", 1.0), "db_bytes_in_total", 1.0),
        ("db_readTime", entry(MetricKind::Counter, "s", "", 1e-3), "db_read_time_seconds_total", 1e-3),
        ("Db_RealTimeMicroseconds", entry(MetricKind::Counter, "", "", 1.0), "db_real_time_seconds_total", 1e-6),
        ("Db_HTTPConnection_eth0", entry(MetricKind::Gauge, "", "", 1.0), "db_http_connection_eth0", 1.0),
        ("Db_DiskUsed_b", entry(MetricKind::Gauge, "", "", 1.0), "db_disk_usedb", 1.0),
        ("db_rows_count", entry(MetricKind::Gauge, "", "", 1.0), "db_rows_number", 1.0),
        ("db_rows_count", entry(MetricKind::Counter, "", "", 1.0), "db_rows_count_total", 1.0),
        ("db_rows_total", entry(MetricKind::Gauge, "", "", 1.0), "db_rows_all", 1.0),
        ("db_rows_total", entry(MetricKind::Untyped, "", "", 1.0), "db_rows_total", 1.0),
        ("db_queue_summary_d", entry(MetricKind::Gauge, "", "", 1.0), "db_queue_overviewd", 1.0),
        ("db_tookMs_bucket", entry(MetricKind::Histogram, "", "", 1.0), "db_took_seconds_bucket", 1e-3),
    ] {
        assert_eq!(strict(name, &entry), Strict { name: expected.to_string(), scale }, "{name}");
    }
}

proptest! {
    #[test]
    fn names_that_come_from_data_are_clean_whatever_the_data(
        part in "[A-Za-z0-9_.:%-]{1,12}(s|ms|Ms|Total|_total|Count|_count|Sum|_b|_m|Bucket|Microseconds|_kilobytes|Minutes|Miles|Gauge|)",
        family in 0_usize..64,
    ) {
        let catalogue = agent::catalogue();
        let families: Vec<&Family> = engines::ALL.iter().flat_map(|one| one.rows()).flat_map(|row| row.families).collect();
        let family = families[family % families.len()];
        let name = family.name(&part);
        if let Some(entry) = catalogue.find(&name) {
            let strict = strict(&name, &entry);
            let (_, bad) = judged(&strict.name, &entry);
            prop_assert!(bad.is_empty(), "{} as {}: {:?}", name, strict.name, bad);
            let again = strict_of_strict(&strict.name, &entry);
            prop_assert_eq!(again, strict.name, "it is clean, and so it stays");
        }
    }
}

/// The strict name of a strict name.
fn strict_of_strict(name: &str, entry: &Entry) -> String {
    strict(name, &Entry { strict: "", scale: 1.0, ..*entry }).name
}

/// The exporters' names that the linter complains about are theirs, not ours to mend: each is written down with its
/// complaints, and another one is seen here before users see it.
#[test]
fn what_the_linter_says_of_the_exporters_names_is_what_is_written_down() {
    let mut lines =
        vec!["# Complaints of promtool's linter about names of the exporters (naming = \"compat\").".to_string()];
    for (name, entry) in everything() {
        let (stem, bad) = judged(name, &entry);
        lines.extend(bad.iter().map(|bad| format!("{stem}\t{bad}")));
    }
    lines.sort();
    lines.dedup();
    let text = lines.join("\n") + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/metrics/waivers.tsv");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "{} is not what the linter says; UPDATE_DOCS=1 writes it anew", path.display());
}

#[test]
fn thresholds_ask_for_what_is_measured() {
    let catalogue = engines::catalogue();
    for threshold in
        catalogue.thresholds().iter().filter(|threshold| ["postgresql", "redis"].contains(&threshold.engine))
    {
        for expression in [threshold.expression, threshold.ceiling] {
            for (at, _) in expression.match_indices("{matchers}") {
                let start = expression[..at].rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
                let name = &expression[start..at];
                assert!(catalogue.find(name).is_some(), "{}: nobody measures {name}", threshold.alert);
            }
        }
    }
}
