//! Servers on this machine: the ports that programs show, the usual ones, and sockets of servers without a port.

use crate::engines::contract::SESSION_NAME;
use crate::engines::sight::{Found, Program, Sight};

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

/// One without a port writes its socket there: `redis-server unixsocket:/run/redis/redis.sock`.
fn told_socket(program: &Program) -> Option<&str> {
    program.words().nth(1)?.strip_prefix("unixsocket:")
}

fn is_sentinel(program: &Program) -> bool {
    program.name().ends_with("-sentinel") || program.words().any(|word| word == "[sentinel]" || word == "--sentinel")
}

/// One target for each server. A socket counts only where its server has no port: nearly every one has both.
pub fn targets(sight: &Sight) -> Vec<Found> {
    let found = |(port, program): (u16, Option<&Program>)| Found {
        name: format!("redis-{port}"),
        url: format!("redis://localhost:{port}"),
        login_url: format!("redis://{SESSION_NAME}@localhost:{port}"),
        kind: if program.is_some_and(is_sentinel) { "sentinel" } else { "" },
        owner: program.map(|program| program.user.clone()).unwrap_or_default(),
        ..Found::default()
    };
    let mut all: Vec<Found> = sight.servers(&PORTS, is_server, told).into_iter().map(found).collect();
    let has_ports = !all.is_empty();
    for path in &sight.sockets {
        let program = program_of(sight, path);
        let counts = match program {
            Some(program) => program.ports.is_empty() && told(program).is_none(),
            None => !has_ports && SOCKETS.contains(&file_name(path)),
        };
        if counts {
            let name = name(path, &all);
            all.push(by_socket(name, path, program));
        }
    }
    all
}

/// Whose socket it is, as far as we may look or the program's title says.
fn program_of<'s>(sight: &'s Sight, path: &str) -> Option<&'s Program> {
    let has = |program: &&Program| program.sockets.contains(path) || told_socket(program) == Some(path);
    sight.programs.iter().filter(|program| is_server(program)).find(has)
}

fn by_socket(name: String, path: &str, program: Option<&Program>) -> Found {
    let place = path.replace('/', "%2F");
    Found {
        name,
        url: format!("redis://{place}"),
        login_url: format!("redis://{SESSION_NAME}@{place}"),
        kind: if program.is_some_and(is_sentinel) { "sentinel" } else { "" },
        owner: program.map(|program| program.user.clone()).unwrap_or_default(),
        ..Found::default()
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or("")
}

/// The file's name; where that is taken, its whole path; behind the engine's word where it does not begin with one.
fn name(path: &str, all: &[Found]) -> String {
    let plain = |text: &str| -> String {
        let fits = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
        text.trim_end_matches(".sock").trim_start_matches('/').chars().map(fits).collect()
    };
    let named = |name: String| {
        if name.starts_with("redis") || name.starts_with("valkey") { name } else { format!("redis-{name}") }
    };
    let short = named(plain(file_name(path)));
    if all.iter().any(|one| one.name == short) { named(plain(path)) } else { short }
}
