//! A session: connects, logs in, probes, asks. One connection, one question at a time, read-only by every transaction.

pub mod databases;
pub mod refusal;
pub mod server;
pub mod statement;
pub mod tls;
pub mod yielding;

use std::borrow::Cow;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_postgres::config::ChannelBinding;
use tokio_postgres::{Client, Config, Error, SimpleQueryMessage};

use crate::engines::contract::{
    ANSWER_BYTES_MAX, Access, Ask, Engine, Facts, Row, SESSION_NAME, STATEMENT_CHARS_MAX, Session, Table,
};
use crate::engines::postgresql::monitor::objects::READ_ALL_DATA;
use crate::engines::postgresql::monitor::{CERTIFICATE, pool};
use crate::engines::postgresql::session::databases::Listed;
use crate::engines::postgresql::session::server::Server;
use crate::model::fault::Fault;
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::target::Target;
use crate::sys::clock::system_ms;
use crate::sys::net::{Address, Meter, dial};
use crate::sys::task;

/// The longest that a question waits for a lock. Our questions need none that readers do not share, so whoever makes
/// them wait (DDL, VACUUM FULL) takes longer than we want to queue behind, and others would queue behind us.
const LOCK_WAIT_MAX: Duration = Duration::from_millis(500);

/// The longest that a connection takes to end.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// How much of a statement's text is read. Comments and literals are taken out of it, so it is more than is shown.
const TEXT_CHARS_MAX: usize = 20_000;

/// What a server says of itself, in one row.
const PROBE: &str = "\
    SELECT current_setting('server_version_num') AS version, current_setting('server_version') AS version_text, \
           pg_is_in_recovery() AS is_replica, pg_has_role('pg_monitor', 'USAGE') AS pg_monitor, \
           (SELECT bool_or(pg_has_role(oid, 'USAGE')) FROM pg_roles WHERE rolname = 'pg_read_all_data') AS reads_all, \
           (SELECT string_agg(extname || ' ' || extversion, ',') FROM pg_extension) AS extensions, \
           (SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolname IN \
            ('rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin', 'alloydbsuperuser')) AS service, \
           (SELECT json_agg(json_build_array(oid::int8, datname, has_database_privilege(oid, 'CONNECT')) ORDER BY oid) \
            FROM pg_database WHERE datallowconn AND NOT datistemplate) AS databases";

/// Roles that only a managed service has, and its flavour.
const SERVICES: &[(&str, &str)] = &[
    ("rds_superuser", "rds"),
    ("alloydbsuperuser", "alloydb"),
    ("cloudsqlsuperuser", "cloudsql"),
    ("azure_pg_admin", "azure"),
];

/// Capabilities that come with an extension, from a version of it on.
const EXTENSIONS: &[(&str, &str, (u32, u32))] = &[
    ("pg_stat_statements", "pg_stat_statements", (1, 6)),
    (EXEC_TIMES, "pg_stat_statements", (1, 8)),
    (SPLIT_BLOCK_TIMES, "pg_stat_statements", (1, 11)),
    ("hypopg", "hypopg", (1, 0)),
    ("pgaudit", "pgaudit", (1, 0)),
    ("pgstattuple", "pgstattuple", (1, 0)),
    ("pg_buffercache", "pg_buffercache", (1, 0)),
    (BUFFER_SUMMARY, "pg_buffercache", (1, 4)),
];

/// pg_stat_statements tells the times of planning and of executing apart, under new names. What counts is the version
/// of the extension, which an upgrade of the server leaves as it was.
pub const EXEC_TIMES: &str = "pg_stat_statements 1.8";

/// pg_buffercache counts without listing every buffer.
pub const BUFFER_SUMMARY: &str = "pg_buffercache 1.4";

/// pg_stat_statements tells shared and local block times apart, under new names.
pub const SPLIT_BLOCK_TIMES: &str = "pg_stat_statements 1.11";

/// A connection that has logged in.
pub struct Open {
    client: Arc<Client>,
    meter: Meter,
    facts: Facts,
    /// The one that was entered.
    database: String,
    /// All that the server has.
    listed: Vec<Listed>,
    /// When the certificate ends that the server showed us.
    certificate_expires_ms: Option<i64>,
    /// For faults: where and as whom.
    door: String,
    user: String,
    deadline: Duration,
    broken: bool,
    /// With what the connection ended: a server's last word may come while nothing is asked.
    last_word: Arc<OnceLock<Error>>,
    /// Lets the connection's task say farewell when dropped.
    _alive: oneshot::Sender<()>,
}

