//! From points to a request that a strict collector takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use watchward::export::batch::Batch;
use watchward::export::resource::Prepared;
use watchward::export::streams::Streams;
use watchward::model::series::{STALE, Series, SeriesId};

use crate::export::strict::{Kind, Strict};
use crate::export::{Table, agent, catalogue, subject};

const T: i64 = 1_800_000_000_000;

/// Sends samples as requests of so many cycles each, and returns what the strict reader made of them.
fn sent(table: &Table, cycles: &[Vec<(SeriesId, f64)>], cycles_each: usize) -> Strict {
    let (mut streams, mut batch, mut strict) = (Streams::default(), Batch::default(), Strict::default());
    let resource = Arc::new(Prepared::new(&agent().resource_of(&subject()), &subject()));
    for (at, cycle) in cycles.iter().enumerate() {
        for (id, value) in cycle {
            let at_ms = T + i64::try_from(at).expect("few") * 5000;
            if let Some(point) = streams.take(*id, at_ms, *value, (&resource, &catalogue(), table)) {
                batch.add(&resource, point, &streams);
            }
        }
        if (at + 1) % cycles_each == 0 && !batch.is_empty() {
            let bytes_max = batch.bytes();
            let body = batch.seal(&streams);
            assert!(body.len() <= bytes_max, "{} bytes, said to be {bytes_max} at most", body.len());
            strict.take("/v1/metrics", &body, true);
            assert!(batch.is_empty() && batch.bytes() == 0);
        }
    }
    strict
}

#[test]
fn a_request_has_every_point_once_with_all_that_it_is_about() {
    let table = Table::default();
    let labelled = |name: &str, labels: &[(&str, &str)]| table.series(name, &[labels, &[("region", "eu-1")]].concat());
    let requests = labelled("t_requests_total", &[("code", "200")]);
    let (memory, wait) = (labelled("t_memory_mib", &[]), labelled("t_wait_milliseconds", &[]));
    let cycle = |n: f64| vec![(requests, n), (memory, 2.0), (wait, 250.0)];
    let strict = sent(&table, &[cycle(1.0), cycle(3.0)], 2);
    assert_eq!(strict.faults, [""; 0]);
    let shown: Vec<String> = strict
        .points
        .iter()
        .map(|one| {
            let at = one.at / 1_000_000_000 - 1_800_000_000;
            format!("{:?} {} [{}] {:?} {at} {:?}", one.kind, one.name, one.unit, one.attributes, one.value)
        })
        .collect();
    assert_eq!(
        shown,
        [
            "Sum t_requests_total [{request}] {\"code\": \"200\"} 0 Some(1.0)",
            "Sum t_requests_total [{request}] {\"code\": \"200\"} 5 Some(3.0)",
            "Gauge t.memory [By] {} 0 Some(2097152.0)",
            "Gauge t.memory [By] {} 5 Some(2097152.0)",
            "Gauge t_wait_milliseconds [] {} 0 Some(250.0)",
            "Gauge t_wait_milliseconds [] {} 5 Some(250.0)",
        ]
    );
    let resource: BTreeMap<String, String> = [
        ("service.name", "watchward"),
        ("service.instance.id", "agent-1/acme/cache"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("tenant", "acme"),
        ("target", "cache"),
        ("db.system.name", "sixth"),
        ("server.address", "db1"),
        ("server.port", "6379"),
        ("region", "eu-1"),
    ]
    .map(|(name, value)| (name.to_string(), value.to_string()))
    .into();
    assert!(strict.points.iter().all(|one| one.resource == resource), "{:?}", strict.points[0].resource);
}

#[test]
fn metrics_that_share_a_name_differ_by_an_attribute_and_another_type_keeps_its_own_name() {
    let table = Table::default();
    let names = ["t_read_bytes_total", "t_written_bytes_total", "t_io_now"];
    let cycle: Vec<_> = names.iter().map(|name| (table.series(name, &[("device", "a")]), 1.0)).collect();
    let strict = sent(&table, &[cycle], 1);
    assert_eq!(strict.faults, [""; 0]);
    let shown: Vec<_> = strict.points.iter().map(|one| (one.name.as_str(), one.kind, one.attributes.len())).collect();
    assert_eq!(shown, [("t.io", Kind::Sum, 2), ("t.io", Kind::Sum, 2), ("t_io_now", Kind::Gauge, 1)]);
}

#[test]
fn the_strict_reader_finds_what_is_wrong() {
    let table = Table::default();
    let id = table.series("t_requests_total", &[]);
    let resource = Arc::new(Prepared::new(&agent().resource_of(&subject()), &subject()));
    let (mut streams, mut batch) = (Streams::default(), Batch::default());
    let known = (&*resource, &catalogue(), &table as &dyn Series);
    let point = streams.take(id, T, 5.0, known).expect("a point");
    let mut faults = |plant: &dyn Fn(&mut watchward::export::streams::Point)| {
        let mut strict = Strict::default();
        for step in 0..2 {
            let mut next = point;
            next.at_ms += step * 1000;
            if step == 1 {
                plant(&mut next);
            }
            batch.add(&resource, next, &streams);
        }
        strict.take("/v1/metrics", &batch.seal(&streams), true);
        strict.faults
    };
    assert_eq!(faults(&|_| {}), [""; 0]);
    assert_eq!(faults(&|point| point.at_ms = T).len(), 1, "the same time twice");
    assert_eq!(faults(&|point| point.value = Some(4.0)).len(), 1, "falls");
    assert_eq!(faults(&|point| point.start_ms = T + 9000).len(), 1, "begins after its time");
    assert_eq!(faults(&|point| point.start_ms = 0).len(), 3, "has no start, which goes back, into the old run");
    assert_eq!(faults(&|point| point.value = Some(f64::NAN)).len(), 1, "is no number");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is sampled, no rule is broken, and every value that can be told is told.
    #[test]
    fn whatever_is_sampled_no_rule_is_broken(
        cycles in proptest::collection::vec(proptest::collection::vec((0_usize..9, 0_u8..4, value()), 0..12), 1..12),
        cycles_each in 1_usize..4,
    ) {
        const NAMES: [&str; 9] = [
            "t_requests_total", "t_memory_mib", "t_read_bytes_total", "t_written_bytes_total", "t_io_now",
            "t_wait_milliseconds", "up", "unheard_of", "t_requests_total",
        ];
        let table = Table::default();
        let id = |(name, label, _): &(usize, u8, f64)| {
            let label = label.to_string();
            let labels: &[(&str, &str)] = if *name == 8 { &[("direction", "x")] } else { &[("device", &label)] };
            table.series(NAMES[*name], labels)
        };
        let cycles: Vec<Vec<_>> = cycles.iter().map(|cycle| cycle.iter().map(|one| (id(one), one.2)).collect()).collect();
        let strict = sent(&table, &cycles, cycles_each);
        prop_assert_eq!(&strict.faults, &Vec::<String>::new());
    }
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..1e12,
        1 => Just(STALE),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(0.0),
    ]
}

#[test]
fn labels_that_the_exporter_takes_are_those_of_the_resource_alone() {
    let resource = Prepared::new(&agent().resource_of(&subject()), &subject());
    let left: Vec<&str> = ["__name__", "tenant", "target", "instance", "job", "region", "exported_job", "datname"]
        .into_iter()
        .filter(|label| resource.leaves(label))
        .collect();
    assert_eq!(left, ["exported_job", "datname"]);
}
