//! `top`: what is asked, the table in rooms of several sizes, and the program on a terminal that is given back.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use watchward::cli::glance::{Glance, expressions};
use watchward::cli::seen::{Seen, Wanted, read};
use watchward::engines;
use watchward::promql;
use watchward::sys::terminal::Terminal;

use crate::cli::{Ended, Folder, alert, answer, run, target};

const AT_MS: i64 = 1_800_000_000_000;

fn glance() -> Glance {
    let mut cache = target("acme", "cache", "down");
    cache["role"] = json!("");
    let targets = json!([target("default", "orders", "up"), cache, target("default", "billing", "up")]);
    let alerts = json!([
        alert("firing", "warning", "Slow", "orders"),
        alert("firing", "critical", "Full", "billing"),
        alert("pending", "critical", "Other", "orders"),
    ]);
    let seen: Seen = read(targets, alerts, &Wanted::default()).unwrap();
    let of = |value: f64| BTreeMap::from([(("default".to_string(), "orders".to_string()), value)]);
    let figures = BTreeMap::from([("operations", of(1234.5)), ("lag", of(0.0)), ("cpu_usage", of(f64::NAN))]);
    Glance { at_ms: AT_MS, seen, figures }
}

#[test]
fn what_is_down_or_alerts_comes_first_and_columns_that_nobody_has_are_left_out() {
    let expected = "\
watchward  2 of 3 targets up, 1 critical, 1 warning  2027-01-15T08:00:00.000Z

STATE  TARGET      ALERTS  OPS/S  LAG  CPU  ROLE     TOOK  ENGINE
DOWN   acme/cache                                    12ms  host 15.4
up     billing     1 crit                   primary  12ms  host 15.4
up     orders      1 warn   1234   0s   –%  primary  12ms  host 15.4

critical Full billing: Full / on billing
warning Slow orders: Slow / on orders";
    assert_eq!(glance().lines(usize::MAX, usize::MAX, false).join("\n"), expected);
}

#[test]
fn a_narrow_room_loses_columns_and_a_low_one_lines_and_says_so() {
    let expected = "\
watchward  2 of 3 targets up,…

STATE  TARGET      ALERTS
DOWN   acme/cache
up     billing     1 crit
… 4 lines more";
    assert_eq!(glance().lines(30, 6, false).join("\n"), expected);
    for width in 0..120 {
        for height in 1..12 {
            let lines = glance().lines(width, height, false);
            assert!(lines.len() <= height, "{width}x{height}: {lines:?}");
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{width}x{height}: {lines:?}");
        }
    }
}

#[test]
fn servers_without_a_login_are_told_from_those_that_are_down() {
    let mut found = target("default", "cache", "unread");
    (found["needs_credentials"], found["flavour"]) = (json!(true), json!("valkey"));
    let seen = read(json!([target("default", "orders", "up"), found]), json!([]), &Wanted::default()).unwrap();
    let expected = "\
watchward  1 of 2 targets up, 1 without a login  2027-01-15T08:00:00.000Z

STATE              TARGET  ROLE     TOOK  ENGINE
needs credentials  cache   primary  12ms  host 15.4 valkey
up                 orders  primary  12ms  host 15.4";
    assert_eq!(
        Glance { at_ms: AT_MS, seen, ..Glance::default() }.lines(usize::MAX, usize::MAX, false).join("\n"),
        expected
    );
}

#[test]
fn colours_change_no_character_and_come_only_where_they_are_wanted() {
    let plain = glance().lines(60, 20, false);
    assert!(!plain.concat().contains('\u{1b}'));
    let coloured = glance().lines(60, 20, true);
    assert!(coloured.concat().contains("\u{1b}[1;31mDOWN"), "{coloured:?}");
    let codes = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
    let bare: Vec<String> = coloured.iter().map(|line| codes.replace_all(line, "").trim_end().to_string()).collect();
    assert_eq!(bare, plain);
}

#[test]
fn json_has_each_target_with_its_figures_and_alerts() {
    let document = glance().document();
    assert_eq!(document["at"], "2027-01-15T08:00:00.000Z");
    let orders = &document["targets"][2];
    assert_eq!(
        (&orders["target"], &orders["up"], &orders["role"]),
        (&json!("orders"), &json!(true), &json!("primary"))
    );
    assert_eq!(orders["figures"], json!({ "operations": 1234.5, "lag": 0.0, "cpu_usage": null }));
    assert_eq!(orders["alerts"], json!({ "critical": 0, "warning": 1 }));
}

#[test]
fn every_engine_s_expressions_are_ones_of_what_it_measures_and_have_a_column() {
    let catalogue = engines::catalogue();
    let names = regex::Regex::new(r"[a-zA-Z_]+[a-zA-Z0-9_]*(?:\{|\[|\)| /|$)").unwrap();
    for engine in engines::ALL {
        let mut one: watchward::cli::seen::Target = Default::default();
        (one.engine, one.interval_s) = (engine.word().to_string(), 15.0);
        let asked = expressions(&[one]);
        assert!(asked.len() > engine.card().glance.len(), "{}", engine.word());
        for (key, expression) in asked {
            let parsed = promql::parse(&expression);
            assert!(parsed.is_ok(), "{} {key}: {expression}: {:?}", engine.word(), parsed.err().map(|e| e.to_string()));
            for name in
                names.find_iter(&expression).map(|found| found.as_str().trim_end_matches(['{', '[', ')', ' ', '/']))
            {
                let is_word = ["tenant", "target", "mode", "readonly"].contains(&name) || !name.contains('_');
                assert!(is_word || catalogue.find(name).is_some(), "{} measures no {name}", engine.word());
            }
            assert!(!expression.contains("{window}") && !expression.contains("matchers"), "{expression}");
        }
    }
    assert_eq!(Glance::unshown(), Default::default(), "a key without a column");
}

