//! The exit code of every verb: without an agent, with one that refuses, with one that answers nonsense or not at all,
//! and when nobody reads the answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::cli::manual::verbs;
use crate::cli::{Ended, Folder, alert, answer, run, target};

/// Verbs that ask the running agent, as they are typed.
const ASKING: &[&str] = &[
    "status",
    "targets",
    "top",
    "query up",
    "policy list",
    "policy run p",
    "policy arm p",
    "policy disarm p",
    "policy stop",
    "policy start",
    "journal",
    "journal show 1",
    "journal undo 1",
    "journal close 1",
    "token create --tenant * --role viewer",
    "token list",
    "token revoke 0123456789",
];

/// Verbs that need no agent.
const ALONE: &[&str] = &[
    "check-config",
    "rules",
    "grants redis",
    "completions bash",
    "discover",
    "import postgres_exporter tests/fixtures/queries.yaml",
];

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// The verb refused, and said why where its kind says it: `status` as a plug-in.
fn check(folder: &Folder, line: &str, code: i32, told: &str) {
    let Ended { code: seen, out, err } = run(folder, &words(line));
    let (code, expected) = match line {
        "status" => (3, (format!("WATCHWARD UNKNOWN - {told}\n"), String::new())),
        _ => (code, (String::new(), format!("error: {told}\n"))),
    };
    assert_eq!((seen, (out, err)), (code, expected), "{line}");
}

#[test]
fn every_verb_is_in_these_tables() {
    // `sample` asks a server itself; its codes are with its own tests.
    let leaves = |verb: &String| !["policy", "token", "run", "sample"].contains(&verb.as_str());
    let all: BTreeSet<String> = verbs().into_iter().filter(leaves).collect();
    let known = ASKING.iter().chain(ALONE).map(|line| {
        let mut names = words(line);
        while !all.contains(&names.join(" ")) {
            names.pop().unwrap_or_else(|| panic!("no verb in '{line}'"));
        }
        names.join(" ")
    });
    assert_eq!(known.collect::<BTreeSet<_>>(), all);
}

#[test]
fn without_an_agent_it_is_3_for_those_that_ask_and_0_for_the_others() {
    let folder = Folder::new();
    let told = "no agent answers: cannot connect to /state/watchward.sock: No such file or directory (os error 2) \
                [cli-05]\nhint: Is it running (`systemctl status watchward`) with this configuration (--config), as \
                this user or root?";
    for line in ASKING {
        check(&folder, line, 3, told);
    }
    for line in ALONE {
        let Ended { code, out, err } = run(&folder, &words(line));
        assert!(code == 0 && !out.is_empty() && err.is_empty(), "{line}: {code} {err}");
    }
}

#[test]
fn what_the_agent_refuses_is_2_in_its_own_words() {
    let folder = Folder::new();
    let fault = json!({ "error": { "code": "serve-20", "what": "no", "detail": "Not you.", "hint": "Ask root." } });
    let paths = [
        "/api/v1/targets",
        "/api/v1/query",
        "/api/v1/policies",
        "/api/v1/policies/p/run",
        "/api/v1/policies/p/arm",
        "/api/v1/policies/p/disarm",
        "/api/v1/actions/stop",
        "/api/v1/actions/start",
        "/api/v1/journal",
        "/api/v1/journal/1",
        "/api/v1/journal/1/undo",
        "/api/v1/journal/1/close",
        "/api/v1/tokens",
        "/api/v1/tokens/0123456789",
    ];
    answer(&folder, paths.into_iter().map(|path| (path, (403, fault.clone()))).collect());
    for line in ASKING {
        check(&folder, line, 2, "no [serve-20]\ndetail: Not you.\nhint: Ask root.");
    }
}

#[test]
fn an_error_without_words_is_told_by_its_number() {
    let folder = Folder::new();
    answer(&folder, BTreeMap::from([("/api/v1/targets", (503, json!({})))]));
    for line in ["status", "targets", "top"] {
        check(&folder, line, 3, "the agent answered 503 to /api/v1/targets [cli-03]");
    }
}

/// Something else at the agent's socket: what it does with whoever comes.
fn something_else(folder: &Folder, does: fn(UnixStream)) {
    let listener = UnixListener::bind(folder.0.join("state/watchward.sock")).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(|stream| does(stream.unwrap())));
}

#[test]
fn an_answer_that_is_none_is_told() {
    let folder = Folder::new();
    something_else(&folder, |mut stream| {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
        let _ = lines.find(String::is_empty);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").unwrap();
    });
    let told = "the agent's answer to /api/v1/targets is not JSON: expected value at line 1 column 1 [cli-04]";
    check(&folder, "status", 3, told);
    check(&folder, "targets", 3, told);
}

#[test]
fn an_agent_that_hangs_is_not_waited_for_without_end() {
    let folder = Folder::new();
    something_else(&folder, std::mem::forget); // it stays open until the test's process ends
    check(&folder, "targets", 3, "the agent does not answer within 10 s [cli-02]");
}

fn with_output(folder: &Folder, line: &str, out: impl Into<Stdio>) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_watchward"))
        .args(words(line))
        .arg("--config")
        .arg(folder.0.join("agent.toml"))
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// An agent that answers those that ask for what they need most.
fn answering() -> Folder {
    let folder = Folder::new();
    let empty = json!({ "status": "success", "data": { "resultType": "vector", "result": [] } });
    let answers = [
        ("/api/v1/targets", json!([target("default", "orders", "up")])),
        ("/api/v1/alerts", json!([alert("firing", "warning", "Slow", "orders")])),
        ("/api/v1/query", empty),
        ("/api/v1/policies", json!({ "policies": [] })),
        ("/api/v1/journal", json!([])),
        ("/api/v1/tokens", json!([])),
    ];
    answer(&folder, answers.into_iter().map(|(path, body)| (path, (200, body))).collect());
    folder
}

const ANSWERED: &[&str] =
    &["status", "targets", "top", "top --count 100", "query up --json", "policy list", "journal", "token list"];

#[test]
fn whoever_stops_reading_is_no_fault_of_the_verb_s() {
    let folder = answering();
    for line in ANSWERED.iter().chain(ALONE) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let code = if *line == "status" { 1 } else { 0 };
        assert_eq!(with_output(&folder, line, writer), (Some(code), String::new()), "{line}");
    }
}

#[test]
fn an_answer_without_room_is_3() {
    let folder = answering();
    let told = "error: the answer cannot be written: No space left on device (os error 28) [cli-09]\n";
    for line in ANSWERED.iter().chain(ALONE) {
        let full = File::options().write(true).open("/dev/full").unwrap();
        assert_eq!(with_output(&folder, line, full), (Some(3), told.to_string()), "{line}");
    }
}
