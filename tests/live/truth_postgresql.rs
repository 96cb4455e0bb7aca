//! PostgreSQL in trouble, behind a pooler, and asked for a statement's text: what is told is true.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};
use watchward::model::reading::UnknownKind;
use watchward::sys::task;

use crate::agent::{Agent, Folder, sections};
use crate::servers::{open, servers};
use crate::single::{PASSWORD, Pooler, Postgresql, postgresql_versions};
use crate::watching::{Seen, Watching};

fn begin(version: u32, arguments: &[&str]) -> Postgresql {
    servers();
    let (version, programs) = postgresql_versions().into_iter().find(|(one, _)| *one == version).expect("got ready");
    Postgresql::begin(version, &programs, arguments)
}

async fn login(port: u16, user: &str, database: &str) -> Result<Client, tokio_postgres::Error> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
    let mut config = Config::new();
    config.user(user).dbname(database).password(PASSWORD);
    let (client, connection) = config.connect_raw(stream, NoTls).await?;
    task::spawn("client", async move {
        let _ = connection.await;
    })
    .detach();
    Ok(client)
}

async fn until(watching: &mut Watching, what: &str, mut is_so: impl FnMut(&Seen) -> bool) -> Seen {
    let began = Instant::now();
    loop {
        let seen = watching.try_cycle().await;
        if is_so(&seen) {
            return seen;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "not within a minute: {what}: {:?}", seen.cycle.fault);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn where_all_connections_are_taken_we_keep_ours_and_tell() {
    let server = begin(16, &["-c", "max_connections=12", "-c", "superuser_reserved_connections=3"]);
    let target = server.watched();
    server.psql(&format!("CREATE ROLE crowd LOGIN PASSWORD '{PASSWORD}'"));
    let mut watching = Watching::begin(target.clone());
    watching.cycle().await;
    let mut crowd = Vec::new();
    let refused = loop {
        match login(server.port, "crowd", "postgres").await {
            Ok(client) => crowd.push(client),
            Err(error) => break error,
        }
    };
    println!("after {}: {}", crowd.len(), refused.as_db_error().expect("the server refused").message());
    server.psql("CREATE DATABASE late");
    let seen = watching.cycle().await;
    assert_eq!(seen.values("pg_settings_max_connections", &[]), [12.0]);
    let sessions: f64 = seen.values("pg_stat_database_numbackends", &[]).iter().sum();
    assert!(sessions >= 9.0, "the alert on connections has what it needs: {sessions}");
    let (kind, reason) = seen.unknown("stat_user_tables").expect("the other database cannot be entered");
    assert_eq!(kind, UnknownKind::Refused);
    assert!(reason.starts_with("database 'late': no session with 127.0.0.1"), "{reason}");
    // Who comes now finds no place, and is told what to do.
    let fault = open(&target).await.map(|_| ()).expect_err("there is no place");
    assert_eq!(
        fault.to_string(),
        format!(
            "no session with 127.0.0.1:{} as 'watchward': remaining connection slots are reserved for roles with the \
             SUPERUSER attribute [postgresql-07]\ndetail: The server said FATAL 53300.\n\
             hint: Who holds the connections (pg_stat_activity)? From version 16 GRANT pg_use_reserved_connections TO the \
             role keeps a place for the agent.",
            server.port
        )
    );
}

#[tokio::test]
async fn a_standby_whose_primary_died_lags_and_is_a_primary_once_promoted() {
    let mut primary = begin(15, &[]);
    let target = primary.watched();
    primary.psql("CREATE TABLE t (n int)");
    let standby = primary.standby(&[]);
    let mut target = target;
    target.url.port = standby.port;
    let mut watching = Watching::begin(target);
    let lag = |seen: &Seen| seen.values("pg_replication_lag_seconds", &[]).first().copied().unwrap_or(f64::NAN);
    let seen = until(&mut watching, "it follows", |seen| seen.cycle.up && lag(seen) == 0.0).await;
    assert_eq!((seen.cycle.role.as_str(), seen.values("pg_replication_is_replica", &[])), ("replica", vec![1.0]));
    primary.crash();
    let first = lag(&until(&mut watching, "the lag shows", |seen| lag(seen) > 0.0).await);
    until(&mut watching, "the lag grows", |seen| lag(seen) >= first + 1.0).await;
    standby.psql("SELECT pg_promote()");
    let seen = until(&mut watching, "it is a primary", |seen| seen.cycle.role == "primary").await;
    assert_eq!((seen.values("pg_replication_is_replica", &[]), lag(&seen)), (vec![0.0], 0.0));
    let failed: Vec<_> = seen.cycle.rows.iter().filter(|row| row.result.is_err()).map(|row| row.name).collect();
    assert_eq!(failed, ["stat_statements"], "the extension is not there");
}

#[tokio::test]
async fn behind_pgbouncer_all_is_read_and_nobody_else_notices() {
    let server = begin(16, &[]);
    let mut target = server.watched();
    server.psql("CREATE DATABASE shop");
    server.psql_in("shop", "CREATE TABLE t (n int)");
    let pooler = Pooler::begin(&server, "watchward");
    target.url.port = pooler.port;
    let mut watching = Watching::begin(target.clone());
    for _ in 0..9 {
        let seen = watching.cycle().await;
        assert_eq!(seen.count("pg_stat_user_tables_n_live_tup", &[("datname", "shop")]), 1);
        let failed: Vec<_> = seen.cycle.rows.iter().filter(|row| row.result.is_err()).map(|row| row.name).collect();
        assert_eq!(failed, ["stat_statements"], "the extension is not there");
    }
    let client = login(pooler.port, "watchward", "postgres").await.expect("a client of the pooler's");
    let shown = client.simple_query("SHOW statement_timeout").await.expect("asked");
    let limit = shown.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_string),
        _ => None,
    });
    assert_eq!(limit.as_deref(), Some("0"), "our limits end with our questions");
    // The console of the pooler itself.
    target.url.path = "pgbouncer".to_string();
    let mut console = Watching::begin(target);
    let seen = console.cycle().await;
    assert_eq!((seen.cycle.flavour.as_str(), seen.cycle.role.as_str()), ("pgbouncer", "pooler"));
    let shop = [("database", "shop"), ("user", "watchward"), ("pool_mode", "transaction")];
    assert_eq!(seen.values("pgbouncer_pools_client_waiting_connections", &shop), [0.0]);
    assert!(seen.values("pgbouncer_stats_queries_pooled_total", &[("database", "postgres")])[0] > 50.0);
    assert!(seen.count("pgbouncer_list_items", &[]) > 5 && seen.count("pgbouncer_databases_pool_size", &[]) > 0);
    let failed: Vec<_> =
        seen.cycle.rows.iter().filter_map(|row| Some((row.name, row.result.as_ref().err()?))).collect();
    assert!(failed.is_empty(), "{failed:?}");
    println!("PgBouncer {}", seen.cycle.version);
}

