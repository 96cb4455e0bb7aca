//! The journal: every change that act makes, on disk with what takes it back before it is begun, and each of its phases.

use serde::Serialize;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::model::plan::Step;
use crate::model::policy::Undo;
use crate::model::scope::Scope;
use crate::model::status::Event;
use crate::state::State;
use crate::state::error::StateError;
use crate::state::events;
use crate::state::text;
use crate::state::write::Job;

/// How far a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Recorded; it may or may not have been made.
    Begun,
    /// Made, and read back.
    Done,
    /// Nothing came of it, and nothing stands of it.
    Void,
    /// Tried in vain, and nothing stands of it.
    Failed,
    /// What stands is neither what was before nor what was to be: left alone until a person has looked.
    Unclear,
    /// Being taken back.
    Undoing,
    /// Taken back, and read back.
    Undone,
    /// Not taken back: somebody else changed the setting since.
    #[serde(rename = "undo refused")]
    UndoRefused,
}

impl Phase {
    pub const ALL: [Phase; 8] = [
        Phase::Begun,
        Phase::Done,
        Phase::Void,
        Phase::Failed,
        Phase::Unclear,
        Phase::Undoing,
        Phase::Undone,
        Phase::UndoRefused,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Phase::Begun => "begun",
            Phase::Done => "done",
            Phase::Void => "void",
            Phase::Failed => "failed",
            Phase::Unclear => "unclear",
            Phase::Undoing => "undoing",
            Phase::Undone => "undone",
            Phase::UndoRefused => "undo refused",
        }
    }

    fn from_word(word: &str) -> sqlx::Result<Phase> {
        let found = Phase::ALL.into_iter().find(|one| one.word() == word);
        found.ok_or_else(|| sqlx::Error::Decode(format!("'{word}' is no phase of a change").into()))
    }

    /// Whether it is under way: its end is not known yet.
    pub fn is_under_way(self) -> bool {
        matches!(self, Phase::Begun | Phase::Undoing)
    }
}

/// Why a change is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// What caused it has ended.
    Resolved,
    /// A person asked for it.
    Asked,
    /// It did not come to hold.
    #[serde(rename = "did not hold")]
    DidNotHold,
}

impl Why {
    pub fn word(self) -> &'static str {
        match self {
            Why::Resolved => "resolved",
            Why::Asked => "asked",
            Why::DidNotHold => "did not hold",
        }
    }

    fn from_word(word: &str) -> Option<Why> {
        [Why::Resolved, Why::Asked, Why::DidNotHold].into_iter().find(|one| one.word() == word)
    }
}

/// A change that is about to be made.
#[derive(Clone, Debug)]
pub struct Begin {
    pub tenant: String,
    pub policy: String,
    /// The policy's `when`, as it would stand in the configuration.
    pub cause: String,
    /// What had it done: a firing's rule and labels, `schedule`, `by hand`.
    pub instance: String,
    pub since_ms: i64,
    pub target: String,
    /// The engine and the address the target had.
    pub server: String,
    pub step: Step,
    pub undo: Undo,
    /// Who had it done.
    pub actor: String,
    pub words: String,
    pub at_ms: i64,
    pub wall_ms: i64,
}

impl Begin {
    /// The change, once it is recorded.
    pub fn entry(&self, id: i64) -> Entry {
        Entry {
            id,
            tenant: self.tenant.clone(),
            policy: self.policy.clone(),
            cause: self.cause.clone(),
            instance: self.instance.clone(),
            since_ms: self.since_ms,
            target: self.target.clone(),
            server: self.server.clone(),
            step: self.step.clone(),
            undo: self.undo,
            actor: self.actor.clone(),
            phase: Phase::Begun,
            why_undone: None,
            begun_ms: self.at_ms,
            wall_ms: self.wall_ms,
            changed_ms: self.at_ms,
            closed_ms: None,
        }
    }
}

/// A change, as the journal has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub id: i64,
    pub tenant: String,
    pub policy: String,
    pub cause: String,
    pub instance: String,
    pub since_ms: i64,
    pub target: String,
    pub server: String,
    pub step: Step,
    pub undo: Undo,
    pub actor: String,
    pub phase: Phase,
    pub why_undone: Option<Why>,
    pub begun_ms: i64,
    pub wall_ms: i64,
    pub changed_ms: i64,
    /// When a person said that it needs no more looking at.
    pub closed_ms: Option<i64>,
}

