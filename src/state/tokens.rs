//! Tokens as they are kept: never the secret, only its hash. For the agent's doors; what readers see of them is serve's.

use std::collections::BTreeSet;

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::model::caller::Role;
use crate::model::status::Event;
use crate::state::State;
use crate::state::error::StateError;
use crate::state::events;
use crate::state::write::Job;

/// A token without its secret. Times are of the wall clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The public part, by which it is found and revoked.
    pub id: String,
    /// SHA-256 of the whole token.
    pub hash: [u8; 32],
    pub name: String,
    /// `None` for all tenants.
    pub tenants: Option<BTreeSet<String>>,
    pub role: Role,
    pub created_ms: i64,
    /// The caller's name.
    pub created_by: String,
    pub expires_ms: Option<i64>,
    /// When it was last used, coarse.
    pub used_ms: Option<i64>,
}

impl State {
    /// All tokens.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn tokens(&self) -> Result<Vec<Token>, StateError> {
        let rows = sqlx::query(
            "SELECT id, hash, name, tenants, role, created_ms, created_by, expires_ms, used_ms FROM tokens
             ORDER BY created_ms, id",
        )
        .fetch_all(&mut *self.reader().await)
        .await;
        let read = rows.and_then(|rows| rows.iter().map(from_row).collect());
        read.map_err(|error| StateError::from_driver(&error))
    }

    /// Keeps a new token, and the event that tells of it.
    ///
    /// # Errors
    /// As `State::write`; also where the id or the name is taken.
    pub async fn add_token(&self, token: &Token, event: &Event) -> Result<(), StateError> {
        self.write(&Add { token, event }).await
    }

    /// Removes a token, and keeps the event that tells of it. Whether there was one.
    ///
    /// # Errors
    /// As `State::write`.
    pub async fn remove_token(&self, id: &str, event: &Event) -> Result<bool, StateError> {
        self.write(&Remove { id, event }).await
    }

    /// Keeps when a token was last used.
    ///
    /// # Errors
    /// As `State::write`.
    pub async fn note_token_use(&self, id: &str, used_ms: i64) -> Result<(), StateError> {
        self.write(&Used { id, used_ms }).await
    }
}

struct Add<'a> {
    token: &'a Token,
    event: &'a Event,
}

impl Job for Add<'_> {
    type Out = ();

    async fn run(&self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        let Token { id, hash, name, tenants, role, created_ms, created_by, expires_ms, used_ms } = self.token;
        sqlx::query(
            "INSERT INTO tokens (id, hash, name, tenants, role, created_ms, created_by, expires_ms, used_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(id)
        .bind(&hash[..])
        .bind(name)
        .bind(tenants.as_ref().map(|tenants| serde_json::to_string(tenants).unwrap_or_default())) // texts cannot fail
        .bind(role.word())
        .bind(created_ms)
        .bind(created_by)
        .bind(expires_ms)
        .bind(used_ms)
        .execute(&mut *connection)
        .await?;
        events::append(connection, self.event).await
    }
}

struct Remove<'a> {
    id: &'a str,
    event: &'a Event,
}

impl Job for Remove<'_> {
    type Out = bool;

    async fn run(&self, connection: &mut SqliteConnection) -> sqlx::Result<bool> {
        let gone = sqlx::query("DELETE FROM tokens WHERE id = ?").bind(self.id).execute(&mut *connection).await?;
        if gone.rows_affected() == 0 {
            return Ok(false);
        }
        events::append(connection, self.event).await?;
        Ok(true)
    }
}

struct Used<'a> {
    id: &'a str,
    used_ms: i64,
}

impl Job for Used<'_> {
    type Out = ();

    async fn run(&self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        sqlx::query("UPDATE tokens SET used_ms = ? WHERE id = ?")
            .bind(self.used_ms)
            .bind(self.id)
            .execute(connection)
            .await?;
        Ok(())
    }
}

fn from_row(row: &SqliteRow) -> sqlx::Result<Token> {
    let hash: &[u8] = row.try_get(1)?;
    let tenants: Option<&str> = row.try_get(3)?;
    let role: &str = row.try_get(4)?;
    Ok(Token {
        id: row.try_get(0)?,
        hash: hash.try_into().map_err(|_| sqlx::Error::Decode("a hash has 32 bytes".into()))?,
        name: row.try_get(2)?,
        tenants: tenants.map(serde_json::from_str).transpose().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        role: Role::from_word(role).ok_or_else(|| sqlx::Error::Decode(format!("'{role}' is no role").into()))?,
        created_ms: row.try_get(5)?,
        created_by: row.try_get(6)?,
        expires_ms: row.try_get(7)?,
        used_ms: row.try_get(8)?,
    })
}
