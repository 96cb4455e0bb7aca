//! PostgreSQL: a primary and its standby, read as the monitoring role.

use std::path::Path;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};
use watchward::engines::contract::{Ask, Row, Session};
use watchward::model::filter::Glob;
use watchward::model::reading::UnknownKind;
use watchward::model::secret::Secret;
use watchward::model::target::{SecretSource, Target, Url};
use watchward::sys::task;

use crate::servers::{Readings, Servers, engine, open, read_all, servers, target, unknowns};

fn watched(servers: &Servers, port: &str, password: &str) -> Target {
    let url = Url {
        scheme: "postgres".to_string(),
        user: servers.value("WW_MONITOR_USER").to_string(),
        host: servers.value("WW_TLS_HOST").to_string(),
        port: servers.port(port),
        path: "postgres".to_string(),
        parameters: [("sslmode".to_string(), "verify-full".to_string())].into(),
    };
    let mut target = target("postgresql", url, password);
    target.ca_file = Some(servers.value("WW_CA_FILE").into());
    target
}

fn as_monitor(servers: &Servers, port: &str) -> Target {
    watched(servers, port, &servers.secret("WW_PG_MONITOR_PASSWORD_FILE"))
}

async fn read(target: &Target) -> (Box<dyn Session>, Readings) {
    let mut session = open(target).await.unwrap_or_else(|fault| panic!("{fault}"));
    let readings = read_all(engine("postgresql"), &mut *session).await;
    (session, readings)
}

/// An administrator's session, for breaking things.
async fn administrator(servers: &Servers, port: &str, database: &str) -> Client {
    let stream = TcpStream::connect((servers.value("WW_HOST"), servers.port(port))).await.expect("a connection");
    let mut config = Config::new();
    config.user(servers.value("WW_PG_ADMIN_USER")).dbname(database);
    config.password(servers.secret("WW_PG_ADMIN_PASSWORD_FILE"));
    let (client, connection) = config.connect_raw(stream, NoTls).await.expect("an administrator's session");
    task::spawn("administrator", async move {
        let _ = connection.await;
    })
    .detach();
    client
}

/// The one row that wants more than the script grants.
fn only_bloat_is_unread(readings: &Readings) {
    let unread = unknowns(readings);
    let lacks = "needs pg_read_all_data, which the agent's login lacks".to_string();
    assert_eq!(unread, [("bloat", UnknownKind::Privilege, lacks)]);
}

#[tokio::test]
async fn every_row_of_a_primary_is_read_with_pg_monitor() {
    let servers = servers();
    let (session, readings) = read(&as_monitor(&servers, "WW_PG_PRIMARY_PORT")).await;
    only_bloat_is_unread(&readings);
    assert_eq!((session.facts().version.0, session.facts().role.as_str()), (15, "primary"));
    let points = |row: &str| readings[row].as_ref().expect("read");
    assert_eq!(points("replication").value("pg_replication_is_replica"), 0.0);
    assert_eq!(points("replication").value("pg_replication_lag_seconds"), 0.0);
    assert_eq!(points("settings").value("pg_settings_max_connections"), 60.0);
    assert_eq!(points("settings").value("pg_settings_shared_buffers_bytes"), f64::from(64 << 20));
    assert!(points("stat_replication").text().contains("application_name=\"standby\""));
    let left = points("certificate").value("pg_ssl_certificate_expiry_seconds");
    assert!(left > 3600.0, "the certificate ends in {left} s");
    assert!(points("database").value("pg_database_size_bytes{datname=\"orders\"}") > 1e6);
}

#[tokio::test]
async fn every_row_of_a_standby_is_read_with_pg_monitor() {
    let servers = servers();
    let (session, readings) = read(&as_monitor(&servers, "WW_PG_STANDBY_PORT")).await;
    only_bloat_is_unread(&readings);
    assert_eq!(session.facts().role, "replica");
    assert_eq!(readings["replication"].as_ref().expect("read").value("pg_replication_is_replica"), 1.0);
}

