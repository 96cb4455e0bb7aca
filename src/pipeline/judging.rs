//! The judging loop: takes what the others saw, evaluates rules when they are due, and hands transitions to alert.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

use crate::act::Acting;
use crate::alert::Alerting;
use crate::config::Configuration;
use crate::engines;
use crate::export::statistics::Counters as Exports;
use crate::judge::evaluate::FINDING;
use crate::judge::evaluate::{Evaluation, Judge, Roster};
use crate::judge::findings::{self, Fact, Findings, Who};
use crate::judge::producers;
use crate::judge::rules::Rules;
use crate::model::catalogue::Catalogue;
use crate::model::fault::Fault;
use crate::model::finding::Finding;
use crate::model::labels::Labels;
use crate::model::moment::Moment;
use crate::model::reading::Cycle;
use crate::model::scope::Scope;
use crate::model::series::Series;
use crate::model::status::{Body, Event, Message};
use crate::model::target::Target;
use crate::model::transition::{Phase, Transition};
use crate::pipeline::board::Noticeboard;
use crate::pipeline::mirror::Mirror;
use crate::pipeline::own::Own;
use crate::sample::words::identity_labels;
use crate::serve::shared::{Published, Stream};
use crate::state::State;
use crate::store::{Health, Store};
use crate::sys::clock::{Clock, Stopwatch};
use crate::sys::task::{self, Worker};

/// How long series count as refused after the last was: longer than the slowest rows are apart, or the alert would come and
/// go with them.
const REFUSED_STANDS: Duration = Duration::from_secs(3600);
/// How often the loop looks at the store, the outbox and itself.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long the store may take to say how it is.
const LOOK_TIME: Duration = Duration::from_secs(5);

/// What the loop is told.
pub enum Word {
    /// A cycle ended; without its points.
    Cycle(Box<Cycle>),
    /// Something happened that is to be remembered.
    Event(Event),
    /// These are the targets from now on.
    Targets(Vec<Target>),
    /// A new configuration was refused for these reasons.
    Refused(Vec<Fault>),
    /// A new configuration holds; answered once its rules are in force.
    Reload(Box<Configuration>, oneshot::Sender<()>),
}

/// What the loop works with.
pub struct Judging {
    judge: Arc<Mutex<Judge>>,
    findings: Findings,
    /// Labels of the watched targets, by identity.
    targets: BTreeMap<String, (Labels, bool)>,
    roster: Roster,
    tenants: Vec<String>,
    rules: Arc<Rules>,
    catalogue: Arc<Catalogue>,
    capped_before: u64,
    /// What was last said of series that the store refused, and until when it stands (monotonic).
    refused: Option<(String, Duration)>,
    /// How many points a row last lost, and until when that is told: by target and row.
    rows_refused: BTreeMap<String, BTreeMap<&'static str, (u64, Duration)>>,
    /// When the loop last went round, in milliseconds since the start: the watchdog looks at it.
    pub last_round_ms: Arc<AtomicU64>,
    /// Rules have a thread of their own: they wait behind nothing that may hang.
    computing: Worker,
    places: Places,
}

/// Everything the loop reads from and tells.
#[derive(Clone)]
pub struct Places {
    pub store: Arc<Store>,
    pub clock: Arc<Clock>,
    pub board: Arc<Noticeboard>,
    pub own: Arc<Own>,
    pub stream: Stream,
    pub alerting: Arc<Alerting>,
    pub acting: Arc<Acting>,
    pub exports: Arc<Exports>,
    pub mirror: Arc<Mirror>,
}

impl Judging {
    /// Takes back what was pending or firing when the agent stopped. Nothing is told again, and nothing is forgotten.
    ///
    /// # Errors
    /// The state cannot be read.
    pub async fn begin(
        configuration: &Configuration,
        state: &State,
        catalogue: Arc<Catalogue>,
        newest_sample_ms: Option<i64>,
        places: Places,
    ) -> Result<Judging, Fault> {
        let now = places.clock.now();
        let saved = state.active_instances().await?;
        let roster = roster(&configuration.targets);
        let rules = configuration.rules.clone();
        let settings = configuration.judge.settings(Labels::empty(), configuration.external_url());
        let mut judge = Judge::new(rules.clone(), roster.clone(), settings);
        let gap_ms = now.stored_ms - newest_sample_ms.unwrap_or(now.stored_ms);
        let gap = Duration::from_millis(u64::try_from(gap_ms).unwrap_or(0));
        let mut findings = Findings::new(configuration.judge.target_down_for);
        let mut changes = judge.restore(saved.clone(), gap, now);
        changes.extend(findings.restore(saved, now));
        // The configuration that was loaded is valid, whatever was refused before the restart.
        changes.extend(findings.observe(Fact::Configuration { faults: &[] }, now));
        let mut judging = Judging {
            judge: Arc::new(Mutex::new(judge)),
            findings,
            targets: BTreeMap::new(),
            roster,
            tenants: Vec::new(),
            rules,
            catalogue,
            capped_before: 0,
            refused: None,
            rows_refused: BTreeMap::new(),
            last_round_ms: Arc::default(),
            computing: Worker::start("rules")
                .map_err(|error| Fault::new("agent-04", format!("no thread for the rules: {error}")))?,
            places,
        };
        judging.tell(changes, &[], now).await;
        Ok(judging)
    }

