//! Export: everything that real servers give, judged by a strict collector; and a collector that hangs.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span;

use crate::act::Stage;
use crate::agent::{Agent, Folder, free_port, sections, wait};
use crate::collector::{Answer, Collector};
use crate::faulty::{Faulty, Weather};
use crate::servers::servers;
use crate::strict::Kind;

const SOON: Duration = Duration::from_secs(30);
/// What the unit gives the agent to stop (`TimeoutStopSec`).
const STOPPED: Duration = Duration::from_secs(15);
const EVERY_SECOND: &str = "[sample]\ninterval = \"1s\"\ndeadline = \"1s\"\n";
/// One of each engine, and the host.
const TARGETS: [&str; 6] = ["orders", "cache", "documents-1", "visits", "search", "this-host"];

fn all() -> String {
    sections(&TARGETS, "interval = \"1s\"")
}

#[test]
fn everything_that_real_servers_give_keeps_every_rule() {
    servers();
    let (folder, collector) = (Folder::new(), Collector::begin());
    let export = collector.config("interval = \"2s\"\nresource = { zone = \"a\" }");
    let agent = Agent::begin(&folder, &format!("{EVERY_SECOND}{}{export}", all()));
    TARGETS.iter().for_each(|name| drop(agent.wait_up(name, true, SOON)));
    let ups = |name: &str| collector.points_of(name, "up").iter().filter(|one| one.value == Some(1.0)).count();
    wait("five cycles of each", SOON * 2, || TARGETS.iter().all(|name| ups(name) >= 5));
    let own = || collector.points().iter().any(|one| one.name == "watchward_sample_cycles_total");
    wait("the agent's own", SOON, own);
    // What the agent shows for a target is what it pushed: the same series, the same last values.
    let shown = agent.get("/metrics?target=cache").lines().filter(|line| !line.starts_with('#')).count();
    let (status, took, log) = agent.stop();
    assert!(status.success() && took < STOPPED, "{took:?}\n{log}");
    assert_eq!(collector.faults(), [""; 0]);
    let points = collector.points();
    let streams: BTreeSet<_> = points
        .iter()
        .filter(|one| one.resource.get("target").is_some_and(|target| target == "cache"))
        .map(|one| (&one.name, &one.attributes))
        .collect();
    assert!(streams.len() * 10 >= shown * 9, "{} streams of {shown} series", streams.len());
    for name in TARGETS {
        let resource = &collector.points_of(name, "up")[0].resource;
        let is_server = name != "this-host";
        assert_eq!(resource.contains_key("db.system.name"), is_server, "{resource:?}");
        assert_eq!(resource.contains_key("server.port"), is_server, "{resource:?}");
        assert_eq!(resource["zone"], "a");
    }
    for (target, metric, kind, unit) in [
        ("orders", "postgresql.commits", Kind::Sum, "{transaction}"),
        ("cache", "redis.memory.used", Kind::Gauge, "By"),
        ("cache", "redis.cpu.time", Kind::Sum, "s"),
        ("documents-1", "mongodb.memory.usage", Kind::Gauge, "By"),
        ("this-host", "system.cpu.time", Kind::Sum, "s"),
        ("this-host", "system.network.io", Kind::Sum, "By"),
    ] {
        let found = collector.points_of(target, metric);
        assert!(!found.is_empty(), "no {metric} of {target}");
        assert!(found.iter().all(|one| (one.kind, one.unit.as_str()) == (kind, unit)), "{metric}: {:?}", found[0]);
    }
    // In bytes: a server that has less than a mebibyte resident does not exist.
    let memory = collector.points_of("documents-1", "mongodb.memory.usage");
    assert!(memory.iter().all(|one| one.value > Some(1_048_576.0)), "{:?}", memory[0]);
}

/// The 99th percentile of the targets' lateness over the last twelve seconds, in seconds; `None` while there were too
/// few cycles.
fn lateness_s(agent: &Agent) -> Option<f64> {
    let mut all = agent.samples("watchward_sample_late_seconds[12s]");
    all.sort_by(f64::total_cmp);
    (all.len() >= 10 * TARGETS.len()).then(|| all[all.len() * 99 / 100 - 1])
}

fn resident_mib(agent: &Agent) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", agent.pid())).expect("its status");
    let line = text.lines().find(|line| line.starts_with("VmHWM:")).expect("its peak");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") / 1024
}

