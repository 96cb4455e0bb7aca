//! A session with a MongoDB server: the driver, led through a relay of our own, and errors in the server's words.

pub mod asked;
mod hello;
pub mod nesting;
pub mod seed_list;

use std::time::Duration;

use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{CommandError, Error, ErrorKind};
use mongodb::options::{AuthMechanism, ClientOptions, Credential, ServerAddress, ServerMonitoringMode};
use serde_json::{Map, Value, json};

use crate::engines::contract::{
    ANSWER_BYTES_MAX, Access, Answer, Ask, Busiest, Facts, Row, SESSION_NAME, STATEMENT_CHARS_MAX, Session, Table,
    Task, Version,
};
use crate::engines::mongodb::monitor::shapes::{Shapes, without_literals};
use crate::engines::mongodb::monitor::things;
use crate::model::fault::Fault;
use crate::model::filter::Filter;
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::target::Target;
use crate::sys::net::Address;
use crate::sys::reach;
use crate::sys::relay::{Framing, Relay, Road};

/// One for commands, one for the driver's own checks, and one more while either is being replaced.
const CONNECTIONS_MAX: usize = 3;

/// How often the driver looks whether its server is still there. Each cycle proves that anyway.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// The driver's own time-outs stay out of the way: a cycle has its deadline, and a socket that hangs is kept rather than
/// replaced by the next one. What cannot be reached the relay tells at once.
const PATIENCE: Duration = Duration::from_secs(600);

/// Stands, in a row's ask, for every database in turn; the answers come as one document, by database.
const EACH_DATABASE: &str = "{database}";

/// The same for every collection of every database; the answers come as a list.
const EACH_COLLECTION: &str = "{collection}";

/// Stands for the name under which the members of its set know the server.
const OWN_NAME: &str = "{own_name}";

/// Stand for the time of the last reading, and for now, by the server's clock, in milliseconds.
const SINCE: &str = "{since}";
const UNTIL: &str = "{until}";

/// What the server may spend on looking for one text in one database.
const PROFILE_PATIENCE: Duration = Duration::from_secs(1);

/// The most databases that one ask goes through.
const DATABASES_MAX: usize = 100;

/// The most collections that one ask goes through.
const COLLECTIONS_MAX: usize = 200;

/// An open session.
pub struct MongoSession {
    /// Declared before the relay, hence dropped before it: no driver outlives its relay.
    client: Client,
    relay: Relay,
    server: String,
    facts: Facts,
    is_broken: bool,
    is_of_list: bool,
    /// Databases and collections that are left out are not asked either.
    filter: Filter,
    /// The server's clock at the last hello, in milliseconds, and its own name.
    clock_ms: i64,
    own_name: String,
    /// What the profilers have shown, and up to when they were read.
    shapes: Shapes,
    shapes_until_ms: i64,
}

/// Whether a target's URL asks for TLS. A file of authorities is such a wish too, and so is a seed list that does not
/// say otherwise.
pub fn has_tls(target: &Target) -> bool {
    let says = |wanted: &str| {
        let all = ["tls", "ssl"].map(|name| target.url.parameters.get(name));
        all.into_iter().flatten().any(|value| value == wanted)
    };
    says("true") || target.ca_file.is_some() || seed_list::is_one(&target.url) && !says("false")
}

/// Connects, authenticates, and learns what the server is. Of a seed list, one member.
///
/// # Errors
/// `mongodb-01` to `mongodb-13`, and those of names, the network and TLS.
pub async fn connect(target: &Target, access: &Access) -> Result<Box<dyn Session>, Fault> {
    if !seed_list::is_one(&target.url) {
        return Ok(Box::new(open(target, access, reach::address(&target.url, 27017)).await?));
    }
    let (member, address) = seed_list::member(target).await?;
    let mut session = open(&member, access, address).await?;
    session.is_of_list = true;
    session.facts.capabilities.insert(OF_A_LIST);
    Ok(Box::new(session))
}

