//! Single values by name, such as the last role seen of a target. For the agent itself; no reader sees them.

use sqlx::sqlite::SqliteConnection;

use crate::state::State;
use crate::state::error::StateError;
use crate::state::write::Job;

struct Set<'a> {
    key: &'a str,
    value: &'a str,
}

impl Job for Set<'_> {
    type Out = ();

    async fn run(&self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        sqlx::query("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)")
            .bind(self.key)
            .bind(self.value)
            .execute(connection)
            .await?;
        Ok(())
    }
}

impl State {
    /// The value kept under a key.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn meta(&self, key: &str) -> Result<Option<String>, StateError> {
        sqlx::query_scalar("SELECT value FROM meta WHERE key = ?")
            .bind(key)
            .fetch_optional(&mut *self.reader().await)
            .await
            .map_err(|error| StateError::from_driver(&error))
    }

    /// Keeps a value under a key, in place of the one before.
    ///
    /// # Errors
    /// As `State::write`.
    pub async fn set_meta(&self, key: &str, value: &str) -> Result<(), StateError> {
        self.write(&Set { key, value }).await
    }
}
