//! Tenants and targets: what the schema alone cannot check, and the targets it makes of their sections.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use crate::config::problem::{Report, shown_name};
use crate::config::url;
use crate::config::value::{meant, quoted};
use crate::engines::ALL;
use crate::engines::contract::Engine;
use crate::engines::sight::Found;
use crate::model::duration;
use crate::model::fault::Fault;
use crate::model::filter::Glob;
use crate::model::nearest::nearest;
use crate::model::schema::{Origin, Table, Value};
use crate::model::target::{DEFAULT_TENANT, Login, Options, SecretSource, Target, Url};
use crate::sample::config::{self as sample, Config as Sample};
use crate::sys::files;
use crate::sys::tls;

/// `[[tenant]]`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Tenant {
    pub id: String,
    pub thresholds: BTreeMap<String, f64>,
}

/// What targets lean on.
pub struct Around<'a> {
    pub sample: &'a Sample,
    pub tenants: &'a [Tenant],
    /// The engineless part of an address: what a target without a URL has as its host.
    pub agent_name: &'a str,
}

/// The tenants; `default` always is one.
pub fn read_tenants(tables: &[&Table], report: &mut Report) -> Vec<Tenant> {
    let mut tenants: Vec<Tenant> = Vec::new();
    let mut first: BTreeMap<String, Origin> = BTreeMap::new();
    for table in tables {
        let id = table.text("id").to_string();
        let Some(origin) = table.origin("id") else { continue };
        check_name("id", &id, origin, report);
        check_thresholds(table, "", report);
        if let Some(before) = first.insert(id.clone(), origin.clone()) {
            report.problem(origin, twice("tenant", &id, &before));
            continue;
        }
        tenants.push(Tenant { id, thresholds: table.numbers("thresholds") });
    }
    if !first.contains_key(DEFAULT_TENANT) {
        tenants.push(Tenant { id: DEFAULT_TENANT.to_string(), thresholds: BTreeMap::new() });
    }
    tenants
}

/// The targets. Those with a problem are left out, but every problem of theirs is told.
pub fn read_targets(tables: &[&Table], around: &Around<'_>, report: &mut Report) -> Vec<Target> {
    let mut first: BTreeMap<String, Origin> = BTreeMap::new();
    let mut targets = Vec::new();
    for table in tables {
        let (name, tenant) = (table.text("name"), table.text("tenant"));
        if let Some(origin) = table.origin("name") {
            check_name("name", name, origin, report);
            if let Some(before) = first.insert(format!("{tenant}/{name}"), origin.clone()) {
                report
                    .problem(origin, twice("target", name, &before).hint("Name each target of a tenant differently."));
            }
        }
        check_tenant(table, around, report);
        check_labels(table, report);
        check_secrets(table, report);
        check_deadline(table, around, report);
        let engine = find_engine(table, report);
        check_thresholds(table, engine.map_or("", |engine| engine.word()), report);
        if let Some(engine) = engine {
            targets.extend(read_target(table, engine, around, report));
        }
    }
    targets
}

/// A target made of a server that was found on this machine.
///
/// # Errors
/// `config-05`: its URL is not one.
pub fn found(found: &Found, engine: &dyn Engine, around: &Around<'_>) -> Result<Target, Fault> {
    let wrong = |wrong: url::Wrong| {
        Fault::new("config-05", format!("what was found as '{}' has no usable URL: {wrong}", found.name))
    };
    let parsed = url::parse(&found.url).map_err(wrong)?;
    let mut target = bare(&found.name, DEFAULT_TENANT, engine, around);
    target.url = parsed.url;
    target.discovered = true;
    Ok(target)
}

fn bare(name: &str, tenant: &str, engine: &dyn Engine, around: &Around<'_>) -> Target {
    Target {
        name: name.to_string(),
        tenant: tenant.to_string(),
        engine: engine.word().to_string(),
        // Without a URL the target is this machine, and its instance the agent's name.
        url: Url { host: around.agent_name.to_string(), ..Url::default() },
        password: SecretSource::None,
        api_key: SecretSource::None,
        action: None,
        ca_file: None,
        insecure: false,
        interval: around.sample.interval,
        deadline: around.sample.deadline.min(around.sample.interval),
        sessions_max: around.sample.sessions_max,
        job: String::new(),
        labels: BTreeMap::new(),
        root: PathBuf::from("/"),
        options: Options::default(),
        choice: around.sample.choice.clone(),
        filter: around.sample.filter.clone(),
        queries: Vec::new(),
        thresholds: BTreeMap::new(),
        discovered: false,
    }
}

