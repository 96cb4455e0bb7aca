//! Parsers of proc/net/ and sys/class/net/: pure functions from files' texts to points.

use std::collections::BTreeMap;

use crate::engines::contract::{Answer, Emit, Facts};
use crate::engines::host::monitor::{garbled, table, text_of, texts};
use crate::model::reading::Unknown;
use crate::model::row::{Family, Metric, MetricKind, Rename};
use crate::sys::process;

const INTERFACE: &[Rename] = &[Rename::new("device", "network.interface.name")];
/// The conventions call it so for packets alone.
const DEVICE: &[Rename] = &[Rename::new("device", "system.device")];

/// In the order of the columns of proc/net/dev; the last is a file of sys/class/net.
pub const NETDEV: &[Metric] = &[
    Metric::counter("node_network_receive_bytes_total", "Bytes received.")
        .unit("By")
        .otel("system.network.io")
        .renames(INTERFACE)
        .attribute("network.io.direction", "receive"),
    Metric::counter("node_network_receive_packets_total", "Packets received.")
        .unit("{packet}")
        .otel("system.network.packet.count")
        .renames(DEVICE)
        .attribute("network.io.direction", "receive"),
    Metric::counter("node_network_receive_errs_total", "Errors on receiving.")
        .unit("{error}")
        .otel("system.network.errors")
        .renames(INTERFACE)
        .attribute("network.io.direction", "receive"),
    Metric::counter("node_network_receive_drop_total", "Packets received and dropped.")
        .unit("{packet}")
        .otel("system.network.packet.dropped")
        .renames(INTERFACE)
        .attribute("network.io.direction", "receive"),
    Metric::counter("node_network_receive_fifo_total", "Overruns of the receive queue."),
    Metric::counter("node_network_receive_frame_total", "Frames received that were misaligned."),
    Metric::counter("node_network_receive_compressed_total", "Compressed packets received."),
    Metric::counter("node_network_receive_multicast_total", "Multicast packets received."),
    Metric::counter("node_network_transmit_bytes_total", "Bytes sent.")
        .unit("By")
        .otel("system.network.io")
        .renames(INTERFACE)
        .attribute("network.io.direction", "transmit"),
    Metric::counter("node_network_transmit_packets_total", "Packets sent.")
        .unit("{packet}")
        .otel("system.network.packet.count")
        .renames(DEVICE)
        .attribute("network.io.direction", "transmit"),
    Metric::counter("node_network_transmit_errs_total", "Errors on sending.")
        .unit("{error}")
        .otel("system.network.errors")
        .renames(INTERFACE)
        .attribute("network.io.direction", "transmit"),
    Metric::counter("node_network_transmit_drop_total", "Packets to send that were dropped.")
        .unit("{packet}")
        .otel("system.network.packet.dropped")
        .renames(INTERFACE)
        .attribute("network.io.direction", "transmit"),
    Metric::counter("node_network_transmit_fifo_total", "Overruns of the send queue."),
    Metric::counter("node_network_transmit_colls_total", "Collisions."),
    Metric::counter("node_network_transmit_carrier_total", "Losses of the carrier while sending."),
    Metric::counter("node_network_transmit_compressed_total", "Compressed packets sent."),
    NO_HANDLER,
];
const NO_HANDLER: Metric =
    Metric::counter("node_network_receive_nohandler_total", "Packets received that nobody wanted.");

pub const NETDEV_ASK: &str = "proc/net/ dev sys/class/net/*/statistics/ rx_nohandler";

/// proc/net/dev, and what is missing in it.
pub fn netdev(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for line in text_of(answer, "net/dev")?.lines() {
        let Some((device, columns)) = line.rsplit_once(':') else { continue }; // the two lines of the head
        let device = device.trim();
        for (metric, number) in NETDEV.iter().zip(columns.split_whitespace()) {
            let number = number.parse().map_err(|_| garbled("proc/net/dev", line))?;
            emit.metric(metric, &[("device", device)], number);
        }
    }
    for (path, text) in texts(answer) {
        let Some(labels) = table::fit("net/{device}/statistics/rx_nohandler", path) else { continue };
        if let Some(number) = table::number(text) {
            emit.metric(&NO_HANDLER, &labels, number);
        }
    }
    Ok(())
}

pub const NETCLASS_ASK: &str = "sys/class/net/*/ address addr_assign_type broadcast carrier carrier_changes carrier_down_count \
                                carrier_up_count dev_id dormant duplex flags ifalias ifindex iflink link_mode mtu \
                                name_assign_type netdev_group operstate speed tx_queue_len type";

