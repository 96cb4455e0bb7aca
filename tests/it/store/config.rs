//! The keys of `[store]` and what is made of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use watchward::model::duration;
use watchward::model::schema::{Kind, Origin, Table, Value};
use watchward::store::{Config, KEYS, Share};

fn table(entries: &[(&str, Value)]) -> Table {
    let entries = entries.iter().map(|(name, value)| (name.to_string(), (value.clone(), Origin::default())));
    Table { entries: entries.collect::<BTreeMap<_, _>>(), origin: Origin::default() }
}

#[test]
fn a_section_is_read_key_by_key() {
    let section = table(&[
        ("retention", Value::Duration(Duration::from_secs(7 * 86_400))),
        ("raw_retention", Value::Duration(Duration::from_secs(86_400))),
        ("max_bytes", Value::Bytes(1 << 20)),
        ("min_free", Value::Bytes(5 << 20)),
        ("series_max", Value::Whole(1234)),
    ]);
    let config = Config::read(&section, Path::new("/var/lib/watchward"));
    assert_eq!(config.dir, Path::new("/var/lib/watchward/store"));
    assert_eq!((config.retention.as_secs(), config.raw_retention.as_secs()), (7 * 86_400, 86_400));
    assert_eq!((config.max_bytes, config.min_free, config.series_max), (1 << 20, Share::Bytes(5 << 20), 1234));
    let config = Config::read(&table(&[("min_free", Value::Ratio(0.2))]), Path::new("/"));
    assert_eq!((config.min_free, config.min_free.of(1000)), (Share::Ratio(0.2), 200));
}

#[test]
fn the_defaults_in_the_reference_are_those_of_the_code() {
    let default = Config::default();
    let mut seen = Vec::new();
    for key in KEYS {
        let text = key.default.trim_matches('"');
        seen.push(match key.kind {
            Kind::Duration { min, max } => {
                let parsed = duration::parse(text).unwrap();
                assert!(duration::parse(min).unwrap() <= parsed && parsed <= duration::parse(max).unwrap());
                let expected = if key.name == "retention" { default.retention } else { default.raw_retention };
                parsed == expected
            }
            Kind::Bytes => text == "2GiB" && default.max_bytes == 2 << 30,
            Kind::Share => text == "5%" && default.min_free == Share::Ratio(0.05),
            _ => text.parse() == Ok(default.series_max),
        });
    }
    assert_eq!(seen, [true; 5]);
}
