//! The process list: what runs here, as whom, and which sockets it has open.

use std::collections::BTreeSet;
use std::path::PathBuf;

use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind, Users};

/// The most files of one program that are looked at: a server with more has its listeners among the first.
const FILES_MAX: usize = 4096;

/// A program that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    pub pid: u32,
    /// Its command line, as it shows it: some servers write their port into it.
    pub command: Vec<String>,
    /// The name of its user, or the number of one without a name.
    pub user: String,
}

/// Everything that runs, as far as we may see it. The kernel's own threads have no command line, and are left out.
pub fn list() -> Vec<Running> {
    let (Ok(mut system), users) = (System::new(), Users::new_with_refreshed_list().ok()) else { return Vec::new() };
    let wanted =
        ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always).with_user(UpdateKind::Always).without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, false, wanted);
    let running = system.processes().iter().map(|(pid, process)| {
        let id = process.user_id();
        let name = id.and_then(|id| Some(users.as_ref()?.get_user_by_id(id)?.name().to_string()));
        Running {
            pid: pid.as_u32(),
            command: process.cmd().iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            user: name.or_else(|| id.map(|id| id.to_string())).unwrap_or_default(),
        }
    });
    running.filter(|one| !one.command.is_empty()).collect()
}

/// The inodes of the sockets that a program has open. None, where we may not look: it is another user's.
pub fn sockets(pid: u32) -> BTreeSet<u64> {
    let folder = PathBuf::from(format!("/proc/{pid}/fd"));
    let Ok(entries) = std::fs::read_dir(folder) else { return BTreeSet::new() };
    let inode = |path: PathBuf| {
        let link = std::fs::read_link(path).ok()?;
        link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    entries.flatten().take(FILES_MAX).filter_map(|entry| inode(entry.path())).collect()
}

/// The name of the user that we are.
pub fn own_user() -> String {
    let pid = std::process::id();
    list().into_iter().find(|one| one.pid == pid).map(|one| one.user).unwrap_or_default()
}

/// How this program was called, for telling people what to type.
pub fn own_name() -> String {
    std::env::args().next().filter(|name| !name.is_empty()).unwrap_or_else(|| "watchward".to_string())
}
