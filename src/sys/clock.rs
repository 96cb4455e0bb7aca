//! The clock: monotonic time for intervals, wall time for people, and stored time, which never goes back.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::moment::Moment;

/// How fast a backward step of the wall clock is worked off: one part in twenty of the time that passes.
const CATCH_UP: i64 = 20;

/// Works out stored time from the two others. Pure, so that tests own time.
#[derive(Clone, Debug)]
pub struct StoredTime {
    /// The last stored time given, and the monotonic time then.
    last_ms: i64,
    last_since_start: Duration,
    /// How far stored time runs ahead of the wall clock.
    ahead_ms: i64,
}

impl StoredTime {
    /// Begins at `max(wall, newest sample)`.
    pub fn begin(since_start: Duration, wall_ms: i64, newest_sample_ms: Option<i64>) -> StoredTime {
        let last_ms = newest_sample_ms.map_or(wall_ms, |newest| newest.max(wall_ms));
        StoredTime { last_ms, last_since_start: since_start, ahead_ms: last_ms - wall_ms }
    }

    /// The stored time of a moment. A forward step of the wall clock is followed at once; a backward step becomes an
    /// offset that shrinks by 5 % of the time that passes, so that stored time goes on at 95 % of its pace.
    pub fn advance(&mut self, since_start: Duration, wall_ms: i64) -> i64 {
        let passed_ms = i64::try_from(since_start.saturating_sub(self.last_since_start).as_millis()).unwrap_or(0);
        // Never faster than the wall clock is ahead of us, never slower than 95 % of true time.
        let slowest_ms = self.last_ms + passed_ms - passed_ms / CATCH_UP;
        let stored_ms = wall_ms.max(slowest_ms);
        self.ahead_ms = stored_ms - wall_ms;
        // Below one part in twenty milliseconds the pace would be rounded away: wait for more.
        if passed_ms >= CATCH_UP || stored_ms == wall_ms {
            self.last_ms = stored_ms;
            self.last_since_start = since_start;
        }
        stored_ms.max(self.last_ms)
    }

    /// How far stored time runs ahead of the wall clock, in milliseconds.
    pub fn ahead_ms(&self) -> i64 {
        self.ahead_ms
    }
}

/// The process' clock.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    stored: Mutex<StoredTime>,
    /// Added to the wall clock, for tests that step it.
    shift_ms: std::sync::atomic::AtomicI64,
}

impl Clock {
    /// Begins at `max(wall, newest sample)`; `newest_sample_ms` is what the store remembers.
    pub fn begin(newest_sample_ms: Option<i64>) -> Clock {
        let stored = StoredTime::begin(Duration::ZERO, system_ms(), newest_sample_ms);
        Clock { start: Instant::now(), stored: Mutex::new(stored), shift_ms: std::sync::atomic::AtomicI64::new(0) }
    }

    pub fn now(&self) -> Moment {
        let since_start = self.start.elapsed();
        let wall_ms = system_ms() + self.shift_ms.load(std::sync::atomic::Ordering::Relaxed);
        let mut stored = self.stored.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Moment { since_start, wall_ms, stored_ms: stored.advance(since_start, wall_ms) }
    }

    /// How far stored time runs ahead of the wall clock, in milliseconds.
    pub fn ahead_ms(&self) -> i64 {
        self.stored.lock().unwrap_or_else(std::sync::PoisonError::into_inner).ahead_ms()
    }

    /// Steps the wall clock as seen by the agent. For rehearsing clock steps without touching the machine's clock.
    pub fn step_wall(&self, by_ms: i64) {
        self.shift_ms.fetch_add(by_ms, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Milliseconds since 1970 by the system's clock.
pub fn system_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A stopwatch on monotonic time.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
