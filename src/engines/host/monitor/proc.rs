//! Parsers of proc/: pure functions from a file's text to points.

use crate::engines::contract::{Answer, Emit, Facts};
use crate::engines::host::monitor::{garbled, text_of, texts};
use crate::model::reading::Unknown;
use crate::model::row::{Family, Metric, MetricKind, Rename};

/// Clock ticks per second in all that the kernel tells users: 100 on every architecture it runs on today.
const USER_HZ: f64 = 100.0;

pub const STAT: &[Metric] = &[
    CPU,
    CPU_GUEST,
    Metric::gauge("node_boot_time_seconds", "When the host began, in seconds since 1970.").from("btime").unit("s"),
    Metric::counter("node_context_switches_total", "Context switches.").from("ctxt"),
    Metric::counter("node_intr_total", "Interrupts served.").from("intr"),
    Metric::counter("node_forks_total", "Processes and threads begun.").from("processes"),
    Metric::gauge("node_procs_running", "Processes and threads that run or could.").from("procs_running"),
    Metric::gauge("node_procs_blocked", "Processes and threads that wait for input or output.").from("procs_blocked"),
];

const CPU: Metric = Metric::counter("node_cpu_seconds_total", "Time each CPU spent in each mode.")
    .unit("s")
    .otel("system.cpu.time")
    .renames(&[
        Rename::new("cpu", "cpu.logical_number").whole(),
        Rename::new("mode", "cpu.mode").values(&[("irq", "interrupt")]),
    ]);
const CPU_GUEST: Metric = Metric::counter(
    "node_cpu_guest_seconds_total",
    "Time each CPU spent in guests; `user` and `nice` hold it as well.",
)
.unit("s");

