//! Tests of `src/act`: stories on a server that is made of one map, with a real journal on a real disk.

mod cli;
mod crash;
mod decide;
mod faults;
mod guard;
mod orders;
mod races;
mod schedules;
mod stories;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use watchward::act::work::Report;
use watchward::act::world::{Times, World};
use watchward::act::{Acting, Settings, when};
use watchward::engines::contract::{Hand, Task};
use watchward::model::calendar::Zone;
use watchward::model::caller::{Caller, Role};
use watchward::model::command::Order;
use watchward::model::fault::Fault;
use watchward::model::filter::{Choice, Filter};
use watchward::model::moment::Moment;
use watchward::model::plan::{Held, Refusal, Step};
use watchward::model::policy::{Limits, Mode, Policy, Set, Undo};
use watchward::model::scope::Scope;
use watchward::model::span::Trace;
use watchward::model::status::Event;
use watchward::model::target::{SecretSource, Target, Url};
use watchward::model::transition::{Phase, Transition};
use watchward::state::State;
use watchward::state::journal::{Begin, Entry};
use watchward::state::outbox::Change;

use crate::state::{moment, transition};

/// What goes wrong at the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// Nobody is let in.
    Away,
    /// Does as told, and then loses the connection.
    LosesAnswers,
    /// Says no, and does nothing.
    Refuses,
    /// Keeps what is written, and goes by what it went by.
    Ignores,
    /// Is gone once it was written to.
    DiesAfterWriting,
    /// Never answers to a write.
    Hangs,
    /// Never answers.
    Silent,
    /// Never answers to a write, and slowly to the next look; only then it does what it was told.
    DoesLater,
}

/// A server with settings, each written or not, and each in effect. It outlives the agent.
pub struct Server {
    pub written: BTreeMap<String, String>,
    pub effective: BTreeMap<String, String>,
    pub mood: Mood,
    /// Every write that reached it.
    pub puts: Vec<String>,
    /// Every value that came into effect and was not in effect before.
    pub steps: Vec<String>,
    /// Somebody sets this right after the next plan was made.
    pub after_plan: Option<String>,
    /// What it was told and has not done yet.
    pub late: Option<(String, Option<String>)>,
    /// What a setting is where nothing is written.
    pub below: String,
}

/// What a setting is where nothing is written, at first.
pub const DEFAULT: &str = "1gb";

impl Server {
    pub fn held(&self, key: &str) -> Held {
        let effective = self.effective.get(key).cloned().unwrap_or_else(|| self.below.clone());
        Held { written: self.written.get(key).cloned(), effective }
    }

    /// Somebody with a client of their own.
    pub fn set_by_somebody(&mut self, key: &str, value: &str) {
        self.written.insert(key.to_string(), value.to_string());
        self.effective.insert(key.to_string(), value.to_string());
    }
}

/// The world: time that a test owns, servers that outlive agents, and what was told.
#[derive(Clone)]
pub struct Fake(Arc<Mutex<Inner>>);

pub struct Inner {
    pub servers: BTreeMap<String, Arc<Mutex<Server>>>,
    pub now: Moment,
    pub up: Option<bool>,
    pub events: Vec<Event>,
    pub refused: Vec<&'static str>,
    pub traces: Vec<Trace>,
}

impl Fake {
    pub fn new() -> Fake {
        let server = || {
            let (written, effective) = (BTreeMap::new(), BTreeMap::new());
            Arc::new(Mutex::new(Server {
                written,
                effective,
                mood: Mood::Well,
                puts: Vec::new(),
                steps: Vec::new(),
                after_plan: None,
                late: None,
                below: DEFAULT.to_string(),
            }))
        };
        let servers = ["cache", "other"].map(|name| (name.to_string(), server()));
        let (servers, now, up) = (servers.into(), moment(0), Some(true));
        let (events, refused, traces) = (Vec::new(), Vec::new(), Vec::new());
        Fake(Arc::new(Mutex::new(Inner { servers, now, up, events, refused, traces })))
    }

    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Does something to the server `cache`.
    pub fn server<T>(&self, then: impl FnOnce(&mut Server) -> T) -> T {
        let server = self.inner().servers["cache"].clone();
        let mut server = server.lock().unwrap();
        then(&mut server)
    }

    pub fn pass(&self, seconds: u64) {
        let mut inner = self.inner();
        inner.now.since_start += Duration::from_secs(seconds);
        inner.now.wall_ms += i64::try_from(seconds).unwrap() * 1000;
        inner.now.stored_ms += i64::try_from(seconds).unwrap() * 1000;
    }

    /// The summaries of what was told since the last look.
    pub fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().events).into_iter().map(|event| event.summary).collect()
    }
}

impl World for Fake {
    fn now(&self) -> Moment {
        self.inner().now
    }

    fn up(&self, _: &str, _: &str) -> Option<bool> {
        self.inner().up
    }

    fn reach<'a>(&'a self, target: &'a Target) -> Task<'a, Result<Box<dyn Hand>, Refusal>> {
        let server = self.inner().servers[&target.name].clone();
        Box::pin(async move {
            tokio::task::yield_now().await;
            match server.lock().unwrap().mood {
                Mood::Away => Err(gone()),
                _ => Ok(Box::new(FakeHand(server.clone())) as Box<dyn Hand>),
            }
        })
    }