fn read_target(table: &Table, engine: &dyn Engine, around: &Around<'_>, report: &mut Report) -> Option<Target> {
    let before = report.problems.len();
    let mut target = bare(table.text("name"), table.text("tenant"), engine, around);
    target.password = source(table, "password");
    target.api_key = source(table, "api_key");
    target.action = table
        .table("action")
        .map(|action| Login { user: action.text("user").to_string(), password: source(action, "password") });
    target.ca_file = table.path("ca_file");
    target.insecure = table.flag("insecure");
    if table.has("interval") {
        target.interval = table.duration("interval");
    }
    target.deadline = if table.has("deadline") { table.duration("deadline") } else { around.sample.deadline };
    target.deadline = target.deadline.min(target.interval);
    target.job = table.text("job").to_string();
    target.labels = table.map("labels");
    target.root = table.path("root").unwrap_or_else(|| PathBuf::from("/"));
    target.options = Options {
        resolver: table.text("resolver").to_string(),
        check_keys: table.texts("check_keys"),
        check_single_keys: table.texts("check_single_keys"),
        count_keys: table.texts("count_keys"),
        check_streams: table.texts("check_streams"),
        slow_log: table.texts("slow_log").into_iter().map(PathBuf::from).collect(),
        keeper: table.text("keeper").to_string(),
    };
    target.choice = sample::choice(table, &around.sample.choice);
    target.filter = sample::filter(table, &around.sample.filter);
    target.thresholds = table.numbers("thresholds");
    check_rows(table, engine, report);
    check_options(table, engine, report);
    check_slow_log(table, &target.options.slow_log, report);
    check_ca_file(table, report);
    check_action(table, engine, report);
    match (engine.card().schemes.is_empty(), table.origin("url")) {
        (true, None) => check_root(table, &target, report),
        (true, Some(origin)) => {
            let fault = Fault::new("config-10", format!("engine '{}' takes no url", engine.word()));
            report.problem(origin, fault.hint("It reads files under root: leave the url out."));
        }
        (false, None) => {
            let fault =
                Fault::new("config-06", format!("[[target]] has no 'url', which engine '{}' needs", engine.word()));
            report.problem(&table.origin, fault.hint(format!("Write it like {}.", example_url(engine))));
        }
        (false, Some(origin)) => read_url(table, origin, engine, &mut target, report),
    }
    (report.problems.len() == before).then_some(target)
}

/// A URL as a target of this engine might have it.
pub fn example_url(engine: &dyn Engine) -> String {
    let scheme = engine.card().schemes.first().copied().unwrap_or_default();
    format!("{scheme}://watchward@127.0.0.1:{}", engine.card().default_port)
}

fn read_url(table: &Table, origin: &Origin, engine: &dyn Engine, target: &mut Target, report: &mut Report) {
    let Ok(parsed) = url::parse(table.text("url")) else { return }; // told by the walk
    if url::has_secret_parameter(&parsed.url) {
        let wrong = url::Wrong::SecretParameter;
        let fault = Fault::new("config-05", format!("url is not a URL of a target: {wrong}"));
        return report.problem(origin, fault.hint(wrong.hint()));
    }
    target.url = parsed.url;
    if target.url.scheme == "unix" {
        target.url.scheme = engine.card().schemes.first().copied().unwrap_or_default().to_string();
    }
    let scheme = target.url.scheme.clone();
    if !engine.card().schemes.contains(&scheme.as_str()) {
        let what =
            format!("url has the scheme '{}', which engine '{}' does not speak", shown_name(&scheme), engine.word());
        let hint = format!("It speaks {}.", quoted(engine.card().schemes));
        return report.problem(origin, Fault::new("config-05", what).hint(hint));
    }
    if let Err(fault) = engine.fits(target) {
        return report.problem(origin, fault);
    }
    target.choice.collect.extend(engine.collects(target).into_iter().map(Glob::new));
    if let Some(password) = parsed.password {
        if target.password != SecretSource::None {
            let fault = Fault::new("config-10", "url holds a password, and a password is named beside it as well");
            report.problem(origin, fault.hint("Keep one: better the file or variable than the URL."));
        }
        if origin.variables.is_empty() {
            let what =
                format!("the password of target '{}' stands in the configuration itself", shown_name(&target.name));
            let hint =
                "Put it into a file of its own that only the agent's user can read, and name that as password_file.";
            report.warning(origin, Fault::new("config-13", what).hint(hint));
        }
        target.password = SecretSource::Inline(password);
    }
    if !target.is_local()
        && !target.insecure
        && let Err(sentence) = engine.verifies(target)
    {
        let what = format!("the connection to '{}' would not be secure", shown_name(&target.url.host));
        let hint = "Ask for verified TLS in the url, or accept it with insecure = true.";
        report.problem(origin, Fault::new("config-11", what).detail(sentence).hint(hint));
    }
}

