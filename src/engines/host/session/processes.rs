//! The processes of databases, in groups as process-exporter makes them: what a group uses, counted over processes that come and
//! go. Each walk costs a bounded time: the dear part, proportional memory, is read of a few processes at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::engines::contract::{Answer, Table};
use crate::engines::host::session::threads::Progress;
use crate::model::reading::{Unknown, UnknownKind};
use crate::sys::clock::Stopwatch;
use crate::sys::{files, process};

/// The most processes that are looked at.
const PROCESSES_MAX: usize = 65_536;

/// The most processes of one group of which more is read than a line.
const MEMBERS_MAX: usize = 2_000;

/// How long a walk may spend on proportional memory: the kernel walks the page tables of a whole process for it, which takes
/// tens of milliseconds where gigabytes are shared. What is not reached is read by the next walks, the oldest figure first.
const MEMORY_BUDGET: Duration = Duration::from_millis(20);

const FILE_BYTES_MAX: usize = 64 << 10;

/// Clock ticks per second in all that the kernel tells users.
const USER_HZ: f64 = 100.0;

/// The groups: name, and the names of programs, as far as the kernel keeps them (15 bytes).
const GROUPS: &[(&str, &[&str])] = &[
    ("postgres", &["postgres", "postmaster"]),
    ("pgbouncer", &["pgbouncer"]),
    ("redis-server", &["redis-server", "redis-sentinel"]),
    ("valkey-server", &["valkey-server", "valkey-sentinel"]),
    ("mongod", &["mongod"]),
    ("mongos", &["mongos"]),
    ("clickhouse", &["clickhouse", "clickhouse-serv", "clickhouse-keep", "clickhouse-watc"]),
];

/// Programs that run in a Java machine: a word of their command line tells which.
const JAVA: &[(&str, &str)] = &[("elasticsearch", "org.elasticsearch."), ("opensearch", "org.opensearch.")];

/// What a process' line of proc/PID/stat says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stat<'a> {
    pub name: &'a str,
    pub state: char,
    pub minor_faults: u64,
    pub major_faults: u64,
    pub user_ticks: u64,
    pub system_ticks: u64,
    pub threads: u64,
    /// Ticks after boot.
    pub started: u64,
    pub virtual_bytes: u64,
    pub resident_pages: u64,
}

/// Reads proc/PID/stat. The name is in parentheses and may hold some itself.
pub fn parse_stat(text: &str) -> Option<Stat<'_>> {
    let (_, rest) = text.split_once('(')?;
    let (name, rest) = rest.rsplit_once(')')?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse().ok());
    Some(Stat {
        name,
        state: words.first()?.chars().next()?,
        minor_faults: number(7)?,
        major_faults: number(9)?,
        user_ticks: number(11)?,
        system_ticks: number(12)?,
        threads: number(17)?,
        started: number(19)?,
        virtual_bytes: number(20)?,
        resident_pages: number(21)?,
    })
}

/// What is counted of a process since it began.
const COUNTERS: &[(&str, &str)] = &[
    ("cpu_seconds_total", "user"),
    ("cpu_seconds_total", "system"),
    ("minor_page_faults_total", ""),
    ("major_page_faults_total", ""),
    ("context_switches_total", "voluntary"),
    ("context_switches_total", "nonvoluntary"),
    ("read_bytes_total", ""),
    ("write_bytes_total", ""),
];

/// By the places of `COUNTERS`; none where it may not be read.
type Counts = [Option<f64>; COUNTERS.len()];

/// A process of a group as it was last seen.
struct Known {
    started: u64,
    name: String,
    group: Option<&'static str>,
    counts: Counts,
    /// Proportional memory and swap in bytes, and the walk that read it.
    memory: Option<(f64, f64)>,
    memory_walk: u64,
    group_of_control: Option<String>,
}

/// The groups, over all walks of a session.
#[derive(Default)]
pub struct Groups {
    walk: u64,
    known: HashMap<u32, Known>,
    totals: BTreeMap<&'static str, Counts>,
    control_groups: BTreeSet<String>,
}

