//! Durations as people and Prometheus write them: `1h30m`, `15s`, `250ms`, `7d`. Years have 365 days, weeks 7.

use std::time::Duration;

const UNITS: &[(&str, u64)] = &[
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
    ("y", 31_536_000_000),
];

/// Reads `1h30m`, `15s`, `0`. Units must come from large to small, each once, as in Prometheus.
///
/// # Errors
/// A sentence that says what is wrong with the text.
pub fn parse(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let wrong = || format!("'{text}' is not a duration: write a number and a unit, like \"15s\", \"1h30m\" or \"7d\"");
    let mut rest = text;
    let mut total_ms: u64 = 0;
    let mut smallest = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let &(_, unit_ms) = UNITS.iter().find(|(unit, _)| *unit == &rest[..letters]).ok_or_else(wrong)?;
        if unit_ms >= smallest {
            return Err(wrong());
        }
        smallest = unit_ms;
        rest = &rest[letters..];
        total_ms = number.checked_mul(unit_ms).and_then(|ms| total_ms.checked_add(ms)).ok_or_else(wrong)?;
    }
    if text.is_empty() { Err(wrong()) } else { Ok(Duration::from_millis(total_ms)) }
}

/// Writes a duration the way `parse` reads it, from the largest unit down: `1h30m`. Weeks and years are written as days.
pub fn format(duration: Duration) -> String {
    let mut rest_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest_ms == 0 {
        return "0s".to_string();
    }
    let mut text = String::new();
    for (unit, unit_ms) in UNITS.iter().rev().filter(|(unit, _)| !matches!(*unit, "w" | "y")) {
        if rest_ms >= *unit_ms {
            text.push_str(&format!("{}{unit}", rest_ms / unit_ms));
            rest_ms %= unit_ms;
        }
    }
    text
}
