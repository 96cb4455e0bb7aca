//! Traces: the agent's own slow cycles and its actions, made into spans by OpenTelemetry's SDK and handed to the queue.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};
use prost::Message;

use crate::export::endpoint::Signal;
use crate::export::queue::{Parcel, Queue};
use crate::export::resource::{Agent, Prepared};
use crate::export::statistics::Counters;
use crate::model::reading::Cycle;
use crate::model::span::{Span, Trace};

/// Spans that are gathered for one request. Beyond it whole traces are dropped and counted.
const SPANS_MAX: usize = 1024;
/// The most of a span's reason for failing that is told, in characters.
const WORDS_MAX: usize = 300;

/// The trace of a cycle that took more than half of its deadline; `None` for all others. Its parts are the rows, in the
/// order in which they were read, one after the other: when exactly each began is not known.
pub fn of_cycle(cycle: &Cycle, deadline: Duration) -> Option<Trace> {
    if cycle.removed || deadline.is_zero() || cycle.took * 2 <= deadline {
        return None;
    }
    let mut after = Duration::ZERO;
    let parts = cycle.rows.iter().filter(|row| !row.took.is_zero()).map(|row| {
        let took = row.took.min(cycle.took.saturating_sub(after));
        let failed = row.result.as_ref().err();
        let attributes = failed.map(|unknown| ("error.type", unknown.kind.word().to_string())).into_iter().collect();
        let failed = failed.map(|unknown| unknown.reason.clone());
        let part = Span { name: row.name.into(), after, took, is_call: true, attributes, failed, parts: Vec::new() };
        after += took;
        part
    });
    let root = Span {
        name: "sample cycle".into(),
        after: Duration::ZERO,
        took: cycle.took,
        is_call: false,
        attributes: vec![("watchward.deadline_s", deadline.as_secs_f64().to_string())],
        failed: cycle.fault.as_ref().map(|fault| fault.what.clone()),
        parts: parts.collect(),
    };
    Some(Trace { target: cycle.target.clone(), at_ms: cycle.at_ms, root })
}

/// Spans that wait for the next request.
pub struct Traces {
    exporter: SpanExporter,
    waiting: Vec<SpanData>,
    ids: RandomIdGenerator,
    scope: InstrumentationScope,
    counters: Arc<Counters>,
}

impl Traces {
    /// # Errors
    /// The words of the SDK.
    pub fn new(agent: &Agent, queue: Arc<Queue>, counters: Arc<Counters>) -> Result<Traces, String> {
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Handover { queue, counters: counters.clone() })
            .with_endpoint("http://queue") // the sender knows the collector; the queue takes what is for it
            .build()
            .map_err(|error| error.to_string())?;
        let attributes = agent.attributes().into_iter().map(|(name, value)| KeyValue::new(name, value));
        exporter.set_resource(&Resource::builder_empty().with_attributes(attributes).build());
        let scope = InstrumentationScope::builder("watchward").with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Traces { exporter, waiting: Vec::new(), ids: RandomIdGenerator::default(), scope, counters })
    }

    /// Adds a trace, or counts that there was no room for it.
    pub fn add(&mut self, trace: &Trace, resource: Option<&Prepared>) {
        let count = trace.root.count();
        if self.waiting.len() + count > SPANS_MAX {
            return Counters::add(&self.counters.dropped_spans, count as u64);
        }
        let begin = UNIX_EPOCH + Duration::from_millis(u64::try_from(trace.at_ms).unwrap_or(0));
        let (tenant, target) = trace.target.split_once('/').unwrap_or(("", &trace.target));
        let mut of_target =
            vec![KeyValue::new("tenant", tenant.to_string()), KeyValue::new("target", target.to_string())];
        if let Some(subject) = resource.map(|resource| &resource.subject).filter(|one| !one.system.is_empty()) {
            of_target.push(KeyValue::new("db.system.name", subject.system.clone()));
            of_target.push(KeyValue::new("server.address", subject.address.clone()));
            if subject.port > 0 {
                of_target.push(KeyValue::new("server.port", i64::from(subject.port)));
            }
        }
        let trace_id = self.ids.new_trace_id();
        self.add_span(&trace.root, trace_id, SpanId::INVALID, begin, &of_target);
    }

    fn add_span(&mut self, span: &Span, trace: TraceId, parent: SpanId, begin: SystemTime, of_target: &[KeyValue]) {
        let id = self.ids.new_span_id();
        let start_time = begin + span.after;
        let own = span.attributes.iter().map(|(name, value)| KeyValue::new(*name, value.clone()));
        self.waiting.push(SpanData {
            span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::default()),
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: if span.is_call { SpanKind::Client } else { SpanKind::Internal },
            name: span.name.clone(),
            start_time,
            end_time: start_time + span.took,
            attributes: of_target.iter().cloned().chain(own).collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: span.failed.as_ref().map_or(Status::Unset, |why| Status::error(Cow::Owned(shortened(why)))),
            instrumentation_scope: self.scope.clone(),
        });
        for part in &span.parts {
            self.add_span(part, trace, id, begin, of_target);
        }
    }

    /// Hands what was gathered to the queue.
    pub async fn flush(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let spans = std::mem::take(&mut self.waiting);
        let count = spans.len() as u64;
        if let Err(error) = self.exporter.export(spans).await {
            Counters::add(&self.counters.dropped_spans, count);
            tracing::warn!("{count} spans cannot be pushed: {error}");
        }
    }
}

/// What the SDK takes for an HTTP client. It puts the request into the queue, where it waits, is tried again and is
/// counted like all others; the SDK hears that all went well.
#[derive(Debug)]
struct Handover {
    queue: Arc<Queue>,
    counters: Arc<Counters>,
}

impl HttpClient for Handover {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let body = request.into_body();
        let items = ExportTraceServiceRequest::decode(&*body).map(|request| count(&request)).unwrap_or(0);
        let gone = self.queue.push(Parcel { signal: Signal::Traces, body, items });
        Counters::add(&self.counters.overflowed, gone.iter().map(|parcel| parcel.items).sum());
        Box::pin(std::future::ready(Ok(Response::new(Bytes::new()))))
    }
}

/// Why something failed, as far as it helps: a server's words may be long, and a request is bounded in spans.
fn shortened(why: &str) -> String {
    why.chars().take(WORDS_MAX).collect()
}

fn count(request: &ExportTraceServiceRequest) -> u64 {
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    scopes.map(|scope| scope.spans.len() as u64).sum()
}
