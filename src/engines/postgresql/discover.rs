//! Servers on this machine: Unix sockets by their name, else the usual ports.

use std::collections::BTreeMap;

use crate::engines::contract::{Found, Sight};

/// The default port and the next two, which clusters of further versions get.
const PORTS: std::ops::RangeInclusive<u16> = 5432..=5434;

/// One target for each server. A socket is preferred to its port: there the system vouches for who we are.
pub fn targets(sight: &Sight) -> Vec<Found> {
    let mut hosts: BTreeMap<u16, String> =
        sight.ports.iter().filter(|port| PORTS.contains(port)).map(|port| (*port, "localhost".to_string())).collect();
    let sockets = sight.sockets.iter().filter_map(|path| path.split_once("/.s.PGSQL."));
    for (folder, port) in sockets {
        if let Ok(port) = port.parse() {
            hosts.insert(port, folder.replace('/', "%2F"));
        }
    }
    let found =
        |(port, host)| Found { name: format!("postgresql-{port}"), url: format!("postgres://{host}:{port}/postgres") };
    hosts.into_iter().map(found).collect()
}
