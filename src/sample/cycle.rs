//! One cycle of one target: begin the work, take what comes until the deadline, end what did not come, say if it is up.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use crate::engines::contract::{Answer, Emit, Engine, Facts, Row, Take};
use crate::engines::take;
use crate::model::fault::Fault;
use crate::model::reading::{Cycle, RowId, RowReading, Unknown, UnknownKind};
use crate::model::series::{Series, SeriesId, is_stale};
use crate::model::target::Target;
use crate::sample::census::Census;
use crate::sample::governor::{Orders, Weight};
use crate::sample::ids::{Ids, Share};
use crate::sample::link::{Held, Link, Report};
use crate::sample::members::{Cluster, Members, Turn};
use crate::sample::own;
use crate::sample::schedule::{TOO_LARGE_AGAIN, is_due, repeats_until};
use crate::sample::top::Top;
use crate::sample::words::{State, Words, base_labels, is_lacking};
use crate::sys::clock::{Clock, Stopwatch};
use crate::sys::task::panic_text;

/// What stands for a row where the agent itself speaks of the target.
const OWN_WORDS: &str = "target";

/// How many times what it has an optional row leaves for others; an ordinary one leaves as much again.
const OPTIONAL_LEAVES: usize = 8;

/// The state of one watched target between its cycles.
pub struct Watched {
    engine: &'static dyn Engine,
    target: Arc<Target>,
    identity: Arc<str>,
    tenant: Arc<str>,
    link: Link,
    ids: Ids,
    /// What is read of it: rows of its engine's table, as its configuration chooses.
    table: Arc<[&'static Row]>,
    rows: Vec<RowState>,
    /// Counts cycles since the session was opened, which is when all rows are due.
    cycle_of_session: u64,
    facts: Facts,
    collector_status: Vec<(usize, bool, Duration)>,
    /// All series ended with the last cycle: the next reading asks every row.
    after_down: bool,
    /// Who asks for which cluster, of all targets.
    members: Arc<Mutex<Members>>,
    /// The server has other parts than in the cycle before: what is read in each of them is asked.
    has_other_parts: bool,
    census: Arc<Census>,
    /// What the cycle under way does without.
    orders: Arc<Orders>,
}

#[derive(Clone, Default)]
struct RowState {
    /// When it last succeeded (monotonic), and in how many cycles it was then to be read again.
    read_at: Option<(Duration, u32)>,
    /// How many series it then had.
    series: usize,
    /// Its points that were dropped, in all.
    dropped: u64,
    /// It is due since then: the agent did without it, or there was no time for it.
    owed_since: Option<Duration>,
    /// Its answer was too large, which cost the session: until when it is not asked again, and what was said.
    put_off: Option<(Duration, Unknown)>,
    /// Which of its things are the busiest. Outlasts an outage, so that what the others have in common does not jump.
    top: Top,
}

/// When a row is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// Once in so many cycles.
    Every(u32),
    /// At once: the agent did without it until now.
    Now,
    /// Not at all: the agent is over its budget, or the last answer was too large.
    Dropped,
}

impl Pace {
    fn is_due(self, at: usize, cycle_of_session: u64) -> bool {
        match self {
            Pace::Every(cycles) => is_due(cycles, at, cycle_of_session),
            Pace::Now => true,
            Pace::Dropped => false,
        }
    }
}

fn reading(at: usize, row: &Row, took: Duration, result: Result<(), Unknown>) -> RowReading {
    RowReading { row: RowId(u16::try_from(at).unwrap_or(u16::MAX)), name: row.name, took, result }
}

/// What came of the work before the deadline.
struct Outcome {
    up: bool,
    /// A server that was only found wants a login.
    needs_credentials: bool,
    fault: Option<Fault>,
    readings: Vec<RowReading>,
}

impl Watched {
    pub fn new(
        engine: &'static dyn Engine,
        target: Arc<Target>,
        series: Arc<dyn Series>,
        row_series_max: usize,
        reloads: Arc<AtomicU64>,
        census: Arc<Census>,
    ) -> Watched {
        let own = target.queries.iter().map(|query| own::row(query, target.interval));
        let table: Arc<[&Row]> =
            engine.rows().iter().filter(|row| target.choice.reads(row.name, row.optional)).chain(own).collect();
        let base = base_labels(engine, &target);
        let share = |row: &&Row| Share {
            series_max: if row.series_max == 0 { row_series_max } else { row.series_max.min(row_series_max) },
            leaves: if row.optional { OPTIONAL_LEAVES } else { 1 },
        };
        // Behind the rows stands what the agent itself says of the target, which may have the last series there is.
        let own_words = Share { series_max: row_series_max, leaves: 0 };
        let shares: Vec<Share> = table.iter().map(share).chain([own_words]).collect();
        let rows = vec![RowState::default(); table.len()];
        Watched {
            engine,
            identity: target.identity().into(),
            tenant: target.tenant.as_str().into(),
            link: Link::new(engine, target.clone(), reloads),
            ids: Ids::new(series, base, shares, target.filter.clone()),
            table,
            rows,
            cycle_of_session: 0,
            facts: Facts::default(),
            collector_status: Vec::new(),
            after_down: false,
            members: Arc::default(),
            has_other_parts: false,
            orders: Arc::default(),
            census,
            target,
        }
    }