/// What a walk adds up of a group.
#[derive(Default)]
struct Sum {
    members: Vec<u32>,
    threads: f64,
    states: BTreeMap<&'static str, f64>,
    started: Option<u64>,
    resident: f64,
    size: f64,
    swapped: Option<f64>,
    files: Option<f64>,
    files_worst: Option<f64>,
}

impl Groups {
    /// The control groups that the databases' processes are in.
    pub fn control_groups(&self) -> impl Iterator<Item = &str> {
        self.control_groups.iter().map(String::as_str)
    }

    /// Looks at all processes: a table of metric, group, its label's value, number.
    ///
    /// # Errors
    /// proc/ cannot be listed, or has more processes than are looked at.
    pub fn walk(&mut self, root: &Path, progress: &Progress) -> Result<Answer, Unknown> {
        self.walk += 1;
        let is_first = self.walk == 1;
        let proc_root = root.join("proc");
        let pids = pids(&proc_root)?;
        let mut sums: BTreeMap<&'static str, Sum> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for pid in pids {
            let folder = proc_root.join(pid.to_string());
            progress.now_at(&folder);
            let Ok(text) = files::read(&folder.join("stat"), FILE_BYTES_MAX) else { continue }; // it ended
            let text = String::from_utf8_lossy(&text);
            let Some(stat) = parse_stat(&text) else { continue };
            let group = self.group_of(pid, &stat, &folder);
            seen.insert(pid);
            let Some(group) = group else { continue };
            let sum = sums.entry(group).or_default();
            sum.members.push(pid);
            sum.add(&stat);
            let mut counts: Counts = [None; COUNTERS.len()];
            counts[0] = Some(stat.user_ticks as f64 / USER_HZ);
            counts[1] = Some(stat.system_ticks as f64 / USER_HZ);
            counts[2] = Some(stat.minor_faults as f64);
            counts[3] = Some(stat.major_faults as f64);
            if sum.members.len() <= MEMBERS_MAX {
                sum.read_more(&folder, &mut counts);
            }
            self.count(pid, group, counts, is_first);
        }
        self.known.retain(|pid, _| seen.contains(pid));
        self.read_memory(&proc_root, progress);
        self.control_groups = self.known.values().filter_map(|known| known.group_of_control.clone()).collect();
        Ok(Answer::Table(self.table(&sums, &proc_root)))
    }

    /// The group of a process, looked up once for each name that it has.
    fn group_of(&mut self, pid: u32, stat: &Stat<'_>, folder: &Path) -> Option<&'static str> {
        if let Some(known) = self.known.get(&pid)
            && known.started == stat.started
            && known.name == stat.name
        {
            return known.group;
        }
        let by_name = GROUPS.iter().find(|(_, names)| names.contains(&stat.name)).map(|(group, _)| *group);
        let group = by_name.or_else(|| {
            let command = files::read(&folder.join("cmdline"), FILE_BYTES_MAX).ok().filter(|_| stat.name == "java")?;
            let command = String::from_utf8_lossy(&command);
            JAVA.iter().find(|(_, word)| command.contains(word)).map(|(group, _)| *group)
        });
        let group_of_control = group.and_then(|_| {
            let text = files::read_text(&folder.join("cgroup"), FILE_BYTES_MAX).ok()?;
            let path = text.lines().find_map(|line| line.strip_prefix("0::"))?.trim().to_string();
            // Outside of what this process may see: nothing to read there.
            (!path.contains("/..") && path != "/").then_some(path)
        });
        let (started, name) = (stat.started, stat.name.to_string());
        let counts = [None; COUNTERS.len()];
        let known = Known { started, name, group, counts, memory: None, memory_walk: 0, group_of_control };
        self.known.insert(pid, known);
        group
    }

    /// Adds to the group's totals what a process did since it was last seen. What was there before the first walk counts from
    /// then on: else each start of the agent would look like a burst of work.
    fn count(&mut self, pid: u32, group: &'static str, counts: Counts, is_first: bool) {
        let Some(known) = self.known.get_mut(&pid) else { return };
        let totals = self.totals.entry(group).or_insert([None; COUNTERS.len()]);
        for (at, now) in counts.iter().enumerate() {
            let Some(now) = now else { continue };
            let before = known.counts[at].unwrap_or(if is_first { *now } else { 0.0 });
            *totals[at].get_or_insert(0.0) += (now - before).max(0.0);
            known.counts[at] = Some(*now);
        }
    }

    /// Reads the proportional memory of as many processes as the budget allows, those first whose figure is oldest.
    fn read_memory(&mut self, proc_root: &Path, progress: &Progress) {
        let watch = Stopwatch::start();
        let mut waiting: Vec<(u64, u32)> = self
            .known
            .iter()
            .filter(|(_, known)| known.group.is_some())
            .map(|(pid, known)| (known.memory_walk, *pid))
            .collect();
        waiting.sort_unstable();
        for (_, pid) in waiting {
            if watch.elapsed() > MEMORY_BUDGET {
                return;
            }
            let path = proc_root.join(pid.to_string()).join("smaps_rollup");
            progress.now_at(&path);
            let read = files::read_text(&path, FILE_BYTES_MAX).ok();
            if let Some(known) = self.known.get_mut(&pid) {
                known.memory_walk = self.walk;
                known.memory = read.and_then(|text| Some((kib(&text, "Pss:")?, kib(&text, "SwapPss:").unwrap_or(0.0))));
            }
        }
    }

    fn table(&self, sums: &BTreeMap<&'static str, Sum>, proc_root: &Path) -> Table {
        let columns = ["metric", "group", "label", "value"].map(String::from).to_vec();
        let mut rows = Vec::new();
        let booted = files::read_text(&proc_root.join("stat"), 8 << 20)
            .ok()
            .and_then(|text| text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok()));
        for (group, sum) in sums {
            let mut put = |metric: &str, label: &str, value: Option<f64>| {
                let Some(value) = value else { return };
                let texts = [metric.to_string(), (*group).to_string(), label.to_string(), value.to_string()];
                rows.push(texts.map(Some).to_vec());
            };
            put("num_procs", "", Some(sum.members.len() as f64));
            put("num_threads", "", Some(sum.threads));
            for state in ["Running", "Sleeping", "Waiting", "Zombie", "Other"] {
                put("states", state, Some(sum.states.get(state).copied().unwrap_or(0.0)));
            }
            put("oldest_start_time_seconds", "", booted.zip(sum.started).map(|(b, s)| b + s as f64 / USER_HZ));
            put("memory_bytes", "resident", Some(sum.resident));
            put("memory_bytes", "virtual", Some(sum.size));
            let is_read = sum.members.len() <= MEMBERS_MAX;
            put("memory_bytes", "swapped", sum.swapped.filter(|_| is_read));
            put("open_filedesc", "", sum.files.filter(|_| is_read));
            put("worst_fd_ratio", "", sum.files_worst.filter(|_| is_read));
            // A part of a group's memory is not the group's: it is told once every process was read.
            let all: Option<Vec<(f64, f64)>> =
                sum.members.iter().map(|pid| self.known.get(pid).and_then(|known| known.memory)).collect();
            put("memory_bytes", "proportionalResident", all.as_ref().map(|all| all.iter().map(|one| one.0).sum()));
            put("memory_bytes", "proportionalSwapped", all.as_ref().map(|all| all.iter().map(|one| one.1).sum()));
            for ((metric, label), total) in COUNTERS.iter().zip(self.totals.get(group).into_iter().flatten()) {
                put(metric, label, *total);
            }
        }
        Table { columns, rows }
    }
}

