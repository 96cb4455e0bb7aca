//! Alerts whose outlet is gone from the configuration, and alerts that fire and that no group holds.

use sqlx::sqlite::SqliteConnection;

use crate::model::labels::Labels;
use crate::model::transition::Transition;
use crate::state::State;
use crate::state::error::StateError;
use crate::state::outbox::{Outlet, Place, group_id};
use crate::state::write::Job;
use crate::state::{text, transitions};

/// An alert in a group whose outlet is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    pub group: i64,
    pub tenant: String,
    pub rule: String,
    pub labels: Labels,
}

/// Puts an orphan into another group, with what was not told of it yet. What was told is not told again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    pub orphan: Orphan,
    pub to: Place,
}

impl State {
    /// The alerts of groups whose outlet is none of these. For the agent itself.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn orphans(&self, outlets: &[Outlet]) -> Result<Vec<Orphan>, StateError> {
        let known: Vec<[&str; 2]> = outlets.iter().map(|one| [&*one.receiver, &*one.channel]).collect();
        let rows: sqlx::Result<Vec<(i64, String, String, String)>> = sqlx::query_as(
            "SELECT g.id, g.tenant, a.rule, a.labels
             FROM groups g JOIN (SELECT group_id, rule, labels FROM members
                                 UNION SELECT group_id, rule, labels FROM outbox) a ON a.group_id = g.id
             WHERE json_array(g.receiver, g.channel) NOT IN (SELECT value FROM json_each(?)) ORDER BY g.id",
        )
        .bind(serde_json::to_string(&known).unwrap_or_default())
        .fetch_all(&mut *self.reader().await)
        .await;
        let orphan = |(group, tenant, rule, labels): (i64, String, String, String)| {
            Ok(Orphan { group, tenant, rule, labels: text::to_labels(&labels)? })
        };
        rows.and_then(|rows| rows.into_iter().map(orphan).collect()).map_err(|error| StateError::from_driver(&error))
    }

    /// Instances that fire and that no group holds, because nobody was there to be told. For the agent itself.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn untold_instances(&self) -> Result<Vec<Transition>, StateError> {
        let rows = sqlx::query(
            "SELECT tenant, rule, labels, annotations, from_phase, phase, at_ms, since_ms, value, reason, discovered
             FROM instances i WHERE phase = 'firing' AND NOT EXISTS (
                 SELECT 1 FROM members m JOIN groups g ON g.id = m.group_id
                 WHERE m.rule = i.rule AND m.labels = i.labels AND g.tenant = i.tenant)
             ORDER BY at_ms, tenant, rule, labels",
        )
        .fetch_all(&mut *self.reader().await)
        .await;
        let read = rows.and_then(|rows| rows.iter().map(transitions::from_row).collect());
        read.map_err(|error| StateError::from_driver(&error))
    }

    /// Moves alerts to other groups, all or none.
    ///
    /// # Errors
    /// As `State::write`.
    pub async fn rehome(&self, moves: &[Move]) -> Result<(), StateError> {
        self.write(&Moves(moves)).await
    }
}

struct Moves<'a>(&'a [Move]);

impl Job for Moves<'_> {
    type Out = ();

    async fn run(&self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        for Move { orphan, to } in self.0 {
            let to = group_id(connection, to).await?;
            let statements = [
                "UPDATE outbox SET group_id = ? WHERE group_id = ? AND rule = ? AND labels = ?",
                "UPDATE OR REPLACE members SET group_id = ? WHERE group_id = ? AND rule = ? AND labels = ?",
            ];
            for statement in statements {
                sqlx::query(statement)
                    .bind(to)
                    .bind(orphan.group)
                    .bind(&orphan.rule)
                    .bind(text::labels(&orphan.labels))
                    .execute(&mut *connection)
                    .await?;
            }
        }
        Ok(())
    }
}
