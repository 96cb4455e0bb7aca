//! A session with Elasticsearch or OpenSearch: one kept HTTP connection, GET only, errors in the server's words.

mod slow_log;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::Method;
use serde_json::{Map, Value};

use tokio::time::timeout;

use crate::engines::contract::{
    ANSWER_BYTES_MAX, Access, Answer, Ask, Busiest, Facts, Row, SESSION_NAME, Session, Table, Take, Task, Version,
};
use crate::engines::elasticsearch::monitor::slow_log::{READING_ASK, STATEMENTS_ASK};
use crate::engines::elasticsearch::monitor::{index_stats, indices};
use crate::engines::elasticsearch::session::slow_log::SlowLogs;
use crate::model::fault::Fault;
use crate::model::filter::Filter;
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::secret::Secret;
use crate::model::target::Target;
use crate::sys::http::{Client, Response, is_success};
use crate::sys::reach;

/// Stands, in a row's path, for every snapshot repository in turn; the answers come as one document, by repository.
const EACH_REPOSITORY: &str = "{repository}";

/// The most repositories that one ask goes through.
const REPOSITORIES_MAX: usize = 20;

/// The flavour that answers a little differently.
pub const OPENSEARCH: &str = "opensearch";

/// Capabilities: what Elasticsearch has in its usual builds beyond the free ones, and data streams.
pub const X_PACK: &str = "x-pack";
pub const STREAMS: &str = "data streams";

/// Capability: the target names the files of the server's slow log.
pub const SLOW_LOG: &str = "slow log";

/// Who a node says it is.
const ROOT: &str = "/?filter_path=cluster_name,cluster_uuid,version.number,version.distribution,version.build_flavor";

/// An open session.
pub struct ElasticsearchSession {
    client: Client,
    server: String,
    /// Before every path: where the server stands behind a proxy's path.
    prefix: String,
    user: String,
    authorization: Option<Secret>,
    cluster_name: String,
    filter: Filter,
    /// The indices that are watched, as they stand in a path.
    watched: String,
    slow_logs: SlowLogs,
    facts: Facts,
    is_broken: bool,
}

/// Whether a target's URL asks for TLS.
pub fn has_tls(target: &Target) -> bool {
    target.url.scheme == "https"
}

/// Connects, and learns what the server is.
///
/// # Errors
/// `elasticsearch-01` to `elasticsearch-04`, and those of the network, TLS and HTTP.
pub async fn connect(target: &Target, access: &Access) -> Result<Box<dyn Session>, Fault> {
    let base = reach::http_base(target, 9200, has_tls(target), SESSION_NAME, ANSWER_BYTES_MAX);
    let path = target.url.path.trim_matches('/');
    let mut session = ElasticsearchSession {
        server: base.address.text(),
        client: Client::new(base),
        prefix: if path.is_empty() { String::new() } else { format!("/{path}") },
        user: target.url.user.clone(),
        authorization: authorization(&target.url.user, access),
        cluster_name: String::new(),
        filter: target.filter.clone(),
        watched: indices::watched(&target.filter),
        slow_logs: SlowLogs::new(&target.options.slow_log),
        facts: Facts::default(),
        is_broken: false,
    };
    session.look().await?;
    Ok(Box::new(session))
}

/// An API key goes before a user; it is taken as the server gives it out, encoded or as `id:key`.
fn authorization(user: &str, access: &Access) -> Option<Secret> {
    if let Some(key) = &access.api_key {
        let key = key.expose();
        let encoded = if key.contains(':') { BASE64.encode(key) } else { key.to_string() };
        return Some(Secret::new(format!("ApiKey {encoded}")));
    }
    let password = access.password.as_ref().map_or("", Secret::expose);
    (!user.is_empty()).then(|| Secret::new(format!("Basic {}", BASE64.encode(format!("{user}:{password}")))))
}

/// Why a request brought nothing.
enum Failure {
    /// The server's status, and the reason it gave.
    Said(u16, String),
    /// Something answered, but not what was asked for.
    Strange(String),
    Lost(Fault),
}

impl ElasticsearchSession {
    /// Asks the node who it is.
    async fn look(&mut self) -> Result<(), Fault> {
        let root = match self.get(ROOT).await {
            Ok(root) => root,
            Err(failure) => {
                self.is_broken = true;
                return Err(self.fault(failure));
            }
        };
        let Some(number) = root["version"]["number"].as_str() else {
            self.is_broken = true;
            return Err(self.fault(Failure::Strange("it names no version".to_string())));
        };
        self.facts.version = version(number);
        self.facts.version_text = number.to_string();
        let distribution = root["version"]["distribution"].as_str().unwrap_or("");
        let is_opensearch = distribution == OPENSEARCH;
        self.facts.flavour = if is_opensearch { OPENSEARCH } else { "" }.to_string();
        let has_x_pack =
            !is_opensearch && root["version"]["build_flavor"].as_str().is_some_and(|flavor| flavor != "oss");
        let capabilities =
            [(X_PACK, has_x_pack), (STREAMS, has_x_pack || is_opensearch), (SLOW_LOG, self.slow_logs.are_named())];
        self.facts.capabilities = capabilities.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect();
        // A node that has not found its cluster yet has no id of it.
        let cluster = root["cluster_uuid"].as_str().filter(|id| *id != "_na_").unwrap_or("");
        self.facts.cluster = cluster.to_string();
        self.cluster_name = root["cluster_name"].as_str().unwrap_or("").to_string();
        Ok(())
    }

