//! Bad weather: servers that hang, trickle, babble or flood cost themselves, and nobody else.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::agent::{Agent, Folder, free_port, sections, wait};
use crate::faulty::{Faulty, Weather};
use crate::servers::servers;
use crate::sink::Sink;

const ENGINES: [&str; 5] = ["postgresql", "redis", "mongodb", "clickhouse", "elasticsearch"];
/// Those that nothing is done to.
const GOOD: [&str; 9] = [
    "cache",
    "cache-replica",
    "cache-sentinel-1",
    "cache-sentinel-2",
    "cache-sentinel-3",
    "documents-1",
    "documents-2",
    "orders",
    "this-host",
];
const EVERY_SECOND: &str = "[sample]\ninterval = \"1s\"\ndeadline = \"1s\"\n[judge]\ntarget_down_for = \"0s\"\n";
const SOON: Duration = Duration::from_secs(20);
/// How long the weather lasts.
const WATCHED: Duration = Duration::from_secs(14);

/// The good targets of the servers' own configuration, each second.
fn good() -> String {
    sections(&GOOD, "interval = \"1s\"")
}

/// The 99th percentile of the good targets' lateness over the last twelve seconds, in seconds.
fn lateness_s(agent: &Agent) -> f64 {
    let query = format!("watchward_sample_late_seconds{{target=~\"{}\"}}[12s]", GOOD.join("|"));
    let mut all = agent.samples(&query);
    assert!(all.len() >= 10 * GOOD.len(), "only {} cycles", all.len());
    all.sort_by(f64::total_cmp);
    all[all.len() * 99 / 100 - 1]
}

/// The most memory it ever had resident.
fn peak_mib(agent: &Agent) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", agent.pid())).expect("its status");
    let line = text.lines().find(|line| line.starts_with("VmHWM:")).expect("its peak");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") / 1024
}

/// Watches a faulty server of every engine beside good ones, and checks all that must hold. The control watches the good
/// ones alone, at the same time, so that both are disturbed alike by whatever else the machine does.
fn check(weather: Weather) {
    servers();
    let faulty: Vec<Faulty> = ENGINES.iter().map(|engine| Faulty::begin(engine, weather)).collect();
    let bad: String =
        faulty.iter().zip(ENGINES).map(|(one, engine)| one.target(&format!("bad-{engine}"), "")).collect();
    let (folder, beside) = (Folder::new(), Folder::new());
    let control = Agent::begin(&beside, &format!("{EVERY_SECOND}{}", good()));
    let agent = Agent::begin(&folder, &format!("{EVERY_SECOND}{}", good()));
    for agent in [&agent, &control] {
        GOOD.iter().for_each(|name| drop(agent.wait_up(name, true, SOON)));
    }
    // The weather begins when all have logged in, which takes its time without optimisation and is not what is measured.
    agent.reload(&folder, &format!("{EVERY_SECOND}{}{bad}", good()));
    wait("the faulty ones are watched", SOON, || agent.get("/api/v1/targets").contains("bad-redis"));
    for engine in ENGINES {
        let status = agent.wait_up(&format!("bad-{engine}"), false, SOON);
        assert!(status["fault"]["what"].as_str().is_some_and(|what| !what.is_empty()), "{status}");
    }
    std::thread::sleep(WATCHED);
    for engine in ENGINES {
        let of_bad = |series: &str, over: &str| {
            agent.query(&format!("{over}_over_time({series}{{target=\"bad-{engine}\"}}[1m])"))[0]
        };
        assert_eq!(of_bad("up", "max"), 0.0, "bad-{engine} was never up");
        assert!(of_bad("up", "count") >= 10.0, "bad-{engine} never vanished");
        let longest = of_bad("scrape_duration_seconds", "max");
        assert!(longest < 1.6, "a cycle of bad-{engine} took {longest} s of the one it has");
    }
    for (one, engine) in faulty.iter().zip(ENGINES) {
        let open = one.open_max();
        assert!(open <= 6, "{open} connections at once to bad-{engine}");
        if weather == Weather::Silent {
            assert!(one.accepted() <= 3, "{} connections to bad-{engine}, which only hangs", one.accepted());
        }
        if weather == Weather::Flood {
            // Beside what the agent read, what the system had taken in of each answer before it was given up.
            let each_mib = (one.sent() / one.accepted()) >> 20;
            assert!(each_mib < 32, "{each_mib} MiB of each answer of bad-{engine} were taken");
        }
    }
    for name in GOOD {
        let up = agent.query(&format!("min_over_time(up{{target=\"{name}\"}}[12s])"));
        assert_eq!(up, [1.0], "{name} was affected");
    }
    let (late, usual) = (lateness_s(&agent), lateness_s(&control));
    assert!(late <= usual + 0.1, "lateness p99 {late} s, without bad weather {usual} s");
    assert!(peak_mib(&agent) < 150, "{} MiB at its peak", peak_mib(&agent));
    println!("{weather:?}: lateness p99 {late:.3} s, control {usual:.3} s; peak {} MiB", peak_mib(&agent));
}

