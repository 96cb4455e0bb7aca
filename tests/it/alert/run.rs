//! The running whole: tasks, real time, several receivers, stopping, and a real kill -9.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use watchward::alert::Alerting;
use watchward::model::transition::{Phase, Transition};
use watchward::state::State;
use watchward::sys::clock::{Clock, Stopwatch};
use watchward::sys::task::{self, Handle};

use crate::alert::courier::quick;
use crate::alert::sink::{Answer, Sink};
use crate::alert::{config, one_receiver, receiver, transitions};
use crate::state::{Folder, bare, open, transition};

struct Running {
    alerting: Arc<Alerting>,
    clock: Arc<Clock>,
    stop: watch::Sender<bool>,
    task: Handle<()>,
}

fn start(config: watchward::alert::config::Config, state: State) -> Running {
    let (stop, stopped) = watch::channel(false);
    let clock = Arc::new(Clock::begin(None));
    let alerting = Arc::new(Alerting::new(config, state, "http://agent"));
    let task = task::spawn("alerting", alerting.clone().run(clock.clone(), stopped));
    Running { alerting, clock, stop, task }
}

impl Running {
    async fn take(&self, text: &str) {
        let now = self.clock.now();
        self.alerting.take(&transitions(text, now.stored_ms), &[], now).await.unwrap();
    }
}

async fn wait_for(sink: &Sink, messages: usize) {
    let watch = Stopwatch::start();
    while sink.seen().len() < messages {
        assert!(watch.elapsed() < Duration::from_secs(20), "only {} messages came", sink.seen().len());
        quick().await;
    }
}

#[tokio::test]
async fn what_is_taken_is_told_and_tried_again_by_itself() {
    let folder = Folder::new();
    let (sink, config) = one_receiver().await;
    sink.answer([Answer::Status(503)]);
    let running = start(config, open(&folder).await);
    running.take("+A").await;
    wait_for(&sink, 2).await;
    running.take("-A").await;
    wait_for(&sink, 3).await;
    assert_eq!(sink.take(), "firing +A | firing +A | resolved -A");
}

#[tokio::test]
async fn a_reload_moves_on_to_another_receiver_while_running() {
    let folder = Folder::new();
    let (old, new) = (Sink::start().await, Sink::start().await);
    let running = start(config(vec![receiver("old", &old.url())]), open(&folder).await);
    running.take("+A").await;
    wait_for(&old, 1).await;
    running.alerting.reload(config(vec![receiver("new", &new.url())]));
    running.take("+B").await;
    wait_for(&new, 1).await;
    running.take("-A -B").await;
    wait_for(&new, 3).await;
    assert_eq!((old.take(), new.take()), ("firing +A".into(), "firing +B | resolved -A | resolved -B".into()));
}

#[tokio::test]
async fn it_stops_soon_though_a_receiver_hangs_and_settles_what_arrives_in_time() {
    let folder = Folder::new();
    let (sink, mut config) = one_receiver().await;
    config.receivers[0].webhook.timeout = Duration::from_secs(60);
    sink.answer([Answer::Slow(Duration::from_millis(700)), Answer::Hang]);
    let state = open(&folder).await;
    let running = start(config, state.clone());
    running.take("+A").await;
    wait_for(&sink, 1).await;
    running.stop.send(true).unwrap();
    let watch = Stopwatch::start();
    running.task.await.unwrap();
    assert!(watch.elapsed() < Duration::from_secs(4));
    assert_eq!(state.queue().await.unwrap().entries, 0, "the message under way was not settled");
    drop(running.alerting);

    let (_, config) = one_receiver().await;
    let mut hanging = config.clone();
    hanging.receivers[0] = receiver("dba", &sink.url());
    hanging.receivers[0].webhook.timeout = Duration::from_secs(60);
    let running = start(hanging, state.clone());
    running.take("-A").await;
    wait_for(&sink, 2).await;
    drop(running.stop); // the sender's end counts as a wish to stop
    let watch = Stopwatch::start();
    running.task.await.unwrap();
    assert!(watch.elapsed() < Duration::from_secs(5));
    assert_eq!(state.queue().await.unwrap().entries, 1, "what did not arrive must be sent again");
}