/// What a session of a seed list's member can tell beside all else: which one it is.
pub const OF_A_LIST: &str = "a seed list";

async fn open(target: &Target, access: &Access, address: Address) -> Result<MongoSession, Fault> {
    let server = reach::address(&target.url, 27017).text();
    let relay = Relay::open(Road {
        address,
        tls: has_tls(target).then(|| reach::wish(target)),
        answer_bytes_max: ANSWER_BYTES_MAX,
        framing: Framing::LengthFirst,
        inspect: nesting::check_message,
        connections_max: CONNECTIONS_MAX,
        connect: target.deadline,
    })?;
    let options = options(target, access, &relay)?;
    let client = Client::with_options(options).map_err(|error| connect_fault(&server, target, &error))?;
    let mut session = MongoSession {
        client,
        relay,
        server,
        facts: Facts::default(),
        is_broken: false,
        is_of_list: false,
        filter: target.filter.clone(),
        clock_ms: 0,
        own_name: String::new(),
        shapes: Shapes::default(),
        shapes_until_ms: 0,
    };
    let built = session.first_answer(target).await?;
    let version_text = built.get_str("version").unwrap_or_default().to_string();
    session.facts = Facts {
        version: version(&version_text),
        version_text,
        flavour: flavour(&built).to_string(),
        ..Facts::default()
    };
    session.look().await?;
    session.shapes_until_ms = session.clock_ms;
    Ok(session)
}

fn options(target: &Target, access: &Access, relay: &Relay) -> Result<ClientOptions, Fault> {
    let mut options = ClientOptions::builder()
        .hosts(vec![ServerAddress::Unix { path: relay.path().to_path_buf() }])
        .app_name(SESSION_NAME.to_string())
        .direct_connection(true)
        .max_pool_size(1)
        .server_monitoring_mode(ServerMonitoringMode::Poll)
        .heartbeat_freq(HEARTBEAT)
        .connect_timeout(PATIENCE)
        .server_selection_timeout(PATIENCE)
        .retry_reads(false)
        .retry_writes(false)
        .build();
    options.credential = credential(target, access)?;
    Ok(options)
}

/// SCRAM-SHA-256 unless the URL says otherwise: what the server offers does not count, so nobody between can choose
/// something weaker.
fn credential(target: &Target, access: &Access) -> Result<Option<Credential>, Fault> {
    let url = &target.url;
    if url.user.is_empty() {
        return Ok(None);
    }
    let parameter = |name: &str| url.parameters.get(name).map(String::as_str);
    let mechanism = match parameter("authMechanism").unwrap_or("SCRAM-SHA-256") {
        "SCRAM-SHA-256" => AuthMechanism::ScramSha256,
        "SCRAM-SHA-1" => AuthMechanism::ScramSha1,
        "PLAIN" if has_tls(target) => AuthMechanism::Plain,
        other => {
            return Err(Fault::new("mongodb-01", format!("authMechanism is '{other}'"))
                .hint("Known are SCRAM-SHA-256, SCRAM-SHA-1 and, with tls=true, PLAIN."));
        }
    };
    let path = Some(url.path.as_str()).filter(|path| !path.is_empty());
    let usual = if mechanism == AuthMechanism::Plain { "$external" } else { path.unwrap_or("admin") };
    let source = parameter("authSource").unwrap_or(usual).to_string();
    let password = access.password.as_ref().map(|password| password.expose().to_string()).unwrap_or_default();
    let credential =
        Credential::builder().username(url.user.clone()).password(password).source(source).mechanism(mechanism);
    Ok(Some(credential.build()))
}

impl MongoSession {
    /// The first command of a session: connects and authenticates. What the relay has to say comes first, for to the
    /// driver a refused certificate is but a closed connection, and it would go on trying.
    async fn first_answer(&self, target: &Target) -> Result<Document, Fault> {
        let database = self.client.database("admin");
        tokio::select! {
            answer = database.run_command(doc! { "buildInfo": 1 }) => {
                answer.map_err(|error| self.relay.fault().unwrap_or_else(|| connect_fault(&self.server, target, &error)))
            }
            fault = self.relay.failed() => Err(fault),
        }
    }