/// Opens a session.
///
/// # Errors
/// `postgresql-01`: the target is remote, its TLS proves nothing, and it is not `insecure`. Otherwise what the network,
/// TLS or the server said; see `refusal`.
pub async fn connect(engine: &dyn Engine, target: &Target, access: &Access) -> Result<Box<dyn Session>, Fault> {
    Ok(Box::new(Server::new(open(engine, target, access).await?, target, access)))
}

/// Connects, logs in, and learns what the server is.
///
/// # Errors
/// As `connect`.
pub async fn open(engine: &dyn Engine, target: &Target, access: &Access) -> Result<Open, Fault> {
    let encryption = tls::encryption(target)?;
    let port = if target.url.port == 0 { engine.card().default_port } else { target.url.port };
    let address = address(&target.url.host, port);
    let door = address.text();
    if let Err(lacks) = encryption.verified
        && !target.is_local()
        && !target.insecure
    {
        return Err(Fault::new("postgresql-01", format!("no session with {door}: {lacks}"))
            .detail("A login to a remote server goes only to one that proves who it is.")
            .hint("Use sslmode=verify-full (and ca_file for an authority of your own), or say insecure = true."));
    }
    let user = if target.url.user.is_empty() { SESSION_NAME } else { &target.url.user };
    let database = if target.url.path.is_empty() { "postgres" } else { &target.url.path };
    let mut config = Config::new();
    // No `options` and no SET: behind PgBouncer the first is refused and the second would reach other people's sessions.
    config.user(user).dbname(database).application_name(SESSION_NAME).ssl_mode(encryption.mode);
    if target.url.parameters.get("channel_binding").is_some_and(|word| word == "require") {
        config.channel_binding(ChannelBinding::Require); // else it is used where both sides can
    }
    if let Some(password) = &access.password {
        config.password(password.expose());
    }
    let stream = dial(&address, ANSWER_BYTES_MAX).await?;
    let meter = stream.meter();
    let expires_ms = Arc::new(OnceLock::new());
    let connected =
        config.connect_raw(stream, tls::Tls { wish: encryption.wish, expires_ms: expires_ms.clone() }).await;
    let (client, connection) = connected.map_err(|error| refusal::fault(&door, user, &error))?;
    let last_word = Arc::new(OnceLock::new());
    let heard = last_word.clone();
    let (alive, dropped) = oneshot::channel::<()>();
    // The task outlives the session by a moment to end it in the protocol's way: a server logs every connection that is
    // just gone.
    task::spawn("postgresql connection", async move {
        let mut connection = pin!(connection);
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    let _ = heard.set(error);
                }
            }
            _ = dropped => {
                let _ = timeout(FAREWELL_MAX, connection).await;
            }
        }
    })
    .detach();
    let mut open = Open {
        client: Arc::new(client),
        meter,
        facts: Facts::default(),
        database: database.to_string(),
        listed: Vec::new(),
        certificate_expires_ms: expires_ms.get().copied(),
        door,
        user: user.to_string(),
        deadline: target.deadline,
        broken: false,
        last_word,
        _alive: alive,
    };
    open.learn().await?;
    Ok(open)
}

fn address(host: &str, port: u16) -> Address {
    match host {
        "" => Address::Tcp { host: "localhost".to_string(), port },
        file if file.starts_with('/') && file.contains("/.s.PGSQL.") => Address::Unix(PathBuf::from(file)),
        folder if folder.starts_with('/') => Address::Unix(PathBuf::from(format!("{folder}/.s.PGSQL.{port}"))),
        host => Address::Tcp { host: host.to_string(), port },
    }
}

/// What came in place of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Empty where it was not the server who said it: the connection ended, or no answer came in time.
    pub sqlstate: String,
    pub words: String,
}

impl Open {
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Where the server is.
    pub fn door(&self) -> &str {
        &self.door
    }

    /// As whom it was entered.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Sends a message as it is, with no transaction around it and no limit but our patience.
    ///
    /// # Errors
    /// What the server said, or why it said nothing; the connection is then of no more use.
    pub async fn say(&mut self, message: &str) -> Result<Table, Said> {
        let unheard = |words: String| Said { sqlstate: String::new(), words };
        if self.broken {
            return Err(unheard("the connection has ended".to_string()));
        }
        self.meter.renew();
        let Ok(result) = timeout(self.deadline, collect(&self.client, message)).await else {
            self.broken = true;
            return Err(unheard(format!("no answer within {:?}", self.deadline)));
        };
        let error = match result {
            Ok(table) => return Ok(table),
            Err(error) => error,
        };
        if let Some(server) = error.as_db_error() {
            let said = Said { sqlstate: server.code().code().to_string(), words: server.message().to_string() };
            // Ends the transaction that the message may have begun.
            self.broken |= !matches!(timeout(self.deadline, self.client.batch_execute("ROLLBACK")).await, Ok(Ok(())));
            return Err(said);
        }
        self.broken = true;
        let Unknown { reason, .. } = refusal::unknown(self.reason(&error), self.meter.is_exhausted());
        Err(unheard(reason))
    }

