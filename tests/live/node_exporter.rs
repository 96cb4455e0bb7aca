//! This machine as we read it and as Debian's own prometheus-node-exporter does, in one run: the same series, and the same
//! values where a value does not change.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use watchward::engines::contract::Session;
use watchward::engines::host::monitor::rows::ROWS;
use watchward::engines::host::session::HostSession;

use crate::points::Points;

const PROGRAM: &str = "/usr/bin/prometheus-node-exporter";

/// Debian leaves more out by default than upstream does: these are upstream's flags.
const UPSTREAM: &[&str] = &[
    "--collector.textfile.directory=",
    "--collector.netdev.device-exclude=^$",
    "--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
];

/// What only the exporter can say, or says of itself.
const THEIRS_ALONE: &[&str] = &[
    "node_exporter_build_info",
    "node_scrape_collector_",
    "node_textfile_",
    "node_time_zone_offset_seconds", // the zone of its own process
];

/// What Debian's 1.5 does not know yet; the recorded reference, which is newer, does.
const NEWER: &[&str] = &[
    "node_cpu_isolated",
    "node_pressure_irq_stalled_seconds_total",
    "node_softnet_backlog_len",
    "node_softnet_cpu_collision_total",
    "node_softnet_flow_limit_count_total",
    "node_softnet_received_rps_total",
    "node_kernel_hung_tasks_total",
    "node_netstat_TcpExt_TCPOFOQueue",
    "node_netstat_TcpExt_TCPRcvQDrop",
];

/// Of these a value is the same a second later.
const CONSTANT: &[&str] = &[
    "node_boot_time_seconds",
    "node_cpu_scaling_frequency_m",
    "node_disk_info",
    "node_dmi_info",
    "node_entropy_pool_size_bits",
    "node_filefd_maximum",
    "node_filesystem_files{",
    "node_filesystem_readonly",
    "node_filesystem_size_bytes",
    "node_memory_CommitLimit_bytes",
    "node_memory_HugePages_Total",
    "node_memory_Hugepagesize_bytes",
    "node_memory_MemTotal_bytes",
    "node_memory_SwapTotal_bytes",
    "node_network_address_assign_type",
    "node_network_flags",
    "node_network_iface_",
    "node_network_info",
    "node_network_mtu_bytes",
    "node_network_protocol_type",
    "node_network_speed_bytes",
    "node_network_transmit_queue_length",
    "node_network_up",
    "node_nf_conntrack_entries_limit",
    "node_os_",
    "node_selinux_enabled",
    "node_time_clocksource_",
    "node_timex_status",
    "node_timex_sync_status",
    "node_timex_tai_offset_seconds",
    "node_timex_tick_seconds",
    "node_uname_info",
];

struct Exporter(Child);

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the exporter and gives its address once it answers.
fn start() -> (Exporter, String) {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
    let address = format!("127.0.0.1:{port}");
    let child = Command::new(PROGRAM)
        .arg(format!("--web.listen-address={address}"))
        .args(UPSTREAM)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let exporter = Exporter(child);
    let until = Instant::now() + Duration::from_secs(60);
    while scrape(&address).is_none() {
        assert!(Instant::now() < until, "{PROGRAM} does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
    (exporter, address)
}

fn scrape(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.split_once("\r\n\r\n").map(|(_, body)| body.to_string())
}

/// The name and the labels that have a value, sorted, without labels that only newer exporters have.
fn normal(series: &str) -> String {
    let Some((name, labels)) = series.split_once('{') else { return series.to_string() };
    let labels = labels.trim_end_matches('}').split("\",").map(|label| label.trim().trim_end_matches('"'));
    let kept = labels.filter(|label| !label.is_empty() && !label.ends_with('=') && !label.starts_with("rotational="));
    let mut labels: Vec<String> = kept
        .filter(|label| !label.starts_with("device_error=") && !label.starts_with("adminstate="))
        .map(|label| format!("{label}\""))
        .collect();
    labels.sort();
    if labels.is_empty() { name.to_string() } else { format!("{name}{{{}}}", labels.join(",")) }
}

fn begins(list: &[&str], series: &str) -> bool {
    list.iter().any(|begin| series.starts_with(begin))
}

/// Devices that the old exporter takes for disks.
fn is_left_out(series: &str) -> bool {
    series.starts_with("node_disk_") && series.contains("device=\"zram")
}

/// A speed of -1 is that of a device which does not know it; the exporter gives -125000, we give nothing.
fn is_no_speed(series: &str, value: f64) -> bool {
    series.starts_with("node_network_speed_bytes") && value < 0.0
}

async fn ours() -> BTreeMap<String, f64> {
    let mut host = HostSession::new(PathBuf::from("/"));
    host.probe().await.expect("this machine has a proc/");
    let mut all = BTreeMap::new();
    let facts = host.facts().clone();
    for row in ROWS.iter().filter(|row| !row.optional && row.exists(&facts)) {
        let answer =
            host.ask(row, Duration::from_secs(20)).await.unwrap_or_else(|unknown| panic!("{}: {unknown:?}", row.name));
        let points = Points::of(row, &answer, &facts).unwrap_or_else(|unknown| panic!("{}: {unknown:?}", row.name));
        assert!(points.twice.is_empty(), "{}: {:?}", row.name, points.twice);
        all.extend(points.all.iter().map(|(series, value)| (normal(series), *value)));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn this_machine_has_the_same_series_as_debians_node_exporter_gives() {
    if !Path::new(PROGRAM).exists() {
        assert!(std::env::var("CI").map_or(true, |value| value != "true"), "{PROGRAM} is missing where CI=true");
        println!("skipped: {PROGRAM} is not installed");
        return;
    }
    let (_exporter, address) = start();
    let text = scrape(&address).expect("an answer");
    let mut theirs: BTreeMap<String, f64> = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("node_")) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        theirs.insert(normal(series), value.parse().expect("a number"));
    }
    theirs
        .retain(|series, value| !begins(THEIRS_ALONE, series) && !is_left_out(series) && !is_no_speed(series, *value));
    let mut ours = ours().await;
    ours.retain(|series, _| series.starts_with("node_") && !is_left_out(series));

    let lacking: Vec<&String> = theirs.keys().filter(|series| !ours.contains_key(*series)).collect();
    let invented: Vec<&String> =
        ours.keys().filter(|series| !theirs.contains_key(*series) && !begins(NEWER, series)).collect();
    assert!(lacking.is_empty() && invented.is_empty(), "lacking: {lacking:#?}\ninvented: {invented:#?}");
    let constant: Vec<&String> = theirs.keys().filter(|series| begins(CONSTANT, series)).collect();
    for series in &constant {
        assert_eq!(ours[*series].to_bits(), theirs[*series].to_bits(), "{series}");
    }
    assert!(theirs.len() > 200 && constant.len() > 30, "{} series, {} constant", theirs.len(), constant.len());
    println!("{} series are the same, {} of them constant with the same value", theirs.len(), constant.len());
}
