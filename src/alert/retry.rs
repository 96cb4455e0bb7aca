//! What an answer means, and when to try again. Pure.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;

/// The first wait, doubled with each further failure.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait, unless the receiver asks for a longer one.
const LONGEST: Duration = Duration::from_secs(300);

/// What follows from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Delivered,
    /// Try again; not before the time the receiver asked for.
    Retry {
        not_before: Option<Duration>,
    },
    /// It will never take this message.
    Refused,
}

/// Reads an answer. Time-outs, overload and the server's own faults pass; everything else that is not a success, such
/// as a redirect, is the receiver's last word.
pub fn verdict(status: u16, retry_after: &str, wall_ms: i64) -> Verdict {
    match status {
        200..=299 => Verdict::Delivered,
        429 | 503 => Verdict::Retry { not_before: wait_asked(retry_after, wall_ms) },
        408 | 500..=599 => Verdict::Retry { not_before: None },
        _ => Verdict::Refused,
    }
}

/// The wait that a `Retry-After` header asks for: seconds, or a date by the wall clock (RFC 9110, 10.2.3).
pub fn wait_asked(header: &str, wall_ms: i64) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let date = DateTimeParser::new().parse_timestamp(header).ok()?;
    let wait_ms = date.as_millisecond().saturating_sub(wall_ms).max(0);
    Some(Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0)))
}

/// The wait after the n-th failure in a row (1 is the first): doubling from 1 s to 5 min, and between half and all of
/// that, by `seed`, so that many agents do not come back at the same moment.
pub fn wait(failures: u32, seed: u64) -> Duration {
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)));
    let full_ms = u64::try_from(doubled.min(LONGEST).as_millis()).unwrap_or(u64::MAX);
    let half_ms = full_ms / 2;
    Duration::from_millis(half_ms + scatter(seed, failures) % (full_ms - half_ms + 1))
}

/// Mixes a seed well enough for scattering (the finalizer of SplitMix64).
fn scatter(seed: u64, failures: u32) -> u64 {
    let mut mixed = seed.wrapping_add(u64::from(failures).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
