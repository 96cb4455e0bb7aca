//! The thread that reads files, and what happens when one never answers: the row that asked for it is left out until it does,
//! and another thread reads for the others.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::model::reading::{Unknown, UnknownKind};
use crate::sys::task::Worker;

/// How long what one row reads may take. A driver of failing hardware may not answer for ever.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which file is being read.
#[derive(Clone, Default)]
pub struct Progress(Arc<Mutex<String>>);

impl Progress {
    pub fn now_at(&self, path: impl AsRef<Path>) {
        let mut at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        at.clear();
        at.push_str(&path.as_ref().to_string_lossy());
    }

    fn place(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A reading that did not come back.
struct Hung {
    progress: Progress,
    is_back: Arc<AtomicBool>,
}

/// Runs readings one after the other on one thread, and leaves it behind when it hangs. Each name hangs at most once, so that
/// there are never more threads than rows.
#[derive(Default)]
pub struct Threads {
    worker: Option<Worker>,
    hung: BTreeMap<&'static str, Hung>,
}

impl Threads {
    /// How many readings hang.
    pub fn hung(&self) -> usize {
        self.hung.len()
    }

    /// Does a row's reading.
    ///
    /// # Errors
    /// `Deadline`, with the file that does not answer; or why the reading could not be done.
    pub async fn run<T: Send + 'static>(
        &mut self,
        name: &'static str,
        budget: Duration,
        work: impl FnOnce(&Progress) -> T + Send + 'static,
    ) -> Result<T, Unknown> {
        if let Some(hung) = self.hung.get(name) {
            if !hung.is_back.load(Ordering::Relaxed) {
                return Err(silent(&hung.progress));
            }
            self.hung.remove(name);
        }
        let refused = |reason: String| Unknown::new(UnknownKind::Refused, reason);
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => {
                Worker::start("host files").map_err(|error| refused(format!("no thread to read files: {error}")))?
            }
        };
        let hung = Hung { progress: Progress::default(), is_back: Arc::default() };
        let (progress, is_back) = (hung.progress.clone(), hung.is_back.clone());
        let job = move || {
            let back = Back(is_back);
            let done = work(&progress);
            drop(back);
            done
        };
        match tokio::time::timeout(PATIENCE.min(budget / 2), worker.run(job)).await {
            Ok(done) => {
                self.worker = Some(worker);
                done.map_err(refused)
            }
            Err(_) => {
                let unknown = silent(&hung.progress);
                self.hung.insert(name, hung);
                Err(unknown)
            }
        }
    }
}

/// Says that a reading came back, also when it panicked.
struct Back(Arc<AtomicBool>);

impl Drop for Back {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn silent(progress: &Progress) -> Unknown {
    Unknown::new(UnknownKind::Deadline, format!("{} does not answer", progress.place()))
}
