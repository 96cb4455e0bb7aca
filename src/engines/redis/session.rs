//! A session: connects, logs in, probes, asks. One connection, one command at a time, only commands that read.

pub mod keys;

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, RedisConnectionInfo, RedisError, ServerErrorKind};
use serde_json::{Value as Json, json};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::engines::contract::{
    ANSWER_BYTES_MAX, Access, Answer, Ask, Engine, Facts, Row, SESSION_NAME, STATEMENT_CHARS_MAX, Session, Task,
    Version,
};
use crate::engines::redis::monitor::info::Info;
use crate::engines::redis::monitor::slowlog::without_arguments;
use crate::engines::redis::monitor::{COMMANDS_MEASURED, has_sections};
use crate::engines::redis::session::keys::Keys;
use crate::model::fault::Fault;
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::target::Target;
use crate::sys::net::{Address, Meter, dial};
use crate::sys::task::{self, Handle};
use crate::sys::tls::{Trust, Wish, secure};

/// In a command: ask once for each master that this Sentinel watches, its name in this place.
const EACH_MASTER: &str = "{master}";

/// In a command: ask once for each stream that is watched, its name in this place.
const EACH_STREAM: &str = "{stream}";

/// The same for each key that is named.
const EACH_KEY: &str = "{key}";

/// The most masters of one Sentinel that are asked one by one.
const MASTERS_MAX: usize = 64;

/// A connection that has logged in.
pub struct Open {
    connection: MultiplexedConnection,
    meter: Meter,
    facts: Facts,
    /// The masters that a Sentinel watches: name and address.
    masters: Vec<(String, String)>,
    /// What INFO said to the last probe, by the questions that it answers. Each is answered once.
    told: Vec<(&'static str, String)>,
    /// Keys and streams that are looked for, and the database that the connection is in.
    keys: Keys,
    database: u32,
    /// For faults: where and as whom.
    door: String,
    user: String,
    deadline: Duration,
    broken: bool,
    /// Ends the connection's task when dropped.
    _driver: Handle<()>,
}

/// Opens a session.
///
/// # Errors
/// `redis-01`: the target is remote, its connection proves nothing, and it is not `insecure`. Otherwise what the
/// network, TLS or the server said.
pub async fn connect(engine: &dyn Engine, target: &Target, access: &Access) -> Result<Box<dyn Session>, Fault> {
    Ok(Box::new(open(engine, target, access).await?))
}

/// Connects, logs in, and learns what the server is.
///
/// # Errors
/// As `connect`.
pub async fn open(engine: &dyn Engine, target: &Target, access: &Access) -> Result<Open, Fault> {
    let address = address(engine, target);
    let door = address.text();
    if let Err(lacks) = engine.verifies(target)
        && !target.is_local()
        && !target.insecure
    {
        return Err(Fault::new("redis-01", format!("no session with {door}: {lacks}"))
            .detail("A login to a remote server goes only to one that proves who it is.")
            .hint("Use rediss:// (and ca_file for an authority of your own), or say insecure = true."));
    }
    let mut stream = dial(&address, ANSWER_BYTES_MAX).await?;
    if target.url.scheme == "rediss" {
        stream = secure(stream, &wish(target)).await?;
    }
    let meter = stream.meter();
    // Nothing is sent yet: the login below is ours, for its refusals are worth the server's own words. No time-out of
    // the client's: a question that is given up stays in the server's queue, and the next one would join it there.
    let nobody = RedisConnectionInfo::default().set_skip_set_lib_name();
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let user = target.url.user.clone();
    let opened = MultiplexedConnection::new_with_config(&nobody, stream, config).await;
    let (connection, driver) = opened.map_err(|error| fault(&door, &user, &error))?;
    let driver = task::spawn("redis connection", driver);
    let mut open = Open {
        connection,
        meter,
        facts: Facts::default(),
        masters: Vec::new(),
        told: Vec::new(),
        keys: Keys::of(&target.options),
        database: 0,
        door,
        user,
        deadline: target.deadline,
        broken: false,
        _driver: driver,
    };
    if let Err(error) = open.log_in(access).await {
        // A server that is full says so and closes, perhaps before it has heard us: then its words are lost to the driver.
        let unasked = if error.is_io_error() && target.url.scheme != "rediss" { unasked(&address).await } else { None };
        return Err(fault_of(&open.door, &open.user, &unasked.unwrap_or_else(|| words(&error))));
    }
    open.learn().await?;
    Ok(open)
}

fn address(engine: &dyn Engine, target: &Target) -> Address {
    let port = if target.url.port == 0 { engine.card().default_port } else { target.url.port };
    match target.url.host.as_str() {
        "" => Address::Tcp { host: "localhost".to_string(), port },
        socket if socket.starts_with('/') => Address::Unix(PathBuf::from(socket)),
        host => Address::Tcp { host: host.to_string(), port },
    }
}

fn wish(target: &Target) -> Wish {
    let trust = match &target.ca_file {
        _ if target.insecure => Trust::Anybody,
        Some(file) => Trust::File(file.clone()),
        None => Trust::System,
    };
    Wish { server_name: target.url.host.clone(), trust, ..Wish::default() }
}

impl Session for Open {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn probe(&mut self) -> Task<'_, Result<(), Fault>> {
        Box::pin(self.learn())
    }

