//! What this process itself costs.

use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::sys::files;

/// What the process has used and holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Processor time since it began.
    pub cpu: Duration,
    pub resident_bytes: u64,
    pub open_files: u64,
}

/// Reads it. What cannot be read is zero.
pub fn own() -> Usage {
    let pid = Pid::from_u32(std::process::id());
    let Ok(mut system) = System::new() else { return Usage::default() };
    let wanted = ProcessRefreshKind::nothing().with_cpu().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, wanted);
    let Some(process) = system.process(pid) else { return Usage::default() };
    Usage {
        cpu: Duration::from_millis(process.accumulated_cpu_time()),
        resident_bytes: process.memory(),
        open_files: process.open_files().unwrap_or(0) as u64,
    }
}

/// What a budget is held against: processor time since the process began, and the bytes of memory that are its own,
/// without the pages of files that others may hold too. Two calls of the system; what cannot be read is zero.
pub fn spent() -> (Duration, u64) {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0));
    let cpu = seconds + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0));
    let pages = files::read_text(Path::new("/proc/self/statm"), 4096).unwrap_or_default();
    let mut words = pages.split_whitespace().skip(1).map(|word| word.parse::<u64>().unwrap_or(0));
    let (resident, shared) = (words.next().unwrap_or(0), words.next().unwrap_or(0));
    (cpu, resident.saturating_sub(shared) * rustix::param::page_size() as u64)
}
