//! The rules that people copy, on real servers: for every metric and label that one names there is data, or a reason why
//! there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use watchward::judge::rules::{LoadLimits, Rules};
use watchward::model::labels::NAME;

use crate::agent::{Agent, Folder, sections, wait};
use crate::clickhouse;
use crate::main_job::EVERYTHING;
use crate::servers::servers;
use crate::single::{PASSWORD, Postgresql, postgresql_versions};

#[path = "../it/engines/host/ttar.rs"]
mod ttar;

/// Metrics, and labels as `metric{label}`, without data on the test servers, each with the reason. One that has data all
/// the same, or that no rule names, ends the test.
#[rustfmt::skip] // a table is read across
const WITHOUT_DATA: &[(&str, &str)] = &[
    ("ClickHouseAsyncMetrics_CGroupMemoryTotal", "not in 18.16, which runs here; newer ones have it, of which no answer is recorded"),
    ("ClickHouseAsyncMetrics_CGroupMemoryUsed", "not in 18.16, which runs here; newer ones have it, of which no answer is recorded"),
    ("ClickHouseAsyncMetrics_DiskAvailable_backups", "only where a disk is named backups"),
    ("ClickHouseAsyncMetrics_DiskAvailable_default", "not in 18.16, which runs here; newer ones have it, of which no answer is recorded"),
    ("ClickHouseAsyncMetrics_DiskUsed_backups", "only where a disk is named backups"),
    ("ClickHouseAsyncMetrics_DiskUsed_default", "not in 18.16, which runs here; newer ones have it, of which no answer is recorded"),
    ("ClickHouseErrorMetric_ALL_REPLICAS_ARE_STALE", "not in 18.16, which runs here; the answers recorded from the current engine have it: tests/it/engines/clickhouse.rs"),
    ("ClickHouseErrorMetric_ALL_REPLICAS_LOST", "not in 18.16, which runs here; the answers recorded from the current engine have it: tests/it/engines/clickhouse.rs"),
    ("ClickHouseErrorMetric_AUTHENTICATION_FAILED", "not in 18.16, which runs here; the answers recorded from the current engine have it: tests/it/engines/clickhouse.rs"),
    ("ClickHouseErrorMetric_NO_AVAILABLE_REPLICA", "not in 18.16, which runs here; the answers recorded from the current engine have it: tests/it/engines/clickhouse.rs"),
    ("ClickHouseErrorMetric_RESOURCE_ACCESS_DENIED", "not in 18.16, which runs here; the answers recorded from the current engine have it: tests/it/engines/clickhouse.rs"),
    ("ClickHouseErrorMetric_TOO_FEW_LIVE_REPLICAS", "not in 18.16, which runs here; the answers recorded from the current engine have it: tests/it/engines/clickhouse.rs"),
    ("ClickHouseProfileEvents_DistributedRejectedInserts", "not in 18.16, which runs here; the answers recorded from the current engine have it: tests/it/engines/clickhouse.rs"),
    ("ClickHouseProfileEvents_NetworkReceiveBytes", "not in 18.16, which runs here; the answers recorded from the current engine have it: tests/it/engines/clickhouse.rs"),
    ("ClickHouseProfileEvents_NetworkSendBytes", "not in 18.16, which runs here; the answers recorded from the current engine have it: tests/it/engines/clickhouse.rs"),
    ("ClickHouseProfileEvents_ZooKeeperHardwareExceptions", "not in 18.16, which runs here; the answers recorded from the current engine have it: tests/it/engines/clickhouse.rs"),
    ("node_bonding_active{device}", "the exporter calls it master; only what the rule tells people names a device"),
    ("node_hwmon_temp_alarm", "no sensor of the recorded machine has this alarm; it has the critical one"),
    ("node_systemd_unit_state", "an optional row, and nothing here is run by systemd"),
];

/// What one rule names.
#[derive(Default)]
struct Named {
    metrics: BTreeSet<String>,
    /// Labels that matchers demand of a metric.
    matched: BTreeSet<(String, String)>,
    /// Labels that are grouped by, joined on or told to people: some metric of the rule must have them.
    kept: BTreeSet<String>,
}

