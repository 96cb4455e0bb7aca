//! Streams: what is known of each series that is pushed. A series is looked at once; after that a point costs no text.
//! Pure: time is that of the samples.

use std::collections::HashMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint};
use prost::Message;

use crate::export::resource::Prepared;
use crate::export::wire::{attribute, attribute_whole};
use crate::model::catalogue::{Catalogue, Entry};
use crate::model::labels::{Label, Labels, NAME};
use crate::model::row::{MetricKind, Rename};
use crate::model::series::{Series, SeriesId, is_stale};

/// How long an ended series is remembered: what returns sooner goes on with its start time.
const ENDED_KEPT_MS: i64 = 10 * 60 * 1000;
/// How long a series is remembered of which nothing was heard, not even its end: longer than any interval.
const UNHEARD_KEPT_MS: i64 = 3 * 60 * 60 * 1000;

/// What the points of one metric share.
#[derive(Debug)]
pub struct Head {
    /// Sorts points by metric.
    pub number: u32,
    /// Name, description and unit, as fields of `Metric`.
    pub fields: Vec<u8>,
    /// A cumulative, monotonic sum; else a gauge.
    pub is_sum: bool,
    unit: &'static str,
}

/// What is known of one series.
#[derive(Debug)]
pub struct Stream {
    pub head: Arc<Head>,
    /// The attributes, as fields of `NumberDataPoint`.
    pub attributes: Box<[u8]>,
    scale: f64,
    /// Where the unbroken run of a sum began.
    start_ms: i64,
    last_ms: i64,
    last: f64,
    has_ended: bool,
}

/// One point that is ready to go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub head: u32,
    pub id: SeriesId,
    /// 0 for gauges.
    pub start_ms: i64,
    pub at_ms: i64,
    /// `None`: the series ended here.
    pub value: Option<f64>,
}

/// All series that were pushed lately.
#[derive(Debug, Default)]
pub struct Streams {
    known: HashMap<SeriesId, Stream>,
    heads: HashMap<String, Arc<Head>>,
    heads_made: u32,
}

impl Streams {
    /// Makes a point of a sample; `None` where there is nothing to say: an end of what never began or has ended already,
    /// a second value for one time, and a sum that is no finite number.
    pub fn take(
        &mut self,
        id: SeriesId,
        at_ms: i64,
        value: f64,
        (resource, catalogue, series): (&Prepared, &Catalogue, &dyn Series),
    ) -> Option<Point> {
        if is_stale(value) {
            let is_going_on =
                |stream: &&mut Stream| !stream.has_ended && (i64::MIN + 1..at_ms).contains(&stream.last_ms);
            let stream = self.known.get_mut(&id).filter(is_going_on)?;
            stream.has_ended = true;
            stream.last_ms = at_ms;
            return Some(stream.point(id, at_ms, None));
        }
        if !self.known.contains_key(&id) {
            let stream = self.begin(&series.labels(id), resource, catalogue)?;
            self.known.insert(id, stream);
        }
        let stream = self.known.get_mut(&id)?;
        let value = value * stream.scale;
        if at_ms <= stream.last_ms || (stream.head.is_sum && !value.is_finite()) {
            return None;
        }
        if stream.last_ms == i64::MIN {
            // A sum whose beginning nobody saw starts at its first point: there it stood, it has not grown by that.
            stream.start_ms = at_ms;
        } else if value < stream.last {
            // It began anew somewhere between the two: all that it counts now came after the last point.
            stream.start_ms = stream.last_ms + 1;
        }
        (stream.last, stream.last_ms, stream.has_ended) = (value, at_ms, false);
        Some(stream.point(id, at_ms, Some(value)))
    }

    pub fn get(&self, id: SeriesId) -> Option<&Stream> {
        self.known.get(&id)
    }

    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Forgets what has ended. Call it when no point waits.
    pub fn sweep(&mut self, now_ms: i64) {
        self.known.retain(|_, stream| {
            let kept_ms = if stream.has_ended { ENDED_KEPT_MS } else { UNHEARD_KEPT_MS };
            stream.last_ms > now_ms.saturating_sub(kept_ms)
        });
        self.heads.retain(|_, head| Arc::strong_count(head) > 1);
    }

