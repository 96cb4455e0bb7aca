//! Tests of `src/serve`: a real listener, a real store, and a board made by hand.

mod authority;
mod commands;
mod doors;
mod errors;
mod exposition;
mod limits;
mod matrix;
mod metrics;
mod names;
mod peers;
mod policies;
mod query;
mod remote;
mod sessions;
mod stream;
mod tokens;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hyper::Method;
use serde_json::Value;
use tokio::sync::{broadcast, mpsc, watch};
use watchward::model::catalogue::Catalogue;
use watchward::model::features::Features;
use watchward::model::finding::Finding;
use watchward::model::labels::Labels;
use watchward::model::row::{Metric, MetricKind};
use watchward::model::scope::Scope;
use watchward::model::series::Series;
use watchward::model::status::{Board, OwnFamily, OwnSample, TargetStatus};
use watchward::model::transition::Transition;
use watchward::serve;
use watchward::serve::answers::Answers;
use watchward::serve::body::Bodies;
use watchward::serve::commands::{Asked, WAITING_MAX};
use watchward::serve::exposition::{Exposition, Naming};
use watchward::serve::listen::Doors;
use watchward::serve::peers::Peers;
use watchward::serve::query::Queries;
use watchward::serve::sessions::Sessions;
use watchward::serve::shared::{Counters, Shared, Stream};
use watchward::serve::tokens::Tokens;
use watchward::state::State;
use watchward::store::{Config, Store};
use watchward::sys::clock::Clock;
use watchward::sys::http::{Base, Client, Response};
use watchward::sys::net::Address;
use watchward::sys::tls::{self, Trust, Wish};

use crate::serve::authority::Authority;

static METRICS: [Metric; 2] =
    [Metric::gauge("db_size_bytes", "How large.\nIn bytes."), Metric::counter("db_commits", "Commits.")];

/// A folder of a test's own, gone when it ends.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("watchward-serve-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Shown {
    targets: Vec<TargetStatus>,
    ready: Result<(), String>,
}

impl Board for Shown {
    fn targets(&self, scope: &Scope) -> Vec<TargetStatus> {
        self.targets.iter().filter(|one| scope.sees(&one.tenant)).cloned().collect()
    }

    fn alerts(&self, _: &Scope) -> Vec<Transition> {
        Vec::new()
    }

    fn findings(&self, _: &Scope) -> Vec<Finding> {
        Vec::new()
    }

    fn ready(&self) -> Result<(), String> {
        self.ready.clone()
    }

    fn own_metrics(&self) -> Vec<OwnFamily> {
        let sample = |part, labels: &[(&str, &str)], value| OwnSample {
            part,
            labels: labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            value,
        };
        let family =
            |name: &str, kind, samples| OwnFamily { name: name.to_string(), help: "Own.".to_string(), kind, samples };
        let took = [("_bucket", "0.5", 1.0), ("_bucket", "+Inf", 2.0)]
            .map(|(part, le, value)| sample(part, &[("le", le)], value));
        let took = took.into_iter().chain([sample("_sum", &[], 1.25), sample("_count", &[], 2.0)]).collect();
        vec![
            family("watchward_cycles_total", MetricKind::Counter, vec![sample("", &[("up", "true")], 7.0)]),
            family("watchward_took_seconds", MetricKind::Histogram, took),
        ]
    }
}

fn status(tenant: &str, name: &str) -> TargetStatus {
    TargetStatus {
        tenant: tenant.to_string(),
        name: name.to_string(),
        engine: "host".to_string(),
        instance: "db1:1".to_string(),
        job: "db".to_string(),
        up: Some(true),
        needs_credentials: false,
        since_ms: 1,
        last_cycle_ms: 1,
        cycle_took_s: 0.1,
        interval_s: 15.0,
        series: 2,
        version: String::new(),
        flavour: String::new(),
        role: String::new(),
        discovered: false,
        fault: None,
        unknown_rows: Vec::new(),
    }
}

/// A running server with two tenants, `acme` and `zeta`, each with a target `orders`.
pub struct Served {
    address: SocketAddr,
    health: Option<SocketAddr>,
    socket: PathBuf,
    stream: Stream,
    shared: Arc<Shared>,
    features: watch::Sender<Features>,
    stop: watch::Sender<bool>,
    state: State,
    /// What clients believe, where the server speaks TLS.
    ca_file: Option<PathBuf>,
    folder: Folder,
}

/// `[serve]` as it is without any key, but for the port.
pub fn defaults() -> serve::config::Config {
    serve::config::Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        anonymous: "*".to_string(),
        tls: None,
        hosts: Vec::new(),
        health_listen: None,
        socket_group: "watchward".to_string(),
        naming: Naming::Compat,
        stream_clients_max: 4,
        connections_max: 256,
        connections_per_peer_max: 64,
        body_bytes_max: 1 << 20,
        query_samples_max: 500_000,
    }
}

impl Served {
    pub async fn begin(anonymous: &str, stream_clients_max: usize) -> Served {
        let config = serve::config::Config { anonymous: anonymous.to_string(), stream_clients_max, ..defaults() };
        Served::begin_with(Folder::new(), config, Ok(())).await
    }

    /// One that other machines can reach, with a certificate for `localhost` and `db1.example.org`.
    pub async fn begin_remote(change: impl FnOnce(&mut serve::config::Config)) -> Served {
        tls::install_provider();
        let folder = Folder::new();
        let authority = Authority::new(&folder.0);
        let tls = Some(authority.write("own", &["localhost", "db1.example.org"], 2099));
        let mut config = serve::config::Config { listen: "0.0.0.0:0".parse().unwrap(), tls, ..defaults() };
        change(&mut config);
        Served::begin_with(folder, config, Ok(())).await
    }

