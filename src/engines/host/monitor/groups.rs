//! Databases as the system sees them: their groups of processes in process-exporter's names, their control groups in cAdvisor's.

use std::collections::BTreeMap;

use crate::engines::contract::{Answer, Emit, Facts};
use crate::engines::host::monitor::{garbled, texts};
use crate::model::reading::Unknown;
use crate::model::row::Metric;

/// `from` is the word in the session's table, and the label that its third column is.
pub const PROCESSES: &[Metric] = &[
    Metric::gauge("namedprocess_namegroup_num_procs", "Processes of the group.").from("num_procs"),
    Metric::gauge("namedprocess_namegroup_num_threads", "Threads of the group.").from("num_threads"),
    Metric::gauge("namedprocess_namegroup_states", "Processes of the group in each state.").from("states, state"),
    Metric::gauge("namedprocess_namegroup_oldest_start_time_seconds", "When the group's oldest process began.")
        .from("oldest_start_time_seconds")
        .unit("s"),
    Metric::gauge(
        "namedprocess_namegroup_memory_bytes",
        "Memory of the group. `resident` counts what is shared once for each process; `proportionalResident` (PSS) once \
         in all, and is read only where the agent may.",
    )
    .from("memory_bytes, memtype")
    .unit("By"),
    Metric::gauge("namedprocess_namegroup_open_filedesc", "Open file descriptors of the group.").from("open_filedesc"),
    Metric::gauge("namedprocess_namegroup_worst_fd_ratio", "The largest share of its open files that a process has.")
        .from("worst_fd_ratio"),
    Metric::counter("namedprocess_namegroup_cpu_seconds_total", "CPU time of the group since the agent looks.")
        .from("cpu_seconds_total, mode")
        .unit("s"),
    Metric::counter("namedprocess_namegroup_minor_page_faults_total", "Page faults without reading a disk.")
        .from("minor_page_faults_total"),
    Metric::counter("namedprocess_namegroup_major_page_faults_total", "Page faults for which a disk was read.")
        .from("major_page_faults_total"),
    Metric::counter("namedprocess_namegroup_context_switches_total", "Context switches of the group's main threads.")
        .from("context_switches_total, ctxswitchtype"),
    Metric::counter("namedprocess_namegroup_read_bytes_total", "Bytes that the group had read from disks.")
        .from("read_bytes_total")
        .unit("By"),
    Metric::counter("namedprocess_namegroup_write_bytes_total", "Bytes that the group had written to disks.")
        .from("write_bytes_total")
        .unit("By"),
];

pub const COUNTS: &[Metric] = &[
    Metric::gauge("node_processes_pids", "Processes.").from("pids"),
    Metric::gauge("node_processes_threads", "Threads of all processes.").from("threads"),
    Metric::gauge("node_processes_max_processes", "The largest number a process can have.").from("max_processes"),
    Metric::gauge("node_processes_max_threads", "Threads that there may be.").from("max_threads"),
    Metric::gauge("node_processes_state", "Processes in each state, as ps(1) writes it.").from("state, state"),
];

/// The session's table of groups.
pub fn processes(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    take(PROCESSES, answer, emit)
}

/// The session's table of all processes.
pub fn counts(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    take(COUNTS, answer, emit)
}

fn take(metrics: &'static [Metric], answer: &Answer, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let Answer::Table(table) = answer else { return Ok(()) };
    for row in &table.rows {
        let [Some(word), Some(group), Some(label), Some(value)] = row.as_slice() else { continue };
        let names = |metric: &&Metric| metric.from.split(", ").next() == Some(word.as_str());
        let Some(metric) = metrics.iter().find(names) else { continue };
        let number = value.parse().map_err(|_| garbled("the table of processes", value))?;
        let mut labels = Vec::with_capacity(2);
        if !group.is_empty() {
            labels.push(("groupname", group.as_str()));
        }
        if let Some((_, name)) = metric.from.split_once(", ") {
            labels.push((name, label));
        }
        emit.metric(metric, &labels, number);
    }
    Ok(())
}

/// The files of one control group; the session puts the groups before them.
pub const CONTROL_ASK: &str = "@cgroups cpu.stat cpu.max cpu.pressure memory.current memory.max memory.high memory.stat \
                               memory.events memory.swap.current memory.pressure io.pressure pids.current pids.max";

