//! Running: one task for each outlet, so that a slow receiver delays no other, and one that keeps house.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use crate::alert::Alerting;
use crate::alert::courier::{Courier, Next};
use crate::alert::statistics::Counters;
use crate::model::moment::Moment;
use crate::state::outbox::Outlet;
use crate::state::trim::Keep;
use crate::sys::clock::Clock;
use crate::sys::task::{self, Handle};

const HOUSEKEEPING: Duration = Duration::from_secs(10);
const TRIMMING: Duration = Duration::from_secs(3600);
/// How long a message under way may take once the agent stops. What it does not settle is sent again.
const STOPPING: Duration = Duration::from_secs(3);
/// An idle courier looks again after this time, in case nobody woke it.
const LOOKING: Duration = Duration::from_secs(60);

impl Alerting {
    /// Tells people, until `stop` becomes true or its sender is gone.
    pub async fn run(self: Arc<Self>, clock: Arc<Clock>, mut stop: watch::Receiver<bool>) {
        let mut workers: BTreeMap<Outlet, Handle<()>> = BTreeMap::new();
        let mut trim_at = clock.now().since_start + TRIMMING; // the opening has trimmed
        let mut is_home = false;
        while !is_stopped(&stop) {
            let now = clock.now();
            if !is_home {
                is_home = self.come_home(now).await;
            }
            self.staff(&mut workers, &clock, &stop);
            self.keep_house(now).await;
            if now.since_start >= trim_at {
                trim_at = now.since_start + TRIMMING;
                if let Err(error) = self.state.trim(Keep::default(), now.stored_ms).await {
                    tracing::warn!("the logs in state.db cannot be trimmed: {error}");
                }
            }
            tokio::select! {
                () = self.changed.notified() => is_home = false,
                () = tokio::time::sleep(HOUSEKEEPING) => {}
                _ = stop.changed() => {}
            }
        }
        let _ = tokio::time::timeout(STOPPING, join_all(workers.into_values())).await; // the rest ends with its handle
    }

    /// `rehome`; `false` where it failed and must be tried again.
    async fn come_home(&self, now: Moment) -> bool {
        let done = self.rehome(now).await;
        if let Err(fault) = &done {
            tracing::warn!("the outbox cannot be brought in line with the configuration: {fault}");
        }
        done.is_ok()
    }

    /// One worker for each outlet that is configured, and none for others; one that panicked is started anew.
    fn staff(
        self: &Arc<Self>,
        workers: &mut BTreeMap<Outlet, Handle<()>>,
        clock: &Arc<Clock>,
        stop: &watch::Receiver<bool>,
    ) {
        let outlets = self.config().outlets();
        workers.retain(|outlet, worker| outlets.contains(outlet) && !worker.is_finished());
        self.couriers.lock().unwrap_or_else(PoisonError::into_inner).retain(|outlet, _| outlets.contains(outlet));
        if is_stopped(stop) {
            return;
        }
        for outlet in outlets {
            let courier = self.courier(&outlet);
            workers.entry(outlet).or_insert_with(|| {
                let work = work(self.clone(), courier, clock.clone(), stop.clone());
                task::spawn("courier", work)
            });
        }
    }

    /// Writes what waits in memory, and gives up what is too old.
    pub async fn keep_house(&self, now: Moment) {
        if let Err(fault) = self.take(&[], &[], now).await {
            tracing::warn!("{fault}");
        }
        let give_up_after = self.config().limits.give_up_after;
        if self.statistics(now).oldest_age_s <= give_up_after.as_secs_f64() {
            return;
        }
        let before_ms = now.stored_ms - i64::try_from(give_up_after.as_millis()).unwrap_or(i64::MAX);
        match self.state.give_up(before_ms, now.stored_ms).await {
            Ok((given_up, queue)) => {
                self.counters.note(queue);
                Counters::add(&self.counters.given_up, given_up);
                if given_up > 0 {
                    tracing::error!("{given_up} alerts could not be told in time and are given up");
                }
            }
            Err(error) => tracing::warn!("old alerts cannot be given up: {error}"),
        }
    }
}

/// Steps until stopped.
async fn work(alerting: Arc<Alerting>, courier: Arc<Courier>, clock: Arc<Clock>, mut stop: watch::Receiver<bool>) {
    while !is_stopped(&stop) {
        let now = clock.now();
        let pause = match alerting.deliver(&courier.outlet, now).await {
            Next::Again => continue,
            Next::At(next_ms) => Duration::from_millis(u64::try_from(next_ms - now.stored_ms).unwrap_or(0)),
            Next::Idle => LOOKING,
        };
        tokio::select! {
            () = courier.wake.notified() => {}
            () = tokio::time::sleep(pause.min(LOOKING)) => {}
            _ = stop.changed() => {}
        }
    }
}

fn is_stopped(stop: &watch::Receiver<bool>) -> bool {
    *stop.borrow() || stop.has_changed().is_err()
}
