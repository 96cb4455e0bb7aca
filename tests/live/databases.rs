//! PostgreSQL with many databases: all are read, with few sessions, and nobody is kept from dropping one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use watchward::model::filter::Glob;
use watchward::model::reading::UnknownKind;

use crate::servers::open;
use crate::single::{Postgresql, postgresql_versions};
use crate::watching::{Seen, Watching};

const TABLES: &str = "pg_stat_user_tables_n_live_tup";

fn begin(version: u32) -> Postgresql {
    let (version, programs) = postgresql_versions().into_iter().find(|(one, _)| *one == version).expect("got ready");
    let arguments = ["-c", "shared_preload_libraries=pg_stat_statements", "-c", "pg_stat_statements.track=all"];
    let server = Postgresql::begin(version, &programs, &arguments);
    server.psql("CREATE EXTENSION pg_stat_statements");
    server
}

fn fill(server: &Postgresql, database: &str, tables: u32) {
    server.psql(&format!("CREATE DATABASE {database}"));
    server.psql_in(
        database,
        &format!(
            "DO $$ BEGIN FOR n IN 1..{tables} LOOP \
             EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, words text)', n); END LOOP; END $$; \
             INSERT INTO t1 SELECT n, 'words' FROM generate_series(1, 10) n"
        ),
    );
}

fn our_sessions(server: &Postgresql) -> u64 {
    let ours = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'watchward'";
    server.psql(ours).parse().expect("a number")
}

/// As the server itself counts them, those of psql among them.
fn sessions_ever(server: &Postgresql) -> u64 {
    server.psql("SELECT sum(sessions)::int8 FROM pg_stat_database").parse().expect("a number")
}

