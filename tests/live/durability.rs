//! Durability: what was seen and what must be told outlives kill -9, reloads, torn files and a full disk.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::agent::{Agent, Folder, configure, free_port, run, sections, wait};
use crate::faulty::{Faulty, Weather};
use crate::servers::servers;
use crate::sink::Sink;

const SOON: Duration = Duration::from_secs(20);
const QUICK: &str = "interval = \"1s\"";
const JUDGE: &str = "[judge]\ntarget_down_for = \"1s\"\nbuiltin_rules = false\n";

/// Ends the agent as a power cut does, and starts it on what it left.
fn cut(agent: Agent, folder: &Folder) -> Agent {
    let port = agent.port;
    Agent::start(agent.kill(), port, folder, &[])
}

/// How many cycles of a target are in its history.
fn cycles(agent: &Agent, target: &str) -> f64 {
    agent.query(&format!("count_over_time(up{{target=\"{target}\"}}[2h])")).first().copied().unwrap_or(0.0)
}

/// Waits for more cycles of a target.
fn wait_cycles(agent: &Agent, target: &str, more: f64) -> f64 {
    let before = cycles(agent, target);
    wait(&format!("{more} more cycles of {target}"), SOON, || cycles(agent, target) >= before + more);
    cycles(agent, target)
}

/// The files of the history with this ending, the newest last.
fn history_files(state: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(state.join("store")).expect("the store's folder").flatten().map(|entry| entry.path());
    let mut files: Vec<_> = entries.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    files.sort();
    files
}

#[test]
fn kill_9_at_any_moment_costs_at_most_one_sample_and_sigterm_none() {
    let folder = Folder::new();
    let mut agent = Agent::begin(&folder, &sections(&["cache", "this-host"], QUICK));
    for round in 0..5 {
        wait_cycles(&agent, "cache", 2.0);
        std::thread::sleep(Duration::from_millis(137 * round)); // another moment of the cycle each time
        let before = cycles(&agent, "cache");
        agent = cut(agent, &folder);
        let after = cycles(&agent, "cache");
        assert!(after >= before - 1.0, "round {round}: of {before} cycles {after} are left");
    }
    let order = "resets(timestamp(up{target=\"cache\"})[10m:1s])";
    assert_eq!(agent.query(order), [0.0], "time never goes back");
    let (before, port, config) = (wait_cycles(&agent, "cache", 2.0), agent.port, agent.config.clone());
    let (ended, took, log) = agent.stop();
    assert!(ended.success() && took < Duration::from_secs(5), "{ended} after {took:?}\n{log}");
    let agent = Agent::start(config, port, &folder, &[]);
    assert!(cycles(&agent, "cache") >= before, "SIGTERM loses nothing");
}

#[test]
fn an_alert_is_neither_lost_nor_told_over_and_over_whenever_the_agent_is_killed() {
    let (folder, sink, servers) = (Folder::new(), Sink::begin(), servers());
    let mut agent = Agent::begin(&folder, &[&sink.config(), JUDGE, &sections(&["cache-replica"], QUICK)].concat());
    let name = "TargetDown cache-replica";
    let (firing, resolved) = (format!("firing {name}"), format!("resolved {name}"));
    agent.wait_up("cache-replica", true, SOON);
    for moment in ["seen", "pending", "firing", "refused", "told"] {
        let before = (sink.count(&firing), sink.count(&resolved));
        if moment == "refused" {
            sink.answer(&[503, 503]);
        }
        servers.ctl("redis-replica", "stop");
        let stands = |phase: &str| {
            let alerts = agent.json("/api/v1/alerts");
            alerts.as_array().into_iter().flatten().any(|alert| alert["to"] == phase)
        };
        match moment {
            "seen" => drop(agent.wait_up("cache-replica", false, SOON)),
            "pending" => wait("it is pending", SOON, || stands("pending") || stands("firing")),
            "firing" | "refused" => wait("it fires", SOON, || stands("firing")),
            _ => wait("it is told", SOON, || sink.count(&firing) > before.0),
        }
        agent = cut(agent, &folder);
        wait(&format!("it is told though killed when {moment}"), SOON, || sink.count(&firing) > before.0);
        wait("it fires still", SOON, || agent.firing().contains(&name.to_string()));
        // The server comes back while nobody watches; its return is told all the same.
        let (port, config) = (agent.port, agent.kill());
        servers.ctl("redis-replica", "start");
        agent = Agent::start(config, port, &folder, &[]);
        wait(&format!("its end is told, killed when {moment}"), SOON, || sink.count(&resolved) > before.1);
        let told = (sink.count(&firing) - before.0, sink.count(&resolved) - before.1);
        assert!(told.0 <= 2 && told.1 == 1, "killed when {moment}, told {told:?}: {:?}", sink.alerts());
    }
    wait_cycles(&agent, "cache-replica", 2.0);
    assert_eq!(sink.count(&resolved), 5, "nothing is told again: {:?}", sink.alerts());
    assert_eq!(agent.firing(), [] as [&str; 0]);
}

