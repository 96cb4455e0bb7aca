//! The agent's own metrics: what it costs, what it dropped, what waits. They carry no tenant, and so no tenant's data.

use std::sync::Mutex;

use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};

/// Every metric of the agent's own. Counters kept elsewhere are copied here when somebody asks.
pub struct Own {
    registry: Registry,
    pub cycles: IntCounterVec,
    pub cycle_seconds: Histogram,
    pub cycle_late_seconds: Histogram,
    pub rows_unknown: IntCounterVec,
    pub events: IntCounterVec,
    pub evaluation_seconds: Histogram,
    pub evaluation_failures: IntCounter,
    pub transitions: IntCounterVec,
    pub reloads: IntCounterVec,
    pub panics: IntCounter,
    /// Gauges and counters that mirror what the stages count themselves.
    mirrored: GaugeVec,
    series: IntGauge,
    ahead_seconds: Gauge,
    totals: IntCounterVec,
    last_totals: Mutex<std::collections::HashMap<&'static str, u64>>,
    process_cpu_seconds: prometheus::Counter,
    resident_bytes: IntGauge,
    open_files: IntGauge,
    last_cpu_seconds: Mutex<f64>,
}

/// The state of things at one moment, as the stages count it.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub series: i64,
    pub ahead_seconds: f64,
    pub cpu_seconds: f64,
    pub resident_bytes: i64,
    pub open_files: i64,
    /// What only grows, by name.
    pub totals: Vec<(&'static str, u64)>,
    /// What goes up and down, by name.
    pub levels: Vec<(&'static str, f64)>,
}

impl Own {
    /// # Errors
    /// A name given twice, which only a programmer can do.
    pub fn new() -> Result<Own, prometheus::Error> {
        let registry = Registry::new();
        let seconds = |name: &str, help: &str| {
            let buckets = vec![0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
            register(&registry, Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?)
        };
        let counted = |name: &str, help: &str, label: &str| {
            register(&registry, IntCounterVec::new(Opts::new(name, help), &[label])?)
        };
        let count = |name: &str, help: &str| register(&registry, IntCounter::new(name, help)?);
        let level = |name: &str, help: &str| register(&registry, IntGauge::new(name, help)?);
        let info = register(
            &registry,
            GaugeVec::new(Opts::new("watchward_build_info", "The agent's version; always 1."), &["version"])?,
        )?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        let mirrored = Opts::new("watchward_level", "Things that go up and down, by name: queues, clients, bytes.");
        Ok(Own {
            cycles: counted("watchward_cycles_total", "Cycles, by whether the target was up.", "up")?,
            cycle_seconds: seconds("watchward_cycle_duration_seconds", "How long cycles took.")?,
            cycle_late_seconds: seconds("watchward_cycle_late_seconds", "How much later than planned cycles began.")?,
            rows_unknown: counted("watchward_rows_unknown_total", "Rows that could not be read, by kind.", "kind")?,
            events: counted("watchward_events_total", "Events, by kind.", "kind")?,
            evaluation_seconds: seconds("watchward_rule_evaluation_seconds", "How long a round of rules took.")?,
            evaluation_failures: count("watchward_rule_failures_total", "Rules that failed to evaluate.")?,
            transitions: counted("watchward_transitions_total", "Transitions, by the phase they lead to.", "to")?,
            reloads: counted("watchward_reloads_total", "Reloads of the configuration, by outcome.", "outcome")?,
            panics: count("watchward_panics_total", "Tasks that panicked and were begun anew.")?,
            mirrored: register(&registry, GaugeVec::new(mirrored, &["name"])?)?,
            series: level("watchward_series", "Series in the store's index.")?,
            ahead_seconds: register(
                &registry,
                Gauge::new("watchward_stored_time_ahead_seconds", "How far stored time runs ahead of the wall clock.")?,
            )?,
            totals: counted("watchward_counted_total", "Things that were dropped, cut off, retried or lost.", "name")?,
            last_totals: Mutex::default(),
            process_cpu_seconds: register(
                &registry,
                prometheus::Counter::new("process_cpu_seconds_total", "Processor time the agent has used.")?,
            )?,
            resident_bytes: level("process_resident_memory_bytes", "Memory the agent has resident.")?,
            open_files: level("process_open_fds", "Files and sockets the agent has open.")?,
            last_cpu_seconds: Mutex::new(0.0),
            registry,
        })
    }

    /// The text format, after taking a snapshot over.
    pub fn text(&self, snapshot: &Snapshot) -> String {
        self.series.set(snapshot.series);
        self.ahead_seconds.set(snapshot.ahead_seconds);
        self.resident_bytes.set(snapshot.resident_bytes);
        self.open_files.set(snapshot.open_files);
        for (name, level) in &snapshot.levels {
            self.mirrored.with_label_values(&[name]).set(*level);
        }
        let mut last = self.last_totals.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (name, total) in &snapshot.totals {
            let before = last.insert(name, *total).unwrap_or(0);
            self.totals.with_label_values(&[name]).inc_by(total.saturating_sub(before));
        }
        let mut cpu = self.last_cpu_seconds.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.process_cpu_seconds.inc_by((snapshot.cpu_seconds - *cpu).max(0.0));
        *cpu = cpu.max(snapshot.cpu_seconds);
        let mut bytes = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut bytes) {
            Ok(()) => String::from_utf8(bytes).unwrap_or_default(),
            Err(error) => format!("# the agent's own metrics cannot be written: {error}\n"),
        }
    }
}

fn register<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    metric: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
