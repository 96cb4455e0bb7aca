//! ClickHouse's rows against recorded answers, and its session against prepared ones.

use std::sync::atomic::Ordering;
use std::time::Duration;

use watchward::engines::clickhouse::ClickHouse;
use watchward::engines::clickhouse::session::{SHOWS_ZERO, known};
use watchward::engines::contract::{Access, Ask, Engine, Facts, Row, Session};
use watchward::model::fault::Fault;
use watchward::model::reading::UnknownKind;
use watchward::model::secret::Secret;
use watchward::model::target::Target;

use crate::engines::http_answers::{Answers, Asked, HttpAnswers};
use crate::engines::points::{Points, from_fixture, row};
use crate::engines::targets::target;

static CLICKHOUSE: ClickHouse = ClickHouse;

/// What a server of a version has, as the fixtures' servers did.
fn facts(version: (u32, u32)) -> Facts {
    let old = [
        "system.dictionaries.bytes_allocated",
        "system.mutations",
        "system.mutations.is_done",
        "system.query_log",
        "system.query_log.query_duration_ms",
    ];
    let capabilities = if version < (19, 0) { old.into() } else { known().chain([SHOWS_ZERO]).collect() };
    Facts { version, capabilities, ..Facts::default() }
}

fn check(folder: &str, version: (u32, u32), name: &str) -> Points {
    let facts = facts(version);
    let answer = from_fixture(&format!("clickhouse/{folder}/{name}.json"));
    let points = Points::of(row(&CLICKHOUSE, name, &facts), &answer, &facts).expect("points");
    assert!(points.twice.is_empty(), "{:?}", points.twice);
    points
}

#[test]
fn system_tables_become_the_families_of_the_servers_own_endpoint() {
    let metrics = check("18.16", (18, 16), "metrics");
    assert_eq!(metrics.value("ClickHouseMetrics_HTTPConnection"), 1.0);
    assert_eq!(metrics.value("ClickHouseMetrics_VersionInteger"), 18_016_001.0);
    let events = check("18.16", (18, 16), "events");
    assert!(events.value("ClickHouseProfileEvents_SelectQuery") > 0.0);
    let others = check("18.16", (18, 16), "asynchronous_metrics");
    assert!(others.value("ClickHouseAsyncMetrics_jemalloc_resident") > 1e6, "a dot is no letter of a name");
    assert_eq!(others.value("ClickHouseAsyncMetrics_MaxPartCountForPartition"), 1.0);
}