    fn ask<'a>(&'a mut self, row: &'a Row, budget: Duration) -> Task<'a, Result<Answer, Unknown>> {
        let question = match row.ask {
            Ask::Text(text) => Cow::Borrowed(text),
            Ask::Own(own) => Cow::Owned(own(&self.facts)),
        };
        Box::pin(async move {
            if let Some(at) = self.told.iter().position(|(answers, _)| *answers == question) {
                return Ok(Answer::Text(self.told.swap_remove(at).1));
            }
            if question.contains(EACH_MASTER) {
                return self.ask_each_master(&question).await;
            }
            if question.contains(EACH_STREAM) {
                return self.ask_each_stream(budget).await;
            }
            if question.contains(EACH_KEY) {
                return self.ask_each_key(budget).await;
            }
            let value = self.send(&question).await.map_err(|error| self.unknown(&error))?;
            Ok(answer(value))
        })
    }

    fn is_broken(&self) -> bool {
        self.broken
    }

    fn statement<'a>(&'a mut self, id: &'a str) -> Task<'a, Result<Option<String>, Fault>> {
        Box::pin(self.slow_command(id))
    }
}

impl Open {
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Where the server is.
    pub fn door(&self) -> &str {
        &self.door
    }

    /// As whom it was entered; empty without a name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Sends one command, whose words may hold anything.
    ///
    /// # Errors
    /// The server's own line, or why it said nothing; the connection is then of no more use.
    pub async fn say(&mut self, command: &[&str]) -> Result<redis::Value, String> {
        if self.broken {
            return Err("the connection has ended".to_string());
        }
        let mut cmd = Cmd::new();
        cmd.arg(command);
        let deadline = self.deadline;
        match timeout(deadline, self.run(&cmd)).await {
            Ok(answer) => answer.map_err(|error| words(&error)),
            Err(_) => {
                self.broken = true;
                Err(format!("no answer within {deadline:?}"))
            }
        }
    }