#[test]
fn rates_look_back_four_intervals() {
    let word = engines::ALL.iter().find(|engine| !engine.card().glance.is_empty()).unwrap().word();
    let rate = |interval_s: f64| {
        let mut one: watchward::cli::seen::Target = Default::default();
        (one.engine, one.interval_s) = (word.to_string(), interval_s);
        let asked = expressions(&[one]);
        let (_, expression) = asked.into_iter().find(|(key, _)| *key == "operations").unwrap();
        expression.split(['[', ']']).nth(1).unwrap().to_string()
    };
    assert_eq!([rate(1.0), rate(15.0), rate(60.0)], ["20s", "1m", "4m"]);
}

fn fake_agent() -> Folder {
    let folder = Folder::new();
    let empty = json!({ "status": "success", "data": { "resultType": "vector", "result": [] } });
    let targets = json!([target("default", "orders", "up")]);
    let alerts = json!([]);
    let answers = [("/api/v1/targets", targets), ("/api/v1/alerts", alerts), ("/api/v1/query", empty)];
    answer(&folder, answers.into_iter().map(|(path, body)| (path, (200, body))).collect());
    folder
}

#[test]
fn without_a_terminal_it_prints_once_or_as_often_as_is_asked() {
    let folder = fake_agent();
    let Ended { code, out, err } = run(&folder, &["top"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("watchward  1 of 1 target up  ") && out.contains("\nup     orders  "), "{out}");
    assert!(!out.contains('\u{1b}'), "{out}");
    let Ended { out, .. } = run(&folder, &["top", "--json", "--count", "2", "--every", "500ms"]);
    let said: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(said.len(), 2);
    assert_eq!(said[1]["targets"][0]["target"], "orders");
    let Ended { code, err, .. } = run(&folder, &["top", "--every", "1ms"]);
    assert_eq!(code, 2);
    let expected = "error: invalid value '1ms' for '--every <DURATION>': the shortest is 500ms\n";
    assert!(err.starts_with(expected), "{err}");
    let Ended { code, err, .. } = run(&Folder::new(), &["top"]);
    assert!(code == 3 && err.starts_with("error: no agent answers: "), "{err}");
}

/// Runs a command on a terminal that script(1) makes, presses these keys once it has drawn, and gives what the terminal
/// saw; its modes at the end are in it.
fn on_a_terminal(folder: &Folder, command: &str, keys: &[u8]) -> String {
    let seen = folder.0.join("seen");
    let mut child = Command::new("script")
        .args(["--quiet", "--flush", "--command", &format!("{command}; stty -a")])
        .arg(&seen)
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("script(1) of util-linux");
    for _ in 0..1200 {
        if fs::read_to_string(&seen).is_ok_and(|text| text.contains("orders") || text.contains("min = 1")) {
            break;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    child.stdin.as_mut().unwrap().write_all(keys).unwrap();
    child.wait().unwrap();
    fs::read_to_string(&seen).unwrap()
}

const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l";
const LEAVE: &str = "\u{1b}[?25h\u{1b}[?1049l";

/// What was drawn, and what came after the terminal was given back as it was.
fn given_back(seen: &str) -> (&str, &str) {
    let (_, drawn) = seen.split_once(ENTER).unwrap_or_else(|| panic!("it did not draw: {seen}"));
    let (drawn, after) = drawn.split_once(LEAVE).unwrap_or_else(|| panic!("it did not give back: {seen}"));
    for mode in ["icanon", "isig", "echo"] {
        assert!(after.contains(mode) && !after.contains(&format!("-{mode} ")), "{mode}: {after}");
    }
    (drawn, after)
}

#[test]
fn on_a_terminal_it_draws_until_q_and_gives_the_terminal_back() {
    for (before, keys) in [("", &b"q"[..]), ("", b"x Q"), ("", b"\x03"), ("timeout --foreground -s TERM 5", b"")] {
        let folder = fake_agent();
        let program = env!("CARGO_BIN_EXE_watchward");
        let command = format!("{before} {program} top --config {}/agent.toml", folder.0.display());
        let seen = on_a_terminal(&folder, &command, keys);
        let (drawn, _) = given_back(&seen);
        assert!(drawn.contains("1 of 1 target up") && drawn.contains("q quit"), "{drawn}");
    }
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_told() {
    let this = std::env::current_exe().unwrap();
    let command = format!("{} --ignored --exact --nocapture cli::top::panics_on_a_terminal", this.display());
    let seen = on_a_terminal(&Folder::new(), &command, b"");
    let (drawn, after) = given_back(&seen);
    assert!(drawn.contains("still drawing") && !drawn.contains("panicked at"), "{seen}");
    assert!(after.contains("panicked at") && after.contains("a fault of ours"), "{seen}");
}

#[tokio::test]
#[ignore = "a part of the test before it, which runs it on a terminal"]
async fn panics_on_a_terminal() {
    let terminal = Terminal::open().unwrap();
    terminal.draw(&["still drawing".to_string()]).unwrap();
    panic!("a fault of ours");
}
