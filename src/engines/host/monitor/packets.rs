//! More of the network: queues of packets and sockets, neighbours, bonds, virtual servers, and what is optional of it.

use std::collections::BTreeMap;

use crate::engines::contract::{Answer, Emit, Facts};
use crate::engines::host::monitor::{garbled, text_of, texts};
use crate::model::reading::Unknown;
use crate::model::row::{Family, Metric, MetricKind};

/// `from` is the column of proc/net/softnet_stat.
pub const SOFTNET: &[Metric] = &[
    Metric::counter("node_softnet_processed_total", "Packets processed.").from("0"),
    Metric::counter("node_softnet_dropped_total", "Packets dropped because the queue was full.").from("1"),
    Metric::counter("node_softnet_times_squeezed_total", "Times when the time ran out before the queue was empty.")
        .from("2"),
    Metric::counter("node_softnet_cpu_collision_total", "Collisions on sending.").from("8"),
    Metric::counter("node_softnet_received_rps_total", "Times when another CPU asked to process packets.").from("9"),
    Metric::counter("node_softnet_flow_limit_count_total", "Times when a flow's limit was reached.").from("10"),
    Metric::gauge("node_softnet_backlog_len", "Packets that wait.").from("11"),
];

/// proc/net/softnet_stat: a line for each CPU, in hexadecimal. Newer kernels tell the CPU in the 13th column.
pub fn softnet(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for (at, line) in text_of(answer, "softnet_stat")?.lines().enumerate() {
        let numbers: Option<Vec<u32>> =
            line.split_whitespace().map(|word| u32::from_str_radix(word, 16).ok()).collect();
        let numbers = numbers.ok_or_else(|| garbled("proc/net/softnet_stat", line))?;
        let cpu = numbers.get(12).map_or_else(|| at.to_string(), ToString::to_string);
        for metric in SOFTNET {
            let number = metric.from.parse::<usize>().ok().and_then(|at| numbers.get(at)).copied().unwrap_or(0);
            emit.metric(metric, &[("cpu", &cpu)], f64::from(number));
        }
    }
    Ok(())
}

pub const ARP: &[Metric] = &[Metric::gauge("node_arp_entries", "Neighbours that the device knows by IPv4.")];

/// proc/net/arp: a line for each neighbour; the device stands last.
pub fn arp(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for line in text_of(answer, "net/arp")?.lines().skip(1) {
        let device = line.split_whitespace().last().ok_or_else(|| garbled("proc/net/arp", line))?;
        *counts.entry(device).or_default() += 1;
    }
    for (device, count) in counts {
        emit.metric(&ARP[0], &[("device", device)], f64::from(count));
    }
    Ok(())
}

pub const UDP_QUEUES: &[Metric] = &[Metric::gauge("node_udp_queues", "Bytes that wait in the queues of UDP sockets.")];

/// proc/net/udp and udp6: the fifth column is `tx:rx`, in hexadecimal.
pub fn udp_queues(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for (path, text) in texts(answer) {
        let (mut sent, mut received) = (0.0, 0.0);
        for line in text.lines().skip(1) {
            let queues = line.split_whitespace().nth(4).and_then(|column| column.split_once(':'));
            let hex = |text: &str| u32::from_str_radix(text, 16).ok().map(f64::from);
            let Some((tx, rx)) = queues.and_then(|(tx, rx)| Some((hex(tx)?, hex(rx)?))) else {
                return Err(garbled(path, line));
            };
            sent += tx;
            received += rx;
        }
        let ip = if path.ends_with('6') { "v6" } else { "v4" };
        emit.metric(&UDP_QUEUES[0], &[("ip", ip), ("queue", "tx")], sent);
        emit.metric(&UDP_QUEUES[0], &[("ip", ip), ("queue", "rx")], received);
    }
    Ok(())
}

pub const BONDING_ASK: &str = "sys/class/net/ bonding_masters sys/class/net/*/bonding/ slaves \
                               sys/class/net/*/lower_*/bonding_slave/ mii_status \
                               sys/class/net/*/slave_*/bonding_slave/ mii_status";
pub const BONDING: &[Metric] = &[
    Metric::gauge("node_bonding_slaves", "Devices that a bond should have."),
    Metric::gauge("node_bonding_active", "Devices of a bond that are up."),
];

/// sys/class/net/bonding_masters, and what each bond says of its devices.
pub fn bonding(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for master in text_of(answer, "net/bonding_masters")?.split_whitespace() {
        let slaves = text_of(answer, &format!("/{master}/bonding/slaves")).unwrap_or("");
        let is_up = |slave: &&str| {
            ["lower", "slave"].iter().any(|kind| {
                let status = format!("/{master}/{kind}_{slave}/bonding_slave/mii_status");
                text_of(answer, &status).is_ok_and(|status| status.trim() == "up")
            })
        };
        let labels = [("master", master)];
        emit.metric(&BONDING[0], &labels, slaves.split_whitespace().count() as f64);
        emit.metric(&BONDING[1], &labels, slaves.split_whitespace().filter(is_up).count() as f64);
    }
    Ok(())
}

