//! A session with the host: reads the files a row names (`reader`), or what the session itself finds out: `@mounts`, `@clock`,
//! `@timex`, `@groups` of processes, `@processes`, `@units` of systemd, and `@cgroups` with the files to read of each.

pub mod mounts;
pub mod processes;
pub mod reader;
pub mod systemd;
pub mod threads;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::engines::contract::{ANSWER_BYTES_MAX, Answer, Ask, Facts, Row, Session, Table, Task};
use crate::engines::host::monitor::rows::ROWS;
use crate::engines::host::session::mounts::Mounts;
use crate::engines::host::session::processes::Groups;
use crate::engines::host::session::threads::Threads;
use crate::model::fault::Fault;
use crate::model::reading::{Unknown, UnknownKind};
use crate::sys::clock;
use crate::sys::files;
use crate::sys::timex;

/// What the host has is looked for when a session begins, and again every so many cycles: hardware comes and goes.
const LOOK_EVERY: u64 = 40;

/// How long a look may take.
const LOOK_BUDGET: Duration = Duration::from_secs(8);

/// The most control groups that are read.
const CONTROL_GROUPS_MAX: usize = 64;

/// A session needs no connection: what it keeps is the root, what hangs, and what it knows of processes.
pub struct HostSession {
    root: PathBuf,
    facts: Facts,
    probes: u64,
    mounts: Arc<Mounts>,
    threads: Threads,
    groups: Arc<Mutex<Groups>>,
}

impl HostSession {
    pub fn new(root: PathBuf) -> HostSession {
        HostSession {
            root,
            facts: Facts::default(),
            probes: 0,
            mounts: Arc::default(),
            threads: Threads::default(),
            groups: Arc::default(),
        }
    }

    /// How many rows' readings hang.
    pub fn hung(&self) -> usize {
        self.threads.hung()
    }

    /// The ask of a row with the control groups that are read put in: our own root, and those of databases.
    fn control_groups(&self, files: &str) -> String {
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let all = std::iter::once("").chain(groups.control_groups()).take(CONTROL_GROUPS_MAX);
        all.map(|group| format!("sys/fs/cgroup{group}/ {files} ")).collect()
    }
}

impl Session for HostSession {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn probe(&mut self) -> Task<'_, Result<(), Fault>> {
        Box::pin(async move {
            let looks = self.probes.is_multiple_of(LOOK_EVERY);
            self.probes += 1;
            let root = self.root.clone();
            let looked = self.threads.run("probe", LOOK_BUDGET, move |_| look(&root, looks)).await;
            let facts = looked.map_err(|unknown| Fault::new("host-02", unknown.reason))??;
            if looks {
                self.facts = facts;
            }
            Ok(())
        })
    }

    fn ask<'a>(&'a mut self, row: &'a Row, budget: Duration) -> Task<'a, Result<Answer, Unknown>> {
        let text = match row.ask {
            Ask::Text(text) => text.to_string(),
            Ask::Own(own) => own(&self.facts),
        };
        let name = row.name;
        Box::pin(async move {
            let root = self.root.clone();
            let (what, rest) = text.split_once(' ').unwrap_or((&text, ""));
            match what {
                "@clock" => Ok(Answer::Text(clock::system_ms().to_string())),
                "@timex" => discipline(),
                "@mounts" => self.mounts.ask(&self.root, budget).await,
                "@units" => match tokio::time::timeout(budget / 2, systemd::units(&root)).await {
                    Ok(units) => units,
                    Err(_) => Err(Unknown::new(UnknownKind::Deadline, "systemd does not answer")),
                },
                "@groups" => {
                    let groups = self.groups.clone();
                    let walk = move |progress: &threads::Progress| {
                        groups.lock().unwrap_or_else(PoisonError::into_inner).walk(&root, progress)
                    };
                    self.threads.run(name, budget, walk).await?
                }
                "@processes" => {
                    self.threads.run(name, budget, move |progress| processes::count(&root, progress)).await?
                }
                "@cgroups" => {
                    let text = self.control_groups(rest);
                    self.threads.run(name, budget, move |progress| reader::read(&root, &text, progress)).await?
                }
                _ => self.threads.run(name, budget, move |progress| reader::read(&root, &text, progress)).await?,
            }
        })
    }

    fn is_broken(&self) -> bool {
        false
    }
}

/// Proves that there is a proc/; if it `looks`, learns the kernel's version and which rows' files are there.
fn look(root: &Path, looks: bool) -> Result<Facts, Fault> {
    let path = root.join("proc/loadavg");
    files::read(&path, ANSWER_BYTES_MAX).map_err(|error| {
        Fault::new("host-01", format!("cannot read {}: {error}", path.display()))
            .hint("Is this the folder that has the host's proc/ and sys/?")
    })?;
    if !looks {
        return Ok(Facts::default());
    }
    // A recorded tree may lack it; then the version is not known.
    let version_text = files::read_text(&root.join("proc/sys/kernel/osrelease"), ANSWER_BYTES_MAX).unwrap_or_default();
    let version_text = version_text.trim().to_string();
    let mut parts = version_text.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    Ok(Facts { version, version_text, role: "host".to_string(), capabilities: capabilities(root), ..Facts::default() })
}

/// The rows whose files are there: a row names itself in `only`, so that a host that lacks something is not asked for it.
fn capabilities(root: &Path) -> BTreeSet<&'static str> {
    let is_there = |row: &&Row| match row.ask {
        Ask::Text(text) => reader::is_there(root, &text.replace("@cgroups ", "sys/fs/cgroup/ ").replace("@units ", "")),
        Ask::Own(_) => true,
    };
    ROWS.iter().filter(is_there).flat_map(|row| row.only.iter().copied()).collect()
}

/// What adjtimex(2) says, as a table of one line.
fn discipline() -> Result<Answer, Unknown> {
    let seen = timex::discipline().map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::PermissionDenied => UnknownKind::Privilege,
            std::io::ErrorKind::Unsupported => UnknownKind::NotHere,
            _ => UnknownKind::Refused,
        };
        Unknown::new(kind, format!("adjtimex: {error}"))
    })?;
    let mut table = Table { columns: vec!["sync_status".to_string()], rows: Vec::new() };
    let mut row = vec![Some(u8::from(seen.is_synchronized).to_string())];
    for (name, value) in seen.fields {
        table.columns.push(name.to_string());
        row.push(Some(value.to_string()));
    }
    table.rows.push(row);
    Ok(Answer::Table(table))
}