/// The modes of a CPU's line in their order; the last two are guests'.
const MODES: &[&str] = &["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
const GUEST_MODES: &[&str] = &["user", "nice"];

/// proc/stat.
pub fn stat(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for line in text_of(answer, "proc/stat")?.lines() {
        let Some((name, rest)) = line.split_once(' ') else { continue };
        if let Some(cpu) = name.strip_prefix("cpu").filter(|cpu| !cpu.is_empty()) {
            let ticks = numbers(rest).ok_or_else(|| garbled("proc/stat", line))?;
            let seconds = |at: usize| ticks.get(at).copied().unwrap_or(0.0) / USER_HZ; // old kernels know fewer modes
            for (at, mode) in MODES.iter().enumerate() {
                emit.metric(&CPU, &[("cpu", cpu), ("mode", mode)], seconds(at));
            }
            for (at, mode) in GUEST_MODES.iter().enumerate() {
                emit.metric(&CPU_GUEST, &[("cpu", cpu), ("mode", mode)], seconds(MODES.len() + at));
            }
        } else if let Some(metric) = STAT.iter().find(|metric| metric.from == name) {
            let first = rest.split_whitespace().next().and_then(|number| number.parse().ok());
            emit.metric(metric, &[], first.ok_or_else(|| garbled("proc/stat", line))?);
        }
    }
    Ok(())
}

fn numbers(text: &str) -> Option<Vec<f64>> {
    text.split_whitespace().map(|number| number.parse().ok()).collect()
}

pub const LOADAVG: &[Metric] = &[
    Metric::gauge("node_load1", "Average of runnable and waiting threads over 1 minute."),
    Metric::gauge("node_load5", "Average of runnable and waiting threads over 5 minutes."),
    Metric::gauge("node_load15", "Average of runnable and waiting threads over 15 minutes."),
];

/// proc/loadavg.
pub fn loadavg(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let text = text_of(answer, "proc/loadavg")?;
    let mut loads = text.split_whitespace();
    for metric in LOADAVG {
        let load = loads.next().and_then(|load| load.parse().ok());
        emit.metric(metric, &[], load.ok_or_else(|| garbled("proc/loadavg", text))?);
    }
    Ok(())
}

pub const MEMINFO: &[Family] = &[MEMORY_BYTES, MEMORY_COUNT];
const MEMORY_BYTES: Family =
    Family::new(MetricKind::Gauge, "node_memory_", "_bytes", "A field of proc/meminfo, in bytes.");
const MEMORY_COUNT: Family =
    Family::new(MetricKind::Gauge, "node_memory_", "", "A field of proc/meminfo that counts pages.");

/// proc/meminfo.
pub fn meminfo(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for line in text_of(answer, "proc/meminfo")?.lines() {
        let wrong = || garbled("proc/meminfo", line);
        let (name, rest) = line.split_once(':').ok_or_else(wrong)?;
        let mut words = rest.split_whitespace();
        let number: f64 = words.next().and_then(|word| word.parse().ok()).ok_or_else(wrong)?;
        let name = name.replace('(', "_").replace(')', ""); // Active(anon) is Active_anon
        match words.next() {
            Some(_) => emit.family(&MEMORY_BYTES, &name, &[], number * 1024.0), // "kB", which are KiB
            None => emit.family(&MEMORY_COUNT, &name, &[], number),
        }
    }
    Ok(())
}

pub const VMSTAT: &[Family] = &[VMSTAT_FIELD];
const VMSTAT_FIELD: Family = Family::new(MetricKind::Untyped, "node_vmstat_", "", "A field of proc/vmstat.");

/// proc/vmstat: the fields that node_exporter has by default.
pub fn vmstat(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let is_wanted = |name: &str| {
        ["oom_kill", "pgpg", "pswp"].iter().any(|begin| name.starts_with(begin))
            || name.strip_prefix("pg").is_some_and(|rest| rest.contains("fault"))
    };
    for line in text_of(answer, "proc/vmstat")?.lines() {
        let Some((name, number)) = line.split_once(' ').filter(|(name, _)| is_wanted(name)) else { continue };
        emit.family(&VMSTAT_FIELD, name, &[], number.trim().parse().map_err(|_| garbled("proc/vmstat", line))?);
    }
    Ok(())
}

const DEVICE: &[Rename] = &[Rename::new("device", "system.device")];

/// In the order of the columns of proc/diskstats. `scale` is for strict names; what a column is multiplied with is in SCALES.
pub const DISKSTATS: &[Metric] = &[
    Metric::counter("node_disk_reads_completed_total", "Reads completed.")
        .unit("{operation}")
        .otel("system.disk.operations")
        .renames(DEVICE)
        .attribute("disk.io.direction", "read"),
    Metric::counter("node_disk_reads_merged_total", "Reads merged with their neighbours."),
    Metric::counter("node_disk_read_bytes_total", "Bytes read.")
        .unit("By")
        .otel("system.disk.io")
        .renames(DEVICE)
        .attribute("disk.io.direction", "read"),
    Metric::counter("node_disk_read_time_seconds_total", "Time spent on all reads.").unit("s"),
    Metric::counter("node_disk_writes_completed_total", "Writes completed.")
        .unit("{operation}")
        .otel("system.disk.operations")
        .renames(DEVICE)
        .attribute("disk.io.direction", "write"),
    Metric::counter("node_disk_writes_merged_total", "Writes merged with their neighbours."),
    Metric::counter("node_disk_written_bytes_total", "Bytes written.")
        .unit("By")
        .otel("system.disk.io")
        .renames(DEVICE)
        .attribute("disk.io.direction", "write"),
    Metric::counter("node_disk_write_time_seconds_total", "Time spent on all writes.").unit("s"),
    Metric::gauge("node_disk_io_now", "Reads and writes under way."),
    Metric::counter("node_disk_io_time_seconds_total", "Time in which any read or write was under way.")
        .unit("s")
        .otel("system.disk.io_time")
        .renames(DEVICE),
    Metric::counter("node_disk_io_time_weighted_seconds_total", "Time spent on reads and writes, each counted.")
        .unit("s"),
    Metric::counter("node_disk_discards_completed_total", "Discards completed."),
    Metric::counter("node_disk_discards_merged_total", "Discards merged with their neighbours."),
    Metric::counter("node_disk_discarded_sectors_total", "Sectors discarded."),
    Metric::counter("node_disk_discard_time_seconds_total", "Time spent on all discards.").unit("s"),
    Metric::counter("node_disk_flush_requests_total", "Flushes completed."),
    Metric::counter("node_disk_flush_requests_time_seconds_total", "Time spent on all flushes.").unit("s"),
];

const SECTOR: f64 = 512.0; // whatever the device's own sectors: Documentation/block/stat.txt
const MILLI: f64 = 1.0 / 1000.0;
const SCALES: [f64; 17] =
    [1.0, 1.0, SECTOR, MILLI, 1.0, 1.0, SECTOR, MILLI, 1.0, MILLI, MILLI, 1.0, 1.0, 1.0, MILLI, 1.0, MILLI];

/// proc/diskstats, without the devices that node_exporter leaves out by default.
pub fn diskstats(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for line in text_of(answer, "proc/diskstats")?.lines() {
        let Some(device) = line.split_whitespace().nth(2).filter(|device| !is_part_or_toy(device)) else { continue };
        let columns = line.split_whitespace().skip(3);
        for ((metric, scale), number) in DISKSTATS.iter().zip(SCALES).zip(columns) {
            let number: f64 = number.parse().map_err(|_| garbled("proc/diskstats", line))?;
            emit.metric(metric, &[("device", device)], number * scale);
        }
    }
    Ok(())
}

/// Partitions of disks, and ram, loop and floppy devices: `^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`.
pub fn is_part_or_toy(device: &str) -> bool {
    let stem = device.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.len() == device.len() {
        return false;
    }
    let is_disk = ["hd", "sd", "vd", "xvd"].iter().any(|kind| {
        stem.strip_prefix(kind)
            .is_some_and(|letter| letter.len() == 1 && letter.starts_with(|c: char| c.is_ascii_lowercase()))
    });
    is_disk || matches!(stem, "ram" | "zram" | "loop" | "fd") || is_nvme_stem(stem)
}

/// `nvme0n1p` of `nvme0n1p2`.
fn is_nvme_stem(stem: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let parts = stem.strip_prefix("nvme").and_then(|rest| rest.strip_suffix('p')).and_then(|rest| rest.split_once('n'));
    parts.is_some_and(|(controller, namespace)| is_number(controller) && is_number(namespace))
}

/// `from` is file and line: who waits, and whether some or all of them.
pub const PRESSURE: &[Metric] = &[
    Metric::counter("node_pressure_cpu_waiting_seconds_total", "Time in which some waited for a CPU.")
        .from("cpu some")
        .unit("s"),
    Metric::counter("node_pressure_io_waiting_seconds_total", "Time in which some waited for input or output.")
        .from("io some")
        .unit("s"),
    Metric::counter("node_pressure_io_stalled_seconds_total", "Time in which all waited for input or output.")
        .from("io full")
        .unit("s"),
    Metric::counter("node_pressure_memory_waiting_seconds_total", "Time in which some waited for memory.")
        .from("memory some")
        .unit("s"),
    Metric::counter("node_pressure_memory_stalled_seconds_total", "Time in which all waited for memory.")
        .from("memory full")
        .unit("s"),
    Metric::counter("node_pressure_irq_stalled_seconds_total", "Time in which all waited for interrupts to be served.")
        .from("irq full")
        .unit("s"),
];

/// proc/pressure/*: pressure stall information, in microseconds.
pub fn pressure(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for (path, text) in texts(answer) {
        let file = path.rsplit('/').next().unwrap_or("");
        for line in text.lines() {
            let Some((who, rest)) = line.split_once(' ') else { continue };
            let is_this = |metric: &&Metric| metric.from.split_once(' ') == Some((file, who));
            let Some(metric) = PRESSURE.iter().find(is_this) else { continue };
            let total = rest.rsplit("total=").next().and_then(|total| total.parse::<f64>().ok());
            emit.metric(metric, &[], total.ok_or_else(|| garbled(path, line))? / 1000.0 / 1000.0);
        }
    }
    Ok(())
}

pub const FILEFD: &[Metric] = &[
    Metric::gauge("node_filefd_allocated", "File descriptors in use."),
    Metric::gauge("node_filefd_maximum", "File descriptors that may be in use."),
];

/// proc/sys/fs/file-nr: in use, always 0, the most.
pub fn filefd(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let text = text_of(answer, "file-nr")?;
    let Some([allocated, _, maximum]) = numbers(text).and_then(|all| <[f64; 3]>::try_from(all).ok()) else {
        return Err(garbled("proc/sys/fs/file-nr", text));
    };
    emit.metric(&FILEFD[0], &[], allocated);
    emit.metric(&FILEFD[1], &[], maximum);
    Ok(())
}

pub const ENTROPY: &[Metric] = &[
    Metric::gauge("node_entropy_available_bits", "Bits of entropy at hand.").from("entropy_avail"),
    Metric::gauge("node_entropy_pool_size_bits", "Bits of entropy that there can be.").from("poolsize"),
];

/// proc/sys/kernel/random/*.
pub fn entropy(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for metric in ENTROPY {
        let Ok(text) = text_of(answer, metric.from) else { continue };
        emit.metric(metric, &[], text.trim().parse().map_err(|_| garbled(metric.from, text))?);
    }
    Ok(())
}

pub const UNAME: &[Metric] =
    &[Metric::gauge("node_uname_info", "The system's name, release and machine as labels; always 1.")];

/// What uname(2) says, from proc/sys/kernel/; the machine is the one this program was built for.
pub fn uname(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let of = |name: &str| text_of(answer, &format!("kernel/{name}")).map_or("", str::trim);
    let labels = [
        ("sysname", of("ostype")),
        ("release", of("osrelease")),
        ("version", of("version")),
        ("machine", std::env::consts::ARCH),
        ("nodename", of("hostname")),
        ("domainname", of("domainname")),
    ];
    emit.metric(&UNAME[0], &labels, 1.0);
    Ok(())
}

pub const TIME: &[Metric] = &[Metric::gauge("node_time_seconds", "The host's clock, in seconds since 1970.").unit("s")];

/// The clock, in milliseconds.
pub fn time(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    if let Answer::Text(text) = answer {
        let at_ms: f64 = text.parse().map_err(|_| garbled("the clock", text))?;
        emit.metric(&TIME[0], &[], at_ms / 1000.0);
    }
    Ok(())
}
