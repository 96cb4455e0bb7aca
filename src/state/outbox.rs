//! The outbox: what began or ended and was not told yet, by group; and which alerts each group holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::model::labels::Labels;
use crate::model::status::Event;
use crate::model::transition::Transition;
use crate::state::State;
use crate::state::error::StateError;
use crate::state::write::Job;
use crate::state::{events, instances, text, transitions};

/// One way of one receiver to be told: `dba` by `webhook`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outlet {
    pub receiver: String,
    pub channel: String,
}

/// A group of alerts that an outlet hears of together. Outlet and key identify it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub outlet: Outlet,
    pub key: String,
    /// A group never mixes tenants.
    pub tenant: String,
    /// The labels that its alerts have in common, because they are grouped by them.
    pub labels: Labels,
}

/// An alert as people are told of it. Times are stored time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    pub rule: String,
    pub labels: Labels,
    pub annotations: BTreeMap<String, String>,
    /// When it began to fire.
    pub starts_ms: i64,
    /// When it ceased; `None` while it fires.
    pub ends_ms: Option<i64>,
}

/// Something to tell a group: that an alert began, or that it ended. It also makes or ends the alert's membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub place: Arc<Place>,
    pub alert: Alert,
}

/// Everything that follows from one pass of judging: written whole or not at all.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    pub transitions: &'a [Transition],
    pub events: &'a [Event],
    pub notices: &'a [Notice],
    pub at_ms: i64,
    /// With more notices than this, an alert's older comings and goings are merged into its last.
    pub entries_max: usize,
}

/// How much waits to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Queue {
    pub entries: u64,
    /// When the oldest was queued (stored time).
    pub oldest_ms: Option<i64>,
    /// How many notices this write merged away.
    pub coalesced: u64,
}

/// What a group is to be told now, read at one point in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub place: Place,
    /// The oldest notices with their ids, in order.
    pub notices: Vec<(i64, Alert)>,
    /// Alerts that fire and that the group has been told of before.
    pub others: Vec<Alert>,
    pub others_total: usize,
    /// Whether any alert of the group fires now, listed here or not.
    pub is_firing: bool,
}

impl State {
    /// Writes what follows from one pass of judging.
    ///
    /// # Errors
    /// As `State::write`.
    pub async fn commit(&self, change: &Change<'_>) -> Result<Queue, StateError> {
        self.write(change).await
    }

    /// Every alert that some group holds, for the agent itself to go on from after a restart.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn members(&self) -> Result<Vec<Notice>, StateError> {
        let rows = sqlx::query(
            "SELECT m.rule, m.labels, m.annotations, m.starts_ms, NULL,
                    g.receiver, g.channel, g.key, g.tenant, g.labels
             FROM members m JOIN groups g ON g.id = m.group_id ORDER BY g.id, m.rule, m.labels",
        )
        .fetch_all(&mut *self.reader().await)
        .await;
        let read = |row: &SqliteRow| Ok(Notice { place: Arc::new(to_place(row, 5)?), alert: to_alert(row, 0)? });
        rows.and_then(|rows| rows.iter().map(read).collect()).map_err(|error| StateError::from_driver(&error))
    }

    /// The group of an outlet that has waited longest to be told something, except these. `None`: none waits.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn next_group(&self, outlet: &Outlet, except: &[i64]) -> Result<Option<i64>, StateError> {
        sqlx::query_scalar(
            "SELECT o.group_id FROM outbox o JOIN groups g ON g.id = o.group_id
             WHERE g.receiver = ? AND g.channel = ? AND o.group_id NOT IN (SELECT value FROM json_each(?))
             ORDER BY o.id LIMIT 1",
        )
        .bind(&outlet.receiver)
        .bind(&outlet.channel)
        .bind(serde_json::to_string(except).unwrap_or_default())
        .fetch_optional(&mut *self.reader().await)
        .await
        .map_err(|error| StateError::from_driver(&error))
    }

    /// What a group is to be told now: at most `alerts_max` notices and as many other alerts. `None`: nothing any more.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn waiting(&self, group: i64, alerts_max: usize) -> Result<Option<Waiting>, StateError> {
        let mut reader = self.reader().await;
        // One transaction, so that notices and members are of the same moment. One left open by a caller that gave up
        // is ended first.
        let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *reader).await;
        let begun = sqlx::raw_sql("BEGIN").execute(&mut *reader).await;
        let read = match begun {
            Ok(_) => read_waiting(&mut reader, group, alerts_max).await,
            Err(error) => Err(error),
        };
        let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *reader).await;
        read.map_err(|error| StateError::from_driver(&error))
    }

    /// How much waits to be told, over all outlets.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn queue(&self) -> Result<Queue, StateError> {
        measure(&mut *self.reader().await).await.map_err(|error| StateError::from_driver(&error))
    }
}

impl Job for Change<'_> {
    type Out = Queue;

    async fn run(&self, connection: &mut SqliteConnection) -> sqlx::Result<Queue> {
        for one in self.transitions {
            transitions::append(connection, one).await?;
            instances::set(connection, one).await?;
        }
        for one in self.events {
            events::append(connection, one).await?;
        }
        for one in self.notices {
            queue(connection, one, self.at_ms).await?;
        }
        let measured = measure(connection).await?;
        if self.notices.is_empty() || measured.entries <= self.entries_max as u64 {
            return Ok(measured);
        }
        let coalesced = coalesce(connection).await?;
        Ok(Queue { coalesced, ..measure(connection).await? })
    }
}

/// How much stands in the outbox.
///
/// # Errors
/// As the driver says.
pub async fn measure(connection: &mut SqliteConnection) -> sqlx::Result<Queue> {
    let (entries, oldest_ms): (i64, Option<i64>) =
        sqlx::query_as("SELECT count(*), min(queued_ms) FROM outbox").fetch_one(connection).await?;
    Ok(Queue { entries: u64::try_from(entries).unwrap_or(0), oldest_ms, coalesced: 0 })
}

