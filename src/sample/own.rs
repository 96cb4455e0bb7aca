//! Rows of the user's own queries: made once for each text that was ever configured, and kept as the tables' rows are.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use crate::engines::contract::{Ask, Row, Take, When};
use crate::model::query::Query;
use crate::model::row::Metric;
use crate::model::target::Target;

/// A row that is made of a query, and what it was made for.
type Made = HashMap<(Arc<Query>, Duration), &'static Row>;

/// Every row that was made. Rows are known by their place in memory and live as long as the process; one that is
/// configured again, after whatever reloads, is the one that it was. So they grow only with what a person writes anew.
static MADE: LazyLock<Mutex<Made>> = LazyLock::new(Mutex::default);

/// The row of a query for targets with this interval.
pub fn row(query: &Arc<Query>, interval: Duration) -> &'static Row {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry((query.clone(), interval)).or_insert_with(|| kept(make(query, interval)))
}

/// The metrics of all own queries of these targets.
pub fn metrics(targets: &[Target]) -> impl Iterator<Item = &'static Metric> + '_ {
    let rows = targets.iter().flat_map(|target| target.queries.iter().map(|query| row(query, target.interval)));
    rows.flat_map(|row| row.metrics)
}

fn make(query: &Query, interval: Duration) -> Row {
    let text = |text: &str| -> &'static str { String::from(text).leak() };
    let metrics: Vec<Metric> = query
        .metrics
        .iter()
        .map(|metric| {
            let (name, help) = (text(&metric.name), text(&metric.help));
            let labels: Vec<_> = metric.labels.iter().map(|(label, value)| (text(label), text(value))).collect();
            Metric::new(metric.kind, name, help).from(text(&metric.from)).unit(text(&metric.unit)).labels(labels.leak())
        })
        .collect();
    let labels: Vec<&str> = query.labels.iter().map(|label| text(label)).collect();
    Row {
        name: text(&query.name),
        every: every(query.interval, interval),
        when: vec![When { flavour: "", from: query.since, below: query.before }].leak(),
        deadline: query.deadline,
        series_max: query.series_max,
        ask: Ask::Text(text(&query.ask)),
        take: Take::Query { labels: labels.leak() },
        metrics: metrics.leak(),
        ..Row::DEFAULT
    }
}

/// The cycles between two readings: the wish, and at least one.
fn every(wish: Duration, interval: Duration) -> u32 {
    let cycles = wish.as_nanos().div_ceil(interval.as_nanos().max(1));
    u32::try_from(cycles).unwrap_or(u32::MAX).max(1)
}

fn kept(row: Row) -> &'static Row {
    Box::leak(Box::new(row))
}
