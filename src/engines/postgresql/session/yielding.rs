//! Gives way: a session in a database keeps everybody from dropping, renaming or copying it, so it ends when one waits for that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::sleep;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::engines::postgresql::session::Open;
use crate::sys::task::{self, Handle};

/// How often it is looked whether somebody waits. The server waits five seconds for sessions to leave a database, and
/// then fails (CountOtherDBBackends in its procarray.c).
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The databases that somebody wants to be alone with. DROP, RENAME and SET TABLESPACE hold the one lock on them while
/// they wait for us, and CREATE DATABASE … TEMPLATE the other on the original; who merely connects takes neither.
const LOOK: &str = "SELECT objid FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_database'::regclass \
                    AND mode IN ('AccessExclusiveLock', 'ShareLock')";

/// The sessions that are kept with other databases than the main one, by the database's name.
#[derive(Default)]
pub struct Kept {
    pub sessions: BTreeMap<String, (u32, Open)>,
    /// Databases to stay away from, and not yet told of.
    pub wanted: BTreeSet<u32>,
}

/// What the sampler and the one who gives way both hold. Locked for moments only.
#[derive(Clone, Default)]
pub struct Shelf(Arc<Mutex<Kept>>);

impl Shelf {
    pub fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner) // what it holds is whole after each line
    }

    /// Ends the sessions with these databases, and notes them.
    fn give_way(&self, wanted: Vec<u32>) {
        let mut kept = self.lock();
        kept.sessions.retain(|_, (oid, _)| !wanted.contains(oid));
        kept.wanted.extend(wanted);
    }
}

/// Looks after the sessions on the shelf as long as there are any, through the main session, whose questions it stands
/// behind: one statement, so that it is a transaction of its own.
pub fn begin(shelf: &Shelf, main: &Arc<Client>) -> Handle<()> {
    let (shelf, main) = (shelf.clone(), Arc::downgrade(main));
    task::spawn("postgresql gives way", async move {
        while !shelf.lock().sessions.is_empty() {
            sleep(LOOK_EVERY).await;
            match look(&main).await {
                Some(wanted) if !wanted.is_empty() => shelf.give_way(wanted),
                Some(_) => {}
                None => return,
            }
        }
    })
}

/// The databases that are wanted; `None` where there is nobody left to ask. An error is no reason to leave: the
/// question may have come into a transaction that had failed.
async fn look(main: &Weak<Client>) -> Option<Vec<u32>> {
    let main = main.upgrade()?;
    if main.is_closed() {
        return None;
    }
    let messages = main.simple_query(LOOK).await.unwrap_or_default();
    let oid = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    };
    Some(messages.iter().filter_map(oid).collect())
}
