//! Finds MongoDB on its usual port, and wherever its programs listen.

use crate::engines::contract::SESSION_NAME;
use crate::engines::sight::{Found, Program, Sight};

const PORT: u16 = 27017;

/// `mongod` and `mongos`; some install them with their version behind the name.
pub fn is_server(program: &Program) -> bool {
    let name = program.name();
    ["mongod", "mongos"].iter().any(|known| name == *known || name.starts_with(&format!("{known}-")))
}

pub fn targets(sight: &Sight) -> Vec<Found> {
    let told = |program: &Program| program.option("--port").and_then(|port| port.parse().ok());
    let found = |(port, program): (u16, Option<&Program>)| Found {
        name: format!("mongodb-{port}"),
        url: format!("mongodb://127.0.0.1:{port}"),
        login_url: format!("mongodb://{SESSION_NAME}@127.0.0.1:{port}"),
        owner: program.map(|program| program.user.clone()).unwrap_or_default(),
        ..Found::default()
    };
    sight.servers(&[PORT], is_server, told).into_iter().map(found).collect()
}
