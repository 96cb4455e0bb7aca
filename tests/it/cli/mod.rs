//! Tests of `src/cli`: what verbs print, and the program itself against an agent that says what the test wants.

mod ask;
mod codes;
mod manual;
mod discover;
mod grants;
mod import;
mod query;
mod reference;
mod reload;
mod sample;
mod service;
mod status;
mod table;
mod targets;
mod top;
mod whole;
mod token;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

/// A folder of its own for a test, gone at the end, with a configuration and room for a state_dir.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(path.join("state")).unwrap();
        let folder = Folder(path);
        folder.write("agent.toml", &format!("[agent]\nstate_dir = \"{}\"\n", folder.0.join("state").display()));
        folder
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How the program ended, and what it said. The test's folder is taken out of its words.
#[derive(Debug, PartialEq)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub fn run(folder: &Folder, arguments: &[&str]) -> Ended {
    let output = Command::new(env!("CARGO_BIN_EXE_watchward"))
        .args(arguments)
        .arg("--config")
        .arg(folder.0.join("agent.toml"))
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&folder.0.display().to_string(), "");
    Ended { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// Answers at the agent's socket: by path without its query, a status and a body. Ends with the test's process.
pub fn answer(folder: &Folder, answers: BTreeMap<&'static str, (u16, Value)>) {
    let listener = UnixListener::bind(folder.0.join("state/watchward.sock")).unwrap();
    let answers = Arc::new(answers);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let answers = answers.clone();
            std::thread::spawn(move || serve(&stream.unwrap(), &answers));
        }
    });
}

fn serve(stream: &UnixStream, answers: &BTreeMap<&'static str, (u16, Value)>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(first) = lines.next() {
        let _ = lines.by_ref().find(String::is_empty);
        let path = first.split(' ').nth(1).unwrap_or("");
        let nothing = (404, json!({ "error": { "code": "test", "what": format!("nothing at {path}") } }));
        let (status, body) = answers.get(path.split('?').next().unwrap_or("")).unwrap_or(&nothing);
        let body = body.to_string();
        let head =
            format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        let mut stream = stream;
        if stream.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

/// A target as the agent tells of it: `up`, `down` or `unread`.
pub fn target(tenant: &str, name: &str, state: &str) -> Value {
    let up = match state {
        "up" => json!(true),
        "down" => json!(false),
        _ => Value::Null,
    };
    let fault = json!({ "code": "net-01", "what": "cannot connect to db1:5432: it refused | so it is", "detail": "",
                        "hint": "Is the server running?" });
    json!({
        "tenant": tenant, "name": name, "engine": "host", "instance": "db1:5432", "up": up,
        "since": "2027-01-15T08:00:00.000Z", "last_cycle": "2027-01-15T08:00:59.000Z", "cycle_took_s": 0.0123,
        "interval_s": 15.0, "series": 117, "version": "15.4 (Debian 15.4-1)", "flavour": "", "role": "primary",
        "discovered": false, "fault": if state == "down" { fault } else { Value::Null }, "unknown_rows": [],
    })
}

/// An alert as the agent tells of it.
pub fn alert(to: &str, severity: &str, name: &str, target: &str) -> Value {
    json!({
        "tenant": "default", "rule": "r", "from": "pending", "to": to, "at": "2027-01-15T08:00:00.000Z",
        "since": "2027-01-15T07:58:00.000Z", "value": 1.0, "reason": "held for 2m", "discovered": false,
        "labels": { "alertname": name, "severity": severity, "target": target, "tenant": "default" },
        "annotations": { "summary": format!("{name} | on\n{target}") },
    })
}

/// Runs the program to its end: exit code, standard output, standard error.
fn program(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchward"));
    let output = command.args(arguments).stdin(Stdio::null()).output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}