    pub async fn begin_with(folder: Folder, config: serve::config::Config, ready: Result<(), String>) -> Served {
        let clock = Arc::new(Clock::begin(None));
        let now = clock.now();
        let (store, _) =
            Store::open(Config { dir: folder.0.join("store"), ..Config::default() }, now.stored_ms).unwrap();
        fill(&store, now.stored_ms);
        let (state, _) = State::open(&folder.0.join("state"), now).await.unwrap();
        let mut catalogue = Catalogue::new();
        catalogue.add_metrics(&METRICS);
        let catalogue = Arc::new(catalogue);
        let (stream, _) = broadcast::channel(8);
        let (stop, stopping) = watch::channel(false);
        let (commands, asked) = mpsc::channel(WAITING_MAX);
        tokio::spawn(answer(asked));
        let (features, switches) = watch::channel(Features::default());
        let socket = folder.0.join("agent.sock");
        let doors = Doors::open(&config, Some(&socket)).await.unwrap();
        let shared = Arc::new(Shared {
            board: Arc::new(Shown { targets: vec![status("acme", "orders"), status("zeta", "orders")], ready }),
            store,
            exposition: Exposition::new(catalogue.clone(), config.naming),
            catalogue,
            clock,
            stream: stream.clone(),
            stream_clients_max: config.stream_clients_max,
            counters: Counters::default(),
            anonymous: config.anonymous(),
            tokens: Tokens::load(state.clone()).await.unwrap(),
            sessions: Sessions::default(),
            peers: Peers::default(),
            bodies: Bodies::new(config.body_bytes_max),
            answers: Answers::default(),
            queries: Queries::new(config.query_samples_max),
            identity: doors.identity(),
            hosts: config.hosts.clone(),
            features: switches,
            commands: commands.clone(),
            stopping: stopping.clone(),
        });
        let (address, health) = (doors.address().unwrap(), doors.health_address());
        let ca_file = config.tls.map(|_| folder.0.join("ca.pem"));
        tokio::spawn(doors.serve(shared.clone(), stopping));
        Served { address, health, socket, stream, shared, features, stop, state, ca_file, folder }
    }

    fn client(&self, address: Address, host: &str) -> Client {
        let is_tcp = matches!(address, Address::Tcp { .. });
        let tls = self.ca_file.clone().filter(|_| is_tcp).map(|ca_file| Wish {
            server_name: "localhost".to_string(),
            trust: Trust::File(ca_file),
            only_13: true,
            ..Wish::default()
        });
        Client::new(Base {
            address,
            host: host.to_string(),
            tls,
            user_agent: "test".to_string(),
            answer_bytes_max: 1 << 20,
        })
    }

    fn tcp(&self) -> Address {
        Address::Tcp { host: "127.0.0.1".to_string(), port: self.address.port() }
    }

    /// How a client names the TCP door.
    fn host(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// Asks over TCP, with further headers and a body.
    async fn ask(&self, verb: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let verb = Method::from_bytes(verb.as_bytes()).unwrap();
        let mut client = self.client(self.tcp(), &self.host());
        client.send(verb, path, headers, body.as_bytes().to_vec()).await.unwrap()
    }

    /// Asks over the socket.
    async fn ask_socket(&self, verb: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let verb = Method::from_bytes(verb.as_bytes()).unwrap();
        let mut client = self.client(Address::Unix(self.socket.clone()), "localhost");
        client.send(verb, path, headers, body.as_bytes().to_vec()).await.unwrap()
    }

    /// Makes a token over the socket.
    async fn token(&self, body: Value) -> Value {
        let answer = self.ask_socket("POST", "/api/v1/tokens", &[JSON], &body.to_string()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }

    pub async fn get(&self, path: &str) -> Response {
        self.ask("GET", path, &[], "").await
    }

    pub async fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.get(path).await.body).unwrap()
    }
}

/// A refusal as people would read it.
fn told(answer: &Response) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |key: &str| body["error"][key].as_str().unwrap_or("").to_string();
    let mut told = format!("{} {} [{}]", answer.status, text("what"), text("code"));
    for key in ["detail", "hint"] {
        if !text(key).is_empty() {
            told.push_str(&format!(" | {key}: {}", text(key)));
        }
    }
    told
}

/// What an answer's fault says.
fn what(answer: &Response) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    body["error"]["what"].as_str().unwrap_or("").to_string()
}

const JSON: (&str, &str) = ("content-type", "application/json");

/// Stands for the agent.
async fn answer(mut asked: mpsc::Receiver<Asked>) {
    while let Some(asked) = asked.recv().await {
        let words = format!("{:?} for {}", asked.command, asked.caller.name);
        let _ = asked.reply.send(Ok(Value::String(words)));
    }
}

fn fill(store: &Store, now_ms: i64) {
    let mut points = Vec::new();
    for (at, tenant) in ["acme", "zeta"].into_iter().enumerate() {
        for (name, extra, value) in [
            ("db_size_bytes", "a\"b\\c\nd", 1.5),
            ("db_size_bytes", "plain", f64::INFINITY),
            ("db_commits", "", 12_345_678_901_234.0),
            ("up", "", 1.0),
        ] {
            let labels = Labels::new([
                ("__name__", name),
                ("tenant", tenant),
                ("target", "orders"),
                ("instance", "db1:1"),
                ("job", "db"),
                ("datname", extra),
            ]);
            #[allow(clippy::cast_precision_loss)]
            points.push((store.id(&labels, 0).unwrap(), value + at as f64));
        }
    }
    assert_eq!(store.append(&points, now_ms).accepted, points.len());
}
