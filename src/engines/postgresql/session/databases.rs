//! Which databases of a server are entered when, and what each last said. Pure: times are monotonic and given.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engines::contract::{Answer, Row, Table, Take};
use crate::model::filter::Filter;
use crate::model::reading::{Unknown, UnknownKind};

/// The least time between two visits to a database that has no session of its own.
pub const VISIT_EVERY: Duration = Duration::from_secs(600);

/// The most visits of one reading to databases that were never read: with a hundred, all are seen within minutes.
const FIRST_VISITS_MAX: usize = 50;

/// The most visits of one reading to databases that were read before.
const VISITS_MAX: usize = 4;

/// How long a database that refused us, or did not answer, is left alone the first time; then twice as long each time,
/// up to `VISIT_EVERY`.
const LEFT_ALONE: Duration = Duration::from_secs(60);

/// How long a database is not entered after somebody wanted to be alone with it: to drop, copy or rename it.
const YIELDED_FOR: Duration = Duration::from_secs(60);

/// Databases that the services keep for themselves: nobody else may enter them.
const OF_THE_SERVICE: &[&str] = &["rdsadmin", "cloudsqladmin", "alloydbadmin", "azure_maintenance", "azure_sys"];

/// The label that names them.
pub const LABEL: &str = "datname";

/// A database as the server lists it: one that takes connections and is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub oid: u32,
    pub name: String,
    /// Whether our role has CONNECT.
    pub may_enter: bool,
}

/// Reads the column `databases` of the probe: JSON, a list of `[oid, name, may enter]`, the oldest first.
pub fn listed(json: &str) -> Vec<Listed> {
    let all: Vec<(u32, String, bool)> = serde_json::from_str(json).unwrap_or_default();
    let all = all.into_iter().map(|(oid, name, may_enter)| Listed { oid, name, may_enter });
    all.filter(|one| !OF_THE_SERVICE.contains(&one.name.as_str())).collect()
}

/// Where a database is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the session that is there anyway.
    Main,
    /// On a session of its own, which is kept.
    Kept,
    /// On a short session, now and then.
    Visited,
}

#[derive(Clone, Debug)]
struct Known {
    listed: Listed,
    place: Place,
    /// What it last said, by row.
    answers: BTreeMap<&'static str, Result<Table, Unknown>>,
    visited_at: Option<Duration>,
    failures: u32,
    /// Until when it is left alone, and why; without a reason what it last said is repeated meanwhile.
    left: Option<(Duration, Option<Unknown>)>,
}

/// All databases of a server that are watched, the main one among them.
#[derive(Clone, Debug, Default)]
pub struct Databases {
    known: Vec<Known>,
    first_visits: usize,
    visits: usize,
}

impl Databases {
    /// Takes the server's list over: what is gone is forgotten at once. `sessions_max` counts the main session.
    pub fn list(&mut self, listed: &[Listed], main: &str, filter: &Filter, sessions_max: usize) {
        (self.first_visits, self.visits) = (0, 0);
        let wanted: Vec<&Listed> = listed.iter().filter(|one| filter.keeps_value(LABEL, &one.name)).collect();
        let others = wanted.iter().filter(|one| one.name != main).count();
        let room = sessions_max.saturating_sub(1);
        // Where not all have a session of their own, one is for the visits.
        let mut kept_left = if others <= room { room } else { room.saturating_sub(1) };
        let mut before = std::mem::take(&mut self.known);
        for one in wanted {
            let place = if one.name == main {
                Place::Main
            } else if room > 0 && kept_left > 0 {
                kept_left -= 1;
                Place::Kept
            } else {
                Place::Visited
            };
            let known = before.iter().position(|known| known.listed.oid == one.oid && known.listed.name == one.name);
            self.known.push(match known.map(|at| before.swap_remove(at)) {
                Some(known) => Known { listed: one.clone(), place, ..known },
                None => Known {
                    listed: one.clone(),
                    place,
                    answers: BTreeMap::new(),
                    visited_at: None,
                    failures: 0,
                    left: None,
                },
            });
        }
    }

    /// Their names, in the order in which they are read.
    pub fn names(&self) -> Vec<String> {
        self.known.iter().map(|known| known.listed.name.clone()).collect()
    }

