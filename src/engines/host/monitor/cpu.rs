//! CPUs: their frequencies, throttling and times of waiting; and what is optional: interrupts, weaknesses, what they are.

use std::collections::{BTreeMap, BTreeSet};

use crate::engines::contract::{Answer, Emit, Facts};
use crate::engines::host::monitor::{garbled, table, text_of, texts};
use crate::model::reading::Unknown;
use crate::model::row::Metric;

pub const CPUFREQ_ASK: &str = "sys/devices/system/cpu/cpu*/cpufreq/ scaling_cur_freq scaling_min_freq scaling_max_freq \
                               cpuinfo_min_freq cpuinfo_max_freq scaling_governor scaling_available_governors";
pub const CPUFREQ: &[Metric] = &[
    Metric::gauge("node_cpu_scaling_frequency_hertz", "Frequency that the kernel runs the CPU at.")
        .from("cpu{cpu}/cpufreq/scaling_cur_freq, kilo")
        .unit("Hz"),
    Metric::gauge("node_cpu_scaling_frequency_min_hertz", "Lowest frequency that the kernel may choose.")
        .from("cpu{cpu}/cpufreq/scaling_min_freq, kilo")
        .unit("Hz"),
    Metric::gauge("node_cpu_scaling_frequency_max_hertz", "Highest frequency that the kernel may choose.")
        .from("cpu{cpu}/cpufreq/scaling_max_freq, kilo")
        .unit("Hz"),
    Metric::gauge("node_cpu_frequency_min_hertz", "Lowest frequency of the CPU.")
        .from("cpu{cpu}/cpufreq/cpuinfo_min_freq, kilo")
        .unit("Hz"),
    Metric::gauge("node_cpu_frequency_max_hertz", "Highest frequency of the CPU.")
        .from("cpu{cpu}/cpufreq/cpuinfo_max_freq, kilo")
        .unit("Hz"),
    GOVERNOR,
];
const GOVERNOR: Metric = Metric::gauge("node_cpu_scaling_governor", "1 for the governor in force, 0 for the others.");

/// sys/devices/system/cpu/cpu*/cpufreq/*.
pub fn cpufreq(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    table::take(CPUFREQ, answer, emit)?;
    for (path, text) in texts(answer) {
        let Some(labels) = table::fit("cpu{cpu}/cpufreq/scaling_available_governors", path) else { continue };
        let folder = path.trim_end_matches("scaling_available_governors");
        let current = text_of(answer, &format!("{folder}scaling_governor")).map_or("", str::trim);
        for governor in text.split_whitespace() {
            let value = f64::from(u8::from(governor == current));
            emit.metric(&GOVERNOR, &[labels[0], ("governor", governor)], value);
        }
    }
    Ok(())
}

pub const THROTTLE_ASK: &str = "sys/devices/system/cpu/ isolated sys/devices/system/cpu/cpu*/ topology/core_id \
                                topology/physical_package_id thermal_throttle/core_throttle_count \
                                thermal_throttle/package_throttle_count";
pub const THROTTLE: &[Metric] = &[CORE_THROTTLES, PACKAGE_THROTTLES, ISOLATED];
const CORE_THROTTLES: Metric =
    Metric::counter("node_cpu_core_throttles_total", "How often a core was slowed down for its heat.");
const PACKAGE_THROTTLES: Metric =
    Metric::counter("node_cpu_package_throttles_total", "How often a package was slowed down for its heat.");
const ISOLATED: Metric = Metric::gauge("node_cpu_isolated", "1 for each CPU that the scheduler leaves alone.");

