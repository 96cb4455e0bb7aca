//! Weekly windows of time, in a time zone: `22:00-05:00`, `Sat,Sun 00:00-24:00`, `Mon-Fri 22:00-05:00 Europe/Berlin`.
//!
//! Days are those on which it opens. Where clocks show a time twice it is the first that counts, where they skip one the
//! moment after: a window that opens at 02:30 opens once on each day, and one that lies in what is skipped does not open.

use std::fmt;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::model::calendar::{WEEKDAYS, Zone, shown, timestamp};
use crate::model::fault::Fault;

/// When something may be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    text: String,
    zone: Zone,
    /// By day of the week on which it opens, Sunday first.
    weekdays: [bool; 7],
    /// Minutes since midnight.
    opens: i16,
    /// Minutes since midnight, of the next day where that is not after `opens`; 1440 is the day's end.
    closes: i16,
}

/// One opening: from the first moment up to, and without, the second.
type Span = (Timestamp, Timestamp);

const FORM: &str = "Write it like \"22:00-05:00\" or \"Mon-Fri 22:00-05:00 Europe/Berlin\".";

/// How far windows are looked for, in days: every day of the week comes twice, for clocks may skip one.
const DAYS_AHEAD: i32 = 16;

/// What is open for longer does not close: no other window lasts for more than six days and a bit.
const OPEN_MAX: SignedDuration = SignedDuration::from_hours(8 * 24);

impl Window {
    /// Reads `[DAYS ]HH:MM-HH:MM[ ZONE]`.
    ///
    /// # Errors
    /// `calendar-01`: the zone is unknown. `calendar-03`: what is wrong with the text.
    pub fn parse(text: &str, zone: &Zone) -> Result<Window, Fault> {
        let wrong = |why: String, hint: &str| {
            Fault::new("calendar-03", format!("'{}' is not a window: {why}", shown(text))).hint(hint)
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let Some(at) = words.iter().position(|word| word.contains(':')) else {
            return Err(wrong("it has no times".to_string(), FORM));
        };
        let weekdays = match &words[..at] {
            [] => [true; 7],
            [days] => read_days(days).map_err(|day| {
                wrong(
                    format!("'{}' is not a day of the week", shown(&day)),
                    "Days are Mon, Tue, Wed, Thu, Fri, Sat and Sun.",
                )
            })?,
            _ => return Err(wrong("more than one word stands before the times".to_string(), FORM)),
        };
        let zone = match &words[at + 1..] {
            [] => zone.clone(),
            [name] => Zone::find(name)?,
            _ => return Err(wrong("more than one word stands behind the times".to_string(), FORM)),
        };
        let Some((first, last)) = words[at].split_once('-') else {
            return Err(wrong(format!("'{}' has no end", shown(words[at])), FORM));
        };
        let time = |text: &str| {
            read_time(text).ok_or_else(|| wrong(format!("'{}' is not a time from 00:00 to 24:00", shown(text)), FORM))
        };
        let (opens, closes) = (time(first)?, time(last)?);
        if opens % 1440 == closes % 1440 && (opens, closes) != (0, 1440) {
            return Err(wrong("it ends when it begins".to_string(), "Write a whole day as \"00:00-24:00\"."));
        }
        if opens == 1440 {
            return Err(wrong("it begins at a day's end".to_string(), "Begin it at 00:00."));
        }
        Ok(Window { text: words.join(" "), zone, weekdays, opens, closes })
    }

    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Whether it is open at this moment, in milliseconds since 1970.
    pub fn contains(&self, at_ms: i64) -> bool {
        let Some(at) = timestamp(at_ms) else { return false };
        self.spans(at).take_while(|(opens, _)| *opens <= at).any(|(_, closes)| at < closes)
    }

    /// The first moment after this one at which it is open and was not before.
    pub fn next_open(&self, at_ms: i64) -> Option<i64> {
        let at = timestamp(at_ms)?;
        self.joined(at).into_iter().map(|(opens, _)| opens).find(|opens| *opens > at).map(Timestamp::as_millisecond)
    }

    /// The first moment after this one at which it is not open and was before; `None` where it never closes.
    pub fn next_close(&self, at_ms: i64) -> Option<i64> {
        let at = timestamp(at_ms)?;
        let (opens, closes) = self.joined(at).into_iter().find(|(_, closes)| *closes > at)?;
        (opens.duration_until(closes) < OPEN_MAX).then(|| closes.as_millisecond())
    }

    /// Its openings around and after a moment.
    fn spans(&self, at: Timestamp) -> impl Iterator<Item = Span> {
        let today = self.zone.wall(at).date();
        (-2..DAYS_AHEAD).filter_map(move |days| self.span(today.checked_add(days.days()).ok()?))
    }

    /// The opening of one day.
    fn span(&self, date: Date) -> Option<Span> {
        let weekday = usize::try_from(date.weekday().to_sunday_zero_offset()).ok()?;
        if !self.weekdays[weekday] {
            return None;
        }
        let closes = if self.closes <= self.opens { self.closes + 1440 } else { self.closes };
        let moment = |minutes: i16| {
            let date = date.checked_add(i32::from(minutes / 1440).days()).ok()?;
            let hour = i8::try_from(minutes % 1440 / 60).ok()?;
            self.zone.first(date.at(hour, i8::try_from(minutes % 60).ok()?, 0, 0))
        };
        let (opens, closes) = (moment(self.opens)?, moment(closes)?);
        (opens < closes).then_some((opens, closes))
    }

    /// As `spans`, where one that opens when another closes goes on with it.
    fn joined(&self, at: Timestamp) -> Vec<Span> {
        let mut joined: Vec<Span> = Vec::new();
        for (opens, closes) in self.spans(at) {
            match joined.last_mut() {
                Some(last) if opens <= last.1 => last.1 = last.1.max(closes),
                _ => joined.push((opens, closes)),
            }
        }
        joined
    }
}

impl fmt::Display for Window {
    /// As it was written; a zone that was not is the default's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `Mon-Fri`, `Sat,Sun`, `Fri-Mon`; else the word that is no day.
fn read_days(text: &str) -> Result<[bool; 7], String> {
    let day =
        |word: &str| WEEKDAYS.iter().position(|day| day.eq_ignore_ascii_case(word)).ok_or_else(|| word.to_string());
    let mut days = [false; 7];
    for item in text.split(',') {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let (first, last) = (day(first)?, day(last)?);
        (0..=(last + 7 - first) % 7).for_each(|more| days[(first + more) % 7] = true);
    }
    Ok(days)
}

/// `05:30`, in minutes; `24:00` is the day's end.
fn read_time(text: &str) -> Option<i16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| -> Option<i16> {
        let is_digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        is_digits.then(|| text.parse().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes).filter(|_| minutes.len() == 2)?);
    let fits = hours < 24 && minutes < 60 || (hours, minutes) == (24, 0);
    fits.then_some(hours * 60 + minutes)
}
