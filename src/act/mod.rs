//! Act: the only stage that changes anything on a database, always as plan → guard → journal → do → verify → record.
//!
//! A change is recorded with its exact undo before it is made, and so is every step of taking it back. What a crash or a
//! lost connection leaves open is settled by looking: finished, taken back, or left alone and said.

pub mod config;
pub mod decide;
pub mod guard;
pub mod orders;
pub mod phases;
pub mod run;
pub mod show;
pub mod tell;
pub mod troubles;
pub mod when;
pub mod work;
pub mod world;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;

use crate::act::guard::{By, Facts};
use crate::act::run::Memory;
use crate::act::work::Job;
use crate::act::world::{Times, World, server};
use crate::model::calendar::Zone;
use crate::model::fault::Fault;
use crate::model::moment::Moment;
use crate::model::plan::Refusal;
use crate::model::policy::Policy;
use crate::model::target::Target;
use crate::state::State;
use crate::state::journal::{Entry, Tally};
use crate::state::policies::{Armed, Stopped};

/// What act does of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    pub policies: Vec<Arc<Policy>>,
    pub targets: Vec<Arc<Target>>,
    /// The feature switch `ai_optimization`.
    pub is_enabled: bool,
    /// The agent's time zone.
    pub zone: Zone,
}

impl Settings {
    pub fn policy(&self, tenant: &str, name: &str) -> Option<&Arc<Policy>> {
        self.policies.iter().find(|one| one.tenant == tenant && one.name == name)
    }

    pub fn target(&self, tenant: &str, name: &str) -> Option<&Arc<Target>> {
        self.targets.iter().find(|one| one.tenant == tenant && one.name == name)
    }

    /// What arming a policy now would arm.
    pub fn definition(&self, policy: &Policy) -> String {
        let server = self.target(&policy.tenant, &policy.set.target).map(|target| server(target));
        policy.definition(&server.unwrap_or_default())
    }
}

/// The stage.
pub struct Acting {
    state: State,
    world: Box<dyn World>,
    times: Times,
    settings: RwLock<Arc<Settings>>,
    /// Targets on which something is under way, each with what.
    claimed: Mutex<BTreeMap<String, String>>,
    released: Notify,
    /// Something happened that the loop should look at.
    wake: Notify,
    memory: Mutex<Memory>,
    undo_due: AtomicU64,
    /// From when on what fires can be trusted, after a restart (monotonic).
    trusted_from: Duration,
}

/// What act counts of itself, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Targets on which something is under way.
    pub under_way: u64,
    /// Changes whose cause has ended, or that are being taken back, and that still stand.
    pub undo_due: u64,
}

impl Acting {
    /// `trusted_from`: until then, since the start, an alert may only seem to fire, for nobody has watched.
    pub fn new(
        state: State,
        world: Box<dyn World>,
        settings: Settings,
        times: Times,
        trusted_from: Duration,
    ) -> Acting {
        Acting {
            state,
            world,
            times,
            settings: RwLock::new(Arc::new(settings)),
            claimed: Mutex::default(),
            released: Notify::new(),
            wake: Notify::new(),
            memory: Mutex::default(),
            undo_due: AtomicU64::new(0),
            trusted_from,
        }
    }

    /// Takes over another configuration. What is under way goes on as it began.
    pub fn reload(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        self.memory().reloaded();
        self.wake.notify_one();
    }

    /// Something fires, or has ended.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    pub fn statistics(&self) -> Statistics {
        Statistics { under_way: self.claims().len() as u64, undo_due: self.undo_due.load(Ordering::Relaxed) }
    }

    fn settings(&self) -> Arc<Settings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claims(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn target(&self, tenant: &str, name: &str) -> Result<Arc<Target>, Fault> {
        self.settings().target(tenant, name).cloned().ok_or_else(|| {
            Fault::new("act-27", format!("target '{name}' of tenant '{tenant}' is configured no longer"))
                .hint("What was changed on it stands, and is in `watchward journal`.")
        })
    }

    /// The first reason for which a policy may not act now.
    async fn guard(&self, policy: &Policy, by: By, key: &str) -> Result<(), Refusal> {
        self.known(policy).await?.refusals(policy, by, key).into_iter().next().map_or(Ok(()), Err)
    }

    /// Everything the guard has to know of a policy.
    async fn known(&self, policy: &Policy) -> Result<Known, Fault> {
        let (settings, now) = (self.settings(), self.world.now());
        let identity = (policy.tenant.as_str(), policy.name.as_str());
        let is_it = |armed: &Armed| (armed.tenant.as_str(), armed.policy.as_str()) == identity;
        let its_server = settings.target(&policy.tenant, &policy.set.target).map(|target| server(target));
        let is_on_target = |entry: &Entry| {
            (entry.tenant == policy.tenant && entry.target == policy.set.target)
                || its_server.as_ref() == Some(&entry.server)
        };
        // Of the policy as it is configured now: it may have been edited since somebody began to look at it.
        let configured = settings.policy(&policy.tenant, &policy.name);
        let day_began_ms = guard::day_began_ms(policy, &settings.zone, now.wall_ms);
        Ok(Known {
            is_enabled: settings.is_enabled,
            definition: configured.map(|policy| settings.definition(policy)).unwrap_or_default(),
            stopped: self.state.stopped().await?,
            armed: self.state.armed().await?.into_iter().find(is_it),
            tally: self.state.tally(identity, (day_began_ms, now.wall_ms)).await?,
            up: self.world.up(&policy.tenant, &policy.set.target),
            others: self.state.changes_not_over().await?.into_iter().filter(is_on_target).collect(),
            now,
        })
    }

    /// # Errors
    /// `act-06`: everything is stopped.
    async fn is_running(&self) -> Result<(), Fault> {
        match self.state.stopped().await? {
            Some(stopped) => Err(guard::is_stopped(&stopped)),
            None => Ok(()),
        }
    }
}

/// What the guard has to know, as it was at one moment.
struct Known {
    is_enabled: bool,
    definition: String,
    stopped: Option<Stopped>,
    armed: Option<Armed>,
    tally: Tally,
    up: Option<bool>,
    others: Vec<Entry>,
    now: Moment,
}

impl Known {
    fn refusals(&self, policy: &Policy, by: By, key: &str) -> Vec<Refusal> {
        guard::refusals(&Facts {
            policy,
            by,
            is_enabled: self.is_enabled,
            stopped: self.stopped.as_ref(),
            armed: self.armed.as_ref(),
            definition: &self.definition,
            tally: self.tally,
            up: self.up,
            others: &self.others,
            key,
            now: self.now,
        })
    }
}

/// A target that is held for one piece of work; dropping it lets go.
pub struct Claim {
    acting: Arc<Acting>,
    target: String,
}

impl Claim {
    /// `None` while it is held.
    pub(crate) fn on(acting: &Arc<Acting>, job: &Job) -> Option<Claim> {
        let target = job.target();
        let mut claims = acting.claims();
        if claims.contains_key(&target) {
            return None;
        }
        claims.insert(target.clone(), job.words());
        Some(Claim { acting: acting.clone(), target })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.acting.claims().remove(&self.target);
        self.acting.released.notify_waiters();
        self.acting.wake.notify_one();
    }
}
