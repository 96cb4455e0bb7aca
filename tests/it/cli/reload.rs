//! SIGHUP with a configuration that is no good, in every way that a file can be: the old one stays in force, the agent
//! goes on, and a finding says why.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::cli::Folder;
use crate::cli::whole::{Agent, json, sidecar, wait};

/// The evidence of the one finding about the configuration; empty where there is none.
fn finding(folder: &Folder) -> String {
    let mut socket = std::os::unix::net::UnixStream::connect(folder.0.join("state/watchward.sock")).unwrap();
    let question = "GET /api/v1/findings HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    std::io::Write::write_all(&mut socket, question.as_bytes()).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut socket, &mut text).unwrap();
    let body = text.split_once("\r\n\r\n").unwrap().1;
    let body = body.get(body.find('[').unwrap()..=body.rfind(']').unwrap()).unwrap();
    let all: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}"));
    let its = all.as_array().unwrap().iter().find(|one| one["kind"] == "ConfigurationInvalid");
    its.map_or(String::new(), |one| one.to_string().replace(&folder.0.display().to_string(), ""))
}

fn wait_finding(folder: &Folder, is_good: impl Fn(&str) -> bool) {
    for _ in 0..400 {
        if is_good(&finding(folder)) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("the finding is: {}", finding(folder));
}

#[test]
fn a_reload_of_what_is_no_configuration_changes_nothing_and_says_why() {
    let folder = sidecar();
    let path = folder.0.join("agent.toml");
    let good = fs::read_to_string(&path).unwrap();
    let agent = Agent::start(&folder, &[], false);
    wait(&folder, &["status"], |ended| ended.out.starts_with("WATCHWARD OK - 1 target up"));
    let remove = || drop(fs::remove_file(&path));
    let put = |bytes: &[u8]| {
        remove();
        fs::write(&path, bytes).unwrap();
    };
    let check = |words: &str| {
        agent.signal("HUP");
        wait_finding(&folder, |seen| seen.contains(words));
        put(good.as_bytes());
        agent.signal("HUP");
        wait_finding(&folder, str::is_empty);
    };
    let deep = format!("x = {}", "[".repeat(100_000));
    let dotted = format!("{} = 1", vec!["a"; 100_000].join("."));
    let many: String = (0..5000).map(|at| format!("k{at} = 1\n")).collect();
    let large = vec![b'#'; 5 << 20];
    let contents: [(&[u8], &str); 8] = [
        (b"[agent]\nname = \"a\0b\"\n", "this is not TOML: invalid basic string"),
        (b"[agent]\nname = \"\xff\"\n", "it is not UTF-8 text, in line 2"),
        (b"[agent]\rname = 1\n", "carriage return must be followed by newline"),
        (&large, "it is larger than 4194304 bytes"),
        (deep.as_bytes(), "max recursion depth met"),
        (dotted.as_bytes(), "recursion limit"),
        (many.as_bytes(), "unknown key 'k0'"),
        (b"[agent]\nenvironment = \"x\"\n[environment.y]\n", "unknown environment 'x'"),
    ];
    for (bytes, words) in contents {
        put(bytes);
        check(words);
    }
    for (to, words) in [
        (path.as_path(), "Too many levels of symbolic links"),
        (Path::new("/nowhere"), "No such file or directory"),
        (&folder.0, "Is a directory"),
    ] {
        remove();
        symlink(to, &path).unwrap();
        check(words);
    }
    remove();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    check("it is a pipe, not a file");
    put(&[b"\xef\xbb\xbf", good.replace('\n', "\r\n").as_bytes()].concat()); // as an editor on Windows saves it
    agent.signal("HUP");
    let status = wait(&folder, &["status", "--json"], |ended| ended.code == 0);
    assert_eq!(json(&status)["targets"][0]["name"], "node");
    let log = agent.stop();
    assert!(log.contains("the new configuration is not used:\n") && !log.contains("panic"), "{log}");
    let longest = log.lines().map(str::len).max().unwrap_or(0);
    assert!(longest < 1000 && log.len() < 100_000, "the log has {} bytes, a line of it {longest}", log.len());
}
