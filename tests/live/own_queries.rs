//! Queries of the user's own, on every engine: what they give, and that a bad one costs itself only.

use std::process::Command;
use std::time::Duration;

use crate::agent::{Agent, Folder, sections, wait};
use crate::servers::servers;

const SOON: Duration = Duration::from_secs(60);

const QUERIES: &str = r#"
[[query]]
name   = "databases"
engine = "postgresql"
ask    = "SELECT datname, numbackends AS n FROM pg_stat_database WHERE datname IS NOT NULL -- of all"
labels = ["datname"]
[[query.metric]]
name = "app_sessions"
from = "n"
help = "Sessions, as the shop counts them."

[[query]]
name   = "versions"
engine = "postgresql"
ask    = "SELECT 1 AS app_old"
before = "12"
[[query.metric]]
name = "app_old"

[[query]]
name     = "slow"
engine   = "postgresql"
ask      = "SELECT 1 AS app_slow FROM pg_sleep(60)"
deadline = "50ms"
[[query.metric]]
name = "app_slow"

[[query]]
name   = "wrong"
engine = "postgresql"
ask    = "SELECT nothing AS app_wrong FROM nowhere"
[[query.metric]]
name = "app_wrong"

[[query]]
name   = "writes"
engine = "postgresql"
ask    = "WITH gone AS (DELETE FROM pg_class RETURNING 1) SELECT count(*) AS app_gone FROM gone"
[[query.metric]]
name = "app_gone"

[[query]]
name       = "many"
engine     = "postgresql"
ask        = "SELECT n AS id, n FROM generate_series(1, 500) n"
labels     = ["id"]
series_max = 10
[[query.metric]]
name = "app_many"
from = "n"

[[query]]
name   = "values"
engine = "postgresql"
ask    = """SELECT NULL::int AS nothing, 'NaN'::float8 AS no_number, 'Infinity'::float8 AS no_end, true AS yes,
            E'a"b\\\\c\\nd\\x01' || repeat('é', 3000) AS rubbish"""
labels = ["rubbish"]
[[query.metric]]
name = "app_null"
from = "nothing"
[[query.metric]]
name = "app_nan"
from = "no_number"
[[query.metric]]
name = "app_infinity"
from = "no_end"
[[query.metric]]
name = "app_yes"
from = "yes"

[[query]]
name   = "words"
engine = "postgresql"
ask    = "SELECT 'three' AS app_words"
[[query.metric]]
name = "app_words"

[[query]]
name   = "no_column"
engine = "postgresql"
ask    = "SELECT 1 AS other"
[[query.metric]]
name = "app_column"

[[query]]
name   = "twice"
engine = "postgresql"
ask    = "SELECT 'a' AS kind, n AS app_twice FROM generate_series(1, 2) n"
labels = ["kind"]
[[query.metric]]
name = "app_twice"

[[query]]
name   = "lines"
engine = "postgresql"
ask    = "SELECT n AS app_lines FROM generate_series(1, 2) n"
[[query.metric]]
name = "app_lines"

[[query]]
name   = "huge"
engine = "postgresql"
ask    = "SELECT repeat('x', 1000000) AS app_huge FROM generate_series(1, 9)"
[[query.metric]]
name = "app_huge"

[[query]]
name   = "after"
engine = "postgresql"
ask    = "SELECT 1 AS app_after"
[[query.metric]]
name = "app_after"

[[query]]
name   = "clients"
engine = "redis"
ask    = "INFO persistence"
[[query.metric]]
name = "app_nothing"
from = "."

[[query]]
name   = "documents"
engine = "mongodb"
ask    = '{"serverStatus": 1}'
[[query.metric]]
name = "app_connections"
from = "connections.{state}"

[[query]]
name   = "tables"
engine = "clickhouse"
ask    = "SELECT database, count() AS app_tables FROM system.tables GROUP BY database"
labels = ["database"]
[[query.metric]]
name = "app_tables"

