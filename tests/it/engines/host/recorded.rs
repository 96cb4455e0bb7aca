//! The tree that node_exporter's own end-to-end test reads, and what it makes of it: the difference must be nothing, but for
//! what docs/host.md says is not claimed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use watchward::engines;
use watchward::engines::contract::Session;
use watchward::engines::host::monitor::rows::ROWS;

use super::{Folder, read, session, ttar};

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/node_exporter/collector/fixtures");

/// What the reference did not ask: it left these collectors out, or has no such.
const NOT_IN_REFERENCE: &[&str] =
    &["filesystem", "uname", "time", "timex", "selinux", "systemd", "processes_by_group", "cgroup"];

/// The end-to-end test leaves some things out by its flags.
fn is_left_out(line: &str) -> bool {
    let is_device = |device: &str| line.contains(&format!("device=\"{device}\""));
    let network = line.starts_with("node_network_") && (is_device("dmz") || is_device("int"));
    // Its netlink asked its own machine for `lo`, and no other device.
    let received = ["node_network_receive_", "node_network_transmit_"].iter().any(|begin| line.starts_with(begin))
        && !line.starts_with("node_network_transmit_queue_length");
    let chip = line.starts_with("node_hwmon_") && line.contains("chip=\"bogus\"");
    network || received || chip || line.starts_with("node_arp_entries") && is_device("nope")
}

/// The rows of docs/host.md's table of what is not claimed: a name, or with `*` at its end the begin of names; and the reason.
fn not_claimed() -> BTreeMap<String, String> {
    let page = include_str!("../../../../docs/host.md");
    let table = page.split("## Not claimed").nth(1).expect("a section of what is not claimed");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "));
    rows.map(|(name, reason)| (name.to_string(), reason.to_string())).collect()
}

fn fits(pattern: &str, line: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(begin) => line.starts_with(begin),
        None => name(line) == pattern,
    }
}

fn name(line: &str) -> &str {
    line.split(['{', ' ']).next().unwrap_or("")
}

/// The same number and the same labels, however written.
fn normal(line: &str) -> String {
    let line = line.replace("collector/fixtures/sys/", "/sys/");
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let value: f64 = value.parse().expect("a number");
    let Some((name, labels)) = series.split_once('{') else { return format!("{series} {value}") };
    let labels = labels.trim_end_matches('}').split("\",").map(|label| label.trim_end_matches('"'));
    let mut labels: Vec<String> =
        labels.filter(|label| !label.ends_with('=')).map(|label| format!("{label}\"")).collect();
    labels.sort();
    if labels.is_empty() { format!("{name} {value}") } else { format!("{name}{{{}}} {value}", labels.join(",")) }
}

/// The recorded tree in a folder, or nothing where the data is not at hand.
fn tree() -> Option<Folder> {
    if !Path::new(RECORDED).is_dir() {
        #[allow(clippy::disallowed_methods)] // the one place here that reads the environment
        let checked_by_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!checked_by_ci, "{RECORDED} is missing where CI=true");
        println!("skipped: ../shared/data is not here");
        return None;
    }
    let folder = Folder::new();
    let unpack = |name: &str, into: &str| {
        let into = folder.0.join(into);
        fs::create_dir_all(&into).expect("a folder");
        ttar::unpack(&fs::read_to_string(format!("{RECORDED}/{name}.ttar")).expect("the archive"), &into);
    };
    unpack("sys", "");
    unpack("udev", "run");
    for name in ["proc", "usr"] {
        std::os::unix::fs::symlink(format!("{RECORDED}/{name}"), folder.0.join(name)).expect("a link");
    }
    Some(folder)
}

#[tokio::test]
async fn the_recorded_tree_gives_line_for_line_what_node_exporter_gives() {
    let Some(folder) = tree() else { return };
    let (mut ours, mut not_there) = (BTreeSet::new(), Vec::new());
    let mut host = session(&folder.0);
    host.probe().await.expect("the tree has a proc/");
    for row in ROWS.iter().filter(|row| !NOT_IN_REFERENCE.contains(&row.name)) {
        if !row.exists(host.facts()) {
            not_there.push(row.name);
            continue;
        }
        let lines = read(&mut host, row).await.unwrap_or_else(|unknown| panic!("{}: {unknown:?}", row.name));
        ours.extend(lines.iter().filter(|line| !is_left_out(line)).map(|line| normal(line)));
    }
    assert_eq!(not_there, ["netdev"], "what the tree lacks");
    let text = fs::read_to_string(format!("{RECORDED}/e2e-output.txt")).expect("the reference");
    let not_claimed = not_claimed();
    let is_claimed = |line: &str| !not_claimed.keys().any(|pattern| fits(pattern, line));
    let theirs: BTreeSet<String> = text
        .lines()
        .filter(|line| !line.starts_with('#') && is_claimed(line) && !is_left_out(line))
        .map(normal)
        .collect();

    let lacking: Vec<_> = theirs.difference(&ours).collect();
    let invented: Vec<_> = ours.difference(&theirs).collect();
    assert!(lacking.is_empty() && invented.is_empty(), "lacking: {lacking:#?}\ninvented: {invented:#?}");
    assert!(theirs.len() > 1800, "only {} lines were compared", theirs.len());

    let catalogue = engines::catalogue();
    let mut families = BTreeSet::new();
    for (name, kind) in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')) {
        if !is_claimed(name) {
            continue;
        }
        families.insert(name);
        let entry = catalogue.find(name).unwrap_or_else(|| panic!("{name} is not in the catalogue"));
        assert!(kind == "untyped" || entry.kind.word() == kind, "the type of {name}: {} {kind}", entry.kind.word());
    }
    println!("{} lines of {} families are the same", theirs.len(), families.len());
}

#[test]
fn what_is_not_claimed_is_in_the_reference_and_has_its_reason() {
    let Ok(text) = fs::read_to_string(format!("{RECORDED}/e2e-output.txt")) else { return };
    for (pattern, reason) in not_claimed() {
        assert!(reason.len() > 10, "{pattern} has no reason");
        let is_there = text.lines().any(|line| {
            let series = line.strip_prefix("# TYPE ").unwrap_or(line);
            fits(&pattern, series.split(" gauge").next().unwrap_or(series).split(" counter").next().unwrap_or(""))
        });
        assert!(is_there, "{pattern}: the reference has no such");
    }
}
