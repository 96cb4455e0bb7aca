//! What is counted in a log of the server, reading by reading, as counters that grow from the beginning of the session. Pure.

use std::collections::BTreeMap;

use crate::engines::contract::Table;
use crate::engines::take::text_number;

/// Stand in a query on a log for the seconds since 1970 after which, and up to which, entries count.
pub const SINCE: &str = "{since}";
pub const UNTIL: &str = "{until}";

/// The columns that name what is counted; all others are counts.
const NAMES: [&str; 3] = ["kind", "user", "query_hash"];

/// How long an entry may take to be in the log, in seconds: servers write it every 7.5. A later one is not counted.
const LATE_S: u64 = 15;

/// The longest span that one reading covers, in seconds: what lies before is left out rather than asked for again and again
/// in vain.
const SPAN_MAX_S: u64 = 3600;

/// The most things that are remembered; beyond them those go that were not seen for longest.
pub const THINGS_MAX: usize = 2000;

/// The counts of one log since the session began.
#[derive(Debug, Default)]
pub struct Tally {
    until: Option<u64>,
    readings: u64,
    things: BTreeMap<Vec<Option<String>>, Thing>,
}

#[derive(Debug)]
struct Thing {
    counts: Vec<f64>,
    seen: u64,
}

impl Tally {
    /// The span to ask for at a time of the server's clock. The first is empty: what was before the session is not counted.
    pub fn span(&self, now: u64) -> (u64, u64) {
        let until = now.saturating_sub(LATE_S);
        match self.until {
            // A clock that was set back a little waits until it is where it was.
            Some(since) if since <= until + SPAN_MAX_S => {
                (since.max(until.saturating_sub(SPAN_MAX_S)), until.max(since))
            }
            _ => (until, until),
        }
    }

    /// Adds what was logged in the span up to `until`, and gives the whole.
    pub fn add(&mut self, until: u64, table: Table) -> Table {
        self.until = Some(until);
        self.readings += 1;
        let is_name: Vec<bool> = table.columns.iter().map(|column| NAMES.contains(&column.as_str())).collect();
        for row in table.rows {
            let (names, counts): (Vec<_>, Vec<_>) = row.into_iter().zip(&is_name).partition(|(_, is_name)| **is_name);
            let counts = counts.into_iter().map(|(cell, _)| cell.as_deref().and_then(text_number).unwrap_or(0.0));
            let key = names.into_iter().map(|(cell, _)| cell).collect();
            let thing = self.things.entry(key).or_insert_with(|| Thing { counts: Vec::new(), seen: 0 });
            thing.seen = self.readings;
            thing.counts.resize(counts.len(), 0.0);
            thing.counts.iter_mut().zip(counts).for_each(|(all, more)| *all += more);
        }
        if self.things.len() > THINGS_MAX {
            let mut seen: Vec<u64> = self.things.values().map(|thing| thing.seen).collect();
            seen.sort_unstable();
            let from = seen[seen.len() - THINGS_MAX];
            self.things.retain(|_, thing| thing.seen >= from);
        }
        let rows = self.things.iter().map(|(key, thing)| {
            let (mut names, mut counts) = (key.iter(), thing.counts.iter());
            let cell = |is_name: &bool| {
                if *is_name { names.next().cloned().flatten() } else { counts.next().map(ToString::to_string) }
            };
            is_name.iter().map(cell).collect()
        });
        Table { rows: rows.collect(), columns: table.columns }
    }
}
