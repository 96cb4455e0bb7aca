//! Numbers as Go and Prometheus print them: `%v`, `%.4g`, humanized.

use std::fmt::Write;

/// The digits of a number (no sign, no point) and the power of ten of the first one.
struct Scientific {
    digits: String,
    exponent: i32,
}

fn scientific(text: &str) -> Scientific {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    Scientific { digits, exponent: exponent.parse().unwrap_or(0) }
}

fn special(value: f64) -> Option<&'static str> {
    match value {
        _ if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("+Inf"),
        f64::NEG_INFINITY => Some("-Inf"),
        _ => None,
    }
}

/// As Go's `%v`: the shortest text that reads back the same, with an exponent below 1e-4 and from 1e6 on.
pub fn shortest(value: f64) -> String {
    if let Some(word) = special(value) {
        return word.to_string();
    }
    let parts = scientific(&format!("{:e}", value.abs()));
    lay_out(value, &parts, 6)
}

/// As Go's `%.<precision>g`: that many significant digits, no zeros behind them.
pub fn general(value: f64, precision: usize) -> String {
    if let Some(word) = special(value) {
        return word.to_string();
    }
    let precision = precision.max(1);
    let mut parts = scientific(&format!("{:.*e}", precision - 1, value.abs()));
    let kept = parts.digits.trim_end_matches('0').len().max(1);
    parts.digits.truncate(kept);
    let point = parts.exponent + 1;
    let places = i32::try_from(kept).unwrap_or(i32::MAX);
    let limit = i32::try_from(precision).unwrap_or(i32::MAX);
    lay_out(value, &parts, if limit > places && places >= point { places } else { limit })
}

/// Writes digits with an exponent where it is below -4 or at least `limit`, else with a point.
fn lay_out(value: f64, parts: &Scientific, limit: i32) -> String {
    let Scientific { digits, exponent } = parts;
    let mut text = String::from(if value.is_sign_negative() { "-" } else { "" });
    if *exponent < -4 || *exponent >= limit {
        text.push_str(&digits[..1]);
        if digits.len() > 1 {
            text.push('.');
            text.push_str(&digits[1..]);
        }
        let sign = if *exponent < 0 { '-' } else { '+' };
        let _ = write!(text, "e{sign}{:02}", exponent.abs());
    } else if let Ok(before) = usize::try_from(*exponent) {
        let before = before + 1;
        text.push_str(&digits[..before.min(digits.len())]);
        text.push_str(&"0".repeat(before.saturating_sub(digits.len())));
        if digits.len() > before {
            text.push('.');
            text.push_str(&digits[before..]);
        }
    } else {
        text.push_str("0.");
        text.push_str(&"0".repeat(usize::try_from(-exponent - 1).unwrap_or(0)));
        text.push_str(digits);
    }
    text
}

/// `%e` and `%f` of Go with a precision.
pub fn exponential(value: f64, precision: usize) -> String {
    if let Some(word) = special(value) {
        return word.to_string();
    }
    let text = format!("{value:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// `%f` of Go.
pub fn fixed(value: f64, precision: usize) -> String {
    special(value).map_or_else(|| format!("{value:.precision$}"), str::to_string)
}

const ABOVE: &[&str] = &["", "k", "M", "G", "T", "P", "E", "Z", "Y"];
const ABOVE_1024: &[&str] = &["", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];
const BELOW: &[&str] = &["", "m", "u", "n", "p", "f", "a", "z", "y"];

fn four(value: f64) -> String {
    general(value, 4)
}

fn scaled_down(mut value: f64, step: f64, prefixes: &[&str]) -> String {
    let mut prefix = 0;
    while value.abs() >= step && prefix + 1 < prefixes.len() {
        value /= step;
        prefix += 1;
    }
    format!("{}{}", four(value), prefixes[prefix])
}

fn scaled_up(mut value: f64) -> String {
    let mut prefix = 0;
    while value.abs() < 1.0 && prefix + 1 < BELOW.len() {
        value *= 1000.0;
        prefix += 1;
    }
    format!("{}{}", four(value), BELOW[prefix])
}

/// `1234567` → `1.235M`, `0.0021` → `2.1m`.
pub fn humanize(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        four(value)
    } else if value.abs() >= 1.0 {
        scaled_down(value, 1000.0, ABOVE)
    } else {
        scaled_up(value)
    }
}

/// `1048576` → `1Mi`.
pub fn humanize_1024(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() { four(value) } else { scaled_down(value, 1024.0, ABOVE_1024) }
}

/// Seconds: `3661` → `1h 1m 1s`, `0.0021` → `2.1ms`.
pub fn humanize_duration(value: f64) -> String {
    if !value.is_finite() {
        return four(value);
    }
    if value == 0.0 {
        return format!("{}s", four(value));
    }
    if value.abs() < 1.0 {
        return format!("{}s", scaled_up(value));
    }
    let sign = if value < 0.0 { "-" } else { "" };
    #[allow(clippy::cast_possible_truncation)] // saturates; beyond 2^63 seconds nobody counts
    let whole = value.abs() as i64;
    let (seconds, minutes) = (whole % 60, whole / 60 % 60);
    let (hours, days) = (whole / 3_600 % 24, whole / 86_400);
    if days != 0 {
        format!("{sign}{days}d {hours}h {minutes}m {seconds}s")
    } else if hours != 0 {
        format!("{sign}{hours}h {minutes}m {seconds}s")
    } else if minutes != 0 {
        format!("{sign}{minutes}m {seconds}s")
    } else {
        format!("{sign}{}s", four(value.abs()))
    }
}

/// `0.1234` → `12.34%`.
pub fn humanize_percentage(value: f64) -> String {
    format!("{}%", four(value * 100.0))
}

/// Seconds since 1970 as Go prints a time in UTC: `2015-08-26 09:13:15.5 +0000 UTC`. What no calendar reaches stays a
/// number.
pub fn humanize_timestamp(value: f64) -> String {
    #[allow(clippy::cast_possible_truncation)] // checked by from_millisecond, which knows its range
    let Ok(time) = jiff::Timestamp::from_millisecond((value * 1000.0).round() as i64) else { return four(value) };
    if !value.is_finite() {
        return four(value);
    }
    let millis = time.as_millisecond().rem_euclid(1000);
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}").trim_end_matches('0').to_string() };
    let second = jiff::tz::Offset::UTC.to_datetime(time);
    let (date, clock) = (second.date(), second.time());
    let clock = format!("{:02}:{:02}:{:02}", clock.hour(), clock.minute(), clock.second());
    format!("{date} {clock}{fraction} +0000 UTC")
}