    /// Runs until `stop` turns true, and then takes in what waits.
    pub async fn run(mut self, mut words: mpsc::Receiver<Word>, mut stop: watch::Receiver<bool>) {
        let mut look_at = Duration::ZERO;
        loop {
            let now = self.places.clock.now();
            self.last_round_ms.store(u64::try_from(now.since_start.as_millis()).unwrap_or(0), Ordering::Relaxed);
            if self.judge().due(now) {
                self.evaluate(now).await;
            }
            if now.since_start >= look_at {
                look_at = now.since_start + LOOK_EVERY;
                self.look(now).await;
            }
            let next = self.judge().next_due().min(look_at).saturating_sub(self.places.clock.now().since_start);
            tokio::select! {
                word = words.recv() => match word {
                    Some(word) => self.take(word).await,
                    None => return,
                },
                () = sleep(next.max(Duration::from_millis(1))) => {}
                changed = stop.changed() => if changed.is_err() {
                    return;
                },
            }
            if *stop.borrow() && words.is_empty() {
                return;
            }
        }
    }

    fn judge(&self) -> MutexGuard<'_, Judge> {
        self.judge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take(&mut self, word: Word) {
        let now = self.places.clock.now();
        match word {
            Word::Cycle(cycle) => {
                let changes = self.cycle(&cycle, now);
                self.tell(changes, &[], now).await;
            }
            Word::Event(event) => self.tell(Vec::new(), &[event], now).await,
            Word::Targets(targets) => {
                let changes = self.enlist(&targets, now);
                self.tell(changes, &[], now).await;
            }
            Word::Refused(faults) => {
                let changes = self.findings.observe(Fact::Configuration { faults: &faults }, now);
                self.tell(changes, &[], now).await;
            }
            Word::Reload(configuration, accepted) => {
                let changes = self.reload(&configuration, now);
                self.tell(changes, &[], now).await;
                let _ = accepted.send(()); // whoever asked may have given up
            }
        }
    }

    fn cycle(&mut self, cycle: &Cycle, now: Moment) -> Vec<Transition> {
        let Some((labels, discovered)) = self.targets.get(&*cycle.target) else { return Vec::new() };
        let lost = cycle.points_dropped.iter().map(|(row, count)| (*row, (*count, now.since_start + REFUSED_STANDS)));
        if !cycle.points_dropped.is_empty() {
            self.rows_refused.entry(cycle.target.to_string()).or_default().extend(lost);
        }
        let who = who(labels, *discovered);
        // A server that was only found and lets nobody in is nobody's problem.
        let up = cycle.up || cycle.needs_credentials;
        let fact = Fact::Cycle { who, up, fault: cycle.fault.as_ref(), rows: &cycle.rows };
        self.findings.observe(fact, now)
    }

    fn enlist(&mut self, targets: &[Target], now: Moment) -> Vec<Transition> {
        self.roster = roster(targets);
        self.targets.clear();
        let mut unverified = Vec::new();
        for target in targets {
            let Some(engine) = engines::find(&target.engine) else { continue };
            let labels = identity_labels(engine, target);
            let why = if target.is_local() { None } else { engine.verifies(target).err() };
            unverified.push((labels.clone(), why));
            self.targets.insert(target.identity(), (labels, target.discovered));
        }
        self.rows_refused.retain(|identity, _| self.targets.contains_key(identity));
        self.tenants = self.roster.0.keys().cloned().collect();
        let mut changes = self.judge().enlist(self.roster.clone(), now);
        changes.extend(self.findings.enlist(&self.roster, now));
        for (labels, why) in &unverified {
            changes.extend(self.findings.observe(Fact::Tls { who: who(labels, false), why: why.as_deref() }, now));
        }
        changes.extend(self.unproduced(now));
        changes
    }

