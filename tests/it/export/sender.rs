//! Stories of the exporter against a collector that takes, defers, refuses, hangs, dies, and breaks off.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsPartialSuccess, ExportMetricsServiceResponse};
use prost::Message;
use watchward::export::config::Otlp;
use watchward::export::endpoint::Endpoint;
use watchward::export::headers;
use watchward::export::statistics::Statistics;
use watchward::model::secret::Secret;

use crate::alert::secrets::Logs;
use crate::alert::sink;
use crate::export::collector::{Answer, Collector, count_by_path};
use crate::export::own::families;
use crate::export::{FAULTY, Stage, otlp};

const T: i64 = 1_800_000_000_000;

/// Points that are in requests, or were.
fn told(now: &Statistics) -> u64 {
    now.queued_items + now.sent + now.refused + now.rejected + now.overflowed
}

/// The end of a story: what the collector took, the rules it found broken, and what was counted.
async fn check(answers: Vec<Answer>, cycles: i64, holds: impl Fn(&Statistics) -> bool) -> (Collector, Statistics) {
    let collector = Collector::begin();
    collector.answer(answers);
    let stage = Stage::begin(otlp(collector.port));
    for step in 0..cycles {
        #[allow(clippy::cast_precision_loss)]
        stage.cycle(T + step * 1000, step as f64);
        stage.wait("a request for each", |now| told(now) >= 2 * (step.unsigned_abs() + 1)).await;
    }
    let statistics = stage.wait("the end of the story", |now| holds(now) && now.queued_items == 0).await;
    stage.exporter.end(Duration::from_secs(5)).await;
    assert_eq!(collector.faults(), [""; 0]);
    (collector, statistics)
}

#[tokio::test]
async fn a_collector_that_takes_gets_everything_once_over_one_connection() {
    let (collector, statistics) = check(Vec::new(), 5, |now| now.sent == 10).await;
    let values: Vec<_> = collector.points_of("cache", "t_requests_total").iter().map(|one| one.value).collect();
    assert_eq!(values, [Some(0.0), Some(1.0), Some(2.0), Some(3.0), Some(4.0)]);
    assert_eq!(collector.connections(), 1);
    let expected = Statistics { sent: 10, series: 2, ..Statistics::default() };
    assert_eq!(statistics, expected);
}

#[tokio::test]
async fn a_collector_that_asks_for_patience_is_given_it() {
    let began = Instant::now();
    let (collector, statistics) = check(vec![Answer::retry_after(429, 2)], 2, |now| now.sent == 4).await;
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!((statistics.failed, statistics.refused), (1, 0));
    let bodies: Vec<_> = collector.seen().iter().map(|seen| seen.body.clone()).collect();
    assert_eq!(bodies[0], bodies[1], "the same request again");
}

#[tokio::test]
async fn what_is_refused_is_not_tried_again() {
    for status in [400, 401, 404, 413, 500] {
        let (collector, statistics) = check(vec![Answer::status(status)], 2, |now| now.sent == 2).await;
        assert_eq!((statistics.failed, statistics.refused), (0, 2), "{status}");
        assert_eq!(collector.seen().len(), 2, "{status}");
    }
}

#[tokio::test]
async fn points_rejected_from_a_request_that_was_taken_are_counted() {
    let said = ExportMetricsPartialSuccess { rejected_data_points: 1, error_message: "too old".to_string() };
    let body = ExportMetricsServiceResponse { partial_success: Some(said) }.encode_to_vec();
    let (_, statistics) = check(vec![Answer::Full(200, String::new(), body)], 2, |now| now.sent == 3).await;
    assert_eq!((statistics.rejected, statistics.failed), (1, 0));
}

/// A tenant that is locked, say: it takes every request, and nothing of any.
#[tokio::test]
async fn a_collector_that_rejects_everything_is_failing() {
    let said = ExportMetricsPartialSuccess { rejected_data_points: 2, error_message: "no such tenant".to_string() };
    let body = ExportMetricsServiceResponse { partial_success: Some(said) }.encode_to_vec();
    let collector = Collector::begin();
    collector.answer_always(Answer::Full(200, String::new(), body));
    let stage = Stage::begin(otlp(collector.port));
    stage.cycle(T, 1.0);
    stage.wait("a rejection", |now| now.rejected == 2).await;
    let name = format!("127.0.0.1:{}", collector.port);
    assert_eq!(stage.counters.complaint(), Some(format!("{name}: rejected everything: no such tenant")));
    collector.answer_always(Answer::Taken);
    stage.cycle(T + 1000, 1.0);
    stage.wait("an arrival", |now| now.sent == 2).await;
    assert_eq!((stage.counters.complaint(), stage.statistics().failed), (None, 0));
}

