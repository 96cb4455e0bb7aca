//! Files: bounded reads, atomic writes, locks, free space.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock, statvfs};

/// An open file. Whoever holds one was given it by this module.
pub type File = fs::File;

/// A file of a folder, with its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub path: PathBuf,
    pub bytes: u64,
}

/// The files of a folder, without its folders.
///
/// # Errors
/// As the system says.
pub fn entries(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            found.push(Entry { path: entry.path(), bytes: metadata.len() });
        }
    }
    Ok(found)
}

/// The names of what is in a folder, sorted; those that are not text are left out.
///
/// # Errors
/// As the system says.
pub fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// How many things are in a folder.
///
/// # Errors
/// As the system says.
pub fn count(folder: &Path) -> io::Result<usize> {
    Ok(fs::read_dir(folder)?.count())
}

/// Where a path leads once all links are followed.
///
/// # Errors
/// As the system says.
pub fn follow(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(path)
}

/// Whether something is there.
pub fn exists(path: &Path) -> bool {
    fs::metadata(path).is_ok()
}

/// Opens a file to read it.
///
/// # Errors
/// As the system says.
pub fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Opens a file to read it and to append to it.
///
/// # Errors
/// As the system says.
pub fn open_to_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).open(path)
}

/// Makes a file that was not there, to read it and to append to it.
///
/// # Errors
/// As the system says.
pub fn create_to_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create_new(true).read(true).append(true).open(path)
}

/// Makes a file that was not there, which its owner alone may read, with this content.
///
/// # Errors
/// As the system says; a file that could not be written whole is removed.
pub fn create_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path); // what went wrong with the writing is what counts
    }
    written
}

/// Lets a group read a file beside its owner, and nobody else.
///
/// # Errors
/// As the system says.
pub fn let_group_read(path: &Path, group_id: u32) -> io::Result<()> {
    chown(path, None, Some(group_id))?;
    fs::set_permissions(path, Permissions::from_mode(0o640))
}

/// A path from the root on, whatever the working folder is later.
///
/// # Errors
/// As the system says.
pub fn absolute(path: &Path) -> io::Result<PathBuf> {
    std::path::absolute(path)
}

/// Removes a file.
///
/// # Errors
/// As the system says.
pub fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// Gives a file another name, in place of any file that has it.
///
/// # Errors
/// As the system says.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// Reads a whole file of at most `bytes_max`. A pipe is none: whoever opens it waits for a writer, maybe for good.
///
/// # Errors
/// As the system says; or `InvalidData` where it is larger, `InvalidInput` where it is a pipe.
pub fn read(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let unwaiting = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(unwaiting).open(path)?;
    if file.metadata()?.file_type().is_fifo() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a pipe, not a file"));
    }
    whole(file, bytes_max)
}

/// Reads as `read` does, whatever it is, and waits for it: for threads that may hang.
///
/// # Errors
/// As the system says; or `InvalidData` where it is larger.
pub fn read_waiting(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    whole(fs::File::open(path)?, bytes_max)
}

/// What tells a file from all others, whatever its name: the device and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity(u64, u64);

/// Opens a plain file to read it, with its identity and its size. A link is not followed, and nothing else opened: no pipe,
/// no device.
///
/// # Errors
/// As the system says; or `InvalidInput` where it is no plain file.
pub fn open_plain(path: &Path) -> io::Result<(Identity, File, u64)> {
    let no_plain_file = || io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file");
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let is_link = |error: &io::Error| error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    let file = opened.map_err(|error| if is_link(&error) { no_plain_file() } else { error })?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(no_plain_file());
    }
    Ok((Identity(found.dev(), found.ino()), file, found.len()))
}

/// How large an open file is now, in bytes.
///
/// # Errors
/// As the system says.
pub fn size(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.len())
}

