//! Servers on this machine: the usual ports, else sockets by their name.

use crate::engines::contract::{Found, Sight};

/// The default port and the next, and Sentinel's.
const PORTS: [u16; 3] = [6379, 6380, 26379];

/// Names of sockets, without their folder, that packages and manuals use.
const SOCKETS: [&str; 5] =
    ["redis.sock", "redis-server.sock", "redis-sentinel.sock", "valkey.sock", "valkey-server.sock"];

/// One target for each server. Sockets count only where no port answers: nearly every server with a socket has both.
pub fn targets(sight: &Sight) -> Vec<Found> {
    let ports = PORTS.iter().filter(|port| sight.ports.contains(port));
    let found: Vec<Found> =
        ports.map(|port| Found { name: format!("redis-{port}"), url: format!("redis://localhost:{port}") }).collect();
    if !found.is_empty() {
        return found;
    }
    let named = sight.sockets.iter().filter_map(|path| {
        let name = path.rsplit('/').next().filter(|name| SOCKETS.contains(name))?;
        let stem = name.trim_end_matches(".sock");
        Some(Found { name: stem.to_string(), url: format!("redis://{}", path.replace('/', "%2F")) })
    });
    named.collect()
}