impl Entry {
    /// `tenant/target`.
    pub fn target_identity(&self) -> String {
        format!("{}/{}", self.tenant, self.target)
    }

    /// Whether what it changed still stands, or may stand.
    pub fn stands(&self) -> bool {
        match self.phase {
            Phase::Begun | Phase::Done | Phase::Undoing => true,
            Phase::Unclear => self.closed_ms.is_none(),
            Phase::Void | Phase::Failed | Phase::Undone | Phase::UndoRefused => false,
        }
    }

    /// Whether it still has to come to an end of its own, so that nothing may be set on top of it.
    pub fn is_open(&self) -> bool {
        self.stands() && (self.phase != Phase::Done || self.owes_undo())
    }

    /// Whether the end of its cause takes it back.
    pub fn owes_undo(&self) -> bool {
        self.phase == Phase::Done && self.undo == Undo::OnResolve && self.closed_ms.is_none()
    }
}

/// One line of a change's story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub phase: String,
    pub at_ms: i64,
    pub actor: String,
    pub words: String,
}

/// A change goes from one phase into another, with what is said of it.
#[derive(Clone, Debug)]
pub struct Turn<'a> {
    pub entry: i64,
    pub from: Phase,
    pub to: Phase,
    /// `None` leaves what stands there.
    pub why: Option<Why>,
    pub at_ms: i64,
    pub actor: &'a str,
    pub words: &'a str,
    pub event: Option<&'a Event>,
}

/// What a policy has done lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// When its last change was begun, in stored time.
    pub last_ms: Option<i64>,
    /// Changes since the day began.
    pub today: u32,
}

const DAY_MS: i64 = 86_400_000;

const COLUMNS: &str = "id, tenant, policy, cause, instance, since_ms, target, server, step, undo, actor, phase, \
                       why_undone, begun_ms, wall_ms, changed_ms, closed_ms";

impl State {
    /// Records a change that is about to be made. `None`: this firing has acted already, or the target has another
    /// change under way; nothing was recorded.
    ///
    /// # Errors
    /// As `State::write`.
    pub async fn begin_change(&self, begin: &Begin) -> Result<Option<i64>, StateError> {
        self.write(begin).await
    }

    /// Brings a change into another phase; `false` where it was not in the phase that it was to leave.
    ///
    /// # Errors
    /// As `State::write`.
    pub async fn turn(&self, turn: &Turn<'_>) -> Result<bool, StateError> {
        self.write(turn).await
    }

    /// Notes that a change needs no more looking at. `false`: there is no such change, or it is closed.
    ///
    /// # Errors
    /// As `State::write`.
    pub async fn close_change(&self, close: &Close<'_>) -> Result<bool, StateError> {
        self.write(close).await
    }

