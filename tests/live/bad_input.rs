//! Bad input: everything that is wrong with a configuration is told at once, and nothing is started.

use std::net::TcpStream;

use crate::agent::{Folder, free_port, run};

/// Writes a configuration, runs a verb on it, and says what came: exit code, output, errors with the file called FILE.
fn tell(folder: &Folder, verb: &str, text: &str) -> (i32, String, Vec<String>) {
    let file = folder.write("agent.toml", text).display().to_string();
    let (code, output, errors) = run(&[verb, "--config", &file], &[]);
    (code, output, errors.lines().map(|line| line.replace(&file, "FILE")).collect())
}

#[test]
fn everything_wrong_with_a_file_is_told_at_once_and_nothing_is_started() {
    let (folder, port) = (Folder::new(), free_port());
    let state = folder.0.join("state");
    let text = format!(
        r#"[agent]
state_dir = "{}"
timezone = "Europe/Belrin"

[serve]
listen = "127.0.0.1:{port}"

[sample]
intervall = "5s"

[store]
series_max = "many"

[judge]
rule_files = ["/nowhere/rules.yml"]

[[target]]
name = "orders"
engine = "postgresql"
url = "postgres://watchward@127.0.0.1:5432"
interval = "soon"

[[target]]
name = "orders"
engine = "redis"
url = "redis://watchward@127.0.0.1:6379"
password_file = "/nowhere/secret"

[[target]]
name = "visits"
engine = "clickhouse"
url = "http://127.0.0.1:eighty"

[alert.route]
receiver = "nobody"
"#,
        state.display()
    );
    let expected = [
        "FILE:3:12: timezone: unknown time zone 'Europe/Belrin' [calendar-01]",
        "hint: Did you mean 'Europe/Berlin'?",
        "FILE:9:1: unknown key 'intervall' in [sample] [config-03]",
        "hint: Did you mean 'interval'?",
        "FILE:12:14: series_max is 'many', not a whole number from 100 to 10000000 [config-04]",
        "FILE:15:14: the rule file /nowhere/rules.yml cannot be read: No such file or directory (os error 2) [config-09]",
        "hint: Does the file exist, and may the agent's user read it?",
        "FILE:21:12: interval is 'soon', not a duration [config-05]",
        "hint: Write a number and a unit, like \"15s\", \"1h30m\" or \"7d\".",
        "FILE:24:8: target 'orders' is there twice [config-07]",
        "detail: It is also on line 18 of FILE.",
        "hint: Name each target of a tenant differently.",
        "FILE:27:17: password_file cannot be read: No such file or directory (os error 2) [config-09]",
        "detail: It names /nowhere/secret.",
        "hint: Does the file exist, and may the agent's user read it?",
        "FILE:32:7: url is not a URL: its port is not a number from 1 to 65535 [config-05]",
        "hint: If a password stands in it, write '@', ':', '/', '?' and '#' there as %40, %3A, %2F, %3F and %23. \
         Better, name a password_file.",
        "FILE:35:12: the route names a receiver that does not exist: 'nobody' [alert-06]",
        "hint: Add it as [[alert.receiver]].",
        "9 problems; nothing was started",
    ];
    for verb in ["run", "check-config", "rules"] {
        let (code, output, errors) = tell(&folder, verb, &text);
        assert_eq!((code, output.as_str()), (2, ""), "{verb}");
        assert_eq!(errors, expected, "{verb}");
        assert!(!state.exists(), "{verb} made a folder for its state");
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "{verb} listens");
    }
}

#[test]
fn a_file_that_is_not_there_or_no_toml_is_told_with_its_place() {
    let folder = Folder::new();
    let file = folder.0.join("agent.toml").display().to_string();
    let (code, _, errors) = run(&["run", "--config", &file], &[]);
    let expected = format!(
        "{file}: the configuration cannot be read: No such file or directory (os error 2) [config-01]\n\
         hint: Does the file exist, and may the agent's user read it?\n1 problem; nothing was started\n"
    );
    assert_eq!((code, errors), (2, expected));
    let (code, _, errors) = tell(&folder, "run", "[agent]\nname = \"a\n[serve]\n");
    assert_eq!(code, 2);
    assert!(errors[0].starts_with("FILE:2:10: this is not TOML: "), "{errors:?}");
}

#[test]
fn what_is_in_effect_is_printed_with_its_origin_and_without_secrets() {
    let folder = Folder::new();
    let secret = folder.write("password", "planted-in-a-file\n");
    let text = format!(
        r#"[agent]
state_dir = "{}"

[[target]]
name = "cache"
engine = "redis"
url = "redis://watchward:planted-in-a-url@127.0.0.1:6379"

[[target]]
name = "orders"
engine = "postgresql"
url = "postgres://watchward@127.0.0.1:5432/orders"
password_file = "{}"
interval = "2s"

[[alert.receiver]]
name = "hook"
webhook = {{ url = "https://somebody:planted-word@hooks.example.org/planted-path" }}
"#,
        folder.0.join("state").display(),
        secret.display()
    );
    let (code, output, errors) = tell(&folder, "check-config", &text);
    assert_eq!(code, 0, "{errors:?}");
    assert!(!output.contains("planted") && !errors.concat().contains("planted"), "{output}\n{errors:?}");
    let lines: Vec<Vec<&str>> = output.lines().map(|line| line.split_whitespace().collect()).collect();
    let file = folder.0.join("agent.toml").display().to_string();
    let place = |line: &str| format!("{file}:{line}");
    for expected in [
        vec!["url", "=", "\"redis://watchward:***@127.0.0.1:6379\"", "#", &place("7:7")],
        vec!["interval", "=", "\"2s\"", "#", &place("14:12")],
        vec!["interval", "=", "\"15s\"", "#", "default"],
        vec!["password_file", "=", &format!("\"{}\"", secret.display()), "#", &place("13:17")],
        vec!["builtin_rules", "=", "true", "#", "default"],
    ] {
        assert!(lines.contains(&expected), "{expected:?} is not in\n{output}");
    }
    assert!(output.lines().any(|line| line.starts_with("url = \"https://") && line.contains("***")), "{output}");
    assert!(!folder.0.join("state").exists(), "looking changes nothing");
}