/// The source that `<secret>_file` or `<secret>_env` names.
fn source(table: &Table, secret: &str) -> SecretSource {
    match (table.path(&format!("{secret}_file")), table.text(&format!("{secret}_env"))) {
        (Some(path), _) => SecretSource::File(path),
        (None, "") => SecretSource::None,
        (None, variable) => SecretSource::Environment(variable.to_string()),
    }
}

/// The fault of a name that is there already.
pub fn twice(noun: &str, name: &str, before: &Origin) -> Fault {
    Fault::new("config-07", format!("{noun} '{}' is there twice", shown_name(name)))
        .detail(format!("It is also on line {} of {}.", before.line, before.file))
}

/// The longest name of a target or tenant, in characters.
const NAME_CHARS_MAX: usize = 100;

fn check_name(key: &str, name: &str, origin: &Origin, report: &mut Report) {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || !name.chars().all(fits) {
        let what = format!("{key} is '{}', not a name", shown_name(name));
        let hint = format!("A name has letters, digits, '.', '_' and '-', and at most {NAME_CHARS_MAX} of them.");
        report.problem(origin, Fault::new("config-05", what).hint(hint));
    }
}

fn check_tenant(table: &Table, around: &Around<'_>, report: &mut Report) {
    let tenant = table.text("tenant");
    let Some(origin) = table.origin("tenant") else { return };
    if !around.tenants.iter().any(|one| one.id == tenant) {
        report.problem(origin, unknown("tenant", tenant, &tenant_names(around.tenants)));
    }
}

/// The ids of tenants.
pub fn tenant_names(tenants: &[Tenant]) -> Vec<&str> {
    tenants.iter().map(|tenant| tenant.id.as_str()).collect()
}

/// The fault of a name that nothing has.
pub fn unknown(noun: &str, name: &str, known: &[&str]) -> Fault {
    let near = nearest(name, known);
    let hint = if near.is_empty() { format!("Known: {}.", known.join(", ")) } else { meant(&near) };
    Fault::new("config-08", format!("unknown {noun} '{}'", shown_name(name))).hint(hint)
}

/// The engine that a section names.
pub fn find_engine(table: &Table, report: &mut Report) -> Option<&'static dyn Engine> {
    let word = table.text("engine");
    let origin = table.origin("engine")?;
    let engine = crate::engines::find(word);
    if engine.is_none() {
        let known: Vec<&str> = crate::engines::ALL.iter().map(|engine| engine.word()).collect();
        report.problem(origin, unknown("engine", word, &known));
    }
    engine
}

/// Labels that every series has already.
const OWN_LABELS: &[&str] = &["tenant", "target", "instance", "job"];

fn check_labels(table: &Table, report: &mut Report) {
    let Some(labels) = table.table("labels") else { return };
    for (name, (_, origin)) in &labels.entries {
        let is_name = !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name || name.starts_with("__") {
            let hint = "A label's name has letters, digits and '_', no digit first, and does not begin with '__'.";
            let what = format!("'{}' is not a label's name", shown_name(name));
            report.problem(origin, Fault::new("config-05", what).hint(hint));
        } else if OWN_LABELS.contains(&name.as_str()) {
            let hint =
                if name == "job" { "Set it with the key job of the target." } else { "The agent sets it itself." };
            report.problem(origin, Fault::new("config-10", format!("the label '{name}' cannot be given")).hint(hint));
        }
    }
}

/// The second login: one source of its password, and an engine that has something to set.
fn check_action(table: &Table, engine: &dyn Engine, report: &mut Report) {
    let (Some(action), Some(origin)) = (table.table("action"), table.origin("action")) else { return };
    check_secrets(action, report);
    if !engine.can_set() {
        let fault = Fault::new("config-10", format!("engine '{}' has nothing that an action could set", engine.word()));
        report.problem(origin, fault.hint("Leave the action out."));
    }
}

/// Rows that the target names: each fits one of its engine's, and what is to be collected is optional.
fn check_rows(table: &Table, engine: &dyn Engine, report: &mut Report) {
    for key in ["collect", "skip"] {
        let Some(origin) = table.origin(key) else { continue };
        let named = engine.rows().iter().filter(|row| key == "skip" || row.optional).map(|row| row.name);
        let known: Vec<&str> = named.collect::<BTreeSet<_>>().into_iter().collect();
        for glob in table.texts(key).into_iter().map(Glob::new) {
            if glob.as_str() != "*" && !known.iter().any(|name| glob.fits(name)) {
                let noun = if key == "skip" { "row" } else { "optional row" };
                report
                    .problem(origin, unknown(&format!("{noun} of engine '{}'", engine.word()), glob.as_str(), &known));
            }
        }
    }
}