    /// Every change that is not over: it stands, or nobody has looked at how it ended. For the agent itself.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn changes_not_over(&self) -> Result<Vec<Entry>, StateError> {
        let not_over = "WHERE phase IN ('begun', 'undoing', 'done')
                        OR (phase IN ('unclear', 'failed', 'undo refused') AND closed_ms IS NULL) ORDER BY id";
        self.select_changes(not_over, None, 0).await
    }

    /// The newest changes that a reader may see, newest first.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn journal(&self, scope: &Scope, rows_max: usize) -> Result<Vec<Entry>, StateError> {
        let tail = "WHERE (?1 IS NULL OR tenant IN (SELECT value FROM json_each(?1))) ORDER BY id DESC LIMIT ?2";
        self.select_changes(tail, text::tenants(scope), text::limit(rows_max)).await
    }

    /// One change, if a reader may see it.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn change(&self, scope: &Scope, id: i64) -> Result<Option<Entry>, StateError> {
        let tail = "WHERE (?1 IS NULL OR tenant IN (SELECT value FROM json_each(?1))) AND id = ?2";
        Ok(self.select_changes(tail, text::tenants(scope), id).await?.pop())
    }

    /// The newest change of the same setting after this one that came to anything, be it under another name of the same
    /// server. For the agent itself.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn change_after(&self, entry: &Entry) -> Result<Option<Entry>, StateError> {
        let query = format!(
            "SELECT {COLUMNS} FROM journal WHERE ((tenant = ? AND target = ?) OR server = ?) AND key = ? AND id > ?
             AND phase NOT IN ('void', 'failed') ORDER BY id DESC LIMIT 1"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(query)) // both are texts of this file
            .bind(&entry.tenant)
            .bind(&entry.target)
            .bind(&entry.server)
            .bind(&entry.step.key)
            .bind(entry.id)
            .fetch_optional(&mut *self.reader().await)
            .await;
        let read = row.and_then(|row| row.as_ref().map(from_row).transpose());
        read.map_err(|error| StateError::from_driver(&error))
    }

    async fn select_changes(&self, tail: &str, tenants: Option<String>, number: i64) -> Result<Vec<Entry>, StateError> {
        let query = format!("SELECT {COLUMNS} FROM journal {tail}"); // both are texts of this file
        let rows = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(tenants)
            .bind(number)
            .fetch_all(&mut *self.reader().await)
            .await;
        let read = rows.and_then(|rows| rows.iter().map(from_row).collect());
        read.map_err(|error| StateError::from_driver(&error))
    }

    /// The story of one change, oldest line first. Whoever asks has seen the change itself.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn story(&self, entry: &Entry) -> Result<Vec<Line>, StateError> {
        let rows: sqlx::Result<Vec<(String, i64, String, String)>> =
            sqlx::query_as("SELECT phase, at_ms, actor, words FROM journal_log WHERE entry = ? ORDER BY id")
                .bind(entry.id)
                .fetch_all(&mut *self.reader().await)
                .await;
        let line = |(phase, at_ms, actor, words)| Line { phase, at_ms, actor, words };
        rows.map(|rows| rows.into_iter().map(line).collect()).map_err(|error| StateError::from_driver(&error))
    }

    /// Whether this firing has acted. For the agent itself.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn has_acted(&self, policy: (&str, &str), instance: &str, since_ms: i64) -> Result<bool, StateError> {
        let found: sqlx::Result<Option<i64>> = sqlx::query_scalar(
            "SELECT id FROM journal WHERE tenant = ? AND policy = ? AND instance = ? AND since_ms = ? AND phase <> 'void'",
        )
        .bind(policy.0)
        .bind(policy.1)
        .bind(instance)
        .bind(since_ms)
        .fetch_optional(&mut *self.reader().await)
        .await;
        found.map(|found| found.is_some()).map_err(|error| StateError::from_driver(&error))
    }

    /// What a policy has done since its day began, by the calendar. A change that is more than a day ahead of now was made
    /// while the clock was wrong, and is none of today's. For the agent itself.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn tally(&self, policy: (&str, &str), today_wall_ms: (i64, i64)) -> Result<Tally, StateError> {
        let (began_ms, now_ms) = today_wall_ms;
        let read: sqlx::Result<(Option<i64>, u32)> = sqlx::query_as(
            "SELECT max(begun_ms), count(*) FILTER (WHERE wall_ms BETWEEN ?3 AND ?4) FROM journal
             WHERE tenant = ?1 AND policy = ?2 AND phase <> 'void'",
        )
        .bind(policy.0)
        .bind(policy.1)
        .bind(began_ms)
        .bind(now_ms.saturating_add(DAY_MS))
        .fetch_one(&mut *self.reader().await)
        .await;
        read.map(|(last_ms, today)| Tally { last_ms, today }).map_err(|error| StateError::from_driver(&error))
    }
}

impl Job for Begin {
    type Out = Option<i64>;

    async fn run(&self, connection: &mut SqliteConnection) -> sqlx::Result<Option<i64>> {
        let id: Option<i64> = sqlx::query_scalar(
            "INSERT INTO journal (tenant, policy, cause, instance, since_ms, target, server, key, step, undo, actor, phase,
                                  begun_ms, wall_ms, changed_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'begun', ?12, ?13, ?12)
             ON CONFLICT DO NOTHING RETURNING id",
        )
        .bind(&self.tenant)
        .bind(&self.policy)
        .bind(&self.cause)
        .bind(&self.instance)
        .bind(self.since_ms)
        .bind(&self.target)
        .bind(&self.server)
        .bind(&self.step.key)
        .bind(serde_json::to_string(&self.step).unwrap_or_default())
        .bind(self.undo.word())
        .bind(&self.actor)
        .bind(self.at_ms)
        .bind(self.wall_ms)
        .fetch_optional(&mut *connection)
        .await?;
        if let Some(entry) = id {
            log(connection, entry, Phase::Begun.word(), self.at_ms, &self.actor, &self.words).await?;
        }
        Ok(id)
    }
}

