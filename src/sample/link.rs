//! The link to one target: at most one session, opened when needed; a hung one is kept rather than doubled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::engines::contract::{Access, Answer, Engine, Facts, Row, Session};
use crate::model::fault::Fault;
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::target::{SecretSource, Target};
use crate::sample::schedule::retry_after;
use crate::sys::clock::Stopwatch;
use crate::sys::task::{self, Handle};
use crate::sys::{files, secrets};

/// How long a socket that hangs is kept before it is replaced: opening another every cycle would only add load.
const HUNG_SOCKET_KEPT: Duration = Duration::from_secs(600);

/// What part of a cycle's time must be left for one more question: work that ends by itself hands its session back in time for
/// the next cycle.
const SPARE: u32 = 20;

/// What part of a cycle's time it waits for the work of the one before, which may be about to end.
const GRACE: u32 = 4;

/// What the work on a session reports while it goes on.
pub enum Report {
    /// The probe went well; readings of these rows follow, in this order, as far as the time allows.
    Alive(Facts, Vec<usize>),
    /// It did not; nothing follows.
    Dead(Fault),
    /// One row's answer.
    Row { row: usize, took: Duration, answer: Result<Answer, Unknown> },
    /// All rows were asked for which there was time.
    Done,
}

/// An open session, and the secrets it was opened with: a server's words are shown without them.
struct Boxed {
    session: Box<dyn Session>,
    access: Access,
}

enum State {
    Closed,
    Idle(Boxed),
    /// Work goes on; its session comes back when it ends, if it is still of use.
    Busy {
        work: Handle<Option<Boxed>>,
        since: Duration,
        /// A cycle has waited for it in vain.
        hangs: bool,
    },
}

impl State {
    fn after(ended: Result<Option<Boxed>, String>) -> State {
        match ended {
            Ok(Some(open)) if !open.session.is_broken() => State::Idle(open),
            _ => State::Closed,
        }
    }
}

/// One target's session, and when it may be opened again.
pub struct Link {
    engine: &'static dyn Engine,
    target: Arc<Target>,
    state: State,
    secret_version: Option<(u128, u64)>,
    refusals: u32,
    retry_at: Duration,
    last_refusal: Option<Fault>,
    /// Counts how often the configuration was read; and its count when the last session was opened.
    reloads: Arc<AtomicU64>,
    reloads_seen: u64,
    /// Sessions opened so far.
    pub opened: u64,
    /// Whether the work under way began by opening a session.
    pub is_fresh: bool,
}

/// Why no work could begin.
pub enum Held {
    /// The session has not answered since then.
    Hung { since: Duration },
    /// The server refused us lately, and is not asked again yet.
    Waiting(Fault),
}

impl Link {
    pub fn new(engine: &'static dyn Engine, target: Arc<Target>, reloads: Arc<AtomicU64>) -> Link {
        Link {
            engine,
            target,
            state: State::Closed,
            secret_version: None,
            refusals: 0,
            retry_at: Duration::ZERO,
            last_refusal: None,
            reloads_seen: reloads.load(Ordering::Relaxed),
            reloads,
            opened: 0,
            is_fresh: false,
        }
    }

    /// Begins a cycle's work: opens a session if there is none, probes it, asks the rows that `due` picks, at most
    /// `rows_max`.
    ///
    /// # Errors
    /// `Held`, where no work can begin now.
    pub async fn begin(
        &mut self,
        now: Duration,
        deadline: Duration,
        rows_max: usize,
        due: impl Fn(&Facts, bool) -> Vec<(usize, &'static Row)> + Send + 'static,
    ) -> Result<mpsc::Receiver<Report>, Held> {
        let waits = Stopwatch::start();
        self.settle(now, deadline / GRACE).await;
        let deadline = deadline.saturating_sub(waits.elapsed());
        let session = match std::mem::replace(&mut self.state, State::Closed) {
            State::Busy { work, since, hangs } => {
                self.state = State::Busy { work, since, hangs };
                return Err(Held::Hung { since });
            }
            State::Idle(session) if self.secret_version == secret_version(&self.target) => Some(session),
            State::Idle(_) | State::Closed => None,
        };
        if session.is_none()
            && now < self.retry_at
            && self.secret_version == secret_version(&self.target)
            && self.reloads_seen == self.reloads.load(Ordering::Relaxed)
            && let Some(fault) = &self.last_refusal
        {
            return Err(Held::Waiting(fault.clone()));
        }
        self.is_fresh = session.is_none();
        self.opened += u64::from(self.is_fresh);
        self.secret_version = secret_version(&self.target);
        self.reloads_seen = self.reloads.load(Ordering::Relaxed);
        // Room for every report, so that the work never waits for a reader that has given up.
        let (reports, reader) = mpsc::channel(rows_max + 3);
        let work = work(self.engine, self.target.clone(), session, deadline, due, reports);
        self.state = State::Busy { work: task::spawn("reading", work), since: now, hangs: false };
        Ok(reader)
    }

    /// Takes the session back after the last report, or leaves the work running if it still hangs. Work that this is the
    /// first to find unfinished is given so much longer: on a busy machine its end comes late.
    async fn settle(&mut self, now: Duration, grace: Duration) {
        let State::Busy { work, since, hangs } = &mut self.state else { return };
        let grace = if std::mem::replace(hangs, true) { Duration::ZERO } else { grace };
        if let Ok(ended) = timeout(grace, &mut *work).await {
            self.state = State::after(ended);
        } else if now.saturating_sub(*since) > HUNG_SOCKET_KEPT {
            self.state = State::Closed; // dropping the handle ends the work and closes its socket
        }
    }

    /// Waits for work that has given its last report to hand its session back.
    pub async fn finish(&mut self) {
        let State::Busy { work, .. } = &mut self.state else { return };
        self.state = State::after(work.await);
    }

    /// Whether the work has been left to itself before it gave its last report.
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Busy { .. })
    }

    /// Notes how opening and probing went, to space out attempts at a server that refuses us. Says what to tell of it.
    pub fn note(&mut self, outcome: Result<(), Fault>, now: Duration) -> Option<Fault> {
        let fault = match outcome {
            Err(fault) => fault,
            Ok(()) => {
                self.forget_refusals();
                return None;
            }
        };
        // Unreachable is not a refusal: nobody counts our attempts, and we want to be there when it returns.
        if fault.code.starts_with("net-") {
            self.forget_refusals();
            return Some(fault);
        }
        self.refusals = self.refusals.saturating_add(1);
        let fault = if fault.of_login { self.put_off(fault, now) } else { self.refused(fault, now) };
        self.last_refusal = Some(fault.clone());
        Some(fault)
    }

    /// Gives the session up: it is of no use to who is not let in.
    pub fn close(&mut self) {
        self.state = State::Closed;
    }

    fn forget_refusals(&mut self) {
        self.refusals = 0;
        self.retry_at = Duration::ZERO;
        self.last_refusal = None;
    }

    fn refused(&mut self, fault: Fault, now: Duration) -> Fault {
        self.retry_at = now + retry_after(self.refusals, self.target.interval, false);
        fault
    }

    /// A login that was refused is refused again, until somebody changes something: accounts must not lock over it.
    fn put_off(&mut self, mut fault: Fault, now: Duration) -> Fault {
        if self.target.discovered {
            self.retry_at = Duration::MAX; // nobody has given us a login yet: one attempt was enough
            return fault
                .hint("Run `watchward discover`: it prints the grants and the [[target]] block for this server.");
        }
        let wait = retry_after(self.refusals, self.target.interval, true);
        self.retry_at = now + wait;
        let when = "or at once when the secret's file or the configuration changes.";
        let next = format!("The next attempt comes after {} s, {when}", wait.as_secs());
        fault.detail = if fault.detail.is_empty() { next } else { format!("{} {next}", fault.detail) };
        fault
    }
}

