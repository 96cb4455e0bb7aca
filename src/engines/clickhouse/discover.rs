//! Finds ClickHouse on the usual port of its HTTP interface, or on the lowest port of its program, which that is.

use crate::engines::contract::SESSION_NAME;
use crate::engines::sight::{Found, Program, Sight};

const PORT: u16 = 8123;

pub fn is_server(program: &Program) -> bool {
    let is_one_for_all = program.name() == "clickhouse" && program.words().nth(1) == Some("server");
    is_one_for_all || program.name() == "clickhouse-server"
}

pub fn targets(sight: &Sight) -> Vec<Found> {
    let found = |(port, program): (u16, Option<&Program>)| Found {
        name: format!("clickhouse-{port}"),
        url: format!("http://127.0.0.1:{port}"),
        login_url: format!("http://{SESSION_NAME}@127.0.0.1:{port}"),
        owner: program.map(|program| program.user.clone()).unwrap_or_default(),
        ..Found::default()
    };
    sight.servers(&[PORT], is_server, |_| None).into_iter().map(found).collect()
}
