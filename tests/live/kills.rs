//! Two hundred kill -9 while policies act: no change without its undo on record, no undo without its record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Row};
use watchward::model::plan::{Held, Step};

use crate::act::{Stage, watchward};
use crate::agent::{Agent, configure, free_port, wait};
use crate::single::LOGIN;

const KILLS: usize = 200;
/// Agents that live and die beside each other, each with servers of its own.
const LANES: usize = 4;
/// What the way to the servers costs in each direction: it widens every moment of an action.
const DELAY: Duration = Duration::from_millis(6);
/// How long the moment for a kill is waited for: there may be nothing to do. What was begun and not made is settled after
/// five seconds, and something new is done only then.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most kills: on a machine that is busy, two hundred may miss a phase that lasts for milliseconds.
const KILLS_MAX: usize = 3 * KILLS;
/// How long a killed agent's last words may take to arrive and to have effect.
const CALM: Duration = Duration::from_millis(150);

/// How long the answer to a change takes: a change that is made, and not known to be.
const DOUBT: Duration = Duration::from_millis(60);

/// What was heard on the way to the servers, by how many times.
#[derive(Default)]
struct Heard {
    /// The login for actions was used.
    logins: AtomicUsize,
    /// A change was sent, or its undo.
    changes: AtomicUsize,
}

/// A slow way to a server.
struct SlowWay {
    port: u16,
    open: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl SlowWay {
    fn to(server: u16, heard: &Arc<Heard>) -> SlowWay {
        let heard = heard.clone();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its port").port();
        let (open, is_over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let way = SlowWay { port, open: open.clone(), is_over: is_over.clone() };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let pairs = [(client.try_clone(), server.try_clone()), (server.try_clone(), client.try_clone())];
                let in_doubt = Arc::<AtomicBool>::default();
                for (at, (from, to)) in pairs.into_iter().enumerate() {
                    let (Ok(from), Ok(to)) = (from, to) else { continue };
                    let (open, heard, in_doubt) = (open.clone(), heard.clone(), in_doubt.clone());
                    open.fetch_add(1, Ordering::Relaxed);
                    std::thread::spawn(move || {
                        carry(from, to, |part| match at {
                            0 => listen(part, &heard, &in_doubt),
                            _ if in_doubt.swap(false, Ordering::Relaxed) => DOUBT,
                            _ => DELAY,
                        });
                        open.fetch_sub(1, Ordering::Relaxed);
                    });
                }
            }
        });
        way
    }
}

impl Drop for SlowWay {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port)); // wakes the listener
    }
}

/// What a client says; how long it takes to arrive.
fn listen(part: &[u8], heard: &Heard, in_doubt: &AtomicBool) -> Duration {
    let says = |word: &str| part.windows(word.len()).any(|part| part == word.as_bytes());
    if says(LOGIN) {
        heard.logins.fetch_add(1, Ordering::Relaxed);
    }
    if says("ALTER SYSTEM ") || says("\r\nSET\r\n") {
        heard.changes.fetch_add(1, Ordering::Relaxed);
        in_doubt.store(true, Ordering::Relaxed);
    }
    DELAY
}

