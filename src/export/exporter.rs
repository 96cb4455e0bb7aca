//! The exporter: takes cycles without ever making anybody wait, gathers them, and hands requests to the sender.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::export::batch::Batch;
use crate::export::config::Otlp;
use crate::export::endpoint::Signal;
use crate::export::own::{self, Family};
use crate::export::queue::{Parcel, Queue};
use crate::export::resource::{Agent, Prepared, Subject};
use crate::export::sender::{Sender, note_level};
use crate::export::statistics::Counters;
use crate::export::streams::Streams;
use crate::export::traces::{self, Traces};
use crate::model::catalogue::Catalogue;
use crate::model::reading::{Cycle, Points};
use crate::model::series::{Series, SeriesId, is_stale};
use crate::model::span::Trace;
use crate::sys::clock::Clock;
use crate::sys::task::{self, Handle};

/// Cycles that may wait for the encoding. Beyond it whole cycles are dropped and counted.
const CYCLES_WAITING_MAX: usize = 64;
/// What the agent's own metrics get at the end.
const OWN_TIME: Duration = Duration::from_millis(250);
/// With so much gathered a request is made at once, whatever the interval, in bytes: somewhat less than the mebibyte
/// that a proxy before a collector takes without being told to. A queue must have room for several.
const REQUEST_BYTES_MAX: usize = 1_000_000;
const QUEUE_SHARE: usize = 4;

/// What the exporter works with.
pub struct Surroundings {
    pub agent: Agent,
    pub catalogue: Arc<Catalogue>,
    pub series: Arc<dyn Series>,
    pub clock: Arc<Clock>,
    /// Gathers the agent's own metrics. It may hang with the disk, so it is asked beside everything else.
    pub own: Arc<dyn Fn() -> Vec<Family> + Send + Sync>,
    pub counters: Arc<Counters>,
}

/// What is on its way out.
enum Handed {
    Cycle { resource: Arc<Prepared>, at_ms: i64, points: Points, slow: Option<Trace> },
    Trace(Trace),
}

/// The agent's own metrics on their way, or why there are none.
type Asking = Handle<Result<Vec<Family>, String>>;

/// What the targets are, by identity.
#[derive(Default)]
struct Subjects {
    now: HashMap<String, Arc<Prepared>>,
    /// What targets were that have changed or gone, until the cycle has come that ends their series.
    former: HashMap<String, Arc<Prepared>>,
}

/// A running exporter. It ends when dropped.
pub struct Exporter {
    cycles: mpsc::Sender<Handed>,
    subjects: Mutex<Subjects>,
    agent: Agent,
    counters: Arc<Counters>,
    has_traces: bool,
    queue: Arc<Queue>,
    stop: watch::Sender<bool>,
    gathering: Handle<()>,
    sending: Handle<()>,
}

impl Exporter {
    pub fn begin(config: Otlp, around: Surroundings) -> Exporter {
        let (cycles, waiting) = mpsc::channel(CYCLES_WAITING_MAX);
        let (stop, stopping) = watch::channel(false);
        let queue = Arc::new(Queue::new(config.queue_bytes_max));
        let (agent, counters) = (around.agent.clone(), around.counters.clone());
        let (every, has_traces) = (config.interval, config.traces);
        let request_bytes_max = REQUEST_BYTES_MAX.min(config.queue_bytes_max / QUEUE_SHARE);
        let sender = Sender::new(config, queue.clone(), counters.clone(), around.clock.clone());
        let now = around.clock.now();
        let traces = has_traces.then(|| Traces::new(&agent, queue.clone(), counters.clone()));
        let traces = traces.and_then(|made| {
            made.map_err(|error| tracing::error!("traces cannot be pushed: {error}")).ok() // the metrics still go
        });
        let gathering = Gathering {
            began_ms: now.stored_ms - i64::try_from(now.since_start.as_millis()).unwrap_or(0),
            around,
            traces,
            asking: None,
            streams: Streams::default(),
            batch: Batch::default(),
            request_bytes_max,
            queue: queue.clone(),
        };
        Exporter {
            cycles,
            subjects: Mutex::default(),
            agent,
            counters,
            has_traces,
            queue,
            stop,
            gathering: task::spawn("exporting", gathering.run(waiting, every)),
            sending: task::spawn("export sending", sender.run(stopping)),
        }
    }

    /// Tells what all the targets are.
    pub fn set_subjects(&self, subjects: impl IntoIterator<Item = (String, Subject)>) {
        let mut known = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut known.now);
        for (identity, subject) in subjects {
            let new = Prepared::new(&self.agent.resource_of(&subject), &subject);
            let prepared = match before.remove(&identity) {
                Some(old) if *old == new => old,
                old => {
                    known.former.extend(old.map(|old| (identity.clone(), old)));
                    Arc::new(new)
                }
            };
            known.now.insert(identity, prepared);
        }
        known.former.extend(before);
    }

    /// What a cycle is about. The last one of a target is about what that was before it changed or went.
    fn resource(&self, cycle: &Cycle) -> Option<Arc<Prepared>> {
        let mut known = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        if cycle.removed
            && let Some(former) = known.former.remove(&*cycle.target)
        {
            return Some(former);
        }
        known.now.get(&*cycle.target).or_else(|| known.former.get(&*cycle.target)).cloned()
    }

    /// Takes a cycle, or counts that there was no room for it. Never waits.
    pub fn hand(&self, cycle: &Cycle) {
        let resource = self.resource(cycle);
        let Some(resource) = resource else {
            return Counters::add(&self.counters.unfit, cycle.points.len() as u64);
        };
        let slow = if self.has_traces { traces::of_cycle(cycle, resource.subject.deadline) } else { None };
        let handed = Handed::Cycle { resource, at_ms: cycle.at_ms, points: cycle.points.clone(), slow };
        if self.cycles.try_send(handed).is_err() {
            Counters::add(&self.counters.dropped_cycles, 1);
        }
    }

    /// Takes a trace of something else that the agent did. Never waits.
    pub fn trace(&self, trace: Trace) {
        let count = trace.root.count() as u64;
        if self.has_traces && self.cycles.try_send(Handed::Trace(trace)).is_err() {
            Counters::add(&self.counters.dropped_spans, count);
        }
    }

    /// Whether one of its tasks has ended by itself, which only a panic does.
    pub fn has_fallen(&self) -> bool {
        self.gathering.is_finished() || self.sending.is_finished()
    }

    /// Pushes what was gathered, as far as the collector takes it within the limit.
    pub async fn end(self, limit: Duration) {
        let Exporter { cycles, stop, gathering, sending, queue, counters, .. } = self;
        drop(cycles); // gathering ends after the last one, and closes the queue
        let _ = stop.send(true);
        let flushing = async {
            let _ = gathering.await;
            let _ = sending.await;
        };
        let _ = timeout(limit, flushing).await; // what is left says whether it was enough
        let left = queue.level().items;
        if left > 0 {
            Counters::add(&counters.overflowed, left);
            tracing::warn!("{left} points did not reach the collector before the end");
        }
        counters.clear_queue();
    }
}