[[query]]
name   = "nodes"
engine = "elasticsearch"
ask    = "/_cluster/health"
[[query.metric]]
name   = "app_nodes"
from   = "number_of_nodes"
labels = { kind = "all" }
[[query.metric]]
name   = "app_nodes"
from   = "number_of_data_nodes"
labels = { kind = "data" }

[[query]]
name   = "no_path"
engine = "elasticsearch"
ask    = "/_cluster/health"
[[query.metric]]
name   = "app_no_path"
from   = "number.of_nodes"

[[query]]
name   = "no_figure"
engine = "elasticsearch"
ask    = "/_cluster/health"
[[query.metric]]
name   = "app_status"
from   = "cluster_name"

[[query]]
name   = "no_index"
engine = "elasticsearch"
ask    = "/nowhere/_count"
[[query.metric]]
name   = "app_no_index"
from   = "count"

[[query]]
name   = "no_json"
engine = "elasticsearch"
ask    = "/_cat/nodes"
[[query.metric]]
name   = "app_no_json"
from   = "0.ip"
"#;

/// The queries that PostgreSQL cannot answer, or not as it should, each with what is said of it.
const BAD: &[(&str, &str)] = &[
    ("huge", "the answer is larger than allowed"),
    ("lines", "the answer has several lines and no labels: what tells them apart must be a label"),
    ("no_column", "the answer has no column 'app_column'"),
    ("slow", "canceling statement due to statement timeout (57014)"),
    ("twice", "the answer has several lines with kind='a': what tells them apart must be a label"),
    ("words", "column 'app_words' is 'three', not a number"),
    ("writes", "cannot execute SELECT in a read-only transaction (25006)"),
    ("wrong", "relation \"nowhere\" does not exist (42P01)"),
];

/// And those of Elasticsearch.
const ELSEWHERE: &[(&str, &str)] = &[
    ("no_figure", "'cluster_name' is 'elasticsearch-test', not a number"),
    ("no_index", "action [GET /nowhere/_count] is unauthorized for this user (status 403)"),
    ("no_json", "'0.ip' is '127.0.0.1', not a number"),
    ("no_path", "the answer has nothing at 'number.of_nodes'"),
];

#[test]
fn every_engine_is_asked_in_its_own_tongue_and_a_bad_query_costs_itself() {
    let folder = Folder::new();
    let targets = sections(&["orders", "cache", "documents-1", "visits", "search"], "interval = \"3s\"");
    let agent = Agent::begin(&folder, &format!("{targets}\n{QUERIES}"));
    let one = |query: &str| agent.query(query).first().copied();
    for (query, expected) in [
        ("count(app_sessions{target=\"orders\",datname=\"postgres\"})", 1.0),
        ("count(app_many)", 10.0),
        ("count(app_connections{state=\"current\"} > 0)", 1.0),
        ("count(app_tables{database=\"system\"} > 10)", 1.0),
        ("app_nodes{kind=\"all\"}", 1.0),
        ("app_nodes{kind=\"data\"}", 1.0),
        ("min(up)", 1.0),
        ("pg_scrape_collector_success{target=\"orders\",collector=\"databases\"}", 1.0),
        ("pg_scrape_collector_success{target=\"orders\",collector=\"slow\"}", 0.0),
        ("pg_scrape_collector_success{target=\"orders\",collector=\"wrong\"}", 0.0),
        ("pg_scrape_collector_success{target=\"orders\",collector=\"writes\"}", 0.0),
        ("pg_scrape_collector_success{target=\"orders\",collector=\"locks\"}", 1.0),
        ("app_after", 1.0),
    ] {
        wait(query, SOON, || one(query) == Some(expected));
    }
    for absent in [
        "app_slow",
        "app_wrong",
        "app_gone",
        "app_old",
        "app_nothing",
        "app_words",
        "app_column",
        "app_twice",
        "app_lines",
        "app_huge",
    ] {
        assert_eq!(one(absent), None, "{absent}");
    }
    assert_eq!((one("app_null"), one("app_infinity"), one("app_yes")), (None, Some(f64::INFINITY), Some(1.0)));
    assert!(one("app_nan").is_some_and(f64::is_nan));
    let unread = |target: &str| -> Vec<(String, String)> {
        let rows = agent.target(target)["unknown_rows"].as_array().cloned().unwrap_or_default();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or("").to_string();
        let mut all: Vec<_> = rows.iter().map(|row| (text(&row["row"]), text(&row["reason"]))).collect();
        all.sort();
        all
    };
    let expected = |rows: &[(&str, &str)]| -> Vec<(String, String)> {
        rows.iter().map(|(row, reason)| ((*row).to_string(), (*reason).to_string())).collect()
    };
    assert_eq!(unread("orders"), expected(BAD));
    assert_eq!(
        unread("cache"),
        expected(&[("clients", "'.' is '# Persistence  loading:0  async_loading:…', not a number")])
    );
    assert_eq!(unread("search"), expected(ELSEWHERE));
    let metrics = agent.get("/metrics");
    assert!(metrics.contains("# HELP app_sessions Sessions, as the shop counts them.\n# TYPE app_sessions gauge\n"));
    // Put right and read anew: the metric comes without a restart.
    let right =
        format!("{targets}\n{QUERIES}").replace("SELECT nothing AS app_wrong FROM nowhere", "SELECT 7 AS app_wrong");
    agent.reload(&folder, &right);
    wait("it is right now", SOON, || one("app_wrong") == Some(7.0));
}

