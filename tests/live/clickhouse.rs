//! ClickHouse 18.16, read as a user who may read system tables and may not change settings.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use watchward::engines::contract::Session;
use watchward::model::target::{Target, Url};

use crate::points::Points;
use crate::servers::{Readings, Servers, all_read, engine, open, read_all, servers, target, unknowns};

fn watched(servers: &Servers, user: &str, password: &str) -> Target {
    let url = Url {
        scheme: "http".to_string(),
        user: user.to_string(),
        host: servers.value("WW_HOST").to_string(),
        port: servers.port("WW_CLICKHOUSE_PORT"),
        ..Url::default()
    };
    target("clickhouse", url, password)
}

fn as_monitor(servers: &Servers) -> Target {
    watched(servers, servers.value("WW_MONITOR_USER"), &servers.secret("WW_CLICKHOUSE_MONITOR_PASSWORD_FILE"))
}

pub fn as_administrator(servers: &Servers) -> Target {
    let password = servers.secret("WW_CLICKHOUSE_ADMIN_PASSWORD_FILE");
    watched(servers, servers.value("WW_CLICKHOUSE_ADMIN_USER"), &password)
}

async fn read(target: &Target) -> (Box<dyn Session>, Readings) {
    let mut session = open(target).await.unwrap_or_else(|fault| panic!("{fault}"));
    session.probe().await.unwrap_or_else(|fault| panic!("{fault}"));
    let readings = read_all(engine("clickhouse"), &mut *session).await;
    (session, readings)
}

