//! The version of the files in the store's folder, in a file of its own, so that a build from before a change of format
//! does not take the new files for damaged ones.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::fault::Fault;
use crate::sys::files;

/// What this build writes. It grows with each format of block or log that the build before it cannot read.
/// 1: blocks `WWBLOCK1`, log records of the kinds 1 to 4. Builds before the first release wrote it without saying so.
pub const VERSION: u32 = 1;

const FILE: &str = "version";
const BYTES_MAX: usize = 64;

/// Reads the version of a folder and changes nothing. Where no file says one it is 1, or there is no store yet.
///
/// # Errors
/// `store-07`: it is newer than this build. `store-02`: it cannot be read, or is no number.
pub fn check(folder: &Path) -> Result<(), Fault> {
    let path = path_of(folder);
    let unreadable = |what: String| {
        Fault::new("store-02", format!("cannot read the store's '{}'", path.display()))
            .detail(what)
            .hint("Does it belong to the agent's user, and is the device in order?")
    };
    let text = match files::read_text(&path, BYTES_MAX) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(format!("The system says: {error}."))),
    };
    let version: u32 =
        text.trim().parse().map_err(|_| unreadable(format!("It says '{}', which is no version.", text.trim())))?;
    if version <= VERSION {
        return Ok(());
    }
    let what = format!("the store has version {version}, and this version of watchward knows up to {VERSION}");
    let way = format!(
        "Install the newer version again; or stop the agent and move {} away: history begins anew, and alerts, which \
         state.db keeps, go on.",
        folder.display()
    );
    Err(Fault::new("store-07", what).detail(format!("Read from {}.", path.display())).hint(way))
}

/// Says this build's version in the folder. Called before anything else is written there.
///
/// # Errors
/// The system's own, such as a full disk.
pub fn write(folder: &Path) -> io::Result<()> {
    let path = path_of(folder);
    let text = format!("{VERSION}\n");
    if files::read_text(&path, BYTES_MAX).is_ok_and(|said| said == text) {
        return Ok(());
    }
    files::write_atomic(&path, text.as_bytes(), 0o640)
}

fn path_of(folder: &Path) -> PathBuf {
    folder.join(FILE)
}