/// The control samples the same servers at the same time and pushes nothing, so that both are disturbed alike.
#[test]
fn a_collector_that_hangs_costs_the_sampling_nothing() {
    servers();
    let (folder, beside, collector) = (Folder::new(), Folder::new(), Collector::begin());
    collector.answer_always(Answer::Hang);
    let export = collector.config("interval = \"1s\"\ntimeout = \"2s\"\nqueue_bytes_max = \"1MiB\"");
    let control = Agent::begin(&beside, &format!("{EVERY_SECOND}{}", all()));
    let agent = Agent::begin(&folder, &format!("{EVERY_SECOND}{}{export}", all()));
    for agent in [&agent, &control] {
        TARGETS.iter().for_each(|name| drop(agent.wait_up(name, true, SOON)));
    }
    // On a busy machine either may be disturbed alone for a while; what the collector cost would be there all the time.
    let (mut late, mut usual) = (f64::NAN, f64::NAN);
    wait("both are alike over twelve seconds", SOON * 4, || {
        std::thread::sleep(Duration::from_secs(1)); // asking disturbs, too
        let (Some(one), Some(other)) = (lateness_s(&agent), lateness_s(&control)) else { return false };
        (late, usual) = (one, other);
        late <= usual + 0.1
    });
    wait("the oldest goes", SOON, || agent.metric("watchward_export_overflowed_points_total") > 0.0);
    assert!(agent.metric("watchward_export_failed_attempts_total") > 0.0);
    wait("it fails for a while", SOON, || agent.metric("watchward_export_failing_seconds") > 2.0);
    assert!(agent.metric("watchward_export_queued_bytes") <= 1_048_576.0);
    assert_eq!(agent.metric("watchward_export_dropped_cycles_total"), 0.0);
    let (peak, usual_peak) = (resident_mib(&agent), resident_mib(&control));
    assert!(peak <= usual_peak + 12, "{peak} MiB at its peak, without a collector {usual_peak}");
    assert_eq!(agent.log().matches("no answer within 2s").count(), 1, "it is told once:\n{}", agent.log());
    println!("lateness p99 {late:.3} s, control {usual:.3} s; peak {peak} MiB, control {usual_peak} MiB");
    // It comes to itself: what was kept arrives, and the log says so.
    collector.answer_always(Answer::Taken);
    wait("it is told", SOON, || agent.metric("watchward_export_sent_points_total") > 0.0);
    wait("it fails no more", SOON, || agent.metric("watchward_export_failing_seconds") == 0.0);
    assert!(agent.log().contains("takes what it is sent again, after"), "{}", agent.log());
    let (status, took, log) = agent.stop();
    assert!(status.success() && took < STOPPED, "{took:?}\n{log}");
}

#[test]
fn a_reload_begins_changes_and_ends_the_pushing() {
    let (folder, one, other) = (Folder::new(), Collector::begin(), Collector::begin());
    let host = "[[target]]\nname = \"this-host\"\nengine = \"host\"\ninterval = \"1s\"\n";
    let agent = Agent::begin(&folder, host);
    agent.reload(&folder, &format!("{host}{}", one.config("interval = \"1s\"")));
    wait("the first is told", SOON, || !one.points_of("this-host", "up").is_empty());
    agent.reload(&folder, &format!("{host}{}", other.config("interval = \"1s\"")));
    wait("the second is told", SOON, || !other.points_of("this-host", "up").is_empty());
    agent.reload(&folder, host);
    wait("nobody is told", SOON, || agent.log().matches("the configuration was reloaded").count() == 3);
    // What was gathered may still come; after that it would come every second.
    let seen = || (one.seen().len(), other.seen().len());
    let (mut last, mut since) = (seen(), Instant::now());
    wait("four quiet seconds", SOON, || {
        let now = seen();
        if now != last {
            (last, since) = (now, Instant::now());
        }
        since.elapsed() >= Duration::from_secs(4)
    });
    assert_eq!((one.faults(), other.faults()), (Vec::new(), Vec::new()));
    agent.stop();
}

#[test]
fn a_server_that_hangs_is_seen_in_the_traces() {
    servers();
    let (folder, collector) = (Folder::new(), Collector::begin());
    let faulty = Faulty::begin("postgresql", Weather::Silent);
    let export = collector.config("interval = \"1s\"");
    let host = "[[target]]\nname = \"this-host\"\nengine = \"host\"\n";
    let agent = Agent::begin(&folder, &format!("{EVERY_SECOND}{host}{}{export}", faulty.target("hung", "")));
    agent.wait_up("hung", false, SOON);
    // On a busy machine others are slow as well.
    let words = |span: &Span| span.status.as_ref().map_or(String::new(), |status| status.message.clone());
    let is_hung = |span: &Span| words(span).starts_with("no whole answer from 127.0.0.1:");
    let hung = || collector.spans().into_iter().find(|span| span.name == "sample cycle" && is_hung(span));
    wait("a trace", SOON, || hung().is_some());
    assert_eq!(collector.faults(), [""; 0]);
    let span = hung().expect("it was there");
    let took = Duration::from_nanos(span.end_time_unix_nano - span.start_time_unix_nano);
    assert!(took >= Duration::from_millis(900), "{took:?}");
    agent.stop();
}

