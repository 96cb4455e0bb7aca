//! Events as they happened, append-only.

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::model::scope::Scope;
use crate::model::status::Event;
use crate::state::State;
use crate::state::error::StateError;
use crate::state::text;
use crate::state::write::Job;

impl State {
    /// The newest events that a reader may see, newest first.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn events(&self, scope: &Scope, rows_max: usize) -> Result<Vec<Event>, StateError> {
        let rows = sqlx::query(
            "SELECT at_ms, tenant, target, kind, summary, detail FROM events
             WHERE (?1 IS NULL OR tenant IN (SELECT value FROM json_each(?1))) ORDER BY id DESC LIMIT ?2",
        )
        .bind(text::tenants(scope))
        .bind(text::limit(rows_max))
        .fetch_all(&mut *self.reader().await)
        .await;
        let read = rows.and_then(|rows| rows.iter().map(from_row).collect());
        read.map_err(|error| StateError::from_driver(&error))
    }
}

impl State {
    /// Keeps one event that no other change comes with.
    ///
    /// # Errors
    /// As `State::write`.
    pub async fn note(&self, event: &Event) -> Result<(), StateError> {
        self.write(event).await
    }
}

impl Job for Event {
    type Out = ();

    async fn run(&self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        append(connection, self).await
    }
}

/// Appends one event.
///
/// # Errors
/// As the driver says.
pub async fn append(connection: &mut SqliteConnection, one: &Event) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO events (at_ms, tenant, target, kind, summary, detail) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(one.at_ms)
        .bind(&one.tenant)
        .bind(&one.target)
        .bind(&one.kind)
        .bind(&one.summary)
        .bind(one.detail.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

fn from_row(row: &SqliteRow) -> sqlx::Result<Event> {
    let detail: &str = row.try_get(5)?;
    Ok(Event {
        at_ms: row.try_get(0)?,
        tenant: row.try_get(1)?,
        target: row.try_get(2)?,
        kind: row.try_get(3)?,
        summary: row.try_get(4)?,
        detail: serde_json::from_str(detail).map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
    })
}
