//! Schedules in the five fields of crontab(5), in a time zone.
//!
//! What happens when clocks are set is decided as in Debian's cron(8), "Local time changes … Daylight Saving", and its
//! entry.c: a schedule whose minutes and hours are both named (they do not begin with `*`) is one of *times*. Clocks
//! that skip its time run it once, at the first moment after; clocks that show it twice run it the first time. Any other
//! is one of *intervals*, and runs each time that clocks show a minute of it. No moment comes twice.

use std::fmt;

use jiff::civil::{Date, DateTime};
use jiff::{Timestamp, ToSpan};

use crate::model::calendar::{WEEKDAYS, Zone, shown, timestamp};
use crate::model::fault::Fault;

/// When something is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    text: String,
    zone: Zone,
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    weekdays: Field,
}

/// One of the five fields: a bit for each value that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    bits: u64,
    /// Begins with `*`: entry.c's MIN_STAR, HR_STAR, DOM_STAR, DOW_STAR.
    star: bool,
}

impl Field {
    fn has(self, value: i8) -> bool {
        u32::try_from(value).is_ok_and(|value| self.bits >> value & 1 == 1)
    }

    /// The smallest value that it names, from this on.
    fn next(self, from: i8) -> Option<i8> {
        (from..64).find(|value| self.has(*value))
    }
}

/// What a field is called, and what may stand in it.
struct Kind {
    name: &'static str,
    min: u8,
    max: u8,
    /// Words for the values from `min` on.
    words: &'static [&'static str],
}

const MONTHS: &[&str] = &["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS_MAX: [i8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const FIELDS: [Kind; 5] = [
    Kind { name: "minute", min: 0, max: 59, words: &[] },
    Kind { name: "hour", min: 0, max: 23, words: &[] },
    Kind { name: "day of the month", min: 1, max: 31, words: &[] },
    Kind { name: "month", min: 1, max: 12, words: MONTHS },
    Kind { name: "day of the week", min: 0, max: 7, words: &WEEKDAYS },
];

