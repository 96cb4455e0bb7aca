//! The configuration: one schema list, walked along the file, so that all errors are told at once, each with its place.

pub mod problem;
pub mod url;
pub mod value;
pub mod variables;
pub mod walk;
pub mod layers;
pub mod sections;
pub mod files;
pub mod targets;
pub mod doors;
pub mod check;
pub mod policies;
pub mod queries;
pub mod render;
pub mod reference;
pub mod rules;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::act;
use crate::alert;
use crate::config::layers::{Document, Outside};
use crate::config::problem::{Problem, Report};
use crate::config::targets::{Around, Tenant};
use crate::engines::contract::Engine;
use crate::engines::sight::Found;
use crate::export;
use crate::judge;
use crate::judge::rules::Rules;
use crate::model::calendar::Zone;
use crate::model::fault::Fault;
use crate::model::features::Features;
use crate::model::policy::Policy;
use crate::model::schema::{Key, Kind, Origin, Table, Value};
use crate::model::target::Target;
use crate::sample;
use crate::serve;
use crate::store;
use crate::sys;

/// Every section there is, in the order in which the reference lists them.
const SCHEMA: &[Key] = &[
    Key::new("agent", Kind::Section(sections::AGENT), "{}", "The agent itself."),
    Key::new("serve", Kind::Section(serve::config::KEYS), "{}", "The HTTP interface: metrics, live stream, web page."),
    Key::new("sample", Kind::Section(sample::config::KEYS), "{}", "How targets are read, unless they say otherwise."),
    Key::new("tenant", Kind::Sections(sections::TENANT), "[]", "Tenants: owners of targets whose data is kept apart."),
    Key::new("target", Kind::Sections(sections::TARGET), "[]", "What is watched: servers, and the host."),
    Key::new(
        "query",
        Kind::Sections(sample::config::QUERY),
        "[]",
        "Queries of your own, and the metrics that their answers give.",
    ),
    Key::new("store", Kind::Section(store::KEYS), "{}", "The recent history that the agent keeps itself."),
    Key::new("judge", Kind::Section(judge::KEYS), "{}", "The rules, and how often they are evaluated."),
    Key::new("alert", Kind::Section(alert::config::KEYS), "{}", "Who is told of what."),
    Key::new(
        "policy",
        Kind::Sections(act::config::KEYS),
        "[]",
        "What may be changed on a server, when, and how far by itself.",
    ),
    Key::new("features", Kind::Section(sections::FEATURES), "{}", "Whole capabilities, to be switched off."),
    Key::new("export", Kind::Section(export::config::KEYS), "{}", "Where samples are pushed to."),
];

/// The one list of keys: checks, defaults, hints, reference and example come from it.
pub fn schema() -> &'static [Key] {
    SCHEMA
}

/// Where the configuration comes from. Never the current directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// `None` is the built-in default: it watches the host and the servers that are found on it.
    pub file: Option<PathBuf>,
    /// `--environment`, which wins over `[agent] environment`.
    pub environment: Option<String>,
}

/// Where the configuration is, if it is not named.
pub const USUAL_PATH: &str = "/etc/watchward/agent.toml";

impl Source {
    /// The file that was named, else the usual one where it exists, else the built-in default.
    pub fn find(named: Option<PathBuf>, environment: Option<String>) -> Source {
        Source { file: named.or_else(|| usual(Path::new(USUAL_PATH))), environment }
    }

    fn outside(&self) -> Outside {
        Outside { environment: self.environment.clone(), ..Outside::default() }
    }
}

/// The usual file, unless there is none. One that cannot be read, or that only fragments stand beside, is still one: to
/// run on the built-in default in its place would watch something else than was asked for, and say nothing.
pub fn usual(path: &Path) -> Option<PathBuf> {
    let fragments = || sys::files::expand(&fragments_beside(path)).is_ok_and(|found| !found.is_empty());
    (sys::files::is_there(path) || fragments()).then(|| path.to_path_buf())
}

/// What names the fragments of a configuration file.
fn fragments_beside(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("/")).join("conf.d/*.toml")
}

/// The configuration where there is none.
pub const BUILT_IN: &str = "[[target]]\nname = \"this-host\"\nengine = \"host\"\n";

/// The built-in default as a file's name.
const BUILT_IN_NAME: &str = "built-in default";

