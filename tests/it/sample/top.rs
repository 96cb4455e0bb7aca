//! The busiest of many: who is a series of its own, who leaves, and that nothing jumps when they do.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use watchward::engines::contract::{Busiest, Table};
use watchward::model::row::Metric;
use watchward::sample::top::Top;

use crate::engines::points::Points;

static CALLS: &[Metric] =
    &[Metric::counter("calls_total", "Calls.").from("calls"), Metric::gauge("open", "Open now.").from("open")];
static TWO: Busiest = Busiest { labels: &["id"], rank_by: "calls", keep: 2, most: 100 };

fn table(rows: &[(&str, u64)]) -> Table {
    let row = |(id, calls): &(&str, u64)| vec![Some((*id).to_string()), Some(calls.to_string()), Some("1".to_string())];
    Table { columns: ["id", "calls", "open"].map(str::to_string).to_vec(), rows: rows.iter().map(row).collect() }
}

fn read(top: &mut Top, busiest: &Busiest, rows: &[(&str, u64)]) -> Points {
    let mut points = Points::default();
    top.read(busiest, CALLS, &table(rows), &mut points).unwrap();
    assert!(points.twice.is_empty(), "{:?}", points.twice);
    points
}

/// The readings one after the other: what stands in `calls_total` after each.
fn check(busiest: &Busiest, readings: &[(&[(&str, u64)], &str)]) {
    let mut top = Top::default();
    for (rows, expected) in readings {
        let points = read(&mut top, busiest, rows);
        let calls = |(series, value): (&String, &f64)| {
            let id = series.strip_prefix("calls_total{id=\"")?.strip_suffix("\"}")?;
            Some(format!("{id} {value}"))
        };
        let seen: Vec<String> = points.all.iter().filter_map(calls).collect();
        assert_eq!(seen.join(", "), *expected, "after {rows:?}");
    }
}

#[test]
fn before_anything_grows_the_largest_come_first_and_the_others_begin_at_zero() {
    check(&TWO, &[(&[("a", 1), ("b", 50), ("c", 9), ("d", 2)], "b 50, c 9, other 0")]);
}

#[test]
fn who_grows_most_comes_in_however_large_the_old_ones_are() {
    check(
        &TWO,
        &[
            (&[("a", 900), ("b", 800), ("new", 1)], "a 900, b 800, other 0"),
            // `new` comes in; the two that were there are among the first four, and stay.
            (&[("a", 901), ("b", 800), ("new", 500)], "a 901, b 800, new 500, other 0"),
        ],
    );
}

#[test]
fn who_was_in_stays_until_not_among_twice_as_many() {
    check(
        &TWO,
        &[
            (&[("a", 10), ("b", 9), ("c", 1), ("d", 1), ("e", 1)], "a 10, b 9, other 0"),
            (&[("a", 10), ("b", 9), ("c", 101), ("d", 91), ("e", 1)], "a 10, b 9, c 101, d 91, other 0"),
            // Five now grow more than `b`: it is gone, and goes on within the others without a jump.
            (&[("a", 60), ("b", 10), ("c", 201), ("d", 191), ("e", 71)], "a 60, c 201, d 191, other 71"),
            (&[("a", 90), ("b", 14), ("c", 301), ("d", 291), ("e", 71)], "a 90, c 301, d 291, other 75"),
        ],
    );
}

#[test]
fn a_reset_counter_counts_from_its_new_beginning() {
    check(
        &TWO,
        &[
            (&[("a", 90), ("b", 80), ("c", 70)], "a 90, b 80, other 0"),
            (&[("a", 95), ("b", 85), ("c", 3)], "a 95, b 85, other 3"),
        ],
    );
}

#[test]
fn what_is_new_in_a_full_answer_may_be_old_and_counts_from_now_on() {
    let full = Busiest { most: 3, ..TWO };
    check(
        &full,
        &[
            (&[("a", 90), ("b", 80), ("c", 70)], "a 90, b 80, other 0"),
            (&[("a", 99), ("b", 89), ("d", 75)], "a 99, b 89, other 0"),
            (&[("a", 109), ("b", 99), ("d", 76)], "a 109, b 99, other 1"),
        ],
    );
    // Where the answer has room, what is new began since the last reading.
    check(
        &TWO,
        &[(&[("a", 90), ("b", 80)], "a 90, b 80, other 0"), (&[("a", 99), ("b", 89), ("d", 5)], "a 99, b 89, other 5")],
    );
}

