//! What alerting counts of itself, for the agent's own metrics.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::state::outbox::Queue;

/// One reading. All but `queued` and `oldest_age_s` only ever grow while the agent runs.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Statistics {
    /// Notices that wait to be told.
    pub queued: u64,
    /// How long the oldest of them has waited, in seconds.
    pub oldest_age_s: f64,
    /// Messages that arrived.
    pub sent: u64,
    /// Attempts that failed and will be repeated.
    pub failed: u64,
    /// Attempts that were repetitions.
    pub retried: u64,
    /// Messages that receivers refused.
    pub refused: u64,
    /// Notices that became too old to be tried again.
    pub given_up: u64,
    /// Notices that were merged away because too many waited.
    pub coalesced: u64,
    /// Alerts that went out without having been recorded.
    pub unrecorded: u64,
    /// Unrecorded alerts that were dropped because too many waited.
    pub dropped_urgent: u64,
    /// Events dropped because state could not be written for too long.
    pub dropped_events: u64,
    /// Transitions that wait in memory because state cannot be written.
    pub backlog: u64,
}

/// No notice waits.
const NONE: i64 = i64::MIN;

/// The running counts.
#[derive(Debug, Default)]
pub struct Counters {
    pub sent: AtomicU64,
    pub failed: AtomicU64,
    pub retried: AtomicU64,
    pub refused: AtomicU64,
    pub given_up: AtomicU64,
    pub coalesced: AtomicU64,
    pub unrecorded: AtomicU64,
    pub dropped_urgent: AtomicU64,
    pub dropped_events: AtomicU64,
    pub backlog: AtomicU64,
    /// Since when transitions wait in memory, while there are any (stored time).
    pub backlog_since_ms: AtomicI64,
    queued: AtomicU64,
    oldest_ms: AtomicI64,
}

impl Counters {
    pub fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    /// Takes over what a write has found in the outbox.
    pub fn note(&self, queue: Queue) {
        self.queued.store(queue.entries, Ordering::Relaxed);
        self.oldest_ms.store(queue.oldest_ms.unwrap_or(NONE), Ordering::Relaxed);
        Counters::add(&self.coalesced, queue.coalesced);
    }

    pub fn read(&self, now_ms: i64) -> Statistics {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let queued = of(&self.queued);
        let oldest_ms = self.oldest_ms.load(Ordering::Relaxed);
        let waits = queued > 0 && oldest_ms != NONE;
        #[allow(clippy::cast_precision_loss)] // an age in milliseconds is far below 2^53
        let oldest_age_s = if waits { now_ms.saturating_sub(oldest_ms).max(0) as f64 / 1000.0 } else { 0.0 };
        Statistics {
            queued,
            oldest_age_s,
            sent: of(&self.sent),
            failed: of(&self.failed),
            retried: of(&self.retried),
            refused: of(&self.refused),
            given_up: of(&self.given_up),
            coalesced: of(&self.coalesced),
            unrecorded: of(&self.unrecorded),
            dropped_urgent: of(&self.dropped_urgent),
            dropped_events: of(&self.dropped_events),
            backlog: of(&self.backlog),
        }
    }
}
