//! What is read of the host, and how often. To add a metric, add it to a row, or add a row.

pub mod proc;
pub mod network;
pub mod filesystem;

use crate::engines::contract::{Answer, Ask, Row, Take};
use crate::model::reading::{Unknown, UnknownKind};

/// The rows, named as node_exporter's collectors. File systems come last: one that hangs must hold up no other row.
pub const ROWS: &[Row] = &[
    Row {
        name: "stat",
        ask: Ask::Text("proc/ stat"),
        take: Take::Own(proc::stat),
        metrics: proc::STAT,
        ..Row::DEFAULT
    },
    Row {
        name: "loadavg",
        ask: Ask::Text("proc/ loadavg"),
        take: Take::Own(proc::loadavg),
        metrics: proc::LOADAVG,
        ..Row::DEFAULT
    },
    Row {
        name: "meminfo",
        ask: Ask::Text("proc/ meminfo"),
        take: Take::Own(proc::meminfo),
        families: proc::MEMINFO,
        ..Row::DEFAULT
    },
    Row {
        name: "vmstat",
        ask: Ask::Text("proc/ vmstat"),
        take: Take::Own(proc::vmstat),
        families: proc::VMSTAT,
        ..Row::DEFAULT
    },
    Row {
        name: "diskstats",
        ask: Ask::Text("proc/ diskstats"),
        take: Take::Own(proc::diskstats),
        metrics: proc::DISKSTATS,
        ..Row::DEFAULT
    },
    Row {
        name: "pressure",
        ask: Ask::Text("proc/pressure/ cpu io memory irq"),
        take: Take::Own(proc::pressure),
        metrics: proc::PRESSURE,
        ..Row::DEFAULT
    },
    Row {
        name: "filefd",
        ask: Ask::Text("proc/sys/fs/ file-nr"),
        take: Take::Own(proc::filefd),
        metrics: proc::FILEFD,
        ..Row::DEFAULT
    },
    Row {
        name: "entropy",
        ask: Ask::Text("proc/sys/kernel/random/ entropy_avail poolsize"),
        take: Take::Own(proc::entropy),
        metrics: proc::ENTROPY,
        ..Row::DEFAULT
    },
    Row {
        name: "uname",
        every: 20,
        ask: Ask::Text("proc/sys/kernel/ ostype osrelease version hostname domainname"),
        take: Take::Own(proc::uname),
        metrics: proc::UNAME,
        ..Row::DEFAULT
    },
    Row { name: "time", ask: Ask::Text("@clock"), take: Take::Own(proc::time), metrics: proc::TIME, ..Row::DEFAULT },
    Row {
        name: "netdev",
        ask: Ask::Text("proc/net/ dev"),
        take: Take::Own(network::netdev),
        metrics: network::NETDEV,
        ..Row::DEFAULT
    },
    Row {
        name: "netclass",
        ask: Ask::Text(network::NETCLASS_ASK),
        take: Take::Own(network::netclass),
        metrics: network::NETCLASS,
        ..Row::DEFAULT
    },
    Row {
        name: "netstat",
        ask: Ask::Text("proc/net/ netstat snmp snmp6"),
        take: Take::Own(network::netstat),
        families: network::NETSTAT,
        ..Row::DEFAULT
    },
    Row {
        name: "sockstat",
        ask: Ask::Text("proc/net/ sockstat sockstat6"),
        take: Take::Own(network::sockstat),
        families: network::SOCKSTAT,
        ..Row::DEFAULT
    },
    Row {
        name: "conntrack",
        ask: Ask::Text("proc/sys/net/netfilter/ nf_conntrack_count nf_conntrack_max proc/net/stat/ nf_conntrack"),
        take: Take::Own(network::conntrack),
        metrics: network::CONNTRACK,
        ..Row::DEFAULT
    },
    Row {
        name: "filesystem",
        ask: Ask::Text("@mounts"),
        take: Take::Columns { labels: filesystem::LABELS },
        metrics: filesystem::METRICS,
        ..Row::DEFAULT
    },
];

/// The files of an answer: path and text.
pub fn texts(answer: &Answer) -> impl Iterator<Item = (&str, &str)> {
    let rows = if let Answer::Table(table) = answer { table.rows.as_slice() } else { &[] };
    rows.iter().filter_map(|row| match row.as_slice() {
        [Some(path), Some(text)] => Some((path.as_str(), text.as_str())),
        _ => None,
    })
}

/// The text of the file whose path ends so.
///
/// # Errors
/// `Missing`, with the file's name.
pub fn text_of<'a>(answer: &'a Answer, name: &str) -> Result<&'a str, Unknown> {
    let found = texts(answer).find(|(path, _)| path.ends_with(name)).map(|(_, text)| text);
    found.ok_or_else(|| Unknown::new(UnknownKind::Missing, format!("{name} is not there")))
}

/// A line that makes no sense, as far as it may be shown.
pub fn garbled(path: &str, line: &str) -> Unknown {
    let shown: String = line.chars().take(60).collect();
    Unknown::new(UnknownKind::Garbled, format!("{path} has a line that cannot be read: '{}'", shown.escape_debug()))
}