#[tokio::test]
async fn the_lag_of_a_standby_whose_link_is_cut_grows_though_all_it_received_is_replayed() {
    let servers = servers();
    let standby = administrator(&servers, "WW_PG_STANDBY_PORT", "postgres").await;
    let lag = async || {
        let read = read(&as_monitor(&servers, "WW_PG_STANDBY_PORT")).await.1;
        read["replication"].as_ref().map_or(f64::NAN, |points| points.value("pg_replication_lag_seconds"))
    };
    let link = cell(&standby, "SHOW primary_conninfo").await;
    let set = async |link: &str| {
        standby.batch_execute(&format!("ALTER SYSTEM SET primary_conninfo = '{link}'")).await.expect("set");
        standby.batch_execute("SELECT pg_reload_conf()").await.expect("reload");
    };
    assert!(wait_for(async || lag().await == 0.0).await, "it follows");
    set("").await;
    let cut = wait_for(async || lag().await > 0.0).await;
    let first = lag().await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let second = lag().await;
    set(&link.replace('\'', "''")).await;
    assert!(cut && second >= first + 1.0, "cut off, but the lag was {first}, then {second}");
    assert!(wait_for(async || lag().await == 0.0).await, "the link is mended, but the lag stays");
}

/// The one cell of an answer.
async fn cell(client: &Client, question: &str) -> String {
    let answer = client.simple_query(question).await.expect("asked");
    let cell = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_string),
        _ => None,
    });
    cell.unwrap_or_default()
}

