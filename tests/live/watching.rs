//! A target watched cycle by cycle, as the sampler does it, without waiting between the cycles.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use watchward::model::labels::Labels;
use watchward::model::reading::{Cycle, UnknownKind};
use watchward::model::series::{Series, SeriesId, is_stale};
use watchward::model::target::Target;
use watchward::sample::census::Census;
use watchward::sample::cycle::Watched;
use watchward::sys::clock::Clock;

use crate::servers::engine;

/// Gives every label set an id.
#[derive(Default)]
struct Given(Mutex<(BTreeMap<Labels, SeriesId>, Vec<Labels>)>);

impl Series for Given {
    fn id(&self, labels: &Labels, _spare: usize) -> Option<SeriesId> {
        let mut known = self.0.lock().unwrap();
        let next = SeriesId(u32::try_from(known.1.len()).unwrap());
        let id = *known.0.entry(labels.clone()).or_insert(next);
        if id == next {
            known.1.push(labels.clone());
        }
        Some(id)
    }

    fn labels(&self, id: SeriesId) -> Labels {
        self.0.lock().unwrap().1.get(id.0 as usize).cloned().unwrap_or_else(Labels::empty)
    }
}

/// What one cycle brought.
pub struct Seen {
    pub cycle: Cycle,
    points: Vec<(Labels, f64)>,
}

impl Seen {
    /// The values of a metric whose labels have these values.
    pub fn values(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        let fits = |one: &Labels| one.value("__name__") == name && labels.iter().all(|(l, v)| one.value(l) == *v);
        self.points.iter().filter(|(one, value)| fits(one) && !is_stale(*value)).map(|(_, value)| *value).collect()
    }

    /// How many series a metric has, of those with these labels.
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> usize {
        self.values(name, labels).len()
    }

    /// Why a row brought nothing, or lacked something.
    pub fn unknown(&self, row: &str) -> Option<(UnknownKind, String)> {
        let reading = self.cycle.rows.iter().find(|one| one.name == row)?;
        reading.result.as_ref().err().map(|unknown| (unknown.kind, unknown.reason.clone()))
    }
}

pub struct Watching {
    watched: Watched,
    series: Arc<Given>,
    clock: Clock,
}

impl Watching {
    pub fn begin(target: Target) -> Watching {
        let series = Arc::new(Given::default());
        let engine = engine(&target.engine);
        let watched = Watched::new(
            engine,
            Arc::new(target),
            series.clone(),
            20_000,
            Arc::default(),
            Arc::new(Census::unbounded()),
        );
        Watching { watched, series, clock: Clock::begin(None) }
    }

    /// One cycle; the target is up.
    pub async fn cycle(&mut self) -> Seen {
        let seen = self.try_cycle().await;
        assert!(seen.cycle.up, "{:?}", seen.cycle.fault);
        seen
    }

    pub async fn try_cycle(&mut self) -> Seen {
        let cycle = self.watched.cycle(&self.clock, Duration::ZERO).await;
        let points = cycle.points.iter().map(|(id, value)| (self.series.labels(*id), *value)).collect();
        Seen { cycle, points }
    }
}