/// What defaults are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    pub host_name: String,
    pub state_dir: PathBuf,
}

impl Surroundings {
    /// Those of this process: a service has its state where systemd says, root in /var/lib, others where the XDG base
    /// directory rules say.
    pub fn of_this_process() -> Surroundings {
        let given = sys::environment::variable("STATE_DIRECTORY");
        let first = given.as_deref().and_then(|paths| paths.split(':').next()).map(PathBuf::from);
        let state_dir = if let Some(state_dir) = first.filter(|path| path.is_absolute()) {
            state_dir
        } else if sys::process::is_root() {
            PathBuf::from("/var/lib/watchward")
        } else {
            let folder =
                |name: &str| sys::environment::variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
            let home = || folder("HOME").unwrap_or_else(|| PathBuf::from("/tmp")).join(".local/state");
            folder("XDG_STATE_HOME").unwrap_or_else(home).join("watchward")
        };
        let host_name = Some(sys::process::host_name()).filter(|name| !name.is_empty());
        Surroundings { host_name: host_name.unwrap_or_else(|| "localhost".to_string()), state_dir }
    }
}

/// `[agent]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    pub name: String,
    pub state_dir: PathBuf,
    /// An IANA name.
    pub timezone: String,
    /// Empty where none is named.
    pub environment: String,
    pub log: sys::log::Form,
    /// A word of `sys::log::LEVELS`.
    pub log_level: String,
}

impl Agent {
    /// The zone of every schedule and window that names none.
    pub fn zone(&self) -> Zone {
        Zone::find(&self.timezone).unwrap_or(Zone::UTC) // checked with the configuration
    }
}

/// Thresholds by key; the nearest wins: a target has its own, then its tenant's, then the global ones, over which those of
/// the environment are laid.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thresholds {
    pub global: BTreeMap<String, f64>,
    pub tenants: BTreeMap<String, BTreeMap<String, f64>>,
}

/// Everything that is configured, checked.
#[derive(Clone, Debug)]
pub struct Configuration {
    pub agent: Agent,
    pub serve: serve::config::Config,
    pub sample: sample::config::Config,
    pub store: store::Config,
    pub judge: judge::Config,
    pub alert: alert::config::Config,
    pub export: export::config::Config,
    /// Those built in, those of files, and what thresholds expand to.
    pub rules: Arc<Rules>,
    pub tenants: Vec<Tenant>,
    pub targets: Vec<Target>,
    pub thresholds: Thresholds,
    pub features: Features,
    pub policies: Vec<Policy>,
    /// Whether servers found on this machine are watched too: only where no file says what to watch.
    pub discovers: bool,
}

impl Configuration {
    /// Where people reach this agent's page, for links in what they are told.
    pub fn external_url(&self) -> String {
        let scheme = if self.serve.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.serve.listen)
    }

    /// A target made of a server that was found on this machine.
    ///
    /// # Errors
    /// `config-05`: its URL is not one.
    pub fn target_found(&self, found: &Found, engine: &dyn Engine) -> Result<Target, Fault> {
        let around = Around { sample: &self.sample, tenants: &self.tenants, agent_name: &self.agent.name };
        targets::found(found, engine, &around)
    }
}

/// A configuration with its warnings, and each value with where it stood.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub configuration: Configuration,
    pub warnings: Vec<Problem>,
    /// Every value in force, given or by default. Line 0 marks a default.
    pub effective: Table,
    /// The file, or words for the built-in default.
    pub file: String,
}

/// The largest configuration file, in bytes.
const FILE_BYTES_MAX: usize = 4 << 20;

/// Reads and checks the whole configuration, and all that it names. Changes nothing.
///
/// # Errors
/// Every problem there is, sorted by place.
pub fn load(source: &Source, here: &Surroundings) -> Result<Loaded, Vec<Problem>> {
    let Some(path) = &source.file else {
        let built_in = Document { file: BUILT_IN_NAME.to_string(), text: BUILT_IN.to_string() };
        let mut loaded = read_documents(&[built_in], here, &source.outside())?;
        loaded.configuration.discovers = true;
        return Ok(loaded);
    };
    let has_fragments = path == Path::new(USUAL_PATH);
    let mut loaded = read_documents(&documents(path, has_fragments)?, here, &source.outside())?;
    loaded.warnings.extend(fragments_unread(path).filter(|_| !has_fragments));
    Ok(loaded)
}

