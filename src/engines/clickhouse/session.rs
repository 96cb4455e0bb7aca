//! A session with ClickHouse: one kept HTTP connection, a query a request, and errors in the server's words.

pub mod keeper;
pub mod statement;
pub mod tally;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hyper::Method;
use serde_json::Value;

use crate::engines::clickhouse::monitor::keeper::{ASK, NAMED};
use crate::engines::clickhouse::monitor::log;
use crate::engines::clickhouse::session::tally::{SINCE, Tally, UNTIL};
use crate::engines::contract::{
    ANSWER_BYTES_MAX, Access, Answer, Ask, Facts, Row, SESSION_NAME, STATEMENT_CHARS_MAX, Session, Table, Task, Version,
};
use crate::model::fault::Fault;
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::secret::Secret;
use crate::model::target::Target;
use crate::sys::http::{Client, Response, is_success};
use crate::sys::net::Address;
use crate::sys::reach;

/// What the rows ask for beyond the first tables: all that this build looks for.
pub fn known() -> impl Iterator<Item = &'static str> {
    COLUMNS.iter().chain(TABLES).copied().chain([NAMED])
}

/// Columns of system tables that not every version has, or not every user sees; rows may need them, or their tables.
const COLUMNS: &[&str] = &[
    "system.asynchronous_inserts.total_bytes",
    "system.backups.status",
    "system.detached_parts.reason",
    "system.dictionaries.bytes_allocated",
    "system.dictionaries.database",
    "system.dimensional_metrics.labels",
    "system.disks.free_space",
    "system.distribution_queue.data_files",
    "system.errors.value",
    "system.histogram_metrics.labels",
    "system.mutations.is_done",
    "system.mutations.latest_fail_reason",
    "system.query_log.normalized_query_hash",
    "system.query_log.query_duration_ms",
    "system.query_log.query_kind",
];

/// Their tables.
const TABLES: &[&str] = &[
    "system.asynchronous_inserts",
    "system.backups",
    "system.detached_parts",
    "system.dictionaries",
    "system.dimensional_metrics",
    "system.disks",
    "system.distribution_queue",
    "system.errors",
    "system.histogram_metrics",
    "system.mutations",
    "system.query_log",
];

/// The setting with which a server tells of what it counts also while that is zero.
pub const SHOWS_ZERO: &str = "system_events_show_zero_values";

/// After how many probes it is looked anew which tables there are: a log's table is made with its first entry.
const LEARN_EVERY: u32 = 20;

/// An open session.
pub struct ClickHouseSession {
    client: Client,
    server: String,
    user: String,
    password: Option<Secret>,
    database: String,
    deadline: Duration,
    /// Whether the user's profile lets a query bring settings; a profile with `readonly = 1` does not.
    may_set: bool,
    facts: Facts,
    /// The server's clock at the last probe, in seconds since 1970.
    now: u64,
    probes: u32,
    /// What was counted in logs, by row.
    tallies: BTreeMap<&'static str, Tally>,
    is_broken: bool,
    /// The Keeper that the target names.
    keeper: Option<Address>,
}

/// Whether a target's URL asks for TLS: by `https`, or `secure=true` as ClickHouse's own clients write it.
pub fn has_tls(target: &Target) -> bool {
    let secure = target.url.parameters.get("secure").is_some_and(|value| value == "true" || value == "1");
    target.url.scheme == "https" || secure
}

/// Connects, and learns what the server is and what its user may.
///
/// # Errors
/// `clickhouse-01` to `clickhouse-04`, and those of the network, TLS and HTTP.
pub async fn connect(target: &Target, access: &Access) -> Result<Box<dyn Session>, Fault> {
    let base = reach::http_base(target, 8123, has_tls(target), SESSION_NAME, ANSWER_BYTES_MAX);
    let mut session = ClickHouseSession {
        server: base.address.text(),
        client: Client::new(base),
        user: target.url.user.clone(),
        password: access.password.clone(),
        database: target.url.path.clone(),
        deadline: target.deadline,
        may_set: true,
        facts: Facts::default(),
        now: 0,
        probes: 0,
        tallies: BTreeMap::new(),
        is_broken: false,
        keeper: keeper::address(&target.options.keeper),
    };
    session.learn(target.deadline).await?;
    Ok(Box::new(session))
}

