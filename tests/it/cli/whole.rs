//! The program as a whole: an agent that watches a recorded host, asked by every verb, and what its log looks like.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::cli::{Ended, Folder, run};

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/node_exporter/collector/fixtures/proc");

/// An agent of a folder's configuration; killed when dropped.
pub struct Agent {
    child: Child,
    log: PathBuf,
}

impl Agent {
    /// Starts it with these arguments; `to_journal` tells it that its standard error is the journal.
    pub fn start(folder: &Folder, arguments: &[&str], to_journal: bool) -> Agent {
        let log = folder.write("log", "");
        let seen = fs::metadata(&log).unwrap();
        let stream = if to_journal { format!("{}:{}", seen.dev(), seen.ino()) } else { "1:1".to_string() };
        let child = Command::new(env!("CARGO_BIN_EXE_watchward"))
            .args(["run", "--config"])
            .arg(folder.0.join("agent.toml"))
            .args(arguments)
            .env("JOURNAL_STREAM", stream)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::options().append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        Agent { child, log }
    }

    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Ends it, and gives its log.
    pub fn stop(mut self) -> String {
        self.signal("TERM");
        assert!(self.child.wait().unwrap().success());
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder whose agent watches a host below `root`: a sidecar's, here a recorded one where it is at hand.
pub fn sidecar() -> Folder {
    let folder = Folder::new();
    let root = folder.0.join("host");
    fs::create_dir_all(&root).unwrap();
    if Path::new(RECORDED).is_dir() {
        fs::create_dir_all(root.join("proc/1")).unwrap();
        for entry in fs::read_dir(RECORDED).unwrap().flatten().filter(|entry| entry.file_name() != "1") {
            std::os::unix::fs::symlink(entry.path(), root.join("proc").join(entry.file_name())).unwrap();
        }
        folder.write("host/proc/1/mounts", "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /not/in/the/pod ext4 rw 0 0\n");
    } else {
        std::os::unix::fs::symlink("/proc", root.join("proc")).unwrap();
    }
    let text = format!(
        "[agent]\nname = \"orders-0\"\nstate_dir = \"{}\"\n[serve]\nlisten = \"127.0.0.1:0\"\n[store]\nmin_free = \"1%\"\n[judge]\nbuiltin_rules = false\n\
         [[target]]\nname = \"node\"\nengine = \"host\"\nroot = \"{}\"\ninterval = \"1s\"\n",
        folder.0.join("state").display(),
        root.display()
    );
    folder.write("agent.toml", &text);
    folder
}

/// Asks until it is as wanted.
pub fn wait(folder: &Folder, arguments: &[&str], is_good: impl Fn(&Ended) -> bool) -> Ended {
    let mut last = None;
    for _ in 0..600 {
        let ended = run(folder, arguments);
        if is_good(&ended) {
            return ended;
        }
        last = Some(ended);
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{arguments:?}: {last:?}");
}

pub fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// What times are called in the answers.
const TIMES: [&str; 7] = ["at", "since", "last_cycle", "created", "expires", "last_used", "begun"];

/// Every text that looks like a time is RFC 3339 in UTC, and no number is one.
fn check_times(value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                assert!(!name.ends_with("_ms"), "{name}: {value}");
                let is_time = TIMES.contains(&name.as_str());
                if let (true, Some(text)) = (is_time, value.as_str()) {
                    assert!(text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok(), "{name}: {text}");
                }
                assert!(!is_time || value.is_string() || value.is_null(), "{name}: {value}");
                check_times(value);
            }
        }
        Value::Array(items) => items.iter().for_each(check_times),
        _ => {}
    }
}

