//! The log of transitions, append-only, and the mapping of one transition to a row.

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::model::scope::Scope;
use crate::model::transition::Transition;
use crate::state::State;
use crate::state::error::StateError;
use crate::state::text;

impl State {
    /// The newest transitions that a reader may see, newest first.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn transitions(&self, scope: &Scope, rows_max: usize) -> Result<Vec<Transition>, StateError> {
        let rows = sqlx::query(
            "SELECT tenant, rule, labels, annotations, from_phase, to_phase, at_ms, since_ms, value, reason, discovered
             FROM transitions WHERE (?1 IS NULL OR tenant IN (SELECT value FROM json_each(?1)))
             ORDER BY id DESC LIMIT ?2",
        )
        .bind(text::tenants(scope))
        .bind(text::limit(rows_max))
        .fetch_all(&mut *self.reader().await)
        .await;
        let read = rows.and_then(|rows| rows.iter().map(from_row).collect());
        read.map_err(|error| StateError::from_driver(&error))
    }
}

/// Appends one transition to the log.
///
/// # Errors
/// As the driver says.
pub async fn append(connection: &mut SqliteConnection, one: &Transition) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO transitions
         (tenant, rule, labels, annotations, from_phase, to_phase, at_ms, since_ms, value, reason, discovered)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&one.tenant)
    .bind(&one.rule)
    .bind(text::labels(&one.labels))
    .bind(text::map(&one.annotations))
    .bind(one.from.word())
    .bind(one.to.word())
    .bind(one.at_ms)
    .bind(one.since_ms)
    .bind(one.value)
    .bind(&one.reason)
    .bind(one.discovered)
    .execute(connection)
    .await?;
    Ok(())
}

/// Reads a row of this table or of `instances`, columns in the order of the log.
///
/// # Errors
/// A column does not hold what `append` wrote.
pub fn from_row(row: &SqliteRow) -> sqlx::Result<Transition> {
    Ok(Transition {
        tenant: row.try_get(0)?,
        rule: row.try_get(1)?,
        labels: text::to_labels(row.try_get(2)?)?,
        annotations: text::to_map(row.try_get(3)?)?,
        from: text::to_phase(row.try_get(4)?)?,
        to: text::to_phase(row.try_get(5)?)?,
        at_ms: row.try_get(6)?,
        since_ms: row.try_get(7)?,
        value: text::to_number(row.try_get(8)?),
        reason: row.try_get(9)?,
        discovered: row.try_get(10)?,
    })
}
