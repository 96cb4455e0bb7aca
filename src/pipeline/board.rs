//! The board: what the agent shows of itself now, written by the pipeline's loops and read by serve.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use crate::engines;
use crate::model::finding::Finding;
use crate::model::reading::Cycle;
use crate::model::scope::Scope;
use crate::model::status::{Board, OwnFamily, TargetStatus, UnknownRow};
use crate::model::target::Target;
use crate::model::transition::Transition;
use crate::sample::words::identity_labels;

/// Gathers the agent's own metrics.
pub type OwnMetrics = Box<dyn Fn() -> Vec<OwnFamily> + Send + Sync>;

/// The board's content, and who writes its last part.
pub struct Noticeboard {
    inner: RwLock<Inner>,
    own_metrics: OwnMetrics,
}

#[derive(Default)]
struct Inner {
    targets: BTreeMap<String, TargetStatus>,
    alerts: Arc<Vec<Transition>>,
    findings: Arc<Vec<Finding>>,
    is_ready: bool,
}

/// What changed of a target, for events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Up,
    Down,
    NeedsCredentials,
    Role { from: String, to: String },
    Version { from: String, to: String },
}

impl Noticeboard {
    pub fn new(own_metrics: OwnMetrics) -> Noticeboard {
        Noticeboard { inner: RwLock::default(), own_metrics }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the listed targets those that are shown; what is known of those that stay, stays.
    pub fn set_targets(&self, targets: &[Target], now_ms: i64) {
        let mut inner = self.write();
        let old = std::mem::take(&mut inner.targets);
        for target in targets {
            let identity = target.identity();
            let fresh = unread(target, now_ms);
            let shown = match old.get(&identity) {
                Some(known) if known.engine == target.engine => TargetStatus {
                    instance: fresh.instance,
                    job: fresh.job,
                    interval_s: fresh.interval_s,
                    discovered: fresh.discovered,
                    ..known.clone()
                },
                _ => fresh,
            };
            inner.targets.insert(identity, shown);
        }
    }

    /// Takes a cycle's outcome over and says what changed. A cycle of a target that is shown no longer changes nothing.
    pub fn take(&self, cycle: &Cycle) -> Option<(TargetStatus, Vec<Change>)> {
        let mut inner = self.write();
        let status = inner.targets.get_mut(&*cycle.target)?;
        let changes = changes(status, cycle);
        let up = Some(cycle.up).filter(|_| !cycle.needs_credentials);
        if status.up != up || status.needs_credentials != cycle.needs_credentials {
            (status.up, status.needs_credentials) = (up, cycle.needs_credentials);
            status.since_ms = cycle.at_ms;
        }
        status.last_cycle_ms = cycle.at_ms;
        status.cycle_took_s = cycle.took.as_secs_f64();
        status.series = cycle.points.iter().filter(|(_, value)| !crate::model::series::is_stale(*value)).count();
        status.fault.clone_from(&cycle.fault);
        for (known, seen) in [
            (&mut status.version, &cycle.version),
            (&mut status.flavour, &cycle.flavour),
            (&mut status.role, &cycle.role),
        ] {
            if !seen.is_empty() {
                known.clone_from(seen);
            }
        }
        if !cycle.up {
            status.unknown_rows.clear(); // the target's own fault says it all
        }
        for reading in &cycle.rows {
            status.unknown_rows.retain(|row| row.row != reading.name);
            if let Err(unknown) = &reading.result {
                let (kind, reason) = (unknown.kind.word().to_string(), unknown.reason.clone());
                status.unknown_rows.push(UnknownRow { row: reading.name.to_string(), kind, reason });
            }
        }
        Some((status.clone(), changes))
    }

    pub fn set_alerts(&self, alerts: Vec<Transition>) {
        self.write().alerts = Arc::new(alerts);
    }

    pub fn set_findings(&self, findings: Vec<Finding>) {
        self.write().findings = Arc::new(findings);
    }

    pub fn set_ready(&self) {
        self.write().is_ready = true;
    }
}

fn unread(target: &Target, now_ms: i64) -> TargetStatus {
    let engine = engines::find(&target.engine);
    TargetStatus {
        tenant: target.tenant.clone(),
        name: target.name.clone(),
        engine: target.engine.clone(),
        instance: engine.map(|engine| engine.instance(target)).unwrap_or_default(),
        job: engine.map(|engine| identity_labels(engine, target).value("job").to_string()).unwrap_or_default(),
        up: None,
        needs_credentials: false,
        since_ms: now_ms,
        last_cycle_ms: 0,
        cycle_took_s: 0.0,
        interval_s: target.interval.as_secs_f64(),
        series: 0,
        version: String::new(),
        flavour: String::new(),
        role: String::new(),
        discovered: target.discovered,
        fault: None,
        unknown_rows: Vec::new(),
    }
}

fn changes(before: &TargetStatus, cycle: &Cycle) -> Vec<Change> {
    let mut changes = Vec::new();
    match (before.up, cycle.up) {
        _ if cycle.needs_credentials && before.needs_credentials => {}
        _ if cycle.needs_credentials => changes.push(Change::NeedsCredentials),
        (None, true) if before.needs_credentials => changes.push(Change::Up),
        (Some(false), true) => changes.push(Change::Up),
        (Some(true) | None, false) => changes.push(Change::Down),
        _ => {}
    }
    let differs = |old: &str, new: &str| !old.is_empty() && !new.is_empty() && old != new;
    if differs(&before.role, &cycle.role) {
        changes.push(Change::Role { from: before.role.clone(), to: cycle.role.clone() });
    }
    if differs(&before.version, &cycle.version) {
        changes.push(Change::Version { from: before.version.clone(), to: cycle.version.clone() });
    }
    changes
}

impl Board for Noticeboard {
    fn targets(&self, scope: &Scope) -> Vec<TargetStatus> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.targets.values().filter(|one| scope.sees(&one.tenant)).cloned().collect()
    }

    fn alerts(&self, scope: &Scope) -> Vec<Transition> {
        let alerts = self.inner.read().unwrap_or_else(PoisonError::into_inner).alerts.clone();
        alerts.iter().filter(|one| scope.sees(&one.tenant)).cloned().collect()
    }

    fn findings(&self, scope: &Scope) -> Vec<Finding> {
        let findings = self.inner.read().unwrap_or_else(PoisonError::into_inner).findings.clone();
        findings.iter().filter(|one| scope.sees(&one.tenant)).cloned().collect()
    }

    fn ready(&self) -> Result<(), String> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        if inner.is_ready { Ok(()) } else { Err("the first schedule does not stand yet".to_string()) }
    }

    fn own_metrics(&self) -> Vec<OwnFamily> {
        (self.own_metrics)()
    }
}
