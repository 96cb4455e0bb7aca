//! What policies may do and have planned: arming, the switch that stops everything, schedules, plans.

use sqlx::sqlite::SqliteConnection;

use crate::model::plan::Step;
use crate::model::status::Event;
use crate::state::State;
use crate::state::error::StateError;
use crate::state::events;
use crate::state::write::Job;

/// A policy that is armed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Armed {
    pub tenant: String,
    pub policy: String,
    /// What was armed; a policy that is defined otherwise is not.
    pub definition: String,
    pub at_ms: i64,
    pub actor: String,
}

/// Who stopped everything, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    pub at_ms: i64,
    pub actor: String,
}

/// What a policy would do for one firing.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    pub tenant: String,
    pub policy: String,
    pub instance: String,
    pub since_ms: i64,
    /// Who or what would have it done.
    pub cause: String,
    pub step: Step,
    pub at_ms: i64,
}

/// A change of what policies may do, with the event that tells it, if one does.
#[derive(Clone, Debug)]
pub enum Ruling<'a> {
    Arm(&'a Armed),
    Disarm {
        tenant: &'a str,
        policy: &'a str,
    },
    Stop(&'a Stopped),
    Start,
    /// A schedule's times are dealt with up to then.
    Dealt {
        tenant: &'a str,
        policy: &'a str,
        schedule: &'a str,
        until_ms: i64,
    },
    Plan(&'a Planned),
    /// The firing is over; without an instance: the policy has acted.
    Unplan {
        tenant: &'a str,
        policy: &'a str,
        instance: Option<&'a str>,
    },
}

type ArmedRow = (String, String, String, i64, String);
type PlannedRow = (String, String, String, i64, String, String, i64);

struct Told<'a> {
    ruling: &'a Ruling<'a>,
    event: Option<&'a Event>,
}

impl State {
    /// Changes what policies may do, or notes what they plan. `false`: it was so already, and no event was recorded.
    ///
    /// # Errors
    /// As `State::write`.
    pub async fn rule(&self, ruling: &Ruling<'_>, event: Option<&Event>) -> Result<bool, StateError> {
        self.write(&Told { ruling, event }).await
    }

    /// Every policy that is armed. For the agent itself.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn armed(&self) -> Result<Vec<Armed>, StateError> {
        let rows: sqlx::Result<Vec<ArmedRow>> =
            sqlx::query_as("SELECT tenant, policy, definition, at_ms, actor FROM armed ORDER BY tenant, policy")
                .fetch_all(&mut *self.reader().await)
                .await;
        let armed = |(tenant, policy, definition, at_ms, actor)| Armed { tenant, policy, definition, at_ms, actor };
        rows.map(|rows| rows.into_iter().map(armed).collect()).map_err(|error| StateError::from_driver(&error))
    }

    /// Who stopped everything, if somebody did.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn stopped(&self) -> Result<Option<Stopped>, StateError> {
        let row: sqlx::Result<Option<(i64, String)>> =
            sqlx::query_as("SELECT at_ms, actor FROM stopped").fetch_optional(&mut *self.reader().await).await;
        row.map(|row| row.map(|(at_ms, actor)| Stopped { at_ms, actor }))
            .map_err(|error| StateError::from_driver(&error))
    }

    /// Up to when a schedule's times are dealt with; `None` where it is new, or another than it was.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn dealt_until(&self, policy: (&str, &str), schedule: &str) -> Result<Option<i64>, StateError> {
        sqlx::query_scalar("SELECT until_ms FROM schedules WHERE tenant = ? AND policy = ? AND schedule = ?")
            .bind(policy.0)
            .bind(policy.1)
            .bind(schedule)
            .fetch_optional(&mut *self.reader().await)
            .await
            .map_err(|error| StateError::from_driver(&error))
    }

    /// Every plan. For the agent itself.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn plans(&self) -> Result<Vec<Planned>, StateError> {
        let rows: sqlx::Result<Vec<PlannedRow>> = sqlx::query_as(
            "SELECT tenant, policy, instance, since_ms, cause, step, at_ms FROM plans ORDER BY tenant, policy, instance",
        )
        .fetch_all(&mut *self.reader().await)
        .await;
        let planned = |(tenant, policy, instance, since_ms, cause, step, at_ms): PlannedRow| {
            let step = serde_json::from_str(&step).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            Ok(Planned { tenant, policy, instance, since_ms, cause, step, at_ms })
        };
        rows.and_then(|rows| rows.into_iter().map(planned).collect()).map_err(|error| StateError::from_driver(&error))
    }
}

impl Job for Told<'_> {
    type Out = bool;

    async fn run(&self, connection: &mut SqliteConnection) -> sqlx::Result<bool> {
        let changed = rule(connection, self.ruling).await? > 0;
        if let (true, Some(event)) = (changed, self.event) {
            events::append(connection, event).await?;
        }
        Ok(changed)
    }
}

async fn rule(connection: &mut SqliteConnection, ruling: &Ruling<'_>) -> sqlx::Result<u64> {
    let query = match ruling {
        Ruling::Arm(Armed { tenant, policy, definition, at_ms, actor }) => sqlx::query(
            "INSERT INTO armed (tenant, policy, definition, at_ms, actor) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET definition = excluded.definition, at_ms = excluded.at_ms, actor = excluded.actor
             WHERE definition <> excluded.definition",
        )
        .bind(tenant)
        .bind(policy)
        .bind(definition)
        .bind(at_ms)
        .bind(actor),
        Ruling::Disarm { tenant, policy } => {
            sqlx::query("DELETE FROM armed WHERE tenant = ? AND policy = ?").bind(tenant).bind(policy)
        }
        Ruling::Stop(Stopped { at_ms, actor }) => {
            sqlx::query("INSERT OR IGNORE INTO stopped (one, at_ms, actor) VALUES (1, ?, ?)").bind(at_ms).bind(actor)
        }
        Ruling::Start => sqlx::query("DELETE FROM stopped"),
        Ruling::Dealt { tenant, policy, schedule, until_ms } => {
            sqlx::query("INSERT OR REPLACE INTO schedules (tenant, policy, schedule, until_ms) VALUES (?, ?, ?, ?)")
                .bind(tenant)
                .bind(policy)
                .bind(schedule)
                .bind(until_ms)
        }
        Ruling::Plan(Planned { tenant, policy, instance, since_ms, cause, step, at_ms }) => sqlx::query(
            "INSERT OR REPLACE INTO plans (tenant, policy, instance, since_ms, cause, step, at_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(tenant)
        .bind(policy)
        .bind(instance)
        .bind(since_ms)
        .bind(cause)
        .bind(serde_json::to_string(step).unwrap_or_default())
        .bind(at_ms),
        Ruling::Unplan { tenant, policy, instance } => {
            sqlx::query("DELETE FROM plans WHERE tenant = ?1 AND policy = ?2 AND (?3 IS NULL OR instance = ?3)")
                .bind(tenant)
                .bind(policy)
                .bind(instance)
        }
    };
    Ok(query.execute(connection).await?.rows_affected())
}
