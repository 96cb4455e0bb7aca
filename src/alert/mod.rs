//! Alert: tells people what fires and what ended. What is to be told is on disk before anybody is told.

pub mod config;
pub mod courier;
pub mod groups;
pub mod message;
pub mod retry;
pub mod route;
pub mod run;
pub mod signature;
pub mod statistics;
pub mod urgent;
pub mod webhook;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::Notify;

use crate::alert::config::Config;
use crate::alert::courier::{Context, Courier, Next};
use crate::alert::groups::{Groups, coalesce, is_critical};
use crate::alert::statistics::{Counters, Statistics};
use crate::alert::urgent::Urgent;
use crate::model::fault::Fault;
use crate::model::finding::{Finding, Severity};
use crate::model::moment::Moment;
use crate::model::status::Event;
use crate::model::target::DEFAULT_TENANT;
use crate::model::transition::Transition;
use crate::state::State;
use crate::state::error::StateError;
use crate::state::outbox::{Change, Notice, Outlet};
use crate::state::rehome::Move;

/// The most events that wait in memory while state cannot be written; beyond it the oldest go.
const EVENTS_MAX: usize = 10_000;

/// A receiver that cannot be told for so long makes a finding; a restart takes less.
const TROUBLE_MS: i64 = 60_000;

/// The stage. Pipeline hands it transitions; its couriers, started by `run`, tell people.
pub struct Alerting {
    state: State,
    external_url: String,
    config: RwLock<Arc<Config>>,
    core: tokio::sync::Mutex<Core>,
    couriers: Mutex<BTreeMap<Outlet, Arc<Courier>>>,
    counters: Counters,
    changed: Notify,
}

/// What must change together.
#[derive(Default)]
struct Core {
    /// `None`: to be read from the state, at first and after a write whose end is not known.
    groups: Option<Groups>,
    /// What could not be written yet.
    transitions: Vec<Transition>,
    events: Vec<Event>,
}

impl Alerting {
    /// `external_url`: where people reach this agent, for the links in messages.
    pub fn new(config: Config, state: State, external_url: &str) -> Alerting {
        Alerting {
            state,
            external_url: external_url.trim_end_matches('/').to_string(),
            config: RwLock::new(Arc::new(config)),
            core: tokio::sync::Mutex::default(),
            couriers: Mutex::default(),
            counters: Counters::default(),
            changed: Notify::new(),
        }
    }

    /// Writes transitions and events, with what is to be told of them, in one transaction; then wakes the couriers.
    ///
    /// # Errors
    /// `state-06` to `state-09`: nothing could be written. What was given waits in memory and is written with the next
    /// call or by `run`, so the caller need not give it again; critical alerts go out at once, marked `unrecorded`.
    pub async fn take(&self, transitions: &[Transition], events: &[Event], now: Moment) -> Result<(), Fault> {
        let mut core = self.core.lock().await;
        let had_backlog = !core.transitions.is_empty();
        core.transitions.extend_from_slice(transitions);
        core.events.extend_from_slice(events);
        if core.transitions.is_empty() && core.events.is_empty() {
            return Ok(());
        }
        let written = self.write_backlog(&mut core, now).await;
        if !had_backlog {
            self.counters.backlog_since_ms.store(now.stored_ms, Ordering::Relaxed);
        }
        self.counters.backlog.store(core.transitions.len() as u64, Ordering::Relaxed);
        match written {
            Ok(notices) => {
                if had_backlog {
                    self.couriers().iter().for_each(|courier| courier.urgents(urgent::Urgents::clear));
                }
                self.wake(&notices);
                Ok(())
            }
            Err(error) => {
                self.bound_backlog(&mut core);
                let unrecorded = self.send_unrecorded(transitions);
                Err(Fault::from(error).detail(format!(
                    "{} transitions wait in memory; {unrecorded} critical ones are told without being recorded.",
                    core.transitions.len()
                )))
            }
        }
    }

    async fn write_backlog(&self, core: &mut Core, now: Moment) -> Result<Vec<Notice>, StateError> {
        let config = self.config();
        let mut groups = self.groups(core).await?;
        let notices: Vec<Notice> = core.transitions.iter().flat_map(|one| groups.apply(&config, one)).collect();
        let change = Change {
            transitions: &core.transitions,
            events: &core.events,
            notices: &notices,
            at_ms: now.stored_ms,
            entries_max: config.limits.queue_entries_max,
        };
        self.counters.note(self.state.commit(&change).await?);
        core.groups = Some(groups);
        core.transitions.clear();
        core.events.clear();
        Ok(notices)
    }

    /// Takes the groups out of the core: they are put back only when what they say is written.
    async fn groups(&self, core: &mut Core) -> Result<Groups, StateError> {
        match core.groups.take() {
            Some(groups) => Ok(groups),
            None => Ok(Groups::restore(self.state.members().await?)),
        }
    }

    fn bound_backlog(&self, core: &mut Core) {
        if core.transitions.len() > self.config().limits.queue_entries_max {
            let before = core.transitions.len();
            coalesce(&mut core.transitions);
            Counters::add(&self.counters.coalesced, (before - core.transitions.len()) as u64);
        }
        let surplus = core.events.len().saturating_sub(EVENTS_MAX);
        core.events.drain(..surplus);
        Counters::add(&self.counters.dropped_events, surplus as u64);
    }