/// Throttling by core and package, each once however many CPUs share it; and the CPUs that are isolated.
pub fn throttle(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let files: BTreeMap<&str, &str> = texts(answer).collect();
    let mut seen = BTreeSet::new();
    for (path, text) in &files {
        let Some(folder) = path.strip_suffix("topology/physical_package_id") else { continue };
        let of = |name: &str| files.get(format!("{folder}{name}").as_str()).map_or("", |text| text.trim());
        let (package, core) = (text.trim(), of("topology/core_id"));
        let core_count = table::number(of("thermal_throttle/core_throttle_count"));
        if let Some(count) = core_count.filter(|_| seen.insert((package, Some(core)))) {
            emit.metric(&CORE_THROTTLES, &[("core", core), ("package", package)], count);
        }
        let package_count = table::number(of("thermal_throttle/package_throttle_count"));
        if let Some(count) = package_count.filter(|_| seen.insert((package, None))) {
            emit.metric(&PACKAGE_THROTTLES, &[("package", package)], count);
        }
    }
    for cpu in table::list(text_of(answer, "cpu/isolated").unwrap_or("")) {
        emit.metric(&ISOLATED, &[("cpu", &cpu.to_string())], 1.0);
    }
    Ok(())
}

/// In the order of the last three columns of a CPU's line in proc/schedstat.
pub const SCHEDSTAT: &[Metric] = &[
    Metric::counter("node_schedstat_running_seconds_total", "Time for which the CPU ran something.").unit("s"),
    Metric::counter("node_schedstat_waiting_seconds_total", "Time for which what could run waited for the CPU.")
        .unit("s"),
    Metric::counter("node_schedstat_timeslices_total", "Timeslices run on the CPU."),
];

/// proc/schedstat: nanoseconds.
pub fn schedstat(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for line in text_of(answer, "proc/schedstat")?.lines() {
        let mut words = line.split_whitespace();
        let Some(cpu) = words.next().and_then(|word| word.strip_prefix("cpu")) else { continue };
        for ((metric, word), divisor) in SCHEDSTAT.iter().zip(words.skip(6)).zip([1e9, 1e9, 1.0]) {
            let number: f64 = word.parse().map_err(|_| garbled("proc/schedstat", line))?;
            emit.metric(metric, &[("cpu", cpu)], number / divisor);
        }
    }
    Ok(())
}

pub const SOFTIRQS: &[Metric] =
    &[Metric::counter("node_softirqs_total", "Soft interrupts served, by their kind.").from("softirq")];

/// The kinds of soft interrupts in the order of proc/stat.
const VECTORS: &[&str] =
    &["hi", "timer", "net_tx", "net_rx", "block", "block_iopoll", "tasklet", "sched", "hrtimer", "rcu"];

/// The line `softirq` of proc/stat: all, then each kind.
pub fn softirqs(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for line in text_of(answer, "proc/stat")?.lines() {
        let Some(rest) = line.strip_prefix("softirq ") else { continue };
        for (vector, word) in VECTORS.iter().zip(rest.split_whitespace().skip(1)) {
            let number = word.parse().map_err(|_| garbled("proc/stat", line))?;
            emit.metric(&SOFTIRQS[0], &[("vector", vector)], number);
        }
    }
    Ok(())
}

pub const SOFTIRQ_FUNCTIONS: &[Metric] =
    &[Metric::counter("node_softirqs_functions_total", "Soft interrupts served, by their kind and CPU.")];

/// proc/softirqs: a line of CPUs, then a line for each kind.
pub fn softirq_functions(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let text = text_of(answer, "proc/softirqs")?;
    let mut lines = text.lines();
    let cpus: Vec<&str> = head(lines.next().unwrap_or(""));
    for line in lines {
        let Some((kind, rest)) = line.split_once(':') else { continue };
        for (cpu, word) in cpus.iter().zip(rest.split_whitespace()) {
            let number = word.parse().map_err(|_| garbled("proc/softirqs", line))?;
            emit.metric(&SOFTIRQ_FUNCTIONS[0], &[("cpu", cpu), ("type", kind.trim())], number);
        }
    }
    Ok(())
}

/// `CPU0 CPU1` as `0` and `1`.
fn head(line: &str) -> Vec<&str> {
    line.split_whitespace().map(|word| word.trim_start_matches("CPU")).collect()
}