#[test]
fn servers_that_accept_and_never_answer_cost_nobody_else() {
    check(Weather::Silent);
}

#[test]
fn servers_that_trickle_a_byte_a_second_cost_nobody_else() {
    check(Weather::Trickle);
}

#[test]
fn servers_that_answer_garbage_cost_nobody_else() {
    check(Weather::Garbage);
}

#[test]
fn servers_that_answer_a_gigabyte_cost_nobody_else_and_no_memory() {
    check(Weather::Flood);
}

/// Ends a pause whatever happens in between.
struct Paused(&'static str);

impl Drop for Paused {
    fn drop(&mut self) {
        servers().ctl(self.0, "resume");
    }
}

#[test]
fn real_servers_that_are_stopped_are_down_at_once_and_up_again_without_a_restart() {
    let servers = servers();
    let folder = Folder::new();
    let stopped = [
        ("orders-standby", "postgresql-standby"),
        ("documents-3", "mongodb-3"),
        ("visits", "clickhouse"),
        ("search", "elasticsearch"),
    ];
    let names: Vec<&str> = stopped.iter().map(|(target, _)| *target).collect();
    let agent = Agent::begin(&folder, &format!("{EVERY_SECOND}{}{}", good(), sections(&names, "interval = \"1s\"")));
    names.iter().for_each(|name| drop(agent.wait_up(name, true, SOON)));
    let downs = || GOOD.map(|name| agent.log().matches(&format!(" {name} is down")).count());
    GOOD.iter().for_each(|name| drop(agent.wait_up(name, true, SOON)));
    let before = downs();
    for (target, server) in stopped {
        servers.ctl(server, "pause");
        let began = Instant::now();
        let paused = Paused(server);
        let status = agent.wait_up(target, false, SOON);
        // The cycle under way may have begun before the fault; the first one after it has its interval.
        assert!(began.elapsed() < Duration::from_millis(3500), "{target} was down after {:?}", began.elapsed());
        assert!(status["fault"]["hint"].as_str().is_some_and(|hint| hint.len() > 10), "{status}");
        let longest = agent.query(&format!("max_over_time(scrape_duration_seconds{{target=\"{target}\"}}[10s])"));
        assert!(longest[0] < 1.6, "a cycle of {target} took {} s", longest[0]);
        drop(paused);
        agent.wait_up(target, true, SOON);
    }
    assert_eq!(downs(), before, "others were affected:\n{}", agent.log());
}

#[test]
fn a_cap_on_series_is_kept_counted_and_told() {
    servers();
    let folder = Folder::new();
    let sections = format!("{EVERY_SECOND}[store]\nseries_max = 300\n{}", good());
    let agent = Agent::begin(&folder, &sections);
    wait("series are refused", SOON, || agent.metric("watchward_store_refused_series_total") > 0.0);
    assert!(agent.metric("watchward_store_series") <= 300.0);
    wait("the finding", SOON, || {
        let findings = agent.json("/api/v1/findings");
        findings.as_array().is_some_and(|all| all.iter().any(|one| one["kind"] == "SeriesRefused"))
    });
    agent.wait_up("this-host", true, SOON);
}

/// A Redis of the test's own, ended when dropped.
struct OwnRedis(Child, u16);

impl OwnRedis {
    fn begin(folder: &Folder, databases: usize) -> OwnRedis {
        let (servers, port) = (servers(), free_port());
        let child = Command::new(servers.value("WW_REDIS_SERVER"))
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--loglevel", "warning"])
            .args(["--databases", &databases.to_string(), "--dir"])
            .arg(&folder.0)
            .stdout(Stdio::null())
            .spawn()
            .expect("a Redis");
        wait("it listens", SOON, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        OwnRedis(child, port)
    }

    /// Puts one key into each of its databases.
    fn fill(&self, databases: usize) {
        let mut socket = TcpStream::connect(("127.0.0.1", self.1)).expect("it listens");
        let commands: String = (0..databases).map(|n| format!("SELECT {n}\r\nSET key 1\r\n")).collect();
        socket.write_all(commands.as_bytes()).expect("it takes them");
        let mut answers = vec![0; databases * "+OK\r\n+OK\r\n".len()];
        socket.read_exact(&mut answers).expect("it answers");
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended already
        let _ = self.0.wait();
    }
}

#[test]
fn ten_thousand_values_of_one_label_are_capped_counted_and_told_once() {
    const DATABASES: usize = 10_000;
    let (folder, sink) = (Folder::new(), Sink::begin());
    let redis = OwnRedis::begin(&folder, DATABASES);
    redis.fill(DATABASES);
    // Its cycles are further apart than the agent looks at what was refused: the alert must not come and go with them.
    let wide = format!(
        "[[target]]\nname = \"wide\"\nengine = \"redis\"\nurl = \"redis://127.0.0.1:{}\"\ninterval = \"12s\"\n",
        redis.1
    );
    let capped = EVERY_SECOND.replacen("[sample]", "[sample]\nseries_max_per_row = 2000", 1);
    assert_ne!(capped, EVERY_SECOND);
    let agent = Agent::begin(&folder, &[capped, sink.config(), good(), wide].concat());
    agent.wait_up("wide", true, SOON);
    GOOD.iter().for_each(|name| drop(agent.wait_up(name, true, SOON)));
    wait("points are dropped, and counted", SOON, || agent.metric("watchward_sample_dropped_points_total") >= 20_000.0);
    let of_row = agent.query("count({target=\"wide\",__name__=~\"redis_db_.*\"})")[0];
    assert!((1000.0..=2000.0).contains(&of_row), "{of_row} series of a row that may have 2000");
    wait("it is told", SOON, || sink.count("firing SeriesRefused wide") == 1);
    let seen = agent.metric("watchward_sample_dropped_points_total");
    wait("more are dropped", SOON, || agent.metric("watchward_sample_dropped_points_total") > seen);
    assert_eq!(sink.count("resolved SeriesRefused wide"), 0, "{:?}", sink.alerts());
    assert_eq!(sink.count("firing SeriesRefused wide"), 1, "{:?}", sink.alerts());
    assert_eq!(sink.count("firing SeriesRefused "), 0, "the store itself has room: {:?}", sink.alerts());
    let lost = agent.query("watchward_sample_refused_points_total{target=\"wide\"}");
    assert!(lost.len() == 1 && lost[0] >= 20_000.0, "of one row: {lost:?}");
    assert_eq!(agent.target("wide")["up"], true);
    assert_eq!(agent.query("min(min_over_time(up[10s]))"), [1.0], "nobody is affected");
    assert!(peak_mib(&agent) < 150, "{} MiB at its peak", peak_mib(&agent));
}
