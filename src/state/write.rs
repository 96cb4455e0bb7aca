//! Writing: one connection, one transaction for each piece of work, and the reserve when the disk is full.

use std::future::Future;
use std::path::PathBuf;

use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

use crate::state::State;
use crate::state::error::StateError;
use crate::state::reserve::Reserve;
use crate::sys::{files, task};

/// With less room than this, an error of the file system is taken for a full disk, in bytes.
const ROOM_MIN_BYTES: u64 = 512 << 10;

/// Work that is done whole or not at all. It may be run a second time, after the first left no trace.
pub trait Job: Sync {
    type Out: Send;

    /// # Errors
    /// As the driver says; the transaction is then undone.
    fn run(&self, connection: &mut SqliteConnection) -> impl Future<Output = sqlx::Result<Self::Out>> + Send;
}

/// The one writer.
pub struct Writer {
    connection: SqliteConnection,
    folder: PathBuf,
    reserve: Reserve,
    /// A transaction may be open that its caller gave up.
    unfinished: bool,
}

impl Writer {
    pub fn new(connection: SqliteConnection, folder: PathBuf, reserve: Reserve) -> Writer {
        Writer { connection, folder, reserve, unfinished: false }
    }

    /// Does a job; says also whether the reserve was freed for it.
    pub async fn write<J: Job>(&mut self, job: &J) -> (Result<J::Out, StateError>, bool) {
        let first = self.attempt(job).await;
        match first {
            Err(StateError::Full(_)) if self.reserve.free() => (self.attempt(job).await, true),
            Ok(out) => {
                self.refill().await;
                (Ok(out), false)
            }
            Err(error) => (Err(error), false),
        }
    }

    /// One transaction. Written with plain statements: the driver's own transaction counts depth, and goes on counting
    /// one that SQLite has already undone by itself, which it does when the disk is full.
    async fn attempt<J: Job>(&mut self, job: &J) -> Result<J::Out, StateError> {
        if self.unfinished {
            // Fails where no transaction is open: then there is nothing to undo.
            let _ = sqlx::raw_sql("ROLLBACK").execute(&mut self.connection).await;
        }
        self.unfinished = true;
        let outcome = transact(&mut self.connection, job).await;
        if outcome.is_err() {
            let _ = sqlx::raw_sql("ROLLBACK").execute(&mut self.connection).await;
        }
        self.unfinished = false;
        outcome.map_err(|error| self.sorted(&error))
    }

    /// What the driver says; where the file system has no room left, whatever SQLite made of that is `Full`.
    fn sorted(&self, error: &sqlx::Error) -> StateError {
        match StateError::from_driver(error) {
            StateError::Unwritable(text) if has_no_room(&self.folder) => StateError::Full(text),
            sorted => sorted,
        }
    }

    /// Holds the room again that was freed, once there is enough.
    async fn refill(&mut self) {
        if self.reserve.stands() {
            return;
        }
        let reserve = self.reserve.clone();
        match task::blocking("reserve", move || reserve.refill()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!("the reserve for a full disk cannot be made: {error}"),
            Err(words) => tracing::warn!("the reserve for a full disk cannot be made: {words}"),
        }
    }
}

/// The size of a page of the database, in bytes: SQLite's default, which every file of ours has.
const PAGE_BYTES: u64 = 4096;

/// What SQLite takes for the largest size of a database.
pub fn pages(bytes: u64) -> u64 {
    (bytes / PAGE_BYTES).max(1)
}

struct Limit {
    bytes_max: u64,
}

impl Job for Limit {
    type Out = ();

    async fn run(&self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        let pragma = format!("PRAGMA max_page_count = {}", pages(self.bytes_max)); // a number of our own
        sqlx::raw_sql(AssertSqlSafe(pragma)).execute(connection).await?;
        Ok(())
    }
}

impl State {
    /// Lets the database become so large and no larger. Below its present size it just cannot grow any more.
    ///
    /// # Errors
    /// As `State::write`.
    pub async fn limit(&self, bytes_max: u64) -> Result<(), StateError> {
        self.write(&Limit { bytes_max }).await
    }
}

async fn transact<J: Job>(connection: &mut SqliteConnection, job: &J) -> sqlx::Result<J::Out> {
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    let out = job.run(connection).await?;
    sqlx::raw_sql("COMMIT").execute(connection).await?;
    Ok(out)
}

/// Whether the folder's file system is as good as full.
pub fn has_no_room(folder: &std::path::Path) -> bool {
    files::space(folder).is_ok_and(|space| space.available < ROOM_MIN_BYTES)
}
