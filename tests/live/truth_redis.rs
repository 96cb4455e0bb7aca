//! Redis under stress: a cut link, a promotion, a replica that loads, a full server, a cluster that loses a node, a
//! server that lacks commands; and what a cycle costs it.

use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;
use watchward::engines::contract::{Row, Session};
use watchward::model::reading::UnknownKind;
use watchward::model::target::{Target, Url};
use watchward::sys::clock::Stopwatch;

use crate::points::Points;
use crate::servers::{all_read, engine, open, read_all, servers, target, unknowns};
use crate::single::{Redis, redis_versions};

const PATIENCE: Duration = Duration::from_secs(60);

fn begin(version: &str, arguments: &[&str]) -> Redis {
    let program = redis_versions().into_iter().find(|(one, _)| one == version).expect("a version").1;
    Redis::begin(&program, arguments)
}

/// As the default user, who needs no password.
fn watched(server: &Redis) -> Target {
    let url = Url { scheme: "redis".to_string(), host: "127.0.0.1".to_string(), port: server.port, ..Url::default() };
    target("redis", url, "")
}

fn named(name: &str) -> &'static Row {
    engine("redis").rows().iter().find(|row| row.name == name).expect("a row")
}

/// One row of a session's next cycle.
async fn points(session: &mut dyn Session, name: &str) -> Points {
    session.probe().await.unwrap_or_else(|fault| panic!("{fault}"));
    let answer = session.ask(named(name), Duration::from_secs(5)).await;
    let answer = answer.unwrap_or_else(|unknown| panic!("{name}: {unknown:?}"));
    Points::of(named(name), &answer, session.facts()).expect("points")
}

