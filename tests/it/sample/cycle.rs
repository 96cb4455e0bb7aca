//! Cycles against a scripted engine: slow rows, hung calls, lost sessions, refusals, panics.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use watchward::engines::contract::{
    Access, Answer, Ask, Card, Emit, Engine, Facts, Place, Row, Session, Table, Take, Task, Version,
};
use watchward::model::fault::Fault;
use watchward::model::filter::{Choice, Filter};
use watchward::model::reading::{Cycle, Unknown, UnknownKind};
use watchward::model::row::Metric;
use watchward::model::series::{Series, is_stale};
use watchward::model::target::{Options, Target};
use watchward::sample::census::Census;
use watchward::sample::cycle::Watched;
use watchward::sample::governor::{Budget, Used};
use watchward::sample::members::Members;
use watchward::sys::clock::{Clock, Stopwatch};

use crate::sample::ids::Given;

static UP: Metric = Metric::gauge("fake_up", "Up.");

static ROWS: [Row; 4] = [
    Row {
        name: "fast",
        take: Take::Columns { labels: &["db"] },
        metrics: &[Metric::gauge("fast", "").from("n")],
        ..Row::DEFAULT
    },
    Row {
        name: "slow",
        every: 3,
        each: "db",
        of_cluster: true,
        take: Take::Columns { labels: &["db"] },
        metrics: &[Metric::gauge("slow", "").from("n")],
        ..Row::DEFAULT
    },
    Row { name: "needy", needs: &["statistics"], ask: Ask::Text("never"), ..Row::DEFAULT },
    Row { name: "broken", take: Take::Own(panics), ..Row::DEFAULT },
];

fn panics(answer: &Answer, _: &Facts, _: &mut dyn Emit) -> Result<(), Unknown> {
    assert!(*answer != Answer::Text("panic".to_string()), "an index out of bounds");
    Ok(())
}

/// What a call to the scripted server does.
#[derive(Clone, Debug)]
pub enum Act {
    Answer(&'static [(&'static str, &'static str)]),
    Fail(UnknownKind),
    /// Answers for some parts of the server, and not for all.
    Lack(&'static [(&'static str, &'static str)]),
    /// Answers only when released.
    Hang,
    /// Answers late.
    Take(Duration),
    Panic,
}

#[derive(Default)]
pub struct Script {
    /// How often a session was wanted, and how often one was given.
    pub attempts: u32,
    opened: u32,
    open_now: u32,
    pub refuse: Option<Fault>,
    /// The next probes: what fails, and whether the session is broken by it.
    probes: VecDeque<bool>,
    /// No probe is answered.
    pub probe_hangs: bool,
    acts: VecDeque<(&'static str, Act)>,
    asked: Vec<&'static str>,
    parts: Vec<String>,
    cluster: String,
}

struct Fake {
    script: Arc<Mutex<Script>>,
    release: Arc<tokio::sync::Notify>,
}

struct FakeSession {
    script: Arc<Mutex<Script>>,
    release: Arc<tokio::sync::Notify>,
    facts: Facts,
    broken: bool,
}

impl Drop for FakeSession {
    fn drop(&mut self) {
        self.script.lock().unwrap().open_now -= 1;
    }
}

impl Session for FakeSession {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn probe(&mut self) -> Task<'_, Result<(), Fault>> {
        let fails = self.script.lock().unwrap().probes.pop_front().unwrap_or(false);
        self.broken |= fails;
        self.facts.parts.clone_from(&self.script.lock().unwrap().parts);
        self.facts.cluster.clone_from(&self.script.lock().unwrap().cluster);
        let hangs = self.script.lock().unwrap().probe_hangs;
        Box::pin(async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            if fails { Err(Fault::new("fake-02", "connection reset")) } else { Ok(()) }
        })
    }

    fn ask<'a>(&'a mut self, row: &'a Row, _budget: Duration) -> Task<'a, Result<Answer, Unknown>> {
        Box::pin(async move {
            let act = {
                let mut script = self.script.lock().unwrap();
                script.asked.push(row.name);
                let at = script.acts.iter().position(|(name, _)| *name == row.name);
                at.and_then(|at| script.acts.remove(at)).map_or(Act::Answer(&[("a", "1")]), |(_, act)| act)
            };
            match act {
                Act::Answer(rows) => Ok(table(rows)),
                Act::Fail(kind) => {
                    self.broken |= kind == UnknownKind::Disconnected;
                    Err(Unknown::new(kind, "said the server"))
                }
                Act::Lack(rows) => {
                    let Answer::Table(table) = table(rows) else { unreachable!() };
                    Ok(Answer::Partial(table, Unknown::new(UnknownKind::Refused, "db 'b': no")))
                }
                Act::Hang => {
                    self.release.notified().await;
                    Ok(table(&[("a", "1")]))
                }
                Act::Take(time) => {
                    tokio::time::sleep(time).await;
                    Ok(table(&[("a", "1")]))
                }
                Act::Panic => Ok(Answer::Text("panic".to_string())),
            }
        })
    }

    fn is_broken(&self) -> bool {
        self.broken
    }
}

fn table(rows: &[(&str, &str)]) -> Answer {
    let rows = rows.iter().map(|(db, n)| vec![Some((*db).to_string()), Some((*n).to_string())]).collect();
    Answer::Table(Table { columns: vec!["db".to_string(), "n".to_string()], rows })
}

static CARD: Card = Card {
    word: "fake",
    job: "fake",
    schemes: &["fake"],
    default_port: 1,
    up: &UP,
    oldest: (0, 0),
    kinds: &[],
    prefix: "fake",
    rows: &ROWS,
    thresholds: &[],
    glance: &[],
};

impl Engine for Fake {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn grants(&self, _: &str, _: Option<Version>, _: &str) -> String {
        String::new()
    }