    /// `None`: the store does not know the series any more.
    fn begin(&mut self, labels: &Labels, resource: &Prepared, catalogue: &Catalogue) -> Option<Stream> {
        let name = labels.get(NAME)?;
        let entry = catalogue.find(name);
        let has_other_name = entry.is_some_and(|entry| !entry.otel.is_empty());
        let other = entry.filter(|_| has_other_name).and_then(|entry| self.head(entry.otel, name, Some(entry)));
        let extra = entry.filter(|_| other.is_some()).map_or(("", ""), |entry| entry.attribute);
        let scale = entry.filter(|_| other.is_some()).map_or(1.0, |entry| entry.scale);
        let renames = entry.filter(|_| other.is_some()).map_or(&[][..], |entry| entry.renames);
        let head = match other {
            Some(head) => head,
            None => self.head(name, name, entry)?,
        };
        let own = labels.iter().filter(|label| resource.leaves(&label.name));
        // A name that the resource or another label has is taken: then the label keeps its own.
        let is_free = |rename: &&Rename| {
            let name = rename.attribute;
            let is_left = labels.get(name).is_none() || renames.iter().any(|other| other.label == name);
            is_left && resource.leaves(name)
        };
        let renamed = |label: &Label| match renames.iter().find(|rename| rename.label == &*label.name).filter(is_free) {
            Some(rename) => renamed(&label.value, rename),
            None => attribute(&label.name, &label.value),
        };
        let mut attributes: Vec<_> = own.map(renamed).collect();
        if !extra.0.is_empty() {
            attributes.retain(|one| one.key != extra.0);
            attributes.push(attribute(extra.0, extra.1));
        }
        let fields = NumberDataPoint { attributes, ..NumberDataPoint::default() }.encode_to_vec();
        let (attributes, last_ms) = (fields.into_boxed_slice(), i64::MIN);
        Some(Stream { head, attributes, scale, start_ms: 0, last_ms, last: 0.0, has_ended: false })
    }

    /// The head of a name. `None`: the name is taken by a metric of another type or unit, and cannot have two.
    fn head(&mut self, name: &str, compat: &str, entry: Option<Entry>) -> Option<Arc<Head>> {
        let is_sum = entry.is_some_and(|entry| is_sum(compat, entry.kind));
        // Under its compat name a value is not scaled, and has the unit that this name says.
        let is_scaled = name != compat || entry.is_some_and(|entry| (entry.scale - 1.0).abs() < f64::EPSILON);
        let unit = entry.filter(|_| is_scaled).map_or("", |entry| entry.unit);
        if let Some(head) = self.heads.get(name) {
            return (name == compat || (head.is_sum == is_sum && head.unit == unit)).then(|| head.clone());
        }
        let help = entry.map_or("", |entry| entry.help);
        let fields = Metric {
            name: name.to_string(),
            description: help.to_string(),
            unit: unit.to_string(),
            ..Metric::default()
        };
        self.heads_made += 1;
        let head = Arc::new(Head { number: self.heads_made, fields: fields.encode_to_vec(), is_sum, unit });
        self.heads.insert(name.to_string(), head.clone());
        Some(head)
    }
}

impl Stream {
    fn point(&self, id: SeriesId, at_ms: i64, value: Option<f64>) -> Point {
        let start_ms = if self.head.is_sum { self.start_ms } else { 0 };
        Point { head: self.head.number, id, start_ms, at_ms, value }
    }
}

/// The value of a label as the attribute that it is under the metric's OpenTelemetry name.
fn renamed(value: &str, rename: &Rename) -> KeyValue {
    let value = rename.values.iter().find(|(compat, _)| *compat == value).map_or(value, |(_, other)| other);
    match value.parse() {
        Ok(whole) if rename.is_whole => attribute_whole(rename.attribute, whole),
        _ => attribute(rename.attribute, value),
    }
}

/// What only grows is a sum. Buckets, sums and counts of histograms and summaries come as series of their own, and grow;
/// a quantile does not.
fn is_sum(name: &str, kind: MetricKind) -> bool {
    match kind {
        MetricKind::Counter => true,
        MetricKind::Gauge | MetricKind::Untyped => false,
        MetricKind::Histogram | MetricKind::Summary => {
            ["_bucket", "_sum", "_count"].iter().any(|suffix| name.ends_with(suffix))
        }
    }
}
