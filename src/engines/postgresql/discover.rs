//! Servers on this machine: Unix sockets by their name, the usual ports, and the programs' own.

use std::collections::BTreeMap;

use crate::engines::contract::SESSION_NAME;
use crate::engines::sight::{Found, Program, Sight};

/// The default port and the next two, which clusters of further versions get.
const PORTS: [u16; 3] = [5432, 5433, 5434];

/// In a socket's path: what stands between its folder and its port.
const SOCKET: &str = "/.s.PGSQL.";

/// The server itself: its children write `postgres:` and what they do.
pub fn is_server(program: &Program) -> bool {
    matches!(program.name(), "postgres" | "postmaster")
}

/// One target for each server. A socket is preferred to its port: there the system vouches for who we are. For a login
/// it is the other way round, since packages let nobody in by password on the socket.
pub fn targets(sight: &Sight) -> Vec<Found> {
    let told = |program: &Program| program.option("-p").and_then(|port| port.parse().ok());
    let listening = sight.servers(&PORTS, is_server, told);
    let sockets: BTreeMap<u16, &str> = sight
        .sockets
        .iter()
        .filter_map(|path| path.split_once(SOCKET))
        .filter_map(|(folder, port)| Some((port.parse().ok()?, folder)))
        .collect();
    let mut ports: Vec<u16> = listening.keys().chain(sockets.keys()).copied().collect();
    ports.sort_unstable();
    ports.dedup();
    let found = |port: u16| {
        let has_port = sight.ports.contains(&port);
        let local = sockets.get(&port).map(|folder| folder.replace('/', "%2F"));
        let by_port = "localhost".to_string();
        let (near, login) = match local {
            Some(socket) if has_port => (socket, by_port),
            Some(socket) => (socket.clone(), socket),
            None => (by_port.clone(), by_port),
        };
        let program = program_of(sight, port).or(listening.get(&port).copied().flatten());
        Found {
            name: format!("postgresql-{port}"),
            url: format!("postgres://{near}:{port}/postgres"),
            login_url: format!("postgres://{SESSION_NAME}@{login}:{port}/postgres"),
            version: program.map(version).unwrap_or_default(),
            owner: program.map(|program| program.user.clone()).unwrap_or_default(),
            ..Found::default()
        }
    };
    ports.into_iter().map(found).collect()
}

/// The program behind a port: the one that has it or its socket open, or where we may not look, the only one there is.
fn program_of(sight: &Sight, port: u16) -> Option<&Program> {
    let end = format!("{SOCKET}{port}");
    let has = |program: &&Program| {
        program.ports.contains(&port) || program.sockets.iter().any(|socket| socket.ends_with(&end))
    };
    let mut all = sight.programs.iter().filter(|program| is_server(program));
    all.clone().find(has).or_else(|| all.next().filter(|_| all.next().is_none()))
}

/// Packages keep each version in a folder of its own: /usr/lib/postgresql/15/bin/postgres, /usr/pgsql-16/bin/postgres.
fn version(program: &Program) -> String {
    let folders = program.words().next().unwrap_or("").split('/').map(|folder| folder.trim_start_matches("pgsql-"));
    let mut numbers = folders.filter(|folder| !folder.is_empty() && folder.bytes().all(|byte| byte.is_ascii_digit()));
    numbers.next().unwrap_or("").to_string()
}