/// Why a query brought nothing.
enum Failure {
    /// The server's error: its code and words.
    Said(u32, String),
    /// Something answered, but no ClickHouse.
    Strange(String),
    Lost(Fault),
}

impl ClickHouseSession {
    async fn learn(&mut self, budget: Duration) -> Result<(), Fault> {
        let asked = self.greet(budget).await;
        let greeted = match asked {
            Err(Failure::Said(READONLY | SETTING_CONSTRAINT_VIOLATION, _)) => {
                self.may_set = false;
                self.greet(budget).await
            }
            other => other,
        };
        greeted.map_err(|failure| self.fault(failure))?;
        self.look_around(budget).await.map_err(|failure| self.fault(failure))?;
        self.probes = 1;
        Ok(())
    }

    /// Asks the server for its version and its clock.
    async fn greet(&mut self, budget: Duration) -> Result<(), Failure> {
        let table = self.table("SELECT version() AS version, toUInt32(now()) AS now", budget).await?;
        let mut cells = table.rows.into_iter().next().unwrap_or_default().into_iter();
        let text = cells.next().flatten().unwrap_or_default();
        self.now = cells.next().flatten().and_then(|text| text.parse().ok()).unwrap_or(0);
        if text != self.facts.version_text {
            self.probes = 0; // another server answers now
        }
        self.facts.version = version_of(&text);
        self.facts.version_text = text;
        Ok(())
    }

    /// Learns which tables and columns there are for this user.
    async fn look_around(&mut self, budget: Duration) -> Result<(), Failure> {
        let names = TABLES.iter().map(|table| format!("'{}'", &table["system.".len()..])).collect::<Vec<_>>();
        let listed = format!(
            "SELECT concat('system.', table, '.', name) AS name FROM system.columns \
             WHERE database = 'system' AND table IN ({})",
            names.join(",")
        );
        let listed = self.table(&listed, budget).await?;
        let seen: BTreeSet<&str> = listed.rows.iter().filter_map(|row| row.first()?.as_deref()).collect();
        let has_table = |table: &&&str| {
            seen.range(**table..)
                .next()
                .is_some_and(|column| column.strip_prefix(**table).is_some_and(|rest| rest.starts_with('.')))
        };
        let tables = TABLES.iter().filter(has_table);
        self.facts.capabilities =
            COLUMNS.iter().filter(|column| seen.contains(**column)).chain(tables).copied().collect();
        self.facts.capabilities.extend(self.keeper.as_ref().map(|_| NAMED));
        if self.may_set {
            let known = format!("SELECT name FROM system.settings WHERE name = '{SHOWS_ZERO}'");
            // Whoever may not look there reads without it.
            if self.table(&known, budget).await.is_ok_and(|table| !table.rows.is_empty()) {
                self.facts.capabilities.insert(SHOWS_ZERO);
            }
        }
        Ok(())
    }

    async fn answer(&mut self, row: &Row, budget: Duration) -> Result<Answer, Unknown> {
        let query = match row.ask {
            Ask::Text(text) => text.to_string(),
            Ask::Own(own) => own(&self.facts),
        };
        if let (ASK, Some(keeper)) = (query.as_str(), &self.keeper) {
            return Ok(keeper::read(keeper, budget).await);
        }
        let asked = if query.contains(SINCE) {
            self.logged(row.name, &query, budget).await
        } else {
            self.table(&query, budget).await
        };
        asked.map(Answer::Table).map_err(|failure| {
            self.is_broken |= matches!(failure, Failure::Lost(_));
            unknown(failure)
        })
    }

    /// Asks for what was logged since the row was asked last.
    async fn logged(&mut self, row: &'static str, query: &str, budget: Duration) -> Result<Table, Failure> {
        let (since, until) = self.tallies.entry(row).or_default().span(self.now);
        let query = query.replace(SINCE, &since.to_string()).replace(UNTIL, &until.to_string());
        let table = self.table(&query, budget).await?;
        Ok(self.tallies.entry(row).or_default().add(until, table))
    }

