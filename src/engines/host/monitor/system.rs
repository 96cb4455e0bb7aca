//! The kernel and the system on it: what it is, its clock, and what is optional of its memory and processes.

use std::collections::BTreeMap;

use crate::engines::contract::{Answer, Emit, Facts};
use crate::engines::host::monitor::{garbled, table, text_of, texts};
use crate::model::reading::Unknown;
use crate::model::row::{Family, Metric, MetricKind};

pub const OS: &[Metric] = &[
    Metric::gauge("node_os_info", "What the system is, as labels; always 1."),
    Metric::gauge("node_os_version", "Major and minor version of the system."),
];

/// etc/os-release, else usr/lib/os-release: `NAME="value"` lines.
pub fn os(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let text = text_of(answer, "os-release")?;
    let fields: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim().trim_matches(['"', '\''])))
        .collect();
    let of = |name: &str| fields.get(name).copied().unwrap_or("");
    let labels = [
        ("build_id", of("BUILD_ID")),
        ("id", of("ID")),
        ("id_like", of("ID_LIKE")),
        ("image_id", of("IMAGE_ID")),
        ("image_version", of("IMAGE_VERSION")),
        ("name", of("NAME")),
        ("pretty_name", of("PRETTY_NAME")),
        ("variant", of("VARIANT")),
        ("variant_id", of("VARIANT_ID")),
        ("version", of("VERSION")),
        ("version_codename", of("VERSION_CODENAME")),
        ("version_id", of("VERSION_ID")),
    ];
    emit.metric(&OS[0], &labels, 1.0);
    let version: String = of("VERSION_ID").splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
    if let Ok(version) = version.parse::<f64>() {
        let labels = [("id", of("ID")), ("id_like", of("ID_LIKE")), ("name", of("NAME"))];
        emit.metric(&OS[1], &labels, version);
    }
    Ok(())
}

pub const CLOCKSOURCE_ASK: &str =
    "sys/devices/system/clocksource/clocksource*/ available_clocksource current_clocksource";
pub const CLOCKSOURCE: &[Metric] = &[
    Metric::gauge("node_time_clocksource_available_info", "A source that the clock may run on, as a label; always 1.")
        .from("clocksource{device}/available_clocksource"),
    Metric::gauge("node_time_clocksource_current_info", "The source that the clock runs on, as a label; always 1.")
        .from("clocksource{device}/current_clocksource"),
];

/// sys/devices/system/clocksource.
pub fn clocksource(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for (path, text) in texts(answer) {
        for metric in CLOCKSOURCE {
            let Some(labels) = table::fit(metric.from, path) else { continue };
            for source in text.split_whitespace() {
                emit.metric(metric, &[("clocksource", source), labels[0]], 1.0);
            }
        }
    }
    Ok(())
}

/// `from` is the column of what the session makes of adjtimex(2).
pub const TIMEX: &[Metric] = &[
    Metric::gauge("node_timex_offset_seconds", "How far the clock is from its reference.").from("offset").unit("s"),
    Metric::gauge("node_timex_frequency_adjustment_ratio", "By how much the clock's frequency is adjusted.")
        .from("frequency"),
    Metric::gauge("node_timex_maxerror_seconds", "The largest error of the clock; it grows while nobody sets it.")
        .from("maxerror")
        .unit("s"),
    Metric::gauge("node_timex_estimated_error_seconds", "The error of the clock, estimated.")
        .from("esterror")
        .unit("s"),
    Metric::gauge("node_timex_status", "The clock's status bits (STA_* of adjtimex(2)).").from("status"),
    Metric::gauge("node_timex_sync_status", "Whether the clock is synchronized to a server that can be trusted.")
        .from("sync_status"),
    Metric::gauge("node_timex_loop_time_constant", "Time constant of the phase-locked loop.").from("constant"),
    Metric::gauge("node_timex_tick_seconds", "Time between two ticks of the clock.").from("tick").unit("s"),
    Metric::gauge("node_timex_tai_offset_seconds", "How far International Atomic Time is ahead.").from("tai").unit("s"),
    Metric::gauge("node_timex_pps_frequency_hertz", "Frequency of the pulse per second.").from("ppsfreq").unit("Hz"),
    Metric::gauge("node_timex_pps_jitter_seconds", "Jitter of the pulse per second.").from("jitter").unit("s"),
    Metric::gauge("node_timex_pps_shift_seconds", "Duration of the interval of the pulse per second.")
        .from("shift")
        .unit("s"),
    Metric::gauge("node_timex_pps_stability_hertz", "Stability of the pulse per second.").from("stabil").unit("Hz"),
    Metric::counter("node_timex_pps_jitter_total", "Times when the jitter was too large.").from("jitcnt"),
    Metric::counter("node_timex_pps_calibration_total", "Intervals of calibration.").from("calcnt"),
    Metric::counter("node_timex_pps_error_total", "Errors of calibration.").from("errcnt"),
    Metric::counter("node_timex_pps_stability_exceeded_total", "Times when the stability was too bad.").from("stbcnt"),
];