    fn grants_line(&self, _: &Place<'_>) -> String {
        String::new()
    }

    fn verifies(&self, _target: &Target) -> Result<(), String> {
        Ok(())
    }

    fn connect<'a>(&'a self, _: &'a Target, _: &'a Access) -> Task<'a, Result<Box<dyn Session>, Fault>> {
        Box::pin(async move {
            let mut script = self.script.lock().unwrap();
            script.attempts += 1;
            if let Some(fault) = &script.refuse {
                return Err(fault.clone());
            }
            script.opened += 1;
            script.open_now += 1;
            let facts = Facts { role: "primary".to_string(), ..Facts::default() };
            let (script, release) = (self.script.clone(), self.release.clone());
            Ok(Box::new(FakeSession { script, release, facts, broken: false }) as Box<dyn Session>)
        })
    }
}

pub struct Stage {
    pub script: Arc<Mutex<Script>>,
    release: Arc<tokio::sync::Notify>,
    series: Arc<Given>,
    watched: Watched,
    clock: Clock,
    census: Arc<Census>,
    /// How often the configuration was read anew.
    pub reloads: Arc<AtomicU64>,
}

impl Stage {
    fn new() -> Stage {
        Stage::of(target())
    }

    pub fn of(target: Target) -> Stage {
        let script: Arc<Mutex<Script>> = Arc::default();
        let release: Arc<tokio::sync::Notify> = Arc::default();
        let engine: &'static Fake = Box::leak(Box::new(Fake { script: script.clone(), release: release.clone() }));
        let series = Given::new(1000);
        let reloads: Arc<AtomicU64> = Arc::default();
        let window = Duration::from_secs(60);
        let census = Arc::new(Census::new(Budget { cpu_cores: 0.5, memory_bytes: 1 << 30, window }));
        let watched = Watched::new(engine, Arc::new(target), series.clone(), 100, reloads.clone(), census.clone());
        Stage { script, release, series, watched, clock: Clock::begin(None), census, reloads }
    }

    /// A member of a cluster among others.
    pub fn of_cluster(target: Target, cluster: &str, members: Arc<Mutex<Members>>) -> Stage {
        let mut stage = Stage::of(target);
        stage.script.lock().unwrap().cluster = cluster.to_string();
        stage.watched = stage.watched.among(members);
        stage
    }

    pub fn next(&self, row: &'static str, act: Act) {
        self.script.lock().unwrap().acts.push_back((row, act));
    }

    pub async fn cycle(&mut self) -> Cycle {
        self.script.lock().unwrap().asked.clear();
        self.watched.cycle(&self.clock, Duration::ZERO).await
    }

    /// Uses so much for so long that the agent does without more and more, `steps` times.
    fn overspend(&self, steps: u32) {
        for look in 0..=12 * steps + 1 {
            let now = Duration::from_secs(5) * look;
            self.census.observe(now, Used { cpu: now, memory_bytes: 0 });
        }
    }

    /// The next probe finds the session broken.
    pub fn lose_session(&self) {
        self.script.lock().unwrap().probes.push_back(true);
    }

