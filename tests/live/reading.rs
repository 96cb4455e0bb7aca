//! Reads every row of a target once, as a cycle does, and keeps what came.

use std::collections::BTreeMap;
use std::time::Duration;

use watchward::engines::contract::{Access, Emit, Engine, Facts, Session, take};
use watchward::engines::find;
use watchward::model::fault::Fault;
use watchward::model::reading::Unknown;
use watchward::model::row::{Family, Metric};
use watchward::model::target::Target;
use watchward::sys::tls::install_provider;

/// The time that a server may spend on one row.
pub const BUDGET: Duration = Duration::from_secs(3);

/// What one reading of every row brought.
#[derive(Debug, Default)]
pub struct Reading {
    pub facts: Facts,
    /// By `name{label="value",…}`, labels in the order of the row.
    pub points: BTreeMap<String, f64>,
    /// Points by row.
    pub brought: BTreeMap<&'static str, usize>,
    pub unknown: BTreeMap<&'static str, Unknown>,
}

impl Reading {
    /// The points of a name, whatever their labels.
    pub fn all(&self, name: &str) -> Vec<(&str, f64)> {
        let of_name = |key: &&String| key.split('{').next() == Some(name);
        self.points.iter().filter(|(key, _)| of_name(key)).map(|(key, value)| (key.as_str(), *value)).collect()
    }

    /// The one point of a name.
    pub fn one(&self, name: &str) -> f64 {
        match self.all(name)[..] {
            [(_, value)] => value,
            ref other => panic!("{name} has {} points: {other:?}", other.len()),
        }
    }
}

impl Emit for Reading {
    fn metric(&mut self, metric: &'static Metric, labels: &[(&str, &str)], value: f64) {
        self.point(metric.name, labels, value);
    }

    fn family(&mut self, family: &'static Family, part: &str, labels: &[(&str, &str)], value: f64) {
        self.point(&family.name(part), labels, value);
    }
}

impl Reading {
    fn point(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}={value:?}")).collect();
        let key = format!("{name}{{{}}}", labels.join(","));
        assert!(self.points.insert(key.clone(), value).is_none(), "{key} came twice");
    }
}

/// The engine of a word.
pub fn engine(word: &str) -> &'static dyn Engine {
    find(word).unwrap_or_else(|| panic!("no engine is called {word}"))
}

/// Opens a session.
pub async fn open(target: &Target, access: &Access) -> Result<Box<dyn Session>, Fault> {
    install_provider();
    engine(&target.engine).connect(target, access).await
}

/// Opens a session, which must work.
pub async fn opened(target: &Target, access: &Access) -> Box<dyn Session> {
    open(target, access).await.unwrap_or_else(|fault| panic!("no session: {fault}"))
}

/// Opens a session that must be refused, and says how.
pub async fn refused(target: &Target, access: &Access) -> Fault {
    match open(target, access).await {
        Ok(_) => panic!("the session was not refused"),
        Err(fault) => fault,
    }
}

/// Probes, then asks every row that exists for the server.
pub async fn read(word: &str, session: &mut dyn Session) -> Reading {
    session.probe().await.unwrap_or_else(|fault| panic!("the probe failed: {fault}"));
    let mut reading = Reading { facts: session.facts().clone(), ..Reading::default() };
    let facts = session.facts().clone();
    for row in engine(word).rows().iter().filter(|row| row.exists(&facts)) {
        let before = reading.points.len();
        let taken = match row.lacks(&facts) {
            Some(unknown) => Err(unknown),
            None => match session.ask(row, BUDGET).await {
                Ok(answer) => take(row, &answer, &facts, &mut reading),
                Err(unknown) => Err(unknown),
            },
        };
        match taken {
            Ok(()) => drop(reading.brought.insert(row.name, reading.points.len() - before)),
            Err(unknown) => drop(reading.unknown.insert(row.name, unknown)),
        }
    }
    reading
}