    /// Hands critical transitions to the couriers past the state; says how many.
    fn send_unrecorded(&self, transitions: &[Transition]) -> usize {
        let config = self.config();
        let mut sent = 0;
        for one in transitions.iter().filter(|one| is_critical(one)) {
            for place in route::places(&config, &one.tenant, &one.labels) {
                let courier = self.courier(&place.outlet);
                if let Some(urgent) = Urgent::of(one, place) {
                    let dropped = courier.urgents(|urgents| urgents.push(urgent));
                    Counters::add(&self.counters.dropped_urgent, u64::from(dropped));
                    courier.wake.notify_one();
                    Counters::add(&self.counters.unrecorded, 1);
                    sent += 1;
                }
            }
        }
        sent
    }

    /// Takes over another configuration: what waits for outlets that are gone goes where the routes lead now, and
    /// nothing that was told is told again. `run` does the moving.
    pub fn reload(&self, config: Config) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        self.changed.notify_one();
    }

    /// Brings what waits in line with the configuration: alerts of outlets that are gone move to where their route
    /// leads, and alerts that fire and that nobody was there to be told of are told.
    ///
    /// # Errors
    /// As the state says; it is tried again.
    pub async fn rehome(&self, now: Moment) -> Result<(), Fault> {
        let config = self.config();
        let mut core = self.core.lock().await;
        core.groups = None;
        let orphans = self.state.orphans(&config.outlets()).await?;
        let moved = |orphan: crate::state::rehome::Orphan| {
            let to = route::places(&config, &orphan.tenant, &orphan.labels).into_iter().next()?;
            Some(Move { orphan, to })
        };
        let moves: Vec<Move> = orphans.into_iter().filter_map(moved).collect();
        if !moves.is_empty() {
            self.state.rehome(&moves).await?;
        }
        let mut groups = self.groups(&mut core).await?;
        let untold = self.state.untold_instances().await?;
        let notices: Vec<Notice> = untold.iter().flat_map(|one| groups.apply(&config, one)).collect();
        if !notices.is_empty() {
            let entries_max = config.limits.queue_entries_max;
            let change = Change { transitions: &[], events: &[], notices: &notices, at_ms: now.stored_ms, entries_max };
            self.state.commit(&change).await?;
        }
        core.groups = Some(groups);
        self.counters.note(self.state.queue().await?);
        self.couriers().iter().for_each(|courier| courier.wake.notify_one());
        Ok(())
    }

    /// One step of an outlet's courier: at most one message is sent.
    pub async fn deliver(&self, outlet: &Outlet, now: Moment) -> Next {
        let config = self.config();
        let context =
            Context { state: &self.state, config: &config, counters: &self.counters, external_url: &self.external_url };
        self.courier(outlet).step(&context, now).await
    }

    /// What alerting counts of itself.
    pub fn statistics(&self, now: Moment) -> Statistics {
        self.counters.read(now.stored_ms)
    }

    /// What people should know of alerting itself: receivers that cannot be told, and state that cannot be written.
    pub fn findings(&self, now: Moment) -> Vec<Finding> {
        let finding = |kind: &str, subject: String, severity, evidence: String, remedy: &str, since_ms| Finding {
            kind: kind.to_string(),
            tenant: DEFAULT_TENANT.to_string(),
            target: String::new(),
            subject,
            severity,
            evidence,
            remedy: remedy.to_string(),
            since_ms,
            discovered: false,
        };
        let mut findings = Vec::new();
        for courier in self.couriers() {
            let Some(trouble) = courier.trouble() else { continue };
            let subject = format!("{} by {}", courier.outlet.receiver, courier.outlet.channel);
            let (words, since_ms) = (trouble.words, trouble.since_ms);
            if trouble.is_refusal {
                let remedy = "Does the URL of this receiver belong to a webhook that takes Alertmanager's format?";
                findings.push(finding("ReceiverRefuses", subject, Severity::Warning, words, remedy, since_ms));
            } else if now.stored_ms - since_ms >= TROUBLE_MS {
                let remedy = "Is the receiver up, and can this machine reach it? Alerts wait for it in the outbox.";
                findings.push(finding("ReceiverUnreachable", subject, Severity::Warning, words, remedy, since_ms));
            }
        }
        let backlog = self.counters.backlog.load(Ordering::Relaxed);
        if backlog > 0 {
            let evidence = format!("{backlog} transitions wait in memory");
            let remedy = "Is the file system of state_dir full or read-only?";
            let since_ms = self.counters.backlog_since_ms.load(Ordering::Relaxed);
            findings.push(finding("StateNotWritten", String::new(), Severity::Critical, evidence, remedy, since_ms));
        }
        findings
    }

    fn config(&self) -> Arc<Config> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn courier(&self, outlet: &Outlet) -> Arc<Courier> {
        let mut couriers = self.couriers.lock().unwrap_or_else(PoisonError::into_inner);
        couriers.entry(outlet.clone()).or_insert_with(|| Arc::new(Courier::new(outlet.clone()))).clone()
    }

    fn couriers(&self) -> Vec<Arc<Courier>> {
        self.couriers.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn wake(&self, notices: &[Notice]) {
        for notice in notices {
            self.courier(&notice.place.outlet).wake.notify_one();
        }
    }
}
