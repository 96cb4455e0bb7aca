//! Calendars: time zones, schedules in cron's words, and weekly windows. Pure: the time is a parameter, in milliseconds
//! since 1970. The data of zones is the system's where it has any, for that is what gets updated, else the one built in.

pub mod cron;
pub mod window;

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::model::fault::Fault;
use crate::model::nearest::nearest;

/// A time zone of the IANA's database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    pub const UTC: Zone = Zone(TimeZone::UTC);

    /// The zone of an IANA name, `Europe/Berlin`; letters' case is free.
    ///
    /// # Errors
    /// `calendar-01`: there is none of this name; the hint has the nearest ones.
    pub fn find(name: &str) -> Result<Zone, Fault> {
        match TimeZone::get(name) {
            Ok(zone) if !is_file_alone(name) => Ok(Zone(zone)),
            _ => Err(Fault::new("calendar-01", format!("unknown time zone '{}'", shown(name))).hint(near_zones(name))),
        }
    }

    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// What clocks on the wall show.
    fn wall(&self, at: Timestamp) -> DateTime {
        self.0.to_datetime(at)
    }

    /// When clocks on the wall first show this time, or if they skip it, when they have skipped it.
    /// Later times on the wall never give an earlier moment.
    fn first(&self, wall: DateTime) -> Option<Timestamp> {
        let ambiguous = self.0.to_ambiguous_timestamp(wall);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
                offset.to_timestamp(wall).ok()
            }
            // With the offset after the gap the time lies before it, and the gap is what follows.
            AmbiguousOffset::Gap { after, .. } => self.next_change(after.to_timestamp(wall).ok()?),
        }
    }

    /// When clocks are next set, if they ever are.
    fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        self.0.following(at).next().map(|change| change.timestamp())
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The system's folder holds more than zones: copies with leap seconds, this machine's own zone, fillers.
fn is_file_alone(name: &str) -> bool {
    const FILES: &[&str] = &["posix/", "right/", "localtime", "posixrules", "factory", "etc/unknown"];
    let name = name.to_ascii_lowercase();
    FILES.iter().any(|file| name.starts_with(file))
}

fn near_zones(name: &str) -> String {
    fn town(zone: &str) -> &str {
        zone.rsplit('/').next().unwrap_or(zone)
    }
    let all: Vec<String> = jiff::tz::db().available().map(|zone| zone.to_string()).collect();
    // Not Etc/GMT+2, which is two hours behind UTC: nobody who writes GMT+2 means that.
    let is_place = |zone: &&str| zone.contains('/') && !zone.starts_with("Etc/") && !is_file_alone(zone);
    let places: Vec<&str> = all.iter().map(String::as_str).filter(is_place).collect();
    // People write the town alone, or on the wrong continent.
    let mut near: Vec<&str> =
        places.iter().copied().filter(|zone| town(zone).eq_ignore_ascii_case(town(name))).collect();
    if near.is_empty() {
        near = nearest(name, &places);
    }
    if near.is_empty() && name.len() > ABBREVIATION_CHARS_MAX {
        let towns: Vec<&str> = places.iter().copied().map(town).collect();
        let near_towns = nearest(town(name), &towns);
        near = places.into_iter().filter(|zone| near_towns.contains(&town(zone))).collect();
    }
    if near.is_empty() || near.len() > NEAR_MAX {
        return "Write an IANA name, like \"UTC\" or \"Europe/Berlin\".".to_string();
    }
    format!("Did you mean {}?", near.iter().map(|zone| format!("'{zone}'")).collect::<Vec<_>>().join(" or "))
}

/// CEST is no town.
const ABBREVIATION_CHARS_MAX: usize = 5;

/// The most zones that a hint names.
const NEAR_MAX: usize = 3;

/// The longest text that an error repeats, in characters.
const SHOWN_CHARS_MAX: usize = 60;

/// What a person wrote, as an error may repeat it.
fn shown(text: &str) -> String {
    if text.chars().count() > SHOWN_CHARS_MAX { "…".to_string() } else { text.escape_debug().to_string() }
}

/// The days of the week as people and cron write them; Sunday is 0.
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

fn timestamp(at_ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(at_ms).ok()
}