/// A target that nobody listens for.
fn dead() -> String {
    format!("[[target]]\nname = \"dead\"\nengine = \"redis\"\nurl = \"redis://127.0.0.1:{}\"\n{QUICK}\n", free_port())
}

#[test]
fn a_notification_waits_for_a_receiver_that_is_away_also_across_kill_9() {
    let folder = Folder::new();
    let port_of_sink = free_port();
    let receiver = format!(
        "[[alert.receiver]]\nname = \"hook\"\nwebhook = {{ url = \"http://127.0.0.1:{port_of_sink}/hook\" }}\n"
    );
    let agent = Agent::begin(&folder, &[JUDGE, &receiver, &dead()].concat());
    wait("it waits in the outbox", SOON, || agent.metric("watchward_alert_queued_notices") >= 1.0);
    let (port, config) = (agent.port, agent.kill());
    let sink = Sink::at(port_of_sink);
    sink.answer(&[500, 429]);
    let agent = Agent::start(config, port, &folder, &[]);
    wait("it arrives", SOON, || sink.count("firing TargetDown dead") == 1);
    wait("the outbox is empty", SOON, || agent.metric("watchward_alert_queued_notices") == 0.0);
    assert_eq!(sink.alerts().len(), 1);
}

#[test]
fn a_reload_adds_and_removes_targets_and_repeats_nothing() {
    let (folder, sink) = (Folder::new(), Sink::begin());
    let base = [&sink.config(), JUDGE, &sections(&["cache"], QUICK)].concat();
    let dead = dead();
    let agent = Agent::begin(&folder, &[base.as_str(), &dead].concat());
    wait("it is told", SOON, || sink.count("firing TargetDown dead") == 1);
    let before = cycles(&agent, "cache");

    let added = sections(&["cache-replica"], QUICK);
    agent.reload(&folder, &[base.as_str(), &dead, &added].concat());
    wait("the new target is there", SOON, || agent.get("/api/v1/targets").contains("cache-replica"));
    agent.wait_up("cache-replica", true, SOON);
    assert!(cycles(&agent, "cache") >= before, "history goes on");
    assert_eq!(agent.firing(), ["TargetDown dead"]);

    agent.reload(&folder, &[base.as_str(), "intervall = 3"].concat());
    wait("a finding says so", SOON, || sink.count("firing ConfigurationInvalid ") == 1);
    let findings = agent.get("/api/v1/findings");
    assert!(findings.contains("unknown key 'intervall' in [[target]]"), "{findings}");
    assert_eq!(agent.json("/api/v1/targets").as_array().map(Vec::len), Some(3), "the old one holds");
    assert!(agent.metric("watchward_config_reloads_total{outcome=\"refused\"}") == 1.0);
    wait_cycles(&agent, "cache", 2.0);

    agent.reload(&folder, &[base.as_str(), &added].concat());
    wait("the removed target's alert ends", SOON, || sink.count("resolved TargetDown dead") == 1);
    wait("the finding ends", SOON, || sink.count("resolved ConfigurationInvalid ") == 1);
    assert!(agent.log().contains("TargetDown dead is resolved: target removed"), "{}", agent.log());
    assert_eq!(agent.query("up{target=\"dead\"}"), [] as [f64; 0], "its series ended");
    assert_eq!(agent.json("/api/v1/targets").as_array().map(Vec::len), Some(2));
    wait_cycles(&agent, "cache", 2.0);
    assert_eq!(sink.alerts().len(), 4, "each was told once: {:?}", sink.alerts());
}