#[tokio::test]
async fn every_row_is_read_by_a_user_who_may_change_no_settings() {
    let servers = servers();
    let (mut session, mut readings) = read(&as_monitor(&servers)).await;
    for _ in 0..70 {
        if !readings["asynchronous_metrics"].as_ref().is_ok_and(|points| points.all.is_empty()) {
            break;
        }
        // A server that has just started works them out after a minute.
        tokio::time::sleep(Duration::from_secs(1)).await;
        readings = read_all(engine("clickhouse"), &mut *session).await;
    }
    all_read(&readings);
    assert_eq!((session.facts().version, session.facts().version_text.as_str()), ((18, 16), "18.16.1"));
    let value = |row: &str, series: &str| readings[row].as_ref().expect("points").value(series);
    assert!(value("metrics", "ClickHouseMetrics_HTTPConnection") >= 1.0);
    assert!(value("asynchronous_metrics", "ClickHouseAsyncMetrics_Uptime") > 0.0);
    assert!(value("events", "ClickHouseProfileEvents_Query") > 0.0);
    assert_eq!(value("mutations", "clickhouse_mutations_pending"), 0.0);
    assert_eq!(value("queries", "clickhouse_longest_query_seconds"), 0.0, "its own query does not count");
    assert!(value("tables", r#"clickhouse_table_parts{database="system",table="query_log"}"#) >= 1.0);
    let rows: Vec<&str> = readings.keys().copied().collect();
    let expected = [
        "asynchronous_metrics",
        "dictionaries",
        "events",
        "metrics",
        "mutations",
        "queries",
        "query_durations",
        "replicas",
        "statements",
        "tables",
    ];
    assert_eq!(rows, expected, "what 18.16 does not have is no row there");
}

#[tokio::test]
async fn every_row_is_read_by_a_user_who_may_and_is_then_bound_and_not_logged() {
    let servers = servers();
    let (_session, readings) = read(&as_administrator(&servers)).await;
    all_read(&readings);
    let tables = readings["tables"].as_ref().expect("points");
    assert_eq!(tables.value(r#"clickhouse_table_parts_rows{database="default",table="visit"}"#), 20000.0);
}

/// Has the administrator run SQL.
pub fn run(servers: &Servers, sql: &str) -> bool {
    let login = format!(
        "user = \"{}:{}\"\n",
        servers.value("WW_CLICKHOUSE_ADMIN_USER"),
        servers.secret("WW_CLICKHOUSE_ADMIN_PASSWORD_FILE")
    );
    let url = format!("http://127.0.0.1:{}/", servers.port("WW_CLICKHOUSE_PORT"));
    let mut curl = Command::new("curl")
        .args(["--noproxy", "*", "-sS", "-f", "-m", "20", "-o", "/dev/null", "-K", "-", "--data-binary", sql, &url])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("curl");
    curl.stdin.take().expect("its input").write_all(login.as_bytes()).expect("the login");
    curl.wait().expect("its end").success()
}

/// Reads until `is_so` of one row's points holds, or says what there was.
async fn until(session: &mut dyn Session, row: &str, is_so: impl Fn(&Points) -> bool) -> Points {
    for _ in 0..90 {
        session.probe().await.unwrap_or_else(|fault| panic!("{fault}"));
        if let Some(Ok(points)) = read_all(engine("clickhouse"), session).await.remove(row)
            && is_so(&points)
        {
            return points;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("{row} never became so")
}

#[tokio::test]
async fn the_log_is_counted_by_kind_and_user_and_by_kind_of_text_without_the_agents_own() {
    let servers = servers();
    let (mut session, _) = read(&as_monitor(&servers)).await; // counting begins here
    for id in 1..=5 {
        assert!(run(
            &servers,
            &format!("SELECT count() FROM default.visit WHERE page = 'planted-{id}' AND id > {id}00")
        ));
    }
    assert!(!run(&servers, "SELECT nonsense"), "no such column");
    let count = r#"clickhouse_query_duration_seconds_count{kind="select",user="admin"}"#;
    let durations =
        until(&mut *session, "query_durations", |points| points.all.get(count).is_some_and(|count| *count >= 6.0))
            .await;
    assert!(durations.value(r#"clickhouse_query_failures_total{kind="select",user="admin"}"#) >= 1.0);
    let whole = r#"clickhouse_query_duration_seconds_bucket{kind="select",le="+Inf",user="admin"}"#;
    assert_eq!(durations.value(whole), durations.value(count));
    let own = durations.all.keys().find(|series| series.contains("user=\"watchward\""));
    assert_eq!(own, None, "what the agent asks does not count");
    let statements = until(&mut *session, "statements", |points| points.all.values().any(|value| *value >= 5.0)).await;
    let five =
        |(series, value): (&String, &f64)| series.starts_with("clickhouse_statement_calls_total") && *value == 5.0;
    assert!(statements.all.iter().any(|(series, value)| five((series, value))), "{}", statements.text());
    assert!(!statements.text().contains("planted"));

    let (series, _) = statements.all.iter().find(|(series, value)| five((series, value))).expect("it is there");
    let id = series.split('"').nth(1).expect("its hash");
    let text = session.statement(id).await.unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(text.as_deref(), Some("SELECT count() FROM default.visit WHERE page = ? AND id > ?"));
    assert_eq!(session.statement("17").await, Ok(None), "nobody asked that");
    let fault = session.statement("1 OR 1").await.expect_err("no id");
    assert_eq!(
        fault.to_string(),
        "'1 OR 1' is no id of a statement [clickhouse-05]\n\
         hint: It is a whole number: the label query_hash of the statement's series."
    );
}

#[tokio::test]
async fn a_table_is_seen_when_it_is_there_and_no_more_when_it_is_dropped() {
    let servers = servers();
    let mut session = open(&as_administrator(&servers)).await.unwrap_or_else(|fault| panic!("{fault}"));
    let parts = r#"clickhouse_table_parts{database="default",table="passing"}"#;
    assert!(run(&servers, "CREATE TABLE default.passing (day Date, id UInt64) ENGINE = MergeTree(day, id, 8192)"));
    assert!(run(&servers, "INSERT INTO default.passing SELECT today(), 1"));
    let readings = read_all(engine("clickhouse"), &mut *session).await;
    assert_eq!(readings["tables"].as_ref().expect("points").value(parts), 1.0);
    // Dropped and made again while it is read, over and over: nothing fails.
    let coming_and_going = tokio::task::spawn_blocking(|| {
        let servers = crate::servers::servers();
        for _ in 0..10 {
            assert!(run(&servers, "DROP TABLE default.passing"));
            let made = "CREATE TABLE default.passing (day Date, id UInt64) ENGINE = MergeTree(day, id, 8192)";
            assert!(run(&servers, made));
        }
    });
    while !coming_and_going.is_finished() {
        all_read(&read_all(engine("clickhouse"), &mut *session).await);
    }
    coming_and_going.await.expect("it went");
    assert!(run(&servers, "DROP TABLE default.passing"));
    let readings = read_all(engine("clickhouse"), &mut *session).await;
    assert!(!readings["tables"].as_ref().expect("points").all.contains_key(parts));
}

#[tokio::test]
async fn a_log_that_is_gone_costs_its_rows_alone_and_is_found_again() {
    let servers = servers();
    let mut session = open(&as_monitor(&servers)).await.unwrap_or_else(|fault| panic!("{fault}"));
    session.probe().await.unwrap_or_else(|fault| panic!("{fault}"));
    assert!(run(&servers, "DROP TABLE system.query_log"));
    let readings = read_all(engine("clickhouse"), &mut *session).await;
    let unread: Vec<&str> = unknowns(&readings).into_iter().map(|(row, ..)| row).collect();
    // Somebody else's query may have had it made anew already.
    assert!(unread.is_empty() || unread == ["query_durations", "statements"], "{unread:?}");
    assert!(run(&servers, "SELECT 1"), "the first entry makes it again");
    until(&mut *session, "statements", |points| points.all.len() >= 5).await;
}

#[tokio::test]
async fn a_wrong_password_is_told_in_the_servers_words_and_never_shown() {
    let servers = servers();
    let fault = open(&watched(&servers, "watchward", "planted-7f3a")).await.err().expect("a fault");
    let port = servers.port("WW_CLICKHOUSE_PORT");
    assert_eq!(
        fault.to_string(),
        format!(
            "127.0.0.1:{port} refuses user 'watchward' [clickhouse-01]\n\
             detail: The server said: Wrong password for user watchward (code 193).\n\
             hint: Is the password right, and may this user log in from this machine (its networks)?"
        )
    );
    assert!(!format!("{fault:?}").contains("planted-7f3a"));
}

#[tokio::test]
async fn an_unknown_database_is_a_fault() {
    let servers = servers();
    let mut target = as_administrator(&servers);
    target.url.path = "nowhere".to_string();
    let fault = open(&target).await.err().expect("a fault");
    assert_eq!(
        fault.to_string(),
        format!(
            "{}:{} has no database 'nowhere' for this user [clickhouse-02]\n\
             detail: The server said: Database nowhere doesn't exist (code 81).\n\
             hint: Leave the database out of the URL: only system tables are read.",
            target.url.host, target.url.port
        )
    );
}

#[tokio::test]
async fn the_native_port_is_told_from_the_http_port() {
    let servers = servers();
    let mut target = as_monitor(&servers);
    target.url.port = servers.port("WW_CLICKHOUSE_TCP_PORT");
    let fault = open(&target).await.err().expect("a fault");
    assert_eq!(fault.code, "clickhouse-04");
    assert!(fault.hint.contains("8123"), "{fault}");
}

#[tokio::test]
async fn tls_where_there_is_none_is_a_fault() {
    let servers = servers();
    let mut target = as_monitor(&servers);
    target.url.scheme = "https".to_string();
    let fault = open(&target).await.err().expect("a fault");
    assert_eq!(fault.code, "tls-04", "{fault}");
}