#[test]
fn every_verb_asks_a_real_agent_of_a_sidecar_s_root() {
    let folder = sidecar();
    let agent = Agent::start(&folder, &["--log", "json"], false);
    let status = wait(&folder, &["status"], |ended| ended.out.starts_with("WATCHWARD OK - 1 target up"));
    assert_eq!(status.code, 0, "{status:?}");
    let targets = json(&run(&folder, &["targets", "--json"]));
    assert_eq!((&targets[0]["name"], &targets[0]["up"]), (&"node".into(), &true.into()));
    let load = json(&run(&folder, &["query", "node_load1", "--json"]));
    assert_eq!((&load["type"], load["series"].as_array().map(Vec::len)), (&"vector".into(), Some(1)), "{load}");
    if Path::new(RECORDED).is_dir() {
        assert_eq!(load["series"][0]["samples"][0]["value"], 0.21, "as it was recorded");
    }
    let range = json(&run(&folder, &["query", "up", "--range", "1m", "--step", "1s", "--json"]));
    assert!(range["series"][0]["samples"].as_array().is_some_and(|all| !all.is_empty()), "{range}");
    let top = json(&run(&folder, &["top", "--json"]));
    assert!(top["targets"][0]["figures"]["disk_usage"].is_f64(), "{top}");
    let status = json(&run(&folder, &["status", "--json"]));
    let token =
        json(&run(&folder, &["token", "create", "--tenant", "*", "--role", "viewer", "--expires", "90d", "--json"]));
    let tokens = json(&run(&folder, &["token", "list", "--json"]));
    assert!(token["expires"].is_string() && tokens[0]["created"].is_string(), "{token} {tokens}");
    let stopped = json(&run(&folder, &["policy", "stop", "--json"]));
    let policies = json(&run(&folder, &["policy", "list", "--json"]));
    assert!(policies["stopped"]["at"].is_string(), "{policies}");
    let journal = json(&run(&folder, &["journal", "--json"]));
    let all = [&targets, &load, &range, &top, &status, &token, &tokens, &stopped, &policies, &journal];
    all.into_iter().for_each(check_times);
    let wrong = run(&folder, &["query", "up +"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");

    for line in agent.stop().lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let fields: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, ["fields", "level", "message", "target", "ts"]);
        let ts = line["ts"].as_str().unwrap();
        assert!(ts.ends_with('Z') && ts.parse::<jiff::Timestamp>().is_ok(), "{ts}");
    }
}

#[test]
fn the_rules_are_the_same_as_a_rule_file_and_as_json() {
    let folder = Folder::new();
    let file: Value = serde_norway::from_str(&run(&folder, &["rules"]).out).unwrap();
    let same = json(&run(&folder, &["rules", "--json"]));
    assert!(same["groups"].as_array().is_some_and(|groups| !groups.is_empty()), "{same}");
    assert_eq!(same, file);
}

#[test]
fn the_journal_gets_priorities_also_for_what_stops_the_start() {
    let folder = sidecar();
    let agent = Agent::start(&folder, &[], true);
    wait(&folder, &["status"], |ended| ended.code != 3);
    let log = agent.stop();
    assert!(log.starts_with("<6>watching 1 target") && log.ends_with("<6>stopping\n"), "{log}");
    assert!(log.lines().all(|line| line.starts_with('<') && line.as_bytes()[2] == b'>'), "{log}");

    folder.write("agent.toml", "[agent]\nlogg = 1\n");
    let mut agent = Agent::start(&folder, &[], true);
    assert_eq!(agent.child.wait().unwrap().code(), Some(2));
    let log = fs::read_to_string(&agent.log).unwrap().replace(&folder.0.display().to_string(), "");
    assert!(log.starts_with("<3>/agent.toml:2:1: unknown key 'logg'"), "{log}");
    assert!(
        log.lines().all(|line| line.starts_with("<3>")) && log.ends_with("<3>1 problem; nothing was started\n"),
        "{log}"
    );
}

#[test]
fn the_configuration_says_how_the_log_looks_and_the_flag_comes_first() {
    let folder = sidecar();
    let text = fs::read_to_string(folder.0.join("agent.toml")).unwrap();
    folder.write("agent.toml", &text.replace("[agent]\n", "[agent]\nlog = \"json\"\nlog_level = \"error\"\n"));
    let agent = Agent::start(&folder, &["--verbose", "--log", "text"], false);
    wait(&folder, &["status"], |ended| ended.code != 3);
    let log = agent.stop();
    assert!(log.contains("Z  INFO watching 1 target"), "{log}");
    let agent = Agent::start(&folder, &[], false);
    wait(&folder, &["status"], |ended| ended.code != 3);
    assert_eq!(agent.stop(), "", "nothing went wrong");
}

/// Whether a process that ends by this has its memory written to a core, with limits that allow it.
fn dumps_core(folder: &Folder, script: &str, is_up: impl Fn()) -> bool {
    let program = format!("ulimit -c unlimited; exec {script}");
    let mut child = Command::new("bash")
        .args(["-c", &program])
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    is_up();
    assert!(Command::new("kill").args(["-s", "ABRT", &child.id().to_string()]).status().unwrap().success());
    let ended = child.wait().unwrap();
    assert_eq!(ended.signal(), Some(6), "{ended}");
    ended.core_dumped()
}

#[test]
fn the_agents_memory_with_its_passwords_is_not_dumped() {
    let folder = sidecar();
    if !dumps_core(&folder, "sleep 60", || std::thread::sleep(Duration::from_millis(200))) {
        return println!("skipped: this machine dumps no cores");
    }
    let script = format!("{} run --config agent.toml", env!("CARGO_BIN_EXE_watchward"));
    let up = || drop(wait(&folder, &["status"], |ended| ended.code == 0));
    assert!(!dumps_core(&folder, &script, up));
}
