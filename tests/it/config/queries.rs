//! Queries of the user's own: what they become, whom they are for, and what is refused.

use std::time::Duration;

use watchward::engines;
use watchward::model::row::MetricKind;
use watchward::sample::own;

use super::{check, check_warnings, sound};

const TARGETS: &str = r#"
[[tenant]]
id = "acme"

[[target]]
name   = "orders"
engine = "postgresql"
url    = "postgres://127.0.0.1"

[[target]]
name   = "orders-2"
engine = "postgresql"
url    = "postgres://127.0.0.1:5433"

[[target]]
name   = "orders"
tenant = "acme"
engine = "postgresql"
url    = "postgres://127.0.0.1:5434"

[[target]]
name   = "cache"
engine = "redis"
url    = "redis://127.0.0.1"
"#;

#[test]
fn a_query_becomes_a_row_of_the_targets_that_it_names() {
    let loaded = sound(
        &format!(
            r#"{TARGETS}
[[query]]
name     = "users"
engine   = "postgresql"
targets  = ["ord*"]
ask      = "SELECT plan, count(*) AS n FROM app.users GROUP BY plan; -- by plan"
since    = "14"
before   = "17.2"
interval = "40s"
labels   = ["plan"]

[[query.metric]]
name = "app_users"
from = "n"
help = "Users by plan."
unit = "{{user}}"
"#
        )
        .replace("; -- by plan", " -- by plan"),
    );
    let asked: Vec<String> = loaded
        .configuration
        .targets
        .iter()
        .filter(|target| !target.queries.is_empty())
        .map(|target| target.identity())
        .collect();
    assert_eq!(asked, ["default/orders", "default/orders-2"], "another tenant's target is not asked");
    let target = &loaded.configuration.targets[0];
    let row = own::row(&target.queries[0], target.interval);
    assert_eq!((row.name, row.every, row.series_max), ("users", 3, 100));
    assert_eq!(row.deadline, Duration::from_secs(2));
    assert_eq!((row.when[0].from, row.when[0].below), ((14, 0), (17, 2)));
    let metric = &row.metrics[0];
    assert_eq!((metric.name, metric.from, metric.kind, metric.unit), ("app_users", "n", MetricKind::Gauge, "{user}"));
    let again = own::row(&target.queries[0], target.interval);
    assert!(std::ptr::eq(row, again), "the same query is the same row, however often it is configured");
}

fn query(engine: &str, rest: &str) -> String {
    format!("{TARGETS}[[query]]\nname = \"q\"\nengine = \"{engine}\"\n{rest}\n[[query.metric]]\nname = \"app_n\"\n")
}

#[test]
fn what_changes_something_or_is_several_statements_is_not_asked() {
    let check_ask = |engine: &str, ask: &str, expected: &str| {
        check(&query(engine, &format!("ask = '{ask}'")), &[&format!("agent.toml:28:7: {expected}")]);
    };
    check_ask(
        "postgresql",
        "SELECT 1; DROP TABLE users",
        "a query is one statement, and this one has a ';' in it [engine-03] \
         | hint: Make each statement a query of its own; within a text write chr(59).",
    );
    check_ask(
        "postgresql",
        "DELETE FROM users",
        "a query begins with SELECT, WITH, VALUES, TABLE, SHOW, and this one with 'DELETE' [engine-03] \
         | hint: Queries only read; what changes something is for policies.",
    );
    check_ask(
        "clickhouse",
        "(SELECT 1)",
        "a query begins with SELECT, WITH, SHOW, DESCRIBE, EXISTS, and this one with no word [engine-03] \
         | hint: Queries only read; what changes something is for policies.",
    );
    check_ask(
        "host",
        "anything",
        "engine 'host' has nothing that could be asked [engine-04] | hint: Queries are for the engines that are servers.",
    );
}

/// The first line of what the engine says to a text; empty where it may be asked.
fn said(engine: &str, ask: &str) -> String {
    let outcome = engines::find(engine).unwrap().may_ask(ask);
    outcome.map_or_else(|fault| fault.to_string().lines().next().unwrap_or("").to_string(), |()| String::new())
}

