//! Directories of the blocks read last, up to a bound.

use std::sync::{Mutex, PoisonError};

use crate::store::block::{Block, BlockError, Directory};

/// Bytes of directories kept. One day of raw blocks of 2,200 series takes 640 kB.
const BYTES_MAX: usize = 1 << 20;

/// The directories, the last used at the end.
#[derive(Debug, Default)]
pub struct Cache {
    kept: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    block: u64,
    directory: Directory,
    bytes: usize,
    used: bool,
}

impl Cache {
    pub fn directory(&self, block: &Block) -> Result<Directory, BlockError> {
        if let Some(directory) = self.take(block.number) {
            return Ok(directory);
        }
        let directory = block.directory()?;
        let bytes = block.directory_bytes();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes <= BYTES_MAX {
            kept.retain(|one| one.block != block.number);
            kept.push(Kept { block: block.number, directory: directory.clone(), bytes, used: true });
            let mut total: usize = kept.iter().map(|one| one.bytes).sum();
            while total > BYTES_MAX {
                total -= kept.remove(0).bytes;
            }
        }
        Ok(directory)
    }

    /// Forgets what was not used since this was last called.
    pub fn forget_unused(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|one| one.used);
        kept.iter_mut().for_each(|one| one.used = false);
    }

    pub fn forget(&self, block: u64) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).retain(|one| one.block != block);
    }

    fn take(&self, block: u64) -> Option<Directory> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|one| one.block == block)?;
        let mut found = kept.remove(place);
        found.used = true;
        let directory = found.directory.clone();
        kept.push(found);
        Some(directory)
    }
}
