//! The unit before systemd's own judges, and a whole agent under the limits that the unit sets: its user's, its view of
//! the file system, its system calls. systemd itself is not the first process here.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::agent::{Agent, Folder, configure, free_port, run, sections, wait};

const PROGRAM: &str = env!("CARGO_BIN_EXE_watchward");
/// Behind a shell's command that stays: it runs until the shell's standard input ends, be it with the test.
const UNTIL_TOLD: &str = "& running=$!; read -r _; kill -TERM $running; wait $running";
/// Debian's `nobody` and `nogroup`.
const NOBODY: u32 = 65534;
const EVERY_ENGINE: [&str; 6] = ["orders", "cache", "documents-1", "visits", "search", "this-host"];

fn analyze(arguments: &[&str]) -> (i32, String) {
    let output = Command::new("systemd-analyze").args(arguments).arg("--no-pager").output();
    let output = output.expect("systemd-analyze, which tests/servers/up installs");
    let words = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.code().unwrap_or(-1), words)
}

fn unit() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/watchward.service");
    fs::read_to_string(path).expect("the unit")
}

#[test]
fn systemd_finds_no_fault_in_the_unit_and_little_exposure() {
    let folder = Folder::new();
    let path = folder.write("watchward.service", &unit().replace("/usr/bin/watchward", PROGRAM));
    let path = path.to_str().expect("text");
    assert_eq!(analyze(&["verify", path]), (0, String::new()));
    // Tenths: 2.1 of 10, of which 0.4 is for a call that asks the clock, and that could set it if there were a capability.
    let (code, words) = analyze(&["security", "--offline=yes", "--threshold=21", path]);
    assert_eq!(code, 0, "{words}");
    let broken = folder.write("broken.service", &unit().replace("/usr/bin/watchward", "/nowhere/watchward"));
    let (_, words) = analyze(&["verify", broken.to_str().expect("text")]);
    assert!(words.contains("/nowhere/watchward is not executable"), "verify looks at nothing: {words}");
}

/// The system calls of a set, and of the sets in it; or the call of that name.
fn calls_of(set: &str) -> BTreeSet<String> {
    if !set.starts_with('@') {
        return [set.to_string()].into();
    }
    let (code, words) = analyze(&["syscall-filter", set]);
    assert_eq!(code, 0, "{words}");
    let names = words.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    names.flat_map(calls_of).collect()
}

/// What the unit's lines of `SystemCallFilter` allow, in their order.
fn allowed() -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    for line in unit().lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        match line.strip_prefix('~') {
            Some(sets) => {
                let denied: BTreeSet<String> = sets.split(' ').flat_map(calls_of).collect();
                allowed.retain(|call| !denied.contains(call));
            }
            None => allowed.extend(line.split(' ').flat_map(calls_of)),
        }
    }
    allowed
}

#[test]
fn a_run_over_every_engine_makes_no_system_call_that_the_unit_forbids() {
    let (folder, port) = (Folder::new(), free_port());
    let config = configure(&folder, &folder.0.join("state"), port, &sections(&EVERY_ENGINE, "interval = \"5s\""));
    let trace = folder.0.join("trace");
    let mut traced = Command::new("strace")
        .args(["-f", "-qq", "-o"])
        .arg(&trace)
        .args(["sh", "-c", &format!("{PROGRAM} run --config {} {UNTIL_TOLD}", config.display())])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("strace, which tests/servers/up installs");
    let config = config.to_str().expect("text");
    wait("all are up", Duration::from_secs(180), || {
        let (_, out, _) = run(&["status", "--json", "--config", config], &[]);
        let said: Value = serde_json::from_str(&out).unwrap_or_default();
        let targets = said["targets"].as_array().cloned().unwrap_or_default();
        targets.len() == EVERY_ENGINE.len() && targets.iter().all(|target| target["up"] == true)
    });
    drop(traced.stdin.take());
    traced.wait().expect("its end");
    let allowed = allowed();
    let text = fs::read_to_string(&trace).expect("the trace");
    let name = |line: &str| {
        let (_, call) = line.trim_start().split_once(' ')?;
        let call = call.trim_start().strip_prefix("<... ").unwrap_or(call.trim_start());
        let name = call.split(['(', ' ']).next()?;
        name.starts_with(|one: char| one.is_ascii_lowercase()).then(|| name.to_string())
    };
    let made: BTreeSet<String> = text.lines().filter_map(name).collect();
    let forbidden: Vec<&String> = made.difference(&allowed).collect();
    assert!(made.len() > 40 && forbidden.is_empty(), "of {} calls these are forbidden: {forbidden:?}", made.len());
}