#[test]
fn neither_a_reload_nor_the_end_waits_for_a_server_that_hangs() {
    let folder = Folder::new();
    let hung = Faulty::begin("redis", Weather::Silent);
    let keys = "interval = \"20s\"\ndeadline = \"20s\"";
    let both = [hung.target("hung", keys), hung.target("hung-too", keys), sections(&["cache"], QUICK)].concat();
    let agent = Agent::begin(&folder, &both);
    wait("both hang", SOON, || hung.accepted() == 2);
    let began = Instant::now();
    agent.reload(&folder, &[hung.target("hung", keys), sections(&["cache"], QUICK)].concat());
    wait("it is gone", Duration::from_secs(3), || !agent.get("/api/v1/targets").contains("hung-too"));
    wait("the reload is done", Duration::from_secs(3), || agent.log().contains("the configuration was reloaded"));
    assert!(began.elapsed() < Duration::from_secs(3));
    let (ended, took, log) = agent.stop();
    assert!(ended.success() && took < Duration::from_secs(5), "{ended} after {took:?}\n{log}");
}

#[test]
fn a_second_agent_on_the_same_state_is_refused() {
    let folder = Folder::new();
    let agent = Agent::begin(&folder, &sections(&["cache"], QUICK));
    let other = Folder::new();
    let config = configure(&other, &folder.0.join("state"), free_port(), &sections(&["cache"], ""));
    let (code, output, errors) = run(&["run", "--config", &config.display().to_string()], &[]);
    let expected = format!(
        "error: another agent uses the state folder {} [state-01]\ndetail: Its process id is {}.\n\
         hint: Stop it, or give this one a state_dir of its own in [agent].\n",
        folder.0.join("state").display(),
        agent.pid()
    );
    assert_eq!((code, output.as_str(), errors), (2, "", expected));
    wait_cycles(&agent, "cache", 2.0);
}

#[test]
fn the_service_manager_hears_of_readiness_life_and_end() {
    let folder = Folder::new();
    let path = folder.0.join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_nonblocking(true).expect("it does not block");
    let environment = [("NOTIFY_SOCKET", path.to_str().expect("text")), ("WATCHDOG_USEC", "400000")];
    let config = sections(&["cache"], QUICK);
    let mut heard: Vec<String> = Vec::new();
    let mut hear = || {
        let mut bytes = [0; 256];
        while let Ok(count) = manager.recv(&mut bytes) {
            heard.push(String::from_utf8_lossy(&bytes[..count]).into_owned());
        }
        heard.join(" ")
    };
    let agent = Agent::begin_with(&folder, &folder.0.join("state"), &config, &environment);
    assert!(hear().starts_with("READY=1"), "{}", hear());
    wait("it says that it lives", SOON, || hear().starts_with("READY=1 WATCHDOG=1 WATCHDOG=1 WATCHDOG=1"));
    agent.reload(&folder, &config);
    wait("it says that it reloads", SOON, || hear().contains("RELOADING=1"));
    wait("it says that it has reloaded", SOON, || {
        let after = hear().split_once("RELOADING=1\nMONOTONIC_USEC=").map(|(_, after)| after.to_string());
        let (micros, after) = after.as_deref().and_then(|after| after.split_once(' ')).unwrap_or_default();
        micros.parse().is_ok_and(|micros: u64| micros > 0) && after.contains("READY=1")
    });
    let (ended, ..) = agent.stop();
    assert!(ended.success() && hear().ends_with("STOPPING=1"), "{}", hear());
}

