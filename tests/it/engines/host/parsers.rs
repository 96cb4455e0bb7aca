//! Single files: what is made of them, and how a faulty one is named.

use proptest::prelude::*;
use watchward::engines::contract::{Answer, Ask, Table};
use watchward::engines::host::monitor::filesystem::parse_mounts;
use watchward::engines::host::monitor::rows::ROWS;
use watchward::engines::host::monitor::storage::parse_mdstat;
use watchward::engines::host::monitor::table;
use watchward::engines::host::session::processes::parse_stat;
use watchward::model::reading::UnknownKind;

use super::{parse, points, row};

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

/// The files that a row's ask names, each `*` once as a word and once as a number.
fn files_of(ask: &str) -> Vec<String> {
    let mut folder = "";
    let mut files = Vec::new();
    for word in ask.split_whitespace().filter(|word| !word.starts_with("@mounts") && *word != "@clock") {
        match word.strip_suffix('/') {
            Some(pattern) => folder = pattern,
            None => files.extend(["a-b", "0"].map(|star| format!("{folder}/{word}").replace('*', star))),
        }
    }
    files
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever stands in files, every row gives points or a reason.
    #[test]
    fn no_text_makes_a_row_panic(
        texts in prop::collection::vec("[a-zA-Z0-9 :=,.\\n\\t(|/\\[\\]%-]{0,200}|[0-9 \\n-]{0,60}|.{0,40}", 1..8),
    ) {
        for row in ROWS {
            let Ask::Text(ask) = row.ask else { continue };
            let files = files_of(ask).into_iter().enumerate();
            let rows = files.map(|(at, path)| vec![Some(path), Some(texts[at % texts.len()].clone())]).collect();
            let table = Table { columns: vec!["path".to_string(), "text".to_string()], rows };
            let _ = points(row, &Answer::Table(table));
        }
        let _ = parse_mounts(&texts[0]);
        let _ = parse_mdstat(&texts[0]);
        let _ = parse_stat(&texts[0]);
        let _ = table::human(&texts[0]);
        let _ = table::list(&texts[0]);
    }
}

#[test]
fn a_pattern_says_which_file_and_which_labels() {
    let fit = |pattern, path| table::fit(pattern, path);
    assert_eq!(fit("cpu{cpu}/cpufreq/x", "sys/cpu12/cpufreq/x"), Some(vec![("cpu", "12")]));
    assert_eq!(fit("mc{controller}/ce_count", "mc/mc0/csrow1/ce_count"), None);
    assert_eq!(fit("mc{controller}/ce_count", "mc/mc/ce_count"), None, "a label is never empty");
    assert_eq!(fit("a/b", "b"), None);
}

#[test]
fn numbers_are_those_of_the_kernel_and_of_no_language() {
    for (text, number) in [
        ("42\n", Some(42.0)),
        ("-1", Some(-1.0)),
        ("0x10", Some(16.0)),
        ("4: ACTIVE\n", Some(4.0)),
        ("40 Gb/sec (4X QDR)", Some(40.0)),
        ("99%", Some(99.0)),
        ("inf", None),
        ("NaN", None),
        ("N/A (no PMA)", None),
        ("", None),
    ] {
        assert_eq!(table::number(text), number, "{text:?}");
    }
    assert_eq!(table::human("20.4G"), Some(20.0 * 1024_f64.powi(3) + 400.0 / 1024.0 * 1024_f64.powi(3)));
    assert_eq!((table::human("512"), table::human("1.0k"), table::human("G")), (Some(512.0), Some(1024.0), None));
    assert_eq!(table::list("1,3-5,9\n"), [1, 3, 4, 5, 9]);
    assert!(table::list("0-4294967295").is_empty() && table::list("5-x").is_empty());
}

#[test]
fn an_array_is_what_mdstat_says_of_it() {
    let text = "Personalities : [raid1]\n\nmd6 : active raid1 sdb2[2](F) sdc[1](S) sda2[0]\n      195310144 blocks [2/1] [U_]\n      \
                [=>...]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec\n\n\
                md9 : active raid1 sdc2[1] sdd2[0]\n      523968 blocks super 1.2 [2/2] [UU]\n      resync=DELAYED\n\n\
                md0 : active raid0 sda[0] sdb[1]\n      100 blocks 64k chunks\n\nunused devices: <none>\n";
    let seen: Vec<String> = parse_mdstat(text)
        .iter()
        .map(|a| {
            format!(
                "{} {} {}/{} {}F {}S {}/{}",
                a.name, a.state, a.active, a.required, a.failed, a.spare, a.synced, a.blocks
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            "md6 recovering 1/2 1F 1S 16775552/195310144",
            "md9 resync 2/2 0F 0S 0/523968",
            "md0 active 2/2 0F 0S 100/100",
        ]
    );
}

#[test]
fn sensors_of_one_device_are_told_apart_and_old_names_stay() {
    let rows = [
        ("sys/class/hwmon/hwmon0/name", "coretemp\n"),
        ("sys/class/hwmon/hwmon0/device@", "sys/devices/platform/coretemp.0"),
        ("sys/class/hwmon/hwmon0/temp1_input", "55000\n"),
        ("sys/class/hwmon/hwmon0/temp1_crit_alarm", "0\n"),
        ("sys/class/hwmon/hwmon0/in0_beep", "1\n"),
        ("sys/class/hwmon/hwmon0/temp1_label", "Package id 0\n"),
        ("sys/class/hwmon/hwmon1/name", "nct6779\n"),
        ("sys/class/hwmon/hwmon1/power1_input", "5500000\n"),
        ("sys/class/hwmon/hwmon1/energy1_input", "7000000\n"),
        ("sys/class/hwmon/hwmon1/fan2_input", "no answer\n"),
    ];
    let rows = rows.iter().map(|(path, text)| vec![Some((*path).to_string()), Some((*text).to_string())]).collect();
    let lines = points(row("hwmon"), &Answer::Table(Table { columns: Vec::new(), rows })).expect("sound");
    assert_eq!(
        lines,
        [
            "node_hwmon_chip_names{chip=\"platform_coretemp_0\",chip_name=\"coretemp\"} 1",
            "node_hwmon_in_beep_enabled{chip=\"platform_coretemp_0\",sensor=\"in0\"} 1",
            "node_hwmon_sensor_label{chip=\"platform_coretemp_0\",label=\"Package id 0\",sensor=\"temp1\"} 1",
            "node_hwmon_temp_crit_alarm_celsius{chip=\"platform_coretemp_0\",sensor=\"temp1\"} 0",
            "node_hwmon_temp_celsius{chip=\"platform_coretemp_0\",sensor=\"temp1\"} 55",
            "node_hwmon_chip_names{chip=\"nct6779\",chip_name=\"nct6779\"} 1",
            "node_hwmon_energy_joule_total{chip=\"nct6779\",sensor=\"energy1\"} 7",
            "node_hwmon_power_watt{chip=\"nct6779\",sensor=\"power1\"} 5.5",
        ]
    );
}