    async fn table(&mut self, query: &str, budget: Duration) -> Result<Table, Failure> {
        let password = self.password.clone().unwrap_or_default();
        let user = if self.user.is_empty() { "default" } else { self.user.as_str() };
        let headers = [("x-clickhouse-user", user), ("x-clickhouse-key", password.expose())];
        let body = format!("{query} FORMAT JSONCompact").into_bytes();
        let path = path(&self.database, self.may_set, budget);
        let was_open = self.client.is_open();
        let mut response = self.client.send(Method::POST, &path, &headers, body.clone()).await;
        if was_open && response.as_ref().is_err_and(|fault| fault.code == CUT) {
            response = self.client.send(Method::POST, &path, &headers, body).await;
        }
        read(&response.map_err(Failure::Lost)?)
    }

    /// The text of a statement by its hash, as the log of today and yesterday has it.
    async fn text(&mut self, id: &str) -> Result<Option<String>, Fault> {
        if id.is_empty() || id.len() > 20 || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Fault::new("clickhouse-05", format!("'{id}' is no id of a statement"))
                .hint("It is a whole number: the label query_hash of the statement's series."));
        }
        if !self.facts.capabilities.contains("system.query_log.query_duration_ms") {
            let what = format!("{} shows no log of queries", self.server);
            return Err(Fault::new("clickhouse-06", what)
                .hint("Is query_log in its configuration, and may the agent's login read system.query_log?"));
        }
        let hash = log::hash(&self.facts);
        let query = format!(
            "SELECT substring(query, 1, {TEXT_CHARS_MAX}) AS text FROM system.query_log \
             WHERE event_date >= today() - 1 AND {hash} = '{id}' LIMIT 1"
        );
        match self.table(&query, self.deadline).await {
            Ok(table) => {
                let text = table.rows.first().and_then(|row| row.first()?.as_deref());
                Ok(text.map(|text| statement::normalised(text, STATEMENT_CHARS_MAX)))
            }
            Err(Failure::Said(code @ 497, said)) => {
                Err(Fault::new("clickhouse-07", "the agent's login may not read the texts of queries")
                    .detail(format!("The server said: {said} (code {code})."))
                    .hint("GRANT SELECT(query) ON system.query_log TO it. Nothing else needs that."))
            }
            Err(failure) => Err(self.fault(failure)),
        }
    }

    fn fault(&self, failure: Failure) -> Fault {
        let server = &self.server;
        let words = |code: u32, said: &str| format!("The server said: {said} (code {code}).");
        match failure {
            Failure::Lost(fault) => fault,
            Failure::Strange(seen) => {
                Fault::new("clickhouse-04", format!("{server} does not answer like ClickHouse: {seen}"))
                    .hint("Is this the port of its HTTP interface (8123, with TLS 8443), not of its native protocol?")
            }
            Failure::Said(code @ (192..=194 | 516), said) => {
                let user = if self.user.is_empty() { "default" } else { self.user.as_str() };
                Fault::new("clickhouse-01", format!("{server} refuses user '{user}'"))
                    .detail(words(code, &said))
                    .hint("Is the password right, and may this user log in from this machine (its networks)?")
                    .of_login(true)
            }
            Failure::Said(code @ (81 | 291), said) if !self.database.is_empty() => {
                Fault::new("clickhouse-02", format!("{server} has no database '{}' for this user", self.database))
                    .detail(words(code, &said))
                    .hint("Leave the database out of the URL: only system tables are read.")
            }
            Failure::Said(code, said) => Fault::new("clickhouse-03", format!("{server} refuses to be read"))
                .detail(words(code, &said))
                .hint("May the user read system tables? GRANT SELECT ON system.* TO it."),
        }
    }
}

impl Session for ClickHouseSession {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn probe(&mut self) -> Task<'_, Result<(), Fault>> {
        Box::pin(async {
            // One second is the least that can be allowed.
            let budget = Duration::from_secs(1);
            let greeted = self.greet(budget).await;
            let looked = match greeted {
                Ok(()) if self.probes.is_multiple_of(LEARN_EVERY) => self.look_around(budget).await,
                other => other,
            };
            self.probes = self.probes.wrapping_add(1);
            looked.map_err(|failure| {
                self.is_broken = true;
                self.fault(failure)
            })
        })
    }

    fn ask<'a>(&'a mut self, row: &'a Row, budget: Duration) -> Task<'a, Result<Answer, Unknown>> {
        Box::pin(self.answer(row, budget))
    }

    fn is_broken(&self) -> bool {
        self.is_broken
    }

    fn statement<'a>(&'a mut self, id: &'a str) -> Task<'a, Result<Option<String>, Fault>> {
        Box::pin(self.text(id))
    }
}