#[test]
fn a_gauge_of_the_others_is_their_sum_and_missing_where_there_are_none() {
    let points = read(&mut Top::default(), &TWO, &[("a", 4), ("b", 3), ("c", 2), ("d", 1)]);
    assert_eq!(points.value("open{id=\"other\"}"), 2.0);
    let points = read(&mut Top::default(), &TWO, &[("a", 4)]);
    assert!(!points.all.contains_key("open{id=\"other\"}"));
}

#[test]
fn what_is_no_table_of_such_things_is_refused() {
    let mut points = Points::default();
    let mut wrong = table(&[("a", 1)]);
    wrong.rows[0][1] = Some("many".to_string());
    let unknown = Top::default().read(&TWO, CALLS, &wrong, &mut points).unwrap_err();
    assert_eq!(unknown.reason, "'many' is not a number");
    wrong.columns[1] = "count".to_string();
    let unknown = Top::default().read(&TWO, CALLS, &wrong, &mut points).unwrap_err();
    assert_eq!(unknown.reason, "the answer has no column 'calls'");
}

proptest! {
    /// Whatever comes and goes: the others' counter never falls, at most twice as many are kept, and what all series
    /// grew together is what all things grew.
    #[test]
    fn nothing_is_counted_twice_or_lost(steps in prop::collection::vec(prop::collection::vec(0_u64..100, 12), 1..12)) {
        let mut top = Top::default();
        let mut totals = [0_u64; 12];
        let mut last: BTreeMap<String, f64> = BTreeMap::new();
        let mut grown = 0.0;
        for (at, step) in steps.iter().enumerate() {
            for (total, more) in totals.iter_mut().zip(step) {
                *total += more;
            }
            let names: Vec<String> = (0..12).map(|n| format!("s{n:02}")).collect();
            let rows: Vec<(&str, u64)> = names.iter().map(String::as_str).zip(totals).collect();
            let points = read(&mut top, &TWO, &rows);
            let now: BTreeMap<String, f64> =
                points.all.into_iter().filter(|(series, _)| series.starts_with("calls")).collect();
            prop_assert!(now.len() <= TWO.keep * 2 + 1);
            if at > 0 {
                let gone: BTreeSet<&String> = last.keys().filter(|series| !now.contains_key(*series)).collect();
                for (series, value) in &now {
                    // A series that begins tells nothing of its growth yet, as to Prometheus.
                    let before = last.get(series).copied().unwrap_or(*value);
                    prop_assert!(*value >= before, "{series} fell");
                    grown += value - before;
                }
                prop_assert!(gone.len() <= TWO.keep * 2);
            }
            last = now;
        }
        let all: u64 = steps.iter().skip(1).flatten().sum();
        #[allow(clippy::cast_precision_loss)]
        let all = all as f64;
        prop_assert!(grown <= all, "more was counted than happened: {grown} of {all}");
    }
}

#[test]
fn where_a_gauge_ranks_its_level_counts_and_a_fall_is_no_growth() {
    static TABLES: &[Metric] = &[Metric::gauge("bytes", "Size.").from("calls")];
    let one = Busiest { keep: 1, ..TWO };
    let mut top = Top::default();
    let mut seen = |rows: &[(&str, u64)]| {
        let mut points = Points::default();
        top.read(&one, TABLES, &table(rows), &mut points).unwrap();
        points.text().replace('\n', " ")
    };
    assert_eq!(seen(&[("big", 900), ("small", 10), ("tiny", 1)]), "bytes{id=\"big\"} 900 bytes{id=\"other\"} 11 ");
    // The big one shrinks and is still the biggest; the small one grows.
    assert_eq!(seen(&[("big", 800), ("small", 60), ("tiny", 1)]), "bytes{id=\"big\"} 800 bytes{id=\"other\"} 61 ");
}