    /// Says hello, and learns the role.
    async fn look(&mut self) -> Result<(), Fault> {
        let hello = match self.hello().await {
            Ok(hello) => hello,
            Err(fault) => {
                self.is_broken = true;
                return Err(fault);
            }
        };
        self.facts.role = role(&hello).to_string();
        self.facts.capabilities.clear();
        self.facts.capabilities.extend(Some(OF_A_LIST).filter(|_| self.is_of_list));
        if hello.contains_key("setName") {
            self.facts.capabilities.insert("a replica set");
        }
        self.facts.capabilities.insert(if self.facts.role == "mongos" { "mongos" } else { "data of its own" });
        self.own_name = hello.get_str("me").unwrap_or_default().to_string();
        self.clock_ms = hello.get_datetime("localTime").map_or(0, |moment| moment.timestamp_millis());
        Ok(())
    }

    /// A connection that something cut while nobody used it is no sign of a server that is down: on a broken one hello
    /// is said once more, on a new one.
    async fn hello(&self) -> Result<Document, Fault> {
        let database = self.client.database("admin");
        match database.run_command(doc! { "hello": 1 }).await {
            Ok(hello) => return Ok(hello),
            Err(error) if is_cut(&error) => self.relay.forget(),
            Err(error) => return Err(self.relay.fault().unwrap_or_else(|| probe_fault(&self.server, &error))),
        }
        tokio::select! {
            answer = database.run_command(doc! { "hello": 1 }) => {
                answer.map_err(|error| self.relay.fault().unwrap_or_else(|| probe_fault(&self.server, &error)))
            }
            fault = self.unreachable() => Err(fault),
        }
    }

    /// Waits for a reason why no new connection can be made; old ones that end do not count.
    async fn unreachable(&self) -> Fault {
        loop {
            let fault = self.relay.failed().await;
            if fault.code != CUT {
                return fault;
            }
            self.relay.forget();
        }
    }

    async fn answer(&mut self, row: &Row, budget: Duration) -> Result<Answer, Unknown> {
        let text = match row.ask {
            Ask::Text(text) => text.to_string(),
            Ask::Own(own) => own(&self.facts),
        };
        let text = text.replace(OWN_NAME, &escaped(&self.own_name));
        if let Some(busiest) = things::busiest(row) {
            return self.many(row, busiest, &text, budget).await.map(Answer::Table);
        }
        if !text.contains(EACH_DATABASE) {
            return self.run(&text, budget).await.map(Answer::Json);
        }
        let mut all = Map::new();
        for name in self.databases(budget).await? {
            let one = self.run(&text.replace(EACH_DATABASE, &escaped(&name)), budget).await?;
            all.insert(name, one);
        }
        Ok(Answer::Json(Value::Object(all)))
    }

    /// Reads many things of one kind.
    async fn many(&mut self, row: &Row, busiest: &Busiest, text: &str, budget: Duration) -> Result<Table, Unknown> {
        if text.contains(SINCE) {
            self.read_profilers(text, budget).await?;
            return Ok(things::of(row, busiest, &self.shapes.things()));
        }
        if text.contains(EACH_COLLECTION) {
            let answers = self.ask_each_collection(text, budget).await?;
            return Ok(things::table(row, busiest, &answers));
        }
        Ok(things::table(row, busiest, &self.run(text, budget).await?))
    }