    /// Puts it among others, which may be members of the same cluster. Without that it is alone.
    pub fn among(mut self, members: Arc<Mutex<Members>>) -> Watched {
        self.members = members;
        self
    }

    /// Reads the target once.
    pub async fn cycle(&mut self, clock: &Clock, late: Duration) -> Cycle {
        let watch = Stopwatch::start();
        let began = clock.now();
        let mut points = Vec::with_capacity(self.ids.len() + 8);
        self.orders = self.census.orders();
        let deadline = self.target.deadline.min(self.target.interval);
        let outcome = self.work(began.since_start, deadline, &watch, &mut points).await;
        if !outcome.up {
            // What was read before the fault is not kept: a series has one sample for a time, and that is its end.
            points.retain(|(_, value)| is_stale(*value));
            self.ids.end_all(&[self.rows.len()], &mut points);
            self.rows.iter_mut().for_each(|row| row.read_at = None);
            self.after_down = true;
            self.collector_status.clear();
            self.leave_cluster();
        }
        self.census.report(&self.identity, self.weights());
        let took = watch.elapsed();
        self.describe(&outcome, took, late, &mut points);
        self.build(began.stored_ms, outcome, points, took, late, false)
    }

    /// Gives the series up to whoever watches this target next.
    pub fn into_ids(self) -> Ids {
        self.ids
    }

    /// Takes series over from whoever watched this target before, with the same labels: what it does not read ends.
    pub fn take_over(&mut self, ids: Ids) {
        self.ids = ids;
    }

    /// The cycle that ends all series of a target that is watched no longer.
    pub fn farewell(&mut self, clock: &Clock) -> Cycle {
        self.leave_cluster();
        let mut points = Vec::new();
        self.ids.end_all(&[], &mut points);
        let outcome = Outcome { up: false, needs_credentials: false, fault: None, readings: Vec::new() };
        self.build(clock.now().stored_ms, outcome, points, Duration::ZERO, Duration::ZERO, true)
    }

    fn build(
        &mut self,
        at_ms: i64,
        outcome: Outcome,
        points: Vec<(SeriesId, f64)>,
        took: Duration,
        late: Duration,
        removed: bool,
    ) -> Cycle {
        let dropped: Vec<(usize, u64)> = self.ids.take_dropped().collect();
        // A row is told of in the cycle that read it, and counted among its series from the next one on.
        for (at, count) in &dropped {
            if let Some(row) = self.rows.get_mut(*at) {
                row.dropped += count;
            }
        }
        let name = |at: usize| self.table.get(at).map_or(OWN_WORDS, |row| row.name);
        let dropped = dropped.into_iter().map(|(at, count)| (name(at), count)).collect();
        Cycle {
            target: self.identity.clone(),
            tenant: self.tenant.clone(),
            at_ms,
            points,
            rows: outcome.readings,
            up: outcome.up,
            needs_credentials: outcome.needs_credentials,
            removed,
            points_dropped: dropped,
            fault: outcome.fault,
            took,
            late,
            version: self.facts.version_text.clone(),
            flavour: self.facts.flavour.clone(),
            role: self.facts.role.clone(),
        }
    }