async fn until(watching: &mut Watching, what: &str, mut is_so: impl FnMut(&Seen) -> bool) -> Seen {
    let began = Instant::now();
    loop {
        let seen = watching.cycle().await;
        if is_so(&seen) {
            return seen;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn five_databases_of_a_hundred_tables_cost_few_sessions_and_little_time() {
    let server = begin(15);
    let mut watching = Watching::begin(server.watched());
    let first = watching.cycle().await;
    assert_eq!(first.count(TABLES, &[]), 0, "there is no table yet");
    let databases = ["app_1", "app_2", "app_3", "app_4", "app_5"];
    for database in databases {
        fill(&server, database, 100);
    }
    let seen = watching.cycle().await;
    for database in databases {
        assert_eq!(seen.count(TABLES, &[("datname", database)]), 100, "{database} is seen at the next cycle");
        assert_eq!(seen.values(TABLES, &[("datname", database), ("relname", "t1")]), [10.0]);
    }
    assert_eq!(our_sessions(&server), 6);
    server.psql("SELECT pg_stat_statements_reset()");
    let begun = server.psql("SELECT clock_timestamp()");
    let before = sessions_ever(&server);
    let (cycles, began) = (80_u32, Instant::now());
    for _ in 0..cycles {
        let seen = watching.cycle().await;
        assert_eq!(seen.count(TABLES, &[]), 500);
        assert_eq!(seen.unknown("stat_user_tables"), None);
    }
    let took = began.elapsed();
    let ms: f64 = server
        .psql(
            "SELECT sum(total_exec_time + total_plan_time) FROM pg_stat_statements s JOIN pg_roles r ON r.oid = userid \
               WHERE rolname = 'watchward'",
        )
        .parse()
        .expect("a number");
    assert_eq!(our_sessions(&server), 6, "the cap");
    let new =
        format!("SELECT count(*) FROM pg_stat_activity WHERE usename = 'watchward' AND backend_start > '{begun}'");
    assert_eq!(server.psql(&new), "0", "they are the same six as before");
    // Sessions that came and went; of ours and of psql's, which has had at most five.
    let opened = sessions_ever(&server).saturating_sub(before + 5);
    let (per_cycle, new) = (ms / f64::from(cycles), opened as f64 / f64::from(cycles));
    println!(
        "server time {per_cycle:.2} ms, {new:.3} new sessions and {:.1} ms in all per cycle, of {cycles}",
        took.as_secs_f64() * 1000.0 / f64::from(cycles)
    );
    println!(
        "{}",
        server.psql(
            "SELECT round((total_exec_time / 80)::numeric, 3) || ' ms ' || calls || ' ' || left(query, 90) \
         FROM pg_stat_statements s JOIN pg_roles r ON r.oid = userid WHERE rolname = 'watchward' \
         ORDER BY total_exec_time DESC LIMIT 12"
        )
    );
    assert!(per_cycle <= 110.0 && new <= 0.1, "{per_cycle} ms, {new} sessions");
}

#[tokio::test]
async fn nobody_is_kept_from_dropping_copying_or_renaming_a_database() {
    let server = Arc::new(begin(17));
    for database in ["shop", "stock", "books"] {
        fill(&server, database, 3);
    }
    let mut watching = Watching::begin(server.watched());
    let seen = watching.cycle().await;
    assert_eq!(seen.count(TABLES, &[]), 9);
    assert_eq!(our_sessions(&server), 4);
    for (sql, gone) in [
        ("CREATE DATABASE copy TEMPLATE stock", ""),
        ("ALTER DATABASE books RENAME TO ledger", "books"),
        ("DROP DATABASE shop", "shop"),
    ] {
        let psql = server.clone();
        let began = Instant::now();
        tokio::task::spawn_blocking(move || psql.psql(sql)).await.expect("it is done");
        println!("{sql}: {:.1} s", began.elapsed().as_secs_f64());
        let seen = watching.cycle().await;
        assert!(gone.is_empty() || seen.count(TABLES, &[("datname", gone)]) == 0, "{sql}: its series end at once");
    }
    let seen = watching.cycle().await;
    assert_eq!(seen.count(TABLES, &[("datname", "ledger")]), 3);
    assert_eq!(seen.count(TABLES, &[("datname", "copy")]), 3);
    assert_eq!(seen.count(TABLES, &[("datname", "stock")]), 3, "what it last said is repeated while we stay away");
}

#[tokio::test]
async fn more_databases_than_sessions_are_visited_in_turn() {
    let server = begin(16);
    for n in 1..=8 {
        fill(&server, &format!("app_{n}"), 2);
    }
    server.psql("CREATE DATABASE tmpl IS_TEMPLATE true");
    server.psql("CREATE DATABASE closed ALLOW_CONNECTIONS false");
    let mut target = server.watched();
    target.sessions_max = 3;
    target.filter.exclude.insert("datname".to_string(), vec![Glob::new("app_[78]"), Glob::new("app_8")]);
    let mut watching = Watching::begin(target);
    let seen = watching.cycle().await;
    assert_eq!(seen.count(TABLES, &[]), 14, "seven of two, the eighth left out");
    assert_eq!(our_sessions(&server), 2, "the main one and one kept; the visits are over");
    let before = sessions_ever(&server);
    for _ in 0..16 {
        assert_eq!(watching.cycle().await.count(TABLES, &[]), 14, "what they said is repeated");
    }
    let opened = sessions_ever(&server) - before;
    assert!(opened <= 2, "no second visit within ten minutes, but {opened} sessions, psql's among them");
}

#[tokio::test]
async fn a_database_that_refuses_or_hangs_costs_only_itself() {
    let server = begin(18);
    for database in ["shut", "stuck", "well"] {
        fill(&server, database, 2);
    }
    server.psql("REVOKE CONNECT ON DATABASE shut FROM PUBLIC");
    let mut watching = Watching::begin(server.watched());
    let seen = watching.cycle().await;
    assert_eq!(
        seen.unknown("stat_user_tables"),
        Some((
            UnknownKind::Privilege,
            "database 'shut': the agent's login lacks CONNECT; grant it, or exclude the database".to_string()
        ))
    );
    assert_eq!((seen.count(TABLES, &[("datname", "stuck")]), seen.count(TABLES, &[("datname", "well")])), (2, 2));
    let mut alone = server.watched();
    alone.url.path = "shut".to_string();
    assert_eq!(
        open(&alone).await.map(|_| ()).expect_err("it is shut").to_string(),
        format!(
            "no session with 127.0.0.1:{} as 'watchward': permission denied for database \"shut\" [postgresql-06]\n\
             detail: The server said FATAL 42501.\n\
             hint: GRANT CONNECT ON DATABASE … TO the role, or name a database that it may enter.",
            server.port
        )
    );
    server.psql("GRANT CONNECT ON DATABASE shut TO PUBLIC");
    until(&mut watching, "shut is entered", |seen| seen.count(TABLES, &[("datname", "shut")]) == 2).await;
    // Whoever holds this lock holds up every question in that database, and every login to it.
    let server = Arc::new(server);
    let psql = server.clone();
    let lock = "BEGIN; LOCK TABLE pg_class IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(120)";
    let locked = tokio::task::spawn_blocking(move || psql.try_psql_in("stuck", lock));
    let began = Instant::now();
    let seen = until(&mut watching, "stuck is told", |seen| {
        seen.unknown("stat_user_tables").is_some_and(|(_, reason)| reason.contains("database 'stuck'"))
    })
    .await;
    assert_eq!(seen.count(TABLES, &[("datname", "well")]), 2);
    assert_eq!(seen.count(TABLES, &[("datname", "stuck")]), 0, "it could not look, and does not repeat");
    assert!(seen.cycle.took < Duration::from_secs(4), "{:?}", seen.cycle.took);
    println!("{:?} {:?} after {:?}", seen.unknown("stat_user_tables"), seen.cycle.took, began.elapsed());
    server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(120)'");
    assert!(locked.await.expect("psql ended").is_err(), "it was ended");
    until(&mut watching, "stuck is read again", |seen| seen.count(TABLES, &[("datname", "stuck")]) == 2).await;
}