#[test]
fn the_current_engine_answers_the_same_queries() {
    assert_eq!(check("26", (26, 9), "metrics").all.len(), 553);
    assert_eq!(check("26", (26, 9), "errors").value("ClickHouseErrorMetric_UNKNOWN_IDENTIFIER"), 1.0);
    let missed = "ClickHouseErrorMetric_ALL_REPLICAS_ARE_STALE";
    assert_eq!(check("26", (26, 9), "errors").value(missed), 0.0, "what rules ask for is there before it occurs");
    assert_eq!(check("26", (26, 9), "events").value("ClickHouseProfileEvents_RejectedInserts"), 0.0);
    assert!(check("26", (26, 9), "events").value("ClickHouseProfileEvents_Query") > 0.0);
    let disks = check("26", (26, 9), "disks");
    assert_eq!(disks.value(r#"clickhouse_disk_free_bytes{disk="default"}"#), 67_595_694_080.0);
    let tables = check("26", (26, 9), "tables");
    assert_eq!(tables.value(r#"clickhouse_table_parts_rows{database="shop",table="visit"}"#), 20_000.0);
    assert_eq!(check("26", (26, 9), "mutations").value("clickhouse_mutations_pending"), 0.0);
    for without_any in ["replicas", "detached_parts"] {
        assert_eq!(check("26", (26, 9), without_any).text(), "");
    }
}

/// Also what has never occurred: a rule on its growth would miss the first time.
#[test]
fn the_copied_rules_have_their_data_from_the_current_engine() {
    let names = [
        ("metrics", "ClickHouseMetrics_", &["TCPConnection", "InterserverConnection", "ZooKeeperSession"][..]),
        (
            "events",
            "ClickHouseProfileEvents_",
            &[
                "RejectedInserts",
                "DelayedInserts",
                "ZooKeeperHardwareExceptions",
                "NetworkSendBytes",
                "NetworkReceiveBytes",
                "DistributedRejectedInserts",
            ],
        ),
        (
            "errors",
            "ClickHouseErrorMetric_",
            &[
                "ALL_REPLICAS_ARE_STALE",
                "ALL_REPLICAS_LOST",
                "NO_AVAILABLE_REPLICA",
                "TOO_FEW_LIVE_REPLICAS",
                "AUTHENTICATION_FAILED",
                "RESOURCE_ACCESS_DENIED",
            ],
        ),
    ];
    for (row, prefix, parts) in names {
        let points = check("26", (26, 9), row);
        for part in parts {
            assert!(points.value(&format!("{prefix}{part}")) >= 0.0);
        }
    }
}

#[test]
fn tables_have_their_parts_rows_and_bytes() {
    assert_eq!(
        check("18.16", (18, 16), "tables").text().lines().filter(|line| line.contains("visit")).collect::<Vec<_>>(),
        [
            r#"clickhouse_table_parts_bytes{database="default",table="visit"} 83364"#,
            r#"clickhouse_table_parts_rows{database="default",table="visit"} 20000"#,
            r#"clickhouse_table_parts{database="default",table="visit"} 4"#,
        ]
    );
}

#[test]
fn what_18_16_does_not_have_is_no_row_there() {
    let old = facts((18, 16));
    let missing: Vec<&str> = CLICKHOUSE.rows().iter().filter(|row| !row.exists(&old)).map(|row| row.name).collect();
    let lost = ["histograms", "dimensional_metrics", "async_inserts", "backups", "distribution_queue"];
    let expected = ["errors", "detached_parts", "disks", "query_durations", "statements"];
    // A Keeper is there where a target names one.
    assert_eq!(missing, [&expected[..], &lost[..], &["keeper"]].concat());
    let new = facts((26, 9));
    let missing: Vec<&str> = CLICKHOUSE.rows().iter().filter(|row| !row.exists(&new)).map(|row| row.name).collect();
    assert_eq!(missing, ["query_durations", "statements"], "their twins exist");
}

fn query(row: &Row, facts: &Facts) -> String {
    match row.ask {
        Ask::Text(query) => query.to_string(),
        Ask::Own(own) => own(facts),
    }
}

#[test]
fn every_query_only_reads_system_tables() {
    for facts in [facts((18, 16)), facts((26, 9))] {
        for row in CLICKHOUSE.rows().iter().filter(|row| row.name != "keeper") {
            let query = query(row, &facts);
            assert!(query.starts_with("SELECT ") && !query.contains(';'), "{query}");
            let from: Vec<&str> = query.split(" FROM ").skip(1).collect();
            assert!(!from.is_empty() && from.iter().all(|table| table.starts_with("system.")), "{query}");
        }
    }
}

fn table(columns: &str, data: &str) -> (u16, String) {
    let meta: Vec<String> =
        columns.split(' ').map(|name| format!(r#"{{"name": "{name}", "type": "String"}}"#)).collect();
    (200, format!(r#"{{"meta": [{}], "data": {data}, "rows": 1}}"#, meta.join(",")))
}

fn healthy(asked: &Asked) -> (u16, String) {
    match asked.body.as_str() {
        text if text.starts_with("SELECT version()") => table("version now", r#"[["24.8.1.5", 1700000000]]"#),
        text if text.contains("FROM system.columns") => table(
            "name",
            r#"[["system.disks.free_space"], ["system.query_log.query_duration_ms"], ["system.query_log.x"]]"#,
        ),
        text if text.contains("FROM system.settings") => table("name", "[]"),
        text if text.contains("FROM system.metrics") => table("name value", r#"[["Query", "1"], ["Nothing", null]]"#),
        text if text.contains("FROM system.events") => (
            404,
            "Code: 60. DB::Exception: Table system.events does not exist. (UNKNOWN_TABLE) (version 24.8.1.5)".into(),
        ),
        text if text.contains("FROM system.processes") => (
            500,
            "Code: 497. DB::Exception: watchward: Not enough privileges. (ACCESS_DENIED) (version 24.8.1.5)".into(),
        ),
        text if text.contains("FROM system.parts") => {
            let cut = r#"{"meta": [{"name": "database"}], "data": [["shop"#;
            let said = "Code: 159. DB::Exception: Timeout exceeded: elapsed 3.1 seconds. (TIMEOUT_EXCEEDED)";
            (200, format!("{cut}{said}"))
        }
        text if text.contains("FROM system.replicas") => (200, "<html>maintenance</html>".to_string()),
        text if text.contains("FROM system.mutations") => table("pending oldest", r#"[["1"]]"#),
        _ => (200, "x".repeat(9 << 20)),
    }
}

fn at(server: &HttpAnswers) -> (Target, Access) {
    let mut target = target("clickhouse", "http", server.port);
    target.url.user = "watchward".to_string();
    (target, Access { password: Some(Secret::new("planted-7f3a")), api_key: None })
}

async fn open(server: &HttpAnswers) -> Result<Box<dyn Session>, Fault> {
    let (target, access) = at(server);
    CLICKHOUSE.connect(&target, &access).await
}

async fn refused(answers: Answers) -> Fault {
    let server = HttpAnswers::start(answers).await;
    let port = server.port.to_string();
    let mut fault = open(&server).await.err().expect("a fault");
    assert!(!format!("{fault:?}").contains("planted-7f3a"));
    fault.what = fault.what.replace(&port, "PORT");
    fault
}

#[tokio::test]
async fn each_way_to_fail_a_row_has_its_kind_and_leaves_the_session() {
    let server = HttpAnswers::start(healthy).await;
    let mut session = open(&server).await.expect("a session");
    assert_eq!((session.facts().version, session.facts().version_text.as_str()), ((24, 8), "24.8.1.5"));
    let facts = session.facts().clone();
    let mut seen = Vec::new();
    for name in ["events", "queries", "tables", "replicas", "mutations", "metrics"] {
        let row = row(&CLICKHOUSE, name, &facts);
        match session.ask(row, Duration::from_secs(3)).await {
            Ok(answer) => seen.push(Points::of(row, &answer, &facts).expect("points").text()),
            Err(unknown) => seen.push(format!("{}: {}", unknown.kind.word(), unknown.reason)),
        }
    }
    assert_eq!(
        seen,
        [
            "missing: Table system.events does not exist. (UNKNOWN_TABLE) (code 60)",
            "privilege: watchward: Not enough privileges. (ACCESS_DENIED) (code 497)",
            "deadline: Timeout exceeded: elapsed 3.1 seconds. (TIMEOUT_EXCEEDED) (code 159)",
            "garbled: no answer in JSON: '<html>maintenance</html>'",
            "garbled: no answer in JSON: '{\"meta\": [{\"name\": \"pending\", \"type\": \"String\"},{\"name\": \"oldest\", \"type\": \"Stri'",
            "ClickHouseMetrics_Query 1\n",
        ]
    );
    assert!(!session.is_broken());
    let lacks = row(&CLICKHOUSE, "errors", &facts).lacks(&facts).expect("an unknown");
    assert_eq!(lacks.reason, "needs system.errors, which the agent's login lacks", "24.8 has it, and does not show it");
    let disks = session.ask(row(&CLICKHOUSE, "disks", &facts), Duration::from_secs(3)).await.expect_err("too much");
    assert_eq!(disks.kind, UnknownKind::TooLarge);
    assert!(session.is_broken(), "the rest of it would still come");
}

#[tokio::test]
async fn limits_and_names_go_with_every_query_where_the_profile_lets_them() {
    let server = HttpAnswers::start(healthy).await;
    let mut session = open(&server).await.expect("a session");
    session.probe().await.expect("an answer");
    let asked = server.asked().pop().expect("a request");
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        ("POST", "/?log_queries=0&max_threads=1&max_execution_time=1&readonly=2")
    );
    assert_eq!(asked.body, "SELECT version() AS version, toUInt32(now()) AS now FORMAT JSONCompact");
    assert_eq!(asked.header("user-agent"), "watchward");
    assert_eq!((asked.header("x-clickhouse-user"), asked.header("x-clickhouse-key")), ("watchward", "planted-7f3a"));
}

#[tokio::test]
async fn a_profile_that_forbids_settings_is_asked_without() {
    let server = HttpAnswers::start(|asked| {
        if asked.path.contains("readonly") {
            let said = "Cannot modify 'log_queries' setting in readonly mode. (READONLY)";
            return (500, format!("Code: 164. DB::Exception: {said} (version 24.8.1.5)"));
        }
        healthy(asked)
    })
    .await;
    let mut session = open(&server).await.expect("a session");
    session.probe().await.expect("an answer");
    let paths: Vec<String> = server.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths, ["/?log_queries=0&max_threads=1&max_execution_time=5&readonly=2", "/?", "/?", "/?"]);
}

#[tokio::test]
async fn faults_tell_what_the_server_said() {
    let new_login = refused(|_| {
        let said = "watchward: Authentication failed: password is incorrect, or there is no user with such name.";
        (403, format!("Code: 516. DB::Exception: {said} (AUTHENTICATION_FAILED) (version 24.8.1.5)"))
    })
    .await;
    assert_eq!(
        new_login.to_string(),
        "127.0.0.1:PORT refuses user 'watchward' [clickhouse-01]\n\
         detail: The server said: watchward: Authentication failed: password is incorrect, or there is no user with \
         such name. (AUTHENTICATION_FAILED) (code 516).\n\
         hint: Is the password right, and may this user log in from this machine (its networks)?"
    );
    let no_rights = refused(|asked| match asked.body.contains("system.columns") {
        true => (500, "Code: 497. DB::Exception: watchward: Not enough privileges. (ACCESS_DENIED)".to_string()),
        false => healthy(asked),
    })
    .await;
    assert_eq!(
        no_rights.to_string(),
        "127.0.0.1:PORT refuses to be read [clickhouse-03]\n\
         detail: The server said: watchward: Not enough privileges. (ACCESS_DENIED) (code 497).\n\
         hint: May the user read system tables? GRANT SELECT ON system.* TO it."
    );
    let other = refused(|_| (400, "Port 9000 is for clickhouse-client program\r\n".to_string())).await;
    assert_eq!(
        other.to_string(),
        "127.0.0.1:PORT does not answer like ClickHouse: status 400, 'Port 9000 is for clickhouse-client program' \
         [clickhouse-04]\n\
         hint: Is this the port of its HTTP interface (8123, with TLS 8443), not of its native protocol?"
    );
}

/// Why there is no text of a statement.
async fn no_text(answers: Answers) -> String {
    let server = HttpAnswers::start(answers).await;
    let mut session = open(&server).await.expect("a session");
    let fault = session.statement("4711").await.expect_err("no text");
    fault.to_string().replace(&server.port.to_string(), "PORT")
}

#[tokio::test]
async fn texts_that_cannot_be_read_are_told_with_what_would_let_them() {
    let without_log: Answers = |asked| match asked.body.contains("FROM system.columns") {
        true => table("name", "[]"),
        false => healthy(asked),
    };
    assert_eq!(
        no_text(without_log).await,
        "127.0.0.1:PORT shows no log of queries [clickhouse-06]\n\
         hint: Is query_log in its configuration, and may the agent's login read system.query_log?"
    );
    let without_right: Answers = |asked| match asked.body.contains("FROM system.query_log") {
        true => (500, "Code: 497. DB::Exception: watchward: Not enough privileges. (ACCESS_DENIED)".to_string()),
        false => healthy(asked),
    };
    assert_eq!(
        no_text(without_right).await,
        "the agent's login may not read the texts of queries [clickhouse-07]\n\
         detail: The server said: watchward: Not enough privileges. (ACCESS_DENIED) (code 497).\n\
         hint: GRANT SELECT(query) ON system.query_log TO it. Nothing else needs that."
    );
    let with_text: Answers = |asked| match asked.body.contains("FROM system.query_log") {
        true => table("text", r#"[["SELECT 'planted' FROM t -- planted"]]"#),
        false => healthy(asked),
    };
    let server = HttpAnswers::start(with_text).await;
    let mut session = open(&server).await.expect("a session");
    assert_eq!(session.statement("4711").await.expect("a text").as_deref(), Some("SELECT ? FROM t"));
}

#[tokio::test]
async fn a_connection_closed_at_the_moment_of_a_request_is_no_server_that_is_down() {
    let server = HttpAnswers::start(healthy).await;
    let mut session = open(&server).await.expect("a session");
    server.patience.store(1, Ordering::Relaxed);
    for _ in 0..3 {
        session.probe().await.unwrap_or_else(|fault| panic!("{fault}"));
    }
    server.patience.store(0, Ordering::Relaxed);
    let fault = session.probe().await.expect_err("every connection is closed");
    assert_eq!(fault.code, "http-01");
    assert!(session.is_broken());
}