/// The sections of the manual, as they stand there.
fn of_the_manual() -> String {
    let manual = include_str!("../../docs/queries.md");
    let blocks = manual.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.collect::<String>().replace("shop*", "orders")
}

fn psql(sql: &str) {
    let servers = servers();
    let done = Command::new(servers.value("WW_PSQL"))
        .env("PGPASSWORD", servers.secret("WW_PG_ADMIN_PASSWORD_FILE"))
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", servers.value("WW_PG_PRIMARY_PORT")])
        .args(["-U", servers.value("WW_PG_ADMIN_USER"), "-d", servers.value("WW_PG_DATABASE"), "-c", sql])
        .status();
    assert!(done.expect("psql").success(), "{sql}");
}

/// The schema of the manual's examples. Gone when dropped.
struct App;

impl Drop for App {
    fn drop(&mut self) {
        psql("DROP SCHEMA IF EXISTS app CASCADE");
    }
}

#[test]
fn the_business_figures_of_the_manual_are_read_with_the_grants_of_the_manual() {
    let manual = include_str!("../../docs/queries.md");
    let grants = manual.split("```sql\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the grants");
    let _app = App;
    psql(
        "DROP SCHEMA IF EXISTS app CASCADE; CREATE SCHEMA app; CREATE TABLE app.users (id int, plan text, mail text); \
          CREATE TABLE app.uploads (user_id int, bytes int8); CREATE TABLE app.feature_use (feature text, uses int8); \
          INSERT INTO app.users VALUES (1, 'free', 'a'), (2, 'free', 'b'), (3, 'paid', 'c'); \
          INSERT INTO app.uploads VALUES (1, 10), (3, 500), (3, 700); \
          INSERT INTO app.feature_use VALUES ('search', 12), ('export', 3)",
    );
    psql(grants);
    let folder = Folder::new();
    let agent = Agent::begin(&folder, &format!("{}\n{}", sections(&["orders"], "interval = \"1s\""), of_the_manual()));
    for (query, expected) in [
        ("app_users{plan=\"free\"}", 2.0),
        ("app_users{plan=\"paid\"}", 1.0),
        ("app_signups_total", 3.0),
        ("app_uploads_bytes{plan=\"paid\"}", 1200.0),
        ("app_uploads_bytes{plan=\"free\"}", 10.0),
        ("app_feature_uses_total{feature=\"search\"}", 12.0),
    ] {
        wait(query, SOON, || agent.query(query) == [expected]);
    }
    assert_eq!(agent.target("orders")["unknown_rows"], serde_json::json!([]));
}