/// The words in brackets after these: `by (a, b)`.
fn listed(text: &str, mark: &str) -> Vec<String> {
    let mut found = Vec::new();
    let small = text.to_lowercase();
    for (at, _) in small.match_indices(mark) {
        let starts_word = at == 0 || !small.as_bytes()[at - 1].is_ascii_alphanumeric();
        let rest = text[at + mark.len()..].trim_start();
        if let (true, Some(inner)) = (starts_word, rest.strip_prefix('(').and_then(|rest| rest.split_once(')'))) {
            found.extend(inner.0.split(',').map(|word| word.trim().to_string()).filter(|word| !word.is_empty()));
        }
    }
    found
}

/// The labels that a rule's words for people name: `{{ $labels.datname }}`.
fn told(file: &str, rule: &str) -> Vec<String> {
    let mark = format!("- alert: {rule}\n");
    let own = file.split_once(&mark).map_or("", |(_, rest)| rest.split("- alert: ").next().unwrap_or(rest));
    let names = own.split("$labels.").skip(1);
    names
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or("").to_string())
        .collect()
}

fn named(rule: &watchward::judge::rules::Rule, file: &str) -> Named {
    let mut named = Named::default();
    for selector in rule.expression.selectors() {
        let Some(metric) = selector.name else { continue };
        for matcher in selector.matchers.iter().filter(|one| one.name != NAME && !one.accepts("")) {
            named.matched.insert((metric.clone(), matcher.name.clone()));
        }
        named.metrics.insert(metric);
    }
    let text = rule.expression.to_string();
    named.kept.extend(["by", "on"].into_iter().flat_map(|mark| listed(&text, mark)).filter(|label| label != NAME));
    named.kept.extend(told(file, &rule.name));
    named
}

/// The labels that the series of a metric have, in all; `None`: it has no series.
fn labels(agent: &Agent, metric: &str) -> Option<BTreeSet<String>> {
    let answer: Value = agent.json(&format!("/api/v1/query?query={metric}"));
    let series = answer["data"]["result"].as_array().filter(|all| !all.is_empty())?;
    let keys = series.iter().flat_map(|one| one["metric"].as_object().into_iter().flatten());
    Some(keys.map(|(key, _)| key.clone()).collect())
}

/// What the rules need beside the servers as they stand: a table with an index that failed to be made, the right to look
/// for bloat, and a table of ClickHouse's that has too many parts. Gone when dropped.
struct Arranged;

impl Arranged {
    fn make() -> Arranged {
        let arranged = Arranged;
        // Bloat is looked for in tables beyond 100 MiB: here nine tenths of each page are left empty.
        sql("DROP TABLE IF EXISTS copied_rules; CREATE UNLOGGED TABLE copied_rules WITH (fillfactor = 10) AS \
             SELECT n / 2 AS a FROM generate_series(1, 360000) n");
        sql(
            "CREATE INDEX copied_rules_a ON copied_rules (a); GRANT pg_read_all_data TO watchward; ANALYZE copied_rules",
        );
        assert!(!try_sql("CREATE UNIQUE INDEX CONCURRENTLY copied_rules_ccnew ON copied_rules (a)"), "there are twins");
        let servers = servers();
        let crowded = "CREATE TABLE default.crowded (id UInt64) ENGINE = MergeTree ORDER BY id \
                       SETTINGS parts_to_delay_insert = 1, parts_to_throw_insert = 2";
        assert!(clickhouse::run(&servers, crowded));
        let mut taken = (0..9).map(|n| clickhouse::run(&servers, &format!("INSERT INTO default.crowded SELECT {n}")));
        assert!(taken.any(|taken| !taken), "it has too many parts at last");
        arranged
    }
}

impl Drop for Arranged {
    fn drop(&mut self) {
        try_sql("DROP TABLE IF EXISTS copied_rules; REVOKE pg_read_all_data FROM watchward");
        clickhouse::run(&servers(), "DROP TABLE IF EXISTS default.crowded");
    }
}

/// A query file that people add to the exporter, in few words: how much of an index is more than it needs.
const BLOAT_OF_INDEXES: &str = r#"
[[query]]
name    = "bloat_btree"
engine  = "postgresql"
targets = ["orders"]
ask     = """
SELECT c.relname AS idxname, pg_relation_size(c.oid) AS real_size,
       greatest(0, 100 * (1 - c.reltuples * 24 / nullif(c.relpages * 8192.0, 0))) AS bloat_pct
FROM pg_class c JOIN pg_am a ON a.oid = c.relam JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.amname = 'btree' AND n.nspname = 'public'"""
labels  = ["idxname"]
[[query.metric]]
name = "pg_bloat_btree_bloat_pct"
from = "bloat_pct"
[[query.metric]]
name = "pg_bloat_btree_real_size"
from = "real_size"
"#;

