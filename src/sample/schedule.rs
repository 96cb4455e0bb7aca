//! When a target's cycles begin: evenly spread over the interval, never two at once, missed ones skipped.

use std::time::Duration;

/// The beats of one target. Pure: times are monotonic and given.
#[derive(Clone, Debug)]
pub struct Schedule {
    interval: Duration,
    next: Duration,
}

impl Schedule {
    /// The first beat comes within one interval from `now`, at a place of its own that `identity` decides, so that
    /// targets do not all ask at once and a restart asks in the same order.
    pub fn begin(identity: &str, interval: Duration, now: Duration) -> Schedule {
        let spread = identity
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        // The first cycle of all should not keep people waiting: at most two seconds.
        let window = interval.min(Duration::from_secs(2));
        let share = f64::from(u32::try_from(spread >> 32).unwrap_or(0)) / f64::from(u32::MAX);
        Schedule { interval, next: now + window.mul_f64(share) }
    }

    /// When the next cycle begins.
    pub fn next(&self) -> Duration {
        self.next
    }

    /// Says that a cycle begins at `now`, and returns how late that is. Beats that were missed are not made up for.
    pub fn beat(&mut self, now: Duration) -> Duration {
        let late = now.saturating_sub(self.next);
        let missed = late.as_nanos() / self.interval.as_nanos().max(1);
        self.next += self.interval * u32::try_from(missed + 1).unwrap_or(u32::MAX);
        late
    }
}

/// Whether a row is due in a cycle: a row of `every` 12 is due in every twelfth, rows of one table spread apart, all
/// of them in the first cycle of a session.
pub fn is_due(every: u32, row: usize, cycle_of_session: u64) -> bool {
    let every = u64::from(every.max(1));
    cycle_of_session == 0 || (cycle_of_session + row as u64).is_multiple_of(every)
}

/// How long a slow row's last values may be repeated: twice its interval.
pub fn repeats_until(every: u32, interval: Duration) -> Duration {
    interval * every.max(1) * 2
}

/// How long a row is left alone whose answer was too large: such an answer costs the session, and with it the rows behind.
pub const TOO_LARGE_AGAIN: Duration = Duration::from_secs(600);

/// The longest that a refusal puts off the next attempt.
const REFUSED_MAX: Duration = Duration::from_secs(60);

/// The longest that a refused login does: servers count these, and lock accounts.
const LOGIN_REFUSED_MAX: Duration = Duration::from_secs(300);

/// How long to wait before the next attempt to open a session after `failures` refusals in a row. A server that
/// cannot be reached is tried every cycle; one that refuses us is asked less and less.
pub fn retry_after(failures: u32, interval: Duration, of_login: bool) -> Duration {
    let longest = if of_login { LOGIN_REFUSED_MAX } else { REFUSED_MAX };
    let factor = 1_u32 << failures.saturating_sub(1).min(9);
    (interval * factor).min(longest.max(interval))
}
