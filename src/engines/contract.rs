//! What an engine is: a table of rows to read, a session that answers them, and what it needs to be found and named.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use crate::engines::sight::{Found, Program, Sight};
use crate::model::catalogue::{Glance, Threshold};
use crate::model::fault::Fault;
use crate::model::plan::{Held, Refusal, Step};
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::row::{Family, Metric};
use crate::model::secret::Secret;
use crate::model::target::{Target, Url};

/// A future that a trait object may return.
pub type Task<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Major and minor version; engines that count further ignore the rest.
pub type Version = (u32, u32);

/// A flavour and the versions of it for which a row holds: `from <= version < below`.
#[derive(Clone, Copy, Debug)]
pub struct When {
    /// Empty: every flavour.
    pub flavour: &'static str,
    pub from: Version,
    pub below: Version,
}

/// No upper end.
pub const NEWEST: Version = (u32::MAX, u32::MAX);

/// Newer than any that rows name as the end of something.
pub const LATEST: Version = (u32::MAX - 1, 0);

impl When {
    pub const fn since(from: Version) -> When {
        When { flavour: "", from, below: NEWEST }
    }

    pub const fn before(below: Version) -> When {
        When { flavour: "", from: (0, 0), below }
    }

    pub const fn flavour(mut self, flavour: &'static str) -> When {
        self.flavour = flavour;
        self
    }

    fn holds(&self, facts: &Facts) -> bool {
        (self.flavour.is_empty() || self.flavour == facts.flavour)
            && self.from <= facts.version
            && facts.version < self.below
    }
}

/// What is asked, in the engine's own tongue: SQL, a command line, a path.
#[derive(Clone, Copy)]
pub enum Ask {
    Text(&'static str),
    /// Made from what the server said of itself.
    Own(fn(&Facts) -> String),
}

/// How an answer becomes points.
#[derive(Clone, Copy)]
pub enum Take {
    /// A table: these columns are labels, and each metric's `from` names its column. A null gives no point.
    Columns {
        labels: &'static [&'static str],
    },
    /// A JSON document: each metric's `from` is a dotted path to a number or a flag. A path that is absent gives no point.
    /// One part may be `{label}`: it stands for every key there, and the key becomes the value of that label. A number is
    /// a place in a list, and `.` alone the whole answer.
    Paths,
    /// A table with very many things, of which the busiest are series.
    Busiest(Busiest),
    Own(fn(&Answer, &Facts, &mut dyn Emit) -> Result<(), Unknown>),
}

/// How a table of things is read of which a server may have very many, such as statements: those that are busiest are
/// series of their own, and all others one, whose labels say `other`. Each metric's `from` names its column.
#[derive(Clone, Copy, Debug)]
pub struct Busiest {
    /// The columns that name a thing; its labels.
    pub labels: &'static [&'static str],
    /// The column whose growth says how busy a thing is; where it gives a gauge, its level.
    pub rank_by: &'static str,
    /// How many are series of their own. One that was among them stays until it is not among twice as many.
    pub keep: usize,
    /// The most rows that the question gives. Of a full answer, what is new in it is not known to have begun just now.
    pub most: usize,
}

/// One thing that is read: a query, command or file, and the metrics it gives.
pub struct Row {
    pub name: &'static str,
    /// In cycles: 1 is every cycle, 12 every twelfth.
    pub every: u32,
    /// Read only where the configuration asks for it (`collect`).
    pub optional: bool,
    /// Empty: always. Else one of these must hold; if none does the row does not exist for this server.
    pub when: &'static [When],
    /// The longest that it may take; zero: what the cycle leaves it.
    pub deadline: Duration,
    /// The most series it may have; 0: as the configuration says for all.
    pub series_max: usize,
    /// Capabilities that make the row exist at all; a server without one is not asked, and nothing is unknown. For what
    /// a kind of server has and another kind never will: `sentinel`, `cluster`.
    pub only: &'static [&'static str],
    /// The label of the parts of a server, such as its databases, in each of which the row is read; its values are the
    /// facts' `parts`. Empty: the row is read once.
    pub each: &'static str,
    /// What it reads is the same whichever member of the server's cluster is asked: of targets that are members of one
    /// cluster one asks it. A target that is alone asks everything.
    pub of_cluster: bool,
    /// Capabilities probed at connect; one that is missing makes the row `unknown`.
    pub needs: &'static [&'static str],
    /// The least privileges that read it, as the server calls them, separated by `, `. Empty: any login.
    pub privilege: &'static str,
    pub ask: Ask,
    pub take: Take,
    pub metrics: &'static [Metric],
    pub families: &'static [Family],
}