#[test]
fn an_action_and_its_undo_are_seen_in_the_traces() {
    let (stage, collector) = (Stage::new(), Collector::begin());
    let sections = stage.sections(stage.cache.port, stage.orders.port, "256mb");
    let agent = Agent::begin(&stage.folder, &format!("{sections}{}", collector.config("interval = \"1s\"")));
    stage.arm(&agent.config);
    let roots = |name: &str| {
        let is_root = |span: &Span| span.parent_span_id.is_empty() && span.name == name;
        collector.spans().into_iter().filter(is_root).collect::<Vec<Span>>()
    };
    stage.wish();
    wait("both changes", SOON, || roots("set").len() == 2);
    stage.unwish();
    wait("both undone", SOON, || roots("undo").len() == 2);
    for root in roots("set").into_iter().chain(roots("undo")) {
        let parts = collector.spans().into_iter().filter(|span| span.parent_span_id == root.span_id);
        let names: Vec<String> = parts.map(|span| span.name).collect();
        for needed in ["connect", "look", "put", "journal"] {
            assert!(names.iter().any(|name| name == needed), "{}: no {needed} in {names:?}", root.name);
        }
    }
    assert_eq!(collector.faults(), [""; 0]);
    agent.stop();
}

/// A collector of somebody else's, which writes down what it understood. Ended when dropped.
struct Rotel {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Rotel {
    fn begin(folder: &Folder) -> Rotel {
        let (port, grpc) = (free_port(), free_port());
        let log = folder.0.join("rotel.log");
        let child = Command::new(servers().value("WW_COLLECTOR"))
            .args(["start", "--otlp-http-endpoint", &format!("127.0.0.1:{port}")])
            .args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}"), "--exporter", "blackhole"])
            .args(["--debug-log", "metrics", "--debug-log", "traces", "--debug-log-verbosity", "detailed"])
            .stdout(fs::File::create(&log).expect("a log"))
            .stderr(Stdio::null())
            .spawn()
            .expect("a collector");
        wait("it listens", SOON, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Rotel { child, port, log }
    }

    /// The values of one metric of one target, as it wrote them down; with the lines about each of its points.
    fn values(&self, target: &str, metric: &str) -> Vec<(f64, String)> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        // It may be writing; the last request may not be whole.
        let text = text.rfind("ResourceMetrics #").map_or("", |end| &text[..end]);
        let of_target = format!("-> target: Str({target})\n");
        let named = format!("-> Name: {metric}\n");
        let resources = text.split("ResourceMetrics #").filter(|one| one.contains(&of_target));
        let metrics = resources.flat_map(|one| one.split("\nMetric #")).filter(|one| one.contains(&named));
        let points = metrics.flat_map(|one| one.split("DataPoints #").skip(1));
        let value = |point: &str| point.lines().find_map(|line| line.strip_prefix("Value: ")?.trim().parse().ok());
        points.filter_map(|point| Some((value(point)?, point.to_string()))).collect()
    }
}

impl Drop for Rotel {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended already
        let _ = self.child.wait();
    }
}

#[test]
fn a_real_collector_understands_what_was_pushed() {
    let folder = Folder::new();
    let rotel = Rotel::begin(&folder);
    let export = format!("[export.otlp]\nendpoint = \"http://127.0.0.1:{}\"\ninterval = \"1s\"\n", rotel.port);
    let agent = Agent::begin(&folder, &format!("{EVERY_SECOND}{}{export}", sections(&["cache", "this-host"], "")));
    wait("memory is told", SOON, || rotel.values("cache", "redis.memory.used").len() >= 3);
    wait("CPU time is told", SOON, || rotel.values("this-host", "system.cpu.time").len() >= 3);
    // Each value that it understood is one that the agent has stored.
    let understood = rotel.values("cache", "redis.memory.used");
    let stored = agent.samples("redis_memory_used_bytes{target=\"cache\"}[10m]");
    assert!(understood.iter().all(|(value, _)| stored.contains(value)), "{understood:?} of {stored:?}");
    let cpu = rotel.values("this-host", "system.cpu.time");
    assert!(cpu.iter().all(|(_, point)| point.contains("-> cpu.mode: Str(")), "{cpu:?}");
    for counter in ["failed_attempts", "refused_points", "rejected_points", "overflowed_points", "unfit_points"] {
        assert_eq!(agent.metric(&format!("watchward_export_{counter}_total")), 0.0, "{counter}");
    }
    agent.stop();
}