/// Keys that only some engines take.
fn check_options(table: &Table, engine: &dyn Engine, report: &mut Report) {
    let known: BTreeSet<&str> = ALL.iter().flat_map(|one| one.options()).copied().collect();
    for key in known.iter().filter(|key| !engine.options().contains(key)) {
        let Some(origin) = table.origin(key).filter(|_| table.has(key)) else { continue };
        let takers: Vec<&str> = ALL.iter().filter(|one| one.options().contains(key)).map(|one| one.word()).collect();
        let what = format!("engine '{}' takes no {key}", engine.word());
        report.problem(origin, Fault::new("config-10", what).hint(format!("It is for {}.", quoted(&takers))));
    }
}

/// A slow log is files of one folder.
fn check_slow_log(table: &Table, paths: &[PathBuf], report: &mut Report) {
    let Some(origin) = table.origin("slow_log") else { return };
    for path in paths {
        let shown = path.display();
        let folder = path.parent().map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default();
        let wrong = match () {
            () if path.file_name().is_none() => "names no file",
            () if folder.contains(['*', '?']) => "has a wildcard in its folder",
            () => continue,
        };
        let fault = Fault::new("config-05", format!("slow_log: '{shown}' {wrong}"));
        report.problem(
            origin,
            fault.hint("Write it like /var/log/search/*_slowlog.json: '*' and '?' stand in the file's name."),
        );
    }
}

fn check_secrets(table: &Table, report: &mut Report) {
    for secret in ["password", "api_key"] {
        let (file, variable) = (format!("{secret}_file"), format!("{secret}_env"));
        if let (true, Some(origin)) = (table.has(&file), table.origin(&variable)) {
            let fault = Fault::new("config-10", format!("{file} and {variable} are both given"));
            report.problem(origin, fault.hint("Keep one of them."));
        }
    }
}

fn check_deadline(table: &Table, around: &Around<'_>, report: &mut Report) {
    let Some(origin) = table.origin("deadline") else { return };
    let interval = if table.has("interval") { table.duration("interval") } else { around.sample.interval };
    let deadline = table.duration("deadline");
    if interval < deadline && interval > Duration::ZERO {
        let (deadline, interval) = (duration::format(deadline), duration::format(interval));
        let what = format!("deadline is '{deadline}', longer than the interval of '{interval}'");
        report.problem(origin, Fault::new("config-10", what).hint("No two readings of one target may overlap."));
    }
}

/// Names of thresholds: those of one engine, or with an empty word those of all.
pub fn check_thresholds(table: &Table, engine: &str, report: &mut Report) {
    let Some(thresholds) = table.table("thresholds") else { return };
    let all = crate::engines::ALL.iter().flat_map(|one| one.card().thresholds);
    let all = all.filter(|one| engine.is_empty() || one.engine == engine);
    let known: Vec<&str> = all.map(|one| one.key).collect::<BTreeSet<_>>().into_iter().collect();
    for (name, (value, origin)) in &thresholds.entries {
        if !known.contains(&name.as_str()) {
            let noun =
                if engine.is_empty() { "threshold".to_string() } else { format!("threshold of engine '{engine}'") };
            report.problem(origin, unknown(&noun, name, &known));
        } else if matches!(value, Value::Number(number) if *number < 0.0) {
            report.problem(origin, Fault::new("config-05", format!("threshold '{name}' is below 0")));
        }
    }
}

fn check_ca_file(table: &Table, report: &mut Report) {
    let (Some(path), Some(origin)) = (table.path("ca_file"), table.origin("ca_file")) else { return };
    if files::version(&path).is_none() {
        return; // that it cannot be read is told with the other files
    }
    let wish = tls::Wish { trust: tls::Trust::File(path), ..tls::Wish::default() };
    if let Err(fault) = tls::client_config(&wish) {
        report.problem(origin, Fault { code: "config-09", ..fault });
    }
}

/// For an engine that reads files: are they there?
fn check_root(table: &Table, target: &Target, report: &mut Report) {
    const STAT_BYTES_MAX: usize = 16 << 20;
    let path = target.root.join("proc/stat");
    if let Err(error) = files::read(&path, STAT_BYTES_MAX) {
        let fault = Fault::new("config-09", format!("root has no proc/ that can be read: {error}"))
            .detail(format!("It was looked for as {}.", path.display()))
            .hint("Name the folder that has proc/ and sys/: \"/\", or where a sidecar sees its host.");
        report.problem(table.origin("root").filter(|origin| origin.line > 0).unwrap_or(&table.origin), fault);
    }
}