/// How much of a statement's text is read. Comments and literals are taken out of it, so it is more than is shown.
const TEXT_CHARS_MAX: usize = 20_000;

/// The HTTP client's code for an exchange that broke. The server closes a connection that was idle for some seconds; it
/// may do so at the very moment of a request, which is then worth a second try. Nothing that is asked here changes
/// anything.
const CUT: &str = "http-01";

/// Codes of https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
const READONLY: u32 = 164;
const SETTING_CONSTRAINT_VIOLATION: u32 = 452;

/// Where a query goes, with its limits. `readonly=2` forbids writing, and settings before it are still taken.
fn path(database: &str, may_set: bool, budget: Duration) -> String {
    let mut parameters = Vec::new();
    if !database.is_empty() {
        parameters.push(format!("database={}", encoded(database)));
    }
    if may_set {
        let seconds = budget.as_secs() + u64::from(budget.subsec_nanos() > 0);
        parameters.push(format!("log_queries=0&max_threads=1&max_execution_time={}&readonly=2", seconds.max(1)));
    }
    format!("/?{}", parameters.join("&"))
}

/// A text as it may stand in the query part of a URL.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A whole answer as a table, or why it is none. An error can also come after the answer has begun, with status 200.
fn read(response: &Response) -> Result<Table, Failure> {
    let text = response.text();
    if let Some((code, said)) = said(&text) {
        return Err(Failure::Said(code, said));
    }
    let start: String = text.trim().chars().take(80).collect();
    if !is_success(response.status) {
        return Err(Failure::Strange(format!("status {}, '{start}'", response.status)));
    }
    let strange = || Failure::Strange(format!("'{start}'"));
    let document: Value = serde_json::from_str(&text).map_err(|_| strange())?;
    let columns = document["meta"].as_array().ok_or_else(strange)?;
    let columns: Vec<String> = columns.iter().map(|one| one["name"].as_str().unwrap_or("").to_string()).collect();
    let rows = document["data"].as_array().ok_or_else(strange)?;
    let rows: Vec<Vec<_>> = rows.iter().map(|row| row.as_array().into_iter().flatten().map(cell).collect()).collect();
    if rows.iter().any(|row| row.len() != columns.len()) {
        return Err(strange());
    }
    Ok(Table { columns, rows })
}

fn cell(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The code and the words of `Code: 60, e.displayText() = DB::Exception: Table system.x doesn't exist., e.what() = …`
/// and of `Code: 60. DB::Exception: Table system.x does not exist. (UNKNOWN_TABLE) (version 24.8.1)`.
fn said(text: &str) -> Option<(u32, String)> {
    let at = text.find("Code: ").filter(|at| *at == 0 || text.contains("DB::Exception"))?;
    let rest = &text[at + "Code: ".len()..];
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    let code = rest[..digits].parse().ok()?;
    let words = rest.split_once("DB::Exception: ").map_or("", |(_, words)| words);
    let end = [", e.what()", " (version "].iter().filter_map(|end| words.find(end)).min().unwrap_or(words.len());
    Some((code, words[..end].trim().trim_end_matches('.').to_string()))
}

fn unknown(failure: Failure) -> Unknown {
    match failure {
        Failure::Said(code, said) => {
            let kind = match code {
                164 | 192..=194 | 291 | 452 | 497 | 516 => UnknownKind::Privilege,
                46 | 63 => UnknownKind::NotHere,
                16 | 47 | 60 | 81 => UnknownKind::Missing,
                159 | 160 | 209 => UnknownKind::Deadline,
                _ => UnknownKind::Refused,
            };
            Unknown::new(kind, format!("{said} (code {code})"))
        }
        Failure::Strange(seen) => Unknown::new(UnknownKind::Garbled, format!("no answer in JSON: {seen}")),
        Failure::Lost(fault) if fault.code == "http-02" => Unknown::new(UnknownKind::TooLarge, fault.what),
        Failure::Lost(fault) => Unknown::new(UnknownKind::Disconnected, fault.what),
    }
}

fn version_of(text: &str) -> Version {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}