    fn tell(&self, event: &Event) {
        self.inner().events.push(event.clone());
    }

    fn count_refused(&self, code: &'static str) {
        self.inner().refused.push(code);
    }

    fn trace(&self, trace: Trace) {
        self.inner().traces.push(trace);
    }
}

fn gone() -> Fault {
    Fault::new("net-01", "connection refused")
}

struct FakeHand(Arc<Mutex<Server>>);

impl FakeHand {
    fn server(&self) -> MutexGuard<'_, Server> {
        self.0.lock().unwrap()
    }

    fn mood(&self) -> Mood {
        self.server().mood
    }

    fn is_late(&self) -> bool {
        self.server().late.is_some()
    }
}

/// Between any two of its steps the agent may die: there it can be cut.
async fn breathe() {
    tokio::task::yield_now().await;
}

impl Hand for FakeHand {
    fn look<'a>(&'a mut self, key: &'a str) -> Task<'a, Result<Held, Fault>> {
        Box::pin(async move {
            breathe().await;
            match self.mood() {
                Mood::Away => return Err(gone()),
                Mood::Silent => return std::future::pending().await,
                _ => {}
            }
            if self.is_late() {
                tokio::time::sleep(quick().hold * 2).await;
            }
            let mut server = self.server();
            let seen = server.held(key);
            if let Some((key, value)) = server.late.take() {
                let value = value.unwrap_or_else(|| server.below.clone());
                server.set_by_somebody(&key, &value);
            }
            Ok(seen)
        })
    }

    fn plan<'a>(&'a mut self, key: &'a str, value: &'a str) -> Task<'a, Result<Step, Refusal>> {
        Box::pin(async move {
            let before = self.look(key).await?;
            let after = Held { written: Some(value.to_string()), effective: value.to_string() };
            let undo_words = match &before.written {
                Some(written) => format!("SET {key} = {written}"),
                None => format!("RESET {key}"),
            };
            let words = format!("SET {key} = {value}");
            let mut server = self.server();
            if let Some(value) = server.after_plan.take() {
                server.set_by_somebody(key, &value);
            }
            Ok(Step { key: key.to_string(), before, after, words, undo_words })
        })
    }

    fn put<'a>(&'a mut self, key: &'a str, held: &'a Held) -> Task<'a, Result<(), Fault>> {
        Box::pin(async move {
            breathe().await;
            match self.mood() {
                Mood::Away => return Err(gone()),
                Mood::Refuses => return Err(Fault::new("fake-01", "permission denied")),
                _ => {}
            }
            let value = held.written.clone();
            if self.mood() == Mood::DoesLater {
                self.server().late = Some((key.to_string(), value));
                return std::future::pending().await;
            }
            self.server().puts.push(value.clone().unwrap_or_else(|| "RESET".to_string()));
            match &value {
                Some(value) => self.server().written.insert(key.to_string(), value.clone()),
                None => self.server().written.remove(key),
            };
            breathe().await; // written, and not yet in effect
            if self.mood() != Mood::Ignores {
                let mut server = self.server();
                let value = value.unwrap_or_else(|| server.below.clone());
                if server.held(key).effective != value {
                    server.steps.push(value.clone());
                }
                server.effective.insert(key.to_string(), value);
            }
            breathe().await;
            match self.mood() {
                Mood::LosesAnswers => Err(Fault::new("net-02", "connection reset")),
                Mood::DiesAfterWriting => {
                    self.server().mood = Mood::Away;
                    Err(gone())
                }
                Mood::Hangs => std::future::pending().await,
                _ => Ok(()),
            }
        })
    }
}

/// A policy that sets `maxmemory` of `cache` to 2gb on the alert `CacheFull`.
pub fn policy(mode: Mode, undo: Undo) -> Policy {
    Policy {
        name: "more memory".to_string(),
        tenant: "default".to_string(),
        when: when::read("alert:CacheFull", &Zone::UTC).unwrap(),
        set: Set { target: "cache".to_string(), key: "maxmemory".to_string(), value: "2gb".to_string() },
        mode,
        undo,
        limits: Limits { cooldown: Duration::from_secs(900), window: None, per_day_max: 4 },
    }
}

pub fn target(name: &str) -> Target {
    Target {
        name: name.to_string(),
        tenant: "default".to_string(),
        engine: "redis".to_string(),
        url: Url { scheme: "redis".to_string(), host: "127.0.0.1".to_string(), port: 6379, ..Url::default() },
        password: SecretSource::None,
        api_key: SecretSource::None,
        action: None,
        ca_file: None,
        insecure: false,
        interval: Duration::from_secs(15),
        deadline: Duration::from_secs(10),
        sessions_max: 6,
        job: String::new(),
        labels: BTreeMap::new(),
        root: "/".into(),
        slow_log: Vec::new(),
        choice: Choice::default(),
        filter: Filter::default(),
        queries: Vec::new(),
        thresholds: BTreeMap::new(),
        discovered: false,
    }
}