    fn unproduced(&mut self, now: Moment) -> Vec<Transition> {
        let rules = producers::unproduced(&self.rules, &self.catalogue);
        self.findings.observe(Fact::Unproduced { rules: &rules }, now)
    }

    fn reload(&mut self, configuration: &Configuration, now: Moment) -> Vec<Transition> {
        self.rules = configuration.rules.clone();
        let settings = configuration.judge.settings(Labels::empty(), configuration.external_url());
        self.judge().adjust(settings);
        let mut changes = self.judge().reload(self.rules.clone(), self.roster.clone(), now);
        self.findings.reload(configuration.judge.target_down_for);
        self.places.alerting.reload(configuration.alert.clone());
        changes.extend(self.findings.observe(Fact::Configuration { faults: &[] }, now));
        changes.extend(self.unproduced(now));
        changes
    }

    /// One round of rules, tenant by tenant, on a computing thread.
    async fn evaluate(&mut self, now: Moment) {
        let (judge, store, tenants) = (self.judge.clone(), self.places.store.clone(), self.tenants.clone());
        let watch = Stopwatch::start();
        let work = move || -> Vec<(String, Evaluation)> {
            let mut judge = judge.lock().unwrap_or_else(PoisonError::into_inner);
            let each = tenants.into_iter().map(|tenant| {
                let source = store.scoped(&Scope::of_tenant(&tenant));
                let evaluation = judge.evaluate(&tenant, &source, now);
                record(&store, &evaluation.recorded, now.stored_ms);
                (tenant, evaluation)
            });
            each.collect()
        };
        let evaluated = match self.computing.run(work).await {
            Ok(evaluated) => evaluated,
            Err(panic) => {
                tracing::error!("{panic}");
                self.places.own.panics.inc();
                sleep(Duration::from_secs(1)).await; // the same series may bring the same panic; do not spin
                return;
            }
        };
        self.places.own.evaluation_seconds.observe(watch.elapsed().as_secs_f64());
        let mut changes = Vec::new();
        let without_data: usize = evaluated.iter().map(|(_, evaluation)| evaluation.without_data).sum();
        #[allow(clippy::cast_precision_loss)] // far below 2^53
        self.places.own.rules_without_data.set(without_data as f64);
        for (tenant, evaluation) in evaluated {
            let Evaluation { transitions, failures, unreachable, missed, .. } = evaluation;
            self.places.own.evaluation_failures.inc_by(failures.len() as u64);
            self.places.own.missed_evaluations.inc_by(missed as u64);
            changes.extend(transitions);
            let fact = Fact::Rules { tenant: &tenant, failures: &failures, unreachable: &unreachable };
            changes.extend(self.findings.observe(fact, now));
        }
        self.tell(changes, &[], now).await;
        self.places.acting.judged(); // what fires and what has ended is on disk
        self.show(now);
    }

    /// What the loop must ask for itself: the store's health and damage, and what alerting makes of itself.
    async fn look(&mut self, now: Moment) {
        let store = self.places.store.clone();
        let looking = task::blocking("look", move || (store.health(), store.set_aside(), store.statistics().capped));
        let (why, files, capped) = match timeout(LOOK_TIME, looking).await {
            Ok(Ok((health, aside, capped))) => {
                let why = if let Health::Stopped { why, .. } = health { Some(why.to_string()) } else { None };
                (why, aside, capped)
            }
            Ok(Err(panic)) => (Some(panic), Vec::new(), self.capped_before),
            Err(_) => {
                let why = format!("the store has not answered for {} s: does its disk hang?", LOOK_TIME.as_secs());
                (Some(why), Vec::new(), self.capped_before)
            }
        };
        let files: Vec<(String, String)> =
            files.into_iter().map(|one| (one.path.display().to_string(), one.why)).collect();
        if capped > self.capped_before {
            let lately = capped - self.capped_before;
            let words = format!("[store] series_max is nearly reached: {lately} were refused lately, {capped} in all");
            self.refused = Some((words, now.since_start + REFUSED_STANDS));
            self.capped_before = capped;
        }
        let refused = self.refused.take_if(|(_, until)| now.since_start < *until);
        let why_refused = refused.as_ref().map(|(words, _)| words.as_str());
        let mut changes = self.findings.observe(Fact::Store { why: why.as_deref() }, now);
        changes.extend(self.findings.observe(Fact::StoreDamage { files: &files }, now));
        changes.extend(self.findings.observe(Fact::SeriesRefused { who: Who::AGENT, why: why_refused }, now));
        changes.extend(self.refused_rows(now));
        if self.rules.groups.is_empty() {
            self.places.acting.judged(); // findings are all there is
        }
        changes.extend(self.findings.changes(&self.places.acting.troubles(), now));
        changes.extend(self.findings.observe(Fact::Export { why: self.places.exports.complaint().as_deref() }, now));
        let why = self.places.mirror.budget_complaint();
        changes.extend(self.findings.observe(Fact::OverBudget { why: why.as_deref() }, now));
        let why = self.places.mirror.certificate_complaint();
        changes.extend(self.findings.observe(Fact::Certificate { why: why.as_deref() }, now));
        self.refused = refused;
        self.tell(changes, &[], now).await;
        self.show(now);
    }

