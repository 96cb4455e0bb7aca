//! Reads the files that an ask names, below a root: `proc/net/ snmp snmp6` are two files of one folder. A `*` stands for any
//! characters of one name, in folders and in files; `device@` is where a link leads, as `ls -F` marks it.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::engines::contract::{ANSWER_BYTES_MAX, Answer, Table};
use crate::engines::host::session::threads::Progress;
use crate::model::filter::Glob;
use crate::model::reading::{Unknown, UnknownKind};
use crate::sys::files;

/// The most things that a pattern may stand for: a host of containers has thousands of network devices.
const FOUND_MAX: usize = 5_000;

/// One reading: what it has seen of folders is not looked up again.
struct Reader<'r> {
    root: &'r Path,
    listings: HashMap<PathBuf, Vec<String>>,
    first_error: Option<Unknown>,
}

/// Reads the files of an ask. A file that is missing is left out, as long as there is one.
///
/// # Errors
/// Nothing could be read: the first file's error in the system's words; or all is larger than an answer may be.
pub fn read(root: &Path, ask: &str, progress: &Progress) -> Result<Answer, Unknown> {
    let mut reader = Reader { root, listings: HashMap::new(), first_error: None };
    let mut table = Table { columns: vec!["path".to_string(), "text".to_string()], rows: Vec::new() };
    let mut left = ANSWER_BYTES_MAX;
    for (folder, word) in words(ask) {
        for folder in reader.expand(folder)? {
            if let Some(link) = word.strip_suffix('@') {
                reader.links(&folder, link, &mut table)?;
                continue;
            }
            for path in reader.expand(&join(&folder, word))? {
                progress.now_at(&path);
                match files::read_waiting(&root.join(&path), left) {
                    Ok(bytes) => {
                        left -= bytes.len();
                        // What firmware says of itself is not always text.
                        let text = String::from_utf8(bytes)
                            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
                        table.rows.push(vec![Some(path), Some(text)]);
                    }
                    Err(error) if is_too_large(&error) => {
                        return Err(Unknown::new(UnknownKind::TooLarge, format!("{path}: {error}")));
                    }
                    Err(error) => reader.note(&path, &error),
                }
            }
        }
    }
    match reader.first_error {
        Some(error) if table.rows.is_empty() => Err(error),
        _ => Ok(Answer::Table(table)),
    }
}

/// Whether any of the files that an ask names is there.
pub fn is_there(root: &Path, ask: &str) -> bool {
    let mut reader = Reader { root, listings: HashMap::new(), first_error: None };
    words(ask).filter(|(_, word)| !word.ends_with('@')).any(|(folder, word)| {
        let found = reader.expand(&join(folder, word)).unwrap_or_default();
        found.iter().any(|path| files::exists(&root.join(path)))
    })
}

/// Each file's pattern with that of its folder.
fn words(ask: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut folder = "";
    ask.split_whitespace().filter_map(move |word| {
        if let Some(pattern) = word.strip_suffix('/') {
            folder = pattern;
            return None;
        }
        Some((folder, word))
    })
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") }
}

impl Reader<'_> {
    fn note(&mut self, path: &str, error: &io::Error) {
        self.first_error.get_or_insert_with(|| unknown(path, error));
    }

    /// The paths that a pattern stands for. A folder that is not there holds none.
    fn expand(&mut self, pattern: &str) -> Result<Vec<String>, Unknown> {
        let mut found = vec![String::new()];
        for part in pattern.split('/') {
            if !part.contains('*') {
                found.iter_mut().for_each(|path| *path = join(path, part));
                continue;
            }
            let glob = Glob::new(part);
            let mut next = Vec::new();
            for folder in &found {
                let listing = match self.listings.get(Path::new(folder)) {
                    Some(listing) => listing,
                    None => {
                        let names = files::names(&self.root.join(folder)).unwrap_or_else(|error| {
                            self.first_error.get_or_insert_with(|| unknown(&join(folder, part), &error));
                            Vec::new()
                        });
                        self.listings.entry(PathBuf::from(folder)).or_insert(names)
                    }
                };
                next.extend(listing.iter().filter(|name| glob.fits(name)).map(|name| join(folder, name)));
                if next.len() > FOUND_MAX {
                    let what = format!("{pattern} stands for more than {FOUND_MAX} things");
                    return Err(Unknown::new(UnknownKind::TooLarge, what));
                }
            }
            found = next;
        }
        Ok(found)
    }

    /// Where links lead, seen from the root.
    fn links(&mut self, folder: &str, pattern: &str, table: &mut Table) -> Result<(), Unknown> {
        let root = files::follow(self.root).unwrap_or_else(|_| self.root.to_path_buf());
        for path in self.expand(&join(folder, pattern))? {
            let Ok(target) = files::follow(&self.root.join(&path)) else { continue };
            let target = target.strip_prefix(&root).unwrap_or(&target).display().to_string();
            table.rows.push(vec![Some(format!("{path}@")), Some(target)]);
        }
        Ok(())
    }
}

fn is_too_large(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData && error.to_string().contains("larger")
}

fn unknown(path: &str, error: &io::Error) -> Unknown {
    let kind = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => UnknownKind::NotHere,
        io::ErrorKind::PermissionDenied => UnknownKind::Privilege,
        _ => UnknownKind::Refused,
    };
    Unknown::new(kind, format!("{path}: {error}"))
}