impl Row {
    /// A row for every version, each cycle, without needs or families: `Row { name: …, ..Row::DEFAULT }`.
    pub const DEFAULT: Row = Row {
        name: "",
        every: 1,
        optional: false,
        deadline: Duration::ZERO,
        series_max: 0,
        when: &[],
        only: &[],
        each: "",
        of_cluster: false,
        needs: &[],
        privilege: "",
        ask: Ask::Text(""),
        take: Take::Paths,
        metrics: &[],
        families: &[],
    };

    /// Whether this row exists for a server.
    pub fn exists(&self, facts: &Facts) -> bool {
        (self.when.is_empty() || self.when.iter().any(|when| when.holds(facts)))
            && self.only.iter().all(|only| facts.capabilities.contains(only))
    }

    /// The first need that a server does not meet. One that the row's privilege names is a matter of privilege.
    pub fn lacks(&self, facts: &Facts) -> Option<Unknown> {
        let missing = self.needs.iter().find(|need| !facts.capabilities.contains(**need))?;
        if self.privilege.contains(missing) {
            return Some(Unknown::new(
                UnknownKind::Privilege,
                format!("needs {missing}, which the agent's login lacks"),
            ));
        }
        Some(Unknown::new(UnknownKind::NotHere, format!("needs {missing}, which this server does not offer")))
    }
}

/// What a server said of itself when asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub version: Version,
    /// As the server writes it.
    pub version_text: String,
    /// A variant that answers differently: a fork, a managed service. Empty for the plain server.
    pub flavour: String,
    /// `primary`, `replica`, `sentinel`, …; a change of it is an event.
    pub role: String,
    pub capabilities: BTreeSet<&'static str>,
    /// The id of the cluster that the server is a member of; empty where there is none.
    pub cluster: String,
    /// The parts in which rows with `each` are read. When they change these rows are due.
    pub parts: Vec<String>,
}

/// A bounded answer. No driver's type leaves its engine's folder.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Table(Table),
    /// A table that lacks what some parts of the server should have brought, and why.
    Partial(Table, Unknown),
    Text(String),
    Json(Value),
}

/// Text values by column, null as `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Option<String>>>,
}

impl Table {
    /// The place of a column.
    ///
    /// # Errors
    /// `Missing`, with the column's name.
    pub fn column(&self, name: &str) -> Result<usize, Unknown> {
        let found = self.columns.iter().position(|column| column == name);
        found.ok_or_else(|| Unknown::new(UnknownKind::Missing, format!("the answer has no column '{name}'")))
    }
}