/// Appends one notice, and makes or ends the membership it tells of.
async fn queue(connection: &mut SqliteConnection, notice: &Notice, at_ms: i64) -> sqlx::Result<()> {
    let Notice { place, alert } = notice;
    let (labels, annotations) = (text::labels(&alert.labels), text::map(&alert.annotations));
    let group = group_id(connection, place).await?;
    let id = sqlx::query(
        "INSERT INTO outbox (group_id, rule, labels, annotations, starts_ms, ends_ms, queued_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(group)
    .bind(&alert.rule)
    .bind(&labels)
    .bind(&annotations)
    .bind(alert.starts_ms)
    .bind(alert.ends_ms)
    .bind(at_ms)
    .execute(&mut *connection)
    .await?
    .last_insert_rowid();
    if alert.ends_ms.is_some() {
        sqlx::query("DELETE FROM members WHERE group_id = ? AND rule = ? AND labels = ?")
            .bind(group)
            .bind(&alert.rule)
            .bind(&labels)
            .execute(connection)
            .await?;
        return Ok(());
    }
    sqlx::query(
        "INSERT OR REPLACE INTO members (group_id, rule, labels, annotations, starts_ms, notice)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(group)
    .bind(&alert.rule)
    .bind(&labels)
    .bind(&annotations)
    .bind(alert.starts_ms)
    .bind(id)
    .execute(connection)
    .await?;
    Ok(())
}

/// The row of a group, made on first sight.
///
/// # Errors
/// As the driver says.
pub async fn group_id(connection: &mut SqliteConnection, place: &Place) -> sqlx::Result<i64> {
    sqlx::query(
        "INSERT INTO groups (receiver, channel, key, tenant, labels) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(&place.outlet.receiver)
    .bind(&place.outlet.channel)
    .bind(&place.key)
    .bind(&place.tenant)
    .bind(text::labels(&place.labels))
    .execute(&mut *connection)
    .await?;
    sqlx::query_scalar("SELECT id FROM groups WHERE receiver = ? AND channel = ? AND key = ?")
        .bind(&place.outlet.receiver)
        .bind(&place.outlet.channel)
        .bind(&place.key)
        .fetch_one(connection)
        .await
}

/// Merges each alert's waiting notices into its last state: one that fires keeps its last beginning, one that ended its
/// last end, with the beginning if that was not told either. Nobody is left with a wrong picture, no alert is dropped.
async fn coalesce(connection: &mut SqliteConnection) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "DELETE FROM outbox WHERE id IN (
             SELECT id FROM (
                 SELECT id, row_number() OVER newest AS back, first_value(ends_ms) OVER newest AS last_ends_ms
                 FROM outbox WINDOW newest AS (PARTITION BY group_id, rule, labels ORDER BY id DESC))
             WHERE back > iif(last_ends_ms IS NULL, 1, 2))",
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

async fn read_waiting(
    connection: &mut SqliteConnection,
    group: i64,
    alerts_max: usize,
) -> sqlx::Result<Option<Waiting>> {
    let notices = sqlx::query(
        "SELECT id, rule, labels, annotations, starts_ms, ends_ms FROM outbox WHERE group_id = ? ORDER BY id LIMIT ?",
    )
    .bind(group)
    .bind(text::limit(alerts_max))
    .fetch_all(&mut *connection)
    .await?;
    if notices.is_empty() {
        return Ok(None);
    }
    let place = sqlx::query("SELECT receiver, channel, key, tenant, labels FROM groups WHERE id = ?")
        .bind(group)
        .fetch_one(&mut *connection)
        .await?;
    let others = sqlx::query(
        "SELECT rule, labels, annotations, starts_ms, NULL, count(*) OVER () FROM members m WHERE group_id = ?
         AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.id = m.notice) ORDER BY starts_ms, rule, labels LIMIT ?",
    )
    .bind(group)
    .bind(text::limit(alerts_max))
    .fetch_all(&mut *connection)
    .await?;
    let others_total: i64 = others.first().map_or(Ok(0), |row| row.try_get(5))?;
    let is_firing = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM members WHERE group_id = ?)")
        .bind(group)
        .fetch_one(connection)
        .await?;
    Ok(Some(Waiting {
        place: to_place(&place, 0)?,
        notices: notices.iter().map(|row| Ok((row.try_get(0)?, to_alert(row, 1)?))).collect::<sqlx::Result<_>>()?,
        others: others.iter().map(|row| to_alert(row, 0)).collect::<sqlx::Result<_>>()?,
        others_total: usize::try_from(others_total).unwrap_or(0),
        is_firing,
    }))
}

/// Reads `rule, labels, annotations, starts_ms, ends_ms` from a column on.
fn to_alert(row: &SqliteRow, at: usize) -> sqlx::Result<Alert> {
    Ok(Alert {
        rule: row.try_get(at)?,
        labels: text::to_labels(row.try_get(at + 1)?)?,
        annotations: text::to_map(row.try_get(at + 2)?)?,
        starts_ms: row.try_get(at + 3)?,
        ends_ms: row.try_get(at + 4)?,
    })
}

/// Reads `receiver, channel, key, tenant, labels` from a column on.
fn to_place(row: &SqliteRow, at: usize) -> sqlx::Result<Place> {
    Ok(Place {
        outlet: Outlet { receiver: row.try_get(at)?, channel: row.try_get(at + 1)? },
        key: row.try_get(at + 2)?,
        tenant: row.try_get(at + 3)?,
        labels: text::to_labels(row.try_get(at + 4)?)?,
    })
}
