//! The storing loop: each cycle goes to the store, the board and the stream, and its outcome on to judge.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};

use serde_json::json;
use tokio::sync::mpsc;

use crate::model::reading::{Cycle, Points};
use crate::model::series::{Series, is_stale};
use crate::model::status::{Body, Event, Message, StreamSample, TargetStatus};
use crate::pipeline::board::{Change, Noticeboard};
use crate::pipeline::exporting::Exporting;
use crate::pipeline::judging::Word;
use crate::pipeline::own::Own;
use crate::serve::shared::{Published, Stream};
use crate::store::Store;
use crate::sys::programs;
use crate::sys::task::panic_text;

/// What the loop works with. It runs on a thread of its own, and the writing on another: while a disk hangs, what was
/// read is still shown and judged.
pub struct Storing {
    /// For labels; the writing is the other thread's.
    pub store: Arc<Store>,
    pub points: SyncSender<(Points, i64)>,
    /// Cycles that the writing thread had no room for.
    pub dropped: Arc<AtomicU64>,
    pub board: Arc<Noticeboard>,
    pub own: Arc<Own>,
    pub stream: Stream,
    pub judge: mpsc::Sender<Word>,
    pub exporting: Arc<Exporting>,
    /// Outcomes that judge had no room for. The next cycle of the target says the same again.
    pub unheard: Arc<AtomicU64>,
}

impl Storing {
    /// Runs until all senders of cycles are gone.
    pub fn run(self, mut cycles: mpsc::Receiver<Cycle>) {
        while let Some(cycle) = cycles.blocking_recv() {
            let target = cycle.target.clone();
            // One cycle that brings a fault to light must not end the storing of all the others.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.take(cycle))) {
                self.own.panics.inc();
                tracing::error!("storing a cycle of {target} panicked: {}", panic_text(&*panic));
            }
        }
    }

    fn take(&self, cycle: Cycle) {
        self.show(&cycle);
        self.exporting.hand(&cycle);
        if self.points.try_send((cycle.points, cycle.at_ms)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn show(&self, cycle: &Cycle) {
        if cycle.removed {
            self.tell(cycle, Body::Event(event(cycle, "target.removed", "is watched no longer".to_string())));
            return;
        }
        self.count(cycle);
        if self.stream.receiver_count() > 0 {
            self.tell(cycle, self.samples(cycle));
        }
        let Some((status, changes)) = self.board.take(cycle) else { return };
        for change in changes {
            let (kind, words) = words(&change, &status);
            let event = event(cycle, kind, words);
            self.own.events.with_label_values(&[kind]).inc();
            tracing::info!("{}", event.summary);
            self.tell(cycle, Body::Event(event.clone()));
            self.hand_on(Word::Event(event));
        }
        self.tell(cycle, Body::Target(status));
        self.hand_on(Word::Cycle(Box::new(cycle.without_points())));
    }

    fn hand_on(&self, word: Word) {
        if self.judge.try_send(word).is_err() {
            self.unheard.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn count(&self, cycle: &Cycle) {
        if cycle.needs_credentials {
            return; // nothing was asked, and nothing is wrong
        }
        let up = if cycle.up { "1" } else { "0" };
        self.own.cycles.with_label_values(&[up]).inc();
        self.own.cycle_seconds.observe(cycle.took.as_secs_f64());
        self.own.cycle_late_seconds.observe(cycle.late.as_secs_f64());
        self.own.points_dropped.inc_by(cycle.points_dropped.iter().map(|(_, count)| count).sum());
        for unknown in cycle.rows.iter().filter_map(|row| row.result.as_ref().err()) {
            self.own.rows_unknown.with_label_values(&[unknown.kind.word()]).inc();
        }
    }

    fn samples(&self, cycle: &Cycle) -> Body {
        let points = cycle.points.iter().filter(|(_, value)| !is_stale(*value));
        let sample = |(id, value): &_| StreamSample { labels: self.store.labels(*id), value: *value };
        Body::Samples { at_ms: cycle.at_ms, samples: points.map(sample).collect() }
    }

    fn tell(&self, cycle: &Cycle, body: Body) {
        if self.stream.receiver_count() == 0 {
            return;
        }
        let target = name(cycle).to_string();
        let message = Message { tenant: cycle.tenant.to_string(), target, body };
        let _ = self.stream.send(Arc::new(Published::new(message))); // the last listener may have just left
    }
}

/// Writes what the loop hands on, until it has ended. The one thing on its thread: a disk may hang.
pub fn write(store: &Store, waiting: &Receiver<(Points, i64)>) {
    for (points, at_ms) in waiting {
        store.append(&points, at_ms);
    }
}

/// The target's name without its tenant.
fn name(cycle: &Cycle) -> &str {
    cycle.target.split_once('/').map_or(&*cycle.target, |(_, name)| name)
}

fn event(cycle: &Cycle, kind: &str, words: String) -> Event {
    let name = name(cycle);
    Event {
        at_ms: cycle.at_ms,
        tenant: cycle.tenant.to_string(),
        target: name.to_string(),
        kind: kind.to_string(),
        summary: format!("{name} {words}"),
        detail: json!({ "role": cycle.role, "version": cycle.version, "fault": cycle.fault }),
    }
}

fn words(change: &Change, status: &TargetStatus) -> (&'static str, String) {
    match change {
        Change::Up => ("target.up", "is up again".to_string()),
        Change::Down => {
            let why = status.fault.as_ref().map_or(String::new(), |fault| format!(": {}", fault.what));
            ("target.down", format!("is down{why}"))
        }
        Change::NeedsCredentials => {
            // As it was called here: whoever just built it has it in no PATH.
            let program = programs::own_name();
            ("target.needs_credentials", format!("needs credentials: `{program} discover` prints what to do"))
        }
        Change::Role { from, to } => ("target.role_changed", format!("is now {to}, was {from}")),
        Change::Version { from, to } => ("target.version_changed", format!("now runs {to}, was {from}")),
    }
}
