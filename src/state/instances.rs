//! The instances of rules and findings that are pending or firing now, each with the transition that made it so.

use sqlx::sqlite::SqliteConnection;

use crate::model::scope::Scope;
use crate::model::transition::{Phase, Transition};
use crate::state::State;
use crate::state::error::StateError;
use crate::state::{text, transitions};

impl State {
    /// Every active instance of every tenant, for the agent itself to go on from after a restart.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn active_instances(&self) -> Result<Vec<Transition>, StateError> {
        self.select_instances(None).await
    }

    /// The active instances that a reader may see.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn instances(&self, scope: &Scope) -> Result<Vec<Transition>, StateError> {
        self.select_instances(text::tenants(scope)).await
    }

    async fn select_instances(&self, tenants: Option<String>) -> Result<Vec<Transition>, StateError> {
        let rows = sqlx::query(
            "SELECT tenant, rule, labels, annotations, from_phase, phase, at_ms, since_ms, value, reason, discovered
             FROM instances WHERE (?1 IS NULL OR tenant IN (SELECT value FROM json_each(?1)))
             ORDER BY tenant, rule, labels",
        )
        .bind(tenants)
        .fetch_all(&mut *self.reader().await)
        .await;
        let read = rows.and_then(|rows| rows.iter().map(transitions::from_row).collect());
        read.map_err(|error| StateError::from_driver(&error))
    }
}

/// Brings the instance of a transition to where it leads: kept while pending or firing, else removed.
///
/// # Errors
/// As the driver says.
pub async fn set(connection: &mut SqliteConnection, one: &Transition) -> sqlx::Result<()> {
    if matches!(one.to, Phase::Inactive | Phase::Resolved) {
        sqlx::query("DELETE FROM instances WHERE tenant = ? AND rule = ? AND labels = ?")
            .bind(&one.tenant)
            .bind(&one.rule)
            .bind(text::labels(&one.labels))
            .execute(connection)
            .await?;
        return Ok(());
    }
    sqlx::query(
        "INSERT OR REPLACE INTO instances
         (tenant, rule, labels, annotations, from_phase, phase, at_ms, since_ms, value, reason, discovered)
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
