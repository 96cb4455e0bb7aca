//! The mirror: what the stages count themselves, gathered the moment somebody asks for the agent's own metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use prometheus::proto::MetricFamily;

use crate::act::Acting;
use crate::act::Statistics as Acts;
use crate::alert::Alerting;
use crate::alert::statistics::Statistics as Alerts;
use crate::export::statistics::{Counters as ExportCounters, Statistics as Exports};
use crate::model::status::OwnFamily;
use crate::pipeline::own::{Figure, Kind, Own};
use crate::sample::census::{Census, Standing};
use crate::sample::sampler::Sampler;
use crate::serve::shared::{Counters, Shared};
use crate::store::{Health, Statistics, Store};
use crate::sys::clock::Clock;
use crate::sys::log;
use crate::sys::usage::{self, Usage};

/// What all stages count, at one moment.
pub struct Snapshot {
    store: Statistics,
    is_writing: bool,
    alerts: Alerts,
    exports: Exports,
    used: Usage,
    ahead_ms: i64,
    standing: Standing,
    cycles_dropped: u64,
    outcomes_unheard: u64,
    /// Serve is built after the board that shows these metrics.
    shared: Option<Arc<Shared>>,
    acts: Acts,
}

impl Snapshot {
    fn served(&self, counter: fn(&Counters) -> &AtomicU64) -> f64 {
        self.shared.as_ref().map_or(0.0, |shared| float(counter(&shared.counters).load(Ordering::Relaxed)))
    }

    #[allow(clippy::cast_precision_loss)] // milliseconds of this era are exact
    fn certificate_expiry_s(&self) -> f64 {
        let identity = self.shared.as_ref().and_then(|shared| shared.identity.as_ref());
        identity.and_then(|identity| identity.pair().expires_ms).map_or(0.0, |at_ms| at_ms as f64 / 1000.0)
    }
}

#[allow(clippy::cast_precision_loss)] // figures for people, far below 2^53
fn float(number: u64) -> f64 {
    number as f64
}

const fn total(name: &'static str, help: &'static str, read: fn(&Snapshot) -> f64) -> Figure {
    Figure { name, help, kind: Kind::Total, read }
}

const fn level(name: &'static str, help: &'static str, read: fn(&Snapshot) -> f64) -> Figure {
    Figure { name, help, kind: Kind::Level, read }
}

