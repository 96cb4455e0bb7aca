//! What the state_dirs of `tests/fixtures/state_dir` hold, and the one way they are made: `make`, run by hand once for
//! each version before the format changes, with fixed numbers in place of chance and of a clock.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use watchward::model::labels::Labels;
use watchward::model::moment::Moment;
use watchward::model::series::{Series, SeriesId};
use watchward::model::status::Event;
use watchward::model::transition::{Phase, Transition};
use watchward::state::State;
use watchward::state::deliveries::{Attempt, Outcome};
use watchward::state::migrations;
use watchward::state::open::Settings;
use watchward::state::outbox::{Alert, Change, Notice, Outlet, Place};
use watchward::store::{Config, Share, Store};

use crate::state::folded;

/// When the fixtures' history begins: at a day's beginning, long ago.
pub const START_MS: i64 = 1_750_032_000_000;
/// 27 hours: a day that can be thinned, and some hours that stay as they are.
const CYCLES: i64 = 27 * 60;
const CYCLE_MS: i64 = 60_000;
/// When the agent of the fixtures stopped.
pub const END_MS: i64 = START_MS + (CYCLES - 1) * CYCLE_MS;
const SERIES: i64 = 6;

pub fn folder_of(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/state_dir").join(version)
}

pub fn moment(at_ms: i64) -> Moment {
    Moment { since_start: Duration::from_secs(60), wall_ms: at_ms, stored_ms: at_ms }
}

pub fn store_config(state_dir: &Path) -> Config {
    Config {
        dir: state_dir.join("store"),
        min_free: Share::Bytes(0),
        raw_retention: Duration::from_secs(2 * 3600),
        ..Config::default()
    }
}

/// The labels of a series of the store.
pub fn labels(series: i64) -> Labels {
    let (tenant, target) = if series % 2 == 0 { ("default", "orders") } else { ("acme", "cache") };
    let name = ["up", "connections", "commits_total"][usize::try_from(series / 2).unwrap()];
    Labels::new([("__name__", name), ("tenant", tenant), ("target", target), ("instance", "127.0.0.1:1")])
}

/// A series' samples in the order they were taken in: a counter, a gauge, or what is up and then down.
pub fn samples(series: i64) -> Vec<(i64, f64)> {
    let value = |cycle: i64| match series / 2 {
        0 => f64::from(u8::from(cycle < CYCLES - 30)),
        1 => ((cycle * 37 + series * 11) % 101) as f64 + 0.25,
        _ => (cycle * cycle + series) as f64,
    };
    (0..CYCLES).map(|cycle| (START_MS + cycle * CYCLE_MS, value(cycle))).collect()
}

/// All series there are.
pub fn all() -> impl Iterator<Item = i64> {
    0..SERIES
}

/// The alert of the target `orders`, which fires when the agent stops.
pub fn firing() -> Transition {
    Transition {
        tenant: "default".to_string(),
        rule: "finding;TargetDown".to_string(),
        labels: Labels::new([
            ("alertname", "TargetDown"),
            ("tenant", "default"),
            ("target", "orders"),
            ("instance", "127.0.0.1:1"),
            ("job", "postgres"),
            ("severity", "critical"),
        ]),
        annotations: BTreeMap::from([("summary".to_string(), "orders does not answer".to_string())]),
        from: Phase::Pending,
        to: Phase::Firing,
        at_ms: END_MS - 28 * CYCLE_MS,
        since_ms: END_MS - 30 * CYCLE_MS,
        value: 0.0,
        reason: "held for 2m".to_string(),
        discovered: false,
    }
}

/// An alert of another tenant, which waits for its `for` to end.
pub fn pending() -> Transition {
    Transition {
        tenant: "acme".to_string(),
        rule: "acme.yml;all;TooMany".to_string(),
        labels: Labels::new([
            ("alertname", "TooMany"),
            ("tenant", "acme"),
            ("target", "cache"),
            ("severity", "warning"),
        ]),
        annotations: BTreeMap::from([("summary".to_string(), "\"too\" many, für alle".to_string())]),
        from: Phase::Inactive,
        to: Phase::Pending,
        at_ms: END_MS,
        since_ms: END_MS,
        value: f64::NAN,
        reason: "condition holds".to_string(),
        discovered: true,
    }
}