/// The first five are in the order of the columns of proc/net/ip_vs_stats, the others of a backend's line in proc/net/ip_vs.
pub const IPVS: &[Metric] = &[
    Metric::counter("node_ipvs_connections_total", "Connections made to virtual servers."),
    Metric::counter("node_ipvs_incoming_packets_total", "Packets that came to virtual servers."),
    Metric::counter("node_ipvs_outgoing_packets_total", "Packets that virtual servers sent."),
    Metric::counter("node_ipvs_incoming_bytes_total", "Bytes that came to virtual servers.").unit("By"),
    Metric::counter("node_ipvs_outgoing_bytes_total", "Bytes that virtual servers sent.").unit("By"),
    Metric::gauge("node_ipvs_backend_weight", "Weight of a server behind a virtual server."),
    Metric::gauge("node_ipvs_backend_connections_active", "Active connections of a server behind a virtual server."),
    Metric::gauge("node_ipvs_backend_connections_inactive", "Idle connections of a server behind a virtual server."),
];

/// proc/net/ip_vs_stats, and proc/net/ip_vs: a line for each virtual server, and under it one for each server behind it.
pub fn ipvs(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    if let Ok(text) = text_of(answer, "net/ip_vs_stats") {
        let line = text.lines().nth(2).unwrap_or("");
        for (metric, word) in IPVS.iter().zip(line.split_whitespace()) {
            let number = u64::from_str_radix(word, 16).map_err(|_| garbled("proc/net/ip_vs_stats", line))?;
            emit.metric(metric, &[], number as f64);
        }
    }
    let mut local = [("local_address", String::new()), ("local_mark", String::new()), ("local_port", String::new())];
    let mut protocol = "";
    for line in text_of(answer, "net/ip_vs").unwrap_or("").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let wrong = || garbled("proc/net/ip_vs", line);
        match words.as_slice() {
            [kind @ ("TCP" | "UDP" | "SCTP"), place, ..] => {
                let (address, port) = place_of(place).ok_or_else(wrong)?;
                protocol = kind;
                [local[0].1, local[1].1, local[2].1] = [address, String::new(), port];
            }
            [kind @ "FWM", mark, ..] => {
                protocol = kind;
                [local[0].1, local[1].1, local[2].1] = [String::new(), (*mark).to_string(), "0".to_string()];
            }
            ["->", place, _, numbers @ ..] if numbers.len() >= 3 && !place.starts_with("Remote") => {
                let (address, port) = place_of(place).ok_or_else(wrong)?;
                let mut labels: Vec<(&str, &str)> = local.iter().map(|(name, value)| (*name, value.as_str())).collect();
                labels.extend([("proto", protocol), ("remote_address", &address), ("remote_port", &port)]);
                for (metric, word) in IPVS[5..].iter().zip(numbers) {
                    emit.metric(metric, &labels, word.parse().map_err(|_| wrong())?);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// `C0A80016:0CEA` or `[fe80:…]:0CEA` as address and port.
fn place_of(place: &str) -> Option<(String, String)> {
    let (address, port) = place.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?.to_string();
    if let Some(six) = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return Some((six.parse::<std::net::Ipv6Addr>().ok()?.to_string(), port));
    }
    let four = u32::from_str_radix(address, 16).ok().filter(|_| address.len() == 8)?;
    Some((std::net::Ipv4Addr::from(four).to_string(), port))
}

pub const XFRM: &[Family] = &[XFRM_PACKETS];
const XFRM_PACKETS: Family = Family::new(
    MetricKind::Counter,
    "node_xfrm_",
    "_packets_total",
    "A field of proc/net/xfrm_stat, which counts errors of IPsec.",
);

/// proc/net/xfrm_stat: `XfrmInNoPols 65432` is in_no_pols.
pub fn xfrm(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for line in text_of(answer, "xfrm_stat")?.lines() {
        let mut words = line.split_whitespace();
        let Some(name) = words.next().and_then(|word| word.strip_prefix("Xfrm")) else { continue };
        let number = words.next().and_then(|word| word.parse().ok());
        let mut part = String::new();
        for c in name.chars() {
            if c.is_ascii_uppercase() && !part.is_empty() {
                part.push('_');
            }
            part.push(c.to_ascii_lowercase());
        }
        emit.family(&XFRM_PACKETS, &part, &[], number.ok_or_else(|| garbled("proc/net/xfrm_stat", line))?);
    }
    Ok(())
}

pub const LNSTAT: &[Family] = &[LNSTAT_FIELD];
const LNSTAT_FIELD: Family =
    Family::new(MetricKind::Counter, "node_lnstat_", "_total", "A column of a file of proc/net/stat.");

/// proc/net/stat/*: names, then a line for each CPU in hexadecimal.
pub fn lnstat(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for (path, text) in texts(answer) {
        let subsystem = path.rsplit('/').next().unwrap_or("");
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap_or("").split_whitespace().collect();
        for (cpu, line) in lines.enumerate() {
            let cpu = cpu.to_string();
            for (name, word) in names.iter().zip(line.split_whitespace()) {
                let number = u64::from_str_radix(word, 16).map_err(|_| garbled(path, line))?;
                let labels = [("cpu", cpu.as_str()), ("subsystem", subsystem)];
                emit.family(&LNSTAT_FIELD, name, &labels, number as f64);
            }
        }
    }
    Ok(())
}
