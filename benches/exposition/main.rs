//! How long a scrape takes: the doors in this process, ten thousand series in the store, a client that asks over loopback.
//! How it measures, and what it found: ../README.md

#![allow(clippy::disallowed_methods)] // it reads clocks: an edge of its own

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::Method;
use tokio::sync::{broadcast, mpsc, watch};
use watchward::model::catalogue::Catalogue;
use watchward::model::features::Features;
use watchward::model::finding::Finding;
use watchward::model::labels::{Labels, NAME};
use watchward::model::scope::Scope;
use watchward::model::series::{Series, SeriesId};
use watchward::model::status::{Board, OwnFamily, TargetStatus};
use watchward::model::transition::Transition;
use watchward::pipeline::agent::catalogue;
use watchward::serve;
use watchward::serve::answers::Answers;
use watchward::serve::body::Bodies;
use watchward::serve::exposition::{Exposition, Latest, Naming, Wish};
use watchward::serve::gzip;
use watchward::serve::listen::Doors;
use watchward::serve::peers::Peers;
use watchward::serve::query::Queries;
use watchward::serve::sessions::Sessions;
use watchward::serve::shared::{Counters, Shared};
use watchward::serve::tokens::Tokens;
use watchward::state::State;
use watchward::store::{self, Store};
use watchward::sys::clock::Clock;
use watchward::sys::http::{Base, Client};
use watchward::sys::net::Address;
use watchward::sys::tls;

/// The figure to reach: the slowest of a hundred scrapes takes at most this long at ten thousand series.
const P99_MAX: Duration = Duration::from_millis(10);

const TARGETS: usize = 25;

/// Nothing but what `/metrics` asks.
struct Empty;

impl Board for Empty {
    fn targets(&self, _: &Scope) -> Vec<TargetStatus> {
        Vec::new()
    }

    fn alerts(&self, _: &Scope) -> Vec<Transition> {
        Vec::new()
    }

    fn findings(&self, _: &Scope) -> Vec<Finding> {
        Vec::new()
    }

    fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    fn own_metrics(&self) -> Vec<OwnFamily> {
        Vec::new()
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| one != "--bench").collect();
    let is_bench = std::env::args().any(|one| one == "--bench");
    let number = |at: usize, default: usize| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    if !is_bench && arguments.is_empty() {
        // `cargo test --all-targets` runs benches too, without a word.
        println!("exposition measures for a minute: cargo bench --bench exposition [-- SERIES SCRAPES]");
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let p99 = runtime.expect("a runtime").block_on(measure(number(0, 10_000), number(1, 1_000)));
    if p99 > P99_MAX && number(0, 10_000) <= 10_000 {
        eprintln!("exposition: p99 is above {P99_MAX:?}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Series as a busy agent has them: the catalogue's names over many targets, tables and databases.
fn fill(store: &Store, catalogue: &Catalogue, count: usize) -> Vec<SeriesId> {
    let mut names: Vec<&str> = catalogue.names().collect();
    names.sort_unstable();
    (0..count)
        .map(|at| {
            let target = at % TARGETS;
            let labels = Labels::new([
                (NAME.to_string(), names[(at / TARGETS) % names.len()].to_string()),
                ("tenant".to_string(), "default".to_string()),
                ("target".to_string(), format!("target-{target}")),
                ("instance".to_string(), format!("db{target}.example.org:5432")),
                ("job".to_string(), "postgres".to_string()),
                ("datname".to_string(), format!("database_{}", at % 7)),
                ("relname".to_string(), format!("table_{at}")),
            ]);
            store.id(&labels, 0).expect("room in the store")
        })
        .collect()
}

/// One cycle of all: counts, shares and sizes in turn.
fn append(store: &Store, ids: &[SeriesId], round: u64, at_ms: i64) {
    #[allow(clippy::cast_precision_loss)]
    let value = |at: usize| match at % 3 {
        0 => (round * 17 + at as u64 * 1009) as f64,
        1 => 1.0 / (1.0 + at as f64 + round as f64),
        _ => at as f64 * 4096.0,
    };
    let points: Vec<_> = ids.iter().enumerate().map(|(at, id)| (*id, value(at))).collect();
    store.append(&points, at_ms);
}

async fn measure(series: usize, scrapes: usize) -> Duration {
    tls::install_provider();
    let folder = std::env::temp_dir().join(format!("watchward-exposition-{}", std::process::id()));
    let clock = Arc::new(Clock::begin(None));
    let config = store::Config { dir: folder.join("store"), ..store::Config::default() };
    let (store, _) = Store::open(config, clock.now().stored_ms).expect("a store");
    let catalogue = Arc::new(catalogue());
    let ids = fill(&store, &catalogue, series);
    append(&store, &ids, 0, clock.now().stored_ms);

    let (port, _keep) = serve(&folder, &store, &catalogue, &clock).await;
    // Cycles go on meanwhile, as they do.
    let over = Arc::new(AtomicBool::new(false));
    let rounds = Arc::new(AtomicU64::new(0));
    let appending = {
        let (store, clock, over, rounds) = (store.clone(), clock.clone(), over.clone(), rounds.clone());
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let round = rounds.fetch_add(1, Ordering::Relaxed) + 1;
                append(&store, &ids, round, clock.now().stored_ms);
                std::thread::sleep(Duration::from_secs(1));
            }
        })
    };
    println!("{series} series, {scrapes} scrapes of each kind, a cycle of all series each second");
    let open = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let mut worst = Duration::ZERO;
    for (what, path, accept) in [
        ("text", "/metrics", "text/plain"),
        ("OpenMetrics", "/metrics", open),
        ("one tenant", "/metrics?tenant=default", "text/plain"),
    ] {
        let mut client = Client::new(Base {
            address: Address::Tcp { host: "127.0.0.1".to_string(), port },
            host: format!("127.0.0.1:{port}"),
            tls: None,
            user_agent: "bench".to_string(),
            answer_bytes_max: 1 << 30,
        });
        let mut times = Vec::with_capacity(scrapes);
        let mut bytes = 0;
        for at in 0..=scrapes {
            let began = Instant::now();
            let answer = client.send(Method::GET, path, &[("accept", accept)], Vec::new()).await.expect("an answer");
            let took = began.elapsed();
            assert_eq!(answer.status, 200);
            bytes = answer.body.len();
            if at == 0 {
                println!("{what:<12} first  {took:>9.2?} (what series look like is worked out)");
            } else {
                times.push(took);
            }
        }
        times.sort();
        let at = |part: f64| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let place = ((times.len() as f64 * part).ceil() as usize).clamp(1, times.len());
            times[place - 1]
        };
        println!("{what:<12} p50 {:>9.2?}  p99 {:>9.2?}  max {:>9.2?}  {bytes} bytes", at(0.5), at(0.99), at(1.0));
        worst = worst.max(at(0.99));
    }
    over.store(true, Ordering::Relaxed);
    appending.join().expect("it appends");
    compression(&store, &catalogue, &clock);
    let _ = std::fs::remove_dir_all(&folder);
    worst
}

