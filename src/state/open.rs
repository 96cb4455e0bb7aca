//! Opening: the folder, its lock, the file's health, its schema, the reserve. A damaged file is never made anew.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use crate::model::fault::Fault;
use crate::state::error::StateError;
use crate::state::migrations;
use crate::state::reserve::Reserve;
use crate::state::write::{Writer, has_no_room, pages};
use crate::sys::files::{self, FolderLock};

const FILE: &str = "state.db";
const LOCK: &str = "lock";
const FOLDER_MODE: u32 = 0o750;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Limits, and the schema to bring the file to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The largest the database may become; beyond it, writing fails as on a full disk.
    pub bytes_max: u64,
    /// The room held for a full disk; 0 for none.
    pub reserve_bytes: u64,
    pub migrations: &'static [&'static str],
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { bytes_max: 1 << 30, reserve_bytes: 8 << 20, migrations: migrations::ALL }
    }
}

/// What opening found and did.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OpenReport {
    /// There was no database: a new one was made.
    pub created: bool,
    /// The version the schema had before it was migrated.
    pub migrated_from: Option<usize>,
    /// The version the schema has now.
    pub version: usize,
    /// The copy that was kept before migrating.
    pub copy: Option<PathBuf>,
    /// The disk was full, and the reserve was freed so that the file could be opened.
    pub reserve_freed: bool,
    /// Whether the reserve stands now.
    pub reserve: bool,
}

/// An open database, not yet shared.
pub struct Opened {
    pub writer: Writer,
    pub reader: SqliteConnection,
    pub origin: String,
    pub lock: FolderLock,
    pub report: OpenReport,
}

/// Opens the database of a folder.
///
/// # Errors
/// As `State::open`.
pub async fn open(folder: &Path, settings: &Settings) -> Result<Opened, Fault> {
    let lock = take_folder(folder)?;
    let file = folder.join(FILE);
    let reserve = Reserve::of(folder, settings.reserve_bytes);
    let mut report = OpenReport { created: !file.exists(), ..OpenReport::default() };
    refuse_emptied(folder, &file, &reserve)?;
    report.reserve_freed = has_no_room(folder) && reserve.free();
    let from = examine(&file, settings.migrations.len()).await?;
    let mut connection = connect(&file, settings, from == 0).await.map_err(|error| damaged_or(&file, &error))?;
    if (1..settings.migrations.len()).contains(&from) {
        report.copy = Some(migrations::keep_copy(&mut connection, &file, from + 1).await?);
        report.migrated_from = Some(from);
    }
    migrations::apply(&mut connection, from, settings.migrations).await.map_err(|(version, error)| {
        let detail =
            format!("{} stands at schema version {version}; the next start goes on from there.", file.display());
        Fault::from(error).detail(detail)
    })?;
    report.version = settings.migrations.len();
    let reader = connect_reader(&file).await.map_err(|error| damaged_or(&file, &error))?;
    let origin: String = sqlx::query_scalar("SELECT value FROM meta WHERE key = 'origin'")
        .fetch_one(&mut connection)
        .await
        .map_err(|error| damaged_or(&file, &error))?;
    if let Err(error) = reserve.refill() {
        tracing::warn!("the reserve for a full disk cannot be made: {error}");
    }
    report.reserve = reserve.stands();
    Ok(Opened { writer: Writer::new(connection, folder.to_path_buf(), reserve), reader, origin, lock, report })
}

fn take_folder(folder: &Path) -> Result<FolderLock, Fault> {
    let unusable = |error: std::io::Error| {
        Fault::new("state-01", format!("cannot use the state folder {}: {error}", folder.display()))
            .hint("Does it exist, and may the agent's user write in it? It is set by state_dir in [agent].")
    };
    files::make_folder(folder, FOLDER_MODE).map_err(unusable)?;
    FolderLock::take(folder, LOCK).map_err(unusable)?.ok_or_else(|| {
        let holder = files::read_text(&folder.join(LOCK), 64).unwrap_or_default();
        Fault::new("state-01", format!("another agent uses the state folder {}", folder.display()))
            .detail(format!("Its process id is {}.", holder.trim()))
            .hint("Stop it, or give this one a state_dir of its own in [agent].")
    })
}

/// What else stands in a folder that has been used: history, and copies from before a migration.
const SIGNS_OF_USE: &[&str] = &["store", "state.db.before-*"];

/// An empty file in a folder that has been used is a lost database, not a new one. SQLite takes one of a single byte for
/// empty, too.
fn refuse_emptied(folder: &Path, file: &Path, reserve: &Reserve) -> Result<(), Fault> {
    let is_empty = std::fs::metadata(file).is_ok_and(|seen| seen.len() <= 1);
    let stands = |sign: &str| {
        files::expand(&folder.join(sign)).is_ok_and(|found| found.iter().any(|path| files::is_there(path)))
    };
    if is_empty && (reserve.was_made() || SIGNS_OF_USE.iter().any(|sign| stands(sign))) {
        return Err(damaged(file, "the file is empty, and the folder has been used before"));
    }
    Ok(())
}

/// The version of the schema in the file, 0 for a new one. Changes nothing in a file that is then refused.
async fn examine(file: &Path, known: usize) -> Result<usize, Fault> {
    if !file.exists() {
        return Ok(0);
    }
    let mut connection = SqliteConnection::connect_with(&base(file)).await.map_err(|error| damaged_or(file, &error))?;
    let seen = migrations::look(&mut connection).await.map_err(|error| damaged_or(file, &error))?;
    let version = migrations::check(seen, known, file)?;
    if version > 0 {
        inspect(&mut connection, file).await?;
    }
    connection.close().await.map_err(|error| damaged_or(file, &error))?;
    Ok(version)
}

async fn connect(file: &Path, settings: &Settings, is_new: bool) -> sqlx::Result<SqliteConnection> {
    let mut options = base(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("journal_size_limit", "4194304")
        .pragma("max_page_count", pages(settings.bytes_max).to_string());
    if is_new {
        options = options.auto_vacuum(SqliteAutoVacuum::Incremental); // set again, it would write each time
    }
    SqliteConnection::connect_with(&options).await
}

async fn connect_reader(file: &Path) -> sqlx::Result<SqliteConnection> {
    SqliteConnection::connect_with(&base(file).pragma("query_only", "1")).await
}

fn base(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(32)
        .pragma("cache_size", "-256") // KiB
        .pragma("trusted_schema", "0")
        .disable_statement_logging()
}

/// Reads the whole file once; state is small.
async fn inspect(connection: &mut SqliteConnection, file: &Path) -> Result<(), Fault> {
    let said: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(connection)
        .await
        .map_err(|error| damaged_or(file, &error))?;
    if said == "ok" { Ok(()) } else { Err(damaged(file, &said)) }
}

fn damaged_or(file: &Path, error: &sqlx::Error) -> Fault {
    match StateError::from_driver(error) {
        StateError::Damaged(words) => damaged(file, &words),
        StateError::Unwritable(words) if file.parent().is_some_and(has_no_room) => {
            Fault::from(StateError::Full(words)).detail(format!("The file is {}.", file.display()))
        }
        other => Fault::from(other).detail(format!("The file is {}.", file.display())),
    }
}

fn damaged(file: &Path, words: &str) -> Fault {
    Fault::from(StateError::Damaged(words.to_string()))
        .detail(format!("The file is {}; it was left as it is.", file.display()))
}
