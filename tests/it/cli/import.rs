//! Query files of other exporters: what becomes of them, and that the configuration takes it.

use std::fs;

use watchward::cli::import::{Imported, checked, postgres_exporter, render, sql_exporter};
use watchward::config::{self, Surroundings};
use watchward::engines;
use watchward::judge::yaml;

use crate::cli::{Ended, Folder, run};

type Reader = fn(&yaml::Node) -> Imported;

/// The sections of a file, which a configuration takes as they are, and what was left out.
fn check(reader: Reader, file: &str, sections: &str, left_out: &[&str]) {
    let engine = engines::find("postgresql").unwrap();
    let imported = checked(reader(&yaml::read(file).unwrap()), engine);
    let text = render(&imported, engine.word(), "*");
    assert_eq!(
        (text.trim_end(), imported.left_out.clone()),
        (sections.trim(), left_out.iter().map(ToString::to_string).collect())
    );
    let here = Surroundings { host_name: "h".to_string(), state_dir: "/nowhere".into() };
    let target = "[[target]]\nname = \"a\"\nengine = \"postgresql\"\nurl = \"postgres://127.0.0.1\"\n";
    let loaded = config::read("agent.toml", &format!("{target}{text}"), &here);
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"));
    assert_eq!(loaded.configuration.targets[0].queries.len(), imported.sections.len());
}

#[test]
fn a_file_of_postgres_exporter_keeps_the_metrics_names() {
    check(
        postgres_exporter,
        r#"
app_jobs:
  query: |
    SELECT queue, count(*) AS waiting, sum(done) AS done, now() AS at
    FROM jobs WHERE note <> '${x}'
    GROUP BY queue
  master: true
  cache_seconds: 30
  runonserver: ">=9.6.0 <14.0.0"
  metrics:
    - queue:
        usage: "LABEL"
        description: "Queue"
    - waiting:
        usage: "GAUGE"
        description: 'Jobs that "wait".'
    - done:
        usage: "COUNTER"
    - at:
        usage: "DISCARD"
app_age:
  query: "SELECT age FROM t;"
  runonserver: ">=14.2"
  metrics:
    - age: {usage: "DURATION", description: "Age"}
app_gone:
  query: "DELETE FROM t RETURNING 1 AS n"
  metrics:
    - n: {usage: "GAUGE"}
app_odd:
  query: "SELECT 1 AS n"
  runonserver: "~14"
  metrics:
    - n: {usage: "GAUGE"}
pg_database:
  query: "SELECT datname, pg_database_size(datname) AS size_bytes, 1 AS ones FROM pg_database"
  metrics:
    - datname: {usage: "LABEL"}
    - size_bytes: {usage: "GAUGE"}
    - ones: {usage: "GAUGE"}
"#,
        r#"
[[query]]
name     = "app_jobs"
engine   = "postgresql"
ask      = '''
SELECT queue, count(*) AS waiting, sum(done) AS done, now() AS at
FROM jobs WHERE note <> '$${x}'
GROUP BY queue'''
since    = "9.6"
before   = "14"
interval = "30s"
labels   = ["queue"]

[[query.metric]]
name = "app_jobs_waiting"
from = "waiting"
type = "gauge"
help = "Jobs that \"wait\"."

[[query.metric]]
name = "app_jobs_done"
from = "done"
type = "counter"

[[query]]
name     = "pg_database"
engine   = "postgresql"
ask      = "SELECT datname, pg_database_size(datname) AS size_bytes, 1 AS ones FROM pg_database"
labels   = ["datname"]

[[query.metric]]
name = "pg_database_ones"
from = "ones"
type = "gauge"
"#,
        &[
            "app_age: the column 'age' is of usage DURATION",
            "app_odd: the versions '~14' are not from … to below …",
            "app_age: no metric of it is left",
            "app_gone: a query begins with SELECT, WITH, VALUES, TABLE, SHOW, and this one with 'DELETE'",
            "pg_database: the agent has a metric 'pg_database_size_bytes' itself",
        ],
    );
}