    /// Those that are to be asked for a row now, and where.
    pub fn to_ask(&self, now: Duration) -> Vec<(Listed, Place)> {
        let open = self.known.iter().filter(|known| known.listed.may_enter || known.place == Place::Main);
        let open = open.filter(|known| known.left.as_ref().is_none_or(|(until, _)| *until <= now));
        let due = open.filter(|known| known.place != Place::Visited || is_due(known.visited_at, now));
        due.map(|known| (known.listed.clone(), known.place)).collect()
    }

    /// Whether there is still room for a visit in this reading; counts it.
    pub fn may_visit(&mut self, name: &str) -> bool {
        let is_first = self.find(name).is_some_and(|known| known.visited_at.is_none());
        let (count, most) =
            if is_first { (&mut self.first_visits, FIRST_VISITS_MAX) } else { (&mut self.visits, VISITS_MAX) };
        *count += 1;
        *count <= most
    }

    /// Notes what a database said to a row.
    pub fn answered(&mut self, name: &str, row: &'static str, answer: Result<Table, Unknown>, now: Duration) {
        let Some(known) = self.find(name) else { return };
        known.visited_at = Some(now);
        (known.failures, known.left) = (0, None);
        known.answers.insert(row, answer);
    }

    /// Notes that a database let us not in, or fell silent: it is left alone for a while.
    pub fn failed(&mut self, name: &str, unknown: Unknown, now: Duration) {
        let Some(known) = self.find(name) else { return };
        let wait = (LEFT_ALONE * (1 << known.failures.min(4))).min(VISIT_EVERY);
        known.failures += 1;
        known.answers.clear();
        known.left = Some((now + wait, Some(unknown)));
    }

    /// Notes that somebody wants to be alone with a database: what it last said is repeated meanwhile. One that has said
    /// nothing has got another name since, and is entered at once.
    pub fn yielded(&mut self, oid: u32, now: Duration) {
        let read = self.known.iter_mut().find(|known| known.listed.oid == oid && !known.answers.is_empty());
        if let Some(known) = read {
            known.left = Some((now + YIELDED_FOR, None));
        }
    }

    fn find(&mut self, name: &str) -> Option<&mut Known> {
        self.known.iter_mut().find(|known| known.listed.name == name)
    }

    /// What all databases together say to a row: what each said last, and why some said nothing.
    ///
    /// # Errors
    /// Why none did.
    pub fn answer(&self, row: &Row) -> Result<Answer, Unknown> {
        // Where nothing is to be read, and nothing failed, there are columns at least.
        let mut whole = Table { columns: columns(row), rows: Vec::new() };
        let mut lacking: Vec<(&str, Unknown)> = Vec::new();
        let mut answered = 0;
        for known in &self.known {
            let name = known.listed.name.as_str();
            match (known.answers.get(row.name), &known.left) {
                (_, Some((_, Some(unknown)))) | (Some(Err(unknown)), _) => lacking.push((name, unknown.clone())),
                (Some(Ok(table)), _) => {
                    answered += 1;
                    whole.columns.clone_from(&table.columns);
                    whole.rows.extend(table.rows.iter().cloned());
                }
                (None, _) if !known.listed.may_enter && known.place != Place::Main => {
                    let reason = "the agent's login lacks CONNECT; grant it, or exclude the database";
                    lacking.push((name, Unknown::new(UnknownKind::Privilege, reason)));
                }
                (None, _) => {} // not visited yet
            }
        }
        let Some((name, first)) = lacking.first() else {
            return Ok(Answer::Table(whole));
        };
        let more = match lacking.len() {
            1 => String::new(),
            all => format!("; and {} more", all - 1),
        };
        let unknown = Unknown::new(first.kind, format!("database '{name}': {}{more}", first.reason));
        if answered == 0 { Err(unknown) } else { Ok(Answer::Partial(whole, unknown)) }
    }
}

/// The columns that a row's answer has.
fn columns(row: &Row) -> Vec<String> {
    let labels: &[&str] = match row.take {
        Take::Columns { labels } | Take::Query { labels } => labels,
        Take::Busiest(busiest) => busiest.labels,
        _ => &[],
    };
    labels.iter().copied().chain(row.metrics.iter().map(|metric| metric.from)).map(str::to_string).collect()
}

fn is_due(visited_at: Option<Duration>, now: Duration) -> bool {
    visited_at.is_none_or(|at| now.saturating_sub(at) >= VISIT_EVERY)
}