/// Reads a part of an open file: at most so many bytes from a place on, and less at its end.
///
/// # Errors
/// As the system says.
pub fn read_part(mut file: &File, offset: u64, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(io::SeekFrom::Start(offset))?;
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn whole(file: fs::File, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is larger than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// Reads a whole text file of at most `bytes_max`.
///
/// # Errors
/// As `read`; or `InvalidData` where it is not UTF-8.
pub fn read_text(path: &Path, bytes_max: usize) -> io::Result<String> {
    String::from_utf8(read(path, bytes_max)?).map_err(|error| {
        let sound = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = sound.iter().filter(|byte| **byte == b'\n').count() + 1;
        io::Error::new(io::ErrorKind::InvalidData, format!("it is not UTF-8 text, in line {line}"))
    })
}

/// The question to ask about a file that could not be read.
pub fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => "Is it the file that was meant?",
        _ => "Does the file exist, and may the agent's user read it?",
    }
}

/// Replaces a file: written beside, synced, renamed, the folder synced. Readers see the old or the new, never a part.
///
/// # Errors
/// As the system says; the old file then stands.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_folder(path.parent().unwrap_or(Path::new("/")))
}

/// Makes renames and new names in a folder durable.
///
/// # Errors
/// As the system says.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// A lock on a folder, held as long as this value lives; the system frees it when the process dies.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock `name` in a folder, or says that another process has it (`Ok(None)`).
    ///
    /// # Errors
    /// As the system says.
    pub fn take(folder: &Path, name: &str) -> io::Result<Option<FolderLock>> {
        let path = folder.join(name);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // For people who look; the lock itself is the system's, and holds where the disk is full.
                let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
                Ok(Some(FolderLock { _file: file }))
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Room on a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub size: u64,
    /// For ordinary users, without what is kept for root.
    pub available: u64,
}

/// The room on the file system of a path.
///
/// # Errors
/// As the system says.
pub fn space(path: &Path) -> io::Result<Space> {
    let seen = statvfs(path)?;
    Ok(Space { size: seen.f_blocks * seen.f_frsize, available: seen.f_bavail * seen.f_frsize })
}

/// What a file system says of itself. Counts of blocks are in units of `block_bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem {
    pub block_bytes: u64,
    pub blocks: u64,
    pub blocks_free: u64,
    /// For ordinary users, without what is kept for root.
    pub blocks_available: u64,
    pub files: u64,
    pub files_free: u64,
}

/// Asks the file system of a path. May hang for good where its server is gone.
///
/// # Errors
/// As the system says.
pub fn file_system(path: &Path) -> io::Result<FileSystem> {
    let seen = statvfs(path)?;
    Ok(FileSystem {
        block_bytes: seen.f_bsize, // the kernel counts in these, whatever POSIX says of f_frsize
        blocks: seen.f_blocks,
        blocks_free: seen.f_bfree,
        blocks_available: seen.f_bavail,
        files: seen.f_files,
        files_free: seen.f_ffree,
    })
}

/// Makes a folder and its parents, the last with this mode.
///
/// # Errors
/// As the system says.
pub fn make_folder(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::DirBuilder::new().mode(mode).create(path)
}

/// Whether there is something of this name, be it only a link that leads nowhere or what may not be looked at.
pub fn is_there(path: &Path) -> bool {
    !matches!(fs::symlink_metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// When a file was last changed, in milliseconds since 1970, with its size: enough to notice a new version.
pub fn version(path: &Path) -> Option<(u128, u64)> {
    let seen = fs::metadata(path).ok()?;
    let since = seen.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some((since.as_nanos(), seen.len()))
}

/// Whether whoever is on this machine may read a file, or change it.
pub fn is_open_to_all(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|seen| seen.mode() & 0o006 != 0)
}

/// The files that a path with `*` in its last part names, sorted; a path without `*` names itself. As in a shell, `*`
/// does not stand for the dot of a hidden file: editors leave those beside what they edit.
///
/// # Errors
/// As the system says of the folder.
pub fn expand(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let last = pattern.file_name().and_then(|name| name.to_str()).unwrap_or("");
    if !last.contains('*') {
        return Ok(vec![pattern.to_path_buf()]);
    }
    let folder = pattern.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parts: Vec<&str> = last.split('*').collect();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_named = |name: &str| fits(name, &parts) && (last.starts_with('.') || !name.starts_with('.'));
        if entry.file_name().to_str().is_some_and(is_named) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a name has these parts in this order, the first at its start and the last at its end.
fn fits(name: &str, parts: &[&str]) -> bool {
    let [first, middle @ .., last] = parts else { return false };
    let Some(mut rest) = name.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}
