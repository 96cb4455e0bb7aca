//! The schema's versions: numbered files that only ever go forward, each applied in one transaction.

use std::fs::File;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row};

use crate::model::fault::Fault;
use crate::state::error::StateError;
use crate::sys::files;

/// The files, in order; a file's place is its version. Files that were ever released are never edited.
pub const ALL: &[&str] = &[
    include_str!("migrations/0001_instances.sql"),
    include_str!("migrations/0002_outbox.sql"),
    include_str!("migrations/0003_tokens.sql"),
    include_str!("migrations/0004_journal.sql"),
];

/// Marks the file as ours, in SQLite's `application_id`: "WtWd".
pub const APPLICATION: i64 = 0x5774_5764;

/// What stands in the file before anything is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub version: i64,
    pub application: i64,
    pub tables: i64,
}

/// Reads version, owner and number of tables.
///
/// # Errors
/// As the driver says.
pub async fn look(connection: &mut SqliteConnection) -> sqlx::Result<Seen> {
    let row = sqlx::query(
        "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_schema)
         FROM pragma_user_version, pragma_application_id",
    )
    .fetch_one(connection)
    .await?;
    Ok(Seen { version: row.try_get(0)?, application: row.try_get(1)?, tables: row.try_get(2)? })
}

/// Whether this build can use the file, and from which version it must be migrated.
///
/// # Errors
/// `state-02`: the schema is newer than this build. `state-04`: the file belongs to something else.
pub fn check(seen: Seen, known: usize, file: &Path) -> Result<usize, Fault> {
    let read = format!("Read from {}.", file.display());
    if seen == (Seen { version: 0, application: 0, tables: 0 }) {
        return Ok(0);
    }
    if seen.application != APPLICATION {
        return Err(Fault::new("state-04", "state.db is a database of some other program")
            .detail(read)
            .hint("Give the agent a state_dir of its own."));
    }
    match usize::try_from(seen.version) {
        Ok(version) if version <= known => Ok(version),
        _ => Err(newer(seen.version, known, file).detail(read)),
    }
}

fn newer(version: i64, known: usize, file: &Path) -> Fault {
    let copies = (1..=known + 1).rev().map(|version| copy_path(file, version));
    let way = match copies.into_iter().find(|copy| copy.exists()) {
        Some(copy) => format!(
            "Install the newer version again; or stop the agent, remove {0}-wal if it is there, and put back {1} as {0}: \
             the copy made before the update (what happened since is not in it).",
            file.display(),
            copy.display()
        ),
        None => "Install the newer version again; no copy from before the update stands beside it.".to_string(),
    };
    let what = format!("state.db has schema version {version}, and this version of watchward knows up to {known}");
    Fault::new("state-02", what).hint(way)
}

/// Where the copy is kept that is made before the file of this version is applied.
pub fn copy_path(file: &Path, version: usize) -> PathBuf {
    let mut name = file.as_os_str().to_os_string();
    name.push(format!(".before-{version}"));
    PathBuf::from(name)
}

/// Keeps a copy of the whole database, synced, under its final name only when it is complete.
///
/// # Errors
/// `state-05`: it cannot be written; nothing has been migrated then.
pub async fn keep_copy(connection: &mut SqliteConnection, file: &Path, version: usize) -> Result<PathBuf, Fault> {
    let copy = copy_path(file, version);
    let part = copy.with_extension(format!("before-{version}-part"));
    let failed = |error: String| {
        Fault::new("state-05", format!("cannot keep a copy of state.db before migrating it: {error}"))
            .detail(format!("It was to be {}.", copy.display()))
            .hint("Is there room for a second state.db, and may the agent's user write there?")
    };
    if part.exists() {
        std::fs::remove_file(&part).map_err(|error| failed(error.to_string()))?;
    }
    let target = part.display().to_string();
    let made = sqlx::query("VACUUM INTO ?").bind(target).execute(connection).await;
    let finish = || {
        File::open(&part)?.sync_all()?;
        std::fs::rename(&part, &copy)?;
        files::sync_folder(copy.parent().unwrap_or(Path::new("/")))
    };
    let kept = made.map_err(|error| error.to_string()).and_then(|_| finish().map_err(|error| error.to_string()));
    if kept.is_err() {
        let _ = std::fs::remove_file(&part); // half a copy only takes room that is missing
    }
    kept.map(|()| copy.clone()).map_err(failed)
}

/// Applies the files from a version on, each whole or not at all.
///
/// # Errors
/// As the driver says, and the version at which the file then stands: the last that was applied whole.
pub async fn apply(connection: &mut SqliteConnection, from: usize, all: &[&str]) -> Result<(), (usize, StateError)> {
    for (at, sql) in all.iter().enumerate().skip(from) {
        let version = at + 1;
        let whole = format!(
            "BEGIN IMMEDIATE;\n{sql}\nPRAGMA application_id = {APPLICATION};\nPRAGMA user_version = {version};\nCOMMIT;"
        );
        // The text is this build's own file and numbers.
        if let Err(error) = sqlx::raw_sql(AssertSqlSafe(whole)).execute(&mut *connection).await {
            let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await; // fails where SQLite already did
            return Err((at, StateError::from_driver(&error)));
        }
    }
    Ok(())
}
