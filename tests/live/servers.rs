//! The servers that tests/servers/up started, and how to open a session with one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use watchward::engines;
use watchward::engines::contract::{Access, Answer, Engine, Facts, Row, Session};
use watchward::model::fault::Fault;
use watchward::model::filter::{Choice, Filter};
use watchward::model::reading::{Unknown, UnknownKind};
use watchward::model::secret::Secret;
use watchward::model::target::{DEFAULT_TENANT, SecretSource, Target, Url};
use watchward::sys::{environment, files, tls};

use crate::points::{Points, to_fixture};

/// What tests/servers/up wrote about its servers.
pub struct Servers(BTreeMap<String, String>);

/// The servers, or the end of the test with one line.
pub fn servers() -> Servers {
    tls::install_provider();
    let usual = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/servers/env");
    let file = environment::variable("WATCHWARD_SERVERS_ENV").map_or(usual, PathBuf::from);
    let text = files::read_text(&file, 1 << 20).unwrap_or_default();
    assert!(!text.is_empty(), "no servers: start them with tests/servers/up");
    let pairs = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    Servers(pairs.map(|(key, value)| (key.to_string(), value.to_string())).collect())
}

impl Servers {
    pub fn value(&self, key: &str) -> &str {
        self.0.get(key).unwrap_or_else(|| panic!("tests/servers/up does not say {key}"))
    }

    pub fn port(&self, key: &str) -> u16 {
        self.value(key).parse().expect("a port")
    }

    /// The secret in the file that a key names.
    pub fn secret(&self, key: &str) -> String {
        let text = files::read_text(self.value(key).as_ref(), 1 << 10).expect("the secret's file");
        text.trim_end().to_string()
    }

    /// Stops, starts, pauses or resumes one server.
    pub fn ctl(&self, name: &str, action: &str) {
        let done = std::process::Command::new(self.value("WW_CTL")).args([name, action]).status();
        assert!(done.as_ref().is_ok_and(std::process::ExitStatus::success), "ctl {name} {action}: {done:?}");
    }
}

/// A target for an engine's word and URL, local, with a password.
pub fn target(word: &str, url: Url, password: &str) -> Target {
    Target {
        name: "live".to_string(),
        tenant: DEFAULT_TENANT.to_string(),
        engine: word.to_string(),
        url,
        password: SecretSource::Inline(Secret::new(password)),
        api_key: SecretSource::None,
        action: None,
        ca_file: None,
        insecure: false,
        interval: Duration::from_secs(5),
        deadline: Duration::from_secs(5),
        sessions_max: 6,
        job: String::new(),
        labels: BTreeMap::new(),
        root: PathBuf::from("/"),
        slow_log: Vec::new(),
        choice: Choice::default(),
        filter: Filter::default(),
        queries: Vec::new(),
        thresholds: BTreeMap::new(),
        discovered: false,
    }
}

pub fn engine(word: &str) -> &'static dyn Engine {
    engines::find(word).unwrap_or_else(|| panic!("no engine {word}"))
}

/// Opens a session as the sampler does.
pub async fn open(target: &Target) -> Result<Box<dyn Session>, Fault> {
    let SecretSource::Inline(secret) = &target.password else { panic!("tests give the password itself") };
    let password = Some(secret.clone()).filter(|secret| !secret.is_empty());
    engine(&target.engine).connect(target, &Access { password, api_key: None }).await
}

/// What each row of a server brought.
pub type Readings = BTreeMap<&'static str, Result<Points, Unknown>>;

/// Asks every row that exists for the server. With WATCHWARD_RECORD the answers are kept there, one file for each row.
pub async fn read_all(engine: &dyn Engine, session: &mut dyn Session) -> Readings {
    let mut readings = Readings::new();
    let facts = session.facts().clone();
    for row in engine.rows().iter().filter(|row| row.exists(&facts)) {
        let points = match row.lacks(&facts) {
            Some(unknown) => Err(unknown),
            None => match session.ask(row, Duration::from_secs(5)).await {
                Ok(Answer::Partial(_, unknown)) => Err(unknown),
                Ok(answer) => {
                    record(engine.word(), &facts, row, &answer);
                    Points::of(row, &answer, &facts)
                }
                Err(unknown) => Err(unknown),
            },
        };
        readings.insert(row.name, points);
    }
    readings
}

/// Keeps an answer as `<folder>/<engine>/<version>[-<role>]/<row>.json`.
fn record(engine: &str, facts: &Facts, row: &Row, answer: &Answer) {
    let Some(folder) = environment::variable("WATCHWARD_RECORD") else { return };
    let (major, minor) = facts.version;
    let version = if major < 10 { format!("{major}.{minor}") } else { major.to_string() };
    let role = if facts.role == "primary" { String::new() } else { format!("-{}", facts.role) };
    let folder = PathBuf::from(folder).join(engine).join(format!("{version}{role}"));
    files::make_folder(&folder, 0o755).expect("the folder of the recording");
    let file = folder.join(format!("{}.json", row.name));
    files::write_atomic(&file, to_fixture(answer).as_bytes(), 0o644).expect("the recording");
}

/// Ends the test unless every row was read, and says which were not and why.
pub fn all_read(readings: &Readings) {
    let failed: Vec<_> = readings.iter().filter_map(|(name, result)| Some((name, result.as_ref().err()?))).collect();
    assert!(failed.is_empty(), "not read: {failed:#?}");
    let twice: Vec<_> = readings.values().flatten().flat_map(|points| &points.twice).collect();
    assert!(twice.is_empty(), "series that came twice: {twice:#?}");
}

/// The kinds of unknown, by row.
pub fn unknowns(readings: &Readings) -> Vec<(&'static str, UnknownKind, String)> {
    let failed = readings.iter().filter_map(|(name, result)| Some((*name, result.as_ref().err()?)));
    failed.map(|(name, unknown)| (name, unknown.kind, unknown.reason.clone())).collect()
}