impl Sum {
    fn add(&mut self, stat: &Stat<'_>) {
        self.threads += stat.threads as f64;
        let state = match stat.state {
            'R' => "Running",
            'S' | 'I' => "Sleeping",
            'D' => "Waiting",
            'Z' => "Zombie",
            _ => "Other",
        };
        *self.states.entry(state).or_default() += 1.0;
        self.started = Some(self.started.map_or(stat.started, |started| started.min(stat.started)));
        self.resident += (stat.resident_pages * process::page_bytes()) as f64;
        self.size += stat.virtual_bytes as f64;
    }

    /// What stands in other files. What this user may not read of one process is not known of the group.
    fn read_more(&mut self, folder: &Path, counts: &mut Counts) {
        let is_first = self.members.len() == 1;
        let text = |name: &str| files::read_text(&folder.join(name), FILE_BYTES_MAX).ok();
        let status = text("status").unwrap_or_default();
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        counts[4] = field("voluntary_ctxt_switches:");
        counts[5] = field("nonvoluntary_ctxt_switches:");
        if let Some(io) = text("io") {
            let field = |name: &str| io.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
            counts[6] = field("read_bytes:");
            counts[7] = field("write_bytes:");
        }
        let swapped = kib(&status, "VmSwap:").unwrap_or(0.0);
        self.swapped = Some(self.swapped.unwrap_or(0.0) + swapped);
        let open = files::count(&folder.join("fd")).ok().map(|count| count as f64);
        let before = if is_first { Some(0.0) } else { self.files };
        self.files = before.zip(open).map(|(before, open)| before + open);
        let limit = text("limits").and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?.to_string();
            line.split_whitespace().next()?.parse::<f64>().ok().filter(|limit| *limit > 0.0)
        });
        if let Some(ratio) = open.zip(limit).map(|(open, limit)| open / limit) {
            self.files_worst = Some(self.files_worst.map_or(ratio, |worst| worst.max(ratio)));
        }
    }
}

