//! What discovery saw on this machine: ports, sockets and programs, and the servers that an engine makes of them.

use std::collections::{BTreeMap, BTreeSet};

/// A server found on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// A good name for the target: the engine's word and the port.
    pub name: String,
    pub url: String,
    /// The URL of a session with a login: with its user, and on a way on which a password counts.
    pub login_url: String,
    /// As far as the program tells without being asked; else empty.
    pub version: String,
    /// One of the card's kinds, as far as the program tells; else empty.
    pub kind: &'static str,
    /// The system's user that the server runs as; empty where it is not known.
    pub owner: String,
}

/// A running program that may be a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Its command line, as it shows it.
    pub command: Vec<String>,
    /// The system's user that it runs as.
    pub user: String,
    /// Ports on which it listens, if we may look.
    pub ports: BTreeSet<u16>,
    /// Socket files on which it listens, if we may look.
    pub sockets: BTreeSet<String>,
}

impl Program {
    /// The words of its command line: some servers write it anew, as one string.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.command.iter().flat_map(|part| part.split_whitespace())
    }

    /// Its file's name, without folders.
    pub fn name(&self) -> &str {
        self.words().next().and_then(|word| word.rsplit('/').next()).unwrap_or("")
    }

    /// The value of an option: `--port 1` or `--port=1`.
    pub fn option(&self, name: &str) -> Option<&str> {
        let mut words = self.words();
        words.find_map(|word| word.strip_prefix(name)?.strip_prefix('=')).or_else(|| {
            let mut words = self.words().skip_while(|word| *word != name);
            words.nth(1)
        })
    }
}

/// What discovery saw on this machine: listening local ports and sockets, and the programs that engines run as.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// Loopback or any-address TCP ports that something listens on.
    pub ports: BTreeSet<u16>,
    /// Unix socket files that something listens on.
    pub sockets: BTreeSet<String>,
    pub programs: Vec<Program>,
}

impl Sight {
    /// Where servers of a kind listen: the ports of programs that are one, and usual ports on which something listens.
    /// Of a program's several ports the one that its command line tells is meant, else a usual one, else the lowest.
    pub fn servers<'s>(
        &'s self,
        usual: &[u16],
        is_one: impl Fn(&Program) -> bool,
        told: impl Fn(&Program) -> Option<u16>,
    ) -> BTreeMap<u16, Option<&'s Program>> {
        let mut servers = BTreeMap::new();
        for program in self.programs.iter().filter(|program| is_one(program)) {
            let told = told(program).filter(|port| self.ports.contains(port));
            let has_usual = || usual.iter().copied().find(|port| program.ports.contains(port));
            if let Some(port) = told.or_else(has_usual).or_else(|| program.ports.first().copied()) {
                servers.insert(port, Some(program));
            }
        }
        for port in usual.iter().filter(|port| self.ports.contains(port)) {
            servers.entry(*port).or_insert(None);
        }
        servers
    }
}