/// Where a row's points go. Labels are borrowed, so that a steady cycle allocates none.
pub trait Emit {
    fn metric(&mut self, metric: &'static Metric, labels: &[(&str, &str)], value: f64);

    fn family(&mut self, family: &'static Family, part: &str, labels: &[(&str, &str)], value: f64);
}

/// What a session needs beside its target: secrets read this moment, and how to be named.
#[derive(Clone, Debug, Default)]
pub struct Access {
    pub password: Option<Secret>,
    pub api_key: Option<Secret>,
}

/// The shortest secret that is looked for: taking a shorter one out would maul the words around it.
const SECRET_BYTES_MIN: usize = 4;

impl Access {
    /// A server's words may repeat what it was told: they are shown without our secrets, be it as HTTP writes a login.
    pub fn conceal(&self, user: &str, words: &str) -> String {
        let long = |secret: &&Secret| secret.expose().len() >= SECRET_BYTES_MIN;
        let secrets = [&self.password, &self.api_key].into_iter().flatten().filter(long);
        secrets.fold(words.to_string(), |words, secret| {
            let login = BASE64.encode(format!("{user}:{}", secret.expose()));
            words.replace(secret.expose(), "***").replace(&login, "***")
        })
    }

    /// A fault without our secrets.
    pub fn concealed(&self, user: &str, fault: Fault) -> Fault {
        let (what, detail) = (self.conceal(user, &fault.what), self.conceal(user, &fault.detail));
        Fault { what, detail, ..fault }
    }
}

/// The name under which every session makes itself known to its server.
pub const SESSION_NAME: &str = "watchward";

/// The most that one answer may weigh, in bytes.
pub const ANSWER_BYTES_MAX: usize = 8 << 20;

/// One open, named, read-only session with a server.
pub trait Session: Send {
    /// What the server said of itself at the last probe.
    fn facts(&self) -> &Facts;

    /// Proves that the server answers, and learns its role anew. Begins every cycle.
    fn probe(&mut self) -> Task<'_, Result<(), Fault>>;

    /// Asks one row. `budget` is what the server may spend on it; the caller gives up at its own deadline whatever
    /// the session does, and then keeps this call running rather than opening another connection.
    fn ask<'a>(&'a mut self, row: &'a Row, budget: Duration) -> Task<'a, Result<Answer, Unknown>>;

    /// Whether the connection is of no more use and must be replaced.
    fn is_broken(&self) -> bool;

    /// The text of a statement by the id that its series have, without literals, at most `STATEMENT_CHARS_MAX` long.
    /// `None`: the server knows no such statement now.
    ///
    /// # Errors
    /// It cannot be read; and the default: this engine's statements have no texts.
    fn statement<'a>(&'a mut self, _id: &'a str) -> Task<'a, Result<Option<String>, Fault>> {
        Box::pin(async { Err(Fault::new("engine-02", "this kind of target has no texts of statements by id")) })
    }
}

/// The most that is shown of a statement's text.
pub const STATEMENT_CHARS_MAX: usize = 2000;

/// A session that may change settings: opened for one action with the target's second login, closed after it.
/// Only act holds one.
pub trait Hand: Send {
    /// How a setting stands now.
    ///
    /// # Errors
    /// The server knows no such setting, does not show it to this login, or does not answer.
    fn look<'a>(&'a mut self, key: &'a str) -> Task<'a, Result<Held, Fault>>;

    /// What would have to be done so that `key` is `value`; reads, and changes nothing. `before` is as `look` says it,
    /// `after` as `look` would say it then.
    ///
    /// # Errors
    /// Why it will not be done: the setting needs a restart, is not one to be changed by a program, the value is none.
    fn plan<'a>(&'a mut self, key: &'a str, value: &'a str) -> Task<'a, Result<Step, Refusal>>;

    /// Writes `held.written` where it is written, and has the server go by it. Doing it twice is as doing it once.
    /// Success means that the server took it; whether it holds is read afterwards with `look`.
    ///
    /// # Errors
    /// The server refused, or does not answer: then it may or may not have happened.
    fn put<'a>(&'a mut self, key: &'a str, held: &'a Held) -> Task<'a, Result<(), Fault>>;
}

/// What differs from engine to engine and is no more than a name, a number or a table.
pub struct Card {
    /// The folder's name, which is what users write in `engine = "…"`.
    pub word: &'static str,
    /// The default value of the label `job`: what the replaced exporter's users have there.
    pub job: &'static str,
    /// Schemes a target's URL may have; the first is the usual one. Empty: the engine needs no URL.
    pub schemes: &'static [&'static str],
    pub default_port: u16,
    /// The exporter's own name for `up`.
    pub up: &'static Metric,
    /// The oldest version that is watched.
    pub oldest: Version,
    /// Kinds of this server whose logins are made in another way (forks, roles), and the oldest version of each: a fork
    /// counts anew.
    pub kinds: &'static [(&'static str, Version)],
    /// The prefix of `<prefix>_scrape_collector_success` and `_duration_seconds`.
    pub prefix: &'static str,
    /// The table of what is read.
    pub rows: &'static [Row],
    /// Its rows of `[alert.thresholds]`.
    pub thresholds: &'static [Threshold],
    /// What else tells at a glance how a target does.
    pub glance: &'static [Glance],
}

/// What the shell line that makes a login is put together from.
pub struct Place<'a> {
    pub url: &'a Url,
    pub login: &'a str,
    /// The command that prints the script.
    pub script: &'a str,
    /// The file that holds the new login's password.
    pub password_file: &'a str,
    /// What runs a command as the server's own user, with a space at its end; empty where that is who we are.
    pub as_owner: &'a str,
}

/// One engine. Adding another is one folder that implements this, and one line of registration.
pub trait Engine: Send + Sync {
    /// What it is called, and what is read from it.
    fn card(&self) -> &'static Card;

