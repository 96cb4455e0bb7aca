//! Bad weather: servers that hang, trickle, babble or flood cost themselves, and nobody else.

use std::fs;
use std::time::{Duration, Instant};

use crate::agent::{Agent, Folder, sections, wait};
use crate::faulty::{Faulty, Weather};
use crate::servers::servers;

const ENGINES: [&str; 5] = ["postgresql", "redis", "mongodb", "clickhouse", "elasticsearch"];
const GOOD: [&str; 3] = ["cache", "orders", "this-host"];
const EVERY_SECOND: &str = "[sample]\ninterval = \"1s\"\ndeadline = \"1s\"\n[judge]\ntarget_down_for = \"0s\"\n";
const SOON: Duration = Duration::from_secs(20);
/// How long one side of the comparison is watched.
const WATCHED: Duration = Duration::from_secs(10);

/// The good targets of the servers' own configuration, each second.
fn good() -> String {
    sections(&GOOD, "interval = \"1s\"")
}

/// The latest 1 % of the good targets' cycles, in seconds.
fn lateness_s(agent: &Agent) -> f64 {
    let targets = GOOD.join("|");
    let query = format!("max(quantile_over_time(0.99, watchward_sample_late_seconds{{target=~\"{targets}\"}}[10s]))");
    agent.query(&query).first().copied().unwrap_or(f64::NAN)
}

fn resident_mib(agent: &Agent) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", agent.pid())).expect("its status");
    let line = text.lines().find(|line| line.starts_with("VmHWM:")).expect("its peak");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") / 1024
}

/// Watches faulty servers of every engine beside good ones, and checks all that must hold.
fn check(weather: Weather) {
    servers();
    let control = {
        let folder = Folder::new();
        let agent = Agent::begin(&folder, &format!("{EVERY_SECOND}{}", good()));
        GOOD.iter().for_each(|name| drop(agent.wait_up(name, true, SOON)));
        std::thread::sleep(WATCHED);
        lateness_s(&agent)
    };
    let faulty: Vec<Faulty> = ENGINES.iter().map(|engine| Faulty::begin(engine, weather)).collect();
    let bad: String =
        faulty.iter().zip(ENGINES).map(|(one, engine)| one.target(&format!("bad-{engine}"), "")).collect();
    let folder = Folder::new();
    let agent = Agent::begin(&folder, &format!("{EVERY_SECOND}{}{bad}", good()));
    for engine in ENGINES {
        let status = agent.wait_up(&format!("bad-{engine}"), false, SOON);
        assert!(status["fault"]["what"].as_str().is_some_and(|what| !what.is_empty()), "{status}");
    }
    GOOD.iter().for_each(|name| drop(agent.wait_up(name, true, SOON)));
    std::thread::sleep(WATCHED);
    for engine in ENGINES {
        let up = agent.query(&format!("max_over_time(up{{target=\"bad-{engine}\"}}[1m])"));
        assert_eq!(up, [0.0], "bad-{engine} was never up and never vanished");
        let longest = agent.query(&format!("max_over_time(scrape_duration_seconds{{target=\"bad-{engine}\"}}[1m])"));
        assert!(longest[0] < 2.5, "a cycle of bad-{engine} took {} s of the one it has", longest[0]);
    }
    for (one, engine) in faulty.iter().zip(ENGINES) {
        let open = one.open_max();
        assert!(open <= 6, "{open} connections at once to bad-{engine}");
        if weather == Weather::Silent {
            // One driver gives up by itself; it is begun anew, less and less often.
            let most = if engine == "mongodb" { 20 } else { 3 };
            assert!(one.accepted() <= most, "{} connections to bad-{engine}, which only hangs", one.accepted());
        }
        // 8 MiB for an answer, a cycle a second, and what the sockets' buffers hold.
        assert!(one.sent() < 600 << 20, "bad-{engine} got rid of {} bytes", one.sent());
    }
    for name in GOOD {
        let up = agent.query(&format!("min_over_time(up{{target=\"{name}\"}}[10s])"));
        assert_eq!(up, [1.0], "{name} was affected");
    }
    let late = lateness_s(&agent);
    assert!(late <= control + 0.1, "lateness p99 {late} s, without bad weather {control} s");
    assert!(resident_mib(&agent) < 150, "{} MiB at its peak", resident_mib(&agent));
    println!("{weather:?}: lateness p99 {late:.3} s, control {control:.3} s; peak {} MiB", resident_mib(&agent));
}

#[test]
fn servers_that_accept_and_never_answer() {
    check(Weather::Silent);
}

#[test]
fn servers_that_trickle_a_byte_a_second() {
    check(Weather::Trickle);
}

#[test]
fn servers_that_answer_garbage() {
    check(Weather::Garbage);
}

#[test]
fn servers_that_answer_a_gigabyte() {
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
        ("cache-replica", "redis-replica"),
        ("documents-3", "mongodb-3"),
        ("visits", "clickhouse"),
        ("search", "elasticsearch"),
    ];
    let names: Vec<&str> = stopped.iter().map(|(target, _)| *target).collect();
    let agent = Agent::begin(&folder, &format!("{EVERY_SECOND}{}{}", good(), sections(&names, "interval = \"1s\"")));
    names.iter().for_each(|name| drop(agent.wait_up(name, true, SOON)));
    for (target, server) in stopped {
        servers.ctl(server, "pause");
        let began = Instant::now();
        let paused = Paused(server);
        let status = agent.wait_up(target, false, SOON);
        // The cycle under way may have begun before the fault; the first one after it has its interval.
        assert!(began.elapsed() < Duration::from_millis(3500), "{target} was down after {:?}", began.elapsed());
        assert!(status["fault"]["hint"].as_str().is_some_and(|hint| hint.len() > 10), "{status}");
        let longest = agent.query(&format!("max_over_time(scrape_duration_seconds{{target=\"{target}\"}}[10s])"));
        assert!(longest[0] < 2.5, "a cycle of {target} took {} s", longest[0]);
        drop(paused);
        agent.wait_up(target, true, SOON);
    }
    for name in GOOD {
        assert_eq!(agent.query(&format!("min_over_time(up{{target=\"{name}\"}}[2m])")), [1.0], "{name} was affected");
    }
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