/// What was sent arrives, even from a client that is dead meanwhile.
fn carry(mut from: TcpStream, mut to: TcpStream, delay: impl Fn(&[u8]) -> Duration) {
    let mut part = [0; 1 << 16];
    while let Ok(count) = from.read(&mut part) {
        if count == 0 {
            break;
        }
        std::thread::sleep(delay(&part[..count]));
        if to.write_all(&part[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write); // it may have gone first
}

/// A change as the journal has it.
#[derive(Debug)]
struct Record {
    id: i64,
    target: String,
    step: Step,
    phase: String,
    /// Every phase with its words, in order.
    story: Vec<(String, String)>,
    /// The kinds of the events that told of it.
    events: Vec<String>,
}

/// Reads the journal of an agent that is dead, from a copy: nothing is repaired by looking.
fn records(state: &Path, copy: &Path) -> Vec<Record> {
    for name in ["state.db", "state.db-wal"] {
        let to = copy.join(name);
        let _ = fs::remove_file(&to); // the last copy
        let _ = fs::copy(state.join(name), to); // there may be no log beside it
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(copy.join("state.db"));
        let mut database: SqliteConnection = options.connect().await.expect("the journal opens");
        let rows =
            sqlx::query("SELECT id, target, step, phase FROM journal ORDER BY id").fetch_all(&mut database).await;
        let mut all: Vec<Record> = Vec::new();
        for row in rows.expect("the journal is read") {
            let step: String = row.get("step");
            let step = serde_json::from_str(&step).expect("a step");
            let (id, target, phase) = (row.get("id"), row.get("target"), row.get("phase"));
            all.push(Record { id, target, step, phase, story: Vec::new(), events: Vec::new() });
        }
        let lines =
            sqlx::query("SELECT entry, phase, words FROM journal_log ORDER BY id").fetch_all(&mut database).await;
        for line in lines.expect("the story is read") {
            let entry: i64 = line.get("entry");
            let record = all.iter_mut().find(|one| one.id == entry).expect("a story belongs to a change");
            record.story.push((line.get("phase"), line.get("words")));
        }
        let told = sqlx::query("SELECT kind, detail FROM events WHERE kind LIKE 'policy.%' ORDER BY id");
        for event in told.fetch_all(&mut database).await.expect("the events are read") {
            let detail: String = event.get("detail");
            let detail: serde_json::Value = serde_json::from_str(&detail).expect("JSON");
            all.iter_mut().filter(|one| detail["entry"] == one.id).for_each(|one| one.events.push(event.get("kind")));
        }
        all
    })
}

/// What a kill found of one target: the newest record, and how the setting stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// Nothing is changed, and nothing is under way.
    Idle,
    BegunNotMade,
    /// PostgreSQL: written, and not gone by yet.
    BegunHalfMade,
    BegunMade,
    Done,
    UndoingNotMade,
    UndoingHalfMade,
    UndoingMade,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Found::Idle => "nothing under way",
            Found::BegunNotMade => "recorded, not made",
            Found::BegunHalfMade => "recorded, written, not in force",
            Found::BegunMade => "made, not recorded as done",
            Found::Done => "done",
            Found::UndoingNotMade => "undo recorded, not made",
            Found::UndoingHalfMade => "undo recorded, written, not in force",
            Found::UndoingMade => "undone, not recorded as undone",
        })
    }
}

/// How a target stands, as its administrator sees it.
fn held(stage: &Stage, target: &str) -> Held {
    if target == "cache" {
        let shown = stage.cache.config("maxmemory");
        return Held { written: Some(shown.clone()), effective: shown };
    }
    let file = stage.orders.written();
    let written = file.lines().find_map(|line| line.strip_prefix("work_mem = '")?.strip_suffix('\''));
    Held { written: written.map(str::to_string), effective: stage.orders.psql("SHOW work_mem") }
}

/// The law. A setting that is not as it was at first has a record that is not over and holds the exact undo; one whose
/// record says that it was made, and not that it is being taken back, stands.
fn judge(first: &Held, now: &Held, newest: Option<&Record>) -> Found {
    let Some(record) = newest else {
        assert_eq!(now, first, "changed, and nothing is on record");
        return Found::Idle;
    };
    let Step { before, after, .. } = &record.step;
    assert_eq!(before, first, "the undo on record leads elsewhere: {record:?}");
    let (is_before, is_after) = (now == before, now == after);
    // Half: what is written is of one side, and what is in force of the other.
    let is_half = !is_before && !is_after && [before, after].iter().any(|side| side.written == now.written);
    assert!(is_before || is_after || is_half, "it stands as nobody wrote it: {now:?}; {record:?}");
    match record.phase.as_str() {
        "begun" if is_before => Found::BegunNotMade,
        "begun" if is_after => Found::BegunMade,
        "begun" => Found::BegunHalfMade,
        "done" => {
            assert!(is_after, "taken back, and that is not on record: {now:?}; {record:?}");
            Found::Done
        }
        "undoing" if is_after => Found::UndoingNotMade,
        "undoing" if is_before => Found::UndoingMade,
        "undoing" => Found::UndoingHalfMade,
        "void" | "failed" | "undone" => {
            assert!(is_before, "it stands, and its record is over: {now:?}; {record:?}");
            Found::Idle
        }
        other => panic!("an end that nobody gave cause for, {other}: {record:?}"),
    }
}

/// Randomness that a failed run can repeat.
struct Dice(u64);

impl Dice {
    /// Below `most`. (Knuth's multiplier.)
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most.max(1)
    }
}