fn secret_version(target: &Target) -> Option<(u128, u64)> {
    let version = |source: &SecretSource| match source {
        SecretSource::File(path) => files::version(path),
        _ => None,
    };
    version(&target.password).or_else(|| version(&target.api_key))
}

/// One cycle's work with a session. Returns the session for the next cycle.
async fn work(
    engine: &'static dyn Engine,
    target: Arc<Target>,
    session: Option<Boxed>,
    deadline: Duration,
    due: impl Fn(&Facts, bool) -> Vec<(usize, &'static Row)> + Send,
    reports: mpsc::Sender<Report>,
) -> Option<Boxed> {
    let watch = Stopwatch::start();
    let is_fresh = session.is_none();
    let opened = match session {
        Some(mut open) => match open.session.probe().await {
            // A server or a proxy may close an idle session; that alone is no outage, so look again before saying so.
            Err(_) if open.session.is_broken() => self::open(engine, &target).await,
            Err(fault) => Err(open.access.concealed(&target.url.user, fault)),
            Ok(()) => Ok(open),
        },
        None => self::open(engine, &target).await,
    };
    let Boxed { mut session, access } = match opened {
        Ok(open) => open,
        Err(fault) => {
            let _ = reports.send(Report::Dead(fault)).await; // nobody may be listening any more
            return None;
        }
    };
    let rows = due(session.facts(), is_fresh);
    let order = rows.iter().map(|(at, _)| *at).collect();
    let _ = reports.send(Report::Alive(session.facts().clone(), order)).await;
    for (at, row) in rows {
        let left = deadline.saturating_sub(watch.elapsed());
        if reports.is_closed() {
            return Some(Boxed { session, access });
        }
        if left <= deadline / SPARE {
            break;
        }
        let began = watch.elapsed();
        let answer = if session.is_broken() {
            Err(Unknown::new(UnknownKind::Disconnected, "the connection was lost earlier in this cycle"))
        } else {
            // Half of what is left: one slow row never takes the time of all that follow.
            let budget = if row.deadline.is_zero() { left / 2 } else { (left / 2).min(row.deadline) };
            let asked = session.ask(row, budget).await;
            let conceal = |unknown: Unknown| Unknown {
                reason: access.conceal(&target.url.user, &unknown.reason),
                kind: unknown.kind,
            };
            match asked {
                Ok(Answer::Partial(table, unknown)) => Ok(Answer::Partial(table, conceal(unknown))),
                Err(unknown) if unknown.kind == UnknownKind::Privilege => {
                    let Unknown { kind, reason } = conceal(unknown);
                    Err(Unknown { kind, reason: reason + &grant(row) })
                }
                asked => asked.map_err(conceal),
            }
        };
        let took = watch.elapsed().saturating_sub(began);
        let _ = reports.send(Report::Row { row: at, took, answer }).await;
    }
    let _ = reports.send(Report::Done).await;
    Some(Boxed { session, access })
}

/// What reads a row that was refused.
fn grant(row: &Row) -> String {
    if row.privilege.is_empty() { String::new() } else { format!("; the row needs {}", row.privilege) }
}

async fn open(engine: &'static dyn Engine, target: &Target) -> Result<Boxed, Fault> {
    let access = Access { password: secrets::read(&target.password)?, api_key: secrets::read(&target.api_key)? };
    let opened = async {
        let mut session = engine.connect(target, &access).await?;
        session.probe().await.map(|()| session)
    };
    match opened.await {
        Ok(session) => Ok(Boxed { session, access }),
        Err(fault) => Err(access.concealed(&target.url.user, fault)),
    }
}