#[tokio::test]
async fn a_statements_text_has_no_literal_even_where_the_server_keeps_them() {
    for version in [12, 13, 18] {
        let server = begin(version, &["-c", "shared_preload_libraries=pg_stat_statements"]);
        server.psql("CREATE EXTENSION pg_stat_statements");
        let target = server.watched();
        server.psql("ALTER ROLE watchward VALID UNTIL '2031-02-03'");
        server.psql("SELECT count(*) AS planted FROM pg_class WHERE relpages > 4711");
        let mut session = open(&target).await.unwrap_or_else(|fault| panic!("{fault}"));
        let mut text = async |like: &str| {
            let ask = format!("SELECT queryid FROM pg_stat_statements WHERE query LIKE '{like}' LIMIT 1");
            let all = server.psql("SELECT query FROM pg_stat_statements");
            let id = server.psql(&ask);
            assert!(!id.is_empty(), "{version}: no {like} in {all}");
            session.statement(&id).await.expect("read").expect("known")
        };
        assert_eq!(text("ALTER ROLE watchward VALID%").await, "ALTER ROLE watchward VALID UNTIL ?");
        assert_eq!(text("ALTER ROLE watchward PASSWORD%").await, "ALTER ROLE watchward PASSWORD ?");
        let planted = "SELECT count(*) AS planted FROM pg_class WHERE relpages > $1";
        assert_eq!(text("SELECT count(*) AS planted%").await, planted);
        assert_eq!(session.statement("1").await, Ok(None));
        let fault = session.statement("1; DROP TABLE t").await.expect_err("no id");
        assert_eq!(
            fault.to_string(),
            "'1; DROP TABLE t' is no id of a statement [postgresql-34]\n\
             hint: It is a whole number: the label queryid of the statement's series."
        );
        let others =
            server.psql("SELECT queryid FROM pg_stat_statements WHERE query LIKE 'SELECT count(*) AS planted%'");
        server.psql("REVOKE pg_monitor FROM watchward");
        assert_eq!(
            session.statement(&others).await.expect_err("somebody else's").to_string(),
            "the agent's login may not read other people's statements [postgresql-36]\n\
             hint: GRANT pg_monitor TO it; `watchward grants` prints the whole script."
        );
        server.psql("DROP EXTENSION pg_stat_statements");
        let mut without = open(&target).await.unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(
            without.statement("1").await.expect_err("nobody counts them").to_string(),
            "the database postgres has no pg_stat_statements [postgresql-35]\n\
             hint: CREATE EXTENSION pg_stat_statements there."
        );
    }
}

#[test]
fn a_statements_text_is_had_over_the_socket_and_not_by_the_anonymous() {
    let folder = Folder::new();
    let agent = Agent::begin(&folder, &sections(&["orders"], "interval = \"1s\"\n"));
    agent.wait_up("orders", true, Duration::from_secs(30));
    let mut id = String::new();
    crate::agent::wait("statements are read", Duration::from_secs(60), || {
        let all = agent.ask("pg_stat_statements_calls_total{queryid!=\"other\"}");
        id = all.first().map_or(String::new(), |one| one["metric"]["queryid"].as_str().unwrap_or("").to_string());
        !id.is_empty()
    });
    let path = format!("/api/v1/statements?target=orders&id={id}");
    let (status, body) = agent.try_get(&path).expect("an answer");
    assert_eq!(status, 403, "{body}");
    assert!(body.contains("needs the role viewer, by a token"), "{body}");
    let by_socket = |path: &str| -> Value {
        let mut curl = Command::new("curl");
        curl.args(["-s", "--unix-socket"]).arg(folder.0.join("state/watchward.sock"));
        let output = curl.arg(format!("http://localhost{path}")).output().expect("curl runs");
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let answer = by_socket(&path);
    println!("{answer}");
    assert!(answer["text"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
    let answer = by_socket("/api/v1/statements?target=orders&id=1");
    let hint = "The server forgets statements that are run seldom, and all when its statistics are reset.";
    let error = json!({ "code": "agent-09", "what": "orders knows no statement '1'", "detail": "", "hint": hint });
    assert_eq!(answer, json!({ "error": error }));
    let answer = by_socket("/api/v1/statements?target=nobody&id=1");
    let error = json!({ "code": "agent-08", "what": "there is no target 'nobody'", "detail": "", "hint": "" });
    assert_eq!(answer, json!({ "error": error }));
}