/// Every server; labels that only their scrapers would add; PostgreSQL 13; and the recorded machine, which has the
/// hardware that this one lacks.
fn configuration(folder: &Folder, old: &Postgresql) -> String {
    const EVERY: &str = "interval = \"2s\"\n";
    let of = |keys: &str, names: &[&str]| sections(names, &[EVERY, keys].concat());
    let labelled = ["orders", "documents-1", "documents-2", "documents-3"];
    let others: Vec<&str> = EVERYTHING.into_iter().filter(|name| !labelled.contains(name)).collect();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/node_exporter/collector/fixtures");
    let root = folder.0.join("machine");
    if root.exists() {
        fs::remove_dir_all(&root).expect("room for it");
    }
    for (archive, into) in [("sys.ttar", ""), ("udev.ttar", "run")] {
        ttar::unpack(&fs::read_to_string(data.join(archive)).expect("the recording"), &root.join(into));
    }
    let linked =
        std::os::unix::fs::symlink(fs::canonicalize(data.join("proc")).expect("the recording"), root.join("proc"));
    linked.expect("a link");
    let password = folder.write("password", PASSWORD);
    [
        of("", &others),
        of(
            "labels = { server = \"db1\", namespace = \"shop\" }\ncollect = [\"bloat\", \"index_invalid\"]",
            &labelled[..1],
        ),
        of("labels = { set = \"docs\" }", &labelled[1..]),
        format!(
            "[[target]]\nname = \"machine\"\nengine = \"host\"\nroot = \"{}\"\ncollect = [\"*\"]\n{EVERY}\
             [[target]]\nname = \"old\"\nengine = \"postgresql\"\npassword_file = \"{}\"\n{EVERY}\
             url = \"postgres://watchward@127.0.0.1:{}/postgres\"\n",
            root.display(),
            password.display(),
            old.port
        ),
        BLOAT_OF_INDEXES.to_string(),
    ]
    .concat()
}

fn sql(text: &str) {
    assert!(try_sql(text), "{text}");
}

fn try_sql(text: &str) -> bool {
    let servers = servers();
    let done = Command::new(servers.value("WW_PSQL"))
        .env("PGPASSWORD", servers.secret("WW_PG_ADMIN_PASSWORD_FILE"))
        .args(["-X", "-q", "-h", "127.0.0.1", "-p", servers.value("WW_PG_PRIMARY_PORT")])
        .args(["-U", servers.value("WW_PG_ADMIN_USER"), "-d", servers.value("WW_PG_DATABASE"), "-c", text])
        .stderr(std::process::Stdio::null())
        .status();
    done.expect("psql").success()
}

#[test]
fn every_metric_and_label_of_the_copied_rules_has_data_or_a_reason() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/alert-rules");
    let mut files: Vec<(String, String)> = fs::read_dir(&path)
        .expect("the copied rules")
        .flatten()
        .map(|entry| {
            (entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path()).expect("text"))
        })
        .collect();
    files.sort();
    let _arranged = Arranged::make();
    let folder = Folder::new();
    let (version, programs) = postgresql_versions().into_iter().find(|(version, _)| *version == 13).expect("got ready");
    let old = Postgresql::begin(version, &programs, &[]);
    old.watched();
    let agent = Agent::begin(&folder, &configuration(&folder, &old));
    let all = EVERYTHING.iter().chain(&["machine", "old"]);
    all.for_each(|name| drop(agent.wait_up(name, true, Duration::from_secs(60))));
    let mut known: BTreeMap<String, Option<BTreeSet<String>>> = BTreeMap::new();
    let mut missing: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut rules, mut whole) = (0, 0);
    for (file, text) in &files {
        println!("\n{file}");
        let loaded = Rules::load(&[(file.clone(), text.clone())], &LoadLimits::default()).expect("it loads");
        for (_, rule) in loaded.each() {
            let named = named(rule, text);
            for metric in &named.metrics {
                known.entry(metric.clone()).or_insert_with(|| labels(&agent, metric));
            }
            let has = |metric: &str, label: &str| {
                known.get(metric).and_then(Option::as_ref).is_some_and(|labels| labels.contains(label))
            };
            let mut without: Vec<String> = named.metrics.iter().filter(|one| known[*one].is_none()).cloned().collect();
            let matched = named.matched.iter().filter(|(metric, label)| known[metric].is_some() && !has(metric, label));
            without.extend(matched.map(|(metric, label)| format!("{metric}{{{label}}}")));
            let present: Vec<&String> = named.metrics.iter().filter(|one| known[*one].is_some()).collect();
            let nowhere = |label: &&String| !present.is_empty() && !present.iter().any(|metric| has(metric, label));
            without.extend(named.kept.iter().filter(nowhere).map(|label| format!("{}{{{label}}}", present[0])));
            let names: Vec<&str> = named.metrics.iter().map(String::as_str).collect();
            println!("{:<5} {:<45} {}", if without.is_empty() { "yes" } else { "no" }, rule.name, names.join(" "));
            for one in &without {
                let reason = WITHOUT_DATA.iter().find(|(name, _)| name == one).map_or("NOT LISTED", |(_, why)| why);
                println!("      without data: {one}: {reason}");
            }
            rules += 1;
            whole += usize::from(without.is_empty());
            for one in without {
                missing.entry(one).or_default().insert(rule.name.clone());
            }
        }
    }
    println!("\n{whole} of {rules} rules have data for all that they name");
    let unlisted: Vec<_> =
        missing.iter().filter(|(one, _)| !WITHOUT_DATA.iter().any(|(name, _)| name == one)).collect();
    assert!(unlisted.is_empty(), "without data and without a reason: {unlisted:#?}");
    let settled: Vec<_> = WITHOUT_DATA.iter().filter(|(name, _)| !missing.contains_key(*name)).collect();
    assert!(settled.is_empty(), "listed, and they have data or no rule names them: {settled:#?}");
    no_row_ignores_a_filter(&agent, &folder, &old);
}

