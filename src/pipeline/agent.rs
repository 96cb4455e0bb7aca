//! The agent: builds every stage, wires them, and runs until it is told to stop. Open this file first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::act::Acting;
use crate::alert::Alerting;
use crate::config::render;
use crate::config::{self, Configuration, Loaded, Source, Surroundings};
use crate::engines;
use crate::model::catalogue::Catalogue;
use crate::model::command::Command;
use crate::model::fault::Fault;
use crate::model::features::Features;
use crate::model::reading::Cycle;
use crate::model::target::Target;
use crate::pipeline::acting::{self, Around};
use crate::pipeline::board::Noticeboard;
use crate::pipeline::exporting::Exporting;
use crate::pipeline::judging::{Judging, Places, Word};
use crate::pipeline::mirror::{FIGURES, Mirror};
use crate::pipeline::own::Own;
use crate::pipeline::serving::{self, Wires};
use crate::pipeline::statements::Reader;
use crate::pipeline::storing::{self, Storing};
use crate::sample::census::Census;
use crate::sample::discovery;
use crate::sample::governor::Used;
use crate::sample::own;
use crate::sample::sampler::Sampler;
use crate::sample::words::{COMMON, COMMON_FAMILIES};
use crate::serve::commands::{self, Asked};
use crate::state::State;
use crate::store::version;
use crate::store::{self, Store};
use crate::sys::clock::Clock;
use crate::sys::log;
use crate::sys::process::{self, Signals, Wish};
use crate::sys::task::{self, Handle};
use crate::sys::usage;

/// Cycles that may wait for the store. Beyond it whole cycles are dropped and counted.
const CYCLES_WAITING_MAX: usize = 256;
/// Outcomes that may wait for judge.
const WORDS_WAITING_MAX: usize = 1024;
/// Messages of the stream that a client may be behind before it counts as slow.
const STREAM_BACKLOG: usize = 256;
const SYNC_EVERY: Duration = Duration::from_secs(30);
const MAINTAIN_EVERY: Duration = Duration::from_secs(60);
const LOOK_AFTER_EVERY: Duration = Duration::from_secs(5);
/// A judging loop that is quiet for longer hangs: its longest rest is a few seconds, its rules have limits.
const QUIET_MAX: Duration = Duration::from_secs(120);
/// All that must be flushed at the end gets this long; the service manager waits a little longer.
const STOP_TIME: Duration = Duration::from_secs(4);
/// What a collector gets for the last request, while the store is flushed.
const EXPORT_STOP_TIME: Duration = Duration::from_secs(1);

/// Runs the agent until SIGTERM.
///
/// # Errors
/// What could not be begun: a folder, a lock, an address.
pub fn run(source: Source, loaded: Loaded) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(8)
        .thread_name("watchward")
        .enable_all()
        .build()
        .map_err(|error| Fault::new("agent-01", format!("the runtime cannot be started: {error}")))?;
    let outcome = runtime.block_on(async { Agent::begin(source, loaded).await?.run().await });
    // What still hangs (a file system, a name server) must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

/// Everything that lives as long as the agent.
struct Agent {
    source: Source,
    configuration: Configuration,
    /// The configuration in force as people read it, without its secrets.
    effective: String,
    clock: Arc<Clock>,
    store: Arc<Store>,
    board: Arc<Noticeboard>,
    own: Arc<Own>,
    catalogue: Arc<Catalogue>,
    exporting: Arc<Exporting>,
    sampler: Sampler,
    judge: mpsc::Sender<Word>,
    commands: mpsc::Receiver<Asked>,
    signals: Signals,
    features: watch::Sender<Features>,
    stop: watch::Sender<bool>,
    /// Ends once the last cycle is stored.
    stored: oneshot::Receiver<()>,
    last_round_ms: Arc<AtomicU64>,
    judging: Handle<()>,
    sending: Handle<()>,
    changing: Handle<()>,
    acting: Arc<Acting>,
    texts: Reader,
    _serving: Handle<()>,
}