/// Every figure that a stage keeps itself.
#[rustfmt::skip] // a table is read across
#[allow(clippy::cast_precision_loss)] // figures for people, far below 2^53
pub static FIGURES: &[Figure] = &[
    total("process_cpu_seconds_total", "Processor time the agent has used.", |at| at.used.cpu.as_secs_f64()),
    level("process_resident_memory_bytes", "Memory the agent has resident.", |at| float(at.used.resident_bytes)),
    level("process_open_fds", "Files and sockets the agent has open.", |at| float(at.used.open_files)),
    total("watchward_log_repeated_lines_total", "Lines of the log that were counted instead of written: they repeated others.", |_| float(log::held_back())),
    level("watchward_stored_time_ahead_seconds", "How far stored time runs ahead of the wall clock.", |at| at.ahead_ms as f64 / 1000.0),
    total("watchward_sample_dropped_cycles_total", "Whole cycles dropped because the store did not keep up.", |at| float(at.cycles_dropped)),
    level("watchward_sample_stretch", "How many times less often rows are asked because the agent is over its budget; else 1.", |at| f64::from(at.standing.stretch)),
    level("watchward_sample_dropped_rows", "Rows of targets that are not asked because the agent is over its budget.", |at| at.standing.rows_dropped as f64),
    level("watchward_sample_budget_cpu_ratio", "Processor time the agent used over the last window, as a part of its budget.", |at| at.standing.load.cpu_ratio(&at.standing.budget)),
    level("watchward_sample_budget_memory_ratio", "Memory of its own the agent held over the last window, as a part of its budget.", |at| at.standing.load.memory_ratio(&at.standing.budget)),
    total("watchward_judge_unheard_outcomes_total", "Outcomes of cycles that judge had no room for.", |at| float(at.outcomes_unheard)),
    level("watchward_store_series", "Series in the store's index.", |at| at.store.series as f64),
    level("watchward_store_disk_bytes", "What the history takes on disk.", |at| float(at.store.bytes_on_disk)),
    level("watchward_store_head_bytes", "What index and samples take in memory.", |at| at.store.head_bytes as f64),
    level("watchward_store_blocks", "Block files of the history.", |at| at.store.blocks as f64),
    level("watchward_store_writing", "1 if the history reaches the disk, else 0.", |at| f64::from(u8::from(at.is_writing))),
    total("watchward_store_samples_total", "Samples taken in.", |at| float(at.store.samples_appended)),
    total("watchward_store_out_of_order_samples_total", "Samples dropped for being older than their series' last.", |at| float(at.store.dropped_out_of_order)),
    total("watchward_store_duplicate_samples_total", "Samples dropped for having their series' last time.", |at| float(at.store.dropped_duplicate)),
    total("watchward_store_unknown_series_samples_total", "Samples dropped because their series had left the index.", |at| float(at.store.dropped_unknown_series)),
    total("watchward_store_dropped_chunks_total", "Chunks dropped from memory because the disk did not take them.", |at| float(at.store.dropped_chunks)),
    total("watchward_store_refused_series_total", "New series refused because of series_max.", |at| float(at.store.capped)),
    total("watchward_store_damaged_files_total", "Files set aside as damaged.", |at| float(at.store.corrupt)),
    total("watchward_store_torn_bytes_total", "Bytes cut off the log's end after an interrupted write.", |at| float(at.store.torn_bytes)),
    level("watchward_alert_queued_notices", "Notices that wait to be told.", |at| float(at.alerts.queued)),
    level("watchward_alert_oldest_notice_seconds", "How long the oldest of them has waited.", |at| at.alerts.oldest_age_s),
    level("watchward_alert_unwritten_transitions", "Transitions that wait in memory because the state cannot be written.", |at| float(at.alerts.backlog)),
    total("watchward_alert_sent_messages_total", "Messages that arrived.", |at| float(at.alerts.sent)),
    total("watchward_alert_failed_attempts_total", "Attempts that failed and are repeated.", |at| float(at.alerts.failed)),
    total("watchward_alert_retried_attempts_total", "Attempts that were repetitions.", |at| float(at.alerts.retried)),
    total("watchward_alert_refused_messages_total", "Messages that receivers refused.", |at| float(at.alerts.refused)),
    total("watchward_alert_given_up_notices_total", "Notices that became too old to be tried again.", |at| float(at.alerts.given_up)),
    total("watchward_alert_coalesced_notices_total", "Notices merged away because too many waited.", |at| float(at.alerts.coalesced)),
    total("watchward_alert_unrecorded_total", "Critical alerts told without having been recorded.", |at| float(at.alerts.unrecorded)),
    total("watchward_alert_dropped_unrecorded_total", "Unrecorded alerts dropped because too many waited.", |at| float(at.alerts.dropped_urgent)),
    total("watchward_alert_dropped_events_total", "Events dropped because the state could not be written for too long.", |at| float(at.alerts.dropped_events)),
    level("watchward_export_queued_bytes", "Bytes of requests that wait for the collector.", |at| float(at.exports.queued_bytes)),
    level("watchward_export_queued_points", "Points and spans in them.", |at| float(at.exports.queued_items)),
    level("watchward_export_series", "Series of which the export remembers something.", |at| float(at.exports.series)),
    level("watchward_export_failing_seconds", "How long nothing has arrived of what was pushed.", |at| at.exports.failing_s),
    total("watchward_export_sent_points_total", "Points and spans that arrived.", |at| float(at.exports.sent)),
    total("watchward_export_failed_attempts_total", "Attempts that failed and are repeated.", |at| float(at.exports.failed)),
    total("watchward_export_overflowed_points_total", "Points and spans dropped because too much waited.", |at| float(at.exports.overflowed)),
    total("watchward_export_refused_points_total", "Points and spans in requests that the collector refused.", |at| float(at.exports.refused)),
    total("watchward_export_rejected_points_total", "Points and spans that it rejected from requests that it took.", |at| float(at.exports.rejected)),
    total("watchward_export_unfit_points_total", "Samples that cannot be pushed: sums that are no number, second values for one time.", |at| float(at.exports.unfit)),
    total("watchward_export_dropped_cycles_total", "Whole cycles dropped because the encoding did not keep up.", |at| float(at.exports.dropped_cycles)),
    level("watchward_act_under_way", "Targets on which a change, or the look at one, is under way.", |at| float(at.acts.under_way)),
    level("watchward_act_undo_due", "Changes whose cause has ended, or that are being taken back, and that still stand.", |at| float(at.acts.undo_due)),
    total("watchward_export_dropped_spans_total", "Spans dropped because too many came at once.", |at| float(at.exports.dropped_spans)),
    total("watchward_serve_requests_total", "HTTP requests.", |at| at.served(|count| &count.requests)),
    total("watchward_serve_refused_total", "Requests and peers turned away.", |at| at.served(|count| &count.refused)),
    total("watchward_serve_wrong_tokens_total", "Requests and logins with a token that is not known, or has expired.", |at| at.served(|count| &count.wrong_tokens)),
    total("watchward_serve_failed_handshakes_total", "Connections that came to no agreement on TLS.", |at| at.served(|count| &count.handshakes_failed)),
    total("watchward_serve_given_up_queries_total", "Queries over HTTP that found no place in time, or took too long.", |at| at.served(|count| &count.queries_given_up)),
    total("watchward_serve_crowded_connections_total", "Connections dropped because their address had all it may have.", |at| at.served(|count| &count.crowded)),
    total("watchward_serve_refused_certificates_total", "New certificates or keys of the agent's own that could not be used.", |at| at.served(|count| &count.certificates_refused)),
    level("watchward_serve_certificate_expiry_timestamp_seconds", "When the agent's own certificate ends; 0 without one.", Snapshot::certificate_expiry_s),
    level("watchward_serve_tokens", "Tokens there are.", |at| at.shared.as_ref().map_or(0.0, |shared| shared.tokens.count() as f64)),
    level("watchward_serve_sessions", "Sessions of the page.", |at| at.shared.as_ref().map_or(0.0, |shared| shared.sessions.count() as f64)),
    total("watchward_serve_connections_total", "Connections let in.", |at| at.served(|count| &count.connections)),
    level("watchward_serve_stream_clients", "Clients of the live stream.", |at| at.served(|count| &count.stream_clients)),
    total("watchward_serve_stream_cut_off_total", "Clients of the live stream cut off for being too slow.", |at| at.served(|count| &count.stream_cut_off)),
];