    async fn work(
        &mut self,
        now: Duration,
        deadline: Duration,
        watch: &Stopwatch,
        points: &mut Vec<(SeriesId, f64)>,
    ) -> Outcome {
        let rows = self.table.clone();
        let capacity = rows.len();
        let cycle_of_session = self.cycle_of_session + 1;
        let asks_all = self.after_down;
        let parts = self.facts.parts.clone();
        let turn: Arc<OnceLock<Turn>> = Arc::default();
        let take_turn = self.take_turn(now, turn.clone());
        for state in &mut self.rows {
            if state.put_off.as_ref().is_some_and(|(until, _)| *until <= now) {
                (state.put_off, state.owed_since) = (None, Some(now));
            }
        }
        let owed_since: Vec<Option<Duration>> = self.rows.iter().map(|state| state.owed_since).collect();
        let paces: Vec<Pace> = (0..capacity).map(|at| self.pace(at)).collect();
        let due = move |facts: &Facts, is_fresh: bool| {
            let turn = take_turn(facts);
            let cycle = if is_fresh || asks_all { 0 } else { cycle_of_session };
            let has_other_parts = facts.parts != parts;
            let asks = |(at, row): &(usize, &'static Row)| {
                let pace = paces[*at];
                let is_due = pace.is_due(*at, cycle)
                    || has_other_parts && !row.each.is_empty() && pace != Pace::Dropped
                    || row.of_cluster && turn == Turn::Begins && pace != Pace::Dropped;
                let is_ours = !row.of_cluster || turn != Turn::Others;
                is_due && is_ours && row.exists(facts) && row.lacks(facts).is_none()
            };
            let mut due: Vec<(usize, &'static Row)> = rows.iter().copied().enumerate().filter(asks).collect();
            // Who had to stand back goes first: else the last ones of a table would never be read while time is short.
            due.sort_by_key(|(at, _)| owed_since[*at].unwrap_or(Duration::MAX));
            due
        };
        let mut reports = match self.link.begin(now, deadline, capacity, due).await {
            Ok(reports) => reports,
            Err(held) => return self.outcome(false, Some(self.held(held, now)), Vec::new()),
        };
        let mut readings = Vec::new();
        // What is asked and has not answered yet, once the server has shown that it is there.
        let mut open: Option<VecDeque<usize>> = None;
        let fault = loop {
            let left = deadline.saturating_sub(watch.elapsed());
            match timeout(left, reports.recv()).await {
                // A server that has answered is up, however much of the rest there was no time for.
                Err(_) => break open.is_none().then(|| self.silent(deadline)),
                Ok(None) => break Some(broke_off()),
                Ok(Some(Report::Dead(fault))) => {
                    let fault = self.link.note(Err(fault), now);
                    self.link.finish().await;
                    break fault;
                }
                Ok(Some(Report::Alive(facts, order))) => {
                    open = Some(order.into());
                    let _ = self.link.note(Ok(()), now); // nothing to tell of
                    let begins = self.link.is_fresh || std::mem::take(&mut self.after_down);
                    self.cycle_of_session = if begins { 0 } else { cycle_of_session };
                    self.has_other_parts = facts.parts != self.facts.parts;
                    self.facts = facts;
                    let turn = turn.get().copied().unwrap_or(Turn::GoesOn);
                    self.between(now, turn, &mut readings, points);
                }
                Ok(Some(Report::Row { row, took, answer })) => {
                    open.iter_mut().for_each(|open| open.retain(|at| *at != row));
                    readings.push(self.take(row, took, answer, now, points));
                }
                Ok(Some(Report::Done)) => {
                    self.link.finish().await;
                    break self.shows_nothing(&readings, now);
                }
            }
        };
        let is_up = open.is_some() && fault.is_none();
        if is_up {
            // What was asked last still hangs, if the work did not end by itself; the others have not had their turn.
            let hangs = if self.link.is_busy() { open.iter_mut().find_map(VecDeque::pop_front) } else { None };
            for (at, was_asked) in
                hangs.into_iter().map(|at| (at, true)).chain(open.into_iter().flatten().map(|at| (at, false)))
            {
                readings.push(self.without_time(at, was_asked, now, points));
            }
        }
        self.outcome(is_up, fault, readings)
    }

    /// A row that the cycle's time did not suffice for. One that was not even asked comes first in the next cycle.
    fn without_time(
        &mut self,
        at: usize,
        was_asked: bool,
        now: Duration,
        points: &mut Vec<(SeriesId, f64)>,
    ) -> RowReading {
        let why = if was_asked {
            "no answer before the cycle's time was over"
        } else {
            "the cycle's time was over before its turn; it comes first in the next one"
        };
        let owed_since = (!was_asked).then(|| self.rows[at].owed_since.unwrap_or(now));
        let reading = self.take(at, Duration::ZERO, Err(Unknown::new(UnknownKind::Deadline, why)), now, points);
        self.rows[at].owed_since = owed_since;
        reading
    }

    /// Says, once the server has told what it is, whether this target asks for its cluster; `turn` keeps it.
    fn take_turn(&self, now: Duration, turn: Arc<OnceLock<Turn>>) -> impl Fn(&Facts) -> Turn + Send + 'static {
        let (members, identity, interval) = (self.members.clone(), self.identity.clone(), self.target.interval);
        let (tenant, engine) = (self.tenant.clone(), self.engine.word());
        move |facts| {
            *turn.get_or_init(|| {
                if facts.cluster.is_empty() {
                    return Turn::GoesOn;
                }
                let cluster = Cluster { tenant: tenant.clone(), engine, id: facts.cluster.clone() };
                let mut members = members.lock().unwrap_or_else(PoisonError::into_inner);
                members.turn(&cluster, &identity, now, interval)
            })
        }
    }

