//! The main job, end to end: every server up and served, a threshold crossed for real and told to a real webhook.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac::{HMAC_SHA256, Key, verify};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio_postgres::NoTls;
use tokio_tungstenite::connect_async;

use crate::agent::{Agent, Folder, configure, free_port, run, sections, wait};
use crate::servers::{Servers, servers};
use crate::sink::{Sink, Told};

/// How long a matter of a few cycles may take on a machine that is busy.
const SOON: Duration = Duration::from_secs(20);

pub const EVERYTHING: [&str; 14] = [
    "cache",
    "cache-replica",
    "cache-sentinel-1",
    "cache-sentinel-2",
    "cache-sentinel-3",
    "documents-1",
    "documents-2",
    "documents-3",
    "orders",
    "orders-standby",
    "search",
    "search-opensearch",
    "this-host",
    "visits",
];

/// The servers' own agent.toml, but for its port, its state and its webhook, which are this test's.
fn as_written(folder: &Folder, port: u16, sink: &Sink) -> std::path::PathBuf {
    let servers = servers();
    let text = fs::read_to_string(servers.value("WW_AGENT_CONFIG")).expect("the servers' configuration");
    let ours = [
        (format!("127.0.0.1:{}", servers.value("WW_AGENT_PORT")), format!("127.0.0.1:{port}")),
        (format!("127.0.0.1:{}/", servers.value("WW_HOOK_PORT")), format!("127.0.0.1:{}/", sink.port)),
        (format!("{}/state", servers.value("WW_STATE_DIR")), folder.0.join("state").display().to_string()),
    ];
    let text = ours.iter().fold(text, |text, (theirs, ours)| {
        assert!(text.contains(theirs), "no {theirs} in the servers' agent.toml");
        text.replace(theirs, ours)
    });
    folder.write("agent.toml", &text)
}