/// Labels of targets themselves, which are not chosen from; the last four are this test's, for which a row's own steps aside.
const OF_TARGETS: [&str; 8] = ["instance", "job", "target", "tenant", "server", "namespace", "set", "exported_set"];

/// The labels that series of any target have, each with one of them.
fn labels_of_all(agent: &Agent) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for name in EVERYTHING.iter().chain(&["machine", "old"]) {
        let text = agent.get(&format!("/metrics?target={name}"));
        for series in text.lines().filter(|line| !line.starts_with('#')) {
            let inner =
                series.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(inner, _)| inner);
            for part in inner.split("\",") {
                let Some((label, _)) = part.split_once("=\"") else { continue };
                if !OF_TARGETS.contains(&label)
                    && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                {
                    found.entry(label.to_string()).or_insert_with(|| series.to_string());
                }
            }
        }
    }
    found
}

/// Every label of every row can be excluded, and chosen: then no series is left that has it.
fn no_row_ignores_a_filter(agent: &Agent, folder: &Folder, old: &Postgresql) {
    let labels = labels_of_all(agent);
    assert!(labels.len() > 100, "{:?}", labels.keys());
    println!("{} labels, each of which can be excluded and chosen", labels.len());
    for (key, glob) in [("exclude", "*"), ("include", "nothing-is-called-so")] {
        let globs: Vec<String> = labels.keys().map(|label| format!("{label} = [\"{glob}\"]")).collect();
        let sample = format!("[sample]\n{key} = {{ {} }}\n", globs.join(", "));
        agent.reload(folder, &[sample, configuration(folder, old)].concat());
        // For four seconds, two cycles: of what was begun anew nothing may have been read at first.
        let mut calm = 0;

        wait(&format!("{key}: no series has a label, and all targets are up"), Duration::from_secs(60), || {
            std::thread::sleep(Duration::from_secs(1));
            let is_so = agent.query("count(up == 1)") == [16.0] && labels_of_all(agent).is_empty();
            calm = if is_so { calm + 1 } else { 0 };
            calm >= 4
        });
    }
}

#[test]
fn labels_are_found_in_brackets_and_in_words() {
    let file = "    - alert: A\n      summary: x {{ $labels.one }} {{$labels.two}}\n    - alert: B\n      summary: {{ $labels.three }}\n";
    assert_eq!((told(file, "A"), told(file, "B")), (vec!["one".to_string(), "two".into()], vec!["three".to_string()]));
    assert_eq!(listed("sum by (a, b) (x) > on(c) group_left y", "by"), ["a", "b"]);
    assert_eq!(listed("sum by (a, b) (x) > ON (c) group_left y", "on"), ["c"]);
    assert_eq!(listed("version(c)", "on"), [] as [&str; 0]);
}