/// What is logged when the first of two requests is answered so.
async fn log_of(answer: Answer) -> (String, Statistics) {
    let logs = Logs::default();
    let _collecting = tracing::subscriber::set_default(logs.clone());
    let (collector, statistics) = check(vec![answer], 2, |now| told(now) == 4).await;
    let log = logs.0.lock().expect("whole").clone();
    (log.replace(&format!("127.0.0.1:{}", collector.port), "COLLECTOR"), statistics)
}

#[tokio::test]
async fn what_takes_everything_and_is_no_collector_is_told() {
    let page = Answer::Full(200, String::new(), b"<html>it works</html>".to_vec());
    let (log, statistics) = log_of(page).await;
    let words = "the collector COLLECTOR does not answer as one does; is the endpoint right? 200 <html>it works</html>";
    assert_eq!(log.matches(words).count(), 1, "{log}");
    assert_eq!((statistics.sent, statistics.failed), (4, 0));
}

#[tokio::test]
async fn a_redirection_is_not_followed_and_says_where_to() {
    let moved = Answer::Full(307, "Location: https://c.example.org/v1/metrics?key=hunter2\r\n".to_string(), Vec::new());
    let (log, statistics) = log_of(moved).await;
    let words = "the collector COLLECTOR refused 2 points for good: 307 it is at https://c.example.org/v1/metrics, and \
                 redirections are not followed";
    assert!(log.contains(words) && !log.contains("hunter2"), "{log}");
    assert_eq!((statistics.sent, statistics.refused), (2, 2));
}

/// The page of a proxy is longer than anything that is read; what to do stands in the status.
#[tokio::test]
async fn of_an_answer_that_is_too_long_the_status_counts() {
    let long = |status: u16| Answer::Full(status, String::new(), vec![b'x'; 200 << 10]);
    for (status, sent, failed, refused) in [(503, 4, 1, 0), (400, 2, 0, 2), (200, 4, 0, 0)] {
        let (log, statistics) = log_of(long(status)).await;
        assert_eq!(
            (statistics.sent, statistics.failed, statistics.refused),
            (sent, failed, refused),
            "{status}\n{log}"
        );
        let words = format!("{status} COLLECTOR answered with more than 65536 bytes");
        assert!(log.contains(&words), "{log}");
    }
}

/// Long labels, a small queue: no request may be so large that it has no place in it.
#[tokio::test]
async fn requests_are_bounded_in_bytes_and_none_is_too_large_for_the_queue() {
    let collector = Collector::begin();
    let stage =
        Stage::begin(Otlp { interval: Duration::from_secs(600), queue_bytes_max: 1 << 20, ..otlp(collector.port) });
    let query = "x".repeat(1000);
    let ids: Vec<_> =
        (0..5000).map(|n| stage.series.series("up", &[("query", &query), ("n", &n.to_string())])).collect();
    for (step, ids) in (0..).zip(ids.chunks(250)) {
        stage.exporter.hand(&super::cycle("cache", T + step * 1000, ids.iter().map(|id| (*id, 1.0)).collect()));
        // All but what waits for a full request, and room for more: this is about the sizes.
        let gathered = 250 * (step.unsigned_abs() + 1);
        stage.wait("its way", |now| told(now) + 250 >= gathered && now.queued_bytes < 512 << 10).await;
    }
    stage.exporter.end(Duration::from_secs(60)).await;
    assert_eq!(collector.faults(), [""; 0]);
    let sizes: Vec<usize> = collector.seen().iter().map(|seen| seen.body.len()).collect();
    assert!(sizes.len() >= 20 && sizes.iter().all(|size| *size <= 256 << 10), "{sizes:?}");
    let end = stage.counters.read(Duration::from_secs(1));
    assert_eq!((end.sent, end.overflowed), (5000, 0));
}

#[tokio::test]
async fn a_broken_exchange_is_tried_again() {
    for answer in [Answer::Close, Answer::Torn, Answer::status(502)] {
        let (collector, statistics) = check(vec![answer.clone()], 1, |now| now.sent == 2).await;
        assert_eq!(statistics.failed, 1, "{answer:?}");
        assert_eq!(collector.points().len(), 2, "{answer:?}");
    }
}

