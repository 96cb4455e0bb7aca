//! What the agent itself says of a target: whether it is up, what it is, how its last cycle and each row went.

use std::time::Duration;

use crate::engines::contract::{Emit, Engine, Facts};
use crate::model::labels::Labels;
use crate::model::reading::{RowReading, UnknownKind};
use crate::model::row::{Family, Metric, MetricKind};
use crate::model::target::Target;

static UP: Metric = Metric::gauge("up", "1 if the target answered in the last cycle, else 0.");
static CYCLE_SECONDS: Metric =
    Metric::gauge("scrape_duration_seconds", "How long the last cycle of the target took.").unit("s");
static CYCLE_LATE: Metric =
    Metric::gauge("watchward_sample_late_seconds", "How much later than planned the target's last cycle began.")
        .unit("s");
static CYCLE_SAMPLES: Metric = Metric::gauge("scrape_samples_scraped", "Samples of the target's last cycle.");
static STATE: Metric = Metric::gauge(
    "watchward_target_state",
    "1 in the state that the label names: needs_credentials, where a server was found and wants a login nobody gave.",
);
static DROPPED: Metric = Metric::counter(
    "watchward_sample_refused_points_total",
    "Points of the row that were dropped because it or the store had all the series it may have.",
);
static ROW_SUCCESS: Family = Family::new(
    MetricKind::Gauge,
    "",
    "_scrape_collector_success",
    "1 if the row was read when last asked, else 0; missing where the server has no such thing.",
);
static ROW_SECONDS: Family = Family::new(
    MetricKind::Gauge,
    "",
    "_scrape_collector_duration_seconds",
    "How long the row took when last asked, in seconds.",
);

static INFO: Metric =
    Metric::gauge("target_info", "What the target said it is; always 1, and missing while it is down.");
static ROW_SERIES: Metric = Metric::gauge("watchward_sample_series", "Series that the row has now.");
static LACKING: Family = Family::new(
    MetricKind::Gauge,
    "",
    "_exporter_last_scrape_error",
    "1 if after the last cycle something lacks that should have been read, else 0; not for what the server does not have.",
);

/// The metrics that every target has beside its engine's rows.
pub static COMMON: [&Metric; 8] =
    [&UP, &INFO, &CYCLE_SECONDS, &CYCLE_SAMPLES, &CYCLE_LATE, &STATE, &ROW_SERIES, &DROPPED];

/// The families that every target has beside its engine's rows.
pub static COMMON_FAMILIES: [&Family; 3] = [&ROW_SUCCESS, &ROW_SECONDS, &LACKING];

/// Whether a target answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum State {
    Up,
    Down,
    /// Neither: it was only found, and wants a login that nobody has given.
    NeedsCredentials,
}

impl State {
    pub fn of(up: bool) -> State {
        if up { State::Up } else { State::Down }
    }
}

/// What there is to say after a cycle.
pub struct Words<'a> {
    pub engine: &'static dyn Engine,
    pub facts: &'a Facts,
    pub state: State,
    pub took: Duration,
    pub late: Duration,
    /// Samples of the cycle.
    pub samples: usize,
    /// Points dropped so far, by row; only rows that lost any.
    pub dropped: Vec<(&'static str, u64)>,
    /// Series that rows have; only rows that have any.
    pub series: Vec<(&'static str, usize)>,
    /// Whether rows were read when last asked, and how long that took.
    pub status: Vec<(&'static str, bool, Duration)>,
    /// Something was not read in this cycle that should have been.
    pub is_lacking: bool,
}

impl Words<'_> {
    pub fn tell(&self, emit: &mut dyn Emit) {
        if self.state == State::NeedsCredentials {
            return emit.metric(&STATE, &[("state", "needs_credentials")], 1.0);
        }
        let card = self.engine.card();
        let up = f64::from(u8::from(self.state == State::Up));
        emit.metric(&UP, &[], up);
        emit.metric(card.up, &[], up);
        if self.state == State::Up {
            emit.metric(&INFO, &self.info(), 1.0);
        }
        emit.metric(&CYCLE_SECONDS, &[], self.took.as_secs_f64());
        emit.metric(&CYCLE_SAMPLES, &[], float(self.samples as u64));
        emit.metric(&CYCLE_LATE, &[], self.late.as_secs_f64());
        emit.family(&LACKING, card.prefix, &[], f64::from(u8::from(self.lacks_something())));
        for (row, dropped) in &self.dropped {
            emit.metric(&DROPPED, &[("collector", *row)], float(*dropped));
        }
        for (row, series) in &self.series {
            emit.metric(&ROW_SERIES, &[("collector", *row)], float(*series as u64));
        }
        for (row, success, took) in &self.status {
            let labels = [("collector", *row)];
            emit.family(&ROW_SUCCESS, card.prefix, &labels, f64::from(u8::from(*success)));
            emit.family(&ROW_SECONDS, card.prefix, &labels, took.as_secs_f64());
        }
    }

    fn info(&self) -> [(&'static str, &str); 4] {
        let Facts { version_text, flavour, role, .. } = self.facts;
        [("engine", self.engine.word()), ("version", version_text), ("flavour", flavour), ("role", role)]
    }

    /// A row that failed is lacking until it is asked again, however many cycles later.
    fn lacks_something(&self) -> bool {
        self.state == State::Down || self.is_lacking || self.status.iter().any(|(_, success, _)| !success)
    }
}

/// Whether something was not read that should have been: what the server does not have need not be.
pub fn is_lacking(readings: &[RowReading]) -> bool {
    readings.iter().any(|row| row.result.as_ref().is_err_and(|why| why.kind != UnknownKind::NotHere))
}

#[allow(clippy::cast_precision_loss)] // far below 2^53
fn float(count: u64) -> f64 {
    count as f64
}

/// What every series of a target carries.
pub fn base_labels(engine: &'static dyn Engine, target: &Target) -> Vec<(String, String)> {
    let job = if target.job.is_empty() { engine.card().job.to_string() } else { target.job.clone() };
    let fixed = [
        ("tenant", target.tenant.clone()),
        ("target", target.name.clone()),
        ("instance", engine.instance(target)),
        ("job", job),
    ];
    let mut base: Vec<(String, String)> = target.labels.clone().into_iter().collect();
    base.retain(|(name, _)| !fixed.iter().any(|(taken, _)| taken == name));
    base.extend(fixed.into_iter().map(|(name, value)| (name.to_string(), value)));
    base
}

/// The labels that name a target in findings and alerts.
pub fn identity_labels(engine: &'static dyn Engine, target: &Target) -> Labels {
    Labels::new(base_labels(engine, target))
}
