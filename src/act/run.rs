//! Running: each round compares what fires with what stands, and begins what is to be done, one piece on each target.
//!
//! Rounds look at what the state holds, not at what they were told: a wake-up that is lost costs some seconds, no more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use crate::act::guard::{By, latest};
use crate::act::work::{AGENT, Job, Report, Trigger};
use crate::act::{Acting, Claim, tell, when};
use crate::model::calendar::Zone;
use crate::model::calendar::cron::Cron;
use crate::model::fault::Fault;
use crate::model::finding::Finding;
use crate::model::moment::Moment;
use crate::model::plan::Refusal;
use crate::model::policy::{Mode, Policy, When};
use crate::model::transition::{Phase as AlertPhase, Transition};
use crate::state::journal::{Entry, Phase, Why};
use crate::state::policies::{Planned, Ruling};

/// Nobody may have woken us: a schedule is due, a target came back.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A scheduled run that could not be made is made up for as long; then it is skipped, and said so.
pub const GRACE_MS: i64 = 3_600_000;
/// How long a login that was refused is left alone.
const REFUSED_LOGIN_RESTS: Duration = Duration::from_secs(3600);
/// The instance of what a schedule has done.
pub const SCHEDULE: &str = "schedule";

/// What is tried again, and what was told: for as long as the agent runs.
#[derive(Debug, Default)]
pub struct Memory {
    pub retries: BTreeMap<What, Retry>,
    /// The reasons last told, by policy and instance.
    told: BTreeMap<(String, String), Vec<&'static str>>,
    pub troubles: Vec<Finding>,
    /// Rules were evaluated since the agent began.
    is_judged: bool,
}

/// What may have to be tried again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Entry(i64),
    /// A policy's identity, and the instance that triggers it.
    Trigger(String, String),
}

/// Why it could not be done, and when it is tried again (monotonic).
#[derive(Clone, Debug)]
pub struct Retry {
    pub attempts: u32,
    pub at: Duration,
    pub fault: Fault,
}

impl Memory {
    /// Whatever hindered may be gone.
    pub fn reloaded(&mut self) {
        self.retries.clear();
        self.told.clear();
    }

    fn is_due(&self, what: &What, now: Moment) -> bool {
        self.retries.get(what).is_none_or(|retry| retry.at <= now.since_start)
    }
}

/// What the state says at the beginning of a round.
struct Seen {
    entries: Vec<Entry>,
    /// `None`: what fires is not known yet.
    firing: Option<Vec<Transition>>,
    plans: Vec<Planned>,
    is_stopped: bool,
    now: Moment,
}

impl Acting {
    /// Rules were evaluated: from the first time on, what fires is known.
    pub fn judged(&self) {
        self.memory().is_judged = true;
        self.wake.notify_one();
    }