#[tokio::test]
async fn a_slow_collector_gets_everything_in_fewer_requests_at_a_time() {
    let slow = vec![Answer::Slow(Duration::from_millis(300)); 4];
    let (collector, statistics) = check(slow, 6, |now| now.sent == 12).await;
    assert_eq!((statistics.failed, collector.connections()), (0, 1));
}

#[tokio::test]
async fn a_collector_that_dies_and_comes_back_gets_what_was_kept() {
    let collector = Collector::begin();
    let port = collector.port;
    let stage = Stage::begin(otlp(port));
    stage.cycle(T, 1.0);
    stage.wait("the first", |now| now.sent == 2).await;
    drop(collector);
    for step in 1..4 {
        stage.cycle(T + step * 1000, 2.0);
        tokio::time::sleep(Duration::from_millis(80)).await;
    }
    let statistics = stage.wait("failing", |now| now.failed > 0 && now.queued_items == 6).await;
    assert!(statistics.queued_bytes > 0 && statistics.failing_s >= 0.0);
    // The first complaint may still be about the connection that broke.
    let refused = format!("127.0.0.1:{port}: cannot connect to 127.0.0.1:{port}: ");
    let is_refused = |_: &Statistics| stage.counters.complaint().is_some_and(|why| why.starts_with(&refused));
    stage.wait("the complaint", is_refused).await;
    let back = Collector::at(port);
    let statistics = stage.wait("everything", |now| now.sent == 8).await;
    assert_eq!((statistics.queued_bytes, statistics.overflowed, statistics.refused), (0, 0, 0));
    assert_eq!((stage.statistics().failing_s, stage.counters.complaint()), (0.0, None));
    assert_eq!(back.faults(), [""; 0]);
    assert_eq!(back.points_of("cache", "t_requests_total").len(), 3);
}