/// What a lane saw.
#[derive(Default)]
struct Tally {
    kills: usize,
    found: BTreeMap<(Found, &'static str), usize>,
    /// How often a kill left a record under way.
    interrupted: usize,
    /// How these ended, in the words of the next start.
    settled: BTreeMap<String, usize>,
    changes: usize,
}

const TARGETS: [&str; 2] = ["cache", "orders"];

/// The phases that a kill must hit.
const PHASES: [Found; 8] = [
    Found::Idle,
    Found::BegunNotMade,
    Found::BegunHalfMade,
    Found::BegunMade,
    Found::Done,
    Found::UndoingNotMade,
    Found::UndoingHalfMade,
    Found::UndoingMade,
];

/// One agent's lives and deaths: its share of them, and more while there is a phase that no lane has hit.
fn lane(number: usize, hit: &Mutex<BTreeSet<Found>>) -> Tally {
    let stage = Stage::new();
    let copy = stage.folder.0.join("copy");
    fs::create_dir(&copy).expect("a folder");
    let state = stage.folder.0.join("state");
    let heard = Arc::<Heard>::default();
    let ways = [SlowWay::to(stage.cache.port, &heard), SlowWay::to(stage.orders.port, &heard)];
    let port = free_port();
    let sections = stage.sections(ways[0].port, ways[1].port, "256mb");
    let config = configure(&stage.folder, &state, port, &sections);
    let first = TARGETS.map(|target| held(&stage, target));
    let agent = Agent::start(config.clone(), port, &stage.folder, &[]);
    stage.arm(&config);
    agent.kill();
    let (mut dice, mut tally, mut wished) = (Dice(number as u64 + 1), Tally::default(), false);
    let mut seen = [Found::Idle; 2];
    while tally.kills < KILLS / LANES
        || (tally.kills < KILLS_MAX / LANES && hit.lock().expect("whole").len() < PHASES.len())
    {
        tally.kills += 1;
        // The wish changes when both targets follow it: until then the next life has to finish what this one began.
        if seen == [if wished { Found::Done } else { Found::Idle }; 2] {
            wished = !wished;
            if wished { stage.wish() } else { stage.unwish() }
        }
        let moment = dice.below(10);
        let (heard, within_ms) = match moment {
            0 => (None, 2500),
            1..=4 => (Some(&heard.logins), 300),
            _ => (Some(&heard.changes), 200),
        };
        let before = heard.map_or(0, |heard| heard.load(Ordering::Relaxed));
        let agent = Agent::start(config.clone(), port, &stage.folder, &[]);
        let began = Instant::now();
        while heard.is_some_and(|heard| heard.load(Ordering::Relaxed) == before) && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(dice.below(within_ms)));
        agent.kill();
        let began = Instant::now();
        while ways.iter().any(|way| way.open.load(Ordering::Relaxed) > 0) && began.elapsed() < Duration::from_secs(3) {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(CALM);
        let records = records(&state, &copy);
        for (at, target) in TARGETS.into_iter().enumerate() {
            let newest = records.iter().rfind(|record| record.target == target);
            seen[at] = judge(&first[at], &held(&stage, target), newest);
            *tally.found.entry((seen[at], target)).or_default() += 1;
            hit.lock().expect("whole").insert(seen[at]);
        }
        tally.interrupted += records.iter().filter(|one| matches!(one.phase.as_str(), "begun" | "undoing")).count();
    }
    finish(&stage, &config, port, &state, &copy, &mut tally);
    assert_eq!(TARGETS.map(|target| held(&stage, target)), first);
    assert_eq!(stage.orders.written(), stage.file, "byte for byte");
    tally
}

/// The last life: whatever is open comes to its end; then the stories are read.
fn finish(stage: &Stage, config: &Path, port: u16, state: &Path, copy: &Path, tally: &mut Tally) {
    stage.unwish();
    let agent = Agent::start(config.to_path_buf(), port, &stage.folder, &[]);
    wait("everything is taken back", Duration::from_secs(180), || {
        let (code, text) = watchward(config, &["journal", "--json"]);
        let all: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap_or_default();
        code == 0 && all.iter().all(|one| matches!(one["phase"].as_str(), Some("void" | "failed" | "undone")))
    });
    let metrics = agent.get("/metrics");
    agent.kill();
    assert!(metrics.contains("watchward_act_"), "{metrics}");
    for record in records(state, copy) {
        let phases: Vec<&str> = record.story.iter().map(|(phase, _)| phase.as_str()).collect();
        let is_whole = matches!(
            phases[..],
            ["begun", "void"]
                | ["begun", "done", "undoing", "undone"]
                | ["begun", "undoing", "failed"]
                | ["begun", "failed"]
        );
        assert!(is_whole, "a story with a hole in it: {record:?}");
        // What became of it is told in the transaction that records it, so that no kill comes between.
        let told: Vec<String> = phases
            .iter()
            .filter(|phase| !matches!(**phase, "begun" | "undoing"))
            .map(|phase| format!("policy.{phase}"))
            .collect();
        assert_eq!(record.events, told, "{record:?}");
        assert!(record.story.iter().all(|(_, words)| !words.is_empty()), "{record:?}");
        tally.changes += usize::from(phases.contains(&"done"));
        for (_, words) in record.story.iter().filter(|(_, words)| words.starts_with("found ")) {
            let kind = words.split(':').next().unwrap_or("").to_string();
            *tally.settled.entry(kind).or_default() += 1;
        }
    }
}

#[test]
fn two_hundred_kills_leave_no_change_without_its_undo_and_no_undo_without_its_record() {
    let began = Instant::now();
    let (all, hit) = (Mutex::new(Tally::default()), Mutex::new(BTreeSet::new()));
    std::thread::scope(|scope| {
        for number in 0..LANES {
            let (all, hit) = (&all, &hit);
            scope.spawn(move || {
                let one = lane(number, hit);
                let mut all = all.lock().expect("whole");
                one.found.into_iter().for_each(|(key, count)| *all.found.entry(key).or_default() += count);
                one.settled.into_iter().for_each(|(key, count)| *all.settled.entry(key).or_default() += count);
                all.kills += one.kills;
                all.interrupted += one.interrupted;
                all.changes += one.changes;
            });
        }
    });
    let all = all.into_inner().expect("whole");
    println!(
        "{} kills in {} s, {} changes made, {} interrupted",
        all.kills,
        began.elapsed().as_secs(),
        all.changes,
        all.interrupted
    );
    all.found.iter().for_each(|((found, target), count)| println!("{count:5}  {target}: {found}"));
    all.settled.iter().for_each(|(words, count)| println!("{count:5}  said at the next start: {words}"));
    let of = |found: Found| TARGETS.iter().filter_map(|target| all.found.get(&(found, *target))).sum::<usize>();
    let missed: Vec<String> = PHASES.into_iter().filter(|one| of(*one) == 0).map(|one| one.to_string()).collect();
    assert_eq!(missed, [] as [String; 0], "phases that no kill hit");
    for words in ["found finished", "found not begun", "found undone"] {
        assert!(all.settled.contains_key(words), "nobody said '{words}': {:?}", all.settled);
    }
}

#[test]
fn the_law_finds_what_breaks_it() {
    let side = |text: &str| Held { written: Some(text.to_string()), effective: text.to_string() };
    let check = |now: &str, phase: &str, expected: Option<Found>| {
        let step = Step {
            key: "k".to_string(),
            before: side("1"),
            after: side("2"),
            words: String::new(),
            undo_words: String::new(),
        };
        let (target, phase) = ("cache".to_string(), phase.to_string());
        let record = Record { id: 1, target, step, phase, story: Vec::new(), events: Vec::new() };
        let judged = std::panic::catch_unwind(|| judge(&side("1"), &side(now), Some(&record))).ok();
        assert_eq!(judged, expected, "{now} {}", record.phase);
    };
    check("2", "done", Some(Found::Done));
    check("1", "done", None); // taken back without a record
    check("2", "undone", None); // stands, and nothing would take it back
    check("2", "void", None);
    check("1", "undone", Some(Found::Idle));
    check("2", "begun", Some(Found::BegunMade));
    check("3", "begun", None); // nobody wrote that
    check("1", "undoing", Some(Found::UndoingMade));
    check("1", "unclear", None);
    assert!(std::panic::catch_unwind(|| judge(&side("1"), &side("2"), None)).is_err(), "changed without a record");
    assert!(std::panic::catch_unwind(|| judge(&side("0"), &side("1"), None)).is_err());
}
