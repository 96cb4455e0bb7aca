//! What listens and runs on this machine, read from /proc, so that engines can say which of it is theirs; and the one
//! question, without a login, that tells what a server is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use crate::engines;
use crate::engines::contract::{Access, Engine, Facts};
use crate::engines::sight::{Program, Sight};
use crate::model::fault::Fault;
use crate::model::reading::UnknownKind;
use crate::model::target::Target;
use crate::sys::files;
use crate::sys::programs;

/// The most that a table of sockets may weigh, in bytes: a busy host has many.
const TABLE_BYTES_MAX: usize = 64 << 20;

/// The most servers that are found: a machine with more is no first run, and wants a configuration.
const SERVERS_MAX: usize = 100;

/// The longest that one server may take to say what it is.
const QUESTION_MAX: Duration = Duration::from_secs(3);

/// Looks around. What cannot be read is not seen.
pub fn look() -> Sight {
    let read = |name: &str| files::read_text(&Path::new("/proc/net").join(name), TABLE_BYTES_MAX).unwrap_or_default();
    let listening: Vec<Listener<u16>> = ["tcp", "tcp6"].iter().flat_map(|name| listening_ports(&read(name))).collect();
    let accepting = listening_sockets(&read("unix"));
    let mut sight = Sight {
        ports: listening.iter().map(|one| one.place).collect(),
        sockets: accepting.iter().map(|one| one.place.clone()).collect(),
        programs: Vec::new(),
    };
    for running in programs::list() {
        let mut program = Program { command: running.command, user: running.user, ..Program::default() };
        if engines::ALL.iter().any(|engine| engine.runs_as(&program)) {
            let open = programs::sockets(running.pid);
            program.ports = places(&listening, &open);
            program.sockets = places(&accepting, &open);
            sight.programs.push(program);
        }
    }
    sight
}

/// A place on which something listens, and the socket's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener<P> {
    pub place: P,
    pub inode: u64,
}

fn places<P: Clone + Ord>(all: &[Listener<P>], open: &BTreeSet<u64>) -> BTreeSet<P> {
    all.iter().filter(|one| open.contains(&one.inode)).map(|one| one.place.clone()).collect()
}

/// Ports of /proc/net/tcp or tcp6 on which something listens that loopback reaches.
pub fn listening_ports(table: &str) -> Vec<Listener<u16>> {
    table.lines().skip(1).filter_map(listening_port).collect()
}

fn listening_port(line: &str) -> Option<Listener<u16>> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (address, port) = fields.get(1)?.split_once(':')?;
    let address = parse_address(address)?;
    let reached = address.is_loopback() || address.is_unspecified();
    if !reached || *fields.get(3)? != LISTEN {
        return None;
    }
    Some(Listener { place: u16::from_str_radix(port, 16).ok()?, inode: fields.get(9)?.parse().ok()? })
}

/// The kernel writes addresses as 32-bit words in the machine's byte order.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(hex.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    if hex.len() == 8 {
        return word(0).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)));
    }
    let mut bytes = [0_u8; 16];
    for at in 0..4 {
        bytes[at * 4..at * 4 + 4].copy_from_slice(&word(at)?);
    }
    let v6 = Ipv6Addr::from(bytes);
    Some(v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4))
}

/// Paths of /proc/net/unix on which something accepts connections.
pub fn listening_sockets(table: &str) -> Vec<Listener<String>> {
    const ACCEPTS: &str = "00010000";
    let listener = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let accepts = fields.get(3).is_some_and(|flags| *flags == ACCEPTS);
        let path = fields.get(7).filter(|path| accepts && path.starts_with('/'))?;
        Some(Listener { place: (*path).to_string(), inode: fields.get(6)?.parse().ok()? })
    };
    table.lines().skip(1).filter_map(listener).collect()
}

/// What a server said when it was asked without a login.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// It lets everybody read.
    Open(Facts),
    /// It wants a login. What it said of itself nevertheless.
    NeedsCredentials(Fault, Facts),
    /// Nothing of use.
    Nothing(Fault),
}

/// Asks a server what it is: one attempt, without a login.
pub async fn ask(engine: &dyn Engine, target: &Target) -> Said {
    let answer = timeout(QUESTION_MAX, question(engine, target)).await;
    answer.unwrap_or_else(|_| {
        let server = engine.instance(target);
        let fault =
            Fault::new("sample-02", format!("no whole answer from {server} within {} s", QUESTION_MAX.as_secs()));
        Said::Nothing(fault.hint("Is the server stopped, overloaded, or is something else listening on this port?"))
    })
}

async fn question(engine: &dyn Engine, target: &Target) -> Said {
    let mut session = match engine.connect(target, &Access::default()).await {
        Ok(session) => session,
        Err(fault) if fault.of_login => return Said::NeedsCredentials(fault, Facts::default()),
        Err(fault) => return Said::Nothing(fault),
    };
    let facts = session.facts().clone();
    // Some servers greet everybody and then show nothing.
    let row = engine.rows().iter().find(|row| !row.privilege.is_empty() && row.exists(&facts));
    let Some(row) = row.filter(|row| row.lacks(&facts).is_none_or(|unknown| unknown.kind == UnknownKind::Privilege))
    else {
        return Said::Open(facts);
    };
    match session.ask(row, QUESTION_MAX).await {
        Err(unknown) if unknown.kind == UnknownKind::Privilege => {
            let fault = Fault::new("sample-04", format!("{} shows nothing without a login", engine.instance(target)));
            Said::NeedsCredentials(fault.of_login(true), facts)
        }
        _ => Said::Open(facts),
    }
}

/// Servers on this machine by engine and name, each once.
pub fn servers() -> Vec<(&'static dyn Engine, engines::sight::Found)> {
    let sight = look();
    let mut all = BTreeMap::new();
    for (order, engine) in engines::ALL.iter().enumerate() {
        for found in engine.discover(&sight) {
            all.entry((order, found.name.clone())).or_insert((*engine, found));
        }
    }
    if all.len() > SERVERS_MAX {
        tracing::warn!("{} servers were found; only the first {SERVERS_MAX} are taken", all.len());
    }
    all.into_values().take(SERVERS_MAX).collect()
}