pub const INTERRUPTS: &[Metric] =
    &[Metric::counter("node_interrupts_total", "Interrupts served, by their line and CPU.")];

/// proc/interrupts: a line of CPUs; then for each interrupt a count per CPU and words about it.
pub fn interrupts(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let text = text_of(answer, "proc/interrupts")?;
    let mut lines = text.lines();
    let cpus = head(lines.next().unwrap_or(""));
    for line in lines {
        let Some((kind, rest)) = line.split_once(':') else { continue };
        let kind = kind.trim();
        let words: Vec<&str> = rest.split_whitespace().collect();
        if words.len() < cpus.len() {
            continue; // `ERR: 0` and `MIS: 0` are of no CPU
        }
        let (counts, about) = words.split_at(cpus.len());
        let is_line = kind.bytes().all(|b| b.is_ascii_digit());
        let (info, devices) = match about {
            _ if !is_line => (about.join(" "), String::new()),
            [] => (String::new(), String::new()),
            [info, devices @ ..] => ((*info).to_string(), devices.join(" ")),
        };
        for (cpu, word) in cpus.iter().zip(counts) {
            let number = word.parse().map_err(|_| garbled("proc/interrupts", line))?;
            let labels = [("cpu", *cpu), ("devices", devices.as_str()), ("info", info.as_str()), ("type", kind)];
            emit.metric(&INTERRUPTS[0], &labels, number);
        }
    }
    Ok(())
}

pub const VULNERABILITIES: &[Metric] = &[Metric::gauge(
    "node_cpu_vulnerabilities_info",
    "A known weakness of the CPUs, and what is done about it, as labels; always 1.",
)];

/// sys/devices/system/cpu/vulnerabilities/*: `Not affected`, `Vulnerable`, `Mitigation: what`.
pub fn vulnerabilities(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for (path, text) in texts(answer) {
        let codename = path.rsplit('/').next().unwrap_or("");
        let (state, mitigation) = match text.trim().split_once(": ") {
            Some((state, rest)) => (state, if state.eq_ignore_ascii_case("mitigation") { rest } else { "" }),
            None => (text.trim(), ""),
        };
        let state = state.to_lowercase();
        let labels = [("codename", codename), ("mitigation", mitigation), ("state", &state)];
        emit.metric(&VULNERABILITIES[0], &labels, 1.0);
    }
    Ok(())
}

pub const CPUINFO: &[Metric] = &[CPU_INFO, CPU_FREQUENCY];
const CPU_INFO: Metric = Metric::gauge("node_cpu_info", "What each CPU is, as labels; always 1.");
const CPU_FREQUENCY: Metric =
    Metric::gauge("node_cpu_frequency_hertz", "Frequency of the CPU as proc/cpuinfo has it.").unit("Hz");

/// proc/cpuinfo as x86 writes it: a block of lines for each CPU.
pub fn cpuinfo(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for block in text_of(answer, "proc/cpuinfo")?.split("\n\n") {
        let fields: BTreeMap<&str, &str> = block
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect();
        let of = |name: &str| fields.get(name).copied().unwrap_or("");
        let Some(cpu) = fields.get("processor") else { continue };
        let (core, package) = (of("core id"), of("physical id"));
        let labels = [
            ("cachesize", of("cache size")),
            ("core", core),
            ("cpu", cpu),
            ("family", of("cpu family")),
            ("microcode", of("microcode")),
            ("model", of("model")),
            ("model_name", of("model name")),
            ("package", package),
            ("stepping", of("stepping")),
            ("vendor", of("vendor_id")),
        ];
        emit.metric(&CPU_INFO, &labels, 1.0);
        if let Ok(megahertz) = of("cpu MHz").parse::<f64>() {
            emit.metric(&CPU_FREQUENCY, &[("core", core), ("cpu", cpu), ("package", package)], megahertz * 1e6);
        }
    }
    Ok(())
}
