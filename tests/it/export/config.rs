//! The section `[export.otlp]`: what it reads, and every mistake in its exact words.

use std::path::PathBuf;
use std::time::Duration;

use watchward::config::{self, Surroundings};

fn read(keys: &str) -> Result<watchward::config::Loaded, String> {
    let here = Surroundings { host_name: "db-host-1".to_string(), state_dir: PathBuf::from("/var/lib/watchward") };
    let problems = |all: Vec<watchward::config::problem::Problem>| {
        all.iter().map(|one| one.to_string().replace('\n', " | ")).collect::<Vec<_>>().join(" || ")
    };
    config::read("agent.toml", &format!("[export.otlp]\n{keys}\n"), &here).map_err(problems)
}

fn check(keys: &str, expected: &str) {
    assert_eq!(read(keys).err().unwrap_or_default(), expected, "\n--- of ---\n{keys}");
}

#[test]
fn nothing_is_pushed_without_it() {
    let here = Surroundings { host_name: "h".to_string(), state_dir: PathBuf::from("/x") };
    let loaded = config::read("agent.toml", "", &here).expect("sound");
    assert_eq!(loaded.configuration.export.otlp, None);
}

#[test]
fn an_endpoint_is_enough() {
    let otlp = read("endpoint = \"http://127.0.0.1:4318\"").expect("sound").configuration.export.otlp.expect("given");
    assert_eq!((otlp.interval, otlp.timeout), (Duration::from_secs(15), Duration::from_secs(10)));
    assert_eq!(otlp.queue_bytes_max, 8 << 20);
    assert!(otlp.traces && !otlp.insecure && otlp.headers.is_empty());
}

#[test]
fn every_mistake_is_told_in_plain_words() {
    check("", "agent.toml:1:1: [export.otlp] has no 'endpoint' [config-06] | hint: It must be a URL.");
    check(
        "endpoint = \"ftp://c\"",
        "agent.toml:2:12: endpoint cannot be used: 'ftp' is not a scheme of OTLP over HTTP [export-01] \
         | hint: Write it like \"http://127.0.0.1:4318\".",
    );
    check(
        "endpoint = \"http://collector:4318\"",
        "agent.toml:2:12: the connection to 'collector' would not be secure [export-02] \
         | detail: Samples and headers would cross the network in the clear. \
         | hint: Use https, a collector on this machine, or accept it with insecure = true.",
    );
    for (endpoint, why) in [
        ("http://me:hunter2@collector:4318", "it holds a user; credentials belong in headers_file"),
        ("http://collector:4318/?token=hunter2", "it holds a '?'"),
    ] {
        check(
            &format!("endpoint = \"{endpoint}\""),
            &format!(
                "agent.toml:2:12: endpoint cannot be used: {why} [export-01] | hint: Write it like \"http://127.0.0.1:4318\"."
            ),
        );
    }
    for port in ["", "0", "99999"] {
        check(
            &format!("endpoint = \"http://collector:{port}\""),
            "agent.toml:2:12: endpoint is not a URL: its port is not a number from 1 to 65535 [config-05] | hint: If a \
             password stands in it, write '@', ':', '/', '?' and '#' there as %40, %3A, %2F, %3F and %23. Better, name a \
             password_file.",
        );
    }
    check("endpoint = \"http://collector:4318\"\ninsecure = true", "");
    check("endpoint = \"https://collector:4318\"", "");
    check(
        "endpoint = \"http://[::1]:4318\"\nheaders = { \"Content-Type\" = \"x\" }",
        "agent.toml:3:11: the header 'Content-Type' cannot be sent: the agent writes it itself [export-03] \
         | hint: Write { \"name\" = \"value\" }, in ASCII.",
    );
    check(
        "endpoint = \"http://[::1]:4318\"\nheaders = { \"a b\" = \"x\", c = \"hunter2\\n\" }",
        "agent.toml:3:11: the header 'a b' cannot be sent: its name is not one [export-03] \
         | hint: Write { \"name\" = \"value\" }, in ASCII. \
         || agent.toml:3:11: the header 'c' cannot be sent: its value holds a character that headers do not have [export-03] \
         | hint: Write { \"name\" = \"value\" }, in ASCII.",
    );
    check(
        "endpoint = \"http://[::1]:4318\"\nresource = { tenant = \"x\" }",
        "agent.toml:3:12: 'tenant' is not a name for a resource attribute [export-04] \
         | hint: Write it like \"deployment.environment.name\"; what names the agent and its targets is taken.",
    );
    check(
        "endpoint = \"http://[::1]:4318\"\nqueue_bytes_max = \"1KiB\"",
        "agent.toml:3:19: queue_bytes_max is 1024 bytes, too little for one request [export-05] \
         | hint: Allow at least \"1MiB\".",
    );
    check(
        "endpoint = \"http://[::1]:4318\"\nheaders_file = \"/nonexistent/headers\"",
        "agent.toml:3:16: headers_file cannot be read: No such file or directory (os error 2) [config-09] \
         | detail: It names /nonexistent/headers. | hint: Does the file exist, and may the agent's user read it?",
    );
}

/// What stands in the file is looked at before the agent starts, or takes in a reload.
#[test]
fn a_file_of_headers_that_cannot_be_sent_is_a_mistake_that_shows_no_value() {
    let path = std::env::temp_dir().join(format!("watchward-config-headers-{}", std::process::id()));
    for (text, why) in [
        ("a: b\nhunter2-planted\n", "line 2 of {path} is not `name: value`"),
        ("Host: hunter2-planted\n", "the header in line 1 of {path}: the agent writes it itself"),
    ] {
        std::fs::write(&path, text).expect("a file");
        let why = why.replace("{path}", &path.display().to_string());
        check(
            &format!("endpoint = \"http://[::1]:4318\"\nheaders_file = \"{}\"", path.display()),
            &format!(
                "agent.toml:3:16: headers_file cannot be used: {why} [export-06] | hint: Write one `name: value` on each \
                 line, in ASCII."
            ),
        );
    }
    std::fs::remove_file(&path).expect("it is there");
}

#[test]
fn values_of_headers_are_shown_by_nothing() {
    const PLANTED: &str = "hunter2-planted";
    let keys = format!(
        "endpoint = \"http://127.0.0.1:4318\"\nheaders = {{ \"x-any\" = \"{PLANTED}\", b = \"https://{PLANTED}\" }}"
    );
    let loaded = read(&keys).expect("sound");
    let shown = watchward::config::render::render(&loaded);
    assert!(shown.contains("headers.b = \"***\"") && shown.contains("headers.x-any = \"***\""), "{shown}");
    for text in [shown, format!("{loaded:?}"), format!("{:?}", loaded.configuration.export)] {
        assert!(!text.contains(PLANTED), "{text}");
    }
    let wrong = read("endpoint = \"http://127.0.0.1:4318\"\nheaders = { x = 271828 }").expect_err("no text");
    assert!(!wrong.contains("271828"), "{wrong}");
}
