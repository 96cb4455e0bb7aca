//! The mirror: what the stages count themselves, gathered the moment somebody asks for the agent's own metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::alert::Alerting;
use crate::pipeline::own::{Own, Snapshot};
use crate::sample::sampler::Sampler;
use crate::serve::shared::Shared;
use crate::store::{Health, Store};
use crate::sys::clock::Clock;
use crate::sys::usage;

/// Handles on everything that counts.
pub struct Mirror {
    store: Arc<Store>,
    clock: Arc<Clock>,
    own: Arc<Own>,
    alerting: Arc<Alerting>,
    cycles_dropped: Arc<AtomicU64>,
    unheard: Arc<AtomicU64>,
    /// Serve is built after the board that shows these metrics.
    shared: OnceLock<Arc<Shared>>,
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
            cycles_dropped: sampler.dropped.clone(),
            unheard: unheard.clone(),
            shared: OnceLock::new(),
        }
    }

    pub fn attach(&self, shared: Arc<Shared>) {
        let _ = self.shared.set(shared); // once, by the agent
    }

    /// The agent's own metrics as text.
    pub fn text(&self) -> String {
        self.own.text(&self.snapshot())
    }

    #[allow(clippy::cast_precision_loss)] // figures for people, far below 2^53
    fn snapshot(&self) -> Snapshot {
        let store = self.store.statistics();
        let used = usage::own();
        let alerting = self.alerting.statistics(self.clock.now());
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let mut totals = vec![
            ("samples_appended", store.samples_appended),
            ("samples_dropped_out_of_order", store.dropped_out_of_order),
            ("samples_dropped_duplicate", store.dropped_duplicate),
            ("samples_dropped_unknown_series", store.dropped_unknown_series),
            ("chunks_dropped", store.dropped_chunks),
            ("series_capped", store.capped),
            ("files_set_aside", store.corrupt),
            ("log_bytes_torn", store.torn_bytes),
            ("cycles_dropped", count(&self.cycles_dropped)),
            ("outcomes_unheard", count(&self.unheard)),
            ("notifications_sent", alerting.sent),
            ("notifications_failed", alerting.failed),
            ("notifications_retried", alerting.retried),
            ("notifications_refused", alerting.refused),
            ("notifications_given_up", alerting.given_up),
            ("notifications_coalesced", alerting.coalesced),
            ("notifications_unrecorded", alerting.unrecorded),
        ];
        let writing = matches!(self.store.health(), Health::Writing);
        let mut levels = vec![
            ("store_bytes_on_disk", store.bytes_on_disk as f64),
            ("store_head_bytes", store.head_bytes as f64),
            ("store_blocks", store.blocks as f64),
            ("store_writing", f64::from(u8::from(writing))),
            ("notifications_queued", alerting.queued as f64),
            ("notification_oldest_seconds", alerting.oldest_age_s),
            ("transitions_unwritten", alerting.backlog as f64),
        ];
        if let Some(shared) = self.shared.get() {
            let served = &shared.counters;
            totals.extend([
                ("http_requests", count(&served.requests)),
                ("http_refused", count(&served.refused)),
                ("http_connections", count(&served.connections)),
                ("stream_cut_off", count(&served.stream_cut_off)),
            ]);
            levels.push(("stream_clients", count(&served.stream_clients) as f64));
        }
        Snapshot {
            series: i64::try_from(store.series).unwrap_or(i64::MAX),
            ahead_seconds: self.clock.ahead_ms() as f64 / 1000.0,
            cpu_seconds: used.cpu.as_secs_f64(),
            resident_bytes: whole(used.resident_bytes),
            open_files: whole(used.open_files),
            totals,
            levels,
        }
    }
}
