//! The agent's own metrics, as they are pushed: counters, gauges and histograms of one resource.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use crate::export::wire::{attribute, nanos, scope};

/// One metric of the agent's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    pub name: String,
    pub help: String,
    pub figures: Vec<(Vec<(String, String)>, Figure)>,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// Only grows, from 0 at the agent's start.
    Total(f64),
    Level(f64),
    /// Upper bounds with the count of all that was at most that, the sum and the count of everything.
    Spread {
        buckets: Vec<(f64, u64)>,
        sum: f64,
        count: u64,
    },
}

/// Encodes the agent's own metrics as an `ExportMetricsServiceRequest`.
pub fn encode(families: &[Family], resource: Resource, start_ms: i64, at_ms: i64) -> Vec<u8> {
    let metrics = families.iter().filter_map(|family| metric(family, nanos(start_ms), nanos(at_ms))).collect();
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics, ..ScopeMetrics::default() }];
    let all = ResourceMetrics { resource: Some(resource), scope_metrics, ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![all] }.encode_to_vec()
}

fn metric(family: &Family, start: u64, at: u64) -> Option<Metric> {
    let cumulative = AggregationTemporality::Cumulative.into();
    let numbers = || family.figures.iter().filter_map(|(labels, figure)| number(labels, figure, start, at)).collect();
    let data = match family.figures.first()?.1 {
        Figure::Total(_) => {
            Data::Sum(Sum { data_points: numbers(), aggregation_temporality: cumulative, is_monotonic: true })
        }
        Figure::Level(_) => Data::Gauge(Gauge { data_points: numbers() }),
        Figure::Spread { .. } => {
            let points = family.figures.iter().filter_map(|(labels, figure)| spread(labels, figure, start, at));
            Data::Histogram(Histogram { data_points: points.collect(), aggregation_temporality: cumulative })
        }
    };
    let unit = if family.name.contains("_seconds") {
        "s"
    } else if family.name.contains("_bytes") {
        "By"
    } else {
        ""
    };
    Some(Metric {
        name: family.name.clone(),
        description: family.help.clone(),
        unit: unit.to_string(),
        data: Some(data),
        ..Metric::default()
    })
}

fn attributes(labels: &[(String, String)]) -> Vec<KeyValue> {
    labels.iter().map(|(name, value)| attribute(name, value)).collect()
}

fn number(labels: &[(String, String)], figure: &Figure, start: u64, at: u64) -> Option<NumberDataPoint> {
    let (value, start_time_unix_nano) = match figure {
        Figure::Total(value) => (*value, start),
        Figure::Level(value) => (*value, 0),
        Figure::Spread { .. } => return None,
    };
    Some(NumberDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano,
        time_unix_nano: at,
        value: Some(Value::AsDouble(value)),
        ..NumberDataPoint::default()
    })
}

fn spread(labels: &[(String, String)], figure: &Figure, start: u64, at: u64) -> Option<HistogramDataPoint> {
    let Figure::Spread { buckets, sum, count } = figure else { return None };
    let finite: Vec<&(f64, u64)> = buckets.iter().filter(|(bound, _)| bound.is_finite()).collect();
    // OTLP counts each bucket for itself, the last one up to infinity.
    let ups_to = finite.iter().map(|(_, up_to)| *up_to).chain([*count]);
    let bucket_counts = ups_to.scan(0, |before, up_to| Some(up_to.saturating_sub(std::mem::replace(before, up_to))));
    Some(HistogramDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: start,
        time_unix_nano: at,
        count: *count,
        sum: Some(*sum),
        bucket_counts: bucket_counts.collect(),
        explicit_bounds: finite.iter().map(|(bound, _)| *bound).collect(),
        ..HistogramDataPoint::default()
    })
}
