//! The rules of OTLP that a program can check on what was sent: the protocol, the data model, the semantic conventions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{HistogramDataPoint, Metric, NumberDataPoint, Sum};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// What a data point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Gauge,
    Sum,
    Histogram,
}

/// One point, with all that it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub resource: BTreeMap<String, String>,
    pub name: String,
    pub unit: String,
    pub kind: Kind,
    pub attributes: BTreeMap<String, String>,
    pub start: u64,
    pub at: u64,
    /// `None`: nothing was recorded, the stream ended. Of a histogram, its count.
    pub value: Option<f64>,
}

/// What must not change about a name.
type Identity = (Kind, String);
/// Resource, name and attributes.
type Stream = (BTreeMap<String, String>, String, BTreeMap<String, String>);

/// Everything that was sent so far, and every rule that it broke.
#[derive(Default)]
pub struct Strict {
    pub faults: Vec<String>,
    pub points: Vec<Point>,
    pub spans: Vec<Span>,
    names: HashMap<String, Identity>,
    last: HashMap<Stream, Point>,
}

const NO_RECORDED_VALUE: u32 = 1;
const CUMULATIVE: i32 = 2;

impl Strict {
    fn fault(&mut self, what: impl Into<String>) {
        self.faults.push(what.into());
    }

    fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            let what = what();
            self.fault(what);
        }
    }

    /// The request around the message.
    pub fn envelope(
        &mut self,
        method: &str,
        path: &str,
        headers: &BTreeMap<String, String>,
        length: usize,
        length_max: usize,
    ) {
        let header = |name: &str| headers.get(name).map_or("", String::as_str);
        self.must(method == "POST", || format!("method {method}"));
        self.must(path.ends_with("/v1/metrics") || path.ends_with("/v1/traces"), || format!("path {path}"));
        let kind = header("content-type");
        self.must(kind == "application/x-protobuf", || format!("content-type '{kind}'"));
        let encoding = header("content-encoding");
        self.must(encoding.is_empty(), || format!("content-encoding '{encoding}'"));
        self.must(!header("host").is_empty(), || "no host".to_string());
        self.must(header("user-agent").starts_with("watchward/"), || format!("user-agent {headers:?}"));
        self.must((1..=length_max).contains(&length), || format!("a body of {length} bytes"));
    }

    /// One message. What was not taken must be right too, but nothing follows from it.
    pub fn take(&mut self, path: &str, body: &[u8], was_taken: bool) {
        if path.ends_with("/v1/traces") {
            return self.traces(body, was_taken);
        }
        let request = match ExportMetricsServiceRequest::decode(body) {
            Ok(request) => request,
            Err(error) => return self.fault(format!("the request is no protobuf: {error}")),
        };
        // A field that is unknown, or stands twice where it may stand once, is lost when the message is written again.
        let again = request.encoded_len();
        self.must(again == body.len(), || format!("{} bytes are {again} when written again", body.len()));
        self.must(!request.resource_metrics.is_empty(), || "an empty request".to_string());
        let mut resources = Vec::new();
        let mut now = Vec::new();
        for one in &request.resource_metrics {
            let resource = self.resource(one.resource.as_ref());
            self.must(!resources.contains(&resource), || format!("a resource stands twice: {resource:?}"));
            resources.push(resource.clone());
            self.must(one.scope_metrics.len() == 1, || format!("{} scopes", one.scope_metrics.len()));
            for scope in &one.scope_metrics {
                self.scope(scope.scope.as_ref());
                let mut names = BTreeSet::new();
                for metric in &scope.metrics {
                    self.must(names.insert(metric.name.as_str()), || format!("{} stands twice", metric.name));
                    self.metric(metric, &resource, &mut now);
                }
            }
        }
        if was_taken {
            now.iter().for_each(|point| self.follow(point));
            self.points.extend(now);
        }
    }

    /// Whole traces: every span with its times within those of its parent, which is in the same request.
    fn traces(&mut self, body: &[u8], was_taken: bool) {
        let request = match ExportTraceServiceRequest::decode(body) {
            Ok(request) => request,
            Err(error) => return self.fault(format!("the request is no protobuf: {error}")),
        };
        self.must(request.encoded_len() == body.len(), || "a field of the traces is lost".to_string());
        let scopes = request.resource_spans.iter().flat_map(|one| {
            let spans = one.scope_spans.iter();
            spans.map(move |scope| (one.resource.as_ref(), scope))
        });
        let mut spans: Vec<Span> = Vec::new();
        for (resource, scope) in scopes {
            self.resource(resource);
            self.scope(scope.scope.as_ref());
            spans.extend(scope.spans.iter().cloned());
        }
        self.must(!spans.is_empty(), || "no spans".to_string());
        for span in &spans {
            let shown = format!("the span {:?}", span.name);
            self.must(!span.name.is_empty(), || "a span without a name".to_string());
            let is_id = |id: &[u8], length: usize| id.len() == length && id.iter().any(|byte| *byte != 0);
            self.must(is_id(&span.trace_id, 16) && is_id(&span.span_id, 8), || format!("{shown} has no ids"));
            let twice = spans.iter().filter(|other| other.span_id == span.span_id).count();
            self.must(twice == 1, || format!("{shown} has the id of another"));
            let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
            self.must(0 < start && start <= end, || format!("{shown} from {start} to {end}"));
            self.must(span.kind != 0, || format!("{shown} has no kind"));
            let attributes = self.attributes(&shown, &span.attributes);
            self.must(attributes.contains_key("target"), || format!("{shown} is for no target"));
            if span.parent_span_id.is_empty() {
                continue;
            }
            let parent = spans.iter().find(|other| other.span_id == span.parent_span_id);
            let Some(parent) = parent.filter(|parent| parent.trace_id == span.trace_id) else {
                self.fault(format!("{shown} has no parent here"));
                continue;
            };
            let is_within = parent.start_time_unix_nano <= start && end <= parent.end_time_unix_nano;
            self.must(is_within, || format!("{shown} is not within {:?}", parent.name));
        }
        if was_taken {
            self.spans.extend(spans);
        }
    }

    fn resource(&mut self, resource: Option<&Resource>) -> BTreeMap<String, String> {
        let Some(resource) = resource else {
            self.fault("no resource");
            return BTreeMap::new();
        };
        let attributes = self.attributes("a resource", &resource.attributes);
        for must in ["service.name", "service.instance.id", "service.version"] {
            self.must(attributes.get(must).is_some_and(|value| !value.is_empty()), || format!("no {must}"));
        }
        if attributes.contains_key("db.system.name") {
            self.must(attributes.contains_key("server.address"), || "a database without an address".to_string());
        }
        let about_target = attributes.contains_key("target") == attributes.contains_key("tenant");
        self.must(about_target, || format!("a target without its tenant: {attributes:?}"));
        attributes
    }

    fn scope(&mut self, scope: Option<&InstrumentationScope>) {
        let is_whole = scope.is_some_and(|scope| scope.name == "watchward" && !scope.version.is_empty());
        self.must(is_whole, || format!("scope {scope:?}"));
    }

    fn attributes(&mut self, of: &str, given: &[KeyValue]) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for one in given {
            self.must(!one.key.is_empty(), || format!("{of} has an attribute without a name"));
            let value = match one.value.as_ref().and_then(|value| value.value.as_ref()) {
                Some(Value::StringValue(text)) => text.clone(),
                Some(Value::IntValue(whole)) => whole.to_string(),
                other => {
                    self.fault(format!("{of} has {} = {other:?}", one.key));
                    continue;
                }
            };
            let before = all.insert(one.key.clone(), value);
            self.must(before.is_none(), || format!("{of} has {} twice", one.key));
        }
        all
    }

    fn metric(&mut self, metric: &Metric, resource: &BTreeMap<String, String>, points: &mut Vec<Point>) {
        let name = metric.name.as_str();
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(fits) && name.len() < 256;
        self.must(is_name, || format!("the name '{name}'"));
        let is_unit = metric.unit.len() < 64 && metric.unit.is_ascii();
        self.must(is_unit, || format!("the unit '{}' of {name}", metric.unit));
        let (kind, begin) = match &metric.data {
            Some(Data::Gauge(gauge)) => {
                let begin = points.len();
                for point in &gauge.data_points {
                    self.number(metric, Kind::Gauge, point, resource, points);
                }
                (Kind::Gauge, begin)
            }
            Some(Data::Sum(sum)) => (Kind::Sum, self.sum(metric, sum, resource, points)),
            Some(Data::Histogram(histogram)) => {
                let begin = points.len();
                self.must(histogram.aggregation_temporality == CUMULATIVE, || format!("{name} has no temporality"));
                for point in &histogram.data_points {
                    self.histogram(metric, point, resource, points);
                }
                (Kind::Histogram, begin)
            }
            other => return self.fault(format!("{name} is {other:?}")),
        };
        self.must(points.len() > begin, || format!("{name} has no points"));
        let identity = (kind, metric.unit.clone());
        let first = self.names.entry(metric.name.clone()).or_insert_with(|| identity.clone()).clone();
        self.must(first == identity, || format!("{name} is {identity:?}, was {first:?}"));
    }

    fn sum(
        &mut self,
        metric: &Metric,
        sum: &Sum,
        resource: &BTreeMap<String, String>,
        points: &mut Vec<Point>,
    ) -> usize {
        let begin = points.len();
        self.must(sum.aggregation_temporality == CUMULATIVE, || format!("{} has no temporality", metric.name));
        self.must(sum.is_monotonic, || format!("{} is not monotonic", metric.name));
        for point in &sum.data_points {
            self.number(metric, Kind::Sum, point, resource, points);
        }
        begin
    }

    fn number(
        &mut self,
        metric: &Metric,
        kind: Kind,
        point: &NumberDataPoint,
        resource: &BTreeMap<String, String>,
        points: &mut Vec<Point>,
    ) {
        let value = match point.value {
            Some(Number::AsDouble(value)) => Some(value),
            #[allow(clippy::cast_precision_loss)]
            Some(Number::AsInt(value)) => Some(value as f64),
            None => None,
        };
        let says_nothing = point.flags & NO_RECORDED_VALUE != 0;
        self.must(says_nothing == value.is_none(), || format!("{}: flags and value disagree: {point:?}", metric.name));
        self.must(point.flags <= NO_RECORDED_VALUE, || format!("{}: flags {}", metric.name, point.flags));
        self.point(
            metric,
            kind,
            (point.start_time_unix_nano, point.time_unix_nano),
            value,
            &point.attributes,
            resource,
        )
        .into_iter()
        .for_each(|point| points.push(point));
    }

    fn histogram(
        &mut self,
        metric: &Metric,
        point: &HistogramDataPoint,
        resource: &BTreeMap<String, String>,
        points: &mut Vec<Point>,
    ) {
        let name = &metric.name;
        let (bounds, counts) = (&point.explicit_bounds, &point.bucket_counts);
        self.must(counts.len() == bounds.len() + 1, || format!("{name}: {} buckets", counts.len()));
        self.must(counts.iter().sum::<u64>() == point.count, || format!("{name}: buckets do not add up: {point:?}"));
        self.must(bounds.is_sorted_by(|a, b| a < b), || format!("{name}: bounds {bounds:?}"));
        self.must(point.sum.is_some_and(f64::is_finite), || format!("{name}: sum {:?}", point.sum));
        #[allow(clippy::cast_precision_loss)]
        let value = Some(point.count as f64);
        let times = (point.start_time_unix_nano, point.time_unix_nano);
        points.extend(self.point(metric, Kind::Histogram, times, value, &point.attributes, resource));
    }

    fn point(
        &mut self,
        metric: &Metric,
        kind: Kind,
        (start, at): (u64, u64),
        value: Option<f64>,
        attributes: &[KeyValue],
        resource: &BTreeMap<String, String>,
    ) -> Option<Point> {
        let name = &metric.name;
        let attributes = self.attributes(name, attributes);
        for taken in resource.keys().filter(|key| attributes.contains_key(*key)) {
            self.fault(format!("{name} repeats {taken} of its resource"));
        }
        // After 2001 and before 2100: a time in another unit would not be.
        self.must((1_000_000_000..4_102_444_800).contains(&(at / 1_000_000_000)), || format!("{name}: time {at}"));
        self.must(start <= at, || format!("{name} begins at {start}, after {at}"));
        self.must((kind == Kind::Gauge) == (start == 0), || format!("{name}: {kind:?} with the start {start}"));
        let is_sound = kind == Kind::Gauge || value.is_none_or(|value| value.is_finite() && value >= 0.0);
        self.must(is_sound, || format!("{name}: {kind:?} of {value:?}"));
        Some(Point {
            resource: resource.clone(),
            name: name.clone(),
            unit: metric.unit.clone(),
            kind,
            attributes,
            start,
            at,
            value,
        })
    }

    /// What holds between a point and the one before it in its stream.
    fn follow(&mut self, point: &Point) {
        let stream = (point.resource.clone(), point.name.clone(), point.attributes.clone());
        let shown = format!("{}{:?} of {:?}", point.name, point.attributes, point.resource.get("target"));
        if let Some(before) = self.last.insert(stream, point.clone()) {
            self.must(point.at > before.at, || format!("{shown}: {} after {}", point.at, before.at));
            let ended_twice = point.value.is_none() && before.value.is_none();
            self.must(!ended_twice, || format!("{shown} ends twice"));
            if point.kind != Kind::Gauge {
                self.must(point.start >= before.start, || format!("{shown}: the start goes back"));
                let is_same_run = point.start == before.start;
                let begins_within = !is_same_run && point.start < before.at;
                self.must(!begins_within, || format!("{shown}: a new start within the old run"));
                let falls = matches!((point.value, before.value), (Some(now), Some(then)) if now < then);
                self.must(!(is_same_run && falls), || format!("{shown} falls without a new start"));
            }
        } else {
            self.must(point.value.is_some(), || format!("{shown} ends before it begins"));
        }
    }
}