    fn leave_cluster(&self) {
        self.members.lock().unwrap_or_else(PoisonError::into_inner).leave(&self.identity);
    }

    fn outcome(&self, up: bool, fault: Option<Fault>, readings: Vec<RowReading>) -> Outcome {
        let needs_credentials = self.target.discovered && fault.as_ref().is_some_and(|fault| fault.of_login);
        // That no row was shown to somebody without a login says nothing about the rows.
        let readings = if needs_credentials { Vec::new() } else { readings };
        Outcome { up, needs_credentials, fault, readings }
    }

    /// Some servers greet everybody and then show nothing: where one was only found, that is a login it wants.
    fn shows_nothing(&mut self, readings: &[RowReading], now: Duration) -> Option<Fault> {
        let is_refused =
            |reading: &RowReading| reading.result.as_ref().is_err_and(|unknown| unknown.kind == UnknownKind::Privilege);
        if !self.target.discovered || readings.iter().any(|one| one.result.is_ok()) || !readings.iter().any(is_refused)
        {
            return None;
        }
        self.link.close();
        let instance = self.engine.instance(&self.target);
        let fault = Fault::new("sample-04", format!("{instance} shows nothing without a login")).of_login(true);
        self.link.note(Err(fault), now)
    }

    /// In how many cycles a row is to be read once.
    fn every(&self, at: usize) -> u32 {
        self.table[at].every.max(1).saturating_mul(self.orders.stretch)
    }

    /// Whether a row is read, and when.
    fn pace(&self, at: usize) -> Pace {
        if self.orders.drops(&self.identity, self.table[at].name) || self.rows[at].put_off.is_some() {
            Pace::Dropped
        } else if self.rows[at].owed_since.is_some() {
            Pace::Now
        } else {
            Pace::Every(self.every(at))
        }
    }

    /// What the rows weigh that are read, or were until the agent had to do without them.
    fn weights(&self) -> Vec<Weight> {
        let rows = self.table.iter().zip(&self.rows).filter(|(_, state)| state.series > 0);
        let weight = |(row, state): (&&'static Row, &RowState)| Weight {
            target: self.identity.clone(),
            row: row.name,
            optional: row.optional,
            every: row.every,
            series: state.series,
        };
        rows.map(weight).collect()
    }

    /// Rows that are not asked in this cycle: repeated while young enough, ended when too old, unknown where the server
    /// lacks what they need.
    fn between(
        &mut self,
        now: Duration,
        turn: Turn,
        readings: &mut Vec<RowReading>,
        points: &mut Vec<(SeriesId, f64)>,
    ) {
        if turn == Turn::Others {
            let table = &self.table;
            self.collector_status.retain(|(at, ..)| !table[*at].of_cluster);
        }
        for (at, row) in self.table.iter().enumerate() {
            if !row.exists(&self.facts) || row.of_cluster && turn == Turn::Others {
                self.ids.end_row(at, points);
                continue;
            }
            if let Some(unknown) = row.lacks(&self.facts) {
                self.ids.end_row(at, points);
                readings.push(reading(at, row, Duration::ZERO, Err(unknown)));
                continue;
            }
            if let Some((_, why)) = &self.rows[at].put_off {
                readings.push(reading(at, row, Duration::ZERO, Err(why.clone())));
                continue;
            }
            let pace = self.pace(at);
            if pace == Pace::Dropped {
                self.ids.end_row(at, points);
                let state = &mut self.rows[at];
                (state.read_at, state.owed_since) = (None, state.owed_since.or(Some(now)));
                self.collector_status.retain(|(known, ..)| *known != at);
                let why = Unknown::new(UnknownKind::OverBudget, "the agent is over its own budget and does without it");
                readings.push(reading(at, row, Duration::ZERO, Err(why)));
                continue;
            }
            let is_asked = self.has_other_parts && !row.each.is_empty() || row.of_cluster && turn == Turn::Begins;
            if is_asked || pace.is_due(at, self.cycle_of_session) {
                continue;
            }
            match self.rows[at].read_at {
                // Its pace may have changed since: what it was read for still holds.
                Some((read_at, every))
                    if now - read_at < repeats_until(every.max(self.every(at)), self.target.interval) =>
                {
                    self.ids.repeat(at, points);
                }
                _ => self.ids.end_row(at, points),
            }
        }
    }