#[tokio::test]
async fn while_a_collector_hangs_no_more_waits_than_allowed_and_nobody_waits() {
    let collector = Collector::begin();
    collector.answer_always(Answer::Hang);
    let stage =
        Stage::begin(Otlp { timeout: Duration::from_secs(60), queue_bytes_max: 64 << 10, ..otlp(collector.port) });
    let ids: Vec<_> = (0..100).map(|n| stage.series.series("up", &[("n", &n.to_string())])).collect();
    let (mut longest, mut bytes_max) = (Duration::ZERO, 0);
    for step in 0..60 {
        let points = ids.iter().map(|id| (*id, 1.0)).collect();
        let cycle = super::cycle("cache", T + step * 1000, points);
        let began = Instant::now();
        stage.exporter.hand(&cycle);
        longest = longest.max(began.elapsed());
        bytes_max = bytes_max.max(stage.statistics().queued_bytes);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Every point is somewhere: it waits, or it was counted as lost.
    let statistics = stage.wait("every point", |now| told(now) == 6000).await;
    assert!(bytes_max <= 64 << 10, "{bytes_max} bytes waited");
    assert!(longest < Duration::from_secs(1), "handing took {longest:?}, and the collector never answers");
    assert!(statistics.overflowed > 0 && statistics.queued_items > 0, "{statistics:?}");
    assert_eq!((statistics.sent, statistics.dropped_cycles), (0, 0));
    let began = Instant::now();
    stage.exporter.end(Duration::from_millis(300)).await;
    assert!(began.elapsed() < Duration::from_secs(10), "the end waited for it: {:?}", began.elapsed());
    // What was lost in the end is counted like all that was lost before it.
    let end = stage.counters.read(Duration::from_secs(1));
    assert_eq!((end.queued_bytes, end.overflowed), (0, 6000));
}

#[tokio::test]
async fn own_metrics_go_with_the_samples_and_the_end_pushes_what_was_gathered() {
    let collector = Collector::begin();
    let stage = Stage::begin_with(Otlp { interval: Duration::from_secs(600), ..otlp(collector.port) }, families());
    stage.cycle(T, 1.0);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(collector.seen().is_empty());
    stage.exporter.end(Duration::from_secs(5)).await;
    assert_eq!(collector.faults(), [""; 0]);
    assert_eq!(count_by_path(&collector.seen()), [("/v1/metrics".to_string(), 2)].into());
    assert_eq!(collector.points().len(), 2 + 4);
}

#[tokio::test]
async fn headers_of_configuration_and_file_are_sent_and_the_file_is_read_anew() {
    let collector = Collector::begin();
    let path = std::env::temp_dir().join(format!("watchward-headers-{}", std::process::id()));
    std::fs::write(&path, "# of the collector\n\nAuthorization: Bearer one\n").expect("a file");
    let headers = [("x-scope-orgid".to_string(), Secret::new("acme"))].into();
    let stage = Stage::begin(Otlp { headers, headers_file: Some(path.clone()), ..otlp(collector.port) });
    stage.cycle(T, 1.0);
    stage.wait("the first", |now| now.sent == 2).await;
    std::fs::write(&path, "Authorization: Bearer two\n").expect("a file");
    stage.cycle(T + 1000, 1.0);
    stage.wait("the second", |now| now.sent == 4).await;
    std::fs::remove_file(&path).expect("it is there");
    let seen = collector.seen();
    let sent: Vec<_> = seen.iter().map(|one| one.headers["authorization"].as_str()).collect();
    assert_eq!(sent, ["Bearer one", "Bearer two"]);
    assert!(seen.iter().all(|one| one.headers["x-scope-orgid"] == "acme"));
    assert_eq!(seen[0].headers["content-type"], "application/x-protobuf");
}

#[tokio::test]
async fn a_cycle_of_a_target_that_is_gone_ends_its_series_and_then_it_is_forgotten() {
    let collector = Collector::begin();
    let stage = Stage::begin(otlp(collector.port));
    stage.cycle(T, 1.0);
    let id = stage.series.series("up", &[]);
    let mut farewell = super::cycle("cache", T + 1000, vec![(id, watchward::model::series::STALE)]);
    farewell.removed = true;
    stage.exporter.set_subjects([]);
    stage.exporter.hand(&farewell);
    stage.cycle(T + 2000, 2.0); // nobody knows whose this is
    let statistics = stage.wait("all", |now| now.sent == 3 && now.unfit == 2).await;
    assert_eq!(statistics.queued_items, 0);
    assert_eq!(collector.faults(), [""; 0]);
    assert_eq!(collector.points_of("cache", "up").iter().map(|one| one.value).collect::<Vec<_>>(), [Some(1.0), None]);
}

const PLANTED: &str = "hunter2-planted";

/// A careless collector repeats what it was sent.
#[tokio::test]
async fn what_a_collector_says_is_logged_once_without_secrets() {
    let logs = Logs::default();
    let _collecting = tracing::subscriber::set_default(logs.clone());
    let collector = Collector::begin();
    let echo = format!("bad token {PLANTED} in `Bearer {PLANTED}`\n\u{1b}[31m of acme{}", "!".repeat(500)).into_bytes();
    collector.answer([Answer::Full(401, String::new(), echo.clone()), Answer::Full(401, String::new(), echo)]);
    let headers = [("authorization".to_string(), Secret::new(format!("Bearer {PLANTED}")))].into();
    let stage = Stage::begin(Otlp { headers, ..otlp(collector.port) });
    stage.cycle(T, 1.0);
    stage.wait("a refusal", |now| now.refused == 2).await;
    stage.cycle(T + 1000, 1.0);
    stage.wait("another", |now| now.refused == 4).await;
    let log = logs.0.lock().expect("whole").clone();
    assert!(!log.contains(PLANTED), "{log}");
    let begin = format!(
        "message=the collector 127.0.0.1:{} refused 2 points for good: 401 bad token *** in `***` [31m of acme!!!",
        collector.port
    );
    assert_eq!(log.matches(&begin).count(), 1, "{log}");
    let complaint = stage.counters.complaint().expect("nothing arrives");
    assert!(complaint.contains(": 401 bad token *** in") && !complaint.contains(PLANTED), "{complaint}");
    assert!(log.lines().all(|line| line.len() < 420), "{log}");
}

#[tokio::test]
async fn a_file_of_headers_that_is_wrong_says_where_and_not_what() {
    let path = std::env::temp_dir().join(format!("watchward-bad-headers-{}", std::process::id()));
    for (text, expected) in [
        ("a: b\nhunter2-planted\n", "line 2 of {path} is not `name: value`"),
        ("Content-Type: hunter2-planted\n", "the header in line 1 of {path}: the agent writes it itself"),
        ("\n\u{e9}: hunter2-planted\n", "the header in line 2 of {path}: its name is not one"),
    ] {
        std::fs::write(&path, text).expect("a file");
        let expected = expected.replace("{path}", &path.display().to_string());
        assert_eq!(headers::read(&path).expect_err("wrong"), expected);
    }
    std::fs::remove_file(&path).expect("it is there");
    let gone = headers::read(&path).expect_err("gone");
    assert_eq!(gone, format!("cannot read the headers in {}: No such file or directory (os error 2)", path.display()));
}

#[tokio::test]
async fn an_https_collector_is_believed_by_the_authority_that_is_named() {
    let sink = sink::Sink::start_tls().await;
    let path = std::env::temp_dir().join(format!("watchward-export-ca-{}.pem", std::process::id()));
    std::fs::write(&path, sink.authority.as_ref().expect("one")).expect("a file");
    let endpoint = Endpoint::read(&format!("https://127.0.0.1:{}", sink.port())).expect("a URL");
    let with = |ca_file: Option<std::path::PathBuf>, insecure: bool| Otlp {
        endpoint: endpoint.clone(),
        ca_file,
        insecure,
        ..otlp(sink.port())
    };
    let stage = Stage::begin(with(None, false));
    stage.cycle(T, 1.0);
    stage.wait("a failure", |now| now.failed >= 1).await;
    assert!(sink.seen().is_empty());
    for config in [with(Some(path.clone()), false), with(None, true)] {
        let stage = Stage::begin(config);
        stage.cycle(T, 1.0);
        stage.wait("an arrival", |now| now.sent == 2).await;
    }
    assert_eq!(sink.seen().len(), 2);
    std::fs::remove_file(&path).expect("it is there");
}

/// The series of the target as it was end under its old resource, and go on as others under the new one.
#[tokio::test]
async fn a_target_whose_labels_change_ends_as_it_was_and_begins_as_it_is() {
    let collector = Collector::begin();
    let stage = Stage::begin(otlp(collector.port));
    let changed = super::Subject { labels: [("region".to_string(), "eu-2".to_string())].into(), ..super::subject() };
    let (old, new) =
        (stage.series.series("up", &[("region", "eu-1")]), stage.series.series("up", &[("region", "eu-2")]));
    stage.exporter.hand(&super::cycle("cache", T, vec![(old, 1.0)]));
    stage.exporter.set_subjects([("acme/cache".to_string(), changed)]);
    let mut farewell = super::cycle("cache", T + 1000, vec![(old, watchward::model::series::STALE)]);
    farewell.removed = true;
    stage.exporter.hand(&farewell);
    stage.exporter.hand(&super::cycle("cache", T + 2000, vec![(new, 1.0)]));
    let statistics = stage.wait("all", |now| now.sent == 3).await;
    assert_eq!((statistics.unfit, collector.faults()), (0, Vec::new()));
    let points = collector.points_of("cache", "up");
    let shown: Vec<_> = points.iter().map(|one| (one.resource["region"].as_str(), one.value)).collect();
    assert_eq!(shown, [("eu-1", Some(1.0)), ("eu-1", None), ("eu-2", Some(1.0))]);
}

/// They are asked of the store, which hangs with its disk.
#[tokio::test]
async fn own_metrics_that_hang_or_panic_hold_up_no_sample() {
    let collector = Collector::begin();
    let asked = Arc::new(AtomicU64::new(0));
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let own = {
        let asked = asked.clone();
        move || {
            assert!(asked.fetch_add(1, Ordering::Relaxed) > 0, "planted");
            let _ = released.lock().expect("whole").recv(); // until the test lets go of it
            families()
        }
    };
    let stage = Stage::begin_own(otlp(collector.port), own);
    for step in 0..10 {
        stage.cycle(T + step * 1000, 1.0);
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    stage.wait("all samples", |now| now.sent == 20).await;
    let _ = stage.wait("the second asking", |_| asked.load(Ordering::Relaxed) >= 2).await;
    stage.cycle(T + 10_000, 1.0);
    stage.wait("one more, beside the one that hangs", |now| now.sent == 22).await;
    assert_eq!(asked.load(Ordering::Relaxed), 2, "one at a time");
    drop(release);
    stage.wait("then its own", |now| now.sent >= 26).await;
    assert_eq!(collector.faults(), [""; 0]);
}

#[tokio::test]
async fn a_panic_in_the_gathering_is_seen_and_harms_nobody_who_hands() {
    let collector = Collector::begin();
    let stage = Stage::begin(otlp(collector.port));
    assert!(!stage.exporter.has_fallen());
    stage.exporter.hand(&super::cycle("cache", T, vec![(FAULTY, 1.0)]));
    stage.wait("the fall", |_| stage.exporter.has_fallen()).await;
    stage.cycle(T + 1000, 1.0);
    assert_eq!(stage.statistics().dropped_cycles, 1);
    stage.exporter.end(Duration::from_millis(100)).await;
}