/// The bytes of a field that is in KiB.
fn kib(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib * 1024.0)
}

fn pids(proc_root: &Path) -> Result<Vec<u32>, Unknown> {
    let names = files::names(proc_root)
        .map_err(|error| Unknown::new(UnknownKind::NotHere, format!("{}: {error}", proc_root.display())))?;
    let pids: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    if pids.len() > PROCESSES_MAX {
        let what = format!("{} processes, more than {PROCESSES_MAX}", pids.len());
        return Err(Unknown::new(UnknownKind::TooLarge, what));
    }
    Ok(pids)
}

/// All processes by their state: a table of metric, group (none), state, number.
///
/// # Errors
/// As of `Groups::walk`.
pub fn count(root: &Path, progress: &Progress) -> Result<Answer, Unknown> {
    let proc_root = root.join("proc");
    let mut states: BTreeMap<char, u64> = BTreeMap::new();
    let (mut processes, mut threads) = (0_u64, 0_u64);
    for pid in pids(&proc_root)? {
        let path = proc_root.join(pid.to_string()).join("stat");
        progress.now_at(&path);
        let Ok(text) = files::read(&path, FILE_BYTES_MAX) else { continue };
        let text = String::from_utf8_lossy(&text);
        let Some(stat) = parse_stat(&text) else { continue };
        processes += 1;
        threads += stat.threads;
        *states.entry(stat.state).or_default() += 1;
    }
    let limit = |name: &str| {
        let path: PathBuf = proc_root.join("sys/kernel").join(name);
        files::read_text(&path, FILE_BYTES_MAX).ok().map(|text| text.trim().to_string())
    };
    let columns = ["metric", "group", "label", "value"].map(String::from).to_vec();
    let mut rows = Vec::new();
    let mut put = |metric: &str, label: &str, value: Option<String>| {
        if let Some(value) = value {
            rows.push([metric.to_string(), String::new(), label.to_string(), value].map(Some).to_vec());
        }
    };
    put("pids", "", Some(processes.to_string()));
    put("threads", "", Some(threads.to_string()));
    put("max_processes", "", limit("pid_max"));
    put("max_threads", "", limit("threads-max"));
    for (state, count) in states {
        put("state", &state.to_string(), Some(count.to_string()));
    }
    Ok(Answer::Table(Table { columns, rows }))
}
