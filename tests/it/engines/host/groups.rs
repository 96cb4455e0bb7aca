//! Groups of databases' processes, and control groups: what is counted over processes that come and go.

use watchward::engines::contract::Session;
use watchward::engines::host::session::processes::parse_stat;

use super::{Folder, read, row, session};

const STAT: &str = "NAME S 1 1 1 0 -1 4194560 MINOR 0 MAJOR 0 USER SYSTEM 0 0 20 0 THREADS 0 STARTED 1048576 10 \
                    18446744073709551615 0 0";

/// A process of a tree: its name, its CPU ticks, and when it began.
fn process(folder: &Folder, pid: u32, name: &str, user: u64, started: u64) {
    let line = STAT
        .replace("NAME", &format!("{pid} ({name})"))
        .replace("MINOR", "7")
        .replace("MAJOR", "3")
        .replace("USER", &user.to_string())
        .replace("SYSTEM", "0")
        .replace("THREADS", "2")
        .replace("STARTED", &started.to_string());
    folder.file(&format!("proc/{pid}/stat"), &line);
    let status = "Name:\tx\nVmSwap:\t      4 kB\nvoluntary_ctxt_switches:\t10\nnonvoluntary_ctxt_switches:\t5\n";
    folder.file(&format!("proc/{pid}/status"), status);
    folder.file(
        &format!("proc/{pid}/smaps_rollup"),
        "55 [rollup]\nRss: 900 kB\nPss:                 100 kB\nSwapPss:    2 kB\n",
    );
    folder.file(
        &format!("proc/{pid}/limits"),
        "Max open files            100                  200                  files\n",
    );
    folder.file(&format!("proc/{pid}/fd/0"), "");
    folder.file(&format!("proc/{pid}/cgroup"), "0::/system.slice/postgresql.service\n");
}

fn tree() -> Folder {
    let folder = Folder::new();
    folder.file("proc/loadavg", "0 0 0 1/2 3\n");
    folder.file("proc/stat", "btime 1000\n");
    folder
}

