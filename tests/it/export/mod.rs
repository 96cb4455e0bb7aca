//! Tests of `src/export`: stories against a strict collector on loopback, and pure ones with time as a parameter.

mod batch;
mod catalogue;
pub mod collector;
mod config;
mod endpoint;
mod own;
mod queue;
mod resource;
mod sender;
mod streams;
mod traces;
pub mod strict;
mod verdict;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use watchward::export::config::Otlp;
use watchward::export::endpoint::Endpoint;
use watchward::export::exporter::{Exporter, Surroundings};
use watchward::export::own::Family;
use watchward::export::resource::{Agent, Subject};
use watchward::export::statistics::{Counters, Statistics};
use watchward::model::catalogue::Catalogue;
use watchward::model::labels::Labels;
use watchward::model::reading::{Cycle, Points};
use watchward::model::row::{Metric, Rename};
use watchward::model::series::{Series, SeriesId};
use watchward::sys::clock::Clock;

/// A series whose labels cannot be asked for without a panic.
pub const FAULTY: SeriesId = SeriesId(999_999);

/// A giver of identities.
#[derive(Default)]
pub struct Table(Mutex<Vec<Labels>>);

impl Series for Table {
    fn id(&self, labels: &Labels, _spare: usize) -> Option<SeriesId> {
        let mut all = self.0.lock().expect("whole");
        let at = all.iter().position(|one| one == labels).unwrap_or_else(|| {
            all.push(labels.clone());
            all.len() - 1
        });
        u32::try_from(at).ok().map(SeriesId)
    }

    fn labels(&self, id: SeriesId) -> Labels {
        assert_ne!(id, FAULTY, "planted");
        self.0.lock().expect("whole").get(id.0 as usize).cloned().unwrap_or_else(Labels::empty)
    }
}

impl Table {
    /// The id of a series of the target `cache`, with further labels.
    pub fn series(&self, name: &str, labels: &[(&str, &str)]) -> SeriesId {
        let own = [("__name__", name), ("tenant", "acme"), ("target", "cache"), ("instance", "db1:6379"), ("job", "x")];
        self.id(&Labels::new(own.iter().chain(labels).copied()), 0).expect("room")
    }
}

const METRICS: &[Metric] = &[
    Metric::counter("t_requests_total", "Requests.").unit("{request}"),
    Metric::gauge("t_memory_mib", "Memory, in MiB.").unit("By").otel("t.memory").scale(1_048_576.0),
    Metric::counter("t_read_bytes_total", "Bytes.").unit("By").otel("t.io").attribute("direction", "read"),
    Metric::counter("t_written_bytes_total", "Bytes.").unit("By").otel("t.io").attribute("direction", "write"),
    Metric::gauge("t_io_now", "The same name, another type.").unit("By").otel("t.io"),
    Metric::gauge("t_wait_milliseconds", "Waits, in ms.").unit("s").strict("t_wait_seconds").scale(1e-3),
    Metric::counter("t_cpu_seconds_total", "Time.").unit("s").otel("t.cpu.time").renames(&[
        Rename::new("cpu", "cpu.logical_number").whole(),
        Rename::new("mode", "cpu.mode").values(&[("irq", "interrupt")]),
    ]),
    Metric::gauge("up", "Whether it is up."),
];

pub fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::new();
    catalogue.add_metrics(METRICS);
    catalogue
}

pub fn subject() -> Subject {
    Subject {
        tenant: "acme".to_string(),
        target: "cache".to_string(),
        system: "sixth".to_string(),
        address: "db1".to_string(),
        port: 6379,
        is_local: false,
        labels: [("region".to_string(), "eu-1".to_string())].into(),
        deadline: Duration::from_secs(4),
    }
}

pub fn agent() -> Agent {
    Agent { name: "agent-1".to_string(), host_name: "host-1".to_string(), attributes: [].into() }
}

/// A configuration that pushes to a port of this machine, often.
pub fn otlp(port: u16) -> Otlp {
    Otlp {
        endpoint: Endpoint::read(&format!("http://127.0.0.1:{port}")).expect("a URL"),
        headers: [].into(),
        headers_file: None,
        ca_file: None,
        insecure: false,
        interval: Duration::from_millis(50),
        timeout: Duration::from_secs(5),
        queue_bytes_max: 1 << 20,
        resource: [].into(),
        traces: false,
    }
}

/// A cycle of a target, at a time.
pub fn cycle(target: &str, at_ms: i64, points: Points) -> Cycle {
    Cycle {
        target: format!("acme/{target}").into(),
        tenant: "acme".into(),
        at_ms,
        points,
        rows: Vec::new(),
        up: true,
        needs_credentials: false,
        removed: false,
        points_dropped: Vec::new(),
        fault: None,
        took: Duration::ZERO,
        late: Duration::ZERO,
        version: String::new(),
        flavour: String::new(),
        role: String::new(),
    }
}

/// A running exporter with one target, `cache`.
pub struct Stage {
    pub exporter: Exporter,
    pub series: Arc<Table>,
    pub counters: Arc<Counters>,
    pub clock: Arc<Clock>,
}

impl Stage {
    pub fn begin(config: Otlp) -> Stage {
        Stage::begin_with(config, Vec::new())
    }

    pub fn begin_with(config: Otlp, own: Vec<Family>) -> Stage {
        Stage::begin_own(config, move || own.clone())
    }

    pub fn begin_own(config: Otlp, own: impl Fn() -> Vec<Family> + Send + Sync + 'static) -> Stage {
        let (series, counters) = (Arc::new(Table::default()), Arc::new(Counters::default()));
        let clock = Arc::new(Clock::begin(None));
        let around = Surroundings {
            agent: agent(),
            catalogue: Arc::new(catalogue()),
            series: series.clone(),
            clock: clock.clone(),
            own: Arc::new(own),
            counters: counters.clone(),
        };
        let exporter = Exporter::begin(config, around);
        exporter.set_subjects([("acme/cache".to_string(), subject())]);
        Stage { exporter, series, counters, clock }
    }

    /// Hands one cycle with `t_requests_total` and `up`.
    pub fn cycle(&self, at_ms: i64, requests: f64) {
        let points =
            vec![(self.series.series("t_requests_total", &[]), requests), (self.series.series("up", &[]), 1.0)];
        self.exporter.hand(&cycle("cache", at_ms, points));
    }

    pub fn statistics(&self) -> Statistics {
        self.counters.read(self.clock.now().since_start)
    }

    /// Waits until the statistics are as wished.
    pub async fn wait(&self, what: &str, holds: impl Fn(&Statistics) -> bool) -> Statistics {
        for _ in 0..1000 {
            let now = self.statistics();
            if holds(&now) {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what} did not come: {:?}", self.statistics());
    }
}
