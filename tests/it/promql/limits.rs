//! What an evaluation may cost, and how it is stopped.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use watchward::promql;
use watchward::promql::{EvaluationError, Limits};

use crate::promql::notation::Table;

fn table() -> Table {
    let mut table = Table::default();
    table.load(60_000, &["x{a=\"1\"} 0+1x59", "x{a=\"2\"} 0+1x59", "y{a=\"1\"} 0+1x59"]);
    table
}

fn instant(text: &str, limits: &Limits) -> Result<(), EvaluationError> {
    promql::instant(&promql::parse(text).unwrap(), &table(), 3_540_000, limits).map(|_| ())
}

#[test]
fn samples_are_counted_over_all_selectors() {
    let limits = |samples_max| Limits { samples_max, ..Limits::default() };
    assert_eq!(instant("sum(rate(x[1h]))", &limits(120)), Ok(()));
    let error = instant("sum(rate(x[1h]))", &limits(119)).unwrap_err();
    assert_eq!(error, EvaluationError::Source("more than 119 samples would be read".to_string()));
    assert_eq!(instant("sum(rate(x[1h])) + sum(rate(y[1h]))", &limits(180)), Ok(()));
    assert!(instant("sum(rate(x[1h])) + sum(rate(y[1h]))", &limits(179)).is_err());
}

#[test]
fn values_that_are_made_and_not_read_count_too() {
    let limits = Limits { samples_max: 1_000, ..Limits::default() };
    let error = instant("max_over_time(vector(1)[1h:1s])", &limits).unwrap_err();
    assert_eq!(error.to_string(), "the expression needs more than 1000 samples; narrow its selectors or its range");
    let both = "max_over_time(vector(1)[10m:1s]) + max_over_time(vector(1)[10m:1s])";
    assert_eq!(instant(both, &limits), Err(EvaluationError::Samples(1_000)));
    let error = instant("max_over_time(vector(1)[100y:1ms])", &Limits::default()).unwrap_err();
    assert_eq!(error, EvaluationError::Samples(5_000_000));
}

/// However parts are nested, what all of them hold at once is limited.
#[test]
fn the_values_of_all_parts_together_are_counted() {
    let limits = Limits { samples_max: 1_000, ..Limits::default() };
    let range =
        |text: &str| promql::range(&promql::parse(text).unwrap(), &table(), 0, 999_000, 1_000, &limits).map(|_| ());
    let nested = |depth: usize| format!("{}vector(1){}", "vector(1) or (".repeat(depth), ")".repeat(depth));
    assert_eq!(range("vector(1)"), Ok(()));
    for text in
        [nested(5), format!("vector({}1{})", "1 + (".repeat(5), ")".repeat(5)), "-(-(-(-vector(1))))".to_string()]
    {
        assert_eq!(
            range(&text).unwrap_err().to_string(),
            "the parts of the expression come to more than 4000 values; narrow its selectors or its range",
            "{text}"
        );
    }
}

#[test]
fn one_series_of_many_large_windows_can_be_cancelled() {
    let cancel = Arc::new(AtomicBool::new(false));
    let limits = Limits { cancel: Some(cancel.clone()), ..Limits::default() };
    let computing = std::thread::spawn(move || {
        let parsed = promql::parse("sum_over_time(vector(1)[400000s:1s])").unwrap();
        promql::range(&parsed, &table(), 0, 10_000_000, 1_000, &limits).map(|_| ())
    });
    std::thread::sleep(std::time::Duration::from_millis(500));
    cancel.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(computing.join().unwrap(), Err(EvaluationError::Cancelled));
}

#[test]
fn series_are_counted_at_every_part() {
    let limits = Limits { series_max: 1, ..Limits::default() };
    let error = instant("sum(x)", &limits).unwrap_err();
    assert_eq!(error.to_string(), "the expression has more than 1 series at once; narrow its selectors");
    assert_eq!(instant("sum(y)", &limits), Ok(()));
    let limits = Limits { series_max: 20, ..Limits::default() };
    let range = promql::parse("count_values(\"v\", y)").unwrap();
    let error = promql::range(&range, &table(), 0, 3_540_000, 60_000, &limits).unwrap_err();
    assert_eq!(error, EvaluationError::Series(20));
}

#[test]
fn a_label_cannot_be_doubled_without_end() {
    let doubled = (0..20).fold("y".to_string(), |inner, _| format!("label_join({inner}, \"a\", \"\", \"a\", \"a\")"));
    let error = instant(&doubled, &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "label \"a\" would have 32768 bytes, more than 16384");
}

#[test]
fn a_cancelled_evaluation_ends() {
    let cancel = Arc::new(AtomicBool::new(true));
    let limits = Limits { cancel: Some(cancel), ..Limits::default() };
    let error = instant("sum(x)", &limits).unwrap_err();
    assert_eq!(error.to_string(), "the evaluation was cancelled");
}

#[test]
fn a_range_reads_each_selector_once_however_many_steps_it_has() {
    let text = "sum(rate(x[5m])) / sum(y) > bool max_over_time(sum(x)[10m:1m])";
    let table = table();
    let parsed = promql::parse(text).unwrap();
    promql::range(&parsed, &table, 0, 3_540_000, 1_000, &Limits::default()).unwrap();
    assert_eq!(table.selects.get(), 3);
}
