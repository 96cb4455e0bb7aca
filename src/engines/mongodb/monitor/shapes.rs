//! Shapes of queries, by what the profiler keeps: its collection is a ring, so what it showed is summed up here. Pure.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::engines::mongodb::monitor::things::MOST;
use crate::engines::take::at_path;

/// What of a shape is summed up.
const FIGURES: [&str; 5] = ["operations", "milliseconds", "examined_keys", "examined_documents", "returned_documents"];

/// Sums since the session began; a session that begins anew begins at zero.
#[derive(Clone, Debug, Default)]
pub struct Shapes {
    all: HashMap<Shape, Sums>,
    readings: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Shape {
    namespace: String,
    operation: String,
    hash: String,
}

#[derive(Clone, Debug, Default)]
struct Sums {
    figures: [f64; FIGURES.len()],
    /// The last reading that had it.
    seen: u64,
}

impl Shapes {
    /// Begins a reading, of one database after the other.
    pub fn begin(&mut self) {
        self.readings += 1;
    }

    /// Adds what one database's profiler kept since the last reading.
    pub fn add(&mut self, answer: &Value) {
        for one in at_path(answer, "cursor.firstBatch").and_then(Value::as_array).into_iter().flatten() {
            let word = |name: &str| one["_id"][name].as_str().unwrap_or("").to_string();
            let shape = Shape { namespace: word("ns"), operation: word("op"), hash: word("hash") };
            if shape.namespace.ends_with(".system.profile") {
                continue;
            }
            let sums = self.all.entry(shape).or_default();
            sums.seen = self.readings;
            for (sum, name) in sums.figures.iter_mut().zip(FIGURES) {
                *sum += one[name].as_f64().unwrap_or(0.0);
            }
        }
        self.forget();
    }

    /// Of more shapes than a reading may have, those that were not seen for longest go.
    fn forget(&mut self) {
        if self.all.len() < MOST {
            return;
        }
        let mut by_age: Vec<(u64, Shape)> = self.all.iter().map(|(shape, sums)| (sums.seen, shape.clone())).collect();
        by_age.sort();
        for (_, shape) in by_age.iter().take(self.all.len() + 1 - MOST) {
            self.all.remove(shape);
        }
    }

    /// The shapes as things with labels. Queries without a shape, such as inserts, have an empty `query_hash`.
    pub fn things(&self) -> Vec<Value> {
        let thing = |(shape, sums): (&Shape, &Sums)| {
            let (database, collection) = shape.namespace.split_once('.').unwrap_or((&shape.namespace, ""));
            let [operations, milliseconds, keys, documents, returned] = sums.figures;
            json!({
                "database": database, "collection": collection, "op": shape.operation, "query_hash": shape.hash,
                "operations": operations, "seconds": milliseconds / 1e3, "examined_keys": keys,
                "examined_documents": documents, "returned_documents": returned,
            })
        };
        let mut things: Vec<(&Shape, &Sums)> = self.all.iter().collect();
        things.sort_by(|a, b| a.0.cmp(b.0));
        things.into_iter().map(thing).collect()
    }
}

/// What of a command is the driver's, or anybody's words.
const NOT_SHOWN: [&str; 6] = ["lsid", "$clusterTime", "$db", "$readPreference", "comment", "cursor"];

/// The commands whose own value is their collection.
const COMMANDS: [&str; 8] = ["aggregate", "count", "delete", "distinct", "find", "findAndModify", "insert", "update"];

/// A command without what people wrote into it: names of fields and operators stay, values are `?`, and a list of
/// literals is one. Fields stand in the order of their names.
pub fn without_literals(command: &Value, chars_max: usize) -> String {
    let mut shown = serde_json::Map::new();
    let fields = command.as_object().into_iter().flatten().filter(|(key, _)| !NOT_SHOWN.contains(&key.as_str()));
    for (key, value) in fields {
        let is_collection = COMMANDS.contains(&key.as_str()) && value.is_string();
        shown.insert(key.clone(), if is_collection { value.clone() } else { literal_free(value) });
    }
    Value::Object(shown).to_string().chars().take(chars_max).collect()
}

fn literal_free(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), literal_free(value))).collect(),
        Value::Array(all) if all.iter().any(|one| one.is_object() || one.is_array()) => {
            all.iter().map(literal_free).collect()
        }
        _ => json!("?"),
    }
}