/// Waits for what is under way; where nothing is, for ever.
async fn answered(asking: &mut Option<Asking>) -> Result<Vec<Family>, String> {
    match asking {
        Some(asking) => asking.await.and_then(|answer| answer),
        None => std::future::pending().await,
    }
}

/// The gathering loop.
struct Gathering {
    around: Surroundings,
    /// When the agent began, and with it its own counters (stored time).
    began_ms: i64,
    /// `None`: no traces are wanted.
    traces: Option<Traces>,
    /// At most one at a time.
    asking: Option<Asking>,
    streams: Streams,
    batch: Batch,
    /// With so much gathered a request is made.
    request_bytes_max: usize,
    queue: Arc<Queue>,
}

impl Gathering {
    async fn run(mut self, mut cycles: mpsc::Receiver<Handed>, every: Duration) {
        let mut tick = interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.reset();
        loop {
            tokio::select! {
                handed = cycles.recv() => match handed {
                    Some(handed) => self.take(handed),
                    None => break,
                },
                _ = tick.tick() => {
                    self.flush().await;
                    self.ask();
                }
                answer = answered(&mut self.asking) => self.tell_own(answer),
            }
        }
        self.flush().await;
        self.ask();
        if let Ok(answer) = timeout(OWN_TIME, answered(&mut self.asking)).await {
            self.tell_own(answer);
        }
        self.queue.close();
    }

    /// Begins to gather the agent's own metrics, unless that is still under way.
    fn ask(&mut self) {
        let own = self.around.own.clone();
        self.asking.get_or_insert_with(|| {
            task::spawn("own metrics", async move { task::blocking("own metrics", move || own()).await })
        });
    }

    fn tell_own(&mut self, answer: Result<Vec<Family>, String>) {
        self.asking = None;
        let families = answer.unwrap_or_else(|panic| {
            tracing::error!("the agent's own metrics cannot be pushed: {panic}");
            Vec::new()
        });
        let items = families.iter().map(|family| family.figures.len() as u64).sum();
        if items > 0 {
            let at_ms = self.around.clock.now().stored_ms;
            let body = own::encode(&families, self.around.agent.resource(), self.began_ms, at_ms);
            self.push(body, items);
        }
    }

    fn take(&mut self, handed: Handed) {
        match handed {
            Handed::Cycle { resource, at_ms, points, slow } => {
                for (id, value) in points {
                    self.add(id, at_ms, value, &resource);
                }
                if let (Some(traces), Some(slow)) = (&mut self.traces, slow) {
                    traces.add(&slow, Some(&resource));
                }
            }
            Handed::Trace(trace) => {
                if let Some(traces) = &mut self.traces {
                    traces.add(&trace, None);
                }
            }
        }
    }

    fn add(&mut self, id: SeriesId, at_ms: i64, value: f64, prepared: &Arc<Prepared>) {
        let known = (&**prepared, &*self.around.catalogue, &*self.around.series);
        match self.streams.take(id, at_ms, value, known) {
            Some(point) => self.batch.add(prepared, point, &self.streams),
            None if is_stale(value) => {} // the end of what was never pushed
            None => Counters::add(&self.around.counters.unfit, 1),
        }
        if self.batch.bytes() >= self.request_bytes_max {
            self.seal();
        }
    }

    /// Makes a request of the samples that were gathered, and one of the traces.
    async fn flush(&mut self) {
        let now = self.around.clock.now();
        if !self.batch.is_empty() {
            self.seal();
        }
        self.streams.sweep(now.stored_ms);
        self.around.counters.series.store(self.streams.len() as u64, std::sync::atomic::Ordering::Relaxed);
        if let Some(traces) = &mut self.traces {
            traces.flush().await;
        }
        note_level(&self.queue, &self.around.counters);
    }

    fn seal(&mut self) {
        let items = self.batch.len() as u64;
        let body = self.batch.seal(&self.streams);
        self.push(body, items);
    }

    fn push(&self, mut body: Vec<u8>, items: u64) {
        body.shrink_to_fit(); // what waits is counted by its length
        let gone = self.queue.push(Parcel { signal: Signal::Metrics, body: body.into(), items });
        let lost = gone.iter().map(|parcel| parcel.items).sum();
        Counters::add(&self.around.counters.overflowed, lost);
        note_level(&self.queue, &self.around.counters);
    }
}