    async fn answer(&mut self, row: &Row) -> Result<Answer, Unknown> {
        let path = match row.ask {
            Ask::Text(text) => text.to_string(),
            Ask::Own(own) => own(&self.facts),
        };
        match path.as_str() {
            STATEMENTS_ASK => return self.slow_logs.read().await,
            READING_ASK => return Ok(self.slow_logs.reading()),
            _ => {}
        }
        let path = path.replace(indices::WATCHED, &self.watched);
        let answer = if path.contains(EACH_REPOSITORY) { self.each(&path).await } else { self.get(&path).await };
        let shaped = |document: Value| match row.take {
            Take::Busiest(busiest) => Answer::Table(self.things(row, &busiest, &document)),
            _ => Answer::Json(document),
        };
        answer.map(shaped).map_err(|failure| {
            self.is_broken |= matches!(failure, Failure::Lost(_));
            unknown(failure)
        })
    }

    /// Things of which there may be very many, as a table; without those that are not watched, so that the sum of all
    /// others is that of what is watched.
    fn things(&self, row: &Row, busiest: &Busiest, document: &Value) -> Table {
        let of_shards = busiest.labels == index_stats::LARGEST.labels;
        let read = if of_shards { index_stats::table } else { indices::table };
        let mut table = read(row.metrics, &self.cluster_name, document);
        let index_at = table.columns.iter().position(|column| column == "index");
        let name = |cells: &[Option<String>]| index_at.and_then(|at| cells[at].clone()).unwrap_or_default();
        table.rows.retain(|cells| self.filter.keeps_value("index", &name(cells)));
        table
    }

    async fn each(&mut self, path: &str) -> Result<Value, Failure> {
        let repositories = self.get("/_snapshot?filter_path=*.type").await?;
        let names = repositories.as_object().map(|all| all.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        let mut all = Map::new();
        for name in names.into_iter().take(REPOSITORIES_MAX) {
            let one = self.get(&path.replace(EACH_REPOSITORY, &encoded(&name))).await?;
            all.insert(name, one);
        }
        Ok(Value::Object(all))
    }

    async fn get(&mut self, path: &str) -> Result<Value, Failure> {
        let mut headers = vec![("accept", "application/json")];
        if let Some(authorization) = &self.authorization {
            headers.push(("authorization", authorization.expose()));
        }
        let path = format!("{}{path}", self.prefix);
        let was_open = self.client.is_open();
        let mut response = self.client.send(Method::GET, &path, &headers, Vec::new()).await;
        if was_open && response.as_ref().is_err_and(|fault| fault.code == CUT) {
            response = self.client.send(Method::GET, &path, &headers, Vec::new()).await;
        }
        read(&response.map_err(Failure::Lost)?)
    }

    fn fault(&self, failure: Failure) -> Fault {
        let server = &self.server;
        let detail = |status: u16, said: &str| format!("The server answered with status {status}: {said}.");
        match failure {
            Failure::Lost(fault) => fault,
            Failure::Said(status @ 401, said) => {
                let who = match (&self.authorization, self.user.as_str()) {
                    (None, _) => "requests without a login".to_string(),
                    (Some(secret), _) if secret.expose().starts_with("ApiKey") => "this API key".to_string(),
                    (_, user) => format!("user '{user}'"),
                };
                Fault::new("elasticsearch-01", format!("{server} refuses {who}"))
                    .detail(detail(status, &said))
                    .hint("Is the password or API key right, and neither expired nor of another cluster?")
                    .of_login(true)
            }
            Failure::Said(status @ 403, said) => {
                Fault::new("elasticsearch-02", format!("{server} does not let this login read"))
                    .detail(detail(status, &said))
                    .hint("Give it the cluster privilege monitor, and monitor on all indices.")
            }
            Failure::Said(status, said) => {
                Fault::new("elasticsearch-03", format!("{server} answers with status {status}"))
                    .detail(detail(status, &said))
                    .hint("Is the node still starting, or is there a proxy between that cannot reach it?")
            }
            Failure::Strange(seen) => {
                Fault::new("elasticsearch-04", format!("{server} does not answer like Elasticsearch: {seen}"))
                    .hint("Is this the HTTP port (9200), not the transport port (9300)?")
            }
        }
    }
}

impl Session for ElasticsearchSession {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn probe(&mut self) -> Task<'_, Result<(), Fault>> {
        Box::pin(self.look())
    }

