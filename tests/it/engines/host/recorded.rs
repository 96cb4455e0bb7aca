//! The tree that node_exporter's own end-to-end test reads, and what it makes of it: the difference must be nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use watchward::engines;
use watchward::engines::host::monitor::ROWS;

use super::{Folder, read, session, ttar};

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/node_exporter/collector/fixtures");

/// Names that begin so are ours too.
const CLAIMED: &[&str] = &[
    "node_boot_time_seconds",
    "node_context_switches_total",
    "node_cpu_guest_seconds_total",
    "node_cpu_seconds_total",
    "node_disk_",
    "node_entropy_",
    "node_filefd_",
    "node_forks_total",
    "node_intr_total",
    "node_load",
    "node_memory_",
    "node_netstat_",
    "node_network_",
    "node_nf_conntrack_",
    "node_pressure_",
    "node_procs_",
    "node_sockstat_",
    "node_vmstat_",
];

/// Of these, names that begin so are not.
const NOT_CLAIMED: &[&str] = &[
    "node_disk_ata_",               // from udev's data
    "node_disk_device_mapper_info", // from udev's data
    "node_disk_filesystem_info",    // from udev's data
    "node_disk_info",               // from udev's data
    "node_memory_numa_",            // a collector that is off by default
    "node_network_receive_",        // the reference asked its own machine by netlink
    "node_network_transmit_b",      // as above; the queue's length is from the tree
    "node_network_transmit_c",
    "node_network_transmit_d",
    "node_network_transmit_e",
    "node_network_transmit_f",
    "node_network_transmit_p",
];

fn is_claimed(name: &str) -> bool {
    let begins = |list: &[&str]| list.iter().any(|begin| name.starts_with(begin));
    begins(CLAIMED) && !begins(NOT_CLAIMED)
}

/// The end-to-end test leaves these two devices out.
fn is_of_device_left_out(line: &str) -> bool {
    line.starts_with("node_network_") && (line.contains("device=\"dmz\"") || line.contains("device=\"int\""))
}

fn name(line: &str) -> &str {
    line.split(['{', ' ']).next().unwrap_or("")
}

/// The same number and the same labels, however written.
fn normal(line: &str) -> String {
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let value: f64 = value.parse().expect("a number");
    let Some((name, labels)) = series.split_once('{') else { return format!("{series} {value}") };
    let labels = labels.trim_end_matches('}').split("\",").map(|label| label.trim_end_matches('"'));
    let mut labels: Vec<String> =
        labels.filter(|label| !label.ends_with('=')).map(|label| format!("{label}\"")).collect();
    labels.sort();
    format!("{name}{{{}}} {value}", labels.join(","))
}

#[tokio::test]
async fn the_recorded_tree_gives_line_for_line_what_node_exporter_gives() {
    if !Path::new(RECORDED).is_dir() {
        #[allow(clippy::disallowed_methods)] // the one place here that reads the environment
        let checked_by_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!checked_by_ci, "{RECORDED} is missing where CI=true");
        println!("skipped: ../shared/data is not here");
        return;
    }
    let folder = Folder::new();
    ttar::unpack(&fs::read_to_string(format!("{RECORDED}/sys.ttar")).expect("the archive"), &folder.0);
    std::os::unix::fs::symlink(format!("{RECORDED}/proc"), folder.0.join("proc")).expect("a link");

    let mut ours = BTreeSet::new();
    let mut host = session(&folder.0);
    for row in ROWS.iter().filter(|row| !matches!(row.name, "filesystem" | "netdev" | "uname" | "time")) {
        let lines = read(&mut host, row).await.unwrap_or_else(|unknown| panic!("{}: {unknown:?}", row.name));
        ours.extend(lines.iter().filter(|line| !is_of_device_left_out(line)).map(|line| normal(line)));
    }
    let text = fs::read_to_string(format!("{RECORDED}/e2e-output.txt")).expect("the reference");
    let theirs: BTreeSet<String> =
        text.lines().filter(|line| !line.starts_with('#') && is_claimed(name(line))).map(normal).collect();

    let lacking: Vec<_> = theirs.difference(&ours).collect();
    let invented: Vec<_> = ours.difference(&theirs).collect();
    assert!(lacking.is_empty() && invented.is_empty(), "lacking: {lacking:#?}\ninvented: {invented:#?}");
    assert!(theirs.len() > 400, "only {} lines were compared", theirs.len());
    println!("{} lines are the same", theirs.len());

    let catalogue = engines::catalogue();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    for (name, kind) in types.filter(|(name, _)| is_claimed(name)) {
        let entry = catalogue.find(name).unwrap_or_else(|| panic!("{name} is not in the catalogue"));
        assert_eq!(entry.kind.word(), kind, "the type of {name}");
    }
}