    /// The databases that are watched.
    async fn databases(&mut self, budget: Duration) -> Result<Vec<String>, Unknown> {
        let names = self.run(r#"{"listDatabases": 1, "nameOnly": true}"#, budget).await?;
        let names = names["databases"].as_array().into_iter().flatten().filter_map(|one| one["name"].as_str());
        let watched = names.filter(|name| self.filter.keeps_value("database", name));
        Ok(watched.take(DATABASES_MAX).map(str::to_string).collect())
    }

    /// Asks of each collection that is not the server's own. One that is gone meanwhile costs nobody else anything.
    async fn ask_each_collection(&mut self, text: &str, budget: Duration) -> Result<Value, Unknown> {
        let mut all = Vec::new();
        for database in self.databases(budget).await? {
            let ask = text.replace(EACH_DATABASE, &escaped(&database));
            for collection in self.collections(&database, budget).await? {
                if all.len() == COLLECTIONS_MAX {
                    return Ok(Value::Array(all));
                }
                match self.run(&ask.replace(EACH_COLLECTION, &escaped(&collection)), budget).await {
                    Ok(answer) => {
                        all.push(json!({ "database": database, "collection": collection, "answer": answer }));
                    }
                    Err(unknown) if matches!(unknown.kind, UnknownKind::Missing | UnknownKind::Refused) => {}
                    Err(unknown) => return Err(unknown),
                }
            }
        }
        Ok(Value::Array(all))
    }

    /// The collections of a database that are watched; views have no figures of their own.
    async fn collections(&mut self, database: &str, budget: Duration) -> Result<Vec<String>, Unknown> {
        let ask = format!(
            r#"{{"listCollections": 1, "$db": "{}", "nameOnly": true, "authorizedCollections": true,
                "filter": {{"type": "collection"}}, "cursor": {{"batchSize": {COLLECTIONS_MAX}}}}}"#,
            escaped(database)
        );
        let answer = self.run(&ask, budget).await?;
        let all =
            answer["cursor"]["firstBatch"].as_array().into_iter().flatten().filter_map(|one| one["name"].as_str());
        let watched = all.filter(|name| !things::is_own(database, name) && self.filter.keeps_value("collection", name));
        Ok(watched.map(str::to_string).collect())
    }

    /// Adds to the shapes what the profilers kept since they were read last: all of it, or nothing.
    async fn read_profilers(&mut self, text: &str, budget: Duration) -> Result<(), Unknown> {
        let (since_ms, until_ms) = (self.shapes_until_ms, self.clock_ms);
        if until_ms <= since_ms {
            return Ok(());
        }
        let ask = text.replace(SINCE, &since_ms.to_string()).replace(UNTIL, &until_ms.to_string());
        let mut all = Vec::new();
        for name in self.databases(budget).await?.iter().filter(|name| !things::is_own(name, "")) {
            all.push(self.run(&ask.replace(EACH_DATABASE, &escaped(name)), budget).await?);
        }
        self.shapes.begin();
        all.iter().for_each(|answer| self.shapes.add(answer));
        self.shapes_until_ms = until_ms;
        Ok(())
    }

    /// The newest command of a shape that the profiler of any database has, without its literals.
    async fn profiled(&mut self, id: &str) -> Result<Option<String>, Fault> {
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Fault::new("mongodb-41", format!("'{id}' is no hash of a query's shape"))
                .hint("It is written in hexadecimal digits: the label query_hash of the shape's series."));
        }
        let server = self.server.clone();
        let refused =
            |unknown: Unknown| Fault::new("mongodb-42", format!("no profile from {server}: {}", unknown.reason));
        for database in self.databases(PROFILE_PATIENCE).await.map_err(&refused)? {
            let ask = format!(
                r#"{{"find": "system.profile", "$db": "{}", "filter": {{"$or": [{{"queryHash": "{id}"}},
                    {{"planCacheShapeHash": "{id}"}}]}}, "sort": {{"$natural": -1}}, "limit": 1,
                    "projection": {{"command": 1, "op": 1}}}}"#,
                escaped(&database)
            );
            let answer = self.run(&ask, PROFILE_PATIENCE).await.map_err(&refused)?;
            let first = &answer["cursor"]["firstBatch"][0]["command"];
            if first.is_object() {
                return Ok(Some(without_literals(first, STATEMENT_CHARS_MAX)));
            }
        }
        Ok(None)
    }

    /// Runs one command, written as JSON; `$db` names its database.
    async fn run(&mut self, text: &str, budget: Duration) -> Result<Value, Unknown> {
        let mut command: Document = serde_json::from_str(text)
            .map_err(|error| Unknown::new(UnknownKind::Garbled, format!("the command is not JSON: {error}")))?;
        let database = match command.remove("$db") {
            Some(Bson::String(name)) => name,
            _ => "admin".to_string(),
        };
        let budget_ms = i64::try_from(budget.as_millis()).unwrap_or(i64::MAX).max(1);
        command.insert("maxTimeMS", budget_ms);
        self.relay.forget();
        match self.client.database(&database).run_command(command).await {
            Ok(answer) => Ok(plain_document(answer)),
            Err(error) => {
                let unknown = unknown(&error, self.relay.fault());
                if matches!(unknown.kind, UnknownKind::Disconnected | UnknownKind::TooLarge | UnknownKind::Garbled) {
                    self.is_broken = true;
                }
                Err(unknown)
            }
        }
    }
}

