//! The reserve: a file that holds room, so that state can still be written when the disk is full.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

use crate::sys::files;

const NAME: &str = "reserve";

/// The file `reserve` of a state folder.
#[derive(Clone, Debug)]
pub struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    pub fn of(folder: &Path, bytes: u64) -> Reserve {
        Reserve { path: folder.join(NAME), bytes }
    }

    /// Whether the file stands, and so the room can be freed.
    pub fn stands(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|seen| seen.len() >= self.bytes && self.bytes > 0)
    }

    /// Whether the file is there at all: a sign that this folder has been used before.
    pub fn was_made(&self) -> bool {
        self.path.exists()
    }

    /// Gives the room back to the file system. The empty file stays, for a name needs no room; `false`: there was none.
    pub fn free(&self) -> bool {
        self.stands() && OpenOptions::new().write(true).open(&self.path).and_then(|file| file.set_len(0)).is_ok()
    }

    /// Takes the room again, where the file system has twice as much.
    ///
    /// # Errors
    /// As the system says; no room is then held.
    pub fn refill(&self) -> io::Result<bool> {
        if self.stands() || self.bytes == 0 {
            return Ok(self.stands());
        }
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        if files::space(folder)?.available < self.bytes.saturating_mul(2) {
            return Ok(false);
        }
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&self.path)?;
        match fill(&file, self.bytes) {
            Ok(()) => Ok(true),
            Err(error) => {
                file.set_len(0)?;
                Err(error)
            }
        }
    }
}

/// Makes the file own its blocks: a hole would hold no room.
fn fill(mut file: &File, bytes: u64) -> io::Result<()> {
    if fallocate(file, FallocateFlags::empty(), 0, bytes).is_ok() {
        return file.sync_all();
    }
    let block = [0x57_u8; 64 << 10];
    let mut left = bytes;
    while left > 0 {
        let part = left.min(block.len() as u64);
        file.write_all(&block[..usize::try_from(part).unwrap_or(block.len())])?;
        left -= part;
    }
    file.sync_all()
}