impl Agent {
    async fn begin(source: Source, loaded: Loaded) -> Result<Agent, Fault> {
        let effective = render::render(&loaded);
        let configuration = loaded.configuration;
        // Listening to signals comes first: a SIGTERM must find somebody from the first moment on.
        let signals = Signals::listen()
            .map_err(|error| Fault::new("agent-03", format!("signals cannot be listened to: {error}")))?;
        // A folder that a newer build wrote in is refused whole, before anything in it is migrated.
        version::check(&configuration.store.dir)?;
        // The state holds the folder's lock. The store knows when stored time may begin.
        let (state, report) = State::open(&configuration.agent.state_dir, Clock::begin(None).now()).await?;
        if let (Some(from), Some(copy)) = (report.migrated_from, &report.copy) {
            let (to, copy) = (report.version, copy.display());
            tracing::info!("state.db was brought from schema version {from} to {to}; as it was before it is {copy}");
        }
        let (store, newest_sample_ms) = open_store(configuration.store.clone()).await?;
        let clock = Arc::new(Clock::begin(newest_sample_ms));
        let (stop, stopping) = watch::channel(false);
        let (stream, _) = broadcast::channel(STREAM_BACKLOG);
        let (cycles, cycles_waiting) = mpsc::channel::<Cycle>(CYCLES_WAITING_MAX);
        let (judge, words) = mpsc::channel(WORDS_WAITING_MAX);
        let own = Arc::new(Own::new(FIGURES).map_err(|error| Fault::new("agent-02", error.to_string()))?);
        let alerting =
            Arc::new(Alerting::new(configuration.alert.clone(), state.clone(), &configuration.external_url()));
        let row_series_max = configuration.sample.series_max_per_row;
        let census = Arc::new(Census::new(configuration.sample.budget));
        let sampler = Sampler::new(store.clone(), clock.clone(), cycles, row_series_max, census);
        let unheard = Arc::new(AtomicU64::new(0));
        let mirror = Arc::new(Mirror::new(&store, &clock, &own, &alerting, &sampler, &unheard));
        let board = Arc::new(Noticeboard::new(Box::new({
            let mirror = mirror.clone();
            move || mirror.families()
        })));
        let catalogue = Arc::new(catalogue());
        let exporting = Arc::new(Exporting::new(&store, &clock, &catalogue, &mirror));
        exporting.configure(&configuration);
        let around = Around {
            clock: clock.clone(),
            board: board.clone(),
            own: own.clone(),
            stream: stream.clone(),
            exporting: exporting.clone(),
        };
        let gap_ms = newest_sample_ms.map_or(0, |newest_ms| clock.now().stored_ms.saturating_sub(newest_ms));
        let gap = Duration::from_millis(u64::try_from(gap_ms).unwrap_or(0));
        let acting = acting::begin(&configuration, &state, around, gap);
        mirror.attach_acting(acting.clone());
        let places = Places {
            store: store.clone(),
            clock: clock.clone(),
            board: board.clone(),
            own: own.clone(),
            stream: stream.clone(),
            alerting: alerting.clone(),
            acting: acting.clone(),
            exports: mirror.exports(),
            mirror: mirror.clone(),
        };
        let judging =
            Judging::begin(&configuration, &state, catalogue.clone(), newest_sample_ms, places.clone()).await?;
        let (asking, commands) = mpsc::channel(commands::WAITING_MAX);
        let (features, switches) = watch::channel(configuration.features);
        let wires = Wires { stopping: stopping.clone(), commands: asking, features: switches };
        let serving = serving::begin(&configuration, &places, &state, catalogue.clone(), wires, &mirror).await?;
        let (points, points_waiting) = sync_channel(CYCLES_WAITING_MAX);
        let storing = Storing {
            store: store.clone(),
            points,
            dropped: sampler.dropped.clone(),
            board: board.clone(),
            own: own.clone(),
            stream: stream.clone(),
            judge: judge.clone(),
            exporting: exporting.clone(),
            unheard,
        };
        let (done, stored) = oneshot::channel();
        let writer = store.clone();
        task::thread("storing", move || storing.run(cycles_waiting))
            .and_then(|_| {
                task::thread("writing", move || {
                    storing::write(&writer, &points_waiting);
                    let _ = done.send(()); // nobody waits any more after the time to stop
                })
            })
            .map_err(|error| Fault::new("agent-04", format!("no thread for the store: {error}")))?;
        Ok(Agent {
            last_round_ms: judging.last_round_ms.clone(),
            judging: task::spawn("judging", judging.run(words, stopping.clone())),
            sending: task::spawn("sending", alerting.run(clock.clone(), stopping.clone())),
            changing: task::spawn("changing", acting.clone().run(stopping)),
            acting,
            _serving: serving,
            source,
            configuration,
            effective,
            features,
            clock,
            store,
            board,
            own,
            catalogue,
            exporting,
            sampler,
            judge,
            commands,
            signals,
            stop,
            stored,
            texts: Reader::default(),
        })
    }