/// What the child of the next test does: raises and ends alerts while it lives, and says which are acknowledged.
#[allow(clippy::disallowed_methods)] // reads what its parent tells it
#[test]
fn child_that_is_killed() {
    let (Ok(folder), Ok(url)) = (std::env::var("WATCHWARD_TEST_STATE"), std::env::var("WATCHWARD_TEST_URL")) else {
        return;
    };
    let first: usize = std::env::var("WATCHWARD_TEST_FIRST").unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let clock = Clock::begin(None);
        let (state, _) = State::open_with(std::path::Path::new(&folder), clock.now(), &bare()).await.unwrap();
        let running = start(config(vec![receiver("dba", &url)]), state.clone());
        for number in first.. {
            for (to, sign) in [(Phase::Firing, '+'), (Phase::Resolved, '-')] {
                let now = running.clock.now();
                let one: Transition = transition("acme", &format!("K{number}"), to, now.stored_ms);
                running.alerting.take(&[one], &[], now).await.unwrap();
                // Past the test harness' capture, at once, and in one write that no kill can tear.
                std::io::stderr().write_all(format!("ack {sign}K{number}\n").as_bytes()).unwrap();
            }
        }
    });
}

#[allow(clippy::disallowed_methods)] // tests may start processes
fn spawn_child(folder: &Folder, url: &str, first: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["alert::run::child_that_is_killed", "--exact", "--nocapture"])
        .env("WATCHWARD_TEST_STATE", folder.state())
        .env("WATCHWARD_TEST_URL", url)
        .env("WATCHWARD_TEST_FIRST", first.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Real processes, really killed, at moments that nobody chose.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_it_loses_nothing_and_repeats_at_most_one_message_each_time() {
    const KILLS: usize = 12;
    let folder = Folder::new();
    let (sink, config) = one_receiver().await;
    let mut acknowledged: Vec<String> = Vec::new();
    for kill in 0..KILLS {
        let mut child = spawn_child(&folder, &sink.url(), kill * 100_000);
        let errors = child.stderr.take().unwrap();
        let read = task::blocking("acks", move || {
            let mut lines = BufReader::new(errors).lines().map_while(Result::ok);
            let first: Vec<String> = lines.by_ref().find(|line| line.starts_with("ack ")).into_iter().collect();
            (first, lines)
        });
        let (first, lines) = read.await.unwrap();
        assert_eq!(first.len(), 1, "the child did not start");
        tokio::time::sleep(Duration::from_millis(17 * (kill as u64 + 1))).await;
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(first);
        acknowledged.extend(task::blocking("acks", move || lines.collect::<Vec<_>>()).await.unwrap());
    }
    let state = open(&folder).await;
    let running = start(config, state.clone());
    let watch = Stopwatch::start();
    while state.queue().await.unwrap().entries > 0 {
        assert!(watch.elapsed() < Duration::from_secs(30));
        quick().await;
    }
    drop(running);
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for seen in sink.seen() {
        for word in seen.short().split(' ').skip(1) {
            *told.entry(format!("ack {word}")).or_default() += 1;
        }
    }
    let acknowledged: Vec<&String> = acknowledged.iter().filter(|line| line.starts_with("ack ")).collect();
    let lost: Vec<_> = acknowledged.iter().filter(|word| !told.contains_key(**word)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let messages = sink.seen();
    let mut ids: Vec<&str> = messages.iter().map(|seen| seen.header("x-watchward-delivery").unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    let repeated = messages.len() - ids.len();
    assert!(repeated <= KILLS, "{repeated} messages were repeated by {KILLS} kills");
    assert!(acknowledged.len() > KILLS, "only {} were acknowledged", acknowledged.len());
    println!("{} acknowledged, {} messages, {repeated} repeated by {KILLS} kills", acknowledged.len(), messages.len());
}
