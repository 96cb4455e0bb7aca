//! File systems: each is asked on a thread that may hang for good. One that hangs is reported as an error of its device,
//! is not asked again before its call came back, and delays nobody but for `PATIENCE`, once.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::engines::contract::{ANSWER_BYTES_MAX, Answer, Table};
use crate::engines::host::monitor::filesystem::{Mount, parse_mounts};
use crate::model::reading::{Unknown, UnknownKind};
use crate::sys::files::{self, FileSystem};
use crate::sys::task;

/// How long a file system may take to answer before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(1);

/// The most calls that may hang at once; further file systems then go unasked.
const HUNG_MAX: usize = 64;

/// What asks one file system. A parameter, so that tests can have one that hangs.
pub type Probe = fn(&Path) -> io::Result<FileSystem>;

/// The file systems that hang.
pub struct Mounts {
    hung: Arc<Mutex<BTreeSet<PathBuf>>>,
    probe: Probe,
}

impl Default for Mounts {
    fn default() -> Mounts {
        Mounts::asking(files::file_system)
    }
}

fn lock(hung: &Mutex<BTreeSet<PathBuf>>) -> MutexGuard<'_, BTreeSet<PathBuf>> {
    hung.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mounts {
    pub fn asking(probe: Probe) -> Mounts {
        Mounts { hung: Arc::default(), probe }
    }

    /// How many file systems hang now.
    pub fn hung(&self) -> usize {
        lock(&self.hung).len()
    }

    /// Every mounted file system that is not left out by its type or place, with its figures or its error.
    ///
    /// # Errors
    /// The list of mounts cannot be read.
    pub async fn ask(&self, root: &Path, budget: Duration) -> Result<Answer, Unknown> {
        let list = root.to_path_buf();
        let listed = task::blocking("host mounts", move || read_mounts(&list)).await;
        let mounts = listed.map_err(|panic| Unknown::new(UnknownKind::Refused, panic))??;
        let outcomes = self.probe_all(root, &mounts, budget).await;
        // A sidecar's root shows some of the host's mounts; what is not below it is not ours to judge.
        let is_elsewhere = |outcome: &Outcome| root != Path::new("/") && outcome.as_ref() == Err(&not_there());
        let seen = mounts.iter().zip(&outcomes).filter(|(_, outcome)| !is_elsewhere(outcome));
        let rows = seen.map(|(mount, outcome)| row(mount, outcome)).collect();
        Ok(Answer::Table(Table { columns: COLUMNS.iter().map(ToString::to_string).collect(), rows }))
    }

    async fn probe_all(&self, root: &Path, mounts: &[Mount], budget: Duration) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = vec![Err(HANGS.to_string()); mounts.len()];
        let path = |at: usize| root.join(mounts[at].point.trim_start_matches('/'));
        let mut waiting: Vec<usize> = (0..mounts.len()).filter(|at| !lock(&self.hung).contains(&path(*at))).collect();
        let patience = PATIENCE.min(budget / 4);
        let mut spent = Duration::ZERO;
        while let Some(first) = waiting.first().copied() {
            // At most half of the budget goes to waiting, so that the answer still arrives within it.
            if spent + patience > budget / 2 || self.hung() >= HUNG_MAX {
                break;
            }
            let (sender, mut answers) = mpsc::unbounded_channel(); // at most one answer per mount
            let asked: Vec<(usize, PathBuf)> = waiting.iter().map(|at| (*at, path(*at))).collect();
            if let Err(error) = self.start(asked, sender) {
                return vec![Err(format!("no thread to ask it: {error}")); mounts.len()];
            }
            let mut expected = first;
            while let Ok(Some((at, outcome))) = tokio::time::timeout(patience, answers.recv()).await {
                outcomes[at] = outcome;
                waiting.retain(|one| *one != at);
                let Some(next) = waiting.first().copied() else { return outcomes };
                expected = next;
            }
            // The thread hangs on this one. It is left to itself; another asks the rest.
            spent += patience;
            waiting.retain(|one| *one != expected);
        }
        outcomes
    }

    /// Asks one after the other on a thread of its own. A path stands in `hung` while its call is under way.
    fn start(&self, paths: Vec<(usize, PathBuf)>, sender: mpsc::UnboundedSender<(usize, Outcome)>) -> io::Result<()> {
        let (hung, probe) = (self.hung.clone(), self.probe);
        let work = move || {
            for (at, path) in paths {
                lock(&hung).insert(path.clone());
                let outcome = probe(&path).map_err(|error| words(&error));
                lock(&hung).remove(&path);
                if sender.send((at, outcome)).is_err() {
                    return; // nobody waits any more: this call was the one that hung
                }
            }
        };
        task::thread("host mounts", work).map(|_| ())
    }
}

type Outcome = Result<FileSystem, String>;

/// What the label `device_error` says of a file system that does not answer.
const HANGS: &str = "the file system does not answer";

/// The system's words without the number that follows them.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or("").to_lowercase()
}

fn not_there() -> String {
    const ENOENT: i32 = 2;
    words(&io::Error::from_raw_os_error(ENOENT))
}

/// Of the answer; the row's metrics name them.
const COLUMNS: &[&str] = &[
    "device",
    "mountpoint",
    "fstype",
    "device_error",
    "error",
    "size",
    "free",
    "avail",
    "files",
    "files_free",
    "readonly",
];

fn row(mount: &Mount, outcome: &Outcome) -> Vec<Option<String>> {
    let mut row = vec![Some(mount.device.clone()), Some(mount.point.clone()), Some(mount.kind.clone())];
    match outcome {
        Ok(seen) => {
            row.extend([Some(String::new()), Some("0".to_string())]);
            let bytes = |blocks: u64| Some((blocks as f64 * seen.block_bytes as f64).to_string());
            row.extend([bytes(seen.blocks), bytes(seen.blocks_free), bytes(seen.blocks_available)]);
            row.extend([seen.files, seen.files_free].map(|count| Some(count.to_string())));
        }
        Err(error) => {
            row.extend([Some(error.clone()), Some("1".to_string())]);
            row.extend([None, None, None, None, None]);
        }
    }
    // As the first process sees it: a service that may write nowhere, or a container, has everything read-only.
    row.push(Some(u8::from(mount.read_only).to_string()));
    row
}

/// The mounts of the first process, who sees them all; in a tree without it, our own.
fn read_mounts(root: &Path) -> Result<Vec<Mount>, Unknown> {
    let read = |name: &str| files::read_text(&root.join(name), ANSWER_BYTES_MAX);
    let text = read("proc/1/mounts").or_else(|_| read("proc/self/mounts")).map_err(|error| {
        Unknown::new(UnknownKind::Missing, format!("neither proc/1/mounts nor proc/self/mounts can be read: {error}"))
    })?;
    Ok(parse_mounts(&text))
}
