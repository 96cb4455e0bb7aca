//! Calendar functions of seconds since 1970, in UTC. Without a library: no time is out of range.

const DAY_S: i64 = 86_400;

struct Date {
    year: i64,
    /// From 1.
    month: i64,
    /// From 1.
    day: i64,
}

fn days(seconds: f64) -> i64 {
    (seconds as i64).div_euclid(DAY_S)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The proleptic Gregorian date of a count of days since 1970-01-01 (Hinnant, "chrono-compatible low-level date
/// algorithms", civil_from_days).
fn date(seconds: f64) -> Date {
    let shifted = days(seconds) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Date { year, month, day: day_of_year - (153 * from_march + 2) / 5 + 1 }
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// NaN and infinities are no time.
fn of_time(seconds: f64, part: impl Fn(f64) -> i64) -> f64 {
    if seconds.is_finite() { part(seconds) as f64 } else { f64::NAN }
}

pub fn minute(seconds: f64) -> f64 {
    of_time(seconds, |seconds| (seconds as i64).rem_euclid(3_600) / 60)
}

pub fn hour(seconds: f64) -> f64 {
    of_time(seconds, |seconds| (seconds as i64).rem_euclid(DAY_S) / 3_600)
}

/// 0 is Sunday.
pub fn day_of_week(seconds: f64) -> f64 {
    of_time(seconds, |seconds| (days(seconds) + 4).rem_euclid(7))
}

pub fn day_of_month(seconds: f64) -> f64 {
    of_time(seconds, |seconds| date(seconds).day)
}

/// From 1 to 366.
pub fn day_of_year(seconds: f64) -> f64 {
    of_time(seconds, |seconds| {
        let date = date(seconds);
        (1..date.month).map(|month| days_of(date.year, month)).sum::<i64>() + date.day
    })
}

pub fn days_in_month(seconds: f64) -> f64 {
    of_time(seconds, |seconds| {
        let date = date(seconds);
        days_of(date.year, date.month)
    })
}

pub fn month(seconds: f64) -> f64 {
    of_time(seconds, |seconds| date(seconds).month)
}

pub fn year(seconds: f64) -> f64 {
    of_time(seconds, |seconds| date(seconds).year)
}
