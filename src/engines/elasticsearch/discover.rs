//! Finds Elasticsearch and OpenSearch on their usual port, or on the lowest port of their program: transport is above.

use crate::engines::contract::SESSION_NAME;
use crate::engines::elasticsearch::session::OPENSEARCH;
use crate::engines::sight::{Found, Program, Sight};

const PORT: u16 = 9200;

/// What Java runs, behind a module's name in newer versions.
const MAINS: [&str; 2] = ["org.elasticsearch.bootstrap.Elasticsearch", "org.opensearch.bootstrap.OpenSearch"];

pub fn is_server(program: &Program) -> bool {
    program.name() == "java" && program.words().any(|word| MAINS.iter().any(|main| word.ends_with(main)))
}

fn is_fork(program: &Program) -> bool {
    program.words().any(|word| word.ends_with(MAINS[1]))
}

pub fn targets(sight: &Sight) -> Vec<Found> {
    let found = |(port, program): (u16, Option<&Program>)| Found {
        name: format!("elasticsearch-{port}"),
        url: format!("http://127.0.0.1:{port}"),
        login_url: format!("http://{SESSION_NAME}@127.0.0.1:{port}"),
        kind: if program.is_some_and(is_fork) { OPENSEARCH } else { "" },
        owner: program.map(|program| program.user.clone()).unwrap_or_default(),
        ..Found::default()
    };
    sight.servers(&[PORT], is_server, |_| None).into_iter().map(found).collect()
}
