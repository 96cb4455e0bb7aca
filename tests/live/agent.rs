//! The agent as a user runs it: a process with a configuration of its own, asked over HTTP, told by signals.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::servers::servers;

/// A folder of a test's own, gone when the test ends well; kept for looking at when it fails.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("watchward-live-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for the test");
        Folder(path)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a file of the test");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// The part of the servers' own agent.toml that tells of these targets, with keys of the test's own added to each.
pub fn sections(names: &[&str], keys: &str) -> String {
    let text = fs::read_to_string(servers().value("WW_AGENT_CONFIG")).expect("the servers' configuration");
    let part = |name: &&str| {
        let named = |part: &&str| part.starts_with("[[target]]") && part.contains(&format!("name = \"{name}\"\n"));
        let part = text.split("\n\n").find(named).unwrap_or_else(|| panic!("no target {name} in agent.toml"));
        format!("{part}\n{keys}\n")
    };
    names.iter().map(part).collect()
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}

/// A running agent. It is killed when dropped.
pub struct Agent {
    child: Child,
    pub port: u16,
    pub config: PathBuf,
    log: PathBuf,
}

impl Agent {
    /// Starts an agent whose configuration is `sections` after `[agent]` and `[serve]`, and waits until it is ready.
    pub fn begin(folder: &Folder, sections: &str) -> Agent {
        Agent::begin_with(folder, &folder.0.join("state"), sections, &[])
    }

    pub fn begin_with(folder: &Folder, state_dir: &Path, sections: &str, environment: &[(&str, &str)]) -> Agent {
        let port = free_port();
        let config = configure(folder, state_dir, port, sections);
        Agent::start(config, port, folder, environment)
    }

    /// Starts once more with a configuration that is there, as after a crash.
    pub fn start(config: PathBuf, port: u16, folder: &Folder, environment: &[(&str, &str)]) -> Agent {
        Agent::start_with(&[], config, port, folder, environment)
    }

    /// As `begin`, saying all that it can say.
    pub fn begin_loud(folder: &Folder, sections: &str, environment: &[(&str, &str)]) -> Agent {
        let port = free_port();
        let config = configure(folder, &folder.0.join("state"), port, sections);
        Agent::start_with(&["--verbose"], config, port, folder, environment)
    }

    pub fn start_with(
        flags: &[&str],
        config: PathBuf,
        port: u16,
        folder: &Folder,
        environment: &[(&str, &str)],
    ) -> Agent {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let log = folder.0.join(format!("agent-{}.log", NEXT.fetch_add(1, Ordering::Relaxed)));
        let child = Command::new(env!("CARGO_BIN_EXE_watchward"))
            .args(["run", "--config"])
            .arg(&config)
            .args(flags)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(&log).expect("a log"))
            .stderr(File::options().append(true).open(&log).expect("a log"))
            .spawn()
            .expect("the agent starts");
        let mut agent = Agent { child, port, config, log };
        wait("the agent is ready", Duration::from_secs(30), || {
            assert!(agent.child.try_wait().expect("its state").is_none(), "the agent ended:\n{}", agent.log());
            agent.try_get("/readyz").is_some_and(|(status, _)| status == 200)
        });
        agent
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Rewrites the configuration, and tells the agent to read it.
    pub fn reload(&self, folder: &Folder, sections: &str) {
        configure(folder, &folder.0.join("state"), self.port, sections);
        self.signal("HUP");
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(sent.expect("kill").success());
    }

    /// Ends it as a service manager does, and says how long that took.
    pub fn stop(mut self) -> (ExitStatus, Duration, String) {
        let began = Instant::now();
        self.signal("TERM");
        wait("the agent ends", Duration::from_secs(10), || self.child.try_wait().expect("its state").is_some());
        (self.child.wait().expect("its end"), began.elapsed(), self.log())
    }

    /// Ends it as a power cut does.
    pub fn kill(mut self) -> PathBuf {
        self.child.kill().expect("kill -9");
        self.child.wait().expect("its end");
        self.config.clone()
    }

    pub fn try_get(&self, path: &str) -> Option<(u16, String)> {
        get(self.port, path)
    }

    pub fn get(&self, path: &str) -> String {
        let (status, body) = self.try_get(path).unwrap_or_else(|| panic!("no answer to {path}:\n{}", self.log()));
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path)).expect("JSON")
    }

    /// One target's status.
    pub fn target(&self, name: &str) -> Value {
        let targets = self.json("/api/v1/targets");
        let found = targets.as_array().and_then(|all| all.iter().find(|one| one["name"] == name).cloned());
        found.unwrap_or_else(|| panic!("no target {name} in {targets}"))
    }

    /// Waits until a target's `up` is this, and returns its status.
    pub fn wait_up(&self, name: &str, up: bool, limit: Duration) -> Value {
        wait(&format!("{name} has up {up}"), limit, || self.target(name)["up"] == up);
        self.target(name)
    }

    /// The values of an instant query.
    pub fn query(&self, expression: &str) -> Vec<f64> {
        self.ask(expression).iter().map(|one| number(&one["value"])).collect()
    }

    /// All samples of a range selector, those of all series together.
    pub fn samples(&self, selector: &str) -> Vec<f64> {
        let series = self.ask(selector);
        series.iter().flat_map(|one| one["values"].as_array().into_iter().flatten().map(number)).collect()
    }

    pub fn ask(&self, expression: &str) -> Vec<Value> {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = self.json(&format!("/api/v1/query?query={encoded}"));
        answer["data"]["result"].as_array().cloned().unwrap_or_default()
    }

    /// The value of one line of `/metrics`: the name with its labels as they stand there; 0 where there is none yet.
    pub fn metric(&self, line: &str) -> f64 {
        let text = self.get("/metrics");
        text.lines().find_map(|one| one.strip_prefix(line)?.strip_prefix(' ')?.parse().ok()).unwrap_or(0.0)
    }

    /// The alerts that fire, as `name target`.
    pub fn firing(&self) -> Vec<String> {
        let alerts = self.json("/api/v1/alerts");
        let fires = alerts.as_array().into_iter().flatten().filter(|alert| alert["to"] == "firing");
        let text = |value: &Value| value.as_str().unwrap_or("").to_string();
        fires
            .map(|alert| format!("{} {}", text(&alert["labels"]["alertname"]), text(&alert["labels"]["target"])))
            .collect()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended already
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the agent's log:\n{}", self.log());
        }
    }
}

/// The value of a sample `[time, "value"]`.
fn number(sample: &Value) -> f64 {
    sample[1].as_str().unwrap_or("").parse().unwrap_or(f64::NAN)
}

/// Writes a configuration file.
pub fn configure(folder: &Folder, state_dir: &Path, port: u16, sections: &str) -> PathBuf {
    let text = format!(
        "[agent]\nname = \"test\"\nstate_dir = \"{}\"\n[serve]\nlisten = \"127.0.0.1:{port}\"\n{sections}\n",
        state_dir.display()
    );
    folder.write("agent.toml", &text)
}

/// Runs the program with these arguments to its end: exit code, standard output, standard error.
pub fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_watchward"))
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Asks by HTTP; `None` where nobody answers.
pub fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n").ok()?;
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Some((status, if chunked { unchunked(body) } else { body.to_string() }))
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || rest.len() < size {
            break;
        }
        whole.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    whole
}

/// Waits until something is so; the test ends when it takes too long.
pub fn wait(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < limit, "not within {} s: {what}", limit.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}
