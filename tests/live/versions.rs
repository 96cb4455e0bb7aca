//! Every row of every version of PostgreSQL that is to be had here, the optional ones among them, with what `grants` prints.

use std::sync::Arc;
use std::time::Duration;

use watchward::model::filter::Glob;
use watchward::model::reading::UnknownKind;
use watchward::model::target::Target;

use crate::agent::wait;
use crate::servers::{engine, open, read_all, unknowns};
use crate::single::{Postgresql, postgresql_versions};
use crate::watching::Watching;

/// Something for each row to see: a table that is large and half empty, an index that failed, a sequence nearly used
/// up, a function that was called.
const SHOP: &str = "\
    CREATE TABLE item (id int PRIMARY KEY, words text) WITH (autovacuum_enabled = false); \
    INSERT INTO item SELECT n, repeat('x', 400) FROM generate_series(1, 300000) n; \
    DELETE FROM item WHERE id % 4 > 0; CREATE INDEX item_words ON item (left(words, 9)); ANALYZE item; \
    CREATE TABLE part (id int PRIMARY KEY); CREATE TABLE note (words text); CREATE SEQUENCE ticket AS smallint; SELECT setval('ticket', 30000); \
    CREATE FUNCTION twice(n int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 2 * n; END'; \
    SELECT count(twice(id)) FROM item WHERE id < 400";

const TWINS: &str = "CREATE UNIQUE INDEX CONCURRENTLY item_twins ON item (words)";

fn begin(version: u32, programs: &std::path::Path) -> Postgresql {
    let arguments = ["-c", "shared_preload_libraries=pg_stat_statements", "-c", "track_functions=all"];
    let server = Postgresql::begin(version, programs, &arguments);
    server.psql("CREATE EXTENSION pg_stat_statements");
    server.psql("CREATE EXTENSION pg_buffercache");
    server.psql("CREATE DATABASE orders");
    server.psql_in("orders", SHOP);
    assert!(server.try_psql_in("orders", TWINS).is_err(), "there are twins");
    server.psql("SELECT pg_create_physical_replication_slot('spare')");
    server
}

#[tokio::test]
async fn every_row_of_every_version_is_read() {
    for (version, programs) in postgresql_versions() {
        let server = begin(version, &programs);
        let target = server.watched();
        if version >= 14 {
            server.psql("GRANT pg_read_all_data TO watchward");
        }
        let mut session = open(&target).await.unwrap_or_else(|fault| panic!("{version}: {fault}"));
        let readings = read_all(engine("postgresql"), &mut *session).await;
        let seen: Vec<&str> = unknowns(&readings).into_iter().map(|(row, ..)| row).collect();
        assert_eq!(seen, ["certificate"], "{version}: {:?}", unknowns(&readings));
        let value = |row: &str, series: &str| readings[row].as_ref().expect("read").value(series);
        assert_eq!(value("index", "pg_index_invalid_count{datname=\"orders\"}"), 1.0);
        assert!(value("index", "pg_index_unused_size_bytes{datname=\"orders\"}") > 1e5);
        let twins = "pg_general_index_info_pg_relation_size{datname=\"orders\",indexrelname=\"item_twins\",\
                     relname=\"item\",schemaname=\"public\"}";
        assert!(value("index_invalid", twins) >= 0.0);
        let ticket = "pg_sequence_used_ratio{datname=\"orders\",schemaname=\"public\",sequencename=\"ticket\"}";
        if version >= 14 {
            assert!(value("sequences", ticket) > 0.9);
            let bloat = "pg_bloat_table_bloat_pct{datname=\"orders\",relname=\"item\",schemaname=\"public\"}";
            let percent = value("bloat", bloat);
            println!("{version}: {percent} % of a table of which three quarters were deleted");
            assert!((65.0..80.0).contains(&percent), "{percent}");
        } else {
            assert_eq!(value("sequences", "pg_sequence_unreadable{datname=\"orders\"}"), 1.0);
        }
        let twice = "pg_stat_user_functions_calls_total{datname=\"orders\",funcname=\"twice\",schemaname=\"public\"}";
        assert!(value("stat_user_functions", twice) > 0.0);
        if version >= 14 {
            assert!(value("stat_wal", "pg_stat_wal_bytes_total") > 1e6);
            assert!(value("stat_wal", "pg_stat_wal_write_total") > 0.0);
        }
        assert!(value("transaction_ids", "pg_txid_current") > 100.0);
        drop(session);
        let server = Arc::new(server);
        behind_a_lock(&server, &target).await;
        if [13, 16, 18].contains(&version) {
            while_a_database_is_dropped(&server, &target).await;
        }
    }
}

/// A copy of a database has the same numbers for what is in it: a lock in the one says nothing of the other.
#[tokio::test]
async fn what_is_locked_in_one_database_is_read_in_its_copy() {
    let (version, programs) = postgresql_versions().into_iter().next_back().expect("a version");
    let server = Arc::new(begin(version, &programs));
    let mut target = server.watched();
    target.choice.collect = vec![Glob::new("*")];
    server.psql("GRANT pg_read_all_data TO watchward");
    server.psql("CREATE DATABASE copy TEMPLATE orders");
    let psql = server.clone();
    let lock =
        "BEGIN; ALTER SEQUENCE ticket INCREMENT 2; LOCK TABLE part IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60)";
    let locked = tokio::task::spawn_blocking(move || psql.try_psql_in("orders", lock));
    let held = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    wait("the lock is held", Duration::from_secs(20), || server.psql(held) == "t");
    let seen = Watching::begin(target).cycle().await;
    for (database, count) in [("orders", 0), ("copy", 1)] {
        let ticket = [("datname", database), ("sequencename", "ticket")];
        assert_eq!(seen.count("pg_sequence_used_ratio", &ticket), count, "{database}");
        let part = [("datname", database), ("relname", "part")];
        assert_eq!(seen.count("pg_stat_user_tables_table_size_bytes", &part), count, "{database}");
    }
    server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    assert!(locked.await.expect("psql ended").is_err(), "it was ended");
}

