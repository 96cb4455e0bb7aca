//! Whatever the text and the numbers: no panic, and an instant is a step of a range.

use proptest::prelude::{Strategy, any, prop, prop_oneof, proptest};
use proptest::sample::select;
use proptest::strategy::{Just, LazyJust};
use proptest::test_runner::Config;

use watchward::model::labels::Labels;
use watchward::model::series::STALE;
use watchward::promql;
use watchward::promql::{Limits, SeriesSamples, Value};

use crate::promql::notation::Table;

/// Pieces of the language, which find their way past the lexer more often than letters do.
const PIECES: &[&str] = &[
    "x",
    "y",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "5m",
    "1",
    "-",
    "+",
    "*",
    "/",
    "%",
    "^",
    "==",
    ">",
    "bool",
    "and",
    "or",
    "unless",
    "on",
    "ignoring",
    "group_left",
    "by",
    "without",
    "sum",
    "topk",
    "rate",
    "label_replace",
    "time",
    ",",
    ":",
    "@",
    "offset",
    "start",
    "end",
    "\"a\"",
    "'",
    "`",
    "a=\"1\"",
    "=~\"(\"",
    "NaN",
    "inf",
    "1e999",
    "0x",
    "é",
    "#",
    "\n",
    "\\",
    "::",
    "1y",
    " ",
];

/// Expressions that are well formed, nested up to a few levels.
fn expressions() -> impl Strategy<Value = String> {
    let leaves = prop_oneof![
        Just("x".to_string()),
        Just("y".to_string()),
        Just("{a=~\".+\"}".to_string()),
        Just("x offset 1m".to_string()),
        Just("x @ 120".to_string()),
        Just("vector(NaN)".to_string()),
        LazyJust::new(|| "vector(time())".to_string()),
    ];
    leaves.prop_recursive(4, 24, 2, |inner| {
        let window = select(vec![
            "rate",
            "increase",
            "delta",
            "irate",
            "deriv",
            "avg_over_time",
            "max_over_time",
            "last_over_time",
            "stddev_over_time",
            "changes",
            "absent_over_time",
            "mad_over_time",
        ]);
        let value = select(vec!["abs", "-", "ln", "absent", "round", "timestamp", "sgn", "day_of_month", "exp"]);
        let group =
            select(vec!["sum", "avg by (a)", "max without (b)", "stddev", "topk(1, ", "count", "group by (__name__)"]);
        let operator = select(vec![
            "+",
            "/",
            "% on(a)",
            "> bool",
            "==",
            "and",
            "or",
            "unless on(b)",
            "^ on(a) group_left()",
            "* ignoring(b) group_right()",
        ]);
        prop_oneof![
            (window, inner.clone()).prop_map(|(name, inner)| format!("{name}(({inner})[3m:1m])")),
            (value, inner.clone()).prop_map(|(name, inner)| format!("{name}({inner})")),
            (group, inner.clone()).prop_map(|(name, inner)| match name.strip_suffix("(1, ") {
                Some(name) => format!("{name}(1, {inner})"),
                None => format!("{name} ({inner})"),
            }),
            (operator, inner.clone(), inner).prop_map(|(sign, a, b)| format!("({a}) {sign} ({b})")),
        ]
    })
}

fn values() -> impl Strategy<Value = Vec<Option<f64>>> {
    let special = select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, f64::MAX, 1e-310, STALE]);
    let value = prop_oneof![
        4 => (0..50_i32).prop_map(|value| Some(f64::from(value))),
        1 => any::<f64>().prop_map(Some),
        1 => special.prop_map(Some),
        1 => Just(None),
    ];
    prop::collection::vec(value, 12)
}

fn source(all: [Vec<Option<f64>>; 4]) -> Table {
    let labels = [
        [("__name__", "x"), ("a", "1")],
        [("__name__", "x"), ("a", "2")],
        [("__name__", "y"), ("a", "1")],
        [("__name__", "y"), ("b", "1")],
    ];
    let mut table = Table::default();
    for (labels, values) in labels.into_iter().zip(all) {
        let samples = values.into_iter().enumerate();
        let samples = samples.filter_map(|(at, value)| value.map(|value| (at as i64 * 30_000, value))).collect();
        table.series.push(SeriesSamples { labels: Labels::new(labels), samples });
    }
    table
}

fn evaluate_everywhere(text: &str) {
    let Ok(parsed) = promql::parse(text) else { return };
    let table = source([vec![Some(1.0); 12], vec![Some(f64::NAN); 12], vec![None; 12], vec![Some(2.0); 12]]);
    for at in [0, 120_000, -1, i64::MIN, i64::MAX] {
        let _ = promql::instant(&parsed, &table, at, &Limits::default());
    }
    let _ = promql::range(&parsed, &table, 0, 300_000, 30_000, &Limits::default());
    let _ = promql::range(&parsed, &table, i64::MAX - 5, i64::MAX, 1, &Limits::default());
    let _ = (parsed.lookback_ms(), parsed.selectors(), parsed.kind());
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, cases: 400, ..Config::default() })]

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        evaluate_everywhere(&text);
    }

    #[test]
    fn no_heap_of_pieces_makes_the_reader_panic(pieces in prop::collection::vec(select(PIECES), 0..14)) {
        evaluate_everywhere(&pieces.concat());
        evaluate_everywhere(&pieces.join(" "));
    }

    #[test]
    fn every_step_of_a_range_is_what_an_instant_gives(
        text in expressions(),
        all in [values(), values(), values(), values()],
    ) {
        let parsed = promql::parse(&text).unwrap_or_else(|error| panic!("{error}"));
        let table = source(all);
        let limits = Limits::default();
        let steps: Vec<i64> = (0..8).map(|step| 60_000 + step * 45_000).collect();
        let range = promql::range(&parsed, &table, steps[0], steps[7], 45_000, &limits);
        let mut instants = Vec::new();
        for at in &steps {
            match promql::instant(&parsed, &table, *at, &limits) {
                Ok(Value::Vector(samples)) => instants.push(samples),
                Ok(other) => panic!("{other:?}"),
                // Faults of matching depend on the values, so one step suffices to make the range fail.
                Err(_) => {
                    assert!(range.is_err(), "{text}: an instant fails and the range does not");
                    return Ok(());
                }
            }
        }
        let range = range.unwrap_or_else(|error| panic!("{text}: no instant fails, the range does: {error}"));
        for (at, mut instant) in steps.iter().zip(instants) {
            instant.sort_by(|a, b| a.labels.cmp(&b.labels));
            let instant: Vec<(Labels, u64)> =
                instant.into_iter().map(|sample| (sample.labels, bits(sample.value))).collect();
            let step: Vec<(Labels, u64)> = range
                .iter()
                .filter_map(|series| {
                    let found = series.samples.iter().find(|(time, _)| time == at);
                    found.map(|(_, value)| (series.labels.clone(), bits(*value)))
                })
                .collect();
            assert_eq!(step, instant, "{text} at {at}");
        }
    }
}

/// Bits, so that NaN equals NaN; which NaN does not matter.
fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}