pub const HUNG_TASKS: &[Metric] =
    &[Metric::counter("node_kernel_hung_tasks_total", "Tasks that the kernel found hanging.")
        .from("kernel/hung_task_detect_count")];

pub const SELINUX: &[Metric] = &[
    Metric::gauge("node_selinux_enabled", "Whether SELinux is on."),
    Metric::gauge(
        "node_selinux_config_mode",
        "The mode that the configuration asks for: 1 enforcing, 0 permissive, -1 off.",
    ),
    Metric::gauge("node_selinux_current_mode", "The mode in force: 1 enforcing, 0 permissive."),
];

/// sys/fs/selinux/enforce, which is there only where SELinux is on, and etc/selinux/config.
pub fn selinux(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let current = text_of(answer, "selinux/enforce").ok().and_then(table::number);
    emit.metric(&SELINUX[0], &[], f64::from(u8::from(current.is_some())));
    let Some(current) = current else { return Ok(()) };
    emit.metric(&SELINUX[2], &[], current);
    let text = text_of(answer, "selinux/config").unwrap_or("");
    let mode = text.lines().find_map(|line| line.trim().strip_prefix("SELINUX=")).map_or("", str::trim);
    let mode = match mode {
        "enforcing" => 1.0,
        "permissive" => 0.0,
        _ => -1.0,
    };
    emit.metric(&SELINUX[1], &[], mode);
    Ok(())
}

pub const UNITS: &[Metric] = &[
    Metric::gauge("node_systemd_unit_state", "1 for the state that a unit of systemd is in, 0 for the others."),
    Metric::gauge("node_systemd_units", "Loaded units of systemd in each state."),
];

const UNIT_STATES: &[&str] = &["activating", "active", "deactivating", "failed", "inactive"];

/// Kinds of units that node_exporter leaves out by default: most have a metric of their own, or nothing to fail.
const UNITS_LEFT_OUT: &[&str] = &[".automount", ".device", ".mount", ".scope", ".slice"];

/// The session's table of units: name, type, state.
pub fn units(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let Answer::Table(table) = answer else { return Ok(()) };
    let mut counts: BTreeMap<&str, f64> = UNIT_STATES.iter().map(|state| (*state, 0.0)).collect();
    for row in &table.rows {
        let [Some(name), Some(kind), Some(active)] = row.as_slice() else { continue };
        if let Some(count) = counts.get_mut(active.as_str()) {
            *count += 1.0;
        }
        if UNITS_LEFT_OUT.iter().any(|end| name.ends_with(end)) {
            continue;
        }
        for state in UNIT_STATES {
            let labels = [("name", name.as_str()), ("state", state), ("type", kind)];
            emit.metric(&UNITS[0], &labels, f64::from(u8::from(state == active)));
        }
    }
    for (state, count) in counts {
        emit.metric(&UNITS[1], &[("state", state)], count);
    }
    Ok(())
}

pub const KSM_ASK: &str = "sys/kernel/mm/ksm/ full_scans general_profit merge_across_nodes pages_shared pages_sharing \
                           pages_to_scan pages_unshared pages_volatile run sleep_millisecs";