    fn word(&self) -> &'static str {
        self.card().word
    }

    fn rows(&self) -> &'static [Row] {
        self.card().rows
    }

    /// Whether a program is a server of this engine.
    fn runs_as(&self, _program: &Program) -> bool {
        false
    }

    /// The targets of this engine that `sight` shows.
    fn discover(&self, _sight: &Sight) -> Vec<Found> {
        Vec::new()
    }

    /// Whether a target's connection is encrypted and verified; the sentence says what is not. Asked for remote targets.
    ///
    /// # Errors
    /// What is not verified, for the standing finding.
    fn verifies(&self, target: &Target) -> Result<(), String>;

    /// The value of the label `instance`, as the exporter's users have it: `host:port`.
    fn instance(&self, target: &Target) -> String {
        let port = if target.url.port == 0 { self.card().default_port } else { target.url.port };
        let host = if target.url.host.is_empty() { "localhost" } else { target.url.host.as_str() };
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// The script that makes the login that watches, in the server's own tongue: the least privilege that reads every row,
    /// rendered from the rows' column. `version`: the server's; none: the newest. `kind`: one of the card's, or empty. It
    /// holds no password, and says in its comments where the password comes from.
    fn grants(&self, login: &str, version: Option<Version>, kind: &str) -> String;

    /// The shell line that runs the script where the server is, the password taken from a file.
    fn grants_line(&self, place: &Place<'_>) -> String;

    /// The script that makes the second login, whose sessions `reach` opens: the least with which the agent may change
    /// what it can change. None: it can change nothing here.
    fn action_grants(&self, _login: &str, _version: Option<Version>) -> Option<String> {
        None
    }

    /// Whether a target may name files in which its server logs what is slow.
    fn has_slow_log(&self) -> bool {
        false
    }

    /// Whether a session answers with tables, whose columns a query names; else with documents, and it names paths.
    fn has_tables(&self) -> bool {
        false
    }

    /// Whether a text of the user's own may be asked: it is one question, and changes nothing as far as that shows.
    ///
    /// # Errors
    /// Why not; and the default: this engine cannot be asked anything else than it asks by itself.
    fn may_ask(&self, _ask: &str) -> Result<(), Fault> {
        let what = format!("engine '{}' has nothing that could be asked", self.word());
        Err(Fault::new("engine-04", what).hint("Queries are for the engines that are servers."))
    }

    /// Opens a session: connects, authenticates, probes.
    fn connect<'a>(&'a self, target: &'a Target, access: &'a Access) -> Task<'a, Result<Box<dyn Session>, Fault>>;

    /// Whether this engine has settings that `reach` gives a hand on.
    fn can_set(&self) -> bool {
        false
    }

    /// Opens a session that may change settings. `target` has the second login as its user, `access` its secret.
    ///
    /// # Errors
    /// As `connect`; and the default: this engine has nothing that can be set.
    fn reach<'a>(&'a self, _target: &'a Target, _access: &'a Access) -> Task<'a, Result<Box<dyn Hand>, Refusal>> {
        let word = self.word();
        Box::pin(async move {
            Err(Fault::new("engine-01", format!("engine '{word}' has no settings that the agent could set"))
                .hint("See the manual for what `set` can change."))
        })
    }
}

/// What reads every row of a table on a server with these facts: the rows' privileges, each once, in the table's order.
pub fn privileges(rows: &'static [Row], facts: &Facts) -> Vec<&'static str> {
    let mut all = Vec::new();
    let known = rows.iter().filter(|row| row.exists(facts)).flat_map(|row| row.privilege.split(", "));
    for privilege in known.filter(|one| !one.is_empty()) {
        if !all.contains(&privilege) {
            all.push(privilege);
        }
    }
    all
}

/// A server's name with its version, as people write it: `PostgreSQL 15`, `Redis 7.2`.
pub fn named(server: &str, version: Option<Version>) -> String {
    match version {
        None => server.to_string(),
        Some((major, 0)) => format!("{server} {major}"),
        Some((major, minor)) => format!("{server} {major}.{minor}"),
    }
}

/// Applies a row's `take` to its answer.
///
/// # Errors
/// Why the answer could not be read: it is another kind than the row expects, or a column is missing.
pub fn take(row: &'static Row, answer: &Answer, facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    match (&row.take, answer) {
        (Take::Own(own), _) => own(answer, facts, emit),
        // Which are the busiest shows from one reading to the next: whoever reads again and again knows them.
        (Take::Busiest(busiest), Answer::Table(table) | Answer::Partial(table, _)) => {
            take_columns(row.metrics, busiest.labels, table, emit)
        }
        (Take::Columns { labels }, Answer::Table(table) | Answer::Partial(table, _)) => {
            take_columns(row.metrics, labels, table, emit)
        }
        (Take::Paths, Answer::Json(document)) => {
            take_paths(row.metrics, &[], document, emit);
            Ok(())
        }
        (Take::Paths, Answer::Text(text)) => {
            take_paths(row.metrics, &[], &Value::from(text.as_str()), emit);
            Ok(())
        }
        _ => Err(Unknown::new(UnknownKind::Garbled, "the answer is of another kind than this row reads")),
    }
}

