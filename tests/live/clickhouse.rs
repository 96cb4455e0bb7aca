//! ClickHouse 18.16, read as a user who may read system tables and may not change settings.

use std::time::Duration;

use watchward::engines::contract::Session;
use watchward::model::target::{Target, Url};

use crate::servers::{Readings, Servers, all_read, engine, open, read_all, servers, target};

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

fn as_administrator(servers: &Servers) -> Target {
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
    let expected = ["asynchronous_metrics", "events", "metrics", "mutations", "queries", "replicas", "tables"];
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
    assert_eq!(fault.code, "clickhouse-02");
    assert!(fault.what.ends_with("has no database 'nowhere' for this user"), "{fault}");
    assert_eq!(fault.detail, "The server said: Database nowhere doesn't exist (code 81).");
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
