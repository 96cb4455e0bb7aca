//! Queries of the user's own, on every engine: what they give, and that a bad one costs itself only.

use std::time::Duration;

use crate::agent::{Agent, Folder, sections, wait};

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
name   = "clients"
engine = "redis"
ask    = "INFO clients"
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
"#;

#[test]
fn every_engine_is_asked_in_its_own_tongue_and_a_bad_query_costs_itself() {
    let folder = Folder::new();
    let targets = sections(&["orders", "cache", "documents-1", "visits", "search"], "interval = \"1s\"");
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
    ] {
        wait(query, SOON, || one(query) == Some(expected));
    }
    for absent in ["app_slow", "app_wrong", "app_gone", "app_old", "app_nothing"] {
        assert_eq!(one(absent), None, "{absent}");
    }
    let orders = agent.target("orders");
    let mut unknown: Vec<(String, String)> = orders["unknown_rows"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| [&row["row"], &row["reason"]].map(|text| text.as_str().unwrap_or("").to_string()).into())
        .collect();
    unknown.sort();
    let text = format!("{unknown:?}");
    assert_eq!(unknown.len(), 3, "{text}");
    for words in ["relation \\\"nowhere\\\" does not exist", "statement timeout", "read-only transaction"] {
        assert!(text.contains(words), "no {words} in {text}");
    }
    let metrics = agent.get("/metrics");
    assert!(metrics.contains("# HELP app_sessions Sessions, as the shop counts them.\n# TYPE app_sessions gauge\n"));
    // Put right and read anew: the metric comes without a restart.
    let right =
        format!("{targets}\n{QUERIES}").replace("SELECT nothing AS app_wrong FROM nowhere", "SELECT 7 AS app_wrong");
    agent.reload(&folder, &right);
    wait("it is right now", SOON, || one("app_wrong") == Some(7.0));
}