    /// The text of a statement by its queryid, as pg_stat_statements of this database has it.
    async fn statement(&mut self, id: &str) -> Result<Option<String>, Fault> {
        let id: i64 = id.parse().map_err(|_| {
            Fault::new("postgresql-34", format!("'{id}' is no id of a statement"))
                .hint("It is a whole number: the label queryid of the statement's series.")
        })?;
        if !self.facts.capabilities.contains("pg_stat_statements") {
            let what = format!("the database {} has no pg_stat_statements", self.database);
            return Err(Fault::new("postgresql-35", what).hint("CREATE EXTENSION pg_stat_statements there."));
        }
        // The id of what may not be read is hidden, too: where nothing else is found, there being any of those is the reason.
        let question = format!(
            "SELECT left(query, {TEXT_CHARS_MAX}) FROM pg_stat_statements(true) WHERE queryid = {id} OR queryid IS NULL \
             ORDER BY queryid NULLS LAST LIMIT 1"
        );
        let table = self.run(&question, self.deadline).await;
        let table = table.map_err(|error| refusal::fault(&self.door, &self.user, self.reason(&error)))?;
        let text = table.rows.first().and_then(|row| row.first()?.as_deref());
        if text == Some("<insufficient privilege>") {
            return Err(Fault::new("postgresql-36", "the agent's login may not read other people's statements")
                .hint("GRANT pg_monitor TO it; `watchward grants` prints the whole script."));
        }
        Ok(text.map(|text| statement::normalised(text, STATEMENT_CHARS_MAX)))
    }

    fn is_broken(&self) -> bool {
        self.broken || self.client.is_closed()
    }

    /// Asks a row here.
    async fn table(&mut self, row: &Row, budget: Duration) -> Result<Table, Unknown> {
        let question = match row.ask {
            Ask::Text(text) => Cow::Borrowed(text),
            Ask::Own(own) => Cow::Owned(own(&self.facts)),
        };
        if question == CERTIFICATE {
            return self.certificate();
        }
        let table = self.run(&question, budget).await;
        let unknown = |error| refusal::unknown(self.reason(&error), self.meter.is_exhausted());
        table.map_err(unknown).map_err(|Unknown { kind, reason }| {
            // A service refuses what its own role has, too: what no grant can mend is no matter of privilege.
            let is_kept_back =
                kind == UnknownKind::Privilege && self.is_of_service() && row.lacks(&self.facts).is_none();
            let kind = if is_kept_back { UnknownKind::NotHere } else { kind };
            Unknown { kind, reason }
        })
    }

    fn is_of_service(&self) -> bool {
        SERVICES.iter().any(|(_, flavour)| *flavour == self.facts.flavour)
    }

    /// How long the certificate lasts that the server showed us.
    fn certificate(&self) -> Result<Table, Unknown> {
        let expires_ms = self.certificate_expires_ms.ok_or_else(|| {
            Unknown::new(
                UnknownKind::NotHere,
                "the connection has no TLS, or its certificate does not say when it ends",
            )
        })?;
        let left_ms = expires_ms - system_ms();
        let cells = vec![Some(format!("{}", left_ms / 1000))];
        Ok(Table { columns: vec!["left".to_string()], rows: vec![cells] })
    }

    async fn learn(&mut self) -> Result<(), Fault> {
        if self.is_console() {
            return self.learn_of_console().await;
        }
        let table = self.run(PROBE, self.deadline).await;
        let table = table.map_err(|error| refusal::fault(&self.door, &self.user, self.reason(&error)))?;
        let at = table.column("databases").ok();
        let json = at.and_then(|at| table.rows.first()?.get(at)?.as_deref());
        self.listed = json.map(databases::listed).unwrap_or_default();
        let parts = std::mem::take(&mut self.facts.parts);
        let learnt = facts(&table).map(|facts| Facts { parts, ..facts });
        self.facts = learnt.map_err(|unknown| {
            Fault::new("postgresql-13", format!("{} does not say what it is: {}", self.door, unknown.reason))
                .hint("Is it PostgreSQL that listens there, in version 10 or newer?")
        })?;
        Ok(())
    }