const NICKNAMES: &[(&str, &str)] = &[
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// How far ahead a schedule is looked for, in years: 29 February is a Sunday in 2088, and then in 2128.
const YEARS_AHEAD_MAX: i16 = 41;

const FORM: &str = "Write minute, hour, day of the month, month and day of the week, like \"30 2 * * Mon-Fri\", or \
                    \"@daily\"; a time zone may follow.";

impl Cron {
    /// Reads `30 2 * * Mon-Fri`, `@daily`, and either with a zone behind it: `0 4 * * * Europe/Berlin`.
    ///
    /// # Errors
    /// `calendar-01`: the zone is unknown. `calendar-02`: which field is wrong, and what may stand there.
    pub fn parse(text: &str, zone: &Zone) -> Result<Cron, Fault> {
        let wrong = |why: String, hint: &str| {
            Fault::new("calendar-02", format!("'{}' is not a schedule: {why}", shown(text))).hint(hint)
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (fields, named): (Vec<&str>, &[&str]) = match words.as_slice() {
            [] => return Err(wrong("it is empty".to_string(), FORM)),
            [nickname, named @ ..] if nickname.starts_with('@') => {
                let found = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(nickname));
                let known: Vec<&str> = NICKNAMES.iter().map(|(name, _)| *name).collect();
                let Some((_, fields)) = found else {
                    return Err(wrong(
                        format!("'{}' is unknown", shown(nickname)),
                        &format!("Known: {}.", known.join(", ")),
                    ));
                };
                (fields.split(' ').collect(), named)
            }
            words if words.len() < 5 => {
                return Err(wrong(format!("it has {} of 5 fields", words.len()), FORM));
            }
            words => (words[..5].to_vec(), &words[5..]),
        };
        let zone = match named {
            [] => zone.clone(),
            [name] if name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.len() > 2 => Zone::find(name)?,
            _ => return Err(wrong(format!("it has {} fields, not 5", fields.len() + named.len()), FORM)),
        };
        let mut read = [Field { bits: 0, star: false }; 5];
        for ((field, kind), into) in fields.iter().zip(&FIELDS).zip(&mut read) {
            *into = read_field(field, kind).map_err(|(why, hint)| wrong(why, &hint))?;
        }
        let [minutes, hours, days, months, mut weekdays] = read;
        weekdays.bits |= weekdays.bits >> 7; // 7 is Sunday, too
        let text = words.join(" ");
        let cron = Cron { text, zone, minutes, hours, days, months, weekdays };
        if cron.never_comes() {
            let why = "no month that it names has such a day".to_string();
            return Err(wrong(why, "Name the first of the next month, or the last day that each month has."));
        }
        Ok(cron)
    }

    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The first moment after this one at which it is due, both in milliseconds since 1970. `None` beyond the years that
    /// calendars have.
    pub fn next_after(&self, at_ms: i64) -> Option<i64> {
        let at = timestamp(at_ms)?;
        let next = if self.is_of_times() { self.next_time(at) } else { self.next_interval(at) };
        next.map(Timestamp::as_millisecond)
    }

    /// Whether it names its minutes and hours, so that each of its times on a day is to come once.
    fn is_of_times(&self) -> bool {
        !self.minutes.star && !self.hours.star
    }

    fn next_time(&self, at: Timestamp) -> Option<Timestamp> {
        let mut wall = whole_minute(self.zone.wall(at))?;
        loop {
            wall = self.next_wall(wall)?;
            let moment = self.zone.first(wall)?;
            if moment > at {
                return Some(moment);
            }
            wall = wall.checked_add(1.minute()).ok()?; // clocks show it again, or it lies in the minute of `at`
        }
    }

    /// Between two settings of the clocks the time on the wall runs as time does.
    fn next_interval(&self, at: Timestamp) -> Option<Timestamp> {
        let mut wall = whole_minute(self.zone.wall(at))?.checked_add(1.minute()).ok()?;
        let mut from = at;
        loop {
            let offset = self.zone.0.to_offset(from);
            let moment = offset.to_timestamp(self.next_wall(wall)?).ok()?;
            let change = self.zone.next_change(from).filter(|change| *change <= moment);
            let Some(change) = change else { return Some(moment) };
            from = change;
            wall = self.zone.wall(change);
            if let Some(whole) = whole_minute(wall).filter(|whole| *whole < wall) {
                wall = whole.checked_add(1.minute()).ok()?;
            }
        }
    }

    /// The first time on the wall that it names, this one or later.
    fn next_wall(&self, from: DateTime) -> Option<DateTime> {
        let mut date = from.date();
        let (mut hour_from, mut minute_from) = (from.hour(), from.minute());
        while date.year() <= from.year().saturating_add(YEARS_AHEAD_MAX) {
            if self.has_day(date) {
                while let Some(hour) = self.hours.next(hour_from) {
                    let minute_least = if hour == hour_from { minute_from } else { 0 };
                    if let Some(minute) = self.minutes.next(minute_least) {
                        return Some(date.at(hour, minute, 0, 0));
                    }
                    (hour_from, minute_from) = (hour + 1, 0);
                }
            }
            let last = if self.months.has(date.month()) { date } else { date.last_of_month() };
            date = last.tomorrow().ok()?;
            (hour_from, minute_from) = (0, 0);
        }
        None
    }

    /// Two days that are both named mean either; beside a `*` both must fit (crontab(5)).
    fn has_day(&self, date: Date) -> bool {
        let (day, weekday) = (self.days.has(date.day()), self.weekdays.has(date.weekday().to_sunday_zero_offset()));
        let fits = if self.days.star || self.weekdays.star { day && weekday } else { day || weekday };
        fits && self.months.has(date.month())
    }

    /// 30 February; where days of the week count as well, some day comes.
    fn never_comes(&self) -> bool {
        let counts_days = self.days.star || self.weekdays.star;
        let has_room =
            |month: i8| (1..=DAYS_MAX[usize::try_from(month - 1).unwrap_or(0)]).any(|day| self.days.has(day));
        counts_days && !(1..=12).any(|month| self.months.has(month) && has_room(month))
    }
}

impl fmt::Display for Cron {
    /// As it was written; a zone that was not is the default's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn whole_minute(wall: DateTime) -> Option<DateTime> {
    wall.with().second(0).subsec_nanosecond(0).build().ok()
}

/// Why a field is not one, and what to write.
type Wrong = (String, String);

/// A list of `*`, `5`, `Mon`, `1-5`, each range perhaps with `/2` behind it.
fn read_field(text: &str, kind: &Kind) -> Result<Field, Wrong> {
    let mut bits = 0;
    for item in text.split(',') {
        let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (kind.min, kind.max.min(if kind.words.len() == 7 { 6 } else { kind.max })),
            None if step.is_some() => {
                let why = format!("its {} '{}' has a step, but is no range", kind.name, shown(item));
                let hint = format!("Write where it ends as well: \"{range}-{}/{}\".", kind.max, step.unwrap_or(""));
                return Err((why, hint));
            }
            None => {
                let only = read_value(range, kind)?;
                (only, only)
            }
            Some((first, last)) => {
                let (first, last) = (read_value(first, kind)?, read_value(last, kind)?);
                let is_sunday = last == 0 && first > 0 && kind.words.len() == 7; // Fri-Sun
                (first, if is_sunday { 7 } else { last })
            }
        };
        if first > last {
            let why = format!("its {} '{}' ends before it begins", kind.name, shown(item));
            let hint = format!("Write it as two: \"{first}-{},{}-{last}\".", kind.max, kind.min);
            return Err((why, hint));
        }
        let step = match step.map(|step| (step, whole(step))) {
            None => 1,
            Some((_, Some(step))) if (1..=kind.max).contains(&step) => step,
            Some((step, _)) => {
                let why = format!("the step '{}' of its {} is not from 1 to {}", shown(step), kind.name, kind.max);
                return Err((why, FORM.to_string()));
            }
        };
        (first..=last).step_by(usize::from(step)).for_each(|value| bits |= 1 << value);
    }
    Ok(Field { bits, star: text.starts_with('*') })
}

fn read_value(text: &str, kind: &Kind) -> Result<u8, Wrong> {
    let named = kind.words.iter().position(|word| word.eq_ignore_ascii_case(text));
    let value = named.and_then(|at| u8::try_from(at).ok()).map(|at| at + kind.min).or_else(|| whole(text));
    value.filter(|value| (kind.min..=kind.max).contains(value)).ok_or_else(|| {
        let words = kind
            .words
            .first()
            .map_or(String::new(), |first| format!(" or {first} to {}", kind.words.last().unwrap_or(first)));
        let what = if text.is_empty() { "empty".to_string() } else { format!("'{}'", shown(text)) };
        (format!("its {} is {what}, not from {} to {}{words}", kind.name, kind.min, kind.max), FORM.to_string())
    })
}

/// Digits alone: no sign.
fn whole(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