    pub fn asked(&self) -> Vec<&'static str> {
        self.script.lock().unwrap().asked.clone()
    }

    /// Cycles until one is up, or for so long that it should have been.
    async fn until_up(&mut self) -> Cycle {
        let watch = Stopwatch::start();
        loop {
            let cycle = self.cycle().await;
            if cycle.up || watch.elapsed() > LIMIT {
                return cycle;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The points with one of these names, as text.
    pub fn points_of(&self, cycle: &Cycle, names: &[&str]) -> Vec<String> {
        let points = cycle.points.iter().map(|(id, value)| (self.series.labels(*id), *value));
        let of_names = points.filter(|(labels, _)| names.contains(&labels.name()));
        let value = |value: f64| if is_stale(value) { "stale".to_string() } else { value.to_string() };
        let mut lines: Vec<String> = of_names
            .map(|(labels, at)| {
                let words = ["collector", "engine", "version", "role"].map(|label| labels.value(label).to_string());
                let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
                format!("{} {} {}", labels.name(), words.join(","), value(at))
            })
            .collect();
        lines.sort();
        lines
    }

    /// The points of the rows `fast` and `slow`, the two names of `up` and the state, as text.
    pub fn points(&self, cycle: &Cycle) -> Vec<String> {
        let mut lines: Vec<String> = cycle
            .points
            .iter()
            .map(|(id, value)| (self.series.labels(*id), *value))
            .filter(|(labels, _)| ["fast", "slow", "up", "fake_up", "watchward_target_state"].contains(&labels.name()))
            .map(|(labels, value)| {
                let value = if is_stale(value) { "stale".to_string() } else { value.to_string() };
                format!("{}{}{} {value}", labels.name(), labels.value("db"), labels.value("state"))
            })
            .collect();
        lines.sort();
        lines
    }
}

/// Of a cycle, and its interval: long enough for a busy machine, where only what hangs comes near it.
pub const DEADLINE: Duration = Duration::from_secs(1);

/// How long a busy machine may take for what comes by itself.
const LIMIT: Duration = Duration::from_secs(30);

pub fn target() -> Target {
    Target {
        name: "one".to_string(),
        tenant: "default".to_string(),
        engine: "fake".to_string(),
        url: watchward::model::target::Url::default(),
        password: watchward::model::target::SecretSource::None,
        api_key: watchward::model::target::SecretSource::None,
        action: None,
        ca_file: None,
        insecure: false,
        interval: DEADLINE,
        deadline: DEADLINE,
        sessions_max: 6,
        job: String::new(),
        labels: std::collections::BTreeMap::new(),
        root: "/".into(),
        options: Options::default(),
        choice: Choice::default(),
        filter: Filter::default(),
        queries: Vec::new(),
        thresholds: std::collections::BTreeMap::new(),
        discovered: false,
    }
}

#[tokio::test]
async fn a_slow_row_is_asked_every_third_cycle_and_repeated_between() {
    let mut stage = Stage::new();
    let first = stage.cycle().await;
    assert!(first.up);
    assert_eq!(stage.asked(), ["fast", "slow", "broken"]);
    assert_eq!(stage.points(&first), ["fake_up 1", "fasta 1", "slowa 1", "up 1"]);
    stage.next("fast", Act::Answer(&[("a", "2")]));
    let second = stage.cycle().await;
    assert_eq!(stage.asked(), ["fast", "broken"]);
    assert_eq!(stage.points(&second), ["fake_up 1", "fasta 2", "slowa 1", "up 1"]);
    let asks: Vec<usize> = {
        let mut counts = Vec::new();
        for _ in 0..6 {
            stage.cycle().await;
            counts.push(stage.asked().iter().filter(|row| **row == "slow").count());
        }
        counts
    };
    assert_eq!(asks.iter().sum::<usize>(), 2, "{asks:?}");
}

#[tokio::test]
async fn one_failed_row_costs_one_row() {
    let mut stage = Stage::new();
    stage.cycle().await;
    stage.next("fast", Act::Fail(UnknownKind::Privilege));
    let cycle = stage.cycle().await;
    assert!(cycle.up);
    assert_eq!(stage.points(&cycle), ["fake_up 1", "fasta stale", "slowa 1", "up 1"]);
    let failed: Vec<_> = cycle.rows.iter().filter_map(|row| Some((row.name, row.result.clone().err()?.kind))).collect();
    assert_eq!(failed, [("needy", UnknownKind::NotHere), ("fast", UnknownKind::Privilege)]);
}

#[tokio::test]
async fn a_row_whose_need_is_not_met_is_unknown_with_the_reason_and_never_asked() {
    let mut stage = Stage::new();
    let cycle = stage.cycle().await;
    let needy = cycle.rows.iter().find(|row| row.name == "needy").unwrap();
    let unknown = needy.result.clone().unwrap_err();
    assert_eq!(unknown.reason, "needs statistics, which this server does not offer");
    assert!(!stage.asked().contains(&"needy"));
}

#[tokio::test]
async fn a_panic_while_a_row_is_read_costs_that_row() {
    let mut stage = Stage::new();
    stage.next("broken", Act::Panic);
    let cycle = stage.cycle().await;
    assert!(cycle.up);
    let broken = cycle.rows.iter().find(|row| row.name == "broken").unwrap();
    assert!(broken.result.clone().unwrap_err().reason.contains("an index out of bounds"));
}

#[tokio::test]
async fn a_server_that_hangs_after_its_probe_is_down_in_the_next_cycle_and_gets_no_second_session() {
    let mut stage = Stage::new();
    stage.cycle().await;
    stage.next("fast", Act::Hang);
    let hung = stage.cycle().await;
    assert!(hung.took >= DEADLINE && hung.took < LIMIT, "{:?}", hung.took);
    assert_eq!(stage.points(&hung), ["fake_up 1", "fasta stale", "slowa 1", "up 1"], "it had answered its probe");
    for nth in 0..3 {
        let still = stage.cycle().await;
        assert!(!still.up);
        let ends: &[&str] = if nth == 0 { &["slowa stale"] } else { &[] };
        assert_eq!(stage.points(&still), [&["fake_up 0"], ends, &["up 0"]].concat());
        let fault = still.fault.unwrap();
        assert!(fault.what.starts_with("no answer from localhost:1 for "), "{fault}");
        let rest = "[sample-01]\ndetail: The request is still open; no second connection is made while the first one hangs.\n\
                    hint: Is the server stopped, swapping, or waiting for its storage?";
        assert!(fault.to_string().ends_with(rest), "{fault}");
        assert!(still.took < DEADLINE, "a hung session is not waited for again");
    }
    assert_eq!(stage.script.lock().unwrap().opened, 1);
    stage.release.notify_one();
    let back = stage.until_up().await;
    assert!(back.up, "{:?}", back.fault);
    assert!(stage.asked().contains(&"slow"), "after an outage every row is asked at once");
    assert_eq!(stage.script.lock().unwrap().opened, 1);
}

#[tokio::test]
async fn an_idle_session_that_the_server_closed_is_no_outage() {
    let mut stage = Stage::new();
    stage.cycle().await;
    stage.script.lock().unwrap().probes.push_back(true);
    let cycle = stage.cycle().await;
    assert!(cycle.up);
    let script = stage.script.lock().unwrap();
    assert_eq!((script.opened, script.open_now), (2, 1));
}

#[tokio::test]
async fn a_connection_lost_in_mid_cycle_leaves_the_later_rows_unknown_and_the_next_cycle_connects() {
    let mut stage = Stage::new();
    stage.next("fast", Act::Fail(UnknownKind::Disconnected));
    let cycle = stage.cycle().await;
    let slow = cycle.rows.iter().find(|row| row.name == "slow").unwrap();
    assert_eq!(slow.result.clone().unwrap_err().reason, "the connection was lost earlier in this cycle");
    let next = stage.cycle().await;
    assert!(next.up);
    assert_eq!(stage.script.lock().unwrap().opened, 2);
}

#[tokio::test]
async fn a_row_whose_answer_is_too_large_is_left_alone_so_that_the_rows_behind_it_are_read() {
    let mut stage = Stage::new();
    stage.next("fast", Act::Fail(UnknownKind::TooLarge));
    stage.cycle().await;
    stage.asked();
    for _ in 0..3 {
        let cycle = stage.cycle().await;
        assert!(cycle.up);
        assert_eq!(stage.points(&cycle), ["fake_up 1", "slowa 1", "up 1"]);
        let fast = cycle.rows.iter().find(|row| row.name == "fast").unwrap();
        assert_eq!(fast.result.clone().unwrap_err().kind, UnknownKind::TooLarge, "why is told in every cycle");
        assert!(!stage.asked().contains(&"fast"));
    }
}

#[tokio::test]
async fn a_refusal_is_down_at_once_and_is_not_repeated_every_cycle() {
    let mut stage = Stage::new();
    stage.script.lock().unwrap().refuse = Some(Fault::new("fake-01", "wrong password"));
    let first = stage.cycle().await;
    assert_eq!((first.up, first.fault.unwrap().what.as_str()), (false, "wrong password"));
    let second = stage.cycle().await;
    assert_eq!(stage.points(&second), ["fake_up 0", "up 0"]);
    assert_eq!(stage.script.lock().unwrap().attempts, 1, "the next attempt comes only after an interval");
    stage.script.lock().unwrap().refuse = None;
    let back = stage.until_up().await;
    assert!(back.up, "{:?}", back.fault);
    assert_eq!(stage.script.lock().unwrap().attempts, 2);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_tried_every_cycle() {
    let mut stage = Stage::new();
    stage.script.lock().unwrap().refuse = Some(Fault::new("net-01", "connection refused"));
    assert!(!stage.cycle().await.up);
    stage.script.lock().unwrap().refuse = None;
    assert!(stage.cycle().await.up);
}

#[tokio::test]
async fn a_target_that_goes_ends_all_its_series() {
    let mut stage = Stage::new();
    stage.cycle().await;
    let farewell = stage.watched.farewell(&stage.clock);
    assert!(farewell.removed);
    assert_eq!(stage.points(&farewell), ["fake_up stale", "fasta stale", "slowa stale", "up stale"]);
    assert!(farewell.points.iter().all(|(_, value)| is_stale(*value)));
}

#[tokio::test]
async fn what_is_read_in_each_part_is_due_when_the_parts_change_and_may_lack_some() {
    let mut stage = Stage::new();
    stage.script.lock().unwrap().parts = vec!["a".to_string()];
    stage.cycle().await;
    stage.cycle().await;
    assert!(!stage.asked().contains(&"slow"), "it is not its turn");
    stage.script.lock().unwrap().parts = vec!["a".to_string(), "b".to_string()];
    stage.next("slow", Act::Lack(&[("a", "7")]));
    let cycle = stage.cycle().await;
    assert!(stage.asked().contains(&"slow"), "there is another part");
    assert!(stage.points(&cycle).contains(&"slowa 7".to_string()), "what one part said stands");
    let slow = cycle.rows.iter().find(|row| row.name == "slow").expect("a reading");
    assert_eq!(slow.result, Err(Unknown::new(UnknownKind::Refused, "db 'b': no")));
    stage.script.lock().unwrap().parts = vec!["b".to_string()];
    stage.next("slow", Act::Answer(&[("b", "1")]));
    let cycle = stage.cycle().await;
    let points = stage.points(&cycle);
    assert!(points.contains(&"slowa stale".to_string()) && points.contains(&"slowb 1".to_string()), "{points:?}");
}

/// How often each of these rows is asked in so many cycles, where each must have its points throughout.
async fn asked_in(stage: &mut Stage, cycles: usize) -> (usize, usize) {
    let (mut fast, mut slow) = (0, 0);
    for _ in 0..cycles {
        let cycle = stage.cycle().await;
        assert_eq!(stage.points(&cycle), ["fake_up 1", "fasta 1", "slowa 1", "up 1"]);
        fast += usize::from(stage.asked().contains(&"fast"));
        slow += usize::from(stage.asked().contains(&"slow"));
    }
    (fast, slow)
}

#[tokio::test]
async fn over_the_budget_rows_are_asked_less_often_and_their_values_stand_meanwhile() {
    let mut stage = Stage::new();
    assert_eq!(asked_in(&mut stage, 13).await, (13, 5));
    stage.overspend(2);
    assert_eq!(stage.census.orders().stretch, 4);
    assert_eq!(asked_in(&mut stage, 24).await, (6, 2), "the target itself is probed in each of them");
    stage.census.set_budget(Budget { cpu_cores: 0.6, ..stage.census.standing().budget });
    assert_eq!(asked_in(&mut stage, 12).await, (12, 4), "and no value was ended on the way back");
}

#[tokio::test]
async fn a_row_that_is_done_without_ends_is_unknown_with_the_reason_and_is_asked_as_soon_as_it_may() {
    let mut stage = Stage::new();
    stage.cycle().await;
    stage.overspend(7);
    let cycle = stage.cycle().await;
    let words = stage.points(&cycle);
    assert_eq!(words[..2], ["fake_up 1", "fasta stale"], "three quarters of what the rows weigh: {words:?}");
    let why: Vec<_> = cycle.rows.iter().filter_map(|row| Some((row.name, row.result.clone().err()?.kind))).collect();
    assert!(why.contains(&("fast", UnknownKind::OverBudget)), "{why:?}");
    for _ in 0..30 {
        let cycle = stage.cycle().await;
        assert!(cycle.up && !stage.asked().contains(&"fast"));
        assert!(!stage.points(&cycle).contains(&"fasta 1".to_string()));
    }
    stage.census.set_budget(Budget { cpu_cores: 0.6, ..stage.census.standing().budget });
    let back = stage.cycle().await;
    assert!(stage.asked().contains(&"fast"));
    assert!(stage.points(&back).contains(&"fasta 1".to_string()));
}