/// Handles on everything that counts.
pub struct Mirror {
    store: Arc<Store>,
    clock: Arc<Clock>,
    own: Arc<Own>,
    alerting: Arc<Alerting>,
    exports: Arc<ExportCounters>,
    cycles_dropped: Arc<AtomicU64>,
    census: Arc<Census>,
    unheard: Arc<AtomicU64>,
    shared: OnceLock<Arc<Shared>>,
    acting: OnceLock<Arc<Acting>>,
}

impl Mirror {
    pub fn new(
        store: &Arc<Store>,
        clock: &Arc<Clock>,
        own: &Arc<Own>,
        alerting: &Arc<Alerting>,
        sampler: &Sampler,
        unheard: &Arc<AtomicU64>,
    ) -> Mirror {
        Mirror {
            store: store.clone(),
            clock: clock.clone(),
            own: own.clone(),
            alerting: alerting.clone(),
            exports: Arc::default(),
            cycles_dropped: sampler.dropped.clone(),
            census: sampler.census().clone(),
            unheard: unheard.clone(),
            shared: OnceLock::new(),
            acting: OnceLock::new(),
        }
    }

    pub fn attach(&self, shared: Arc<Shared>) {
        let _ = self.shared.set(shared); // once, by the agent
    }

    /// Why the agent's own new certificate is not in use, if so.
    pub fn certificate_complaint(&self) -> Option<String> {
        let fault = self.shared.get()?.identity.as_ref()?.complaint()?;
        Some(fault.what)
    }

    /// What the agent does without because it used too much, if so.
    pub fn budget_complaint(&self) -> Option<String> {
        self.census.standing().complaint()
    }

    pub fn attach_acting(&self, acting: Arc<Acting>) {
        let _ = self.acting.set(acting); // once, by the agent
    }

    /// What exporting counts into.
    pub fn exports(&self) -> Arc<ExportCounters> {
        self.exports.clone()
    }

    /// The agent's own metrics, as they are scraped.
    pub fn families(&self) -> Vec<OwnFamily> {
        self.own.families(&self.snapshot())
    }

    /// The agent's own metrics.
    pub fn gather(&self) -> Vec<MetricFamily> {
        self.own.gather(&self.snapshot())
    }

    fn snapshot(&self) -> Snapshot {
        let now = self.clock.now();
        Snapshot {
            store: self.store.statistics(),
            is_writing: matches!(self.store.health(), Health::Writing),
            alerts: self.alerting.statistics(now),
            exports: self.exports.read(now.since_start),
            used: usage::own(),
            ahead_ms: self.clock.ahead_ms(),
            standing: self.census.standing(),
            cycles_dropped: self.cycles_dropped.load(Ordering::Relaxed),
            outcomes_unheard: self.unheard.load(Ordering::Relaxed),
            shared: self.shared.get().cloned(),
            acts: self.acting.get().map(|acting| acting.statistics()).unwrap_or_default(),
        }
    }
}