    /// Acts until `stop` turns true, and then waits a little for what is under way.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut last = String::new();
        while !*stop.borrow() && stop.has_changed().is_ok() {
            match self.round().await {
                Ok(jobs) => {
                    last.clear();
                    for job in jobs {
                        let _ = self.begin(job); // a target that was claimed meanwhile has its turn in the next round
                    }
                }
                Err(fault) if fault.what != last => {
                    tracing::error!("nothing can be acted on: {fault}");
                    last = fault.what;
                }
                Err(_) => {}
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = sleep(LOOK_EVERY) => {}
                _ = stop.changed() => {}
            }
        }
        self.quiet(self.times.wait).await; // what is cut off then is settled at the next start
    }

    /// Begins a piece of work in a task of its own, so that nobody who gives up waiting cuts it off; `None` while
    /// something else is under way on its target.
    pub fn begin(self: &Arc<Self>, job: Job) -> Option<oneshot::Receiver<Result<Report, Fault>>> {
        let claim = Claim::on(self, &job)?;
        let (tell, told) = oneshot::channel();
        let acting = self.clone();
        let work = async move {
            let outcome = acting.perform(&job).await;
            acting.finish(&job, &outcome).await;
            drop(claim);
            let _ = tell.send(outcome); // who asked may have given up
        };
        crate::sys::task::spawn("action", work).detach();
        Some(told)
    }

    /// Waits until nothing is under way, at most so long; says what still is.
    pub async fn quiet(&self, wait: Duration) -> Vec<String> {
        let all_over = async {
            loop {
                let released = self.released.notified();
                tokio::pin!(released);
                released.as_mut().enable();
                if self.claims().is_empty() {
                    return;
                }
                released.await;
            }
        };
        let _ = timeout(wait, all_over).await;
        self.claims().values().cloned().collect()
    }

    /// One round: what is to be done now, at most one piece for each target, the most urgent first.
    ///
    /// # Errors
    /// The state cannot be read or written: then nothing is done.
    pub async fn round(&self) -> Result<Vec<Job>, Fault> {
        let seen = self.see().await?;
        self.disarm_edited(&seen).await?;
        let mut jobs = Vec::new();
        let unsettled = |one: &&Entry| one.phase.is_under_way() || one.phase == Phase::Unclear;
        jobs.extend(seen.entries.iter().filter(unsettled).map(|entry| Job::Settle { entry: entry.clone() }));
        if let Some(firing) = &seen.firing {
            let due = undo_due(&seen.entries, firing);
            let being_undone = seen.entries.iter().filter(|one| one.phase == Phase::Undoing).count();
            self.undo_due.store((due.len() + being_undone) as u64, std::sync::atomic::Ordering::Relaxed);
            let undo =
                |entry: &&Entry| Job::Undo { entry: (*entry).clone(), why: Why::Resolved, actor: AGENT.to_string() };
            jobs.extend(due.iter().filter(|_| !seen.is_stopped).map(undo));
        }
        let mut alive = BTreeSet::new();
        for policy in &self.settings().policies {
            for trigger in self.triggers(policy, &seen).await? {
                alive.insert((policy.identity(), trigger.instance.clone()));
                jobs.extend(self.consider(policy, trigger, &seen).await?);
            }
        }
        self.forget(&alive, &seen).await?;
        let (firing, at_ms) = (seen.firing.as_deref(), seen.now.stored_ms);
        let troubles = self.find_troubles(&seen.entries, firing, seen.is_stopped, at_ms).await?;
        let mut memory = self.memory();
        memory.troubles = troubles;
        memory.retries.retain(|what, _| match what {
            What::Entry(id) => seen.entries.iter().any(|entry| entry.id == *id),
            What::Trigger(policy, instance) => alive.contains(&(policy.clone(), instance.clone())),
        });
        let mut targets: BTreeSet<String> = self.claims().keys().cloned().collect();
        jobs.retain(|job| memory.is_due(&job.what(), seen.now) && targets.insert(job.target()));
        Ok(jobs)
    }

    async fn see(&self) -> Result<Seen, Fault> {
        let now = self.world.now();
        // What fired before a restart is first judged anew, as long as judge itself waits with saying that it ended.
        let is_known = self.memory().is_judged && now.since_start >= self.trusted_from;
        let firing = match is_known {
            true => Some(self.state.active_instances().await?),
            false => None,
        };
        let fires = |one: &Transition| one.to == AlertPhase::Firing && !one.discovered;
        Ok(Seen {
            entries: self.state.changes_not_over().await?,
            firing: firing.map(|all| all.into_iter().filter(fires).collect()),
            plans: self.state.plans().await?,
            is_stopped: self.state.stopped().await?.is_some(),
            now,
        })
    }

    /// Whoever armed a policy armed what it was: edited, or gone, it is armed no longer.
    async fn disarm_edited(&self, seen: &Seen) -> Result<(), Fault> {
        let settings = self.settings();
        for armed in self.state.armed().await? {
            let identity = (armed.tenant.as_str(), armed.policy.as_str());
            let words = match settings.policy(identity.0, identity.1) {
                Some(policy) if settings.definition(policy) == armed.definition => continue,
                Some(_) => "is disarmed, for it was edited",
                None => "is disarmed, for it is configured no longer",
            };
            let event = tell::ruled("policy.disarmed", identity, words, AGENT, seen.now.stored_ms);
            let ruling = Ruling::Disarm { tenant: identity.0, policy: identity.1 };
            if self.state.rule(&ruling, Some(&event)).await? {
                self.world.tell(&event);
            }
        }
        Ok(())
    }

    /// What has a policy act now.
    async fn triggers(&self, policy: &Policy, seen: &Seen) -> Result<Vec<Trigger>, Fault> {
        match &policy.when {
            When::Alert { .. } => {
                let heard = |one: &&Transition| one.tenant == policy.tenant && policy.when.hears(&one.labels);
                let firing = seen.firing.iter().flatten().filter(heard);
                Ok(firing.map(|one| of_alert(policy, one)).collect())
            }
            When::Schedule(cron) => Ok(self.scheduled(policy, cron, seen).await?.into_iter().collect()),
        }
    }

    /// The newest time of a schedule that is not dealt with yet. One that is long past is skipped.
    async fn scheduled(&self, policy: &Policy, cron: &Cron, seen: &Seen) -> Result<Option<Trigger>, Fault> {
        let (identity, now_ms) = ((policy.tenant.as_str(), policy.name.as_str()), seen.now.wall_ms);
        let schedule = format!("{cron} {}", cron.zone());
        // What is dealt with far beyond now was so by a clock that was wrong; what was done then is not done again.
        let is_sane = |until_ms: &i64| *until_ms <= now_ms + GRACE_MS;
        let Some(until_ms) = self.state.dealt_until(identity, &schedule).await?.filter(is_sane) else {
            self.deal(policy, &schedule, now_ms).await?; // it counts from now on
            return Ok(None);
        };
        let grace_ms = now_ms - GRACE_MS;
        if let Some(missed_ms) = cron.next_after(until_ms).filter(|at_ms| *at_ms <= grace_ms) {
            let fault = Fault::new("act-28", format!("its time was missed by more than {} h", GRACE_MS / 3_600_000))
                .hint("The agent was down, or the guard held it back for that long. The next time counts.");
            let trigger = of_schedule(policy, missed_ms);
            self.tell_refused(policy, &trigger, &[fault]).await?;
            self.deal(policy, &schedule, grace_ms).await?;
        }
        let Some(due_ms) = latest(cron, until_ms.max(grace_ms), now_ms) else { return Ok(None) };
        let is_planned = |plan: &Planned| {
            (plan.tenant.as_str(), plan.policy.as_str()) == identity
                && plan.instance == SCHEDULE
                && plan.since_ms == due_ms
        };
        let is_said = policy.mode != Mode::Auto && seen.plans.iter().any(is_planned);
        if is_said || self.state.has_acted(identity, SCHEDULE, due_ms).await? {
            self.deal(policy, &schedule, due_ms).await?;
            return Ok(None);
        }
        Ok(Some(of_schedule(policy, due_ms)))
    }

    async fn deal(&self, policy: &Policy, schedule: &str, until_ms: i64) -> Result<(), Fault> {
        let ruling = Ruling::Dealt { tenant: &policy.tenant, policy: &policy.name, schedule, until_ms };
        self.state.rule(&ruling, None).await?;
        Ok(())
    }

    /// What a policy does about a trigger: says what it would do, acts, or is held back.
    async fn consider(&self, policy: &Arc<Policy>, trigger: Trigger, seen: &Seen) -> Result<Option<Job>, Fault> {
        let identity = (policy.tenant.as_str(), policy.name.as_str());
        if self.state.has_acted(identity, &trigger.instance, trigger.since_ms).await? {
            return Ok(None);
        }
        if policy.mode != Mode::Auto {
            let is_said = |plan: &Planned| {
                (plan.tenant.as_str(), plan.policy.as_str()) == identity
                    && (plan.instance == trigger.instance && plan.since_ms == trigger.since_ms)
            };
            let job = Job::Plan { policy: policy.clone(), trigger: trigger.clone() };
            return Ok((!seen.plans.iter().any(is_said)).then_some(job));
        }
        if self.claims().contains_key(&format!("{}/{}", policy.tenant, policy.set.target)) {
            return Ok(None); // asked again when that is over
        }
        let refusals = self.known(policy).await?.refusals(policy, By::Itself, &policy.set.key);
        if !refusals.is_empty() {
            self.tell_refused(policy, &trigger, &refusals).await?;
            return Ok(None);
        }
        Ok(Some(Job::Act { policy: policy.clone(), trigger, by: By::Itself, actor: AGENT.to_string() }))
    }

    /// Tells why a policy does nothing, where it is another reason than was told before.
    async fn tell_refused(&self, policy: &Policy, trigger: &Trigger, refusals: &[Refusal]) -> Result<(), Fault> {
        let codes: Vec<&'static str> = refusals.iter().map(|refusal| refusal.code).collect();
        let key = (policy.identity(), trigger.instance.clone());
        if self.memory().told.get(&key) == Some(&codes) {
            return Ok(());
        }
        let event = tell::refused(policy, &trigger.words, refusals, self.world.now().stored_ms);
        self.state.note(&event).await?;
        codes.iter().for_each(|code| self.world.count_refused(code));
        self.memory().told.insert(key, codes);
        self.world.tell(&event);
        Ok(())
    }

    /// Plans of firings that are over are moot, as is what was told of them.
    async fn forget(&self, alive: &BTreeSet<(String, String)>, seen: &Seen) -> Result<(), Fault> {
        let settings = self.settings();
        for plan in &seen.plans {
            let policy = settings.policy(&plan.tenant, &plan.policy).filter(|policy| policy.mode != Mode::Auto);
            let is_moot = match policy.map(|policy| &policy.when) {
                None => true,
                Some(When::Schedule(_)) => false,
                Some(When::Alert { .. }) => {
                    seen.firing.is_some()
                        && !alive.contains(&(format!("{}/{}", plan.tenant, plan.policy), plan.instance.clone()))
                }
            };
            if is_moot {
                let (tenant, policy, instance) =
                    (plan.tenant.as_str(), plan.policy.as_str(), Some(plan.instance.as_str()));
                self.state.rule(&Ruling::Unplan { tenant, policy, instance }, None).await?;
            }
        }
        if seen.firing.is_some() {
            self.memory().told.retain(|key, _| alive.contains(key) || key.1 == SCHEDULE);
        }
        Ok(())
    }

    /// Notes how a piece of work went: what failed is tried again later and later, and why is told.
    pub async fn finish(&self, job: &Job, outcome: &Result<Report, Fault>) {
        let what = job.what();
        let now = self.world.now();
        if let Ok(Report::Change { phase: Phase::Unclear, words, .. }) = outcome {
            // Looked at from time to time: it may become clear by itself.
            let retry =
                Retry { attempts: 1, at: now.since_start + self.times.retry_max, fault: Fault::new("act-50", words) };
            self.memory().retries.insert(what, retry);
            return;
        }
        let Err(fault) = outcome else {
            self.memory().retries.remove(&what);
            if let Job::Act { policy, .. } = job {
                let moot = Ruling::Unplan { tenant: &policy.tenant, policy: &policy.name, instance: None };
                let _ = self.state.rule(&moot, None).await; // shown a little longer, then
            }
            return;
        };
        {
            let mut memory = self.memory();
            let attempts = memory.retries.get(&what).map_or(0, |retry| retry.attempts) + 1;
            let pause = self.times.retry.saturating_mul(1 << attempts.min(16).saturating_sub(1));
            // A login that is refused is not tried again and again: accounts must not lock. A reload tries it at once.
            let pause = if fault.of_login { REFUSED_LOGIN_RESTS } else { pause.min(self.times.retry_max) };
            let at = now.since_start + pause;
            let before = memory.retries.insert(what, Retry { attempts, at, fault: fault.clone() });
            if before.is_none_or(|before| before.fault.code != fault.code) {
                tracing::warn!("{}: {fault}", job.words());
            }
        }
        if let Job::Act { policy, trigger, .. } | Job::Plan { policy, trigger } = job {
            let mut told = self.tell_refused(policy, trigger, std::slice::from_ref(fault)).await;
            if let (true, When::Schedule(cron)) = (fault.code == "act-14", &policy.when) {
                // It is as the schedule wants it.
                told = self.deal(policy, &format!("{cron} {}", cron.zone()), trigger.since_ms).await.and(told);
            }
            if let Err(fault) = told {
                tracing::warn!("{fault}");
            }
        }
    }
}

