//! The run's own folder, gone at its end.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::Outcome;

pub struct Folder {
    path: PathBuf,
    bench: &'static str,
    keep: bool,
}

impl Folder {
    pub fn make(bench: &'static str, keep: bool) -> Outcome<Folder> {
        let path = std::env::temp_dir().join(format!("watchward-{bench}-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| format!("no folder {}: {error}", path.display()))?;
        Ok(Folder { path, bench, keep })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder inside.
    pub fn inner(&self, name: &str) -> Outcome<PathBuf> {
        let path = self.path.join(name);
        fs::create_dir_all(&path).map_err(|error| format!("no folder {}: {error}", path.display()))?;
        Ok(path)
    }

    pub fn write(&self, name: &str, text: &str) -> Outcome<PathBuf> {
        let path = self.path.join(name);
        fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.keep {
            eprintln!("{}: kept {}", self.bench, self.path.display());
        } else {
            let _ = fs::remove_dir_all(&self.path); // a folder of /tmp, if it must stay
        }
    }
}
