//! A whole server: its main session, and the databases beside the main one, read in turn, each at its own risk.

use std::time::Duration;

use tokio::time::timeout;

use crate::engines::contract::{Access, Answer, Facts, Row, Session, Table, Task};
use crate::engines::postgresql::Postgresql;
use crate::engines::postgresql::monitor::ROWS;
use crate::engines::postgresql::session::databases::{Databases, LABEL, Listed, Place};
use crate::engines::postgresql::session::yielding::{self, Shelf};
use crate::engines::postgresql::session::{Open, open};
use crate::model::fault::Fault;
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::target::Target;
use crate::sys::clock::Stopwatch;
use crate::sys::task::Handle;

/// How much longer than the server's own limit we wait for its answer.
const GRACE: Duration = Duration::from_millis(500);

/// What the sampler asks.
pub struct Server {
    main: Open,
    target: Target,
    access: Access,
    databases: Databases,
    shelf: Shelf,
    gives_way: Option<Handle<()>>,
    /// Since the session was opened.
    watch: Stopwatch,
}

impl Server {
    pub fn new(main: Open, target: &Target, access: &Access) -> Server {
        let mut server = Server {
            main,
            target: target.clone(),
            access: access.clone(),
            databases: Databases::default(),
            shelf: Shelf::default(),
            gives_way: None,
            watch: Stopwatch::start(),
        };
        server.list();
        server
    }

    /// Takes over what the main session has just learnt.
    fn list(&mut self) {
        let Server { main, target, databases, shelf, .. } = self;
        databases.list(&main.listed, &main.database, &target.filter, target.sessions_max);
        main.facts.parts = databases.names();
        let parts = &main.facts.parts;
        shelf.lock().sessions.retain(|name, _| parts.contains(name));
    }

    /// Asks a row in each database that is due, and puts together what all of them say.
    async fn ask_each(&mut self, row: &'static Row, budget: Duration) -> Result<Answer, Unknown> {
        let began = Stopwatch::start();
        let now = self.watch.elapsed();
        let wanted = std::mem::take(&mut self.shelf.lock().wanted);
        for oid in wanted {
            self.databases.yielded(oid, now);
        }
        for (database, place) in self.databases.to_ask(now) {
            // Half of what is left: one database that hangs never takes the time of all that follow.
            let share = budget.saturating_sub(began.elapsed()) / 2;
            match place {
                Place::Main => {
                    let answer = self.main.table(row, share).await;
                    self.databases.answered(&database.name, row.name, answer, now);
                    if self.main.is_broken() {
                        break;
                    }
                }
                Place::Kept => self.ask_kept(&database, row, share, now).await,
                Place::Visited if self.databases.may_visit(&database.name) => {
                    self.visit(&database, share, now).await;
                }
                Place::Visited => {}
            }
        }
        self.databases.answer(row)
    }

    async fn ask_kept(&mut self, database: &Listed, row: &'static Row, share: Duration, now: Duration) {
        let kept = self.shelf.lock().sessions.remove(&database.name);
        let asked = Stopwatch::start();
        let was_kept = kept.is_some();
        let mut session = match kept {
            Some((_, session)) => Ok(session),
            None => self.enter(database, share).await,
        };
        let mut answer = ask(&mut session, row, share).await;
        // A server or a proxy may close an idle session; that alone is no reason to leave the database alone.
        if was_kept && session.as_ref().is_ok_and(Open::is_broken) {
            session = self.enter(database, share.saturating_sub(asked.elapsed())).await;
            answer = ask(&mut session, row, share.saturating_sub(asked.elapsed())).await;
        }
        match session {
            Ok(session) if !session.is_broken() => {
                self.databases.answered(&database.name, row.name, answer, now);
                let mut kept = self.shelf.lock();
                if !kept.wanted.contains(&database.oid) {
                    kept.sessions.insert(database.name.clone(), (database.oid, session));
                }
            }
            _ => {
                let Err(unknown) = answer else { return };
                self.databases.failed(&database.name, unknown, now);
            }
        }
        if self.gives_way.as_ref().is_none_or(Handle::is_finished) {
            self.gives_way = Some(yielding::begin(&self.shelf, &self.main.client));
        }
    }

    /// Enters a database, asks all that is read in each, and leaves.
    async fn visit(&mut self, database: &Listed, share: Duration, now: Duration) {
        let began = Stopwatch::start();
        let mut session = self.enter(database, share).await;
        for row in self.rows_of_each() {
            let answer = ask(&mut session, row, share.saturating_sub(began.elapsed())).await;
            match answer {
                Err(unknown) if !session.as_ref().is_ok_and(|session| !session.is_broken()) => {
                    return self.databases.failed(&database.name, unknown, now);
                }
                answer => self.databases.answered(&database.name, row.name, answer, now),
            }
        }
    }

    /// The rows that are read in each database.
    fn rows_of_each(&self) -> Vec<&'static Row> {
        let facts = &self.main.facts;
        let is_read = |row: &&Row| {
            row.each == LABEL
                && row.exists(facts)
                && row.lacks(facts).is_none()
                && self.target.choice.reads(row.name, row.optional)
        };
        ROWS.iter().filter(is_read).collect()
    }

    async fn enter(&self, database: &Listed, patience: Duration) -> Result<Open, Unknown> {
        let mut target = self.target.clone();
        target.url.path.clone_from(&database.name);
        target.deadline = target.deadline.min(patience);
        let opened = timeout(patience, open(&Postgresql, &target, &self.access)).await;
        let opened = opened.map_err(|_| silent(patience))?;
        opened.map_err(|fault| Unknown::new(UnknownKind::Refused, fault.what))
    }
}

async fn ask(session: &mut Result<Open, Unknown>, row: &'static Row, share: Duration) -> Result<Table, Unknown> {
    let open = session.as_mut().map_err(|unknown| unknown.clone())?;
    let patience = share + GRACE;
    let answer = timeout(patience, open.table(row, share)).await;
    answer.unwrap_or_else(|_| {
        open.broken = true; // what it still may say belongs to no question
        Err(silent(patience))
    })
}

fn silent(patience: Duration) -> Unknown {
    Unknown::new(UnknownKind::Deadline, format!("no answer within {patience:.1?}"))
}

impl Session for Server {
    fn facts(&self) -> &Facts {
        &self.main.facts
    }

    fn probe(&mut self) -> Task<'_, Result<(), Fault>> {
        Box::pin(async move {
            self.main.learn().await?;
            self.list();
            Ok(())
        })
    }

    fn ask<'a>(&'a mut self, row: &'a Row, budget: Duration) -> Task<'a, Result<Answer, Unknown>> {
        // The table's own row lives as long as what is remembered of it.
        let each = ROWS.iter().find(|one| one.each == LABEL && one.name == row.name);
        Box::pin(async move {
            match each {
                Some(row) => self.ask_each(row, budget).await,
                None => self.main.table(row, budget).await.map(Answer::Table),
            }
        })
    }

    fn is_broken(&self) -> bool {
        self.main.is_broken()
    }

    fn statement<'a>(&'a mut self, id: &'a str) -> Task<'a, Result<Option<String>, Fault>> {
        Box::pin(self.main.statement(id))
    }
}