/// What gzip costs and saves.
fn compression(store: &Arc<Store>, catalogue: &Arc<Catalogue>, clock: &Clock) {
    let now_ms = clock.now().stored_ms;
    let mut latest: Vec<Latest> = Vec::new();
    let scoped = store.scoped(&Scope::from_anonymous("*"));
    scoped.each_latest(now_ms, &mut |id, labels, _, value| latest.push((id, labels.clone(), value)));
    let exposition = Exposition::new(catalogue.clone(), Naming::Compat);
    let best = |work: &mut dyn FnMut() -> usize| {
        let run = |_| {
            let began = Instant::now();
            let bytes = work();
            (began.elapsed(), bytes)
        };
        (0..20).map(run).min().expect("twenty runs")
    };
    let (took, bytes) = best(&mut || exposition.write(&latest, &[], Wish::default(), now_ms).len());
    println!("rendering    best {took:>8.2?}  {bytes} bytes");
    let text = exposition.write(&latest, &[], Wish::default(), now_ms);
    let (took, bytes) = best(&mut || gzip::compressed(&text).len());
    println!("gzip         best {took:>8.2?}  {bytes} bytes");
}

/// Opens the doors on a port of their own. What it gives back keeps them open.
async fn serve(
    folder: &Path,
    store: &Arc<Store>,
    catalogue: &Arc<Catalogue>,
    clock: &Arc<Clock>,
) -> (u16, impl Sized + use<>) {
    let config = serve::config::Config {
        listen: "127.0.0.1:0".parse().expect("an address"),
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
    };
    let (state, _) = State::open(&folder.join("state"), clock.now()).await.expect("a state");
    let (stop, stopping) = watch::channel(false);
    let (commands, asked) = mpsc::channel(8);
    let (features, switches) = watch::channel(Features::default());
    let doors = Doors::open(&config, None).await.expect("a door");
    let port = doors.address().expect("an address").port();
    let (stream, _) = broadcast::channel(8);
    let shared = Arc::new(Shared {
        board: Arc::new(Empty),
        store: store.clone(),
        catalogue: catalogue.clone(),
        exposition: Exposition::new(catalogue.clone(), config.naming),
        clock: clock.clone(),
        stream,
        stream_clients_max: 4,
        counters: Counters::default(),
        anonymous: config.anonymous(),
        tokens: Tokens::load(state).await.expect("tokens"),
        sessions: Sessions::default(),
        peers: Peers::default(),
        bodies: Bodies::new(config.body_bytes_max),
        answers: Answers::default(),
        queries: Queries::new(config.query_samples_max),
        identity: doors.identity(),
        hosts: Vec::new(),
        features: switches,
        commands,
        stopping: stopping.clone(),
    });
    tokio::spawn(doors.serve(shared, stopping));
    (port, (stop, asked, features))
}