    /// Which targets have rows that lost points lately.
    fn refused_rows(&mut self, now: Moment) -> Vec<Transition> {
        let mut changes = Vec::new();
        for (identity, (labels, discovered)) in &self.targets {
            let mut why = None;
            if let Some(rows) = self.rows_refused.get_mut(identity) {
                rows.retain(|_, (_, until)| now.since_start < *until);
                let words = |(row, (count, _)): (&&str, &(u64, Duration))| format!("{count} of '{row}'");
                let lost: Vec<String> = rows.iter().map(words).collect();
                why = (!lost.is_empty()).then(|| format!("Points dropped when last read: {}.", lost.join(", ")));
            }
            let fact = Fact::SeriesRefused { who: who(labels, *discovered), why: why.as_deref() };
            changes.extend(self.findings.observe(fact, now));
        }
        self.rows_refused.retain(|_, rows| !rows.is_empty());
        changes
    }

    /// Records transitions and events, then shows them. Recording comes first: nothing is told that is not on disk.
    async fn tell(&mut self, changes: Vec<Transition>, events: &[Event], now: Moment) {
        if changes.is_empty() && events.is_empty() {
            return;
        }
        if let Err(fault) = self.places.alerting.take(&changes, events, now).await {
            tracing::error!("{fault}");
        }
        for change in &changes {
            self.places.own.transitions.with_label_values(&[change.to.word()]).inc();
            if matches!(change.to, Phase::Firing | Phase::Resolved) {
                let target = change.labels.value("target");
                let name = change.labels.value("alertname");
                tracing::info!("{name} {target} is {}: {}", change.to.word(), change.reason);
            }
        }
        if changes.iter().any(|change| matches!(change.to, Phase::Firing | Phase::Resolved)) {
            self.places.acting.wake();
        }
        self.show(now);
        for change in changes {
            self.publish(change);
        }
    }

    fn publish(&self, change: Transition) {
        if self.places.stream.receiver_count() == 0 {
            return;
        }
        let message = |body| {
            let (tenant, target) = (change.tenant.clone(), change.labels.value("target").to_string());
            let _ = self.places.stream.send(Arc::new(Published::new(Message { tenant, target, body })));
        };
        if let Some(finding) = self.finding(&change) {
            message(Body::Finding { active: change.to == Phase::Firing, finding });
        }
        message(Body::Alert(change.clone()));
    }

    /// The finding behind a transition, if it is one's.
    fn finding(&self, change: &Transition) -> Option<Finding> {
        change.rule.strip_prefix(FINDING)?;
        matches!(change.to, Phase::Firing | Phase::Resolved).then(|| findings::finding(change))
    }

    /// Puts alerts and findings on the board.
    fn show(&self, now: Moment) {
        let all = Scope::from_anonymous("*");
        let mut alerts = self.judge().active(&all);
        alerts.extend(self.findings.active(&all));
        self.places.board.set_alerts(alerts);
        let mut findings = self.findings.standing(&all);
        findings.extend(self.places.alerting.findings(now));
        self.places.board.set_findings(findings);
    }
}

/// Stores what rules record: recording rules' series, and `ALERTS`.
fn record(store: &Store, recorded: &[(Labels, f64)], at_ms: i64) {
    let points: Vec<_> = recorded.iter().filter_map(|(labels, value)| Some((store.id(labels, 0)?, *value))).collect();
    if !points.is_empty() {
        store.append(&points, at_ms);
    }
}

fn roster(targets: &[Target]) -> Roster {
    let instance = |one: &Target| {
        let engine = engines::find(&one.engine)?;
        Some((one.tenant.clone(), engine.instance(one), one.name.clone()))
    };
    Roster::new(targets.iter().map(|one| (one.tenant.as_str(), one.name.as_str(), one.discovered)))
        .with_instances(targets.iter().filter_map(instance))
}

fn who(labels: &Labels, discovered: bool) -> Who<'_> {
    Who {
        tenant: labels.value("tenant"),
        target: labels.value("target"),
        instance: labels.value("instance"),
        job: labels.value("job"),
        discovered,
    }
}
