//! Which commands of the user's own may be sent.

use mongodb::bson::{Bson, Document};

use crate::model::fault::Fault;

/// Commands that read.
const READS: &[&str] = &[
    "aggregate",
    "buildInfo",
    "collStats",
    "connPoolStats",
    "count",
    "dataSize",
    "dbStats",
    "distinct",
    "find",
    "hello",
    "hostInfo",
    "listCollections",
    "listDatabases",
    "listIndexes",
    "ping",
    "replSetGetStatus",
    "serverStatus",
    "top",
];

/// What within them writes, or runs code on the server.
const WRITES: &[&str] = &["$out", "$merge", "$where", "$function", "$accumulator"];

/// Whether a command of the user's own may be sent: it is a document whose first key is one of those that only read.
///
/// # Errors
/// `mongodb-40`: it is not.
pub fn may_ask(ask: &str) -> Result<(), Fault> {
    let wrong = |what: String| Fault::new("mongodb-40", what).hint(format!("Known are {}.", READS.join(", ")));
    let command: Document = serde_json::from_str(ask)
        .map_err(|error| wrong(format!("a query is a command written as JSON, and this is none: {error}")))?;
    let first = command.keys().find(|key| *key != "$db").map_or("", String::as_str);
    if !READS.contains(&first) {
        return Err(wrong(format!("a query is a command that reads, and this one is '{first}'")));
    }
    match WRITES.iter().find(|word| has_key(&Bson::Document(command.clone()), word)) {
        Some(word) => Err(wrong(format!("a query only reads, and this one has '{word}' in it"))),
        None => Ok(()),
    }
}

fn has_key(value: &Bson, wanted: &str) -> bool {
    match value {
        Bson::Document(document) => document.iter().any(|(key, inner)| key == wanted || has_key(inner, wanted)),
        Bson::Array(all) => all.iter().any(|inner| has_key(inner, wanted)),
        _ => false,
    }
}
