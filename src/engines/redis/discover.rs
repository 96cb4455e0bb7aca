//! Servers on this machine: the ports that programs show, the usual ones, else sockets by their name.

use crate::engines::contract::{Found, Program, SESSION_NAME, Sight};

/// The default port and the next, and Sentinel's.
const PORTS: [u16; 3] = [6379, 6380, 26379];

/// Names of sockets, without their folder, that packages and manuals use.
const SOCKETS: [&str; 5] =
    ["redis.sock", "redis-server.sock", "redis-sentinel.sock", "valkey.sock", "valkey-server.sock"];

pub fn is_server(program: &Program) -> bool {
    matches!(program.name(), "redis-server" | "redis-sentinel" | "valkey-server" | "valkey-sentinel")
}

/// The server writes its address into its command line: `redis-server 127.0.0.1:6379`, `*:26379 [sentinel]`.
fn told(program: &Program) -> Option<u16> {
    program.words().nth(1)?.rsplit_once(':')?.1.parse().ok()
}

/// One target for each server. Sockets count only where no port answers: nearly every server with a socket has both.
pub fn targets(sight: &Sight) -> Vec<Found> {
    let found = |(port, program): (u16, Option<&Program>)| Found {
        name: format!("redis-{port}"),
        url: format!("redis://localhost:{port}"),
        login_url: format!("redis://{SESSION_NAME}@localhost:{port}"),
        owner: program.map(|program| program.user.clone()).unwrap_or_default(),
        ..Found::default()
    };
    let all: Vec<Found> = sight.servers(&PORTS, is_server, told).into_iter().map(found).collect();
    if !all.is_empty() {
        return all;
    }
    let named = sight.sockets.iter().filter_map(|path| {
        let name = path.rsplit('/').next().filter(|name| SOCKETS.contains(name))?;
        let path = path.replace('/', "%2F");
        Some(Found {
            name: name.trim_end_matches(".sock").to_string(),
            url: format!("redis://{path}"),
            login_url: format!("redis://{SESSION_NAME}@{path}"),
            ..Found::default()
        })
    });
    named.collect()
}
