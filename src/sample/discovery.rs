//! What listens on this machine, read from /proc, so that engines can say which of it is theirs.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use crate::engines::contract::Sight;
use crate::sys::files;

/// The most that a table of sockets may weigh, in bytes: a busy host has many.
const TABLE_BYTES_MAX: usize = 64 << 20;

/// Looks around. What cannot be read is not seen.
pub fn look() -> Sight {
    let read = |name: &str| files::read_text(&Path::new("/proc/net").join(name), TABLE_BYTES_MAX).unwrap_or_default();
    let mut ports = listening_ports(&read("tcp"));
    ports.extend(listening_ports(&read("tcp6")));
    Sight { ports, sockets: listening_sockets(&read("unix")), programs: BTreeSet::new() }
}

/// Ports of /proc/net/tcp or tcp6 on which something listens that loopback reaches.
pub fn listening_ports(table: &str) -> BTreeSet<u16> {
    table.lines().skip(1).filter_map(listening_port).collect()
}

fn listening_port(line: &str) -> Option<u16> {
    const LISTEN: &str = "0A";
    let mut fields = line.split_whitespace().skip(1);
    let (address, port) = fields.next()?.split_once(':')?;
    let state = fields.nth(1)?;
    let address = parse_address(address)?;
    let reached = address.is_loopback() || address.is_unspecified();
    (state == LISTEN && reached).then(|| u16::from_str_radix(port, 16).ok()).flatten()
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
pub fn listening_sockets(table: &str) -> BTreeSet<String> {
    const ACCEPTS: &str = "00010000";
    let path = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let accepts = fields.get(3).is_some_and(|flags| *flags == ACCEPTS);
        fields.get(7).filter(|path| accepts && path.starts_with('/')).map(ToString::to_string)
    };
    table.lines().skip(1).filter_map(path).collect()
}