/// Takes a table: these columns are labels, each metric's `from` is its column. Own takes use it where one answer has
/// metrics with different labels.
///
/// # Errors
/// `Missing`: a column is not there. `Garbled`: a value is not a number.
pub fn take_columns(
    metrics: &'static [Metric],
    labels: &'static [&'static str],
    table: &Table,
    emit: &mut dyn Emit,
) -> Result<(), Unknown> {
    let label_at = labels.iter().map(|label| table.column(label)).collect::<Result<Vec<_>, _>>()?;
    let value_at = metrics.iter().map(|metric| table.column(metric.from)).collect::<Result<Vec<_>, _>>()?;
    for row in &table.rows {
        let named: Vec<(&str, &str)> =
            labels.iter().zip(&label_at).map(|(label, at)| (*label, row[*at].as_deref().unwrap_or(""))).collect();
        for (metric, at) in metrics.iter().zip(&value_at) {
            let Some(text) = row[*at].as_deref() else { continue };
            let value = text_number(text).ok_or_else(|| {
                Unknown::new(UnknownKind::Garbled, format!("column '{}' is '{text}', not a number", metric.from))
            })?;
            emit_labelled(emit, metric, &named, value);
        }
    }
    Ok(())
}

/// Emits a point with the labels of its answer, and those that are its metric's own.
fn emit_labelled(emit: &mut dyn Emit, metric: &'static Metric, named: &[(&str, &str)], value: f64) {
    if metric.labels.is_empty() {
        emit.metric(metric, named, value);
    } else {
        emit.metric(metric, &[named, metric.labels].concat(), value);
    }
}

/// Emits what stands at the metrics' paths, with these labels on every point; `Take::Paths` says what a path is.
/// A metric without a path is left to others.
pub fn take_paths(metrics: &'static [Metric], labels: &[(&str, &str)], document: &Value, emit: &mut dyn Emit) {
    for metric in metrics.iter().filter(|metric| !metric.from.is_empty()) {
        let Some((before, label, after)) = split_at_label(metric.from) else {
            if let Some(value) = at_path(document, metric.from).and_then(number) {
                emit_labelled(emit, metric, labels, value);
            }
            continue;
        };
        let all = if before.is_empty() { Some(document) } else { at_path(document, before) };
        for (key, inner) in all.and_then(Value::as_object).into_iter().flatten() {
            let leaf = if after.is_empty() { Some(inner) } else { at_path(inner, after) };
            if let Some(value) = leaf.and_then(number) {
                let mut named = labels.to_vec();
                named.push((label, key));
                emit_labelled(emit, metric, &named, value);
            }
        }
    }
}

/// `a.b.{label}.c` as `a.b`, `label`, `c`.
fn split_at_label(path: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = path.split_once('{')?;
    let (label, after) = rest.split_once('}')?;
    Some((before.trim_end_matches('.'), label, after.trim_start_matches('.')))
}

/// The value at a dotted path of a JSON document. A key that has a dot in itself is tried before its parts.
pub fn at_path<'v>(document: &'v Value, path: &str) -> Option<&'v Value> {
    if path == "." {
        return Some(document);
    }
    if let Some(value) = step(document, path) {
        return Some(value);
    }
    path.match_indices('.').find_map(|(dot, _)| at_path(step(document, &path[..dot])?, &path[dot + 1..]))
}

fn step<'v>(document: &'v Value, part: &str) -> Option<&'v Value> {
    document.get(part).or_else(|| document.as_array()?.get(part.parse::<usize>().ok()?))
}

/// A JSON number, flag (0 or 1), or text that is a number.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Value::String(text) => text_number(text),
        _ => None,
    }
}

/// A number as servers write it: `12`, `1.5e3`, `t`/`f`, `true`/`false`, `NaN`, `Infinity`.
pub fn text_number(text: &str) -> Option<f64> {
    match text.trim() {
        "t" | "true" => Some(1.0),
        "f" | "false" => Some(0.0),
        plain => plain.parse().ok(),
    }
}
