//! Finds a MongoDB on its usual port.

use crate::engines::contract::{Found, Sight};

const PORT: u16 = 27017;

/// The server on the usual port, if something listens there.
pub fn discover(sight: &Sight) -> Vec<Found> {
    let found = sight
        .ports
        .contains(&PORT)
        .then(|| Found { name: format!("mongodb-{PORT}"), url: format!("mongodb://127.0.0.1:{PORT}") });
    found.into_iter().collect()
}