pub const KSM: &[Metric] = &[
    Metric::counter("node_ksmd_full_scans_total", "Scans of all memory that may be merged.").from("ksm/full_scans"),
    Metric::gauge("node_ksmd_general_profit_bytes", "Memory that merging saves, less what it costs.")
        .from("ksm/general_profit")
        .unit("By"),
    Metric::gauge("node_ksmd_merge_across_nodes", "Whether pages of different nodes are merged.")
        .from("ksm/merge_across_nodes"),
    Metric::gauge("node_ksmd_pages_shared", "Pages that are shared.").from("ksm/pages_shared"),
    Metric::gauge("node_ksmd_pages_sharing", "Places that share them.").from("ksm/pages_sharing"),
    Metric::gauge("node_ksmd_pages_to_scan", "Pages to scan before a pause.").from("ksm/pages_to_scan"),
    Metric::gauge("node_ksmd_pages_unshared", "Pages looked at that have no twin.").from("ksm/pages_unshared"),
    Metric::gauge("node_ksmd_pages_volatile", "Pages that change too fast.").from("ksm/pages_volatile"),
    Metric::gauge("node_ksmd_run", "Whether merging is on (1), off (0), or being undone (2).").from("ksm/run"),
    Metric::gauge("node_ksmd_sleep_seconds", "The pause between two scans.")
        .from("ksm/sleep_millisecs, milli")
        .unit("s"),
];

pub const BUDDYINFO: &[Metric] =
    &[Metric::gauge("node_buddyinfo_blocks", "Free blocks of memory of 2^size pages, by node and zone.")];

/// proc/buddyinfo: `Node 0, zone DMA 1 0 1 …`.
pub fn buddyinfo(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for line in text_of(answer, "proc/buddyinfo")?.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["Node", node, "zone", zone, counts @ ..] = words.as_slice() else {
            return Err(garbled("proc/buddyinfo", line));
        };
        for (size, count) in counts.iter().enumerate() {
            let labels = [("node", node.trim_end_matches(',')), ("size", &size.to_string()), ("zone", zone)];
            emit.metric(&BUDDYINFO[0], &labels, count.parse().map_err(|_| garbled("proc/buddyinfo", line))?);
        }
    }
    Ok(())
}

pub const CGROUPS: &[Metric] = &[
    Metric::gauge("node_cgroups_cgroups", "Control groups of a subsystem."),
    Metric::gauge("node_cgroups_enabled", "Whether a subsystem of control groups is on."),
];

/// proc/cgroups: name, hierarchy, groups, on.
pub fn cgroups(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for line in text_of(answer, "proc/cgroups")?.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let wrong = || garbled("proc/cgroups", line);
        let [name, _, count, enabled] = words.as_slice() else { return Err(wrong()) };
        let labels = [("subsys_name", *name)];
        emit.metric(&CGROUPS[0], &labels, count.parse().map_err(|_| wrong())?);
        emit.metric(&CGROUPS[1], &labels, enabled.parse().map_err(|_| wrong())?);
    }
    Ok(())
}

pub const NUMA: &[Family] = &[NUMA_MEMORY, NUMA_COUNT];
const NUMA_MEMORY: Family =
    Family::new(MetricKind::Gauge, "node_memory_numa_", "", "A field of a node's meminfo, in bytes or pages.");
const NUMA_COUNT: Family =
    Family::new(MetricKind::Counter, "node_memory_numa_", "_total", "A field of a node's numastat.");

/// sys/devices/system/node/node*/meminfo and numastat.
pub fn numa(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for (path, text) in texts(answer) {
        if let Some(labels) = table::fit("node{node}/meminfo", path) {
            for (name, rest) in text.lines().filter_map(|line| line.split_once(':')) {
                let name = name.split_whitespace().last().unwrap_or("").replace('(', "_").replace(')', "");
                let Some(number) = table::number(rest) else { return Err(garbled(path, rest)) };
                let factor = if rest.trim_end().ends_with("kB") { 1024.0 } else { 1.0 };
                emit.family(&NUMA_MEMORY, &name, &labels, number * factor);
            }
        }
        if let Some(labels) = table::fit("node{node}/numastat", path) {
            for (name, word) in text.lines().filter_map(|line| line.split_once(' ')) {
                emit.family(&NUMA_COUNT, name, &labels, word.parse().map_err(|_| garbled(path, word))?);
            }
        }
    }
    Ok(())
}