/// Whether something comes true within ten seconds.
async fn wait_for(mut come_true: impl AsyncFnMut() -> bool) -> bool {
    for _ in 0..50 {
        if come_true().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    false
}

#[tokio::test]
async fn a_refused_login_says_why_in_the_servers_words_and_never_the_password() {
    let servers = servers();
    let port = servers.port("WW_PG_PRIMARY_PORT");
    let check = async |change: &dyn Fn(&mut Target), expected: &str| {
        let mut target = as_monitor(&servers, "WW_PG_PRIMARY_PORT");
        change(&mut target);
        let fault = open(&target).await.map(|_| ()).expect_err("refused").to_string();
        assert_eq!(fault, expected);
    };
    let wrong = SecretSource::Inline(Secret::new("planted-password"));
    check(
        &|target| target.password = wrong.clone(),
        &format!(
            "no session with localhost:{port} as 'watchward': password authentication failed for user \"watchward\" \
         [postgresql-03]\ndetail: The server said FATAL 28P01.\n\
         hint: Is this the role's password, and is it still valid (pg_roles.rolvaliduntil)?"
        ),
    )
    .await;
    check(
        &|target| target.password = SecretSource::Inline(Secret::new("")),
        &format!(
            "no session with localhost:{port} as 'watchward': it wants a password [postgresql-10]\n\
         hint: Name its file in password_file."
        ),
    )
    .await;
    check(
        &|target| target.url.path = "shop".to_string(),
        &format!(
            "no session with localhost:{port} as 'watchward': database \"shop\" does not exist [postgresql-05]\n\
         detail: The server said FATAL 3D000.\n\
         hint: Is the database's name right? Nearly every server has one named postgres."
        ),
    )
    .await;
    check(
        &|target| target.ca_file = None,
        "the certificate of 'localhost' is signed by an authority that is not \
         trusted [tls-05]\ndetail: TLS said: invalid peer certificate: UnknownIssuer.\n\
         hint: Name the authority's certificate in ca_file.",
    )
    .await;
}

#[tokio::test]
async fn sslmode_is_obeyed() {
    let servers = servers();
    let administrator = administrator(&servers, "WW_PG_PRIMARY_PORT", "postgres").await;
    for (mode, encrypted) in
        [("disable", "f"), ("allow", "t"), ("prefer", "t"), ("require", "t"), ("verify-ca", "t"), ("verify-full", "t")]
    {
        let mut target = as_monitor(&servers, "WW_PG_PRIMARY_PORT");
        target.url.parameters.insert("sslmode".to_string(), mode.to_string());
        let session = open(&target).await.unwrap_or_else(|fault| panic!("{mode}: {fault}"));
        let ask = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                   WHERE usename = 'watchward' AND application_name = 'watchward' ORDER BY backend_start DESC LIMIT 1";
        assert_eq!(cell(&administrator, ask).await, encrypted, "{mode}");
        drop(session);
    }
}

#[tokio::test]
async fn a_login_without_pg_monitor_reads_the_rest_and_names_what_it_may_not() {
    let servers = servers();
    let administrator = administrator(&servers, "WW_PG_PRIMARY_PORT", "postgres").await;
    administrator
        .batch_execute(
            "DROP ROLE IF EXISTS stranger; CREATE ROLE stranger LOGIN PASSWORD 'stranger'; \
             GRANT CONNECT ON DATABASE postgres TO stranger",
        )
        .await
        .expect("a role");
    let mut target = watched(&servers, "WW_PG_PRIMARY_PORT", "stranger");
    target.url.user = "stranger".to_string();
    target.filter.include.insert("datname".to_string(), vec![Glob::new("postgres")]);
    let (session, readings) = read(&target).await;
    drop(session);
    let clean = administrator.batch_execute("REVOKE CONNECT ON DATABASE postgres FROM stranger; DROP ROLE stranger");
    let unknowns = unknowns(&readings);
    assert!(wait_for(async || administrator.simple_query("SELECT 1").await.is_ok()).await);
    clean.await.expect("cleaned");
    let rows: Vec<&str> = unknowns.iter().map(|(row, ..)| *row).collect();
    assert_eq!(
        rows,
        [
            "autovacuum",
            "bloat",
            "database",
            "lock_tree",
            "long_running_transactions",
            "replication",
            "stat_activity",
            "stat_progress_analyze",
            "stat_progress_create_index",
            "stat_progress_vacuum",
            "stat_replication",
            "stat_statements",
            "wal",
            "xmin_horizon"
        ]
    );
    for (row, kind, reason) in unknowns {
        let needs = if row == "bloat" { "pg_read_all_data" } else { "pg_monitor" };
        let lacks = format!("needs {needs}, which the agent's login lacks");
        assert_eq!((kind, reason), (UnknownKind::Privilege, lacks), "{row}");
    }
}

#[tokio::test]
async fn a_failed_question_costs_one_question_and_says_what_the_server_said() {
    const BROKEN: &[Row] = &[
        asks("SELECT nothing FROM pg_stat_database"),
        asks("SELECT * FROM pg_stat_nowhere"),
        asks("SELECT pg_read_file('PG_VERSION')"),
        asks("CREATE TABLE written (a int)"),
        asks("SELECT pg_sleep(30)"),
        asks("SELECT 1; SELECT FROM WHERE"),
        asks("SELECT repeat('x', 1000000) AS x FROM generate_series(1, 30)"),
    ];
    let servers = servers();
    let mut session = open(&as_monitor(&servers, "WW_PG_PRIMARY_PORT")).await.expect("a session");
    let mut said = Vec::new();
    for row in BROKEN {
        let unknown = session.ask(row, Duration::from_millis(300)).await.expect_err("broken");
        said.push((unknown.kind, unknown.reason));
        if !session.is_broken() {
            session.probe().await.expect("the next question is answered");
        }
    }
    let said: Vec<(UnknownKind, &str)> = said.iter().map(|(kind, reason)| (*kind, reason.as_str())).collect();
    assert_eq!(
        said,
        [
            (UnknownKind::Missing, "column \"nothing\" does not exist (42703)"),
            (UnknownKind::Missing, "relation \"pg_stat_nowhere\" does not exist (42P01)"),
            (UnknownKind::Privilege, "permission denied for function pg_read_file (42501)"),
            (UnknownKind::Refused, "cannot execute CREATE TABLE in a read-only transaction (25006)"),
            (UnknownKind::Deadline, "canceling statement due to statement timeout (57014)"),
            (UnknownKind::Refused, "syntax error at or near \"WHERE\" (42601)"),
            (UnknownKind::TooLarge, "the answer is larger than allowed"),
        ]
    );
    assert!(session.is_broken(), "an answer cut off in the middle leaves the connection of no use");
}

const fn asks(question: &'static str) -> Row {
    Row { name: "broken", ask: Ask::Text(question), ..Row::DEFAULT }
}

#[tokio::test]
async fn a_table_that_is_locked_is_listed_without_its_size_and_delays_nothing() {
    let servers = servers();
    let administrator = administrator(&servers, "WW_PG_PRIMARY_PORT", "orders").await;
    administrator.batch_execute("BEGIN; LOCK TABLE customer IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    let mut target = as_monitor(&servers, "WW_PG_PRIMARY_PORT");
    target.url.path = "orders".to_string();
    let (_, readings) = read(&target).await;
    administrator.batch_execute("ROLLBACK").await.expect("unlocked");
    only_bloat_is_unread(&readings);
    let tables = readings["stat_user_tables"].as_ref().expect("read");
    let series = |name: &str, table: &str| {
        format!("pg_stat_user_tables_{name}{{datname=\"orders\",relname=\"{table}\",schemaname=\"public\"}}")
    };
    assert!(tables.all.contains_key(&series("n_live_tup", "customer")));
    assert!(!tables.all.contains_key(&series("table_size_bytes", "customer")));
    assert!(tables.value(&series("table_size_bytes", "purchase")) > 0.0);
}

#[tokio::test]
async fn the_servers_end_breaks_the_session() {
    let servers = servers();
    let administrator = administrator(&servers, "WW_PG_STANDBY_PORT", "postgres").await;
    let mut session = open(&as_monitor(&servers, "WW_PG_STANDBY_PORT")).await.expect("a session");
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'watchward'";
    administrator.batch_execute(end).await.expect("ended");
    let fault = session.probe().await.expect_err("ended");
    assert!(session.is_broken(), "{fault}");
    assert_eq!(
        fault.what,
        format!(
            "no session with localhost:{} as 'watchward': terminating connection due to administrator command",
            servers.port("WW_PG_STANDBY_PORT")
        )
    );
}

#[tokio::test]
async fn a_unix_socket_is_named_by_its_folder_or_its_file() {
    let servers = servers();
    let folder = Path::new(servers.value("WW_PG_PRIMARY_DATA")).parent().expect("a folder").display().to_string();
    let file = format!("{folder}/.s.PGSQL.{}", servers.port("WW_PG_PRIMARY_PORT"));
    for host in [folder, file] {
        let mut target = as_monitor(&servers, "WW_PG_PRIMARY_PORT");
        target.url.host = host.clone();
        let session = open(&target).await.unwrap_or_else(|fault| panic!("{host}: {fault}"));
        assert_eq!(session.facts().role, "primary");
    }
}

#[tokio::test]
async fn a_login_is_bound_to_the_servers_certificate_where_there_is_tls() {
    let servers = servers();
    let mut target = as_monitor(&servers, "WW_PG_PRIMARY_PORT");
    target.url.parameters.insert("channel_binding".to_string(), "require".to_string());
    open(&target).await.map(|_| ()).unwrap_or_else(|fault| panic!("{fault}"));
    target.url.parameters.insert("sslmode".to_string(), "disable".to_string());
    let fault = open(&target).await.map(|_| ()).expect_err("there is nothing to bind to");
    assert!(fault.what.ends_with("server did not use channel binding"), "{fault}");
}