/// Beside a file that was named stands a `conf.d` that nobody reads: that of `/etc/watchward` must not get into what is
/// tried out beside it, and whoever thinks that it does should know.
fn fragments_unread(path: &Path) -> Option<Problem> {
    let folder = path.parent()?.join("conf.d");
    sys::files::expand(&folder.join("*.toml")).ok().filter(|found| !found.is_empty())?;
    let origin = Origin { file: path.display().to_string(), ..Origin::default() };
    let fault = Fault::new("config-16", format!("the files of {} are not read", folder.display()))
        .detail(format!("Fragments belong to {USUAL_PATH} alone; --config names one whole file."))
        .hint(format!("Put all into the one file, or keep it as {USUAL_PATH} and leave --config out."));
    Some(Problem { origin, fault })
}

/// The state folder that a configuration names, as far as it can be read: verbs that only look for the running agent
/// must work while a file is being edited.
pub fn state_dir(source: &Source, here: &Surroundings) -> PathBuf {
    let Some(path) = &source.file else { return here.state_dir.clone() };
    let documents = documents(path, path == Path::new(USUAL_PATH));
    let read = documents.and_then(|documents| layers::read(SCHEMA, &documents, &source.outside()));
    let named = read.ok().and_then(|(root, _)| root.table("agent").and_then(|agent| agent.path("state_dir")));
    named.unwrap_or_else(|| here.state_dir.clone())
}

/// Reads a file, and if it is wanted the fragments beside it: `conf.d/*.toml`, in the order of their names.
///
/// # Errors
/// `config-01`: which of them cannot be read, and why.
pub fn documents(path: &Path, with_fragments: bool) -> Result<Vec<Document>, Vec<Problem>> {
    let folder = path.parent().unwrap_or(Path::new("/")).join("conf.d");
    let fragments = if with_fragments { sys::files::expand(&folder.join("*.toml")) } else { Ok(Vec::new()) };
    let fragments = match fragments {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(vec![unreadable(&folder, &error)]),
        fragments => fragments.unwrap_or_default(),
    };
    let (mut documents, mut problems) = (Vec::new(), Vec::new());
    for path in std::iter::once(path.to_path_buf()).chain(fragments) {
        match sys::files::read_text(&path, FILE_BYTES_MAX) {
            Ok(text) => documents.push(Document { file: path.display().to_string(), text }),
            Err(error) => problems.push(unreadable(&path, &error)),
        }
    }
    if problems.is_empty() { Ok(documents) } else { Err(problems) }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    let origin = Origin { file: path.display().to_string(), ..Origin::default() };
    let fault = Fault::new("config-01", format!("the configuration cannot be read: {error}"));
    Problem { origin, fault: fault.hint(sys::files::hint(error)) }
}

/// Checks the text of a configuration; `file` is how problems name it.
///
/// # Errors
/// Every problem there is, sorted by place, up to `problem::TOLD_MAX`.
pub fn read(file: &str, text: &str, here: &Surroundings) -> Result<Loaded, Vec<Problem>> {
    read_documents(&[Document { file: file.to_string(), text: text.to_string() }], here, &Outside::default())
}

/// As `read`, for a configuration in several files.
///
/// # Errors
/// Every problem there is, sorted by file and place.
pub fn read_documents(documents: &[Document], here: &Surroundings, outside: &Outside) -> Result<Loaded, Vec<Problem>> {
    let (mut table, mut report) = layers::read(SCHEMA, documents, outside).map_err(problem::told)?;
    let file = documents.first().map_or("", |document| &document.file);
    fill_agent(&mut table, here);
    files::check(&table, &mut report);
    let told = report.problems.len();
    let configuration = configure(&table, &mut report);
    // A value that the walk refused looks absent or empty to its stage: it is told once.
    let refused = layers::refused(&table);
    let mut at = 0;
    report.problems.retain(|problem| {
        at += 1;
        at <= told || !refused.contains(&problem.origin)
    });
    for Problem { origin, fault } in report.problems.iter_mut().chain(&mut report.warnings) {
        variables::cover_held(fault, &origin.variables, outside.variable);
    }
    problem::sort(&mut report.warnings);
    if !report.problems.is_empty() {
        return Err(problem::told(report.problems));
    }
    fill_targets(&mut table, &configuration.targets);
    Ok(Loaded { configuration, warnings: report.warnings, effective: table, file: file.to_string() })
}