    /// Whether this is PgBouncer's console: it knows no SQL, but commands of its own.
    fn is_console(&self) -> bool {
        self.database == pool::FLAVOUR
    }

    async fn learn_of_console(&mut self) -> Result<(), Fault> {
        let table = self.run("SHOW VERSION", self.deadline).await;
        let table = table.map_err(|error| refusal::fault(&self.door, &self.user, self.reason(&error)))?;
        let text = table.rows.first().and_then(|row| row.first().cloned().flatten()).unwrap_or_default();
        self.facts = Facts {
            version: two_numbers(text.trim_start_matches(|c: char| !c.is_ascii_digit())),
            version_text: text,
            flavour: pool::FLAVOUR.to_string(),
            role: "pooler".to_string(),
            ..Facts::default()
        };
        Ok(())
    }

    /// Why a question failed: the connection's last word, where it had ended.
    fn reason<'e>(&'e self, error: &'e Error) -> &'e Error {
        if error.is_closed() { self.last_word.get().unwrap_or(error) } else { error }
    }

    /// Runs one question. After an error the transaction is ended, so that a failed row costs one row.
    async fn run(&mut self, question: &str, budget: Duration) -> Result<Table, Error> {
        self.meter.renew();
        if self.is_console() {
            return collect(&self.client, question).await;
        }
        let result = collect(&self.client, &batch(question, budget)).await;
        if result.is_err() && !self.client.is_closed() {
            self.meter.renew();
            self.broken = self.client.batch_execute("ROLLBACK").await.is_err();
        }
        result
    }
}

/// The question as one message that is a whole read-only transaction: a pooler between us and the server gives it one
/// connection from its begin to its end, and the limits end with it. The idle limit is for poolers that take it apart.
fn batch(question: &str, budget: Duration) -> String {
    let statement_ms = budget.as_millis().max(1);
    let lock_ms = budget.min(LOCK_WAIT_MAX).as_millis().max(1);
    format!(
        "BEGIN READ ONLY; SET LOCAL statement_timeout = {statement_ms}; SET LOCAL lock_timeout = {lock_ms}; \
         SET LOCAL idle_in_transaction_session_timeout = {statement_ms}; {question}; COMMIT"
    )
}

/// The one table that a batch answers with.
async fn collect(client: &Client, batch: &str) -> Result<Table, Error> {
    let mut messages = pin!(client.simple_query_raw(batch).await?);
    let mut table = Table::default();
    while let Some(message) = messages.next().await {
        match message? {
            SimpleQueryMessage::RowDescription(columns) => {
                table.columns = columns.iter().map(|column| column.name().to_string()).collect();
            }
            SimpleQueryMessage::Row(row) => {
                table.rows.push((0..row.len()).map(|at| row.get(at).map(str::to_string)).collect());
            }
            _ => {} // a statement is complete
        }
    }
    Ok(table)
}

/// Reads the probe's answer.
///
/// # Errors
/// `Missing` or `Garbled`: it is not the answer of such a server.
pub fn facts(probe: &Table) -> Result<Facts, Unknown> {
    let row = probe.rows.first().ok_or_else(|| Unknown::new(UnknownKind::Garbled, "the answer is empty"))?;
    let cell = |name: &str| probe.column(name).map(|at| row[at].as_deref().unwrap_or(""));
    let number: u32 = cell("version")?
        .parse()
        .map_err(|_| Unknown::new(UnknownKind::Garbled, "server_version_num is not a number"))?;
    let mut facts = Facts {
        // 150013 is 15.13
        version: (number / 10_000, number % 10_000),
        version_text: cell("version_text")?.to_string(),
        role: if cell("is_replica")? == "t" { "replica" } else { "primary" }.to_string(),
        ..Facts::default()
    };
    let service = cell("service")?;
    if let Some((_, flavour)) = SERVICES.iter().find(|(role, _)| service.split(',').any(|known| known == *role)) {
        facts.flavour = (*flavour).to_string();
    }
    if cell("pg_monitor")? == "t" {
        facts.capabilities.insert("pg_monitor");
    }
    if cell("reads_all")? == "t" {
        facts.capabilities.insert(READ_ALL_DATA);
    }
    let extensions = cell("extensions")?;
    for (name, version) in extensions.split(',').filter_map(|extension| extension.split_once(' ')) {
        let has = |(_, extension, since): &&(_, &str, _)| *extension == name && *since <= two_numbers(version);
        facts.capabilities.extend(EXTENSIONS.iter().filter(has).map(|(capability, ..)| *capability));
    }
    Ok(facts)
}

/// `1.10` as (1, 10); what is not a number counts as 0.
fn two_numbers(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}