/// A target on another port: another server.
pub fn at(mut target: Target, port: u16) -> Target {
    target.url.port = port;
    target
}

pub fn settings(policies: Vec<Policy>) -> Settings {
    Settings {
        policies: policies.into_iter().map(Arc::new).collect(),
        targets: [("cache", 6379), ("other", 6390)].map(|(name, port)| Arc::new(at(target(name), port))).to_vec(),
        is_enabled: true,
        zone: Zone::UTC,
    }
}

/// Short enough for tests, long enough for a busy machine.
pub fn quick() -> Times {
    Times {
        action: Duration::from_secs(5),
        question: Duration::from_millis(150),
        hold: Duration::from_millis(40),
        pause: Duration::from_millis(2),
        retry: Duration::from_secs(5),
        retry_max: Duration::from_secs(300),
        answer: Duration::from_secs(6),
        wait: Duration::from_secs(1),
    }
}

/// One life of the agent's acting.
pub struct Stage {
    pub state: State,
    pub world: Fake,
    pub acting: Arc<Acting>,
}

impl Stage {
    /// Begins a life on what stands on disk.
    pub fn on(state: State, world: &Fake, policies: Vec<Policy>) -> Stage {
        Stage::with(state, world, policies, quick())
    }

    /// The same, with limits of its own.
    pub fn with(state: State, world: &Fake, policies: Vec<Policy>, times: Times) -> Stage {
        let acting = Acting::new(state.clone(), Box::new(world.clone()), settings(policies), times, Duration::ZERO);
        acting.judged();
        Stage { state, world: world.clone(), acting: Arc::new(acting) }
    }

    /// Does everything that is to be done now, one after the other; says how each ended.
    pub async fn sweep(&self) -> Vec<String> {
        let mut ended = Vec::new();
        for _ in 0..20 {
            let jobs = self.acting.round().await.unwrap();
            if jobs.is_empty() {
                break;
            }
            for job in jobs {
                let outcome = self.acting.perform(&job).await;
                self.acting.finish(&job, &outcome).await;
                ended.push(words(&outcome));
            }
        }
        ended
    }

    /// The alert fires since some second, or has ended.
    pub async fn alert(&self, name: &str, since_s: i64, to: Phase) {
        let since = moment(since_s).stored_ms;
        let one = Transition { since_ms: since, ..transition("default", name, to, since) };
        let transitions = [one];
        let change = Change { transitions: &transitions, events: &[], notices: &[], at_ms: since, entries_max: 1000 };
        self.state.commit(&change).await.unwrap();
    }

    pub async fn journal(&self) -> Vec<Entry> {
        let mut journal = self.state.journal(&Scope::of_socket_peer(), 1000).await.unwrap();
        journal.reverse();
        journal
    }

    /// The phases of all entries.
    pub async fn phases(&self) -> Vec<&'static str> {
        self.journal().await.iter().map(|entry| entry.phase.word()).collect()
    }

    /// Arms the policy as it is defined now.
    pub async fn arm(&self) {
        self.acting.arm("default", "more memory", "socket:uid 0").await.unwrap();
    }

    /// What somebody who may do everything asks.
    pub async fn ask(&self, order: Order) -> Result<Value, Fault> {
        self.acting.answer(&order, &root()).await
    }

    pub async fn undo(&self, id: i64) -> Result<Value, Fault> {
        self.ask(Order::Undo(id)).await
    }

    pub async fn close(&self, id: i64) -> Result<Value, Fault> {
        self.ask(Order::Close(id)).await
    }

    /// The record of a change that a crash left behind.
    pub async fn leave_begun(&self, key: &str) -> i64 {
        let before = self.world.server(|server| server.held(key));
        let begin = Begin {
            tenant: "default".into(),
            policy: "more memory".into(),
            cause: "alert:CacheFull".into(),
            instance: "x".into(),
            since_ms: 1,
            target: "cache".into(),
            server: "redis 127.0.0.1:6379".into(),
            step: Step {
                key: key.into(),
                before,
                after: Held { written: Some("2gb".into()), effective: "2gb".into() },
                words: format!("SET {key} = 2gb"),
                undo_words: format!("RESET {key}"),
            },
            undo: Undo::OnResolve,
            actor: "agent".into(),
            words: String::new(),
            at_ms: moment(0).stored_ms,
            wall_ms: moment(0).wall_ms,
        };
        self.state.begin_change(&begin).await.unwrap().unwrap()
    }

    pub fn value(&self) -> String {
        self.world.server(|server| server.held("maxmemory").effective)
    }
}

/// Somebody at the socket.
pub fn root() -> Caller {
    Caller { scope: Scope::of_socket_peer(), role: Role::Admin, name: "socket:uid 0".to_string() }
}

pub fn words(outcome: &Result<Report, Fault>) -> String {
    match outcome {
        Ok(Report::Change { phase, .. }) => phase.word().to_string(),
        Ok(Report::Plan(_)) => "planned".to_string(),
        Err(fault) => fault.to_string(),
    }
}
