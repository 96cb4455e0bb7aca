//! The agent's own metrics: what it costs, what it dropped, what waits. They carry no tenant, and so no tenant's data.

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

use prometheus::proto::{MetricFamily, MetricType};
use prometheus::{Counter, Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry};

use crate::model::row::MetricKind;
use crate::model::status::{OwnFamily, OwnSample};
use crate::pipeline::mirror::Snapshot;
use crate::serve::format;

/// Every metric of the agent's own. What the stages count themselves is copied from a snapshot when somebody asks.
pub struct Own {
    registry: Registry,
    pub cycles: IntCounterVec,
    pub cycle_seconds: Histogram,
    pub cycle_late_seconds: Histogram,
    pub rows_unknown: IntCounterVec,
    pub points_dropped: IntCounter,
    pub events: IntCounterVec,
    pub evaluation_seconds: Histogram,
    pub evaluation_failures: IntCounter,
    pub rules_without_data: Gauge,
    pub missed_evaluations: IntCounter,
    pub transitions: IntCounterVec,
    pub reloads: IntCounterVec,
    pub panics: IntCounter,
    pub actions: IntCounterVec,
    pub actions_refused: IntCounterVec,
    figures: Vec<(&'static Figure, Shown)>,
    asking: Mutex<()>,
    described: Vec<Described>,
}

/// What there is to know of one of these metrics before it has a value.
pub struct Described {
    pub name: String,
    pub help: String,
    pub kind: MetricKind,
    pub labels: Vec<String>,
}

/// The registry while it is filled, and what went into it.
struct Book {
    registry: Registry,
    described: RefCell<Vec<Described>>,
}

/// A figure that a stage keeps itself, and how to find it in a snapshot.
pub struct Figure {
    pub name: &'static str,
    pub help: &'static str,
    pub kind: Kind,
    pub read: fn(&Snapshot) -> f64,
}

/// Whether a figure only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Total,
    Level,
}

enum Shown {
    Total(Counter),
    Level(Gauge),
}