#[test]
fn a_collector_of_sql_exporter_keeps_its_labels() {
    check(
        sql_exporter,
        r#"
collector_name: shop
min_interval: 1m
metrics:
  - metric_name: shop_orders
    type: counter
    help: 'Orders.'
    key_labels: [country]
    static_labels: {shop: main}
    value_label: state
    values: [paid, open]
    query_ref: orders
  - metric_name: shop_value
    type: gauge
    help: 'Value.'
    key_labels: [country]
    values: [value]
    query_ref: orders
  - metric_name: shop_times
    type: histogram
    values: [t]
    query: "SELECT 1 AS t"
  - metric_name: shop_lost
    type: gauge
    values: [n]
    query_ref: nowhere
queries:
  - query_name: orders
    query: "SELECT country, paid, open, value FROM orders"
"#,
        r#"
[[query]]
name     = "orders"
engine   = "postgresql"
ask      = "SELECT country, paid, open, value FROM orders"
interval = "1m"
labels   = ["country"]

[[query.metric]]
name = "shop_orders"
from = "paid"
type = "counter"
help = "Orders."
labels = { shop = "main", state = "paid" }

[[query.metric]]
name = "shop_orders"
from = "open"
type = "counter"
help = "Orders."
labels = { shop = "main", state = "open" }

[[query.metric]]
name = "shop_value"
from = "value"
type = "gauge"
help = "Value."
"#,
        &["shop_times: its type is histogram", "shop_lost: it has no query"],
    );
}

#[test]
fn jobs_of_the_other_sql_exporter_have_the_column_as_a_label() {
    check(
        sql_exporter,
        r#"
jobs:
  - name: shop
    interval: '5m'
    connections: ['postgres://exporter:hunter2@localhost/shop']
    queries:
      - name: users
        help: Users.
        labels: [plan]
        values: [total, active]
        query: SELECT plan, count(*) AS total, 1 AS active FROM users GROUP BY plan
      - name: carts
        values: [n]
        query_ref: carts
      - name: lost
        values: [n]
queries:
  carts: SELECT count(*) AS n FROM carts
"#,
        r#"
[[query]]
name     = "users"
engine   = "postgresql"
ask      = "SELECT plan, count(*) AS total, 1 AS active FROM users GROUP BY plan"
interval = "5m"
labels   = ["plan"]

[[query.metric]]
name = "sql_users"
from = "total"
type = "gauge"
help = "Users."
labels = { col = "total" }

[[query.metric]]
name = "sql_users"
from = "active"
type = "gauge"
help = "Users."
labels = { col = "active" }

[[query]]
name     = "carts"
engine   = "postgresql"
ask      = "SELECT count(*) AS n FROM carts"
interval = "5m"

[[query.metric]]
name = "sql_carts"
from = "n"
type = "gauge"
labels = { col = "n" }
"#,
        &["lost: it has no query"],
    );
}

#[test]
fn what_cannot_be_read_is_told() {
    let folder = Folder::new();
    let file = |name: &str, text: &str| {
        let path = folder.0.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let told = |from: &str, path: &str, more: &[&str]| {
        let Ended { code, out, err } = run(&folder, &[&["import", from, path], more].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        err.replace(&folder.0.display().to_string(), "")
    };
    assert_eq!(
        told("postgres_exporter", &folder.0.join("none.yaml").display().to_string(), &[]),
        "error: /none.yaml cannot be read: No such file or directory (os error 2) [cli-41]\n"
    );
    assert_eq!(
        told("postgres_exporter", &file("wrong.yaml", "a: [1\nb: 2\n"), &[]),
        "error: this is not YAML: did not find expected ',' or ']' at line 2 column 2, while parsing a flow sequence [cli-42]\n\
         detail: It is line 2, column 2 of /wrong.yaml.\n"
    );
    assert_eq!(
        told("sql_exporter", &file("other.yaml", "global: {scrape_interval: 15s}\n"), &[]),
        "error: /other.yaml has no queries of sql_exporter in it [cli-43]\nhint: Is it a file of another exporter?\n"
    );
    assert_eq!(
        told("sql_exporter", &file("other.yaml", ""), &["--engine", "oracle"]),
        "error: unknown engine 'oracle' [cli-40]\n\
         hint: Known: postgresql, redis, mongodb, clickhouse, elasticsearch, host.\n"
    );
}

#[test]
fn all_of_it_is_0_and_some_of_it_is_1_and_told() {
    let folder = Folder::new();
    let path = folder.0.join("queries.yaml");
    let some = "a:\n  query: SELECT 1 AS n, 2 AS m\n  metrics:\n    - n: {usage: GAUGE}\n    - m: {usage: HISTOGRAM}\n";
    fs::write(&path, some).unwrap();
    let file = path.display().to_string();
    let Ended { code, out, err } = run(&folder, &["import", "postgres_exporter", &file, "--targets", "orders*"]);
    assert_eq!((code, err.as_str()), (1, "left out: a: the column 'm' is of usage HISTOGRAM\n"));
    assert!(out.contains("targets  = [\"orders*\"]\n"), "{out}");
    fs::write(&path, some.replace("HISTOGRAM", "DISCARD")).unwrap();
    let Ended { code, out, err } = run(&folder, &["import", "postgres_exporter", &file, "--json"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(answer["queries"].as_str().unwrap().starts_with("[[query]]\nname     = \"a\"\n"), "{out}");
}
