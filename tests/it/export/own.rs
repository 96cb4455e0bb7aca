//! The agent's own metrics, as they are pushed.

use watchward::export::own::{Family, Figure, encode};

use crate::export::agent;
use crate::export::collector::metrics_of;
use crate::export::strict::{Kind, Strict};

fn family(name: &str, figures: Vec<(Vec<(String, String)>, Figure)>) -> Family {
    Family { name: name.to_string(), help: "What it is.".to_string(), figures }
}

pub fn families() -> Vec<Family> {
    let up = |value: &str| vec![("up".to_string(), value.to_string())];
    let buckets = vec![(0.1, 2), (1.0, 5), (f64::INFINITY, 6)];
    vec![
        family("w_cycles_total", vec![(up("1"), Figure::Total(7.0)), (up("0"), Figure::Total(0.0))]),
        family("w_queued_bytes", vec![(Vec::new(), Figure::Level(512.0))]),
        family("w_took_seconds", vec![(Vec::new(), Figure::Spread { buckets, sum: 4.5, count: 6 })]),
    ]
}

#[test]
fn counters_gauges_and_histograms_keep_every_rule() {
    let mut strict = Strict::default();
    for step in 1..3 {
        let bytes = encode(&families(), agent().resource(), 1_800_000_000_000, 1_800_000_000_000 + step * 15_000);
        strict.take("/v1/metrics", &bytes, true);
    }
    assert_eq!(strict.faults, [""; 0]);
    let shown: Vec<_> = strict.points[..4].iter().map(|one| (one.kind, one.unit.as_str(), one.value)).collect();
    assert_eq!(
        shown,
        [
            (Kind::Sum, "", Some(7.0)),
            (Kind::Sum, "", Some(0.0)),
            (Kind::Gauge, "By", Some(512.0)),
            (Kind::Histogram, "s", Some(6.0)),
        ]
    );
    assert_eq!(strict.points[0].resource["service.instance.id"], "agent-1");
    assert_eq!(strict.points[0].resource["host.name"], "host-1");
}

#[test]
fn buckets_are_counted_each_for_itself() {
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    let request = metrics_of(&encode(&families(), agent().resource(), 1, 2));
    let Some(Data::Histogram(all)) = request.resource_metrics[0].scope_metrics[0].metrics[2].data.clone() else {
        panic!("no histogram");
    };
    assert_eq!(all.data_points[0].bucket_counts, [2, 3, 1]);
    assert_eq!(all.data_points[0].explicit_bounds, [0.1, 1.0]);
}
