//! Single files: what is made of them, and how a faulty one is named.

use proptest::prelude::*;
use watchward::engines::host::monitor::filesystem::parse_mounts;
use watchward::model::reading::UnknownKind;

use super::parse;

#[test]
fn network_devices_have_sixteen_counters() {
    let text = "Inter-|   Receive                                                |  Transmit\n \
                face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n  \
                eth0:      1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n eth0:1: 100 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
    let lines = parse("netdev", "proc/net/dev", text).expect("sound");
    assert_eq!(lines.len(), 32);
    for expected in [
        "node_network_receive_bytes_total{device=\"eth0\"} 1",
        "node_network_receive_drop_total{device=\"eth0\"} 4",
        "node_network_transmit_bytes_total{device=\"eth0\"} 9",
        "node_network_transmit_compressed_total{device=\"eth0\"} 16",
        "node_network_receive_bytes_total{device=\"eth0:1\"} 100",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}: {lines:#?}");
    }
}

#[test]
fn an_old_kernel_knows_fewer_modes_and_columns() {
    let lines = parse("stat", "proc/stat", "cpu  1 2 3 4\ncpu0 100 200 300 400\nctxt 7\nunheard of\n").expect("sound");
    assert!(lines.contains(&"node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 4".to_string()));
    assert!(lines.contains(&"node_cpu_seconds_total{cpu=\"0\",mode=\"steal\"} 0".to_string()));
    assert!(lines.contains(&"node_context_switches_total 7".to_string()));
    assert_eq!(lines.len(), 11);
    let lines = parse("diskstats", "proc/diskstats", "8 0 sda 1 2 3 4\n8 1 sda1 1 2 3 4\n").expect("sound");
    assert_eq!(
        lines,
        [
            "node_disk_reads_completed_total{device=\"sda\"} 1",
            "node_disk_reads_merged_total{device=\"sda\"} 2",
            "node_disk_read_bytes_total{device=\"sda\"} 1536",
            "node_disk_read_time_seconds_total{device=\"sda\"} 0.004",
        ]
    );
}

#[test]
fn a_line_that_makes_no_sense_is_named() {
    for (row, path, text, reason) in [
        ("stat", "proc/stat", "cpu0 1 x\n", "proc/stat has a line that cannot be read: 'cpu0 1 x'"),
        ("loadavg", "proc/loadavg", "0.1 0.2\n", "proc/loadavg has a line that cannot be read: '0.1 0.2\\n'"),
        ("meminfo", "proc/meminfo", "MemTotal 1\n", "proc/meminfo has a line that cannot be read: 'MemTotal 1'"),
        ("filefd", "proc/sys/fs/file-nr", "1 2", "proc/sys/fs/file-nr has a line that cannot be read: '1 2'"),
        (
            "sockstat",
            "proc/net/sockstat",
            "\u{1b}[31m",
            "proc/net/sockstat has a line that cannot be read: '\\u{1b}[31m'",
        ),
    ] {
        let unknown = parse(row, path, text).expect_err(row);
        assert_eq!((unknown.kind, unknown.reason.as_str()), (UnknownKind::Garbled, reason));
    }
    let unknown = parse("stat", "proc/other", "").expect_err("the file is another");
    assert_eq!((unknown.kind, unknown.reason.as_str()), (UnknownKind::Missing, "proc/stat is not there"));
}

#[test]
fn mounts_are_those_that_node_exporter_measures() {
    let text = "/dev/vda / ext4 rw,relatime 0 0\n\
                /dev/vda / ext4 rw,relatime 0 0\n\
                proc /proc proc rw 0 0\n\
                tmpfs /run tmpfs rw 0 0\n\
                tmpfs /dev/shm tmpfs rw 0 0\n\
                tmpfs /devices tmpfs rw 0 0\n\
                none /run/credentials/x ramfs ro 0 0\n\
                overlay /var/lib/docker/overlay2/x overlay rw 0 0\n\
                /dev/vdb /mnt/with\\040space\\134 xfs ro,noatime 0 0\n\
                /dev/loop0 /snap squashfs ro 0 0\n\
                short line\n";
    let mounts: Vec<String> = parse_mounts(text)
        .iter()
        .map(|one| format!("{} {:?} {} {}", one.device, one.point, one.kind, one.read_only))
        .collect();
    assert_eq!(
        mounts,
        [
            "/dev/vda \"/\" ext4 false",
            "tmpfs \"/run\" tmpfs false",
            "tmpfs \"/devices\" tmpfs false",
            "/dev/vdb \"/mnt/with space\\\\\" xfs true",
        ]
    );
}

proptest! {
    /// Whatever stands in a file, a parser gives points or a reason.
    #[test]
    fn no_text_makes_a_parser_panic(text in "[a-zA-Z0-9 :=.\\n(|/-]{0,200}") {
        for (row, path) in [
            ("stat", "proc/stat"), ("loadavg", "proc/loadavg"), ("meminfo", "proc/meminfo"), ("vmstat", "proc/vmstat"),
            ("diskstats", "proc/diskstats"), ("pressure", "proc/pressure/cpu"), ("filefd", "proc/sys/fs/file-nr"),
            ("entropy", "proc/sys/kernel/random/entropy_avail"), ("uname", "proc/sys/kernel/ostype"),
            ("netdev", "proc/net/dev"), ("netclass", "sys/class/net/eth0/mtu"), ("netstat", "proc/net/netstat"),
            ("netstat", "proc/net/snmp6"), ("sockstat", "proc/net/sockstat"), ("conntrack", "proc/net/stat/nf_conntrack"),
            ("conntrack", "proc/sys/net/netfilter/nf_conntrack_count"),
        ] {
            let _ = parse(row, path, &text);
        }
        let _ = parse_mounts(&text);
    }
}
