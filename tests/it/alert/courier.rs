//! Couriers against a receiver that errs: what is sent when, what is sent again, and what is not.

use std::time::Duration;

use watchward::alert::config::Limits;
use watchward::alert::courier::Next;
use watchward::alert::route::GroupBy;
use watchward::model::finding::Severity;
use watchward::model::scope::Scope;
use watchward::model::target::SecretSource;
use watchward::model::transition::Transition;
use watchward::state::deliveries::Outcome;

use crate::alert::sink::{Answer, Sink};
use crate::alert::{Stage, config, one_receiver, outlet, receiver, transitions};
use crate::state::{Folder, moment, open};

/// A story: `+A` and `-A` are transitions (those side by side come together), `tell` lets the courier work, `5s` lets
/// time pass. The receiver answers as given, then 200. Returns what came, message by message.
async fn story(answers: &[Answer], script: &str) -> String {
    let folder = Folder::new();
    let (sink, config) = one_receiver().await;
    sink.answer(answers.iter().cloned());
    let mut stage = Stage::new(config, open(&folder).await);
    for part in script.split(',').map(str::trim) {
        match part.strip_suffix('s').and_then(|seconds| seconds.parse::<i64>().ok()) {
            Some(seconds) => stage.second += seconds,
            None if part == "tell" => _ = stage.tell("dba").await,
            None => stage.take(part).await,
        }
    }
    sink.take()
}

async fn check(answers: &[Answer], script: &str, expected: &str) {
    assert_eq!(story(answers, script).await, expected, "{script}");
}

#[tokio::test]
async fn a_beginning_and_an_end_are_told_each_at_its_time() {
    check(&[], "+A, tell, -A, tell", "firing +A | resolved -A").await;
    check(&[], "+A, tell, tell, tell", "firing +A").await;
    check(&[], "tell, -A, tell", "").await;
}

#[tokio::test]
async fn an_alert_that_ended_before_it_could_be_told_is_told_with_both_its_ends() {
    check(&[], "+A, -A, tell", "resolved +A -A").await;
    check(&[], "+A, -A, +A, tell", "firing +A -A +A").await;
}

#[tokio::test]
async fn alerts_of_one_group_are_told_together_and_those_that_still_fire_are_listed() {
    let folder = Folder::new();
    let (sink, mut config) = one_receiver().await;
    config.route.as_mut().unwrap().group_by = GroupBy::new(&["tenant".to_string()]);
    let stage = Stage::new(config, open(&folder).await);
    stage.take("+A +B").await;
    stage.tell("dba").await;
    stage.take("-A +C").await;
    stage.tell("dba").await;
    stage.take("-B -C").await;
    stage.tell("dba").await;
    assert_eq!(sink.take(), "firing +A +B | firing -A +C +B | resolved -B -C");
}

#[tokio::test]
async fn alerts_of_different_groups_are_told_apart_in_the_order_they_came() {
    check(&[], "+A +B:x +A:y, tell", "firing +A | firing +B | firing +A").await;
}