    fn take(
        &mut self,
        at: usize,
        took: Duration,
        answer: Result<Answer, Unknown>,
        now: Duration,
        points: &mut Vec<(SeriesId, f64)>,
    ) -> RowReading {
        let row = self.table[at];
        let lacking = match &answer {
            Ok(Answer::Partial(_, unknown)) => Some(unknown.clone()),
            _ => None,
        };
        let result = match answer {
            Err(unknown) => {
                self.ids.end_row(at, points);
                Err(unknown)
            }
            Ok(answer) => {
                let (facts, top) = (&self.facts, &mut self.rows[at].top);
                self.ids.read(at, points, |emit| {
                    // A row's own code sees whatever a server sends; its panic must cost that row alone.
                    let take = || match (&row.take, &answer) {
                        (Take::Busiest(busiest), Answer::Table(table) | Answer::Partial(table, _)) => {
                            top.read(busiest, row.metrics, table, emit)
                        }
                        _ => take::take(row, &answer, facts, emit),
                    };
                    catch_unwind(AssertUnwindSafe(take)).unwrap_or_else(|panic| {
                        Err(Unknown::new(UnknownKind::Garbled, format!("panic: {}", panic_text(&*panic))))
                    })
                })
            }
        };
        self.rows[at].read_at = result.is_ok().then_some((now, self.every(at)));
        if result.is_ok() {
            self.rows[at].series = self.ids.series_of(at);
        }
        // What the other parts brought stands.
        let result = result.and_then(|()| lacking.map_or(Ok(()), Err));
        self.rows[at].owed_since = None;
        self.collector_status.retain(|(known, ..)| *known != at);
        if result.as_ref().err().is_none_or(|why| why.kind != UnknownKind::NotHere) {
            self.collector_status.push((at, result.is_ok(), took));
        }
        let too_large = result.as_ref().err().filter(|why| why.kind == UnknownKind::TooLarge);
        self.rows[at].put_off = too_large.map(|why| (now + TOO_LARGE_AGAIN, why.clone()));
        reading(at, row, took, result)
    }

    /// How the cycle and each row went, or that the target is neither up nor down.
    fn describe(&mut self, outcome: &Outcome, took: Duration, late: Duration, points: &mut Vec<(SeriesId, f64)>) {
        let dropped = self.table.iter().zip(&self.rows).map(|(row, state)| (row.name, state.dropped));
        let series = self.table.iter().enumerate().map(|(at, row)| (row.name, self.ids.series_of(at)));
        let words = Words {
            engine: self.engine,
            facts: &self.facts,
            state: if outcome.needs_credentials { State::NeedsCredentials } else { State::of(outcome.up) },
            took,
            late,
            samples: points.len(),
            dropped: dropped.filter(|(_, dropped)| *dropped > 0).collect(),
            series: series.filter(|(_, series)| *series > 0).collect(),
            status: self.collector_status.iter().map(|(at, ok, took)| (self.table[*at].name, *ok, *took)).collect(),
            is_lacking: is_lacking(&outcome.readings),
        };
        let filled: Result<(), Unknown> = self.ids.read(self.rows.len(), points, |emit: &mut dyn Emit| {
            words.tell(emit);
            Ok(())
        });
        debug_assert!(filled.is_ok());
    }

    fn held(&self, held: Held, now: Duration) -> Fault {
        match held {
            Held::Waiting(fault) => fault,
            Held::Hung { since } => Fault::new(
                "sample-01",
                format!("no answer from {} for {} s", self.engine.instance(&self.target), (now - since).as_secs()),
            )
            .detail("The request is still open; no second connection is made while the first one hangs.")
            .hint("Is the server stopped, swapping, or waiting for its storage?"),
        }
    }

    fn silent(&self, deadline: Duration) -> Fault {
        let instance = self.engine.instance(&self.target);
        Fault::new("sample-02", format!("no whole answer from {instance} within {} s", deadline.as_secs_f64()))
            .hint("Is the server stopped, overloaded, or is something else listening on this port?")
    }
}

fn broke_off() -> Fault {
    Fault::new("sample-03", "the reading broke off: a fault in the agent's own code")
        .hint("Please report this with the agent's log.")
}