/// Reads a row until it is as a story wants it, and gives all that it said on the way.
async fn until(session: &mut dyn Session, name: &str, what: &str, is_so: impl Fn(&Points) -> bool) -> Vec<Points> {
    let watch = Stopwatch::start();
    let mut all = Vec::new();
    loop {
        all.push(points(session, name).await);
        let last = all.last().expect("just read");
        if is_so(last) {
            return all;
        }
        assert!(watch.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}\n{}", last.text());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The values of a metric, whatever its labels.
fn values(points: &Points, metric: &str) -> Vec<f64> {
    let of_it = |series: &&String| series.split('{').next() == Some(metric);
    points.all.keys().filter(of_it).map(|series| points.all[series]).collect()
}

fn follow(replica: &Redis, primary: &Redis) {
    assert_eq!(replica.cli(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]), "OK");
}

#[tokio::test]
async fn a_link_that_is_cut_and_a_promotion_are_told_and_lag_does_not_read_zero() {
    let mut primary = begin("7.0", &["--repl-timeout", "60"]);
    let replica = begin("7.0", &["--enable-debug-command", "yes"]);
    follow(&replica, &primary);
    let mut below = open(&watched(&replica)).await.expect("a session");
    until(&mut *below, "info", "the link is up", |said| values(said, "redis_master_link_up") == [1.0]).await;
    let mut above = open(&watched(&primary)).await.expect("a session");
    until(&mut *above, "info", "it follows", |said| values(said, "redis_connected_slave_lag_seconds").len() == 1).await;
    // A replica that does nothing acknowledges nothing.
    let mut busy = Command::new(servers().value("WW_REDIS_CLI"))
        .args(["-p", &replica.port.to_string(), "DEBUG", "SLEEP", "5"])
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-cli");
    let lagging = |said: &Points| values(said, "redis_connected_slave_lag_seconds").iter().any(|lag| *lag >= 2.0);
    until(&mut *above, "info", "it lags", lagging).await;
    busy.wait().expect("it wakes");
    primary.crash();
    let cut = |said: &Points| values(said, "redis_master_link_up") == [0.0];
    let told = until(&mut *below, "info", "the link is down", cut).await;
    let silence = values(told.last().expect("read"), "redis_master_last_io_seconds_ago");
    assert!(silence != [0.0], "a cut link has no silence of zero: {silence:?}");
    assert_eq!(below.facts().role, "replica");
    assert_eq!(replica.cli(&["REPLICAOF", "NO", "ONE"]), "OK");
    let said = points(&mut *below, "info").await;
    assert_eq!(below.facts().role, "primary");
    assert_eq!(values(&said, "redis_master_link_up"), [] as [f64; 0]);
    assert!(said.text().contains("role=\"master\""));
}

#[tokio::test]
async fn a_replica_that_loads_its_data_is_up_and_says_that_it_loads() {
    let primary = begin("7.0", &["--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0"]);
    assert_eq!(primary.cli(&["DEBUG", "POPULATE", "3000"]), "OK");
    let slowly = ["--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024"];
    let replica = begin("7.0", &slowly);
    let mut session = open(&watched(&replica)).await.expect("a session");
    follow(&replica, &primary);
    let loads = |said: &Points| values(said, "redis_loading_dump_file") == [1.0];
    let told = until(&mut *session, "info", "it loads", loads).await;
    assert_eq!(values(told.last().expect("read"), "redis_master_link_up"), [0.0]);
    for row in ["commandstats", "slowlog_length", "slowlog", "latency", "config", "latency_histogram"] {
        let answer = session.ask(named(row), Duration::from_secs(5)).await;
        assert!(answer.is_ok(), "{row} while it loads: {answer:?}");
    }
    let done = |said: &Points| values(said, "redis_master_link_up") == [1.0] && !loads(said);
    let told = until(&mut *session, "info", "it has loaded", done).await;
    assert_eq!(told.last().expect("read").value("redis_db_keys{db=\"db0\"}"), 3000.0);
}

#[tokio::test]
async fn a_full_server_keeps_our_session_and_counts_whom_it_refused() {
    let server = begin("7.0", &["--maxclients", "5"]);
    let mut session = open(&watched(&server)).await.expect("a session");
    let mut crowd = Vec::new();
    for _ in 0..12 {
        crowd.push(TcpStream::connect(("127.0.0.1", server.port)).await.expect("the system takes it"));
    }
    let refused = |said: &Points| values(said, "redis_rejected_connections_total")[0] >= 7.0;
    let told = until(&mut *session, "info", "some are refused", refused).await;
    assert_eq!(values(told.last().expect("read"), "redis_connected_clients"), [5.0]);
    let fault = open(&watched(&server)).await.err().expect("full");
    assert_eq!(
        fault.to_string(),
        format!(
            "no session with 127.0.0.1:{}: ERR max number of clients reached [redis-06]\n\
             hint: Who holds the connections (CLIENT LIST)? Raise maxclients, or set timeout.",
            server.port
        )
    );
    assert!(!session.is_broken());
}

#[tokio::test]
async fn a_cluster_is_whole_and_then_lacks_a_node() {
    let arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
    let mut nodes: Vec<Redis> = (0..3).map(|_| begin("7.0", &arguments)).collect();
    let addresses: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
    let made = Command::new(servers().value("WW_REDIS_CLI"))
        .args(["--cluster", "create"])
        .args(&addresses)
        .args(["--cluster-yes"])
        .stdin(Stdio::null())
        .output()
        .expect("redis-cli");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    let mut session = open(&watched(&nodes[0])).await.expect("a session");
    let whole = |said: &Points| said.value("redis_cluster_state") == 1.0;
    let told = until(&mut *session, "cluster", "the cluster serves", whole).await;
    let last = told.last().expect("read");
    for (metric, expected) in
        [("slots_assigned", 16384.0), ("slots_ok", 16384.0), ("slots_fail", 0.0), ("known_nodes", 3.0), ("size", 3.0)]
    {
        assert_eq!(last.value(&format!("redis_cluster_{metric}")), expected, "{metric}");
    }
    all_read(&read_all(engine("redis"), &mut *session).await);
    nodes[2].crash();
    let broken =
        |said: &Points| said.value("redis_cluster_state") == 0.0 && said.value("redis_cluster_slots_fail") > 0.0;
    until(&mut *session, "cluster", "a node has failed", broken).await;
}

#[tokio::test]
async fn commands_that_a_server_lacks_are_not_here() {
    let arguments = ["--rename-command", "CONFIG", "", "--rename-command", "SLOWLOG", "nobody"];
    let server = begin("7.0", &arguments);
    let mut session = open(&watched(&server)).await.expect("a session");
    session.probe().await.expect("it answers");
    let readings = read_all(engine("redis"), &mut *session).await;
    let kinds: Vec<_> = unknowns(&readings).into_iter().map(|(row, kind, _)| (row, kind)).collect();
    let lacking = ["config", "slowlog", "slowlog_length"].map(|row| (row, UnknownKind::NotHere));
    assert_eq!(kinds, lacking, "{:?}", unknowns(&readings));
    let fault = session.statement("1").await.expect_err("there is no slow log").to_string();
    let port = server.port;
    assert!(fault.starts_with(&format!("no slow log from 127.0.0.1:{port}: ERR unknown command 'SLOWLOG'")), "{fault}");
    assert!(fault.ends_with(" [redis-42]"), "{fault}");
}

async fn streams_and_slow_commands(version: &str) {
    let server = begin(version, &["--slowlog-log-slower-than", "0"]);
    for number in 0..4 {
        server.cli(&["XADD", "orders", "*", "number", &number.to_string()]);
    }
    server.cli(&["XGROUP", "CREATE", "orders", "mail", "0"]);
    server.cli(&["XREADGROUP", "GROUP", "mail", "one", "COUNT", "1", "STREAMS", "orders", ">"]);
    server.cli(&["SET", "planted-key", "planted-value"]);
    let mut session = open(&watched(&server)).await.expect("a session");
    session.probe().await.expect("it answers");
    let readings = read_all(engine("redis"), &mut *session).await;
    all_read(&readings);
    let streams = readings["streams"].as_ref().expect("read");
    let group = "{db=\"db0\",group=\"mail\",stream=\"orders\"}";
    assert_eq!(streams.value("redis_stream_length{db=\"db0\",stream=\"orders\"}"), 4.0);
    assert_eq!(streams.value(&format!("redis_stream_group_lag{group}")), 3.0);
    assert_eq!(streams.value(&format!("redis_stream_group_messages_pending{group}")), 1.0);
    let clients = readings["clients"].as_ref().expect("read").text();
    assert!(
        clients.contains("redis_client_connections{host=\"127.0.0.1\",name=\"watchward\",user=\"default\"} 1"),
        "{clients}"
    );
    server.cli(&["DEL", "orders"]);
    assert_eq!(points(&mut *session, "streams").await.text(), "", "it is gone");
    let last = server.cli(&["SLOWLOG", "GET", "128"]);
    assert!(last.contains("planted-key"));
    let mut texts = Vec::new();
    for id in 0..40 {
        texts.extend(session.statement(&id.to_string()).await.expect("answered"));
    }
    assert!(texts.contains(&"SET ? ?".to_string()) && texts.contains(&"XGROUP CREATE ? ? ?".to_string()), "{texts:?}");
    assert!(!texts.iter().any(|text| text.contains("planted")), "{texts:?}");
    assert_eq!(session.statement("1000000").await, Ok(None));
    assert_eq!(
        session.statement("x").await.expect_err("no number").to_string(),
        "'x' is no number of a slow command [redis-41]\n\
         hint: It is a whole number: redis_slowlog_last_id, or one of those before it."
    );
}

#[tokio::test]
async fn streams_and_slow_commands_of_redis_7_0() {
    streams_and_slow_commands("7.0").await;
}

#[tokio::test]
async fn streams_and_slow_commands_of_redis_8_2() {
    streams_and_slow_commands("8.2").await;
}

#[tokio::test]
async fn a_cycle_is_five_commands_or_less() {
    const CYCLES: u32 = 12;
    for version in ["7.0", "8.2", "valkey-9.1"] {
        let server = begin(version, &[]);
        let mut session = open(&watched(&server)).await.expect("a session");
        let count = |server: &Redis| {
            let text = server.cli(&["INFO", "stats"]);
            let line = text.lines().find_map(|line| line.strip_prefix("total_commands_processed:")).expect("a line");
            line.trim().parse::<u32>().expect("a number")
        };
        let before = count(&server);
        for cycle in 0..CYCLES {
            session.probe().await.expect("it answers");
            let facts = session.facts().clone();
            let due = |row: &&Row| row.exists(&facts) && !row.optional && cycle % row.every == 0;
            for row in engine("redis").rows().iter().filter(due) {
                let answer = session.ask(row, Duration::from_secs(5)).await;
                assert!(answer.is_ok(), "{}: {answer:?}", row.name);
            }
        }
        let commands = count(&server) - before - 1; // the second count counts the first
        println!(
            "Redis {version}: {commands} commands in {CYCLES} cycles, {:.2} a cycle",
            f64::from(commands) / f64::from(CYCLES)
        );
        assert!(commands <= CYCLES * 5, "{commands}");
    }
}
