//! Finds a ClickHouse on the usual port of its HTTP interface.

use crate::engines::contract::{Found, Sight};

const PORT: u16 = 8123;

/// The server on the usual port, if something listens there.
pub fn discover(sight: &Sight) -> Vec<Found> {
    let found = sight
        .ports
        .contains(&PORT)
        .then(|| Found { name: format!("clickhouse-{PORT}"), url: format!("http://127.0.0.1:{PORT}") });
    found.into_iter().collect()
}
