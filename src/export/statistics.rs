//! What exporting counts of itself, for the agent's own metrics.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One reading. All but the first four only ever grow while the agent runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Bytes of requests that wait.
    pub queued_bytes: u64,
    /// Points and spans in them.
    pub queued_items: u64,
    /// Series of which something is remembered.
    pub series: u64,
    /// How long nothing has arrived of what was pushed, in seconds.
    pub failing_s: f64,
    /// Points and spans that arrived.
    pub sent: u64,
    /// Attempts that failed and are repeated.
    pub failed: u64,
    /// Points and spans dropped because too much waited.
    pub overflowed: u64,
    /// Points and spans in requests that the collector refused.
    pub refused: u64,
    /// Points and spans that it rejected from requests that it took.
    pub rejected: u64,
    /// Samples that cannot be told: sums that are no finite number, second values for one time.
    pub unfit: u64,
    /// Whole cycles dropped because the encoding did not keep up.
    pub dropped_cycles: u64,
    /// Spans dropped because too many came at once.
    pub dropped_spans: u64,
}

/// Nothing fails.
const NEVER: i64 = -1;

/// The running counts. They outlive a reload.
#[derive(Debug)]
pub struct Counters {
    pub queued_bytes: AtomicU64,
    pub queued_items: AtomicU64,
    pub series: AtomicU64,
    pub sent: AtomicU64,
    pub failed: AtomicU64,
    pub overflowed: AtomicU64,
    pub refused: AtomicU64,
    pub rejected: AtomicU64,
    pub unfit: AtomicU64,
    pub dropped_cycles: AtomicU64,
    pub dropped_spans: AtomicU64,
    /// Since when nothing arrives, in milliseconds since the agent began.
    failing_since_ms: AtomicI64,
    /// What the collector last said to that, or why it said nothing.
    words: Mutex<String>,
}

impl Default for Counters {
    fn default() -> Counters {
        let zero = AtomicU64::default;
        Counters {
            queued_bytes: zero(),
            queued_items: zero(),
            series: zero(),
            sent: zero(),
            failed: zero(),
            overflowed: zero(),
            refused: zero(),
            rejected: zero(),
            unfit: zero(),
            dropped_cycles: zero(),
            dropped_spans: zero(),
            failing_since_ms: AtomicI64::new(NEVER),
            words: Mutex::default(),
        }
    }
}

impl Counters {
    pub fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    /// Notes that no queue is there any more.
    pub fn clear_queue(&self) {
        [&self.queued_bytes, &self.queued_items, &self.series].iter().for_each(|one| one.store(0, Ordering::Relaxed));
    }

    /// Notes that nothing arrived, and why. The first of several in a row says since when.
    pub fn failed(&self, now: Duration, words: &str) {
        let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        // Whoever was first stands.
        let _ = self.failing_since_ms.compare_exchange(NEVER, now_ms, Ordering::Relaxed, Ordering::Relaxed);
        *self.words.lock().unwrap_or_else(PoisonError::into_inner) = words.to_string();
    }

    /// Notes that something arrived, or that nothing is pushed any more. Returns since when nothing did.
    pub fn arrived(&self) -> Option<Duration> {
        let before = self.failing_since_ms.swap(NEVER, Ordering::Relaxed);
        u64::try_from(before).ok().map(Duration::from_millis)
    }

    /// Why nothing arrives, if so.
    pub fn complaint(&self) -> Option<String> {
        let fails = self.failing_since_ms.load(Ordering::Relaxed) != NEVER;
        fails.then(|| self.words.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    pub fn read(&self, since_start: Duration) -> Statistics {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let failing = u64::try_from(self.failing_since_ms.load(Ordering::Relaxed)).ok().map(Duration::from_millis);
        Statistics {
            queued_bytes: of(&self.queued_bytes),
            queued_items: of(&self.queued_items),
            series: of(&self.series),
            failing_s: failing.map_or(0.0, |since| since_start.saturating_sub(since).as_secs_f64()),
            sent: of(&self.sent),
            failed: of(&self.failed),
            overflowed: of(&self.overflowed),
            refused: of(&self.refused),
            rejected: of(&self.rejected),
            unfit: of(&self.unfit),
            dropped_cycles: of(&self.dropped_cycles),
            dropped_spans: of(&self.dropped_spans),
        }
    }
}
