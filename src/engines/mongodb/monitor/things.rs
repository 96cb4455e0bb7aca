//! Things of which a server has very many, as tables: a row for each collection or index. Pure.

use serde_json::{Value, json};

use crate::engines::contract::{Busiest, Row, Table, Take};
use crate::engines::take::{at_path, number};

/// The most things of one reading.
pub const MOST: usize = 1000;

/// The answer of a row that reads the busiest of many things, as the table it is read from.
pub fn table(row: &Row, busiest: &Busiest, answer: &Value) -> Table {
    let mut things = if answer.is_array() { of_each(answer) } else { of_top(answer) };
    things.truncate(MOST);
    of(row, busiest, &things)
}

/// The table of some things: their labels, what they are ranked by, and what the metrics read.
pub fn of(row: &Row, busiest: &Busiest, things: &[Value]) -> Table {
    let paths = busiest.labels.iter().copied().chain([busiest.rank_by]).chain(row.metrics.iter().map(|one| one.from));
    let columns: Vec<&str> = paths.collect();
    let cell = |thing: &Value, path: &str| match at_path(thing, path)? {
        Value::String(text) => Some(text.clone()),
        value => number(value).map(|number| number.to_string()),
    };
    Table {
        rows: things.iter().map(|thing| columns.iter().map(|path| cell(thing, path)).collect()).collect(),
        columns: columns.into_iter().map(str::to_string).collect(),
    }
}

/// Whether a row reads the busiest of many things.
pub fn busiest(row: &Row) -> Option<&Busiest> {
    match &row.take {
        Take::Busiest(busiest) => Some(busiest),
        _ => None,
    }
}

/// A collection whose name says that it is the server's own.
pub fn is_own(database: &str, collection: &str) -> bool {
    matches!(database, "admin" | "local" | "config") || collection.starts_with("system.")
}

/// `top` has its collections by their whole names, beside a note in words.
fn of_top(answer: &Value) -> Vec<Value> {
    let all = answer["totals"].as_object().into_iter().flatten();
    let things = all.filter_map(|(name, figures)| {
        let (database, collection) = name.split_once('.')?;
        let mut thing = figures.as_object()?.clone();
        thing.insert("database".to_string(), json!(database));
        thing.insert("collection".to_string(), json!(collection));
        Some(Value::Object(thing)).filter(|_| !is_own(database, collection))
    });
    things.collect()
}

/// What was asked of each collection: its things stand in the cursor's first batch. A router gives one for each shard.
fn of_each(answers: &Value) -> Vec<Value> {
    let mut things = Vec::new();
    for one in answers.as_array().into_iter().flatten() {
        for figures in at_path(&one["answer"], "cursor.firstBatch").and_then(Value::as_array).into_iter().flatten() {
            let mut thing = figures.clone();
            let operations = ["reads", "writes", "commands", "transactions"]
                .map(|kind| figures["latencyStats"][kind]["ops"].as_f64().unwrap_or(0.0));
            if thing["latencyStats"].is_object() {
                thing["latencyStats"]["total"] = json!(operations.iter().sum::<f64>());
            }
            thing["database"] = one["database"].clone();
            thing["collection"] = one["collection"].clone();
            thing["key_name"] = figures["name"].clone();
            things.push(thing);
        }
    }
    things
}