    async fn run(mut self) -> Result<(), Fault> {
        let targets = self.targets();
        self.watch(&targets).await;
        self.board.set_ready();
        tell_manager("READY=1");
        tracing::info!(
            "watching {}, listening on {}, state in {}",
            counted(targets.len()),
            self.configuration.serve.listen,
            self.configuration.agent.state_dir.display()
        );
        let mut sync = timer(SYNC_EVERY);
        let mut maintain = timer(MAINTAIN_EVERY);
        let mut look_after = timer(LOOK_AFTER_EVERY);
        let mut discover = timer(self.configuration.sample.discovery_interval);
        let mut watchdog = timer(process::watchdog_interval().unwrap_or(Duration::from_secs(3600)));
        loop {
            tokio::select! {
                wish = self.signals.next() => match wish {
                    Wish::Stop => break,
                    Wish::Reload => self.reload().await,
                },
                Some(asked) = self.commands.recv() => {
                    self.answer(asked);
                }
                _ = sync.tick() => {
                    let store = self.store.clone();
                    beside("sync", move || store.sync());
                }
                _ = maintain.tick() => {
                    let (store, now_ms) = (self.store.clone(), self.clock.now().stored_ms);
                    beside("maintain", move || { store.maintain(now_ms); });
                }
                _ = look_after.tick() => {
                    log::sweep();
                    self.look_after();
                    self.govern();
                    if self.judging.is_finished() || self.sending.is_finished() || self.changing.is_finished() {
                        // Watching without judging or telling would look like peace; and what was changed must be undone.
                        let what = "the judging, the telling or the acting has ended by a fault of ours";
                        let fault = Fault::new("agent-07", what);
                        return Err(fault.hint("The log has the panic; please report it. The service manager begins anew."));
                    }
                }
                _ = discover.tick() => if self.configuration.discovers {
                    let targets = self.targets();
                    self.watch(&targets).await;
                },
                _ = watchdog.tick() => if self.is_alive() {
                    tell_manager("WATCHDOG=1");
                },
            }
        }
        self.end().await
    }

    /// Makes these the watched targets, on the board, in judge and in the sampler.
    async fn watch(&mut self, targets: &[Target]) {
        self.catalogue.set_own(&mut own::metrics(targets));
        self.board.set_targets(targets, self.clock.now().stored_ms);
        self.exporting.set_targets(targets);
        let _ = self.judge.send(Word::Targets(targets.to_vec())).await; // judge outlives us, unless it panicked
        self.sampler.set(targets).await;
    }

    /// The configured targets and, where no file says what to watch, the servers found on this machine.
    fn targets(&self) -> Vec<Target> {
        let mut targets = self.configuration.targets.clone();
        if self.configuration.discovers {
            for (engine, found) in discovery::servers() {
                match self.configuration.target_found(&found, engine) {
                    Ok(target) => targets.push(target),
                    Err(fault) => tracing::warn!("what was found at {} cannot be watched: {fault}", found.url),
                }
            }
        }
        // What was found once and does not listen now is down, not gone: it must not vanish when it dies.
        let known: Vec<Target> =
            self.sampler.targets().filter(|one| one.discovered).map(|one| (**one).clone()).collect();
        for one in known {
            if self.configuration.discovers && !targets.iter().any(|other| other.identity() == one.identity()) {
                targets.push(one);
            }
        }
        targets
    }

