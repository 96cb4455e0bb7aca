//! Batches: points gathered by target, and made into one request.

use std::sync::Arc;

use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, DataPointFlags, NumberDataPoint, Sum};
use prost::Message;

use crate::export::resource::Prepared;
use crate::export::streams::{Point, Streams};
use crate::export::wire::{nanos, put_message, scope};

/// Numbers of fields in opentelemetry/proto/metrics/v1/metrics.proto.
mod field {
    pub const RESOURCE_METRICS: u32 = 1;
    pub const RESOURCE: u32 = 1;
    pub const SCOPE_METRICS: u32 = 2;
    pub const SCOPE: u32 = 1;
    pub const METRICS: u32 = 2;
    pub const GAUGE: u32 = 5;
    pub const SUM: u32 = 7;
    pub const DATA_POINTS: u32 = 1;
}

/// What a point takes beside its attributes, at most: times, value, flags, and the lengths around them.
const POINT_BYTES_MAX: usize = 64;
/// What a metric takes beside its name, help and unit, and a resource beside its attributes and the scope's.
const FRAME_BYTES_MAX: usize = 64;

/// Points that wait for the next request.
#[derive(Default)]
pub struct Batch {
    parts: Vec<Part>,
    points: usize,
    bytes: usize,
}

struct Part {
    resource: Arc<Prepared>,
    points: Vec<Point>,
}

impl Batch {
    pub fn add(&mut self, resource: &Arc<Prepared>, point: Point, streams: &Streams) {
        // Points come target by target: it is nearly always the last one.
        let at = self.parts.iter().rposition(|part| Arc::ptr_eq(&part.resource, resource));
        let at = at.unwrap_or_else(|| {
            self.parts.push(Part { resource: resource.clone(), points: Vec::new() });
            self.bytes += resource.bytes.len() + FRAME_BYTES_MAX;
            self.parts.len() - 1
        });
        let part = &mut self.parts[at];
        if let Some(stream) = streams.get(point.id) {
            self.bytes += stream.attributes.len() + POINT_BYTES_MAX;
            // And metric by metric; one that comes back is counted again, for what matters is that it is never less.
            if part.points.last().is_none_or(|before| before.head != point.head) {
                self.bytes += stream.head.fields.len() + FRAME_BYTES_MAX;
            }
        }
        part.points.push(point);
        self.points += 1;
    }

    /// The most that the request can take, encoded.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn len(&self) -> usize {
        self.points
    }

    pub fn is_empty(&self) -> bool {
        self.points == 0
    }

    /// Encodes what was gathered as an `ExportMetricsServiceRequest`, and empties the batch.
    pub fn seal(&mut self, streams: &Streams) -> Vec<u8> {
        let scope = scope().encode_to_vec();
        // An encoded point of the usual size.
        let mut out = Vec::with_capacity(self.points * 96);
        for mut part in std::mem::take(&mut self.parts) {
            part.points.sort_unstable_by_key(|point| (point.head, point.id, point.at_ms));
            let mut metrics = Vec::with_capacity(part.points.len() * 96);
            put_message(&mut metrics, field::SCOPE, &scope);
            for points in part.points.chunk_by(|a, b| a.head == b.head) {
                put_metric(&mut metrics, points, streams);
            }
            let mut whole = Vec::with_capacity(metrics.len() + part.resource.bytes.len() + 16);
            put_message(&mut whole, field::RESOURCE, &part.resource.bytes);
            put_message(&mut whole, field::SCOPE_METRICS, &metrics);
            put_message(&mut out, field::RESOURCE_METRICS, &whole);
        }
        (self.points, self.bytes) = (0, 0);
        out
    }
}

/// Appends one metric with its points, which are all of the same head.
fn put_metric(out: &mut Vec<u8>, points: &[Point], streams: &Streams) {
    let Some(head) = points.first().and_then(|point| streams.get(point.id)).map(|stream| &stream.head) else { return };
    let (mut data, mut fields) = (Vec::with_capacity(points.len() * 80), Vec::with_capacity(80));
    for point in points {
        let Some(stream) = streams.get(point.id) else { continue };
        fields.clear();
        fields.extend_from_slice(&stream.attributes);
        put_point(&mut fields, point);
        put_message(&mut data, field::DATA_POINTS, &fields);
    }
    if head.is_sum {
        let sum = Sum {
            data_points: Vec::new(),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: true,
        };
        data.extend_from_slice(&sum.encode_to_vec());
    }
    let mut metric = head.fields.clone();
    put_message(&mut metric, if head.is_sum { field::SUM } else { field::GAUGE }, &data);
    put_message(out, field::METRICS, &metric);
}

/// Appends times, value and flags to the fields of a point.
fn put_point(fields: &mut Vec<u8>, point: &Point) {
    let point = NumberDataPoint {
        start_time_unix_nano: nanos(point.start_ms),
        time_unix_nano: nanos(point.at_ms),
        flags: if point.value.is_none() { DataPointFlags::NoRecordedValueMask as u32 } else { 0 },
        value: point.value.map(Value::AsDouble),
        ..NumberDataPoint::default()
    };
    // A vector has room for whatever is written: prost's only error.
    let _ = point.encode(fields);
}
