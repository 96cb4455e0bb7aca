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

use crate::agent::{Agent, Folder, sections};
use crate::main_job::EVERYTHING;
use crate::servers::servers;

/// Metrics, and labels as `metric{label}`, without data on the test servers, each with the reason. One that has data all
/// the same, or that no rule names, ends the test.
#[rustfmt::skip] // a table is read across
const WITHOUT_DATA: &[(&str, &str)] = &[
    ("ClickHouseAsyncMetrics_CGroupMemoryTotal", "ClickHouse 18.16 runs here, newer ones have it"),
    ("ClickHouseAsyncMetrics_CGroupMemoryUsed", "ClickHouse 18.16 runs here, newer ones have it"),
    ("ClickHouseAsyncMetrics_DiskAvailable_backups", "only where a disk is named backups"),
    ("ClickHouseAsyncMetrics_DiskAvailable_default", "ClickHouse 18.16 runs here, newer ones have it"),
    ("ClickHouseAsyncMetrics_DiskUsed_backups", "only where a disk is named backups"),
    ("ClickHouseAsyncMetrics_DiskUsed_default", "ClickHouse 18.16 runs here, newer ones have it"),
    ("ClickHouseErrorMetric_ALL_REPLICAS_ARE_STALE", "ClickHouse 18.16 runs here; 20.11 began to count errors"),
    ("ClickHouseErrorMetric_ALL_REPLICAS_LOST", "ClickHouse 18.16 runs here; 20.11 began to count errors"),
    ("ClickHouseErrorMetric_AUTHENTICATION_FAILED", "ClickHouse 18.16 runs here; 20.11 began to count errors"),
    ("ClickHouseErrorMetric_NO_AVAILABLE_REPLICA", "ClickHouse 18.16 runs here; 20.11 began to count errors"),
    ("ClickHouseErrorMetric_RESOURCE_ACCESS_DENIED", "ClickHouse 18.16 runs here; 20.11 began to count errors"),
    ("ClickHouseErrorMetric_TOO_FEW_LIVE_REPLICAS", "ClickHouse 18.16 runs here; 20.11 began to count errors"),
    ("ClickHouseProfileEvents_DelayedInserts", "ClickHouse lists an event once it has occurred"),
    ("ClickHouseProfileEvents_DistributedRejectedInserts", "ClickHouse lists an event once it has occurred"),
    ("ClickHouseProfileEvents_NetworkReceiveBytes", "ClickHouse 18.16 runs here, newer ones have it"),
    ("ClickHouseProfileEvents_NetworkSendBytes", "ClickHouse 18.16 runs here, newer ones have it"),
    ("ClickHouseProfileEvents_RejectedInserts", "ClickHouse lists an event once it has occurred"),
    ("ClickHouseProfileEvents_ZooKeeperHardwareExceptions", "ClickHouse lists an event once it has occurred"),
    ("mongodb_mongod_replset_oplog_head_timestamp{set}", "the exporter calls it rs_nm; a label that neither side has joins all the same"),
    ("mongodb_rs_members_optimeDate{set}", "the exporter calls it rs_nm; a label that neither side has joins all the same"),
    ("node_bonding_active", "this machine bonds no devices"),
    ("node_bonding_slaves", "this machine bonds no devices"),
    ("node_edac_correctable_errors_total", "this machine tells of no memory errors"),
    ("node_edac_uncorrectable_errors_total", "this machine tells of no memory errors"),
    ("node_hwmon_temp_alarm", "this machine has no sensors"),
    ("node_hwmon_temp_celsius", "this machine has no sensors"),
    ("node_hwmon_temp_crit_alarm_celsius", "this machine has no sensors"),
    ("node_hwmon_temp_max_celsius", "this machine has no sensors"),
    ("node_md_disks", "this machine has no RAID"),
    ("node_md_disks_required", "this machine has no RAID"),
    ("node_network_speed_bytes", "this machine's device is virtual and knows no speed"),
    ("node_systemd_unit_state", "an optional row, and nothing here is run by systemd"),
    ("pg_bloat_btree_bloat_pct", "made by a query file that people add to the exporter; the exporter itself has none"),
    ("pg_bloat_btree_real_size", "made by a query file that people add to the exporter; the exporter itself has none"),
    ("pg_bloat_table_bloat_pct", "an optional row: collect = [\"bloat\"]"),
    ("pg_bloat_table_real_size", "an optional row: collect = [\"bloat\"]"),
    ("pg_exporter_last_scrape_error", "the exporter's word on itself; pg_scrape_collector_success says more"),
    ("pg_general_index_info_pg_relation_size", "an optional row: collect = [\"index_invalid\"]"),
    ("pg_settings_max_connections{server}", "older exporters with several servers had it; grouping by it changes nothing"),
    ("pg_stat_database_xact_commit{namespace}", "Kubernetes' scrapers add it; grouping by it changes nothing"),
    ("pg_stat_ssl_compression", "PostgreSQL 15 runs here; 14 did away with TLS compression"),
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

/// A table in the database that is watched, for the rules about tables. Gone when dropped.
struct Table;

impl Table {
    fn make() -> Table {
        let table = Table;
        sql("DROP TABLE IF EXISTS copied_rules; CREATE TABLE copied_rules AS SELECT generate_series(1, 1000) AS a");
        table
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        sql("DROP TABLE IF EXISTS copied_rules");
    }
}

fn sql(text: &str) {
    let servers = servers();
    let done = Command::new(servers.value("WW_PSQL"))
        .env("PGPASSWORD", servers.secret("WW_PG_ADMIN_PASSWORD_FILE"))
        .args(["-X", "-q", "-h", "127.0.0.1", "-p", servers.value("WW_PG_PRIMARY_PORT")])
        .args(["-U", servers.value("WW_PG_ADMIN_USER"), "-d", servers.value("WW_PG_DATABASE"), "-c", text])
        .status();
    assert!(done.as_ref().is_ok_and(std::process::ExitStatus::success), "{text}: {done:?}");
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
    let _table = Table::make();
    let folder = Folder::new();
    let agent = Agent::begin(&folder, &sections(&EVERYTHING, "interval = \"2s\""));
    EVERYTHING.iter().for_each(|name| drop(agent.wait_up(name, true, Duration::from_secs(60))));
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
}

#[test]
fn labels_are_found_in_brackets_and_in_words() {
    let file = "    - alert: A\n      summary: x {{ $labels.one }} {{$labels.two}}\n    - alert: B\n      summary: {{ $labels.three }}\n";
    assert_eq!((told(file, "A"), told(file, "B")), (vec!["one".to_string(), "two".into()], vec!["three".to_string()]));
    assert_eq!(listed("sum by (a, b) (x) > on(c) group_left y", "by"), ["a", "b"]);
    assert_eq!(listed("sum by (a, b) (x) > ON (c) group_left y", "on"), ["c"]);
    assert_eq!(listed("version(c)", "on"), [] as [&str; 0]);
}