    /// Carries out what was asked by one of the doors. What takes time belongs in a task of its own.
    fn answer(&mut self, asked: Asked) {
        let Asked { caller, command, reply } = asked;
        match command {
            Command::EffectiveConfiguration => {
                let _ = reply.send(Ok(serde_json::json!({ "text": self.effective }))); // they may have given up
            }
            Command::Act(order) => acting::order(&self.acting, order, caller, reply),
            Command::Statement(wanted) => {
                let targets: Vec<_> = self.sampler.targets().cloned().collect();
                self.texts.answer(&targets, wanted, &caller, reply);
            }
        }
    }

    /// Whether the loops that must never stand still do not: else the service manager begins us anew.
    fn is_alive(&self) -> bool {
        let round = Duration::from_millis(self.last_round_ms.load(Ordering::Relaxed));
        let quiet = self.clock.now().since_start.saturating_sub(round);
        !self.judging.is_finished() && !self.sending.is_finished() && quiet < QUIET_MAX
    }

    /// A target's task ends only by a panic. It is begun anew, and the panic is counted.
    fn look_after(&mut self) {
        for identity in self.sampler.fallen() {
            self.own.panics.inc();
            tracing::error!("the task of {identity} panicked; it is begun anew");
            self.sampler.revive(&identity);
        }
        if self.exporting.has_fallen() {
            self.own.panics.inc();
            tracing::error!("the task of the export panicked; it is begun anew");
            self.exporting.configure(&self.configuration);
            let targets: Vec<Target> = self.sampler.targets().map(|one| (**one).clone()).collect();
            self.exporting.set_targets(&targets);
        }
    }

    /// Holds what the agent uses against its budget; over it, targets are asked less.
    fn govern(&self) {
        let (cpu, memory_bytes) = usage::spent();
        let census = self.sampler.census();
        if let Some(standing) = census.observe(self.clock.now().since_start, Used { cpu, memory_bytes }) {
            match standing.complaint() {
                Some(why) => tracing::warn!("the agent is over its budget and asks less: {why}"),
                None => tracing::info!("the agent is within its budget and asks everything again"),
            }
        }
    }

    /// Builds and checks everything, then swaps; what is invalid changes nothing and becomes a finding.
    async fn reload(&mut self) {
        tell_manager(&process::reloading());
        match config::load(&self.source, &Surroundings::of_this_process()) {
            Ok(loaded) => {
                for warning in &loaded.warnings {
                    tracing::warn!("{warning}");
                }
                self.effective = render::render(&loaded);
                self.apply(loaded.configuration).await;
                self.own.reloads.with_label_values(&["applied"]).inc();
            }
            Err(problems) => {
                let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
                tracing::error!("the new configuration is not used:\n{}", words.join("\n"));
                self.own.reloads.with_label_values(&["refused"]).inc();
                let faults = problems.into_iter().map(|problem| problem.fault).collect();
                let _ = self.judge.send(Word::Refused(faults)).await;
            }
        }
        tell_manager("READY=1");
    }