/// `from` is the file, the key in it (or `-` for its whole), what the number is divided by, and a label where there is one.
pub const CONTROL: &[Metric] = &[
    Metric::counter("container_cpu_usage_seconds_total", "CPU time used.")
        .from("cpu.stat usage_usec 1000000")
        .unit("s"),
    Metric::counter("container_cpu_user_seconds_total", "CPU time used by programs.")
        .from("cpu.stat user_usec 1000000")
        .unit("s"),
    Metric::counter("container_cpu_system_seconds_total", "CPU time used by the kernel for them.")
        .from("cpu.stat system_usec 1000000")
        .unit("s"),
    Metric::counter("container_cpu_cfs_periods_total", "Periods in which CPU time was allotted.")
        .from("cpu.stat nr_periods 1"),
    Metric::counter("container_cpu_cfs_throttled_periods_total", "Periods in which the allotted CPU time ran out.")
        .from("cpu.stat nr_throttled 1"),
    Metric::counter("container_cpu_cfs_throttled_seconds_total", "Time spent waiting for the next allotment.")
        .from("cpu.stat throttled_usec 1000000")
        .unit("s"),
    Metric::gauge("container_spec_cpu_quota", "CPU time allotted in each period, in microseconds; none if unlimited.")
        .from("cpu.max 0 1"),
    Metric::gauge("container_spec_cpu_period", "The period in which CPU time is allotted, in microseconds.")
        .from("cpu.max 1 1"),
    Metric::gauge("container_memory_usage_bytes", "Memory in use, with caches.").from("memory.current - 1").unit("By"),
    Metric::gauge("container_spec_memory_limit_bytes", "Memory that may be used; none if unlimited.")
        .from("memory.max - 1")
        .unit("By"),
    Metric::gauge("container_spec_memory_high_bytes", "Memory above which it is slowed down; none if unlimited.")
        .from("memory.high - 1")
        .unit("By"),
    Metric::gauge("container_memory_swap", "Swap in use.").from("memory.swap.current - 1").unit("By"),
    Metric::gauge("container_memory_rss", "Memory of programs that no file holds.")
        .from("memory.stat anon 1")
        .unit("By"),
    Metric::gauge("container_memory_cache", "Memory that holds parts of files.").from("memory.stat file 1").unit("By"),
    Metric::gauge("container_memory_mapped_file", "Memory of mapped files.")
        .from("memory.stat file_mapped 1")
        .unit("By"),
    WORKING_SET,
    Metric::counter("container_oom_events_total", "Processes killed because the memory ran out.")
        .from("memory.events oom_kill 1"),
    MEMORY_EVENTS,
    Metric::gauge("container_threads", "Threads.").from("pids.current - 1"),
    Metric::gauge("container_threads_max", "Threads that there may be; none if unlimited.").from("pids.max - 1"),
    Metric::counter("container_pressure_cpu_waiting_seconds_total", "Time in which some waited for a CPU.")
        .from("cpu.pressure some 1000000")
        .unit("s"),
    Metric::counter("container_pressure_cpu_stalled_seconds_total", "Time in which all waited for a CPU.")
        .from("cpu.pressure full 1000000")
        .unit("s"),
    Metric::counter("container_pressure_memory_waiting_seconds_total", "Time in which some waited for memory.")
        .from("memory.pressure some 1000000")
        .unit("s"),
    Metric::counter("container_pressure_memory_stalled_seconds_total", "Time in which all waited for memory.")
        .from("memory.pressure full 1000000")
        .unit("s"),
    Metric::counter("container_pressure_io_waiting_seconds_total", "Time in which some waited for input or output.")
        .from("io.pressure some 1000000")
        .unit("s"),
    Metric::counter("container_pressure_io_stalled_seconds_total", "Time in which all waited for input or output.")
        .from("io.pressure full 1000000")
        .unit("s"),
];
const WORKING_SET: Metric =
    Metric::gauge("container_memory_working_set_bytes", "Memory in use, less caches that have not been used lately.")
        .unit("By");
const MEMORY_EVENTS: Metric = Metric::counter(
    "container_memory_events_total",
    "Times when the memory came to a limit: low, high, max, oom, oom_kill (memory.events of cgroups(7)).",
);

/// sys/fs/cgroup/**: version 2 of control groups.
pub fn control(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let mut used = BTreeMap::new();
    for (path, text) in texts(answer) {
        let Some((folder, file)) = path.rsplit_once('/') else { continue };
        let group = folder.strip_prefix("sys/fs/cgroup").unwrap_or("");
        let group = if group.is_empty() { "/" } else { group };
        let labels = [("id", group)];
        for metric in CONTROL.iter().filter(|metric| !metric.from.is_empty()) {
            let mut parts = metric.from.split(' ');
            if parts.next() != Some(file) {
                continue;
            }
            let (key, divisor) = (parts.next().unwrap_or("-"), parts.next().and_then(|word| word.parse::<f64>().ok()));
            if let Some(number) = field(text, key) {
                emit.metric(metric, &labels, number / divisor.unwrap_or(1.0));
            }
        }
        match file {
            "memory.events" => {
                for (event, word) in text.lines().filter_map(|line| line.split_once(' ')) {
                    let number = word.trim().parse().map_err(|_| garbled(path, word))?;
                    emit.metric(&MEMORY_EVENTS, &[("event", event), labels[0]], number);
                }
            }
            "memory.current" => {
                used.entry(group).or_insert((None, None)).0 = field(text, "-");
            }
            "memory.stat" => {
                used.entry(group).or_insert((None, None)).1 = field(text, "inactive_file");
            }
            _ => {}
        }
    }
    for (group, figures) in used {
        if let (Some(current), Some(inactive)) = figures {
            emit.metric(&WORKING_SET, &[("id", group)], (current - inactive).max(0.0));
        }
    }
    Ok(())
}

/// A number of a control file: its whole (`-`), its word at a place, what follows a key, or the `total=` of a pressure's line.
/// `max` is no limit, and no number.
fn field(text: &str, key: &str) -> Option<f64> {
    if key == "-" {
        return text.trim().parse().ok();
    }
    if let Ok(at) = key.parse::<usize>() {
        return text.split_whitespace().nth(at)?.parse().ok();
    }
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
    line.rsplit("total=").next()?.trim().parse().ok()
}