    fn ask<'a>(&'a mut self, row: &'a Row, budget: Duration) -> Task<'a, Result<Answer, Unknown>> {
        // The server has no limit of its own for these. A call given up closes the connection, which ends its task; so a
        // row that waits for a missing master costs itself and not the target.
        Box::pin(async move {
            let late = || Unknown::new(UnknownKind::Deadline, format!("no answer within {} s", budget.as_secs_f64()));
            timeout(budget, self.answer(row)).await.unwrap_or_else(|_| Err(late()))
        })
    }

    fn is_broken(&self) -> bool {
        self.is_broken
    }

    fn statement<'a>(&'a mut self, id: &'a str) -> Task<'a, Result<Option<String>, Fault>> {
        Box::pin(self.slow_logs.text(id))
    }
}

/// The HTTP client's code for an exchange that broke. A connection may be closed, by the server or something between, at
/// the very moment of a request; that is worth a second try.
const CUT: &str = "http-01";

/// A repository's name as it may stand in a path.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn read(response: &Response) -> Result<Value, Failure> {
    let document: Result<Value, _> = serde_json::from_slice(&response.body);
    if !is_success(response.status) {
        return Err(Failure::Said(response.status, reason(document.ok().as_ref(), response)));
    }
    document.map_err(|_| Failure::Strange(format!("'{}'", start(response))))
}

/// `{"error": {"type": "…", "reason": "…"}}`, `{"error": "…"}`, `{"Message": "…"}`, or what a proxy writes.
fn reason(document: Option<&Value>, response: &Response) -> String {
    let error = document.map_or(&Value::Null, |document| &document["error"]);
    let word = |name: &str| document?[name].as_str();
    let words =
        error["reason"].as_str().or_else(|| error.as_str()).or_else(|| word("Message")).or_else(|| word("message"));
    let words = words.map(ToString::to_string);
    let words = words.unwrap_or_else(|| start(response));
    words.trim_end_matches('.').chars().take(300).collect()
}

fn start(response: &Response) -> String {
    response.text().trim().chars().take(80).collect()
}

fn unknown(failure: Failure) -> Unknown {
    match failure {
        Failure::Said(status, said) => {
            let kind = match status {
                // A managed service does not let everybody through to everything, whatever their rights.
                401 | 403 if said.contains("is not allowed") => UnknownKind::NotHere,
                401 | 403 => UnknownKind::Privilege,
                404 | 405 | 410 => UnknownKind::NotHere,
                400 if said.contains("serverless") => UnknownKind::NotHere,
                400 if said.contains("no handler found") || said.contains("unrecognized") => UnknownKind::NotHere,
                408 | 504 => UnknownKind::Deadline,
                _ => UnknownKind::Refused,
            };
            Unknown::new(kind, format!("{said} (status {status})"))
        }
        Failure::Strange(seen) => Unknown::new(UnknownKind::Garbled, format!("no answer in JSON: {seen}")),
        Failure::Lost(fault) if fault.code == "http-02" => Unknown::new(UnknownKind::TooLarge, fault.what),
        Failure::Lost(fault) => Unknown::new(UnknownKind::Disconnected, fault.what),
    }
}

fn version(text: &str) -> Version {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// What of the server's interface is read by GET, and changes nothing.
const READS: &[&str] = &[
    "_aliases",
    "_cat",
    "_cluster",
    "_count",
    "_data_stream",
    "_health_report",
    "_ilm",
    "_mapping",
    "_nodes",
    "_search",
    "_segments",
    "_settings",
    "_slm",
    "_snapshot",
    "_stats",
    "_tasks",
    "_watcher",
];

/// Whether a path of the user's own may be asked for.
///
/// # Errors
/// `elasticsearch-40`: it is none, or not known to be only for reading.
pub fn may_ask(ask: &str) -> Result<(), Fault> {
    let wrong = |what: &str| {
        Fault::new("elasticsearch-40", format!("a query is a path to read, and '{ask}' {what}"))
            .hint(format!("Known are those with {} in them.", READS.join(", ")))
    };
    if !ask.starts_with('/') || ask.contains("..") || ask.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(wrong("is not a path"));
    }
    let path = ask.split('?').next().unwrap_or("");
    let calls: Vec<&str> = path.split('/').filter(|part| part.starts_with('_') && *part != "_all").collect();
    match calls.first() {
        Some(call) if READS.contains(call) => Ok(()),
        Some(_) | None => Err(wrong("is none of those")),
    }
}