    /// With a name: its password. Without one: the password that all users share, the only kind before version 6.
    async fn log_in(&mut self, access: &Access) -> Result<(), RedisError> {
        if let Some(password) = &access.password {
            let mut auth = redis::cmd("AUTH");
            if !self.user.is_empty() {
                auth.arg(&self.user);
            }
            auth.arg(password.expose());
            self.run(&auth).await?;
        }
        let named = self.run(redis::cmd("CLIENT").arg("SETNAME").arg(SESSION_NAME)).await;
        match named {
            // Being nameless costs nothing but comfort.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// INFO proves more than PING, and a server that loads its data or has lost its primary still answers it. It is one
    /// command, and tells what several rows read.
    async fn learn(&mut self) -> Result<(), Fault> {
        let is_whole = has_sections(&self.facts) && self.facts.capabilities.contains("data");
        let line = if is_whole { "INFO default commandstats latencystats" } else { "INFO" };
        self.told.clear();
        let value = self.send(line).await.map_err(|error| fault(&self.door, &self.user, &error))?;
        let text = plain(&value).unwrap_or_default();
        let info = Info::of(&text);
        (self.facts, self.masters) = (facts(&info), masters(&info));
        let second = if is_whole { COMMANDS_MEASURED } else { "INFO sentinel" };
        self.told = vec![(second, text.clone()), ("INFO", text)];
        Ok(())
    }

    /// A command line whose words have no spaces in them.
    async fn send(&mut self, line: &str) -> Result<redis::Value, RedisError> {
        let mut cmd = Cmd::new();
        line.split_whitespace().for_each(|word| {
            cmd.arg(word);
        });
        self.run(&cmd).await
    }

    async fn run(&mut self, cmd: &Cmd) -> Result<redis::Value, RedisError> {
        self.meter.renew();
        let result = self.connection.send_packed_command(cmd).await.and_then(redis::Value::extract_error);
        self.broken |= result.as_ref().is_err_and(|error| error.is_io_error() || error.is_unrecoverable_error());
        result
    }

    /// What each master's answer was: `{name, address, answer}`, or `{name, address, refused}` with the server's words.
    async fn ask_each_master(&mut self, line: &str) -> Result<Answer, Unknown> {
        let mut all = Vec::new();
        for (name, address) in self.masters.clone().into_iter().take(MASTERS_MAX) {
            match self.send(&line.replace(EACH_MASTER, &name)).await {
                Ok(value) => all.push(json!({ "name": name, "address": address, "answer": to_json(value) })),
                Err(error) => {
                    let unknown = self.unknown(&error);
                    if unknown.kind != UnknownKind::Refused {
                        return Err(unknown);
                    }
                    all.push(json!({ "name": name, "address": address, "refused": unknown.reason }));
                }
            }
        }
        Ok(Answer::Json(Json::Array(all)))
    }

    /// A slow command by its number in the slow log, without its arguments.
    async fn slow_command(&mut self, id: &str) -> Result<Option<String>, Fault> {
        let id: i64 = id.parse().map_err(|_| {
            Fault::new("redis-41", format!("'{id}' is no number of a slow command"))
                .hint("It is a whole number: redis_slowlog_last_id, or one of those before it.")
        })?;
        let said = self.say(&["SLOWLOG", "GET", "128"]).await;
        let said = said.map_err(|words| Fault::new("redis-42", format!("no slow log from {}: {words}", self.door)))?;
        let entries = to_json(said);
        let entry = entries.as_array().into_iter().flatten().find(|entry| entry[0] == id);
        let words = entry.and_then(|entry| entry[3].as_array()).map(|words| {
            let words: Vec<String> = words.iter().filter_map(Json::as_str).map(str::to_string).collect();
            without_arguments(&words, STATEMENT_CHARS_MAX)
        });
        Ok(words)
    }

    /// A command whose words may hold anything.
    async fn ask_words(&mut self, words: &[&str]) -> Result<redis::Value, Unknown> {
        let mut cmd = Cmd::new();
        cmd.arg(words);
        self.run(&cmd).await.map_err(|error| self.unknown(&error))
    }

    /// Why a row brought nothing. A managed service forbids what it does not offer.
    fn unknown(&self, error: &RedisError) -> Unknown {
        let mut unknown = unknown(error, self.meter.is_exhausted());
        if self.facts.flavour == ELASTICACHE && unknown.kind == UnknownKind::Privilege {
            unknown.kind = UnknownKind::NotHere;
        }
        unknown
    }
}

/// The flavour of the managed service whose servers say so of themselves.
const ELASTICACHE: &str = "elasticache";

/// Reads what the server said of itself. `data` and `sentinel` tell the two kinds of server apart.
pub fn facts(info: &Info) -> Facts {
    let is_sentinel = info.first("redis_mode|server_mode") == Some("sentinel");
    let is_cluster = info.first("redis_mode|server_mode") == Some("cluster");
    let valkey = info.first("valkey_version");
    let text = valkey.or(info.first("redis_version")).unwrap_or("");
    let role = match info.first("role") {
        _ if is_sentinel => "sentinel",
        Some("slave") => "replica",
        Some("master") => "primary",
        other => other.unwrap_or(""),
    };
    let mut facts = Facts {
        version: version(text),
        version_text: text.to_string(),
        flavour: match valkey {
            _ if info.first("os").is_some_and(|os| os.contains("ElastiCache")) => ELASTICACHE,
            Some(_) => "valkey",
            None => "",
        }
        .to_string(),
        role: role.to_string(),
        ..Facts::default()
    };
    facts.capabilities.insert(if is_sentinel { "sentinel" } else { "data" });
    if is_cluster {
        facts.capabilities.insert("cluster");
    }
    facts
}

fn version(text: &str) -> Version {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

fn masters(info: &Info) -> Vec<(String, String)> {
    let named = info
        .records("master")
        .filter_map(|(_, record)| Some((record.first("name")?.to_string(), record.first("address")?.to_string())));
    named.collect()
}

fn answer(value: redis::Value) -> Answer {
    match plain(&value) {
        Some(text) => Answer::Text(text),
        None => Answer::Json(to_json(value)),
    }
}

/// The text of an answer that is one.
fn plain(value: &redis::Value) -> Option<String> {
    match value {
        redis::Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        redis::Value::SimpleString(text) | redis::Value::VerbatimString { text, .. } => Some(text.clone()),
        _ => None,
    }
}

/// All texts of an answer in their order: a map gives each key and its value.
pub fn texts(value: redis::Value) -> Vec<String> {
    match value {
        redis::Value::Array(all) | redis::Value::Set(all) => all.into_iter().flat_map(texts).collect(),
        redis::Value::Map(pairs) => {
            pairs.into_iter().flat_map(|(key, value)| [texts(key), texts(value)]).flatten().collect()
        }
        other => plain(&other).into_iter().collect(),
    }
}

fn to_json(value: redis::Value) -> Json {
    match value {
        redis::Value::Int(number) => json!(number),
        redis::Value::Double(number) => json!(number),
        redis::Value::Boolean(flag) => json!(flag),
        redis::Value::Array(all) | redis::Value::Set(all) => all.into_iter().map(to_json).collect(),
        redis::Value::Map(pairs) => pairs.into_iter().flat_map(|(key, value)| [to_json(key), to_json(value)]).collect(),
        redis::Value::Okay => json!("OK"),
        other => plain(&other).map_or(Json::Null, Json::String),
    }
}

/// What to tell people about a refusal that ends a login, by the first word of the server's answer.
const REFUSALS: &[(&str, &str, &str)] = &[
    ("WRONGPASS", "redis-02", "Is this the user's password, and is the user on (ACL LIST)?"),
    ("NOAUTH", "redis-03", "The server wants a password: name its file in password_file, and the user in the URL."),
    (
        "NOPERM",
        "redis-04",
        "ACL SETUSER for the agent's user: +info +config|get +slowlog|len +slowlog|get +latency|latest.",
    ),
    ("DENIED", "redis-05", "In protected mode a server without a password answers to its own machine only."),
    (
        "ERR max number of clients",
        "redis-06",
        "Who holds the connections (CLIENT LIST)? Raise maxclients, or set timeout.",
    ),
];

/// The first words of a server that wants a login, or refuses the one it was given; the third is older than users.
const LOGIN_REFUSED: [&str; 4] = ["WRONGPASS", "NOAUTH", "ERR invalid password", "NOPERM"];

/// Why the server gives no session, in its own words.
fn fault(door: &str, user: &str, error: &RedisError) -> Fault {
    fault_of(door, user, &words(error))
}

fn fault_of(door: &str, user: &str, words: &str) -> Fault {
    let whom = if user.is_empty() { String::new() } else { format!(" as '{user}'") };
    let known = REFUSALS.iter().find(|(first, ..)| words.starts_with(first));
    let (code, hint) =
        known.map_or(("redis-07", "Is it Redis that listens there? Its log may say more."), |r| (r.1, r.2));
    let of_login = LOGIN_REFUSED.iter().any(|first| words.starts_with(first));
    Fault::new(code, format!("no session with {door}{whom}: {words}")).hint(hint).of_login(of_login)
}

/// The error that a server says to whoever connects, without being asked.
async fn unasked(address: &Address) -> Option<String> {
    let mut stream = dial(address, ANSWER_BYTES_MAX).await.ok()?;
    let mut said = [0; 256];
    let count = timeout(GREETING, stream.read(&mut said)).await.ok()?.ok()?;
    let text = String::from_utf8_lossy(&said[..count]);
    text.strip_prefix('-').map(|words| words.trim_end().to_string())
}

/// How long a server is waited for that may have something to say.
const GREETING: Duration = Duration::from_millis(500);

/// The server's own line, or the driver's words where the server said nothing.
fn words(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        (Some(code), None) => code.to_string(),
        _ => error.to_string(),
    }
}

/// What servers say of a command that was renamed away, and managed services of one that they lack.
fn is_not_offered(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    let said = ["err unknown", "not available", "not supported", "not allowed", "is disabled"];
    words.starts_with("err") && said.iter().any(|said| words.contains(said))
}

/// Why a row brought nothing.
fn unknown(error: &RedisError, too_large: bool) -> Unknown {
    if too_large {
        return Unknown::new(UnknownKind::TooLarge, "the answer is larger than allowed");
    }
    let words = words(error);
    let kind = match error.kind() {
        ErrorKind::Server(ServerErrorKind::NoPerm) => UnknownKind::Privilege,
        _ if is_not_offered(&words) => UnknownKind::NotHere,
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => UnknownKind::Garbled,
        ErrorKind::Io => UnknownKind::Disconnected,
        _ => UnknownKind::Refused,
    };
    Unknown::new(kind, words)
}

/// Commands that read, and whose answer does not grow with the data. A container's second word counts as well.
const READS: &[&str] = &[
    "BITCOUNT",
    "CLIENT LIST",
    "CLUSTER COUNTKEYSINSLOT",
    "CLUSTER INFO",
    "DBSIZE",
    "EXISTS",
    "EXPIRETIME",
    "GET",
    "GETBIT",
    "HEXISTS",
    "HGET",
    "HLEN",
    "HMGET",
    "HSTRLEN",
    "INFO",
    "LASTSAVE",
    "LINDEX",
    "LLEN",
    "MEMORY STATS",
    "MEMORY USAGE",
    "MGET",
    "OBJECT FREQ",
    "OBJECT IDLETIME",
    "PFCOUNT",
    "PTTL",
    "SCARD",
    "SISMEMBER",
    "SLOWLOG LEN",
    "STRLEN",
    "TTL",
    "XINFO GROUPS",
    "XINFO STREAM",
    "XLEN",
    "XPENDING",
    "ZCARD",
    "ZCOUNT",
    "ZLEXCOUNT",
    "ZRANK",
    "ZSCORE",
];

/// Whether a command of the user's own may be sent: it is one of those that only read.
///
/// # Errors
/// `redis-40`: it is another.
pub fn may_ask(ask: &str) -> Result<(), Fault> {
    let words: Vec<String> = ask.split_whitespace().take(2).map(str::to_ascii_uppercase).collect();
    if READS.iter().any(|known| *known == words.join(" ") || words.first().is_some_and(|first| first == known)) {
        return Ok(());
    }
    let command = words.first().map_or("", String::as_str);
    Err(Fault::new("redis-40", format!("a query is a command that reads, and this one is '{command}'"))
        .hint(format!("Known are {}.", READS.join(", "))))
}
