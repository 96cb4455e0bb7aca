//! The agent: what series it has, a day of history for them through its own store, and the agent on top of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use watchward::model::labels::Labels;
use watchward::model::matcher::{Matcher, Op};
use watchward::model::scope::Scope;
use watchward::model::series::{Series, SeriesId, is_stale};
use watchward::promql::SeriesSource;
use watchward::store::{Config, Store};

use crate::common::Outcome;
use crate::common::agent::Agent;
use crate::common::folder::Folder;
use crate::common::net::{SAMPLES_OF_A_DAY, get, query};
use crate::common::processes::Process;
use crate::common::servers::Target;
use crate::options::Options;
use crate::shape::Course;

const INTERVAL_MS: i64 = 5_000;
/// Six cycles: enough to see what changes.
const LEARN: Duration = Duration::from_secs(30);

/// One series of the agent, as it was seen for a while.
pub struct Learned {
    labels: Labels,
    seen: Vec<f64>,
}

impl Learned {
    pub fn name(&self) -> &str {
        self.labels.name()
    }

    pub fn target(&self) -> &str {
        self.labels.value("target")
    }
}

/// The agent on its history.
pub struct Ours(Agent);

/// Runs the agent on all targets for a while and says what its store then holds.
pub fn learn(options: &Options, name: &str, targets: &[Target], folder: &Folder) -> Outcome<Vec<Learned>> {
    let mut agent = Agent::configure(name, &options.agent, targets, "", folder)?;
    agent.start(folder)?;
    std::thread::sleep(LEARN);
    drop(agent);
    let config = Config { dir: folder.path().join(name).join("store"), ..Config::default() };
    let (store, report) = Store::open(config, watchward::sys::clock::system_ms()).map_err(|fault| fault.to_string())?;
    let to_ms = report.newest_sample_ms.ok_or("the agent stored nothing while it was learnt from")?;
    let all = Matcher::new("target", Op::NotEqual, "").map_err(|error| error.clone())?;
    let found = store.scoped(&Scope::of_socket_peer()).select(&[all], 0, to_ms, 10_000_000)?;
    let learned = found.into_iter().filter_map(|one| {
        let seen: Vec<f64> =
            one.samples.into_iter().map(|(_, value)| value).filter(|value| !is_stale(*value)).collect();
        (!seen.is_empty()).then_some(Learned { labels: one.labels, seen })
    });
    Ok(learned.collect())
}

impl Ours {
    /// Writes configuration and history.
    #[allow(clippy::too_many_arguments)] // each is one fact of the row
    pub fn prepare(
        options: &Options,
        name: &str,
        targets: &[Target],
        rule_files: &[PathBuf],
        builtin_rules: bool,
        hook_port: u16,
        learned: &[Learned],
        folder: &Folder,
    ) -> Outcome<Ours> {
        let sections = format!(
            "[judge]\nrule_files = {rule_files:?}\ninterval = \"15s\"\nbuiltin_rules = {builtin_rules}\n\n\
             [[alert.receiver]]\nname = \"hook\"\nwebhook = {{ url = \"http://127.0.0.1:{hook_port}/\" }}\n\n\
             [alert.route]\nreceiver = \"hook\"\n"
        );
        let agent = Agent::configure(name, &options.agent, targets, &sections, folder)?;
        write_history(options, &folder.path().join(name).join("store"), targets, learned)?;
        Ok(Ours(agent))
    }

    /// Starts it on its history.
    pub fn start(mut self, folder: &Folder) -> Outcome<Ours> {
        self.0.start(folder)?;
        Ok(self)
    }

    pub fn process(&self) -> Outcome<&Process> {
        self.0.process()
    }

    /// Series with a value now.
    pub fn series(&self) -> Outcome<f64> {
        query(self.0.port, "count({__name__!=\"\"})")
    }

    /// What it says of itself, for the reader of the table.
    pub fn notes(&self) -> Outcome<Vec<String>> {
        let text = get(self.0.port, "/metrics").ok_or("no answer to /metrics")?;
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.parse().ok()).unwrap_or(f64::NAN)
        };
        let mean_ms = |name: &str| 1000.0 * value(&format!("{name}_sum")) / value(&format!("{name}_count"));
        Ok(vec![format!(
            "ours: series in the store {}; targets down {}; samples of node_load1 in the last day {}; a round of rules takes \
             {:.1} ms, a cycle {:.1} ms on average",
            value("watchward_store_series"),
            query(self.0.port, "count(up == 0)")?,
            query(self.0.port, SAMPLES_OF_A_DAY)?,
            mean_ms("watchward_judge_evaluation_seconds"),
            mean_ms("watchward_sample_cycle_duration_seconds")
        )])
    }
}

/// A day of cycles, each target's series at once as the agent appends them, and its maintenance each minute.
fn write_history(options: &Options, dir: &Path, targets: &[Target], learned: &[Learned]) -> Outcome<()> {
    let (from_ms, to_ms) = options.history_ms();
    let config = Config { dir: dir.to_path_buf(), ..Config::default() };
    let (store, _) = Store::open(config, from_ms).map_err(|fault| fault.to_string())?;
    #[allow(clippy::cast_precision_loss)] // thousands
    let steps = ((to_ms - from_ms) / INTERVAL_MS) as f64;
    let mut watched: Vec<Vec<(SeriesId, Course)>> = Vec::new();
    for target in targets {
        let mine = learned.iter().enumerate().filter(|(_, one)| one.target() == target.name);
        let series =
            mine.filter_map(|(seed, one)| Some((store.id(&one.labels, 0)?, Course::of(&one.seen, steps, seed as u64))));
        watched.push(series.collect());
    }
    let mut points = Vec::new();
    let mut at_ms = from_ms;
    while at_ms <= to_ms {
        for (offset_ms, series) in (0..).step_by(100).zip(&mut watched) {
            points.clear();
            points.extend(series.iter_mut().map(|(id, course)| (*id, course.next(1.0))));
            let outcome = store.append(&points, at_ms + offset_ms);
            if outcome.accepted != points.len() {
                return Err(format!("the store took {} of {} points", outcome.accepted, points.len()));
            }
        }
        if at_ms % 60_000 < INTERVAL_MS {
            store.maintain(at_ms);
        }
        at_ms += INTERVAL_MS;
    }
    store.flush_and_close();
    Ok(())
}
