//! The rules that people copy, for Redis and MongoDB: every metric and label that they name is in recorded answers.

use std::collections::BTreeSet;
use std::path::Path;

use watchward::engines;
use watchward::engines::contract::Facts;
use watchward::sys::files;

use crate::engines::points::{Points, from_fixture};

/// Every series of some recorded servers, and the engine's own `up`.
fn recorded(word: &str, folders: &[(&str, &[&'static str])]) -> BTreeSet<String> {
    let engine = engines::find(word).expect("registered");
    let mut all = BTreeSet::from([engine.card().up.name.to_string()]);
    for (folder, capabilities) in folders {
        let facts = Facts {
            version: (7, 0),
            role: "primary".to_string(),
            capabilities: capabilities.iter().copied().collect(),
            ..Facts::default()
        };
        let rows = engine.rows().iter().filter(|row| !row.optional && row.exists(&facts));
        for row in rows.filter(|row| row.lacks(&facts).is_none()) {
            let answer = from_fixture(&format!("{word}/{folder}/{}.json", row.name));
            all.extend(Points::of(row, &answer, &facts).expect("taken").all.into_keys());
        }
    }
    all
}

fn check(word: &str, folders: &[(&str, &[&'static str])], count: usize) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../shared/data/alert-rules/{word}.yml"));
    let text = files::read_text(&file, 1 << 20).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let series = recorded(word, folders);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rules = 0;
    for expression in text.lines().filter_map(|line| line.trim().strip_prefix("expr: ")) {
        rules += 1;
        for (at, _) in expression.match_indices(&format!("{word}_")) {
            let rest = &expression[at..];
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            let labels =
                rest[end..].strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(labels, _)| labels);
            let has = |one: &&String| one.split('{').next() == Some(&rest[..end]) && one.contains(labels);
            let found = series.iter().find(has);
            println!("{word} | {} | {labels} | {}", &rest[..end], found.map_or("no data", String::as_str));
            assert!(found.is_some(), "{}{{{labels}}} in {expression}", &rest[..end]);
        }
    }
    assert_eq!(rules, count);
}

#[test]
fn every_metric_of_the_rules_for_redis_has_data() {
    check("redis", &[("7.0", &["data"]), ("7.0-replica", &["data"])], 12);
}

#[test]
fn every_metric_of_the_rules_for_mongodb_has_data() {
    check("mongodb", &[("6.0-primary", &["a replica set", "data of its own"])], 7);
}
