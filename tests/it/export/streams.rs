//! From samples to points: names, units, scales, start times, ends.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::NumberDataPoint;
use prost::Message;
use watchward::export::resource::Prepared;
use watchward::export::streams::{Point, Streams};
use watchward::model::series::{STALE, SeriesId};

use crate::export::{Table, agent, catalogue, subject};

const T: i64 = 1_800_000_000_000;

/// What a series' samples become: `start→time value` relative to T, in seconds; `-` where nothing is said.
fn check(name: &str, samples: &[(i64, f64)], expected: &[&str]) {
    let (table, mut streams) = (Table::default(), Streams::default());
    let id = table.series(name, &[]);
    let said: Vec<String> =
        samples.iter().map(|(at, value)| shown(take(&mut streams, &table, id, *at, *value))).collect();
    assert_eq!(said, expected, "{name}: {samples:?}");
}

fn take(streams: &mut Streams, table: &Table, id: SeriesId, at_s: i64, value: f64) -> Option<Point> {
    let resource = Prepared::new(&agent().resource_of(&subject()), &subject());
    streams.take(id, T + at_s * 1000, value, (&resource, &catalogue(), table))
}

fn shown(point: Option<Point>) -> String {
    let Some(point) = point else { return "-".to_string() };
    let start = if point.start_ms == 0 { "g".to_string() } else { ((point.start_ms - T) / 1000).to_string() };
    let value = point.value.map_or("end".to_string(), |value| value.to_string());
    format!("{start}→{} {value}", (point.at_ms - T) / 1000)
}

#[test]
fn a_sum_starts_at_its_first_point_and_goes_on() {
    check("t_requests_total", &[(0, 5.0), (15, 7.0), (30, 7.0)], &["0→0 5", "0→15 7", "0→30 7"]);
}

#[test]
fn a_reset_gives_a_new_start_at_the_last_point_before_it() {
    check(
        "t_requests_total",
        &[(0, 5.0), (15, 7.0), (30, 1.0), (45, 2.0), (60, 0.0)],
        &["0→0 5", "0→15 7", "15→30 1", "15→45 2", "45→60 0"],
    );
}

#[test]
fn a_gauge_has_no_start_and_may_fall() {
    check("up", &[(0, 1.0), (15, 0.0)], &["g→0 1", "g→15 0"]);
}

#[test]
fn an_end_is_said_once_and_only_of_what_began() {
    check("up", &[(0, STALE), (1, 1.0), (2, STALE), (3, STALE)], &["-", "g→1 1", "g→2 end", "-"]);
}

#[test]
fn a_sum_that_returns_goes_on_where_it_did_not_restart() {
    check(
        "t_requests_total",
        &[(0, 5.0), (1, STALE), (20, 6.0), (21, STALE), (40, 2.0)],
        &["0→0 5", "0→1 end", "0→20 6", "0→21 end", "21→40 2"],
    );
}

#[test]
fn a_second_value_for_one_time_is_not_said_nor_one_from_the_past() {
    check("up", &[(5, 1.0), (5, 0.0), (4, 0.0), (6, 0.0)], &["g→5 1", "-", "-", "g→6 0"]);
}

#[test]
fn a_sum_is_a_number_and_a_gauge_may_be_none() {
    check("t_requests_total", &[(0, f64::NAN), (1, 1.0), (2, f64::INFINITY), (3, 2.0)], &["-", "1→1 1", "-", "1→3 2"]);
    check("up", &[(0, f64::NAN), (1, f64::INFINITY)], &["g→0 NaN", "g→1 inf"]);
}

#[test]
fn a_name_of_opentelemetry_brings_its_scale_and_the_compat_name_does_not() {
    check("t_memory_mib", &[(0, 2.0)], &["g→0 2097152"]);
    check("t_wait_milliseconds", &[(0, 250.0)], &["g→0 250"]);
}

/// The attributes that the labels of a series become.
fn check_attributes(name: &str, labels: &[(&str, &str)], expected: &[&str]) {
    let (table, mut streams) = (Table::default(), Streams::default());
    let id = table.series(name, labels);
    take(&mut streams, &table, id, 0, 1.0).expect("a point");
    let point = NumberDataPoint::decode(&*streams.get(id).expect("a stream").attributes).expect("fields of a point");
    let shown = |one: &KeyValue| match one.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => format!("{}='{text}'", one.key),
        Some(Value::IntValue(whole)) => format!("{}={whole}", one.key),
        other => format!("{} is {other:?}", one.key),
    };
    assert_eq!(point.attributes.iter().map(shown).collect::<Vec<_>>(), expected, "{name}");
}

#[test]
fn labels_go_by_the_names_of_the_conventions_where_their_metric_does() {
    let labels = [("cpu", "3"), ("mode", "irq"), ("zone", "z")];
    check_attributes("t_cpu_seconds_total", &labels, &["cpu.logical_number=3", "cpu.mode='interrupt'", "zone='z'"]);
    let odd = [("cpu", "all"), ("mode", "user")];
    check_attributes("t_cpu_seconds_total", &odd, &["cpu.logical_number='all'", "cpu.mode='user'"]);
    // Never the same name twice: one label would be lost.
    let taken = [("cpu", "3"), ("cpu.mode", "x"), ("mode", "user")];
    let expected = ["cpu.logical_number=3", "cpu.mode='x'", "mode='user'"];
    check_attributes("t_cpu_seconds_total", &taken, &expected);
    check_attributes("t_requests_total", &labels, &["cpu='3'", "mode='irq'", "zone='z'"]);
}

#[test]
fn what_nobody_knows_is_a_gauge_under_its_own_name() {
    check("t_unheard_of_total", &[(0, 2.0), (1, 1.0)], &["g→0 2", "g→1 1"]);
}

#[test]
fn a_series_that_the_store_has_forgotten_is_not_said() {
    let (table, mut streams) = (Table::default(), Streams::default());
    assert_eq!(take(&mut streams, &table, SeriesId(7), 0, 1.0), None);
    assert!(streams.is_empty());
}

#[test]
fn what_has_ended_is_forgotten_after_a_while_and_what_lives_is_not() {
    let (table, mut streams) = (Table::default(), Streams::default());
    let (ended, alive) = (table.series("t_requests_total", &[]), table.series("up", &[]));
    for (id, value) in [(ended, 5.0), (alive, 1.0)] {
        take(&mut streams, &table, id, 0, value);
    }
    take(&mut streams, &table, ended, 1, STALE);
    streams.sweep(T + 9 * 60_000);
    assert_eq!(streams.len(), 2);
    streams.sweep(T + 11 * 60_000);
    assert_eq!(streams.len(), 1);
    assert_eq!(shown(take(&mut streams, &table, ended, 700, 6.0)), "700→700 6");
    streams.sweep(T + 4 * 3_600_000);
    assert!(streams.is_empty(), "nothing was heard of either for hours");
}