/// `from` is the file's name. The last three are made of more than one number.
pub const NETCLASS: &[Metric] = &[
    Metric::gauge("node_network_address_assign_type", "How the device came to its address.").from("addr_assign_type"),
    Metric::gauge("node_network_carrier", "Whether the device has a carrier.").from("carrier"),
    Metric::counter("node_network_carrier_changes_total", "How often the carrier came or went.")
        .from("carrier_changes"),
    Metric::counter("node_network_carrier_up_changes_total", "How often the carrier came.").from("carrier_up_count"),
    Metric::counter("node_network_carrier_down_changes_total", "How often the carrier went.")
        .from("carrier_down_count"),
    Metric::gauge("node_network_device_id", "The device's number where several share one address.").from("dev_id"),
    Metric::gauge("node_network_dormant", "Whether the device waits for something else, such as a login.")
        .from("dormant"),
    Metric::gauge("node_network_flags", "The device's flags (IFF_* of linux/if.h).").from("flags"),
    Metric::gauge("node_network_iface_id", "The device's number.").from("ifindex"),
    Metric::gauge("node_network_iface_link", "The number of the device it stands on.").from("iflink"),
    Metric::gauge("node_network_iface_link_mode", "The device's link mode.").from("link_mode"),
    Metric::gauge("node_network_mtu_bytes", "The largest packet.").from("mtu").unit("By"),
    Metric::gauge("node_network_name_assign_type", "How the device came to its name.").from("name_assign_type"),
    Metric::gauge("node_network_net_dev_group", "The device's group.").from("netdev_group"),
    Metric::gauge("node_network_protocol_type", "The device's type (ARPHRD_* of linux/if_arp.h).").from("type"),
    Metric::gauge("node_network_transmit_queue_length", "The length of the send queue.").from("tx_queue_len"),
    NETWORK_SPEED,
    NETWORK_UP,
    NETWORK_INFO,
];

const NETWORK_SPEED: Metric =
    Metric::gauge("node_network_speed_bytes", "The device's speed in bytes per second, where it knows it.")
        .unit("By/s");
const NETWORK_UP: Metric = Metric::gauge("node_network_up", "Whether the device's state is 'up'.");
const NETWORK_INFO: Metric =
    Metric::gauge("node_network_info", "What else is known of the device as labels; always 1.");

/// sys/class/net/*/*. A file that a device does not have, or will not tell, gives no point.
pub fn netclass(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let mut devices: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for (path, text) in texts(answer) {
        let mut parts = path.rsplit('/');
        let (Some(file), Some(device)) = (parts.next(), parts.next()) else { continue };
        devices.entry(device).or_default().insert(file, text.trim());
    }
    for (device, files) in &devices {
        let of = |name: &str| files.get(name).copied().unwrap_or("");
        let labels = [("device", *device)];
        for metric in NETCLASS.iter().filter(|metric| !metric.from.is_empty()) {
            if let Some(number) = number(of(metric.from)) {
                emit.metric(metric, &labels, number);
            }
        }
        if let Some(speed) = number(of("speed")).filter(|speed| *speed >= 0.0) {
            emit.metric(&NETWORK_SPEED, &labels, speed * 1_000_000.0 / 8.0); // it is in megabits
        }
        emit.metric(&NETWORK_UP, &labels, f64::from(u8::from(of("operstate") == "up")));
        const IFF_UP: u32 = 1;
        let is_up = number(of("flags")).is_some_and(|flags| flags as u32 & IFF_UP != 0);
        let info = [
            ("device", *device),
            ("address", of("address")),
            ("broadcast", of("broadcast")),
            ("duplex", of("duplex")),
            ("operstate", of("operstate")),
            ("adminstate", if is_up { "up" } else { "down" }),
            ("ifalias", of("ifalias")),
        ];
        emit.metric(&NETWORK_INFO, &info, 1.0);
    }
    Ok(())
}

/// A whole number in decimal or, after `0x`, in hexadecimal.
fn number(text: &str) -> Option<f64> {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok().map(f64::from),
        None => text.parse().ok(),
    }
}

pub const NETSTAT: &[Family] = &[NETSTAT_FIELD];
const NETSTAT_FIELD: Family =
    Family::new(MetricKind::Untyped, "node_netstat_", "", "A field of proc/net/netstat, snmp or snmp6.");

/// proc/net/netstat, snmp and snmp6: the fields that node_exporter has by default.
pub fn netstat(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for (path, text) in texts(answer) {
        if path.ends_with("snmp6") {
            netstat6(path, text, emit)?;
            continue;
        }
        // Two lines each: the names, then the numbers.
        let mut lines = text.lines();
        while let (Some(names), Some(numbers)) = (lines.next(), lines.next()) {
            let (Some((protocol, names)), Some((_, numbers))) = (names.split_once(':'), numbers.split_once(':')) else {
                return Err(garbled(path, names));
            };
            for (name, number) in names.split_whitespace().zip(numbers.split_whitespace()) {
                field(path, protocol, name, number, emit)?;
            }
        }
    }
    Ok(())
}

/// `Ip6InOctets 460`: the protocol goes as far as its 6.
fn netstat6(path: &str, text: &str, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(number)) = (words.next(), words.next()) else { continue };
        let Some(six) = name.find('6') else { continue };
        let (protocol, name) = name.split_at(six + 1);
        field(path, protocol, name, number, emit)?;
    }
    Ok(())
}

