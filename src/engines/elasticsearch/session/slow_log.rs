//! Reads the slow logs of a server on this machine as they grow: a bounded part at a time, from where they ended when the session
//! began, through rotation and truncation. Nothing but plain files is opened, and no link followed.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, TryLockError};

use serde_json::json;

use crate::engines::contract::{Answer, STATEMENT_CHARS_MAX};
use crate::engines::elasticsearch::monitor::slow_log::{Sums, parse};
use crate::model::fault::Fault;
use crate::model::filter::Glob;
use crate::model::reading::{Unknown, UnknownKind};
use crate::sys::{files, task};

/// The most that one reading takes from all files, in bytes.
const READING_BYTES_MAX: u64 = 1 << 20;

/// The most that one reading takes from one file; a line that is longer is passed over.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// A file that is further ahead than this is not caught up with: what is old is passed over.
const BACKLOG_BYTES_MAX: u64 = 8 << 20;

/// The most files that the patterns may stand for.
const FILES_MAX: usize = 20;

/// How far back the text of a statement is looked for, in each file.
const TEXT_BYTES_MAX: u64 = 2 << 20;

/// The slow logs of one target.
#[derive(Clone)]
pub struct SlowLogs {
    patterns: Vec<PathBuf>,
    tail: Arc<Mutex<Tail>>,
}

/// Where reading goes on, and what was read so far.
#[derive(Default)]
struct Tail {
    places: HashMap<files::Identity, Place>,
    has_begun: bool,
    sums: Sums,
    unread: u64,
    files: usize,
}

struct Place {
    file: files::File,
    offset: u64,
    /// What is read next begins within a line that is passed over.
    is_within: bool,
}

impl SlowLogs {
    pub fn new(patterns: &[PathBuf]) -> SlowLogs {
        SlowLogs { patterns: patterns.to_vec(), tail: Arc::default() }
    }

    pub fn are_named(&self) -> bool {
        !self.patterns.is_empty()
    }

    /// Reads what came since the last time, and gives all that was summed up since the first.
    ///
    /// # Errors
    /// No file can be read: the first one's error, and what to do. Where some can, the answer is partial.
    pub async fn read(&self) -> Result<Answer, Unknown> {
        let this = self.clone();
        let read = task::blocking("slow log", move || {
            // A file system that hangs keeps its thread; nobody waits for it a second time.
            let mut tail = match this.tail.try_lock() {
                Ok(tail) => tail,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {
                    let why = "the files of the slow log do not answer: the last reading still waits for them";
                    return Err(Unknown::new(UnknownKind::Deadline, why));
                }
            };
            tail.read(&this.patterns)
        });
        read.await.unwrap_or_else(|panic| Err(Unknown::new(UnknownKind::Garbled, format!("panic: {panic}"))))
    }

    /// How reading went so far.
    pub fn reading(&self) -> Answer {
        let tail = match self.tail.try_lock() {
            Ok(tail) => tail,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Answer::Json(json!({})),
        };
        let (lines, unparsed) = (tail.sums.lines, tail.sums.unparsed);
        Answer::Json(json!({ "files": tail.files, "lines": lines, "unparsed": unparsed, "unread": tail.unread }))
    }

    /// The text of a kind of query, looked for in what was logged last.
    ///
    /// # Errors
    /// `elasticsearch-41` to `-43`: no such id can be, no slow log is named, or none can be read.
    pub async fn text(&self, id: &str) -> Result<Option<String>, Fault> {
        if id.len() != 16 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Fault::new("elasticsearch-41", format!("'{id}' is no hash of a query"))
                .hint("It has sixteen hexadecimal digits: the label query_hash of the statement's series."));
        }
        if !self.are_named() {
            return Err(Fault::new("elasticsearch-42", "this target names no slow log, from which texts are read")
                .hint("Where the server is on this machine, name its files: slow_log = [\"/var/log/elasticsearch/*_slowlog.json\"]."));
        }
        let (patterns, id) = (self.patterns.clone(), id.to_string());
        let found = task::blocking("slow log", move || look_for(&patterns, &id)).await;
        let found = found.unwrap_or_else(|panic| Err(Unknown::new(UnknownKind::Garbled, panic)));
        found.map_err(|unknown| Fault::new("elasticsearch-43", format!("no slow log to read: {}", unknown.reason)))
    }
}

impl Tail {
    fn read(&mut self, patterns: &[PathBuf]) -> Result<Answer, Unknown> {
        let mut trouble = Trouble::default();
        let found = open_all(patterns, &mut trouble);
        self.files = found.len();
        let mut here = HashSet::new();
        for (identity, file, bytes) in found {
            here.insert(identity);
            // What was there before the session is not told again; what came later is read from its beginning.
            let offset = if self.has_begun { 0 } else { bytes };
            self.places.entry(identity).or_insert(Place { file, offset, is_within: false });
        }
        // A file that is not there yet is read from its beginning once it is; one that may not be read is perhaps old.
        self.has_begun |= !here.is_empty() || !trouble.is_hidden;
        let mut first_error = trouble.first;
        if here.is_empty() && first_error.is_some() && self.places.is_empty() {
            return Err(first_error.unwrap_or_else(nothing));
        }
        let mut left = READING_BYTES_MAX;
        let mut text = Vec::new();
        for place in self.places.values_mut() {
            match place.read(left.min(FILE_BYTES_MAX), &mut self.unread) {
                Ok(bytes) => {
                    left = left.saturating_sub(bytes.len() as u64);
                    text.extend(bytes);
                }
                Err(error) => {
                    let why = format!("a file of the slow log cannot be read: {error}");
                    first_error.get_or_insert(Unknown::new(UnknownKind::Refused, why));
                }
            }
        }
        // One that was rotated away is read to its end, and then let go.
        self.places.retain(|identity, place| here.contains(identity) || !place.is_at_end());
        self.sums.add(String::from_utf8_lossy(&text).lines());
        let table = self.sums.table();
        Ok(match first_error {
            Some(unknown) => Answer::Partial(table, unknown),
            None => Answer::Table(table),
        })
    }
}