/// What promtool says of metrics: its exit code and its words.
pub fn promtool(servers: &Servers, text: &str) -> (i32, String) {
    let mut child = Command::new(servers.value("WW_PROMTOOL"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let words = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.code().unwrap_or(-1), words)
}

#[test]
fn every_server_is_up_within_thirty_seconds_and_every_door_answers() {
    let (folder, sink, servers) = (Folder::new(), Sink::begin(), servers());
    let port = free_port();
    let began = Instant::now();
    let agent = Agent::start(as_written(&folder, port, &sink), port, &folder, &[]);
    let of_all = || agent.json("/api/v1/targets").as_array().cloned().unwrap_or_default();
    wait("all are up", Duration::from_secs(30).saturating_sub(began.elapsed()), || {
        of_all().iter().all(|target| target["up"] == true)
    });
    let names: BTreeSet<String> = of_all().iter().filter_map(|one| Some(one["name"].as_str()?.to_string())).collect();
    assert_eq!(names, EVERYTHING.map(str::to_string).into());
    for target in of_all() {
        assert_eq!(target["unknown_rows"], json!([]), "{target}");
        assert!(target["series"].as_u64() > Some(10), "{target}");
    }

    let text = agent.get("/metrics");
    let (_, words) = promtool(&servers, &text);
    assert!(!words.contains("error while linting"), "it is not the text format: {words}");
    let is_own = |line: &&str| {
        let name = line.strip_prefix("# HELP ").or(line.strip_prefix("# TYPE ")).unwrap_or(line);
        name.starts_with("watchward_") || (name.starts_with("process_") && !line.contains("target="))
    };
    let own: String = text.lines().filter(is_own).map(|line| format!("{line}\n")).collect();
    assert!(own.contains("watchward_build_info{") && own.contains("process_resident_memory_bytes "), "{own}");
    assert_eq!(promtool(&servers, &own), (0, String::new()), "the agent's own metrics");

    assert_eq!(agent.get("/healthz"), "ok\n");
    assert!(agent.get("/").starts_with("<!doctype html>"), "the page");
    let health = agent.json("/api/v1/database/health/default");
    assert_eq!((&health["health"], &health["alerts"]), (&json!("healthy"), &json!([])), "{health}");
    assert_eq!(health["targets"].as_array().map(Vec::len), Some(14));
    assert_eq!(agent.query("count(up == 1)"), [14.0]);

    let config = agent.config.display().to_string();
    let (code, table, _) = run(&["status", "--config", &config], &[]);
    assert_eq!(code, 0, "{table}");
    let row = table.lines().find(|line| line.contains(" orders ")).unwrap_or_default();
    let words: Vec<&str> = row.split_whitespace().take(5).collect();
    assert!(matches!(words[..], ["up", "orders", "postgresql", version, _] if version.starts_with("15.")), "{table}");
    assert_eq!(table.lines().filter(|line| line.starts_with("up ")).count(), 14, "{table}");
    assert_eq!(sink.alerts(), [] as [&str; 0], "nobody is called where all is well");
    let (ended, took, log) = agent.stop();
    assert!(ended.success() && took < Duration::from_secs(5), "{ended} after {took:?}\n{log}");
    let (code, said, _) = run(&["status", "--config", &config], &[]);
    assert_eq!(code, 3, "{said}");
    assert!(said.starts_with("WATCHWARD UNKNOWN - no agent answers: "), "{said}");
}

#[tokio::test]
async fn the_stream_tells_samples_targets_and_events_to_whom_they_concern() {
    let folder = Folder::new();
    let two = sections(&["cache", "cache-replica"], "interval = \"1s\"");
    let agent = Agent::begin(&folder, &two);
    let url = format!("ws://127.0.0.1:{}/api/v1/stream?target=cache-replica&kind=samples,target,event", agent.port);
    let (mut socket, _) = connect_async(url).await.expect("the stream");
    let mut heard = BTreeSet::new();
    let servers = servers();
    servers.ctl("redis-replica", "stop");
    let enough = ["samples", "target", "target.down", "target.up"];
    let listening = async {
        while !enough.iter().all(|kind| heard.contains(*kind)) {
            let Some(Ok(frame)) = socket.next().await else { return };
            let Ok(text) = frame.to_text() else { continue };
            let Ok(message) = serde_json::from_str::<Value>(text) else { continue };
            assert_eq!((&message["tenant"], &message["target"]), (&json!("default"), &json!("cache-replica")));
            let text = |value: &Value| value.as_str().unwrap_or("").to_string();
            heard.insert(text(&message["kind"]));
            if heard.insert(text(&message["body"]["kind"])) && message["body"]["kind"] == "target.down" {
                servers.ctl("redis-replica", "start");
            }
            if message["kind"] == "samples" {
                assert!(message["body"]["samples"][0]["value"].is_number(), "{message}");
            }
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(40), listening).await;
    servers.ctl("redis-replica", "start");
    assert!(in_time.is_ok(), "heard only {heard:?}\n{}", agent.log());
}

/// One connection to PostgreSQL that only stands there.
async fn connection(servers: &Servers) -> tokio_postgres::Client {
    let socket = tokio::net::TcpStream::connect(("127.0.0.1", servers.port("WW_PG_PRIMARY_PORT"))).await;
    let mut config = tokio_postgres::Config::new();
    config
        .dbname("postgres")
        .user(servers.value("WW_PG_ADMIN_USER"))
        .password(servers.secret("WW_PG_ADMIN_PASSWORD_FILE"));
    let (client, driver) = config.connect_raw(socket.expect("a socket"), NoTls).await.expect("a connection");
    tokio::spawn(driver);
    client
}

/// Whether the message's signature is the one that a receiver with this secret works out.
fn is_signed(told: &Told, secret: &str) -> bool {
    let header = told.header("x-watchward-signature");
    let Some((time, signature)) = header.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")) else {
        return false;
    };
    let hex = |at: usize| u8::from_str_radix(signature.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..signature.len()).step_by(2).map(hex).collect();
    let key = Key::new(HMAC_SHA256, secret.as_bytes());
    verify(&key, format!("{time}.{}", told.text).as_bytes(), &bytes.unwrap_or_default()).is_ok()
}

/// All keys of a message, with those of its first alert.
fn keys(body: &Value) -> BTreeSet<String> {
    let of = |value: &Value, before: &str| -> Vec<String> {
        value.as_object().into_iter().flatten().map(|(key, _)| format!("{before}{key}")).collect()
    };
    let inner = of(&body["alerts"][0], "alerts.");
    of(body, "").into_iter().chain(inner).collect()
}

/// What the real Alertmanager sends to a webhook.
fn alertmanagers_own(servers: &Servers) -> Value {
    let sink = Sink::at(servers.port("WW_ALERTMANAGER_HOOK_PORT"));
    let url = format!("http://127.0.0.1:{}", servers.value("WW_ALERTMANAGER_PORT"));
    let added = Command::new(servers.value("WW_AMTOOL"))
        .args(["alert", "add", "severity=warning", "--annotation=summary=s", "--alertmanager.url", &url])
        .arg(format!("alertname=Sample{}", std::process::id())) // it tells of an alert that it knows only every four hours
        .status();
    assert!(added.expect("amtool").success());
    wait("Alertmanager tells", SOON, || !sink.told().is_empty());
    sink.told()[0].body.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_threshold_crossed_for_real_reaches_a_real_webhook_and_resolves() {
    let (folder, sink, servers) = (Folder::new(), Sink::begin(), servers());
    let secret = servers.secret("WW_HOOK_SECRET_FILE");
    let hook = sink.config_with(&format!(", secret_file = \"{}\"", servers.value("WW_HOOK_SECRET_FILE")));
    let targets = [
        sections(&["orders"], "interval = \"1s\"\nthresholds = { connection_count = 15 }"),
        sections(&["orders-standby"], "interval = \"1s\"\nthresholds = { connection_count = 1000 }"),
    ];
    // The rules that thresholds expand to wait for two minutes. The same rules, as the program prints them and loads them
    // again, are told not to.
    let judge = "[judge]\ninterval = \"1s\"\n";
    let config = configure(&folder, &folder.0.join("state"), free_port(), &[judge, &targets.concat()].concat());
    let (code, rules, said) = run(&["rules", "--config", &config.display().to_string()], &[]);
    assert_eq!(code, 0, "{said}");
    assert!(rules.contains("for: 2m") && rules.contains("> 15"), "{rules}");
    let rules = folder.write("rules.yml", &rules.replace("for: 2m", "for: 1s").replace("> 1000", "> 100000"));
    let judge = format!("{judge}rule_files = [\"{}\"]\n", rules.display());
    let agent = Agent::begin(&folder, &[judge, hook, targets.concat()].concat());
    agent.wait_up("orders", true, SOON);

    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(connection(&servers).await);
    }
    let alert = "PostgresqlTooManyConnections orders";
    let firing = format!("firing {alert}");
    wait("it is told", SOON, || sink.count(&firing) == 1);
    let of_threshold =
        |alert: &Value| alert["rule"].as_str().is_some_and(|rule| rule.starts_with("[alert.thresholds]"));
    let alerts = agent.json("/api/v1/alerts");
    let pending = alerts.as_array().into_iter().flatten().find(|alert| of_threshold(alert));
    assert!(pending.is_some_and(|one| one["to"] == "pending" && one["value"].as_f64() >= Some(20.0)), "{alerts}");
    assert_eq!(agent.json("/api/v1/database/health/default")["health"], "degraded");
    assert_eq!(run(&["status", "--config", &agent.config.display().to_string()], &[]).0, 1, "a warning fires");
    let told = sink.told().into_iter().find(|told| told.body["status"] == "firing").expect("it was told");
    assert!(is_signed(&told, &secret), "{told:?}");
    assert!(!is_signed(&told, "another secret"));
    assert_eq!(keys(&told.body), keys(&alertmanagers_own(&servers)), "the JSON is Alertmanager's");
    let summary = told.body["alerts"][0]["annotations"]["summary"].as_str().unwrap_or("").to_string();
    assert!(summary.starts_with("orders has 2") && summary.ends_with("connections, more than 15"), "{summary}");
    assert_eq!(told.body["version"], "4");

    drop(clients);
    wait("its end is told", SOON, || sink.count(&format!("resolved {alert}")) == 1);
    assert!(sink.told().iter().all(|told| is_signed(told, &secret)));
    assert_eq!(sink.count(&firing), 1);
    let findings = agent.json("/api/v1/findings");
    let low = findings.as_array().into_iter().flatten().find(|one| one["kind"] == "ThresholdUnreachable");
    let evidence = low.map_or("", |one| one["evidence"].as_str().unwrap_or(""));
    assert!(evidence.contains("60"), "1000 connections where 60 are allowed: {findings}");
}

#[test]
fn a_stopped_server_is_told_and_its_return_too() {
    let (folder, sink, servers) = (Folder::new(), Sink::begin(), servers());
    let two = sections(&["cache", "cache-replica"], "interval = \"1s\"");
    let agent = Agent::begin(&folder, &[&sink.config(), "[judge]\ntarget_down_for = \"1s\"\n", &two].concat());
    agent.wait_up("cache-replica", true, SOON);
    servers.ctl("redis-replica", "stop");
    wait("it is told", SOON, || sink.count("firing TargetDown cache-replica") == 1);
    let config = agent.config.display().to_string();
    let (code, table, _) = run(&["status", "--config", &config], &[]);
    assert_eq!(code, 2, "{table}");
    assert!(table.lines().any(|line| line.starts_with("DOWN") && line.contains("Connection refused")), "{table}");
    assert_eq!(agent.json("/api/v1/database/health/default")["health"], "critical");
    assert_eq!(agent.query("up{target=\"cache-replica\"}"), [0.0]);
    assert_eq!(agent.query("redis_uptime_in_seconds{target=\"cache-replica\"}"), [] as [f64; 0], "its series ended");
    servers.ctl("redis-replica", "start");
    wait("its return is told", SOON, || sink.count("resolved TargetDown cache-replica") == 1);
    assert_eq!(sink.alerts().len(), 2, "{:?}", sink.alerts());
    assert_eq!(agent.target("cache")["up"], true);
}