impl Own {
    /// # Errors
    /// A name given twice, which only a programmer can do.
    pub fn new(figures: &'static [Figure]) -> Result<Own, prometheus::Error> {
        let book = Book { registry: Registry::new(), described: RefCell::default() };
        let seconds = |name: &str, help: &str| {
            let buckets = vec![0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
            register(&book, Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?)
        };
        let counted =
            |name: &str, help: &str, label: &str| register(&book, IntCounterVec::new(Opts::new(name, help), &[label])?);
        let count = |name: &str, help: &str| register(&book, IntCounter::new(name, help)?);
        let info = register(
            &book,
            GaugeVec::new(Opts::new("watchward_build_info", "The agent's version; always 1."), &["version"])?,
        )?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        let shown = |figure: &Figure| {
            Ok::<_, prometheus::Error>(match figure.kind {
                Kind::Total => Shown::Total(register(&book, Counter::new(figure.name, figure.help)?)?),
                Kind::Level => Shown::Level(register(&book, Gauge::new(figure.name, figure.help)?)?),
            })
        };
        let figures = figures.iter().map(|figure| Ok::<_, prometheus::Error>((figure, shown(figure)?)));
        Ok(Own {
            cycles: counted("watchward_sample_cycles_total", "Cycles, by whether the target was up.", "up")?,
            cycle_seconds: seconds("watchward_sample_cycle_duration_seconds", "How long cycles took.")?,
            cycle_late_seconds: seconds(
                "watchward_sample_cycle_late_seconds",
                "How much later than planned cycles began.",
            )?,
            rows_unknown: counted(
                "watchward_sample_unknown_rows_total",
                "Rows that could not be read, by kind.",
                "kind",
            )?,
            points_dropped: count(
                "watchward_sample_dropped_points_total",
                "Points dropped because a row or the store had reached its cap.",
            )?,
            events: counted("watchward_pipeline_events_total", "Events, by kind.", "kind")?,
            evaluation_seconds: seconds("watchward_judge_evaluation_seconds", "How long a round of rules took.")?,
            evaluation_failures: count("watchward_judge_failed_rules_total", "Rules that failed to evaluate.")?,
            rules_without_data: register(
                &book,
                Gauge::new(
                    "watchward_judge_rules_without_data",
                    "Rules of which nothing that they select had a sample when they were last evaluated.",
                )?,
            )?,
            missed_evaluations: count(
                "watchward_judge_missed_evaluations_total",
                "Rounds of groups that were left out because the one before came late.",
            )?,
            transitions: counted("watchward_judge_transitions_total", "Transitions, by the phase they lead to.", "to")?,
            reloads: counted("watchward_config_reloads_total", "Reloads of the configuration, by outcome.", "outcome")?,
            panics: count("watchward_pipeline_panics_total", "Tasks that panicked and were begun anew.")?,
            actions: counted(
                "watchward_act_actions_total",
                "What policies did, planned and left, by outcome.",
                "outcome",
            )?,
            actions_refused: counted(
                "watchward_act_refusals_total",
                "Reasons for which policies were held back, by code; each is counted when it is told.",
                "reason",
            )?,
            figures: figures.collect::<Result<_, prometheus::Error>>()?,
            asking: Mutex::default(),
            described: book.described.into_inner(),
            registry: book.registry,
        })
    }

    /// Every metric there is, whether it has a value or not.
    pub fn described(&self) -> &[Described] {
        &self.described
    }

    /// Every metric as it is scraped, after taking a snapshot over.
    pub fn families(&self, snapshot: &Snapshot) -> Vec<OwnFamily> {
        self.gather(snapshot).iter().map(family).collect()
    }

    /// Every metric, after taking a snapshot over.
    pub fn gather(&self, snapshot: &Snapshot) -> Vec<MetricFamily> {
        // Two who ask at once must not both move a counter by what they saw.
        let _one_by_one = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        for (figure, shown) in &self.figures {
            let value = (figure.read)(snapshot);
            match shown {
                Shown::Level(gauge) => gauge.set(value),
                Shown::Total(counter) => counter.inc_by((value - counter.get()).max(0.0)),
            }
        }
        self.registry.gather()
    }
}

fn register<C: prometheus::core::Collector + Clone + 'static>(book: &Book, metric: C) -> Result<C, prometheus::Error> {
    book.registry.register(Box::new(metric.clone()))?;
    let labels: Vec<String> = metric.desc().iter().flat_map(|one| one.variable_labels.clone()).collect();
    for family in metric.collect() {
        let (name, help) = (family.name().to_string(), family.help().to_string());
        let kind = match family.get_field_type() {
            MetricType::COUNTER => MetricKind::Counter,
            MetricType::GAUGE => MetricKind::Gauge,
            MetricType::HISTOGRAM => MetricKind::Histogram,
            MetricType::SUMMARY | MetricType::UNTYPED => MetricKind::Untyped,
        };
        book.described.borrow_mut().push(Described { name, help, kind, labels: labels.clone() });
    }
    Ok(metric)
}

/// A metric of the registry as it is scraped.
fn family(family: &MetricFamily) -> OwnFamily {
    let mut samples = Vec::new();
    let mut kind = MetricKind::Untyped;
    for metric in family.get_metric() {
        let labels: Vec<(String, String)> =
            metric.get_label().iter().map(|one| (one.name().to_string(), one.value().to_string())).collect();
        let mut add = |part, labels, value| samples.push(OwnSample { part, labels, value });
        match family.get_field_type() {
            MetricType::COUNTER => {
                kind = MetricKind::Counter;
                add("", labels, metric.get_counter().get_value());
            }
            MetricType::GAUGE => {
                kind = MetricKind::Gauge;
                add("", labels, metric.get_gauge().get_value());
            }
            MetricType::HISTOGRAM => {
                kind = MetricKind::Histogram;
                let all = metric.get_histogram();
                #[allow(clippy::cast_precision_loss)] // far below 2^53
                let count = all.get_sample_count() as f64;
                #[allow(clippy::cast_precision_loss)] // far below 2^53
                let buckets = all.get_bucket().iter().map(|one| (one.upper_bound(), one.cumulative_count() as f64));
                for (bound, up_to) in buckets.filter(|(bound, _)| bound.is_finite()).chain([(f64::INFINITY, count)]) {
                    let mut edge = String::new();
                    format::number(&mut edge, bound);
                    add("_bucket", [labels.clone(), vec![("le".to_string(), edge)]].concat(), up_to);
                }
                add("_sum", labels.clone(), all.get_sample_sum());
                add("_count", labels, count);
            }
            MetricType::SUMMARY | MetricType::UNTYPED => {} // there are none
        }
    }
    OwnFamily { name: family.name().to_string(), help: family.help().to_string(), kind, samples }
}
