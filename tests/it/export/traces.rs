//! Traces of slow cycles and of other work, as a strict collector gets them.

use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span as Sent;
use watchward::export::config::Otlp;
use watchward::export::traces::of_cycle;
use watchward::model::fault::Fault;
use watchward::model::reading::{Cycle, RowId, RowReading, Unknown, UnknownKind};
use watchward::model::span::{Span, Trace};

use crate::export::collector::Collector;
use crate::export::{Stage, cycle, otlp};

const T: i64 = 1_800_000_000_000;
/// Of the stage's target.
const DEADLINE: Duration = Duration::from_secs(4);

fn row(name: &'static str, took_ms: u64, result: Result<(), Unknown>) -> RowReading {
    RowReading { row: RowId(0), name, took: Duration::from_millis(took_ms), result }
}

/// A cycle that took so long, with two rows, one of which failed, and one that was not asked.
fn slow(took_ms: u64) -> Cycle {
    let unknown = Unknown::new(UnknownKind::Deadline, "it took too long");
    let mut slow = cycle("cache", T, Vec::new());
    slow.took = Duration::from_millis(took_ms);
    slow.rows = vec![row("info", 1500, Ok(())), row("lacking", 0, Ok(())), row("slowlog", 900, Err(unknown))];
    slow
}

#[test]
fn only_a_cycle_of_more_than_half_its_deadline_is_slow() {
    assert_eq!(of_cycle(&slow(2000), DEADLINE), None);
    assert!(of_cycle(&slow(2001), DEADLINE).is_some());
    assert_eq!(of_cycle(&Cycle { removed: true, ..slow(3000) }, DEADLINE), None);
}

#[test]
fn parts_never_leave_their_cycle() {
    let trace = of_cycle(&slow(2100), DEADLINE).expect("slow");
    let times: Vec<_> = trace.root.parts.iter().map(|part| (part.after.as_millis(), part.took.as_millis())).collect();
    assert_eq!(times, [(0, 1500), (1500, 600)]);
}

/// `name start+length status kind`, in milliseconds after T.
fn shown(spans: &[Sent]) -> Vec<String> {
    let line = |span: &Sent| {
        let start = span.start_time_unix_nano / 1_000_000 - T.unsigned_abs();
        let took = (span.end_time_unix_nano - span.start_time_unix_nano) / 1_000_000;
        let status = span.status.as_ref().map_or(String::new(), |one| format!("{} '{}'", one.code, one.message));
        format!("{} {start}+{took} {status} kind {} parent {}", span.name, span.kind, !span.parent_span_id.is_empty())
    };
    spans.iter().map(line).collect()
}

#[tokio::test]
async fn a_slow_cycle_is_a_trace_with_its_rows_and_a_quick_one_is_none() {
    let collector = Collector::begin();
    let stage = Stage::begin(Otlp { traces: true, ..otlp(collector.port) });
    let fault = Some(Fault::new("sample-02", "no whole answer from db1:6379 within 4 s"));
    stage.exporter.hand(&Cycle { fault, ..slow(4000) });
    stage.exporter.hand(&slow(10));
    stage.wait("the trace", |now| now.sent == 3).await;
    assert_eq!(collector.faults(), [""; 0]);
    let spans = collector.spans();
    assert_eq!(
        shown(&spans),
        [
            "sample cycle 0+4000 2 'no whole answer from db1:6379 within 4 s' kind 1 parent false",
            "info 0+1500 0 '' kind 3 parent true",
            "slowlog 1500+900 2 'it took too long' kind 3 parent true",
        ]
    );
    let keys: Vec<&str> = spans[2].attributes.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(keys, ["tenant", "target", "db.system.name", "server.address", "server.port", "error.type"]);
    assert!(collector.seen().iter().all(|seen| seen.path == "/v1/traces"), "no metrics were there to push");
}

#[tokio::test]
async fn other_work_is_traced_too_and_too_much_at_once_is_counted() {
    let collector = Collector::begin();
    let stage = Stage::begin(Otlp { traces: true, interval: Duration::from_secs(600), ..otlp(collector.port) });
    let trace = |parts: usize| {
        let part = Span { name: "verify".into(), took: Duration::from_millis(5), ..Span::default() };
        let root =
            Span { name: "act".into(), took: Duration::from_millis(9), parts: vec![part; parts], ..Span::default() };
        Trace { target: "acme/cache".into(), at_ms: T, root }
    };
    stage.exporter.trace(trace(2));
    stage.exporter.trace(trace(1023));
    stage.exporter.trace(trace(1));
    stage.exporter.end(Duration::from_secs(60)).await;
    let end = stage.counters.read(Duration::from_secs(1));
    assert_eq!((end.sent, end.dropped_spans), (5, 1024));
    assert_eq!(collector.faults(), [""; 0]);
    let names: Vec<_> = collector.spans().iter().map(|span| span.name.clone()).collect();
    assert_eq!(names, ["act", "verify", "verify", "act", "verify"]);
}

#[tokio::test]
async fn nothing_is_traced_where_that_is_switched_off() {
    let collector = Collector::begin();
    let stage = Stage::begin(otlp(collector.port));
    stage.exporter.hand(&slow(4000));
    stage.cycle(T, 1.0);
    stage.wait("the metrics", |now| now.sent == 2).await;
    stage.exporter.end(Duration::from_secs(5)).await;
    assert!(collector.spans().is_empty());
}