fn value(lines: &[String], series: &str) -> Option<f64> {
    lines.iter().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn a_name_may_hold_parentheses_and_spaces() {
    let line = STAT.replace("NAME", "9 (a) b (c)").replace("MINOR", "7").replace("MAJOR", "3");
    let line = line.replace("USER", "11").replace("SYSTEM", "12").replace("THREADS", "2").replace("STARTED", "77");
    let stat = parse_stat(&line).expect("sound");
    assert_eq!((stat.name, stat.state, stat.minor_faults, stat.major_faults), ("a) b (c", 'S', 7, 3));
    assert_eq!((stat.user_ticks, stat.system_ticks, stat.threads, stat.started), (11, 12, 2, 77));
    assert_eq!((stat.virtual_bytes, stat.resident_pages), (1_048_576, 10));
    assert_eq!(parse_stat("9 (cut off) S 1 1"), None);
}

#[tokio::test]
async fn a_group_is_what_its_processes_are_together() {
    let folder = tree();
    process(&folder, 10, "postgres", 100, 500);
    process(&folder, 11, "postgres", 100, 700);
    process(&folder, 12, "bash", 100, 700);
    process(&folder, 13, "java", 100, 700);
    process(&folder, 14, "java", 100, 700);
    folder.file("proc/13/cmdline", "/usr/bin/java\0-Xms1g\0org.elasticsearch.bootstrap.Elasticsearch\0");
    folder.file("proc/14/cmdline", "/usr/bin/java\0-jar\0shop.jar\0");
    let mut host = session(&folder.0);
    let lines = read(&mut host, row("processes_by_group")).await.expect("a walk");
    let of = |name: &str, label: &str| {
        value(&lines, &format!("namedprocess_namegroup_{name}{{groupname=\"postgres\"{label}}}"))
    };
    assert_eq!(of("num_procs", ""), Some(2.0));
    assert_eq!(of("num_threads", ""), Some(4.0));
    assert_eq!(of("states", ",state=\"Sleeping\""), Some(2.0));
    assert_eq!(of("memory_bytes", ",memtype=\"proportionalResident\""), Some(204_800.0));
    assert_eq!(of("memory_bytes", ",memtype=\"swapped\""), Some(8_192.0));
    assert_eq!(of("open_filedesc", ""), Some(2.0));
    assert_eq!(of("worst_fd_ratio", ""), Some(0.01));
    assert_eq!(of("oldest_start_time_seconds", ""), Some(1_005.0));
    assert_eq!(value(&lines, "namedprocess_namegroup_num_procs{groupname=\"elasticsearch\"}"), Some(1.0));
    assert!(!lines.iter().any(|line| line.contains("bash") || line.contains("shop") || line.contains("java")));
    // What may not be read is not 0: there is no proc/PID/io here, so nothing is said of bytes.
    assert!(!lines.iter().any(|line| line.contains("read_bytes_total")), "{lines:#?}");
}

#[tokio::test]
async fn counters_of_a_group_never_fall_and_do_not_begin_with_a_burst() {
    let folder = tree();
    process(&folder, 10, "postgres", 5_000, 500);
    process(&folder, 11, "postgres", 1_000, 700);
    let mut host = session(&folder.0);
    let cpu = |lines: &[String]| {
        value(lines, "namedprocess_namegroup_cpu_seconds_total{groupname=\"postgres\",mode=\"user\"}")
    };
    let walk = read(&mut host, row("processes_by_group")).await.expect("a walk");
    assert_eq!(cpu(&walk), Some(0.0), "what was used before the agent looked is not of now");
    process(&folder, 10, "postgres", 5_100, 500);
    process(&folder, 12, "postgres", 300, 900); // new since the last walk: all it did is
    let walk = read(&mut host, row("processes_by_group")).await.expect("a walk");
    assert_eq!(cpu(&walk), Some(4.0));
    std::fs::remove_dir_all(folder.0.join("proc/11")).expect("it ends");
    std::fs::remove_dir_all(folder.0.join("proc/12")).expect("it ends");
    let walk = read(&mut host, row("processes_by_group")).await.expect("a walk");
    assert_eq!(cpu(&walk), Some(4.0), "processes that end take nothing away");
    process(&folder, 10, "postgres", 50, 2_000); // another process of the same number
    let walk = read(&mut host, row("processes_by_group")).await.expect("a walk");
    assert_eq!(cpu(&walk), Some(4.5));
}

#[tokio::test]
async fn the_control_groups_of_databases_are_read_and_no_limit_is_no_number() {
    let folder = tree();
    process(&folder, 10, "postgres", 1, 500);
    folder.file("sys/fs/cgroup/cpu.stat", "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n");
    let own = "sys/fs/cgroup/system.slice/postgresql.service";
    folder.file(&format!("{own}/memory.current"), "5000\n");
    folder.file(&format!("{own}/memory.max"), "max\n");
    folder.file(&format!("{own}/memory.high"), "8000\n");
    folder.file(&format!("{own}/memory.stat"), "anon 3000\nfile 2000\ninactive_file 1500\n");
    folder.file(&format!("{own}/memory.events"), "low 0\nhigh 12\nmax 0\noom 1\noom_kill 1\n");
    folder.file(&format!("{own}/cpu.stat"), "usage_usec 10\nnr_periods 9\nnr_throttled 4\nthrottled_usec 1500000\n");
    folder.file(&format!("{own}/cpu.max"), "50000 100000\n");
    folder.file(&format!("{own}/memory.pressure"), "some avg10=0.00 avg60=0.00 avg300=0.00 total=2000000\n");
    folder.file("sys/fs/cgroup/system.slice/cron.service/memory.current", "1\n");
    let mut host = session(&folder.0);
    host.probe().await.expect("up");
    assert!(row("cgroup").exists(host.facts()));
    read(&mut host, row("processes_by_group")).await.expect("a walk");
    let lines = read(&mut host, row("cgroup")).await.expect("there");
    let of = |name: &str| value(&lines, &format!("container_{name}{{id=\"/system.slice/postgresql.service\"}}"));
    assert_eq!(value(&lines, "container_cpu_usage_seconds_total{id=\"/\"}"), Some(2.5));
    assert_eq!(of("memory_usage_bytes"), Some(5_000.0));
    assert_eq!(of("memory_working_set_bytes"), Some(3_500.0));
    assert_eq!(of("spec_memory_limit_bytes"), None);
    assert_eq!(of("spec_memory_high_bytes"), Some(8_000.0));
    assert_eq!(of("oom_events_total"), Some(1.0));
    assert_eq!(of("cpu_cfs_throttled_periods_total"), Some(4.0));
    assert_eq!(of("cpu_cfs_throttled_seconds_total"), Some(1.5));
    assert_eq!((of("spec_cpu_quota"), of("spec_cpu_period")), (Some(50_000.0), Some(100_000.0)));
    assert_eq!(of("pressure_memory_waiting_seconds_total"), Some(2.0));
    let high = "container_memory_events_total{event=\"high\",id=\"/system.slice/postgresql.service\"}";
    assert_eq!(value(&lines, high), Some(12.0));
    assert!(!lines.iter().any(|line| line.contains("cron")), "not a database's");
}