fn configure(root: &Table, report: &mut Report) -> Configuration {
    let empty = Table::default();
    let section = |name: &str| root.table(name).unwrap_or(&empty);
    let agent = Agent {
        name: section("agent").text("name").to_string(),
        state_dir: section("agent").path("state_dir").unwrap_or_default(),
        timezone: section("agent").text("timezone").to_string(),
        environment: section("agent").text("environment").to_string(),
        log: sys::log::Form::of(section("agent").text("log")),
        log_level: section("agent").text("log_level").to_string(),
    };
    let sample = sample::config::Config::read(section("sample"));
    let tenants = targets::read_tenants(&root.tables("tenant"), report);
    let around = Around { sample: &sample, tenants: &tenants, agent_name: &agent.name };
    let mut targets = targets::read_targets(&root.tables("target"), &around, report);
    queries::read(&root.tables("query"), &tenants, report, &mut targets);
    check::agent(section("agent"), report);
    check::serve(section("serve"), &tenants, report);
    targets::check_thresholds(section("alert"), "", report);
    let alert = alert::config::Config::read(section("alert")).unwrap_or_else(|mistakes| {
        // What files::check told of a file need not be told again by the stage that would read it.
        let known: Vec<Origin> = report.problems.iter().map(|problem| problem.origin.clone()).collect();
        let new = mistakes.into_iter().filter(|mistake| !known.contains(&mistake.origin));
        new.for_each(|mistake| report.problem(&mistake.origin, mistake.fault));
        alert::config::Config::default()
    });
    let export = export::config::Config::read(section("export")).unwrap_or_else(|mistakes| {
        let known: Vec<Origin> = report.problems.iter().map(|problem| problem.origin.clone()).collect();
        let new = mistakes.into_iter().filter(|mistake| !known.contains(&mistake.origin));
        new.for_each(|mistake| report.problem(&mistake.origin, mistake.fault));
        export::config::Config::default()
    });
    let judge = judge::Config::read(section("judge"));
    let of_tenants = tenants.iter().map(|tenant| (tenant.id.clone(), tenant.thresholds.clone())).collect();
    let thresholds = Thresholds { global: alert.thresholds.clone(), tenants: of_tenants };
    let policies = policies::read(root, &agent.timezone, &targets, &tenants, report);
    let rules = rules::build(&judge, &thresholds, &targets, (section("judge"), section("alert")), report);
    Configuration {
        serve: serve::config::Config::read(section("serve")),
        store: store::Config::read(section("store"), &agent.state_dir),
        judge,
        alert,
        export,
        rules: Arc::new(rules),
        thresholds,
        features: read_features(section("features")),
        policies,
        agent,
        sample,
        tenants,
        targets,
        discovers: false,
    }
}

fn read_features(table: &Table) -> Features {
    Features {
        ai_optimization: table.flag("ai_optimization"),
        real_time_monitoring: table.flag("real_time_monitoring"),
        automated_failover: table.flag("automated_failover"),
        compliance_scanning: table.flag("compliance_scanning"),
    }
}

/// Gives the agent what it has from the machine.
fn fill_agent(root: &mut Table, here: &Surroundings) {
    let Some((Value::Table(agent), _)) = root.entries.get_mut("agent") else { return };
    let mut fill = |key: &str, text: String| {
        agent.entries.entry(key.to_string()).or_insert((Value::Text(text), Origin::default()));
    };
    fill("name", here.host_name.clone());
    fill("state_dir", here.state_dir.display().to_string());
}

/// Gives each target's section what it has from elsewhere, so that what is shown is what is in force.
fn fill_targets(root: &mut Table, targets: &[Target]) {
    let inherited = |key: &str| root.table("sample").and_then(|sample| sample.origin(key)).cloned().unwrap_or_default();
    let (interval, deadline) = (inherited("interval"), inherited("deadline"));
    let Some((Value::List(sections), _)) = root.entries.get_mut("target") else { return };
    for (section, target) in sections.iter_mut().zip(targets) {
        let Value::Table(section) = section else { continue };
        section.entries.entry("interval".to_string()).or_insert((Value::Duration(target.interval), interval.clone()));
        section.entries.entry("deadline".to_string()).or_insert((Value::Duration(target.deadline), deadline.clone()));
    }
}
