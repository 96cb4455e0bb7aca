//! Own queries of a real engine, whose server is a small one of the test's: an answer without an end, and the time between two
//! readings in the sampler's own loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use watchward::engines;
use watchward::model::filter::Glob;
use watchward::model::query::{Query, QueryMetric};
use watchward::model::reading::{Cycle, UnknownKind};
use watchward::model::row::MetricKind;
use watchward::model::series::{Series, is_stale};
use watchward::model::target::Target;
use watchward::sample::census::Census;
use watchward::sample::cycle::Watched;
use watchward::sample::sampler::Sampler;
use watchward::sys::clock::Clock;

use crate::engines::http_answers::{Asked, ENDLESS, HttpAnswers};
use crate::engines::targets;
use crate::sample::ids::Given;

const LIMIT: Duration = Duration::from_secs(60);

fn query(name: &str, ask: &str, interval: Duration) -> Arc<Query> {
    let metric = QueryMetric {
        name: format!("app_{name}"),
        from: "count".to_string(),
        kind: MetricKind::Gauge,
        help: String::new(),
        unit: String::new(),
        labels: [].into(),
    };
    Arc::new(Query {
        name: name.to_string(),
        tenant: "default".to_string(),
        engine: "elasticsearch".to_string(),
        targets: vec![Glob::new("*")],
        ask: ask.to_string(),
        since: (0, 0),
        before: (u32::MAX, 0),
        interval,
        deadline: LIMIT,
        series_max: 10,
        labels: Vec::new(),
        metrics: vec![metric],
    })
}

/// Asks nothing but the own queries.
fn target(port: u16, interval: Duration, queries: Vec<Arc<Query>>) -> Target {
    let mut target = targets::target("elasticsearch", "http", port);
    (target.interval, target.deadline, target.queries) = (interval, interval, queries);
    target.choice.skip = engines::find("elasticsearch").unwrap().rows().iter().map(|row| Glob::new(row.name)).collect();
    target
}

fn answer(asked: &Asked) -> (u16, String) {
    static READINGS: AtomicU32 = AtomicU32::new(0);
    match asked.path.split('?').next().unwrap_or("") {
        "/" => (200, r#"{"cluster_name": "c", "version": {"number": "8.15.1"}}"#.to_string()),
        "/orders/_count" => (200, format!(r#"{{"count": {}}}"#, READINGS.fetch_add(1, Ordering::Relaxed) + 1)),
        "/other/_count" => (200, r#"{"count": 7}"#.to_string()),
        "/endless/_count" => (ENDLESS, r#"{"count": 1}, "#.repeat(1000)),
        path => panic!("{path}"),
    }
}

/// The value of a metric in a cycle.
fn value(series: &Given, cycle: &Cycle, name: &str) -> Option<f64> {
    let found = cycle.points.iter().find(|(id, value)| !is_stale(*value) && series.labels(*id).name() == name);
    found.map(|(_, value)| *value)
}

#[tokio::test]
async fn a_path_whose_answer_has_no_end_costs_itself_only() {
    let server = HttpAnswers::start(answer).await;
    let queries =
        [query("endless", "/endless/_count", Duration::ZERO), query("other", "/other/_count", Duration::ZERO)];
    let target = target(server.port, LIMIT, queries.into());
    let series = Given::new(1000);
    let engine = engines::find("elasticsearch").unwrap();
    let census = Arc::new(Census::unbounded());
    let mut watched = Watched::new(engine, Arc::new(target), series.clone(), 100, Arc::default(), census);
    let clock = Clock::begin(None);
    for nth in 0..4 {
        let cycle = watched.cycle(&clock, Duration::ZERO).await;
        assert!(cycle.up, "{:?}", cycle.fault);
        let endless = cycle.rows.iter().find(|row| row.name == "endless").expect("a reading");
        let why = endless.result.clone().expect_err("it has no end");
        assert_eq!(why.kind, UnknownKind::TooLarge, "{why:?}");
        // Such an answer costs the session, once; from the next cycle on the query is left alone.
        assert_eq!(value(&series, &cycle, "app_other"), (nth > 0).then_some(7.0), "cycle {nth}");
        assert_eq!(value(&series, &cycle, "elasticsearch_exporter_last_scrape_error"), Some(1.0));
    }
    let endless = server.asked().iter().filter(|asked| asked.path.starts_with("/endless")).count();
    assert_eq!(endless, 1);
}

/// A query for every third cycle of a target: two readings are three cycles apart, and what one gave stands until the next.
#[tokio::test]
async fn an_own_query_is_asked_once_in_its_interval_and_its_values_stand_until_then() {
    let interval = Duration::from_millis(400);
    let server = HttpAnswers::start(answer).await;
    let (cycles, mut taken) = mpsc::channel(64);
    let series = Given::new(1000);
    let census = Arc::new(Census::unbounded());
    let mut sampler = Sampler::new(series.clone(), Arc::new(Clock::begin(None)), cycles, 100, census);
    sampler.set(&[target(server.port, interval, vec![query("orders", "/orders/_count", interval * 3)])]).await;
    // Readings: the value, when it first stood, and in how many cycles.
    let mut readings: Vec<(f64, i64, u32)> = Vec::new();
    while readings.len() < 4 {
        let cycle = tokio::time::timeout(LIMIT, taken.recv()).await.expect("in time").expect("a cycle");
        match (value(&series, &cycle, "app_orders"), readings.last_mut()) {
            (Some(value), Some(last)) if last.0 == value => last.2 += 1,
            (Some(value), _) => readings.push((value, cycle.at_ms, 1)),
            // A machine may be too busy for a whole cycle: then all is asked at once again, and we begin anew.
            (None, _) => readings.clear(),
        }
    }
    sampler.set(&[]).await;
    // The first is asked with everything else, at the beginning; rows of one table are spread from then on.
    assert!(readings[0].2 <= 3, "{readings:?}");
    assert_eq!((readings[1].2, readings[2].2), (3, 3), "{readings:?}");
    assert_eq!(readings[3].0 - readings[1].0, 2.0, "each reading is one request: {readings:?}");
    // Beats keep to a grid, and one that comes more than an interval late is left out.
    let apart = readings[3].1 - readings[1].1;
    assert!(apart > 2000, "six times 400 ms, less the lateness of one beat: {apart} ms");
}
