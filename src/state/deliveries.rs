//! The log of deliveries: who was told what, when, and whether it arrived.

use serde::Serialize;
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::model::scope::Scope;
use crate::state::State;
use crate::state::error::StateError;
use crate::state::outbox::{Place, Queue, measure};
use crate::state::text;
use crate::state::write::Job;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The receiver said that it has it.
    Delivered,
    /// It will be tried again.
    Failed,
    /// The receiver said no; it is not tried again.
    Refused,
    /// Too old to be tried again.
    #[serde(rename = "given up")]
    GivenUp,
}

impl Outcome {
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Failed => "failed",
            Outcome::Refused => "refused",
            Outcome::GivenUp => "given up",
        }
    }

    fn from_word(word: &str) -> sqlx::Result<Outcome> {
        [Outcome::Delivered, Outcome::Failed, Outcome::Refused, Outcome::GivenUp]
            .into_iter()
            .find(|one| one.word() == word)
            .ok_or_else(|| sqlx::Error::Decode(format!("'{word}' is no outcome").into()))
    }
}

/// An attempt that ended. Writing it takes the notices off the outbox, unless they are to be tried again.
#[derive(Clone, Debug)]
pub struct Attempt<'a> {
    pub group: i64,
    pub place: &'a Place,
    /// The notices that the message carried.
    pub notices: &'a [i64],
    /// The id that the receiver saw; the same for the same message.
    pub delivery: &'a str,
    /// 1 for the first.
    pub number: u32,
    pub at_ms: i64,
    pub outcome: Outcome,
    /// The HTTP status; `None` where there was no answer.
    pub status: Option<u16>,
    /// The beginning of the receiver's words, or why there are none. Without secrets.
    pub answer: &'a str,
}

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Delivery {
    pub delivery: String,
    pub receiver: String,
    pub channel: String,
    pub key: String,
    pub tenant: String,
    pub at_ms: i64,
    pub attempt: u32,
    pub outcome: Outcome,
    pub status: Option<u16>,
    pub answer: String,
    /// `status` and `labels` of the message's first 20 alerts that began or ended.
    pub alerts: Value,
    pub alerts_total: u32,
}

impl State {
    /// Logs an attempt and, where it is the last, takes its notices off the outbox: in one transaction.
    ///
    /// # Errors
    /// As `State::write`.
    pub async fn settle(&self, attempt: &Attempt<'_>) -> Result<Queue, StateError> {
        self.write(attempt).await
    }

    /// Gives up every notice that was queued before a time, and logs it. Returns how many there were, and what is left.
    ///
    /// # Errors
    /// As `State::write`.
    pub async fn give_up(&self, queued_before_ms: i64, at_ms: i64) -> Result<(u64, Queue), StateError> {
        self.write(&GiveUp { queued_before_ms, at_ms }).await
    }

    /// The newest attempts that a reader may see, newest first.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn deliveries(&self, scope: &Scope, rows_max: usize) -> Result<Vec<Delivery>, StateError> {
        let rows = sqlx::query(
            "SELECT delivery, receiver, channel, key, tenant, at_ms, attempt, outcome, status, answer, alerts,
                    alerts_total
             FROM deliveries WHERE (?1 IS NULL OR tenant IN (SELECT value FROM json_each(?1)))
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

impl Job for Attempt<'_> {
    type Out = Queue;

    async fn run(&self, connection: &mut SqliteConnection) -> sqlx::Result<Queue> {
        let notices = serde_json::to_string(self.notices).unwrap_or_default();
        sqlx::query(
            "INSERT INTO deliveries
             (delivery, receiver, channel, key, tenant, at_ms, attempt, outcome, status, answer, alerts, alerts_total)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, (
                 SELECT json_group_array(json_object('status', status, 'labels', json(labels))) FROM (
                     SELECT iif(ends_ms IS NULL, 'firing', 'resolved') AS status, labels FROM outbox
                     WHERE id IN (SELECT value FROM json_each(?11)) ORDER BY id LIMIT 20)), json_array_length(?11)",
        )
        .bind(self.delivery)
        .bind(&self.place.outlet.receiver)
        .bind(&self.place.outlet.channel)
        .bind(&self.place.key)
        .bind(&self.place.tenant)
        .bind(self.at_ms)
        .bind(self.number)
        .bind(self.outcome.word())
        .bind(self.status)
        .bind(self.answer)
        .bind(&notices)
        .execute(&mut *connection)
        .await?;
        if self.outcome != Outcome::Failed {
            sqlx::query("DELETE FROM outbox WHERE group_id = ? AND id IN (SELECT value FROM json_each(?))")
                .bind(self.group)
                .bind(&notices)
                .execute(&mut *connection)
                .await?;
        }
        measure(connection).await
    }
}

struct GiveUp {
    queued_before_ms: i64,
    at_ms: i64,
}

impl Job for GiveUp {
    type Out = (u64, Queue);

    async fn run(&self, connection: &mut SqliteConnection) -> sqlx::Result<(u64, Queue)> {
        sqlx::query(
            "INSERT INTO deliveries
             (delivery, receiver, channel, key, tenant, at_ms, attempt, outcome, status, answer, alerts, alerts_total)
             SELECT '', g.receiver, g.channel, g.key, g.tenant, ?2, 0, 'given up', NULL, '', (
                 SELECT json_group_array(json_object('status', status, 'labels', json(labels))) FROM (
                     SELECT iif(ends_ms IS NULL, 'firing', 'resolved') AS status, labels FROM outbox
                     WHERE group_id = g.id AND queued_ms < ?1 ORDER BY id LIMIT 20)), count(*)
             FROM groups g JOIN outbox o ON o.group_id = g.id AND o.queued_ms < ?1 GROUP BY g.id",
        )
        .bind(self.queued_before_ms)
        .bind(self.at_ms)
        .execute(&mut *connection)
        .await?;
        let given_up = sqlx::query("DELETE FROM outbox WHERE queued_ms < ?")
            .bind(self.queued_before_ms)
            .execute(&mut *connection)
            .await?;
        Ok((given_up.rows_affected(), measure(connection).await?))
    }
}

fn from_row(row: &SqliteRow) -> sqlx::Result<Delivery> {
    let alerts: &str = row.try_get(10)?;
    Ok(Delivery {
        delivery: row.try_get(0)?,
        receiver: row.try_get(1)?,
        channel: row.try_get(2)?,
        key: row.try_get(3)?,
        tenant: row.try_get(4)?,
        at_ms: row.try_get(5)?,
        attempt: row.try_get(6)?,
        outcome: Outcome::from_word(row.try_get(7)?)?,
        status: row.try_get(8)?,
        answer: row.try_get(9)?,
        alerts: serde_json::from_str(alerts).map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        alerts_total: row.try_get(11)?,
    })
}