/// What no cycle may take that has nothing to wait for.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Every row, the optional ones among them, is read while a table, its indexes and a sequence are locked by somebody.
async fn behind_a_lock(server: &Arc<Postgresql>, target: &Target) {
    let psql = server.clone();
    // The index behind long values, which nobody sees in the table's own indexes, is built anew as well.
    let lock = "BEGIN; LOCK TABLE item IN ACCESS EXCLUSIVE MODE; REINDEX INDEX part_pkey; DO 'BEGIN EXECUTE \
                format(''REINDEX INDEX pg_toast.pg_toast_%s_index'', ''note''::regclass::oid); END'; \
                ALTER SEQUENCE ticket INCREMENT 2; SELECT pg_sleep(60)";
    let locked = tokio::task::spawn_blocking(move || psql.try_psql_in("orders", lock));
    let held = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    wait("the lock is held", Duration::from_secs(20), || server.psql(held) == "t");
    let mut target = target.clone();
    target.choice.collect = vec![Glob::new("*")];
    let mut watching = Watching::begin(target); // in the first cycle of a session every row is due
    let mut took = Vec::new();
    for _ in 0..3 {
        let seen = watching.cycle().await;
        let failed: Vec<_> =
            seen.cycle.rows.iter().filter_map(|row| Some((row.name, row.result.as_ref().err()?))).collect();
        assert!(failed.iter().all(|(name, _)| *name == "certificate"), "{}: {failed:?}", server.version);
        assert!(seen.cycle.took < AT_ONCE, "{}: {:?}", server.version, seen.cycle.took);
        for table in ["item", "part", "note"] {
            let table = [("relname", table)];
            assert_eq!(seen.count("pg_stat_user_tables_n_live_tup", &table), 1);
            assert_eq!(seen.count("pg_stat_user_tables_table_size_bytes", &table), 0, "it cannot be measured now");
        }
        took.push(seen.cycle.took.as_millis());
    }
    println!("{}: cycles of {took:?} ms behind an exclusive lock", server.version);
    server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    assert!(locked.await.expect("psql ended").is_err(), "it was ended");
}

/// DROP DATABASE waits for the sessions in it, and holds a lock on it meanwhile: nobody waits for anybody.
async fn while_a_database_is_dropped(server: &Arc<Postgresql>, target: &Target) {
    let mut watching = Watching::begin(target.clone());
    let in_orders = [("datname", "orders")];
    let seen = watching.cycle().await;
    assert!(seen.count("pg_stat_user_tables_n_live_tup", &in_orders) > 0, "there is a session in it");
    let psql = server.clone();
    let dropped = tokio::task::spawn_blocking(move || psql.try_psql("DROP DATABASE orders"));
    let mut took = Vec::new();
    while !dropped.is_finished() {
        took.push(watching.cycle().await.cycle.took);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(dropped.await.expect("psql ended"), Ok(String::new()), "{}: we give way", server.version);
    let longest = took.iter().max().copied().unwrap_or_default();
    println!("{}: the longest of {} cycles while a database is dropped: {longest:?}", server.version, took.len());
    assert!(took.len() > 1 && longest < AT_ONCE, "{}: {took:?}", server.version);
    let seen = watching.cycle().await;
    assert_eq!(seen.count("pg_stat_user_tables_n_live_tup", &in_orders), 0, "its series have ended");
}

#[tokio::test]
async fn a_managed_service_has_rows_that_are_not_available_and_no_errors() {
    let (version, programs) = postgresql_versions().into_iter().find(|(version, _)| *version == 16).expect("got ready");
    let server = begin(version, &programs);
    let mut target = server.watched();
    // As RDS has it: its own role and database, no WAL folder, no function that reads files.
    server.psql("CREATE ROLE rds_superuser");
    server.psql("CREATE DATABASE rdsadmin");
    server.psql("REVOKE CONNECT ON DATABASE rdsadmin FROM PUBLIC");
    server.psql("REVOKE EXECUTE ON FUNCTION pg_ls_waldir() FROM pg_monitor");
    server.psql("DROP EXTENSION pg_buffercache");
    target.choice.collect = vec![Glob::new("*")];
    let mut watching = Watching::begin(target);
    let seen = watching.cycle().await;
    assert_eq!(seen.cycle.flavour, "rds");
    let unknown = |row: &str| seen.unknown(row).map(|(kind, _)| kind);
    assert_eq!(unknown("wal"), Some(UnknownKind::NotHere));
    assert_eq!(unknown("buffercache_summary"), Some(UnknownKind::NotHere));
    assert_eq!(unknown("certificate"), Some(UnknownKind::NotHere));
    assert_eq!(unknown("bloat"), Some(UnknownKind::Privilege), "which a grant mends");
    let others: Vec<_> =
        seen.cycle.rows.iter().filter_map(|row| Some((row.name, row.result.as_ref().err()?))).collect();
    assert_eq!(others.len(), 4, "{others:?}");
    assert!(seen.cycle.took < Duration::from_secs(5));
}
