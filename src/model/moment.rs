//! One moment in the three times the agent knows. Time is a parameter: only `sys` makes moments.

use std::time::Duration;

use serde::Serializer;

/// The three times of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Moment {
    /// Since the agent began; never stops, never jumps. For intervals, `for` and timers.
    pub since_start: Duration,
    /// Milliseconds since 1970 by the system's clock. For calendars and people.
    pub wall_ms: i64,
    /// Milliseconds since 1970 as samples are stored: at least as large as ever before.
    pub stored_ms: i64,
}

/// A time as machines read it: RFC 3339, UTC, to the millisecond. Empty for one that no calendar holds.
pub fn rfc3339(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map(|time| format!("{time:.3}")).unwrap_or_default()
}

/// Writes a field of milliseconds as RFC 3339; 0, which is "not yet", as null.
///
/// # Errors
/// As the serializer says.
pub fn serialize<S: Serializer>(at_ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    if *at_ms == 0 { serializer.serialize_none() } else { serializer.serialize_str(&rfc3339(*at_ms)) }
}
