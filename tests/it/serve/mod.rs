//! Tests of `src/serve`: a real listener, a real store, and a board made by hand.

mod commands;
mod doors;
mod matrix;
mod metrics;
mod query;
mod stream;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hyper::Method;
use serde_json::Value;
use tokio::sync::{broadcast, mpsc, watch};
use watchward::model::caller::{Caller, Role};
use watchward::model::catalogue::Catalogue;
use watchward::model::features::Features;
use watchward::model::finding::Finding;
use watchward::model::labels::Labels;
use watchward::model::row::Metric;
use watchward::model::scope::Scope;
use watchward::model::series::Series;
use watchward::model::status::{Board, TargetStatus};
use watchward::model::transition::Transition;
use watchward::serve::commands::{Asked, WAITING_MAX};
use watchward::serve::listen::Doors;
use watchward::serve::routes;
use watchward::serve::shared::{Counters, Shared, Stream};
use watchward::store::{Config, Store};
use watchward::sys::clock::Clock;
use watchward::sys::http::{Base, Client, Response};
use watchward::sys::net::Address;

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

    fn own_metrics(&self) -> String {
        "watchward_own 1\n".to_string()
    }
}

fn status(tenant: &str, name: &str) -> TargetStatus {
    TargetStatus {
        tenant: tenant.to_string(),
        name: name.to_string(),
        engine: "host".to_string(),
        instance: "db1:1".to_string(),
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
    socket: PathBuf,
    stream: Stream,
    shared: Arc<Shared>,
    features: watch::Sender<Features>,
    stop: watch::Sender<bool>,
    _folder: Folder,
}

impl Served {
    pub async fn begin(anonymous: &str, stream_clients_max: usize) -> Served {
        Served::begin_with(anonymous, stream_clients_max, Ok(())).await
    }

    pub async fn begin_with(anonymous: &str, stream_clients_max: usize, ready: Result<(), String>) -> Served {
        let folder = Folder::new();
        let clock = Arc::new(Clock::begin(None));
        let now_ms = clock.now().stored_ms;
        let (store, _) = Store::open(Config { dir: folder.0.join("store"), ..Config::default() }, now_ms).unwrap();
        fill(&store, now_ms);
        let mut catalogue = Catalogue::new();
        catalogue.add_metrics(&METRICS);
        let (stream, _) = broadcast::channel(8);
        let (stop, stopping) = watch::channel(false);
        let (features, switches) = watch::channel(Features::default());
        let (commands, asked) = mpsc::channel(WAITING_MAX);
        tokio::spawn(answer(asked));
        let shared = Arc::new(Shared {
            board: Arc::new(Shown { targets: vec![status("acme", "orders"), status("zeta", "orders")], ready }),
            store,
            catalogue: Arc::new(catalogue),
            clock,
            stream: stream.clone(),
            stream_clients_max,
            counters: Counters::default(),
            features: switches,
            anonymous: Caller {
                scope: Scope::from_anonymous(anonymous),
                role: Role::Viewer,
                name: "anonymous".to_string(),
            },
            commands: commands.clone(),
            stopping: stopping.clone(),
        });
        let socket = folder.0.join("agent.sock");
        let doors = Doors::open("127.0.0.1:0".parse().unwrap(), Some(&socket)).await.unwrap();
        let address = doors.address().unwrap();
        tokio::spawn(doors.serve(routes::router(shared.clone()), shared.clone(), stopping));
        Served { address, socket, stream, shared, features, stop, _folder: folder }
    }

    fn client(&self, address: Address, host: &str) -> Client {
        Client::new(Base {
            address,
            host: host.to_string(),
            tls: None,
            user_agent: "test".to_string(),
            answer_bytes_max: 1 << 20,
        })
    }

    fn tcp(&self) -> Address {
        Address::Tcp { host: self.address.ip().to_string(), port: self.address.port() }
    }

    pub async fn get(&self, path: &str) -> Response {
        let host = self.address.to_string();
        self.client(self.tcp(), &host).send(Method::GET, path, &[], Vec::new()).await.unwrap()
    }

    pub async fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.get(path).await.body).unwrap()
    }
}

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
            points.push((store.id(&labels).unwrap(), value + at as f64));
        }
    }
    assert_eq!(store.append(&points, now_ms).accepted, points.len());
}