#[test]
fn each_engine_knows_what_only_reads() {
    for (engine, ask, expected) in [
        ("redis", "LLEN queue:mail", ""),
        ("redis", "xinfo groups jobs", ""),
        ("redis", "memory usage big", ""),
        ("redis", "FLUSHALL", "a query is a command that reads, and this one is 'FLUSHALL' [redis-40]"),
        ("redis", "MEMORY PURGE", "a query is a command that reads, and this one is 'MEMORY' [redis-40]"),
        ("redis", "EVAL return 0", "a query is a command that reads, and this one is 'EVAL' [redis-40]"),
        ("redis", "KEYS *", "a query is a command that reads, and this one is 'KEYS' [redis-40]"),
        ("redis", "", "a query is a command that reads, and this one is '' [redis-40]"),
        ("mongodb", r#"{"count": "users", "$db": "shop"}"#, ""),
        ("mongodb", r#"{"drop": "users"}"#, "a query is a command that reads, and this one is 'drop' [mongodb-40]"),
        (
            "mongodb",
            r#"{"aggregate": "users", "pipeline": [{"$match": {}}, {"$out": "stolen"}], "cursor": {}}"#,
            "a query only reads, and this one has '$out' in it [mongodb-40]",
        ),
        (
            "mongodb",
            r#"{"find": "users", "filter": {"$or": [{"$where": "while(1){}"}]}}"#,
            "a query only reads, and this one has '$where' in it [mongodb-40]",
        ),
        (
            "mongodb",
            "count users",
            "a query is a command written as JSON, and this is none: expected value at line 1 column 1 [mongodb-40]",
        ),
        ("elasticsearch", "/orders-*/_count?q=state:open", ""),
        ("elasticsearch", "/_all/_stats/docs", ""),
        (
            "elasticsearch",
            "/orders/_flush",
            "a query is a path to read, and '/orders/_flush' is none of those [elasticsearch-40]",
        ),
        ("elasticsearch", "/orders", "a query is a path to read, and '/orders' is none of those [elasticsearch-40]"),
        (
            "elasticsearch",
            "/_cat/../_flush",
            "a query is a path to read, and '/_cat/../_flush' is not a path [elasticsearch-40]",
        ),
        ("elasticsearch", "_cat", "a query is a path to read, and '_cat' is not a path [elasticsearch-40]"),
        ("postgresql", "select 1", ""),
        ("postgresql", "  SHOW server_version;  ", ""),
        ("clickhouse", "WITH 1 AS x SELECT x", ""),
    ] {
        assert_eq!(said(engine, ask), expected, "{engine}: {ask}");
    }
}

#[test]
fn names_labels_versions_and_types_are_checked() {
    let ask = "ask = \"SELECT 1 AS app_n\"";
    let with = |text: &str, rest: &str| query("postgresql", &format!("{ask}\n{text}")) + rest;
    check(
        &with("since = \"new\"\nlabels = [\"a b\"]", "type = \"histogram\"\n"),
        &[
            "agent.toml:29:9: since is 'new', not a version [config-05] | hint: Write it like \"14\" or \"7.17\".",
            "agent.toml:30:10: 'a b' is not a label's name [config-05] \
             | hint: It has letters, digits and '_', no digit first, and does not begin with '__'.",
            "agent.toml:33:8: type is 'histogram', not one of 'gauge', 'counter' [config-05]",
        ],
    );
    check(
        &with("", "[[query.metric]]\nname = \"pg_locks_count\"\n[[query.metric]]\nname = \"a-b\"\n"),
        &[
            "agent.toml:33:8: the agent has a metric 'pg_locks_count' itself [config-10] \
             | hint: Begin the names of your own metrics with a word of yours: \"app_…\".",
            "agent.toml:35:8: name is 'a-b', not a metric's name [config-05] \
             | hint: It has letters, digits, '_' and ':', and no digit first.",
        ],
    );
    check(
        &with("", "labels = { __kind = \"a\" }\n"),
        &["agent.toml:32:10: '__kind' is not a label's name [config-05] \
           | hint: It has letters, digits and '_', no digit first, and does not begin with '__'."],
    );
    check(
        &with("", "[[query.metric]]\nname = \"app_n\"\ntype = \"counter\"\n"),
        &[
            "agent.toml:33:8: 'app_n' is a counter here, and a gauge elsewhere [config-10] \
             | detail: The other is on line 31 of agent.toml.",
            "agent.toml:33:8: metric 'app_n' is there twice [config-07]",
        ],
    );
    check(
        &format!("{TARGETS}[[query]]\nname = \"1st\"\nengine = \"postgresql\"\n{ask}\ntenant = \"akme\"\n"),
        &[
            "agent.toml:25:1: [[query]] has no [[query.metric]]: it would give nothing [config-06] \
             | hint: Name each value of the answer that is a metric.",
            "agent.toml:26:8: name is '1st', not a query's name [config-05] \
             | hint: It has letters, digits and '_', and no digit first.",
            "agent.toml:29:10: unknown tenant 'akme' [config-08] | hint: Did you mean 'acme'?",
        ],
    );
    check(
        &query("redis", "ask = \"LLEN jobs\"\nlabels = [\"queue\"]"),
        &["agent.toml:29:10: labels are columns, and engine 'redis' answers with documents [config-10] \
           | hint: Write the label into the path of a metric: from = \"indices.{index}.docs.count\"."],
    );
    check(
        &(query("elasticsearch", "ask = \"/_stats\"") + "from = \"indices.{index}.shards.{shard}.docs\"\n"),
        &["agent.toml:31:8: from is 'indices.{index}.shards.{shard}.docs', and has several labels [config-05] \
           | hint: A path may have one {label} in it."],
    );
    let twice = query("postgresql", ask);
    let second = twice.strip_prefix(TARGETS).unwrap().replace("app_n", "app_m");
    check(
        &format!("{twice}{second}"),
        &["agent.toml:32:8: query 'q' is there twice [config-07] | detail: It is also on line 26 of agent.toml."],
    );
}

#[test]
fn a_query_that_asks_nobody_is_warned_of() {
    check_warnings(
        &query("mongodb", "ask = '{\"ping\": 1}'"),
        &["agent.toml:26:8: query 'q' asks no target [config-18] \
           | detail: Tenant 'default' has no target of engine 'mongodb' that its targets fit."],
    );
}
