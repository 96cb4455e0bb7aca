//! docs/metrics.md, and the promise that no name or type that a release had changes without a word in the changelog.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use watchward::cli::reference::page;
use watchward::engines;
use watchward::model::row::MetricKind;
use watchward::sample::words::{COMMON, COMMON_FAMILIES};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some()
}

#[test]
fn the_manual_s_page_is_what_the_tables_say() {
    let path = path("docs/metrics.md");
    if is_set("UPDATE_DOCS") {
        fs::write(&path, page()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page(), "docs/metrics.md is not what the tables say; UPDATE_DOCS=1 writes it anew");
}

/// Every name with its type; names that come from data have `*` for that.
fn names() -> BTreeMap<String, &'static str> {
    let mut names = BTreeMap::new();
    let rows = || engines::ALL.iter().flat_map(|engine| engine.rows());
    let metrics = rows().flat_map(|row| row.metrics).chain(engines::ALL.iter().map(|engine| engine.card().up));
    names.extend(metrics.chain(COMMON).map(|metric| (metric.name.to_string(), metric.kind.word())));
    let families = rows().flat_map(|row| row.families).chain(COMMON_FAMILIES);
    names.extend(families.map(|one| (format!("{}*{}", one.prefix, one.suffix), one.kind.word())));
    names
}

/// What the changelog says of the next release.
fn unreleased(changelog: &str) -> &str {
    let (_, rest) =
        changelog.split_once("\n## Unreleased\n").expect("the changelog has a section for the next release");
    rest.split("\n## ").next().unwrap_or(rest)
}

/// Names of a release that are gone or have another type, of which the changelog does not speak.
fn untold(released: &str, now: &BTreeMap<String, &str>, changelog: &str) -> Vec<String> {
    let told = |name: &str| unreleased(changelog).contains(&format!("`{name}`"));
    let released = released.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'));
    let changed = released.filter_map(|(name, kind)| match now.get(name) {
        Some(now) if *now == kind => None,
        Some(now) => Some((name, format!("{name} was a {kind} and is a {now}"))),
        None => Some((name, format!("{name}, a {kind}, is gone"))),
    });
    changed.filter(|(name, _)| !told(name)).map(|(_, words)| words).collect()
}

/// tests/fixtures/metrics/released.tsv has the names and types of the last release (before the first, those of the day
/// the list was begun). RELEASE=1 writes it, once the changelog's section has its version.
#[test]
fn no_name_or_type_changes_without_a_word_in_the_changelog() {
    let path = path("tests/fixtures/metrics/released.tsv");
    if is_set("RELEASE") {
        let lines: String = names().iter().map(|(name, kind)| format!("{name}\t{kind}\n")).collect();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(
            &path,
            format!("# Names and types of the last release. RELEASE=1 writes it, at a release alone.\n{lines}"),
        )
        .unwrap();
    }
    let released = fs::read_to_string(&path).unwrap_or_default();
    assert!(released.lines().count() > 500, "{} is not there", path.display());
    let changelog = fs::read_to_string(self::path("CHANGELOG.md")).unwrap();
    let untold = untold(&released, &names(), &changelog);
    assert!(untold.is_empty(), "users' dashboards break and CHANGELOG.md, Unreleased, does not say so: {untold:#?}");
}

#[test]
fn a_change_is_seen_and_a_word_in_the_right_section_settles_it() {
    let released = "# head\ndb_a\tgauge\ndb_b\tcounter\ndb_c\tgauge\n";
    let now: BTreeMap<String, &str> = [("db_a", MetricKind::Counter), ("db_b", MetricKind::Counter)]
        .map(|(name, kind)| (name.to_string(), kind.word()))
        .into();
    let changelog = |words: &str| format!("# Changelog\n\n## Unreleased\n\n{words}\n\n## 0.1.0\n\n- `db_a`, `db_c`\n");
    assert_eq!(untold(released, &now, &changelog("")), ["db_a was a gauge and is a counter", "db_c, a gauge, is gone"]);
    assert_eq!(untold(released, &now, &changelog("- `db_a` counts; db_c is gone")), ["db_c, a gauge, is gone"]);
    assert_eq!(untold(released, &now, &changelog("- `db_a` counts; `db_c` is gone")), [] as [&str; 0]);
}
