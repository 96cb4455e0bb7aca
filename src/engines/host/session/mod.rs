//! A session with the host: reads the files a row names. `proc/net/ snmp snmp6` are two files of one folder, and
//! `sys/class/net/*/ mtu speed` two of each folder that fits; `@mounts` and `@clock` are asked of the system.

pub mod mounts;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::engines::contract::{ANSWER_BYTES_MAX, Answer, Ask, Facts, Row, Session, Table, Task};
use crate::engines::host::session::mounts::Mounts;
use crate::model::fault::Fault;
use crate::model::reading::{Unknown, UnknownKind};
use crate::sys::clock;
use crate::sys::files;
use crate::sys::task;

/// The most folders that a pattern's `*` may stand for: a host of containers has thousands of network devices.
const FOLDERS_MAX: usize = 5_000;

/// A session needs no connection: what it keeps is the root, and the file systems that hang.
pub struct HostSession {
    root: PathBuf,
    facts: Facts,
    mounts: Arc<Mounts>,
}

impl HostSession {
    pub fn new(root: PathBuf) -> HostSession {
        HostSession { root, facts: Facts::default(), mounts: Arc::new(Mounts::default()) }
    }
}

impl Session for HostSession {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn probe(&mut self) -> Task<'_, Result<(), Fault>> {
        Box::pin(async move {
            let root = self.root.clone();
            let looked = task::blocking("host probe", move || look(&root)).await;
            self.facts = looked.map_err(|panic| Fault::new("host-02", panic))??;
            Ok(())
        })
    }

    fn ask<'a>(&'a mut self, row: &'a Row, budget: Duration) -> Task<'a, Result<Answer, Unknown>> {
        let text = match row.ask {
            Ask::Text(text) => text.to_string(),
            Ask::Own(own) => own(&self.facts),
        };
        Box::pin(async move {
            match text.as_str() {
                "@clock" => Ok(Answer::Text(clock::system_ms().to_string())),
                "@mounts" => self.mounts.ask(&self.root, budget).await,
                _ => {
                    let root = self.root.clone();
                    let read = task::blocking("host files", move || read(&root, &text)).await;
                    read.map_err(|panic| Unknown::new(UnknownKind::Refused, panic))?
                }
            }
        })
    }

    fn is_broken(&self) -> bool {
        false
    }
}

/// Proves that there is a proc/, and learns the kernel's version.
fn look(root: &Path) -> Result<Facts, Fault> {
    let path = root.join("proc/loadavg");
    files::read(&path, ANSWER_BYTES_MAX).map_err(|error| {
        Fault::new("host-01", format!("cannot read {}: {error}", path.display()))
            .hint("Is this the folder that has the host's proc/ and sys/?")
    })?;
    // A recorded tree may lack it; then the version is not known.
    let version_text = files::read_text(&root.join("proc/sys/kernel/osrelease"), ANSWER_BYTES_MAX).unwrap_or_default();
    let version_text = version_text.trim().to_string();
    let mut parts = version_text.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    Ok(Facts { version, version_text, role: "host".to_string(), ..Facts::default() })
}

/// Reads the files that an ask names. A file that is missing is left out, as long as there is one.
///
/// # Errors
/// Nothing could be read: the first file's error in the system's words; or all is larger than an answer may be.
pub fn read(root: &Path, ask: &str) -> Result<Answer, Unknown> {
    let mut folders = vec![PathBuf::new()];
    let mut table = Table { columns: vec!["path".to_string(), "text".to_string()], rows: Vec::new() };
    let mut first_error = None;
    let mut left = ANSWER_BYTES_MAX;
    for word in ask.split_whitespace() {
        if let Some(pattern) = word.strip_suffix('/') {
            folders = expand(root, pattern)?;
            continue;
        }
        for folder in &folders {
            let path = folder.join(word);
            match files::read_text(&root.join(&path), left) {
                Ok(text) => {
                    left -= text.len();
                    table.rows.push(vec![Some(path.display().to_string()), Some(text)]);
                }
                Err(error) if is_too_large(&error) => {
                    return Err(Unknown::new(UnknownKind::TooLarge, format!("{}: {error}", path.display())));
                }
                Err(error) => {
                    first_error.get_or_insert_with(|| unknown(&path, &error));
                }
            }
        }
    }
    match first_error {
        Some(error) if table.rows.is_empty() => Err(error),
        _ => Ok(Answer::Table(table)),
    }
}

fn is_too_large(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData && error.to_string().contains("larger")
}

fn unknown(path: &Path, error: &io::Error) -> Unknown {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => UnknownKind::NotHere,
        io::ErrorKind::PermissionDenied => UnknownKind::Privilege,
        _ => UnknownKind::Refused,
    };
    Unknown::new(kind, format!("{}: {error}", path.display()))
}

/// The folders, below the root, that a pattern with `*` in its last part stands for.
fn expand(root: &Path, pattern: &str) -> Result<Vec<PathBuf>, Unknown> {
    let found = files::expand(&root.join(pattern)).map_err(|error| unknown(Path::new(pattern), &error))?;
    if found.len() > FOLDERS_MAX {
        let what = format!("{pattern} stands for {} folders, more than {FOLDERS_MAX}", found.len());
        return Err(Unknown::new(UnknownKind::TooLarge, what));
    }
    Ok(found.iter().filter_map(|path| path.strip_prefix(root).ok()).map(Path::to_path_buf).collect())
}
