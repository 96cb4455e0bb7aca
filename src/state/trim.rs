//! Trimming: logs are bounded by age and by rows; changes that stand are kept; groups that hold and await nothing are forgotten.

use sqlx::sqlite::SqliteConnection;

use crate::state::State;
use crate::state::error::StateError;
use crate::state::journal;
use crate::state::write::Job;

/// What the logs may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    pub age_ms: i64,
    /// Of each log.
    pub rows_max: i64,
}

impl Default for Keep {
    fn default() -> Keep {
        Keep { age_ms: 90 * 86_400_000, rows_max: 100_000 }
    }
}

struct Trim {
    keep: Keep,
    now_ms: i64,
}

impl State {
    /// Removes what is older or more than allowed, and gives the room back to the file system. Returns how many rows.
    ///
    /// # Errors
    /// As `State::write`.
    pub async fn trim(&self, keep: Keep, now_ms: i64) -> Result<u64, StateError> {
        let removed = self.write(&Trim { keep, now_ms }).await?;
        if removed > 0 {
            self.write(&GiveBack).await?;
        }
        Ok(removed)
    }
}

impl Job for Trim {
    type Out = u64;

    async fn run(&self, connection: &mut SqliteConnection) -> sqlx::Result<u64> {
        let logs = [
            "DELETE FROM transitions WHERE at_ms < ?1 OR id <= (SELECT max(id) FROM transitions) - ?2",
            "DELETE FROM events WHERE at_ms < ?1 OR id <= (SELECT max(id) FROM events) - ?2",
            "DELETE FROM deliveries WHERE at_ms < ?1 OR id <= (SELECT max(id) FROM deliveries) - ?2",
        ];
        let mut removed = 0;
        for log in logs {
            let done = sqlx::query(log)
                .bind(self.now_ms.saturating_sub(self.keep.age_ms))
                .bind(self.keep.rows_max)
                .execute(&mut *connection)
                .await?;
            removed += done.rows_affected();
        }
        let before_ms = self.now_ms.saturating_sub(self.keep.age_ms);
        removed += journal::trim(connection, before_ms, self.keep.rows_max).await?;
        sqlx::query(
            "DELETE FROM groups WHERE NOT EXISTS (SELECT 1 FROM outbox o WHERE o.group_id = groups.id)
             AND NOT EXISTS (SELECT 1 FROM members m WHERE m.group_id = groups.id)",
        )
        .execute(connection)
        .await?;
        Ok(removed)
    }
}

struct GiveBack;

impl Job for GiveBack {
    type Out = ();

    async fn run(&self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        sqlx::raw_sql("PRAGMA incremental_vacuum").execute(connection).await?;
        Ok(())
    }
}
