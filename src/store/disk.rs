//! The store's door to the file system. What can fail for want of room or by a broken device goes through `Disk`, so
//! that tests can make it fail; the rest are plain functions.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::sys::files::{self, Entry, File, Space};

/// What a full or broken disk refuses.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Appends all bytes; one write() unless the system takes fewer.
    ///
    /// # Errors
    /// The system's own.
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()>;

    /// Waits until the file's bytes are on the device.
    ///
    /// # Errors
    /// The system's own.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// The room on the file system that holds a folder.
    ///
    /// # Errors
    /// The system's own.
    fn space(&self, folder: &Path) -> io::Result<Space>;
}

/// The operating system's disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn space(&self, folder: &Path) -> io::Result<Space> {
        files::space(folder)
    }
}

/// What a file of the store's folder is, by its name: `0000000012.block`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Block,
    Log,
    /// Not finished when the process ended.
    Unfinished,
    /// Set aside as damaged.
    Corrupt,
}

/// One file of the store.
#[derive(Clone, Debug)]
pub struct Found {
    pub path: PathBuf,
    pub kind: Kind,
    pub number: u64,
    pub bytes: u64,
}

/// The store's files in a folder by number; files that are not the store's are left out.
///
/// # Errors
/// The system's own.
pub fn list(folder: &Path) -> io::Result<Vec<Found>> {
    let mut found: Vec<Found> = files::entries(folder)?.into_iter().filter_map(recognise).collect();
    found.sort_by_key(|one| one.number);
    Ok(found)
}

/// What a file is to the store, by its name.
fn recognise(Entry { path, bytes }: Entry) -> Option<Found> {
    let mut parts = path.file_name()?.to_str()?.split('.');
    let number = parts.next().and_then(number_of)?;
    let kind = match (parts.next(), parts.next(), parts.next()) {
        (Some("block"), None, None) => Kind::Block,
        (Some("log"), None, None) => Kind::Log,
        (Some("block" | "log"), Some("new"), None) => Kind::Unfinished,
        (Some("block" | "log"), Some("corrupt"), None) => Kind::Corrupt,
        _ => return None,
    };
    Some(Found { path, kind, number, bytes })
}

/// Where a finished file of the store stands.
pub fn path_of(folder: &Path, number: u64, kind: &str) -> PathBuf {
    folder.join(format!("{number:010}.{kind}"))
}

/// Creates an empty file to append to, under the name that says it is not finished.
///
/// # Errors
/// The system's own.
pub fn create_unfinished(finished: &Path) -> io::Result<(File, PathBuf)> {
    let path = with_suffix(finished, "new");
    if let Err(error) = files::remove(&path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    Ok((files::create_to_append(&path)?, path))
}

/// Gives a damaged file the name that sets it aside.
///
/// # Errors
/// The system's own.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = with_suffix(path, "corrupt");
    files::rename(path, &aside)?;
    Ok(aside)
}

/// The number a name begins with; no other digits than `path_of` writes.
fn number_of(stem: &str) -> Option<u64> {
    let number = stem.parse().ok().filter(|number| *number < u64::MAX / 2)?;
    (format!("{number:010}") == stem).then_some(number)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}