#[tokio::test]
async fn what_failed_is_sent_again_after_a_wait_and_carries_what_came_since() {
    for failing in [Answer::Status(500), Answer::Status(503), Answer::Status(408), Answer::Close, Answer::Hang] {
        let script = "+A, tell, tell, 2s, tell, 9s, tell";
        check(std::slice::from_ref(&failing), script, "firing +A | firing +A").await;
        check(
            &[failing.clone(), failing],
            "+A, tell, -A, 2s, tell, 9s, tell",
            "firing +A | resolved +A -A | resolved +A -A",
        )
        .await;
    }
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_tried_again() {
    let folder = Folder::new();
    let sink = Sink::start().await;
    let nobody = format!("http://127.0.0.1:{}/", unused_port().await);
    let mut stage = Stage::new(config(vec![receiver("dba", &nobody)]), open(&folder).await);
    stage.take("+A").await;
    let wait = stage.tell("dba").await.unwrap();
    assert!((0.4..=1.2).contains(&wait), "the first wait is {wait} s");
    stage.second += 1;
    let wait = stage.tell("dba").await.unwrap();
    assert!((0.9..=2.2).contains(&wait), "the second wait is {wait} s");
    stage.alerting.reload(config(vec![receiver("dba", &sink.url())]));
    stage.second += 3;
    assert_eq!(stage.tell("dba").await, None);
    assert_eq!(sink.take(), "firing +A");
    let seen = stage.alerting.statistics(moment(stage.second));
    assert_eq!((seen.sent, seen.failed, seen.retried, seen.queued), (1, 2, 2, 0));
}

/// Lets others work for a moment.
pub async fn quick() {
    tokio::time::sleep(Duration::from_millis(2)).await;
}

async fn unused_port() -> u16 {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn a_wait_that_the_receiver_asks_for_is_kept_for_all_its_groups() {
    let dated = |wait_s: i64| {
        let at = jiff::Timestamp::from_millisecond(moment(wait_s).wall_ms).unwrap();
        at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    };
    for asked in ["60".to_string(), dated(60)] {
        let folder = Folder::new();
        let (sink, config) = one_receiver().await;
        let busy = |status| Answer::Full(status, format!("Retry-After: {asked}\r\n"), "slow down".to_string());
        sink.answer([busy(429)]);
        let mut stage = Stage::new(config, open(&folder).await);
        stage.take("+A +B").await;
        let wait = stage.tell("dba").await.unwrap();
        assert!((59.0..=61.0).contains(&wait), "asked for {asked}, waits {wait} s");
        stage.second = 58;
        stage.take("+C").await;
        stage.tell("dba").await;
        assert_eq!(sink.take(), "firing +A", "nothing more before the time it asked for");
        stage.second = 62;
        assert_eq!(stage.tell("dba").await, None);
        assert_eq!(sink.take(), "firing +B | firing +C | firing +A");
    }
}

#[tokio::test]
async fn what_the_receiver_refuses_is_logged_with_its_words_and_not_sent_again() {
    let elsewhere = Sink::start().await;
    let redirect = Answer::Full(302, format!("Location: {}\r\n", elsewhere.url()), String::new());
    let words = Answer::Full(400, String::new(), "no  such\nchannel".to_string());
    for (answer, status, said) in [(words, 400, "no such channel"), (redirect, 302, ""), (Answer::Status(404), 404, "")]
    {
        let folder = Folder::new();
        let (sink, config) = one_receiver().await;
        sink.answer([answer]);
        let state = open(&folder).await;
        let mut stage = Stage::new(config, state.clone());
        stage.take("+A").await;
        assert_eq!(stage.tell("dba").await, None);
        stage.second += 3600;
        assert_eq!(stage.tell("dba").await, None);
        assert_eq!(sink.take(), "firing +A");
        let log = state.deliveries(&Scope::of_tenant("acme"), 9).await.unwrap();
        assert_eq!((log[0].outcome, log[0].status, log[0].answer.as_str()), (Outcome::Refused, Some(status), said));
        assert_eq!(stage.alerting.statistics(moment(0)).refused, 1);
        let found = &stage.alerting.findings(moment(stage.second))[0];
        assert_eq!((found.kind.as_str(), found.subject.as_str()), ("ReceiverRefuses", "dba by webhook"));
        stage.take("-A").await;
        stage.tell("dba").await;
        assert_eq!(sink.take(), "resolved -A", "the end is told all the same");
        assert!(stage.alerting.findings(moment(stage.second)).is_empty());
    }
    assert!(elsewhere.seen().is_empty(), "a redirect was followed");
}

#[tokio::test]
async fn one_group_that_always_fails_does_not_hold_up_the_others() {
    let folder = Folder::new();
    let (sink, config) = one_receiver().await;
    sink.answer([Answer::Status(500)]);
    let stage = Stage::new(config, open(&folder).await);
    stage.take("+A +B").await;
    stage.tell("dba").await;
    assert_eq!(sink.take(), "firing +A | firing +B");
}

/// A message on which the receiver hangs costs its time-out and a wait; then it is the others' turn first.
#[tokio::test]
async fn one_group_on_which_the_receiver_hangs_lets_the_others_go_first() {
    let folder = Folder::new();
    let (sink, config) = one_receiver().await;
    sink.answer([Answer::Hang, Answer::Status(200), Answer::Status(200), Answer::Hang]);
    let mut stage = Stage::new(config, open(&folder).await);
    stage.take("+A +B +C").await;
    assert!(stage.tell("dba").await.unwrap() <= 1.5);
    assert_eq!(sink.take(), "firing +A", "whoever does not answer is not asked at once again");
    stage.second += 2;
    stage.tell("dba").await;
    assert_eq!(sink.take(), "firing +B | firing +C | firing +A");
}

/// However many groups wait, a receiver that is not there is asked once in each wait.
#[tokio::test]
async fn a_receiver_that_does_not_answer_is_not_stormed() {
    let folder = Folder::new();
    let state = open(&folder).await;
    let nobody = format!("http://127.0.0.1:{}/", unused_port().await);
    let mut stage = Stage::new(config(vec![receiver("dba", &nobody)]), state.clone());
    for target in 0..30 {
        stage.take(&format!("+A:{target}")).await;
    }
    for _ in 0..600 {
        stage.tell("dba").await;
        stage.second += 1;
    }
    let attempts = stage.alerting.statistics(moment(stage.second)).failed;
    assert!((8..=14).contains(&attempts), "{attempts} attempts in 10 minutes");
}

#[tokio::test]
async fn a_receiver_that_is_back_is_told_everything_at_once() {
    let folder = Folder::new();
    let (sink, config) = one_receiver().await;
    sink.answer((0..14).map(|_| Answer::Status(500)));
    let mut stage = Stage::new(config, open(&folder).await);
    stage.take("+A +B").await;
    let mut wait_s = None;
    for _ in 0..7 {
        stage.second += 300;
        wait_s = stage.tell("dba").await;
    }
    sink.take();
    stage.second += wait_s.unwrap().ceil() as i64; // whichever is due first brings the other with it
    assert_eq!(stage.tell("dba").await, None);
    let mut both: Vec<String> = sink.take().split(" | ").map(str::to_string).collect();
    both.sort();
    assert_eq!(both, ["firing +A", "firing +B"]);
}

#[tokio::test]
async fn an_answer_too_large_to_read_is_not_asked_for_for_ever() {
    let huge = || Answer::Full(200, String::new(), "x".repeat(200 << 10));
    let folder = Folder::new();
    let (sink, config) = one_receiver().await;
    sink.answer([huge(), huge(), huge(), huge()]);
    let state = open(&folder).await;
    let mut stage = Stage::new(config, state.clone());
    stage.take("+A").await;
    for _ in 0..6 {
        stage.second += 300;
        stage.tell("dba").await;
    }
    assert_eq!(sink.seen().len(), 3);
    let log = state.deliveries(&Scope::of_tenant("acme"), 9).await.unwrap();
    let port = sink.port();
    assert_eq!(log[0].outcome, Outcome::Refused);
    assert_eq!(log[0].answer, format!("127.0.0.1:{port} answered with more than 65536 bytes"));
}

#[tokio::test]
async fn after_a_day_it_is_given_up_counted_and_logged() {
    let folder = Folder::new();
    let state = open(&folder).await;
    let nobody = format!("http://127.0.0.1:{}/", unused_port().await);
    let mut stage = Stage::new(config(vec![receiver("dba", &nobody)]), state.clone());
    stage.take("+A").await;
    stage.tell("dba").await;
    stage.second = 59;
    stage.tell("dba").await;
    assert!(stage.alerting.findings(moment(59)).is_empty(), "a restart of the receiver is no finding");
    stage.second = 62;
    let found = stage.alerting.findings(moment(stage.second)).remove(0);
    assert_eq!((found.kind.as_str(), found.severity), ("ReceiverUnreachable", Severity::Warning));
    stage.second = 86_400;
    stage.alerting.keep_house(moment(stage.second)).await;
    assert_eq!(stage.alerting.statistics(moment(stage.second)).oldest_age_s, 86_400.0);
    assert_eq!(stage.alerting.statistics(moment(stage.second)).queued, 1, "not before its time");
    stage.second += 1;
    stage.alerting.keep_house(moment(stage.second)).await;
    let seen = stage.alerting.statistics(moment(stage.second));
    assert_eq!((seen.queued, seen.given_up, seen.oldest_age_s), (0, 1, 0.0));
    let log = state.deliveries(&Scope::of_tenant("acme"), 1).await.unwrap();
    assert_eq!((log[0].outcome, log[0].alerts_total), (Outcome::GivenUp, 1));
}

#[tokio::test]
async fn when_too_much_waits_comings_and_goings_are_merged_and_counted() {
    let folder = Folder::new();
    let (sink, mut config) = one_receiver().await;
    config.limits = Limits { queue_entries_max: 10, ..Limits::default() };
    let stage = Stage::new(config, open(&folder).await);
    for _ in 0..20 {
        stage.take("+A").await;
        stage.take("-A").await;
    }
    stage.take("+B").await;
    let seen = stage.alerting.statistics(moment(0));
    assert!(seen.queued <= 10 && seen.coalesced >= 30, "{seen:?}");
    stage.tell("dba").await;
    let told = sink.take();
    assert!(told.ends_with("+A -A | firing +B"), "{told}");
}

#[tokio::test]
async fn a_slow_receiver_delays_no_other() {
    let folder = Folder::new();
    let (slow, fast) = (Sink::start().await, Sink::start().await);
    let state = open(&folder).await;
    slow.answer([Answer::Hang]);
    let stage = Stage::new(config(vec![receiver("slow", &slow.url()), receiver("fast", &fast.url())]), state);
    stage.take("+A").await;
    let mut turned = config(vec![receiver("slow", &slow.url()), receiver("fast", &fast.url())]);
    turned.route.as_mut().unwrap().receiver = "fast".to_string();
    stage.alerting.reload(turned);
    stage.take("+B").await;
    let stuck = stage.tell("slow");
    let quick = async {
        let watch = watchward::sys::clock::Stopwatch::start();
        assert_eq!(stage.tell("fast").await, None);
        watch.elapsed()
    };
    let (_, took) = futures_util::join!(stuck, quick);
    assert_eq!(fast.take(), "firing +B");
    assert!(took < Duration::from_millis(250), "it took {took:?}, as long as the slow one's time-out");
}

#[tokio::test]
async fn each_message_is_signed_and_named() {
    let folder = Folder::new();
    let sink = Sink::start().await;
    let secret = folder.path().join("hook");
    std::fs::write(&secret, "topsecret-1\n").unwrap();
    let url = sink.url().replace("http://", "http://us%65r:p%40ss@");
    let mut config = config(vec![receiver("dba", &url)]);
    config.receivers[0].webhook.secret = SecretSource::File(secret.clone());
    let mut stage = Stage::new(config, open(&folder).await);
    stage.take("+A").await;
    sink.answer([Answer::Status(500)]);
    stage.tell("dba").await;
    std::fs::write(&secret, "topsecret-2").unwrap();
    stage.second = 2;
    stage.tell("dba").await;
    let seen = sink.seen();
    for (seen, (secret, at_s)) in seen.iter().zip([("topsecret-1", 1_800_000_000), ("topsecret-2", 1_800_000_002)]) {
        let secret = watchward::model::secret::Secret::new(secret);
        let expected = watchward::alert::signature::header(&secret, at_s, &seen.raw);
        assert_eq!(seen.header("x-watchward-signature"), Some(expected.as_str()));
        assert_eq!(seen.header("content-type"), Some("application/json"));
        assert_eq!(seen.header("user-agent"), Some(concat!("watchward/", env!("CARGO_PKG_VERSION"))));
        assert_eq!(seen.header("authorization"), Some("Basic dXNlcjpwQHNz"));
        assert_eq!(seen.header("host"), Some(format!("127.0.0.1:{}", sink.port()).as_str()));
        assert!(seen.head.starts_with("POST /hook HTTP/1.1"), "{}", seen.head);
    }
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].header("x-watchward-delivery"), seen[1].header("x-watchward-delivery"));
    assert_eq!(seen[0].raw, seen[1].raw);
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_keeps_the_message_back() {
    let folder = Folder::new();
    let (sink, mut config) = one_receiver().await;
    let secret = folder.path().join("hook");
    config.receivers[0].webhook.secret = SecretSource::File(secret.clone());
    let state = open(&folder).await;
    let mut stage = Stage::new(config, state.clone());
    stage.take("+A").await;
    assert!(stage.tell("dba").await.is_some());
    std::fs::write(&secret, "\n").unwrap();
    stage.second = 5;
    assert!(stage.tell("dba").await.is_some());
    assert!(sink.seen().is_empty(), "it went out unsigned");
    std::fs::write(&secret, "s").unwrap();
    stage.second = 10;
    assert_eq!(stage.tell("dba").await, None);
    assert_eq!(sink.take(), "firing +A");
    let log = state.deliveries(&Scope::of_tenant("acme"), 9).await.unwrap();
    let missing = format!("cannot read the secret in {}: No such file or directory (os error 2)", secret.display());
    let words: Vec<&str> = log.iter().map(|one| one.answer.as_str()).collect();
    assert_eq!(words, ["", "the secret to sign with is empty", missing.as_str()]);
}

#[tokio::test]
async fn a_reload_neither_repeats_nor_loses() {
    let folder = Folder::new();
    let (old, new) = (Sink::start().await, Sink::start().await);
    let state = open(&folder).await;
    let stage = Stage::new(config(vec![receiver("old", &old.url())]), state.clone());
    stage.take("+Told").await;
    stage.tell("old").await;
    stage.take("+Waits").await;
    // The same again, then a configuration without the receiver.
    stage.alerting.reload(config(vec![receiver("old", &old.url())]));
    stage.alerting.rehome(moment(1)).await.unwrap();
    assert_eq!(old.take(), "firing +Told");
    stage.alerting.reload(config(vec![receiver("new", &new.url())]));
    stage.alerting.rehome(moment(1)).await.unwrap();
    stage.tell("old").await;
    stage.tell("new").await;
    assert_eq!((old.take(), new.take()), (String::new(), "firing +Waits".to_string()));
    stage.take("-Told -Waits").await;
    stage.tell("new").await;
    assert_eq!(new.take(), "resolved -Told | resolved -Waits");
    assert!(state.members().await.unwrap().is_empty());
}

#[tokio::test]
async fn alerts_that_fired_before_there_was_a_receiver_are_told_to_the_first() {
    let folder = Folder::new();
    let (sink, with) = one_receiver().await;
    let stage = Stage::new(config(vec![]), open(&folder).await);
    stage.take("+A ~B").await;
    let found = Transition { discovered: true, ..transitions("+Found", 5).remove(0) };
    stage.alerting.take(&[found], &[], moment(0)).await.unwrap();
    stage.alerting.reload(with);
    for _ in 0..2 {
        stage.alerting.rehome(moment(1)).await.unwrap();
        stage.tell("dba").await;
    }
    assert_eq!(sink.take(), "firing +A");
}

#[tokio::test]
async fn a_restart_goes_on_where_it_was() {
    let folder = Folder::new();
    let (sink, config) = one_receiver().await;
    let state = open(&folder).await;
    let stage = Stage::new(config.clone(), state.clone());
    stage.take("+A +B").await;
    stage.tell("dba").await;
    stage.take("-B").await;
    sink.take();
    drop((stage, state));
    let state = open(&folder).await;
    let fires = state.active_instances().await.unwrap();
    assert_eq!(fires.iter().map(|one| one.labels.value("alertname")).collect::<Vec<_>>(), ["A"]);
    let stage = Stage::new(config, state);
    stage.alerting.rehome(moment(0)).await.unwrap();
    stage.take("+A").await; // judge, starting anew, may say so again
    stage.tell("dba").await;
    stage.take("-A").await;
    stage.tell("dba").await;
    assert_eq!(sink.take(), "resolved -B | resolved -A");
}

#[tokio::test]
async fn a_pending_transition_is_recorded_and_told_to_nobody() {
    let folder = Folder::new();
    let (sink, config) = one_receiver().await;
    let state = open(&folder).await;
    let stage = Stage::new(config, state.clone());
    stage.take("~A").await;
    assert_eq!(stage.tell("dba").await, None);
    assert_eq!(sink.take(), "");
    assert_eq!(state.active_instances().await.unwrap().len(), 1);
    assert_eq!(stage.alerting.deliver(&outlet("nobody"), moment(0)).await, Next::Idle);
}
