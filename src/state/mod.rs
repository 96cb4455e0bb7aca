//! State: the small, durable memory of the agent, in SQLite. Transitions, not samples; on disk before anyone is told.
//!
//! One connection writes, one reads; WAL with `synchronous=FULL`: what was committed survives kill -9 and a power cut.
//! Readers who act for somebody give a `&Scope`; what the agent needs for itself stands without one and says so.

pub mod deliveries;
pub mod error;
pub mod events;
pub mod instances;
pub mod journal;
pub mod meta;
pub mod migrations;
pub mod open;
pub mod outbox;
pub mod policies;
pub mod rehome;
pub mod reserve;
pub mod text;
pub mod tokens;
pub mod transitions;
pub mod trim;
pub mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Mutex, MutexGuard};

use crate::model::fault::Fault;
use crate::model::moment::Moment;
use crate::state::error::StateError;
use crate::state::open::{OpenReport, Settings};
use crate::state::trim::Keep;
use crate::state::write::{Job, Writer};
use crate::sys::files::FolderLock;

/// The agent's state. Cloning shares it; the folder's lock goes with the last clone.
#[derive(Clone)]
pub struct State(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    /// Random and made with the file: tells this database from every other.
    origin: String,
    writer: Mutex<Writer>,
    reader: Mutex<SqliteConnection>,
    reserve_freed: AtomicU64,
    _lock: FolderLock,
}

impl State {
    /// Opens the state of a folder, making or migrating it where need be.
    ///
    /// # Errors
    /// `state-01`: the folder cannot be used, or another agent uses it. `state-02`: the schema is newer than this
    /// build. `state-03`: the file is damaged. `state-04`: it is not ours. `state-05`: no copy could be kept before
    /// migrating. `state-06` to `state-09`: it cannot be read or written.
    pub async fn open(folder: &Path, now: Moment) -> Result<(State, OpenReport), Fault> {
        State::open_with(folder, now, &Settings::default()).await
    }

    /// The same with other limits.
    ///
    /// # Errors
    /// As `open`.
    pub async fn open_with(folder: &Path, now: Moment, settings: &Settings) -> Result<(State, OpenReport), Fault> {
        let opened = open::open(folder, settings).await?;
        let inner = Inner {
            folder: folder.to_path_buf(),
            origin: opened.origin,
            writer: Mutex::new(opened.writer),
            reader: Mutex::new(opened.reader),
            reserve_freed: AtomicU64::new(u64::from(opened.report.reserve_freed)),
            _lock: opened.lock,
        };
        let state = State(Arc::new(inner));
        if let Err(error) = state.trim(Keep::default(), now.stored_ms).await {
            // As on a full disk, which must not stop the agent.
            tracing::warn!("the logs in state.db cannot be trimmed: {error}");
        }
        Ok((state, opened.report))
    }

    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// Random and made with the database: tells it from every other, also from the one that stood here before it.
    pub fn origin(&self) -> &str {
        &self.0.origin
    }

    /// How often the reserve was freed because the disk was full.
    pub fn reserve_freed(&self) -> u64 {
        self.0.reserve_freed.load(Ordering::Relaxed)
    }

    /// Does one piece of writing, whole or not at all. On a full disk the reserve is freed and it is done once more.
    ///
    /// # Errors
    /// `StateError::Full` where even that failed; else what the driver says. Nothing was written.
    pub async fn write<J: Job>(&self, job: &J) -> Result<J::Out, StateError> {
        let mut writer = self.0.writer.lock().await;
        let (outcome, freed) = writer.write(job).await;
        if freed {
            self.0.reserve_freed.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    async fn reader(&self) -> MutexGuard<'_, SqliteConnection> {
        self.0.reader.lock().await
    }
}