fn field(path: &str, protocol: &str, name: &str, number: &str, emit: &mut dyn Emit) -> Result<(), Unknown> {
    if is_default_field(protocol, name) {
        let number = number.parse().map_err(|_| garbled(path, number))?;
        emit.family(&NETSTAT_FIELD, &format!("{protocol}_{name}"), &[], number);
    }
    Ok(())
}

fn is_default_field(protocol: &str, name: &str) -> bool {
    match protocol {
        _ if matches!(name, "InErrors" | "InErrs") => true,
        "Ip" => name == "Forwarding",
        "Ip6" | "IpExt" => matches!(name, "InOctets" | "OutOctets"),
        "Icmp" | "Icmp6" => matches!(name, "InMsgs" | "OutMsgs"),
        "TcpExt" => {
            name.starts_with("Listen")
                || name.starts_with("Syncookies")
                || matches!(name, "TCPSynRetrans" | "TCPTimeouts" | "TCPOFOQueue" | "TCPRcvQDrop")
        }
        "Tcp" => matches!(
            name,
            "ActiveOpens" | "InSegs" | "OutSegs" | "OutRsts" | "PassiveOpens" | "RetransSegs" | "CurrEstab"
        ),
        "Udp" | "Udp6" => {
            matches!(name, "InDatagrams" | "OutDatagrams" | "NoPorts" | "RcvbufErrors" | "SndbufErrors")
        }
        _ => false,
    }
}

pub const SOCKSTAT: &[Family] = &[SOCKSTAT_FIELD];
const SOCKSTAT_FIELD: Family =
    Family::new(MetricKind::Gauge, "node_sockstat_", "", "A field of proc/net/sockstat or sockstat6.");

/// proc/net/sockstat and sockstat6: `TCP: inuse 4 orphan 0 mem 1`. Memory of TCP and UDP is in pages, and given in bytes too.
pub fn sockstat(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for (path, text) in texts(answer) {
        for line in text.lines() {
            let Some((protocol, rest)) = line.split_once(':') else { return Err(garbled(path, line)) };
            let words: Vec<&str> = rest.split_whitespace().collect();
            for pair in words.chunks_exact(2) {
                let number: f64 = pair[1].parse().map_err(|_| garbled(path, line))?;
                emit.family(&SOCKSTAT_FIELD, &format!("{protocol}_{}", pair[0]), &[], number);
                if pair[0] == "mem" {
                    let bytes = number * process::page_bytes() as f64;
                    emit.family(&SOCKSTAT_FIELD, &format!("{protocol}_mem_bytes"), &[], bytes);
                }
            }
        }
    }
    Ok(())
}

/// `from` is the file, or for the others the column of proc/net/stat/nf_conntrack.
pub const CONNTRACK: &[Metric] = &[
    Metric::gauge("node_nf_conntrack_entries", "Connections that are tracked.").from("nf_conntrack_count"),
    Metric::gauge("node_nf_conntrack_entries_limit", "Connections that may be tracked.").from("nf_conntrack_max"),
    Metric::gauge("node_nf_conntrack_stat_found", "Searched entries that were found.").from("found"),
    Metric::gauge("node_nf_conntrack_stat_invalid", "Packets that cannot be tracked.").from("invalid"),
    Metric::gauge("node_nf_conntrack_stat_ignore", "Packets of connections that are known.").from("ignore"),
    Metric::gauge("node_nf_conntrack_stat_insert", "Entries put in.").from("insert"),
    Metric::gauge("node_nf_conntrack_stat_insert_failed", "Entries that could not be put in.").from("insert_failed"),
    Metric::gauge("node_nf_conntrack_stat_drop", "Packets dropped because tracking failed.").from("drop"),
    Metric::gauge("node_nf_conntrack_stat_early_drop", "Entries dropped to make room.").from("early_drop"),
    Metric::gauge("node_nf_conntrack_stat_search_restart", "Searches begun again because the table was resized.")
        .from("search_restart"),
];

/// proc/sys/net/netfilter/nf_conntrack_{count,max}, and proc/net/stat/nf_conntrack: a line per CPU, in hexadecimal.
pub fn conntrack(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for (path, text) in texts(answer) {
        let file = path.rsplit('/').next().unwrap_or("");
        if file != "nf_conntrack" {
            sums.insert(file, text.trim().parse().map_err(|_| garbled(path, text))?);
            continue;
        }
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap_or("").split_whitespace().collect();
        for line in lines {
            for (name, number) in names.iter().zip(line.split_whitespace()) {
                let number = u32::from_str_radix(number, 16).map_err(|_| garbled(path, line))?;
                *sums.entry(name).or_default() += f64::from(number);
            }
        }
    }
    for metric in CONNTRACK {
        if let Some(sum) = sums.get(metric.from) {
            emit.metric(metric, &[], *sum);
        }
    }
    Ok(())
}