impl Session for MongoSession {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn probe(&mut self) -> Task<'_, Result<(), Fault>> {
        self.relay.forget();
        Box::pin(self.look())
    }

    fn ask<'a>(&'a mut self, row: &'a Row, budget: Duration) -> Task<'a, Result<Answer, Unknown>> {
        Box::pin(self.answer(row, budget))
    }

    fn is_broken(&self) -> bool {
        self.is_broken
    }

    fn statement<'a>(&'a mut self, id: &'a str) -> Task<'a, Result<Option<String>, Fault>> {
        Box::pin(self.profiled(id))
    }
}

/// The relay's code for a connection that ended.
const CUT: &str = "relay-05";

/// Whether a command failed because its connection did.
fn is_cut(error: &Error) -> bool {
    matches!(&*error.kind, ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. })
}

/// What a server is to its clients, from its hello.
fn role(hello: &Document) -> &'static str {
    let says = |name: &str| hello.get_bool(name).unwrap_or(false);
    if hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid") {
        "mongos"
    } else if !hello.contains_key("setName") {
        if says("isreplicaset") { "uninitiated" } else { "standalone" }
    } else if says("isWritablePrimary") || says("ismaster") {
        "primary"
    } else if says("arbiterOnly") {
        "arbiter"
    } else if says("secondary") {
        "secondary"
    } else {
        "other" // starting up, recovering, rolling back, removed
    }
}

fn flavour(built: &Document) -> &'static str {
    if built.contains_key("psmdbVersion") {
        "percona"
    } else if built.contains_key("ferretdb") {
        "ferretdb"
    } else {
        ""
    }
}

fn version(text: &str) -> Version {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// A text as it may stand inside a JSON string.
fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_string()
}

/// A document as plain JSON: dates become milliseconds, timestamps seconds, what no row reads becomes null.
fn plain_document(document: Document) -> Value {
    Value::Object(document.into_iter().map(|(key, value)| (key, plain(value))).collect())
}

fn plain(value: Bson) -> Value {
    match value {
        Bson::Double(number) => Value::from(number),
        Bson::Int32(number) => Value::from(number),
        Bson::Int64(number) => Value::from(number),
        Bson::Boolean(flag) => Value::from(flag),
        Bson::String(text) => Value::from(text),
        Bson::DateTime(moment) => Value::from(moment.timestamp_millis()),
        Bson::Timestamp(moment) => Value::from(moment.time),
        Bson::Document(document) => plain_document(document),
        Bson::Array(all) => Value::Array(all.into_iter().map(plain).collect()),
        Bson::Decimal128(number) => Value::from(number.to_string()),
        _ => Value::Null,
    }
}

/// The server's own error behind the driver's, if there is one.
fn command_error(error: &Error) -> Option<&CommandError> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(seen) = next {
        if let Some(ErrorKind::Command(inner)) = seen.downcast_ref::<Error>().map(|error| &*error.kind) {
            return Some(inner);
        }
        next = seen.source();
    }
    None
}