impl Job {
    /// What it is tried again as.
    pub fn what(&self) -> What {
        match self {
            Job::Act { policy, trigger, .. } | Job::Plan { policy, trigger } => {
                What::Trigger(policy.identity(), trigger.instance.clone())
            }
            Job::Undo { entry, .. } | Job::Settle { entry } => What::Entry(entry.id),
        }
    }

    /// For people who ask what is under way.
    pub fn words(&self) -> String {
        match self {
            Job::Act { policy, .. } => format!("policy '{}' sets {} of {}", policy.name, policy.set.key, self.target()),
            Job::Plan { policy, .. } => {
                format!("policy '{}' plans {} of {}", policy.name, policy.set.key, self.target())
            }
            Job::Undo { entry, .. } => {
                format!("the undo of entry {}, {} of {}", entry.id, entry.step.key, self.target())
            }
            Job::Settle { entry } => {
                format!("the settling of entry {}, {} of {}", entry.id, entry.step.key, self.target())
            }
        }
    }
}

/// The changes that owe their undo and whose cause has ended: no alert that would cause them fires any more. Whether
/// the policy is still configured does not matter; the journal has its `when`.
pub fn undo_due<'e>(entries: &'e [Entry], firing: &[Transition]) -> Vec<&'e Entry> {
    let is_over = |entry: &&Entry| {
        let Ok(cause) = when::read(&entry.cause, &Zone::UTC) else { return false };
        !firing.iter().any(|one| one.tenant == entry.tenant && cause.hears(&one.labels))
    };
    entries.iter().filter(|entry| entry.owes_undo()).filter(is_over).collect()
}

/// A firing as what has a policy act.
pub fn of_alert(policy: &Policy, firing: &Transition) -> Trigger {
    let labels = serde_json::to_string(&firing.labels.to_map()).unwrap_or_default(); // a map of texts cannot fail
    let target = firing.labels.value("target");
    let of = if target.is_empty() { String::new() } else { format!(" of {target}") };
    Trigger {
        cause: policy.when.to_string(),
        instance: format!("{} {labels}", firing.rule),
        since_ms: firing.since_ms,
        undo: policy.undo,
        words: format!("alert {}{of}", firing.labels.value("alertname")),
    }
}

fn of_schedule(policy: &Policy, due_ms: i64) -> Trigger {
    Trigger {
        cause: policy.when.to_string(),
        instance: SCHEDULE.to_string(),
        since_ms: due_ms,
        undo: policy.undo,
        words: "its schedule".to_string(),
    }
}
