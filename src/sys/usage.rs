//! What this process itself costs.

use std::time::Duration;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

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