impl Place {
    /// The whole lines that follow, at most so many bytes.
    fn read(&mut self, bytes_max: u64, unread: &mut u64) -> io::Result<Vec<u8>> {
        let size = files::size(&self.file)?;
        if size < self.offset {
            (self.offset, self.is_within) = (0, false); // it was truncated, and begins anew
        }
        if size - self.offset > BACKLOG_BYTES_MAX {
            let passed = size - self.offset - FILE_BYTES_MAX;
            *unread += passed;
            self.offset += passed;
            self.is_within = true;
        }
        let mut bytes = files::read_part(&self.file, self.offset, bytes_max.min(size - self.offset))?;
        let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') else {
            // The end of a line that is being written is waited for; one that never ends is passed over.
            if bytes.len() as u64 >= FILE_BYTES_MAX {
                *unread += bytes.len() as u64;
                self.offset += bytes.len() as u64;
                self.is_within = true;
            }
            return Ok(Vec::new());
        };
        bytes.truncate(last + 1);
        self.offset += bytes.len() as u64;
        if std::mem::take(&mut self.is_within) {
            let rest = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
            *unread += rest as u64;
            bytes.drain(..rest);
        }
        Ok(bytes)
    }

    fn is_at_end(&self) -> bool {
        files::size(&self.file).is_ok_and(|size| size <= self.offset)
    }
}

/// The text of a kind of query, from the newest lines on.
fn look_for(patterns: &[PathBuf], id: &str) -> Result<Option<String>, Unknown> {
    let mut trouble = Trouble::default();
    let all = open_all(patterns, &mut trouble);
    if all.is_empty() {
        return Err(trouble.first.unwrap_or_else(nothing));
    }
    for (_, file, size) in all {
        let begin = size.saturating_sub(TEXT_BYTES_MAX);
        let Ok(bytes) = files::read_part(&file, begin, size - begin) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let found = text.lines().rev().filter_map(parse).find(|entry| entry.hash() == id);
        if let Some(entry) = found {
            return Ok(Some(entry.text.chars().take(STATEMENT_CHARS_MAX).collect()));
        }
    }
    Ok(None)
}

fn nothing() -> Unknown {
    Unknown::new(UnknownKind::Missing, "no file of the slow log is there")
}

/// What stood in the way of files.
#[derive(Default)]
struct Trouble {
    first: Option<Unknown>,
    /// There may be files that were not seen.
    is_hidden: bool,
}

impl Trouble {
    fn refused(&mut self, path: &Path, error: &io::Error) {
        self.is_hidden |= error.kind() != io::ErrorKind::NotFound;
        self.first.get_or_insert_with(|| refused(path, error));
    }
}

/// Opens what the patterns stand for: plain files, each once, with their size.
fn open_all(patterns: &[PathBuf], trouble: &mut Trouble) -> Vec<(files::Identity, files::File, u64)> {
    let mut found: Vec<(files::Identity, files::File, u64)> = Vec::new();
    for pattern in patterns {
        let paths = match expand(pattern) {
            Ok(paths) => paths,
            Err(error) => {
                trouble.refused(pattern, &error);
                continue;
            }
        };
        if paths.is_empty() {
            let why = format!("no file fits {}; is it this server's, and is its slow log written?", pattern.display());
            trouble.first.get_or_insert(Unknown::new(UnknownKind::Missing, why));
        }
        for path in paths.iter().take(FILES_MAX.saturating_sub(found.len())) {
            match files::open_plain(path) {
                Ok((identity, ..)) if found.iter().any(|(known, ..)| *known == identity) => {}
                Ok(opened) => found.push(opened),
                Err(error) => trouble.refused(path, &error),
            }
        }
    }
    found
}

fn refused(path: &Path, error: &io::Error) -> Unknown {
    let remedy = match error.kind() {
        io::ErrorKind::PermissionDenied => "let the agent's user read it: add the user to the group that owns the file",
        io::ErrorKind::NotFound => "is it this server's folder of logs, and on this machine?",
        _ => "is it the file that was meant?",
    };
    Unknown::new(UnknownKind::Refused, format!("{}: {error}; {remedy}", path.display()))
}

/// The files of a pattern; wildcards stand in the file's name only.
fn expand(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let name = pattern.file_name().and_then(|name| name.to_str()).unwrap_or("");
    let folder = pattern.parent().unwrap_or(Path::new("/"));
    if !name.contains(['*', '?']) {
        return Ok(vec![pattern.to_path_buf()]);
    }
    let glob = Glob::new(name);
    let names = files::names(folder)?;
    Ok(names.iter().filter(|name| glob.fits(name)).map(|name| folder.join(name)).collect())
}
