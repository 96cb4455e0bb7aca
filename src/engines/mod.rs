//! The engines that can be watched. To add one: its folder, its `mod` line, its line in `ALL`.

pub mod contract;
pub mod take;
pub mod query;
pub mod sight;
pub mod statement;
pub mod host;
pub mod postgresql;
pub mod redis;
pub mod mongodb;
pub mod clickhouse;
pub mod elasticsearch;

use crate::engines::contract::Engine;
use crate::model::catalogue::Catalogue;

/// Every engine, in the order in which help and documentation list them.
pub static ALL: &[&dyn Engine] = &[
    &postgresql::Postgresql,
    &redis::Redis,
    &mongodb::MongoDb,
    &clickhouse::ClickHouse,
    &elasticsearch::Elasticsearch,
    &host::Host,
];

/// The engine of a word.
pub fn find(word: &str) -> Option<&'static dyn Engine> {
    ALL.iter().copied().find(|engine| engine.word() == word)
}

/// Everything that the engines can measure.
pub fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::new();
    for engine in ALL {
        catalogue.add_metrics(std::slice::from_ref(engine.card().up));
        for row in engine.rows() {
            catalogue.add_metrics(row.metrics);
            catalogue.add_families(row.families);
        }
        catalogue.add_thresholds(engine.card().thresholds);
    }
    catalogue
}