/// One that fired and ceased.
pub fn resolved() -> [Transition; 2] {
    let labels = Labels::new([("alertname", "Slow"), ("tenant", "acme"), ("target", "cache"), ("severity", "info")]);
    let began = Transition { rule: "acme.yml;all;Slow".to_string(), labels, to: Phase::Firing, ..pending() };
    let began = Transition { from: Phase::Pending, at_ms: END_MS - 600_000, value: 1.5, ..began };
    let ceased = Transition { from: Phase::Firing, to: Phase::Resolved, at_ms: END_MS - 300_000, ..began.clone() };
    [began, ceased]
}

pub fn event() -> Event {
    Event {
        at_ms: END_MS - 1,
        tenant: "acme".to_string(),
        target: "cache".to_string(),
        kind: "target.role_changed".to_string(),
        summary: "cache is replica now".to_string(),
        detail: json!({ "role": "replica", "before": "primary" }),
    }
}

pub fn outlet() -> Outlet {
    Outlet { receiver: "dba".to_string(), channel: "webhook".to_string() }
}

pub fn place() -> Arc<Place> {
    let labels = Labels::new([("tenant", "default"), ("alertname", "TargetDown")]);
    Arc::new(Place { outlet: outlet(), key: "{}:{}".to_string(), tenant: "default".to_string(), labels })
}

pub fn alert() -> Alert {
    let Transition { rule, labels, annotations, at_ms, .. } = firing();
    Alert { rule, labels, annotations, starts_ms: at_ms, ends_ms: None }
}

/// Makes the state_dir of this build. The schema's migrations are those up to a version.
async fn make(state_dir: &Path, schema: usize) {
    let settings = Settings { reserve_bytes: 0, migrations: &migrations::ALL[..schema], ..Settings::default() };
    let (state, _) = State::open_with(state_dir, moment(END_MS), &settings).await.unwrap();
    state.set_meta("origin", "0123456789abcdef0123456789abcdef").await.unwrap();
    state.set_meta("role acme/cache", "replica").await.unwrap();
    let [began, ceased] = resolved();
    let transitions = [began, ceased, firing(), pending()];
    let notices = [Notice { place: place(), alert: alert() }];
    let change =
        Change { transitions: &transitions, events: &[event()], notices: &notices, at_ms: END_MS, entries_max: 100 };
    state.commit(&change).await.unwrap();
    let group = state.next_group(&outlet(), &[]).await.unwrap().unwrap();
    let waiting = state.waiting(group, 100).await.unwrap().unwrap();
    let ids: Vec<i64> = waiting.notices.iter().map(|(id, _)| *id).collect();
    let attempt = Attempt {
        group,
        place: &waiting.place,
        notices: &ids,
        delivery: "d-1",
        number: 1,
        at_ms: END_MS,
        outcome: Outcome::Failed,
        status: Some(503),
        answer: "not now",
    };
    state.settle(&attempt).await.unwrap();
    drop(state);
    folded(state_dir).await;
    make_store(&store_config(state_dir));
    let _ = fs::remove_file(state_dir.join("lock"));
}

fn make_store(config: &Config) {
    let (store, _) = Store::open(config.clone(), START_MS).unwrap();
    let ids: Vec<SeriesId> = all().map(|series| store.id(&labels(series), 0).unwrap()).collect();
    let samples: Vec<Vec<(i64, f64)>> = all().map(samples).collect();
    for cycle in 0..usize::try_from(CYCLES).unwrap() {
        let at_ms = samples[0][cycle].0;
        let points: Vec<(SeriesId, f64)> = ids.iter().zip(&samples).map(|(id, all)| (*id, all[cycle].1)).collect();
        assert_eq!(store.append(&points, at_ms).dropped, 0);
        if cycle % 10 == 0 {
            store.maintain(at_ms);
        }
    }
    store.flush_and_close();
}

#[tokio::test]
#[ignore = "writes the fixture of the present format: run it by hand, before the format changes"]
async fn make_the_fixture_of_the_present_format() {
    let version = migrations::ALL.len();
    let folder = folder_of(&format!("v{version}"));
    assert!(!folder.exists(), "{} is there; what was released is never made anew", folder.display());
    fs::create_dir_all(&folder).unwrap();
    make(&folder, version).await;
}