fn connect_fault(server: &str, target: &Target, error: &Error) -> Fault {
    let words = |inner: &CommandError| {
        format!("The server said: {} ({}, {}).", inner.message.trim_end_matches('.'), inner.code_name, inner.code)
    };
    match (&*error.kind, command_error(error)) {
        (ErrorKind::Authentication { message, .. }, _) => {
            let source = target.url.parameters.get("authSource").map_or("admin", String::as_str);
            let what = format!("{server} refuses user '{}' of database '{source}'", target.url.user);
            let said = message.strip_prefix("SCRAM failure: ").unwrap_or(message).trim_end_matches('.');
            Fault::new("mongodb-02", what).detail(format!("The server said: {said}.")).hint(
                "Is the password right, and is the user in this authSource? A user made before version 4.0 has only \
                 SCRAM-SHA-1: add authMechanism=SCRAM-SHA-1 to the URL.",
            ).of_login(true)
        }
        (_, Some(inner)) if inner.code == UNAUTHORIZED => {
            Fault::new("mongodb-03", format!("{server} answers nothing without a login"))
                .detail(words(inner))
                .hint("Give the target a user with the role clusterMonitor, and its password.")
                .of_login(true)
        }
        (_, Some(inner)) => Fault::new("mongodb-04", format!("{server} refuses to be read")).detail(words(inner)),
        _ => probe_fault(server, error),
    }
}

fn probe_fault(server: &str, error: &Error) -> Fault {
    Fault::new("mongodb-05", format!("no answer from {server}: {}", brief(error)))
        .hint("Is it a MongoDB server, and not overloaded or starting?")
}

/// The driver's words without the address of our own relay.
fn brief(error: &Error) -> String {
    match &*error.kind {
        ErrorKind::Io(inner) => inner.to_string(),
        ErrorKind::ServerSelection { .. } => "it could not be reached".to_string(),
        ErrorKind::ConnectionPoolCleared { .. } => "the connection was lost".to_string(),
        kind => kind.to_string().replace('\0', "@"),
    }
}

const UNAUTHORIZED: i32 = 13;

/// Of a managed service: it refuses what a tier has not, and what a user may not, with one code.
const ATLAS: i32 = 8000;

fn is_not_offered(message: &str) -> bool {
    message.contains("CMD_NOT_ALLOWED") || message.contains("not allowed in this atlas tier")
}

/// What a failed command means for its row.
fn unknown(error: &Error, fault: Option<Fault>) -> Unknown {
    if let ErrorKind::Command(inner) = &*error.kind {
        // https://www.mongodb.com/docs/manual/reference/error-codes/
        let kind = match inner.code {
            ATLAS if is_not_offered(&inner.message) => UnknownKind::NotHere,
            UNAUTHORIZED | 18 | ATLAS => UnknownKind::Privilege,
            50 | 262 => UnknownKind::Deadline,
            59 | 76 | 115 | 238 | 303 | 40324 => UnknownKind::NotHere,
            26 | 94 => UnknownKind::Missing,
            91 | 11600 | 11602 => UnknownKind::Disconnected,
            _ => UnknownKind::Refused,
        };
        return Unknown::new(kind, format!("{} ({}, {})", inner.message, inner.code_name, inner.code));
    }
    if let Some(fault) = fault {
        let kind = match fault.code {
            "relay-04" => UnknownKind::TooLarge,
            "relay-06" => UnknownKind::Garbled,
            _ => UnknownKind::Disconnected,
        };
        return Unknown::new(kind, fault.what);
    }
    let kind = match &*error.kind {
        ErrorKind::Bson(_) | ErrorKind::InvalidResponse { .. } | ErrorKind::InvalidArgument { .. } => {
            UnknownKind::Garbled
        }
        ErrorKind::Authentication { .. } => UnknownKind::Privilege,
        _ => UnknownKind::Disconnected,
    };
    Unknown::new(kind, brief(error))
}