#[test]
fn a_torn_log_is_cut_and_a_damaged_one_set_aside_and_both_are_told() {
    let (folder, sink) = (Folder::new(), Sink::begin());
    let state = folder.0.join("state");
    let agent = Agent::begin(&folder, &[&sink.config(), JUDGE, &sections(&["cache"], QUICK)].concat());
    let before = wait_cycles(&agent, "cache", 3.0);
    let (port, config) = (agent.port, agent.kill());
    let log = history_files(&state, ".log").pop().expect("a log");
    let file = OpenOptions::new().write(true).open(&log).expect("the log");
    let length = file.metadata().expect("its size").len();
    file.set_len(length - 7).expect("cut");
    let agent = Agent::start(config, port, &folder, &[]);
    assert!(agent.log().contains("bytes of an interrupted write were cut off the store's log"), "{}", agent.log());
    assert!(agent.metric("watchward_store_torn_bytes_total") > 0.0);
    assert!(cycles(&agent, "cache") >= before - 1.0, "the torn cycle is lost, and no other");
    assert_eq!(agent.firing(), [] as [&str; 0], "a cut is no damage");

    let before = wait_cycles(&agent, "cache", 3.0);
    let (port, config) = (agent.port, agent.kill());
    let log = history_files(&state, ".log").pop().expect("a log");
    let file = File::options().read(true).write(true).open(&log).expect("the log");
    let place = file.metadata().expect("its size").len() - 4000; // within a cycle, and not within the last one
    let mut byte = [0];
    file.read_exact_at(&mut byte, place).expect("a byte");
    file.write_all_at(&[byte[0] ^ 0x10], place).expect("another byte");
    let agent = Agent::start(config, port, &folder, &[]);
    wait("it is told", SOON, || sink.count("firing StoreDamaged ") == 1);
    let aside = history_files(&state, ".corrupt");
    let aside = aside.first().expect("a file set aside").display().to_string();
    let said = format!("{}{}", agent.log(), agent.get("/api/v1/findings"));
    assert_eq!(said.matches(&aside).count(), 2, "named in the log and in the finding: {said}");
    assert!(agent.metric("watchward_store_damaged_files_total") == 1.0);
    assert!(cycles(&agent, "cache") >= before - 2.0, "what is whole is read");
    wait_cycles(&agent, "cache", 2.0);
}

/// A small file system of the test's own; unmounted when dropped. `None` where only root may make one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Folder, size: &str) -> Option<SmallDisk> {
        let path = folder.0.join("disk");
        fs::create_dir(&path).expect("a folder");
        let options = format!("size={size}");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path).output();
        mount.ok().filter(|done| done.status.success()).map(|_| SmallDisk(path))
    }

    /// Takes all room that is left.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = File::create(&path).expect("a file");
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status(); // the test has ended either way
    }
}

#[test]
fn a_full_disk_stops_the_history_and_nothing_else() {
    let (folder, sink) = (Folder::new(), Sink::begin());
    let Some(disk) = SmallDisk::mount(&folder, "32m") else {
        println!("skipped: only root may mount the small disk that this fills");
        return;
    };
    let state = disk.0.join("state");
    let all = [&sink.config(), JUDGE, "[store]\nmin_free = \"1MiB\"\n", &sections(&["cache"], QUICK)].concat();
    let agent = Agent::begin_with(&folder, &state, &all, &[]);
    let before = wait_cycles(&agent, "cache", 2.0);
    let filler = disk.fill();
    wait("it is told", SOON, || sink.count("firing StoreNotWriting ") == 1);
    assert_eq!(agent.firing(), ["StoreNotWriting "]);
    let findings = agent.get("/api/v1/findings");
    assert!(findings.contains("no room left for") || findings.contains("of room left for"), "{findings}");
    wait_cycles(&agent, "cache", 3.0);
    assert_eq!(agent.target("cache")["up"], true);
    assert_eq!(agent.metric("watchward_store_writing"), 0.0);
    fs::remove_file(filler).expect("room again");
    wait("writing resumes", Duration::from_secs(75), || sink.count("resolved StoreNotWriting ") == 1);
    assert_eq!(agent.metric("watchward_store_writing"), 1.0);
    // What came while the disk was full was in memory; now it is on the disk.
    let whole = wait_cycles(&agent, "cache", 1.0);
    let agent = cut(agent, &folder);
    let after = cycles(&agent, "cache");
    assert!(whole > before + 4.0 && after >= whole - 1.0, "of {whole} cycles {after} are left");
    assert_eq!(sink.alerts().len(), 2, "{:?}", sink.alerts());
    drop(agent);
}
