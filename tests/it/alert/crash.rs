//! Kill -9 at any point: nothing acknowledged is lost, and nothing is told more than twice.

use std::cell::RefCell;
use std::collections::BTreeMap;

use watchward::alert::config::Config;
use watchward::model::transition::{Phase, Transition};

use crate::alert::courier::quick;
use crate::alert::sink::{Answer, Sink};
use crate::alert::{Stage, one_receiver};
use crate::state::{Folder, cut, moment, open, transition};

/// What happens in the life that is cut short: each word is acknowledged once `take` returns.
const LIFE: &[&str] = &["+A +B", "-A", "+C -B", "-C"];

/// Lives until it is cut after so many polls; leaves what stood on disk then, and whether it came to its end.
async fn live(config: Config, polls: usize, acknowledged: &RefCell<Vec<&'static str>>) -> (Folder, bool) {
    let folder = Folder::new();
    let stage = Stage::new(config, open(&folder).await);
    let life = async {
        for words in LIFE {
            stage.take(words).await;
            acknowledged.borrow_mut().extend(words.split(' '));
            stage.tell("dba").await;
        }
    };
    let is_whole = cut(life, polls).await.is_some();
    (folder.image(), is_whole)
}

/// How often each change was told, and under how many ids.
fn told(sink: &Sink) -> BTreeMap<String, (usize, usize)> {
    let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for seen in sink.seen() {
        let id = seen.header("x-watchward-delivery").unwrap().to_string();
        for word in seen.short().split(' ').skip(1) {
            ids.entry(word.to_string()).or_default().push(id.clone());
        }
    }
    let count = |mut ids: Vec<String>| {
        let all = ids.len();
        ids.sort();
        ids.dedup();
        (all, ids.len())
    };
    ids.into_iter().map(|(word, ids)| (word, count(ids))).collect()
}

/// The life is cut at every place where it waits for the disk or the network, one place after the other. What stands on
/// disk at that moment is then opened by the next life, as after a kill -9.
#[tokio::test]
async fn cut_at_every_step_nothing_is_lost_and_nothing_told_more_than_twice() {
    let (mut polls, mut repeated) = (0, 0);
    loop {
        let (sink, config) = one_receiver().await;
        let acknowledged = RefCell::new(Vec::new());
        let (image, is_whole) = live(config.clone(), polls, &acknowledged).await;

        let stage = Stage::new(config, open(&image).await);
        stage.alerting.rehome(moment(1)).await.unwrap();
        assert_eq!(stage.tell("dba").await, None);
        let told = told(&sink);
        for word in acknowledged.borrow().iter() {
            assert!(told.contains_key(*word), "{word} was acknowledged and is lost after {polls} polls: {told:?}");
        }
        for (word, (times, ids)) in &told {
            assert!(*times <= 2, "{word} was told {times} times after {polls} polls");
            assert_eq!(*ids, 1, "{word} was told again under another id after {polls} polls");
        }
        repeated += told.values().filter(|(times, _)| *times == 2).count();
        if is_whole {
            break;
        }
        polls += 1;
    }
    assert!(polls > 60, "only {polls} places were tried");
    assert!(repeated > 0, "no cut fell between sending and settling");
    println!("{polls} places were tried, {repeated} messages repeated");
}

/// The place that matters most, by construction: the receiver has the message, and its answer never came.
#[tokio::test]
async fn a_kill_after_sending_repeats_the_message_under_the_same_id() {
    let folder = Folder::new();
    let (sink, config) = one_receiver().await;
    let state = open(&folder).await;
    let stage = Stage::new(config.clone(), state);
    stage.take("+A").await;
    sink.answer([Answer::Hang]);
    let image = {
        let tell = std::pin::pin!(stage.tell("dba"));
        let seen = async {
            while sink.seen().is_empty() {
                quick().await;
            }
        };
        futures_util::future::select(tell, std::pin::pin!(seen)).await;
        folder.image()
    };
    let stage = Stage::new(config, open(&image).await);
    stage.alerting.rehome(moment(1)).await.unwrap();
    stage.tell("dba").await;
    let seen = sink.seen();
    assert_eq!((seen.len(), &seen[0].raw), (2, &seen[1].raw));
    assert_eq!(seen[0].header("x-watchward-delivery"), seen[1].header("x-watchward-delivery"));
}

/// Before `take` has returned nobody may have been told: the disk comes first.
#[tokio::test]
async fn nobody_is_told_before_it_is_on_disk() {
    let folder = Folder::new();
    let (sink, config) = one_receiver().await;
    let stage = Stage::new(config, open(&folder).await);
    let one: [Transition; 1] = [transition("acme", "A", Phase::Firing, moment(0).stored_ms)];
    for polls in 0.. {
        let done = cut(stage.alerting.take(&one, &[], moment(0)), polls).await;
        if done.is_some() {
            break;
        }
        assert!(sink.seen().is_empty());
    }
    stage.tell("dba").await;
    let image = folder.image();
    assert_eq!(open(&image).await.active_instances().await.unwrap().len(), 1);
    assert_eq!(sink.take(), "firing +A");
}
