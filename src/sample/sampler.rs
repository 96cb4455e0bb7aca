//! The set of watched targets: one task each, begun, replaced and ended as the configuration says.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::engines;
use crate::model::reading::Cycle;
use crate::model::series::Series;
use crate::model::target::Target;
use crate::sample::census::Census;
use crate::sample::cycle::Watched;
use crate::sample::ids::Ids;
use crate::sample::members::Members;
use crate::sample::schedule::Schedule;
use crate::sample::words::identity_labels;
use crate::sys::clock::Clock;
use crate::sys::task::{self, Handle};

/// What a target's task is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Watch,
    /// The target is gone: end its series.
    Leave,
    /// The target changed: leave its series to the task that follows.
    HandOver,
}

struct Running {
    target: Arc<Target>,
    order: watch::Sender<Order>,
    task: Handle<Option<Ids>>,
}

/// All targets that are watched now.
pub struct Sampler {
    series: Arc<dyn Series>,
    clock: Arc<Clock>,
    cycles: mpsc::Sender<Cycle>,
    row_series_max: usize,
    census: Arc<Census>,
    running: BTreeMap<String, Running>,
    /// Who asks for which cluster.
    members: Arc<Mutex<Members>>,
    /// Counts reloads: after one, logins that were refused are tried again.
    reloads: Arc<AtomicU64>,
    /// Whole cycles dropped because the store did not keep up.
    pub dropped: Arc<AtomicU64>,
}

impl Sampler {
    pub fn new(
        series: Arc<dyn Series>,
        clock: Arc<Clock>,
        cycles: mpsc::Sender<Cycle>,
        row_series_max: usize,
        census: Arc<Census>,
    ) -> Sampler {
        let running = BTreeMap::new();
        let members = Arc::default();
        let (reloads, dropped) = (Arc::default(), Arc::default());
        Sampler { series, clock, cycles, row_series_max, census, running, members, reloads, dropped }
    }

    /// Makes the watched set equal to `targets`: new ones begin, changed ones begin anew, missing ones end.
    pub async fn set(&mut self, targets: &[Target]) {
        let wanted: BTreeMap<String, &Target> = targets.iter().map(|target| (target.identity(), target)).collect();
        let over: Vec<String> = self
            .running
            .iter()
            .filter(|(identity, running)| wanted.get(*identity) != Some(&running.target.as_ref()))
            .map(|(identity, _)| identity.clone())
            .collect();
        let mut handed: BTreeMap<String, Ids> = BTreeMap::new();
        for identity in over {
            if let Some(running) = self.running.remove(&identity) {
                // A changed target that keeps its labels keeps its series: its new task takes them over.
                let keeps = wanted.get(&identity).is_some_and(|new| keeps_series(&running.target, new));
                let _ = running.order.send(if keeps { Order::HandOver } else { Order::Leave }); // it may have panicked
                if let Ok(Some(ids)) = running.task.await {
                    handed.insert(identity, ids);
                }
            }
        }
        self.census.retain(|identity| wanted.contains_key(identity));
        for (identity, target) in wanted {
            if !self.running.contains_key(&identity) {
                let ids = handed.remove(&identity);
                self.begin(identity, Arc::new(target.clone()), ids);
            }
        }
    }

    fn begin(&mut self, identity: String, target: Arc<Target>, ids: Option<Ids>) {
        let Some(engine) = engines::find(&target.engine) else { return };
        let (order, orders) = watch::channel(Order::Watch);
        let (series, reloads, census) = (self.series.clone(), self.reloads.clone(), self.census.clone());
        let watched = Watched::new(engine, target.clone(), series, self.row_series_max, reloads, census);
        let mut watched = watched.among(self.members.clone());
        if let Some(ids) = ids {
            watched.take_over(ids);
        }
        let schedule = Schedule::begin(&identity, target.interval, self.clock.now().since_start);
        let beat =
            Beat { schedule, clock: self.clock.clone(), cycles: self.cycles.clone(), dropped: self.dropped.clone() };
        let task = task::spawn("target", beat.run(watched, orders));
        self.running.insert(identity, Running { target, order, task });
    }

    /// Has refused logins tried again at the next cycle: the configuration was read anew, so somebody may have changed
    /// what they depend on.
    pub fn try_logins_again(&self) {
        self.reloads.fetch_add(1, Ordering::Relaxed);
    }

    /// What the targets' rows weigh, and what they do without.
    pub fn census(&self) -> &Arc<Census> {
        &self.census
    }

    /// The targets that are watched now.
    pub fn targets(&self) -> impl Iterator<Item = &Arc<Target>> {
        self.running.values().map(|running| &running.target)
    }

    /// The identities whose task has ended by itself, which only a panic does.
    pub fn fallen(&self) -> Vec<String> {
        self.running.iter().filter(|(_, one)| one.task.is_finished()).map(|(identity, _)| identity.clone()).collect()
    }

    /// Begins a fallen target anew.
    pub fn revive(&mut self, identity: &str) {
        if let Some(running) = self.running.remove(identity) {
            self.begin(identity.to_string(), running.target.clone(), None);
        }
    }
}

/// Whether a changed target's series go on under the same labels.
fn keeps_series(old: &Target, new: &Target) -> bool {
    let labels = |target: &Target| engines::find(&target.engine).map(|engine| identity_labels(engine, target));
    // With other rows the series would have other places.
    old.engine == new.engine
        && labels(old) == labels(new)
        && (&old.choice, &old.filter, &old.queries) == (&new.choice, &new.filter, &new.queries)
}

/// The endless loop of one target.
struct Beat {
    schedule: Schedule,
    clock: Arc<Clock>,
    cycles: mpsc::Sender<Cycle>,
    dropped: Arc<AtomicU64>,
}

impl Beat {
    async fn run(mut self, mut watched: Watched, mut orders: watch::Receiver<Order>) -> Option<Ids> {
        loop {
            let wait = self.schedule.next().saturating_sub(self.clock.now().since_start);
            tokio::select! {
                () = sleep(wait) => {}
                changed = orders.changed() => {
                    if changed.is_err() {
                        return None; // the sampler itself has ended
                    }
                }
            }
            let order = *orders.borrow();
            match order {
                Order::Watch => {}
                Order::HandOver => return Some(watched.into_ids()),
                Order::Leave => {
                    let _ = self.cycles.send(watched.farewell(&self.clock)).await; // waits: an end must not be lost
                    return None;
                }
            }
            let late = self.schedule.beat(self.clock.now().since_start);
            let cycle = tokio::select! {
                cycle = watched.cycle(&self.clock, late) => cycle,
                // A server that hangs must not hold up a reload or the end: its cycle is given up.
                () = is_over(orders.clone()) => continue,
            };
            if self.cycles.try_send(cycle).is_err() {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Waits until the target is to be left, or the sampler has ended.
async fn is_over(mut orders: watch::Receiver<Order>) {
    while *orders.borrow_and_update() == Order::Watch && orders.changed().await.is_ok() {}
}