    async fn apply(&mut self, new: Configuration) {
        for (what, differs) in [
            ("[agent] state_dir", new.agent.state_dir != self.configuration.agent.state_dir),
            ("[serve]", new.serve != self.configuration.serve),
            ("[store]", new.store != self.configuration.store),
            (
                "[sample] series_max_per_row",
                new.sample.series_max_per_row != self.configuration.sample.series_max_per_row,
            ),
            (
                "[sample] discovery_interval",
                new.sample.discovery_interval != self.configuration.sample.discovery_interval,
            ),
        ] {
            if differs {
                tracing::warn!("{what} takes effect when the agent is started anew");
            }
        }
        // Judge asks what is known when it looks for rules that nothing can satisfy.
        self.catalogue.set_own(&mut own::metrics(&new.targets));
        let (accepted, answer) = oneshot::channel();
        let _ = self.judge.send(Word::Reload(Box::new(new.clone()), accepted)).await;
        let _ = answer.await; // judge has swapped its rules before targets change
        let _ = self.features.send(new.features); // nobody listens where nothing is served
        let (agent, before) = (&new.agent, &self.configuration.agent);
        let agent_differs = agent.name != before.name || agent.environment != before.environment;
        if agent_differs || new.export != self.configuration.export {
            self.exporting.configure(&new);
        }
        self.acting.reload(acting::settings(&new));
        self.sampler.census().set_budget(new.sample.budget);
        self.configuration = new;
        self.sampler.try_logins_again();
        let targets = self.targets();
        self.watch(&targets).await;
        tracing::info!("the configuration was reloaded; {}", counted(targets.len()));
    }

    /// Stops asking, stores what was read, and makes it durable.
    async fn end(self) -> Result<(), Fault> {
        tell_manager("STOPPING=1");
        tracing::info!("stopping");
        let Agent { sampler, stored, stop, judging, sending, changing, store, exporting, .. } = self;
        let flushing = async {
            drop(sampler); // the last sender of cycles: the storing thread ends after the last one
            let _ = stored.await;
            let _ = stop.send(true);
            let _ = judging.await;
            let _ = tokio::join!(sending, changing);
            let flush = task::blocking("flush", move || store.flush_and_close());
            let (flushed, ()) = tokio::join!(flush, exporting.end(EXPORT_STOP_TIME));
            flushed
        };
        match timeout(STOP_TIME, flushing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(panic)) => Err(Fault::new("agent-05", panic)),
            Err(_) => Err(Fault::new("agent-06", format!("not everything was flushed in {} s", STOP_TIME.as_secs()))
                .detail("What had been written before is kept; a log's torn end is cut at the next start.")
                .hint("Does the disk under state_dir answer?")),
        }
    }
}

/// The store, and the time of its newest sample.
async fn open_store(config: store::Config) -> Result<(Arc<Store>, Option<i64>), Fault> {
    let now_ms = Clock::begin(None).now().stored_ms;
    let opened = task::blocking("open the store", move || Store::open(config, now_ms)).await;
    let (store, report) = opened.map_err(|panic| Fault::new("agent-05", panic))??;
    if report.torn_bytes > 0 {
        tracing::warn!("{} bytes of an interrupted write were cut off the store's log", report.torn_bytes);
    }
    for aside in &report.set_aside {
        tracing::warn!("{} is damaged and was set aside: {}", aside.path.display(), aside.why);
    }
    Ok((store, report.newest_sample_ms))
}

/// What can be measured: the engines' rows, and what every target has.
pub fn catalogue() -> Catalogue {
    let mut catalogue = engines::catalogue();
    for metric in COMMON {
        catalogue.add_metrics(std::slice::from_ref(metric));
    }
    for family in COMMON_FAMILIES {
        catalogue.add_families(std::slice::from_ref(family));
    }
    catalogue
}

fn timer(every: Duration) -> tokio::time::Interval {
    let mut timer = interval(every);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer.reset(); // the first tick comes after one interval, not at once
    timer
}

fn counted(targets: usize) -> String {
    if targets == 1 { "1 target".to_string() } else { format!("{targets} targets") }
}

/// Runs blocking work that nobody waits for; its panic is logged.
fn beside(name: &'static str, work: impl FnOnce() + Send + 'static) {
    let watched = async move {
        if let Err(panic) = task::blocking(name, work).await {
            tracing::error!("{panic}");
        }
    };
    task::spawn(name, watched).detach();
}

fn tell_manager(state: &str) {
    if let Err(error) = process::notify(state) {
        tracing::warn!("the service manager cannot be told {state}: {error}");
    }
}