#[test]
fn another_user_without_capabilities_watches_all_on_a_file_system_it_may_only_read() {
    let (folder, port) = (Folder::new(), free_port());
    let state = folder.0.join("state");
    fs::create_dir(&state).expect("a folder");
    chown(&state, Some(NOBODY), Some(NOBODY)).expect("these tests run as root");
    let program = folder.0.join("watchward"); // where anybody may execute it
    fs::copy(PROGRAM, &program).expect("a copy");
    let config =
        configure(&folder, &state, port, "[[target]]\nname = \"this-host\"\nengine = \"host\"\ninterval = \"1s\"");
    let inside = format!(
        "mount --bind {0} {0} && mount -o remount,ro,bind / && ! touch /etc/watchward-was-here 2>/dev/null && \
         setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \
         {1} run --config {2} {UNTIL_TOLD}",
        state.display(),
        program.display(),
        config.display()
    );
    let mut agent =
        Command::new("unshare").args(["--mount", "sh", "-c", &inside]).stdin(Stdio::piped()).spawn().expect("unshare");
    let config = config.to_str().expect("text");
    let ask = |arguments: &[&str]| {
        let (_, out, _) = run(&[arguments, &["--json", "--config", config]].concat(), &[]);
        serde_json::from_str::<Value>(&out).unwrap_or_default()
    };
    wait("it is up", Duration::from_secs(90), || ask(&["targets"])[0]["up"] == true);
    let read_only = ask(&["query", "node_filesystem_readonly{mountpoint=\"/\"}"]);
    assert_eq!(read_only["series"][0]["samples"][0]["value"], 0.0, "what it may not write others may: {read_only}");
    let sizes = ask(&["query", "count(node_filesystem_size_bytes > 0) and count(node_procs_running)"]);
    assert!(sizes["series"][0]["samples"][0]["value"].as_f64() > Some(0.0), "{sizes}");
    wait("every row is read", Duration::from_secs(30), || {
        ask(&["targets"])[0]["unknown_rows"] == serde_json::json!([])
    });
    drop(agent.stdin.take());
    agent.wait().expect("its end");
}

#[test]
fn top_has_a_figure_of_every_engine_s_load() {
    let folder = Folder::new();
    let agent = Agent::begin(&folder, &sections(&EVERY_ENGINE, "interval = \"1s\""));
    let config = agent.config.to_str().expect("text").to_string();
    let mut seen = Value::Null;
    let is_there = |seen: &Value, target: &str, figure: &str| {
        let targets = seen["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
        targets.iter().any(|one| one["target"] == target && one["figures"][figure].is_f64())
    };
    let expected = [
        ("orders", "operations"),
        ("orders", "connection_count"),
        ("cache", "operations"),
        ("cache", "lag"),
        ("documents-1", "operations"),
        ("documents-1", "lag"),
        ("visits", "operations"),
        ("search", "operations"),
        ("this-host", "cpu_usage"),
    ];
    for _ in 0..120 {
        let (_, out, _) = run(&["top", "--json", "--config", &config], &[]);
        seen = serde_json::from_str(&out).unwrap_or_default();
        if expected.iter().all(|(target, figure)| is_there(&seen, target, figure)) {
            return;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    let missing: Vec<_> = expected.iter().filter(|(target, figure)| !is_there(&seen, target, figure)).collect();
    panic!("{missing:?} are missing: {seen}");
}
