//! Exporting: hands stored cycles, targets and the agent's own metrics to the exporter, while there is one.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus::proto::{Metric, MetricFamily, MetricType};

use crate::config::Configuration;
use crate::engines;
use crate::export::exporter::{Exporter, Surroundings};
use crate::export::own::{Family, Figure};
use crate::export::resource::{Agent, Subject};
use crate::model::catalogue::Catalogue;
use crate::model::reading::Cycle;
use crate::model::span::Trace;
use crate::model::target::Target;
use crate::pipeline::mirror::Mirror;
use crate::store::Store;
use crate::sys::clock::Clock;
use crate::sys::{process, task};

/// What a replaced exporter gets for its last request.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The exporter, if one is configured; it comes, changes and goes with the configuration.
pub struct Exporting {
    store: Arc<Store>,
    clock: Arc<Clock>,
    catalogue: Arc<Catalogue>,
    mirror: Arc<Mirror>,
    running: RwLock<Option<Exporter>>,
}

impl Exporting {
    pub fn new(store: &Arc<Store>, clock: &Arc<Clock>, catalogue: &Arc<Catalogue>, mirror: &Arc<Mirror>) -> Exporting {
        Exporting {
            store: store.clone(),
            clock: clock.clone(),
            catalogue: catalogue.clone(),
            mirror: mirror.clone(),
            running: RwLock::default(),
        }
    }

    /// Begins as configured, in place of what ran before.
    pub fn configure(&self, configuration: &Configuration) {
        let new = configuration.export.otlp.clone().map(|otlp| {
            let mut attributes = otlp.resource.clone();
            let environment = &configuration.agent.environment;
            if !environment.is_empty() {
                let name = "deployment.environment.name".to_string();
                attributes.entry(name).or_insert_with(|| environment.clone());
            }
            let agent = Agent { name: configuration.agent.name.clone(), host_name: process::host_name(), attributes };
            let mirror = self.mirror.clone();
            let around = Surroundings {
                agent,
                catalogue: self.catalogue.clone(),
                series: self.store.clone(),
                clock: self.clock.clone(),
                own: Arc::new(move || mirror.gather().iter().filter_map(family).collect()),
                counters: self.mirror.exports(),
            };
            tracing::info!("pushing to the collector {}", otlp.endpoint.address().text());
            Exporter::begin(otlp, around)
        });
        let is_last = new.is_none();
        let before = std::mem::replace(&mut *self.running.write().unwrap_or_else(PoisonError::into_inner), new);
        let Some(before) = before else { return };
        let counters = self.mirror.exports();
        let ending = async move {
            before.end(LAST_WORDS).await;
            if is_last {
                counters.arrived(); // where nothing is pushed nothing fails
            }
        };
        task::spawn("last export", ending).detach();
    }

    /// Whether the exporter has ended by a fault of ours, and must be begun anew.
    pub fn has_fallen(&self) -> bool {
        self.running.read().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(Exporter::has_fallen)
    }

    pub fn set_targets(&self, targets: &[Target]) {
        if let Some(exporter) = &*self.running.read().unwrap_or_else(PoisonError::into_inner) {
            exporter.set_subjects(targets.iter().filter_map(|target| Some((target.identity(), subject(target)?))));
        }
    }

    /// Hands a cycle on. Never waits.
    pub fn hand(&self, cycle: &Cycle) {
        if let Some(exporter) = &*self.running.read().unwrap_or_else(PoisonError::into_inner) {
            exporter.hand(cycle);
        }
    }

    /// Hands on the trace of something else that the agent did. Never waits.
    pub fn trace(&self, trace: Trace) {
        if let Some(exporter) = &*self.running.read().unwrap_or_else(PoisonError::into_inner) {
            exporter.trace(trace);
        }
    }

    /// Pushes what was gathered, as far as the collector takes it within the limit.
    pub async fn end(&self, limit: Duration) {
        let last = self.running.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(exporter) = last {
            exporter.end(limit).await;
        }
    }
}

/// A target by the semantic conventions, whose words for systems are the engines'.
fn subject(target: &Target) -> Option<Subject> {
    let engine = engines::find(&target.engine)?;
    let card = engine.card();
    let is_server = !card.schemes.is_empty();
    let address = if target.url.host.is_empty() { "localhost" } else { target.url.host.as_str() };
    let port = if target.url.port == 0 { card.default_port } else { target.url.port };
    Some(Subject {
        tenant: target.tenant.clone(),
        target: target.name.clone(),
        system: if is_server { target.engine.clone() } else { String::new() },
        address: address.to_string(),
        port: if address.starts_with('/') { 0 } else { port },
        is_local: !is_server || target.is_local(),
        labels: target.labels.clone(),
        deadline: target.deadline.min(target.interval),
    })
}

/// One of the agent's own metrics, in the exporter's words.
fn family(family: &MetricFamily) -> Option<Family> {
    let kind = family.get_field_type();
    let figure = |metric: &Metric| match kind {
        MetricType::COUNTER => Some(Figure::Total(metric.get_counter().get_value())),
        MetricType::GAUGE => Some(Figure::Level(metric.get_gauge().get_value())),
        MetricType::HISTOGRAM => {
            let all = metric.get_histogram();
            let buckets = all.get_bucket().iter().map(|one| (one.upper_bound(), one.cumulative_count())).collect();
            Some(Figure::Spread { buckets, sum: all.get_sample_sum(), count: all.get_sample_count() })
        }
        MetricType::SUMMARY | MetricType::UNTYPED => None,
    };
    let labels = |metric: &Metric| {
        metric.get_label().iter().map(|one| (one.name().to_string(), one.value().to_string())).collect()
    };
    let figures = family.get_metric().iter().filter_map(|metric| Some((labels(metric), figure(metric)?)));
    Some(Family { name: family.name().to_string(), help: family.help().to_string(), figures: figures.collect() })
        .filter(|family| !family.figures.is_empty())
}