impl Job for Turn<'_> {
    type Out = bool;

    async fn run(&self, connection: &mut SqliteConnection) -> sqlx::Result<bool> {
        let done = sqlx::query(
            "UPDATE journal SET phase = ?3, why_undone = coalesce(?4, why_undone), changed_ms = ?5
             WHERE id = ?1 AND phase = ?2",
        )
        .bind(self.entry)
        .bind(self.from.word())
        .bind(self.to.word())
        .bind(self.why.map(Why::word))
        .bind(self.at_ms)
        .execute(&mut *connection)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        log(connection, self.entry, self.to.word(), self.at_ms, self.actor, self.words).await?;
        if let Some(event) = self.event {
            events::append(connection, event).await?;
        }
        Ok(true)
    }
}

/// A person has looked at how a change ended.
#[derive(Clone, Debug)]
pub struct Close<'a> {
    pub entry: i64,
    pub at_ms: i64,
    pub actor: &'a str,
    pub words: &'a str,
}

impl Job for Close<'_> {
    type Out = bool;

    async fn run(&self, connection: &mut SqliteConnection) -> sqlx::Result<bool> {
        let done = sqlx::query("UPDATE journal SET closed_ms = ?2 WHERE id = ?1 AND closed_ms IS NULL")
            .bind(self.entry)
            .bind(self.at_ms)
            .execute(&mut *connection)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        log(connection, self.entry, "closed", self.at_ms, self.actor, self.words).await?;
        Ok(true)
    }
}

async fn log(
    connection: &mut SqliteConnection,
    entry: i64,
    phase: &str,
    at_ms: i64,
    actor: &str,
    words: &str,
) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO journal_log (entry, phase, at_ms, actor, words) VALUES (?, ?, ?, ?, ?)")
        .bind(entry)
        .bind(phase)
        .bind(at_ms)
        .bind(actor)
        .bind(words)
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets changes that are over and as old as that, with their stories. What stands is kept, however old, unless the
/// same setting was changed again since.
///
/// # Errors
/// As the driver says.
pub async fn trim(connection: &mut SqliteConnection, before_ms: i64, rows_max: i64) -> sqlx::Result<u64> {
    let over = "SELECT id FROM journal j
                WHERE (changed_ms < ?1 OR id <= (SELECT max(id) FROM journal) - ?2)
                AND (phase IN ('void', 'failed', 'undone', 'undo refused') OR closed_ms IS NOT NULL
                     OR (phase = 'done' AND EXISTS (
                         SELECT 1 FROM journal k WHERE k.tenant = j.tenant AND k.target = j.target AND k.key = j.key
                         AND k.id > j.id AND k.phase = 'done')))";
    let mut removed = 0;
    for table in [
        format!("DELETE FROM journal_log WHERE entry IN ({over})"),
        format!("DELETE FROM journal WHERE id IN ({over})"),
    ] {
        let query = sqlx::query(sqlx::AssertSqlSafe(table)).bind(before_ms).bind(rows_max); // texts of this file
        removed += query.execute(&mut *connection).await?.rows_affected();
    }
    Ok(removed)
}

fn from_row(row: &SqliteRow) -> sqlx::Result<Entry> {
    let (step, undo, phase): (&str, &str, &str) = (row.try_get(8)?, row.try_get(9)?, row.try_get(11)?);
    let undo = Undo::from_word(undo).ok_or_else(|| sqlx::Error::Decode(format!("'{undo}' is no undo").into()))?;
    Ok(Entry {
        id: row.try_get(0)?,
        tenant: row.try_get(1)?,
        policy: row.try_get(2)?,
        cause: row.try_get(3)?,
        instance: row.try_get(4)?,
        since_ms: row.try_get(5)?,
        target: row.try_get(6)?,
        server: row.try_get(7)?,
        step: serde_json::from_str(step).map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        undo,
        actor: row.try_get(10)?,
        phase: Phase::from_word(phase)?,
        why_undone: Why::from_word(row.try_get(12)?),
        begun_ms: row.try_get(13)?,
        wall_ms: row.try_get(14)?,
        changed_ms: row.try_get(15)?,
        closed_ms: row.try_get(16)?,
    })
}
