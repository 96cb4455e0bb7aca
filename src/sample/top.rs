//! Of many things of one kind, such as statements: the busiest are series of their own, all others are one, `other`. Pure.

use std::collections::HashMap;

use crate::engines::contract::{Busiest, Emit, Table};
use crate::engines::take::text_number;
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::row::{Metric, MetricKind};

/// What the labels of all others together say.
pub const OTHER: &str = "other";

/// How much of its former score a thing keeps with each reading.
const SCORE_KEPT: f64 = 0.5;

/// What is remembered of the things of one row.
#[derive(Clone, Debug, Default)]
pub struct Top {
    things: HashMap<String, Thing>,
    /// What the counters of all others grew since the first reading, by metric.
    others: Vec<f64>,
    is_begun: bool,
}

#[derive(Clone, Debug)]
struct Thing {
    values: Vec<Option<f64>>,
    rank_value: f64,
    score: f64,
    is_kept: bool,
}

impl Top {
    /// Takes a reading: emits the busiest, and all others as one. A counter of the others begins at 0 and only grows, by
    /// what each of them grew, so moving between the two makes no jump.
    ///
    /// # Errors
    /// `Missing`: a column is not there. `Garbled`: a value is not a number.
    pub fn read(
        &mut self,
        spec: &Busiest,
        metrics: &'static [Metric],
        table: &Table,
        emit: &mut dyn Emit,
    ) -> Result<(), Unknown> {
        let places = |names: &mut dyn Iterator<Item = &'static str>| -> Result<Vec<usize>, Unknown> {
            names.map(|name| table.column(name)).collect()
        };
        let label_at = places(&mut spec.labels.iter().copied())?;
        let value_at = places(&mut metrics.iter().map(|metric| metric.from))?;
        let rank_at = table.column(spec.rank_by)?;
        // What is no counter does not grow with what is done: there the level itself says what matters most.
        let by_level = metrics.iter().any(|metric| metric.from == spec.rank_by && metric.kind == MetricKind::Gauge);
        let mut now: Vec<(Vec<&str>, String, Thing)> = Vec::with_capacity(table.rows.len());
        for row in &table.rows {
            let labels: Vec<&str> = label_at.iter().map(|at| row[*at].as_deref().unwrap_or("")).collect();
            let values = value_at.iter().map(|at| cell(row, *at)).collect::<Result<Vec<_>, _>>()?;
            let rank_value = cell(row, rank_at)?.unwrap_or(0.0);
            let key = labels.join("\0");
            let before = self.things.get(&key);
            let grown = before.map_or(0.0, |before| growth(before.rank_value, rank_value));
            let score = before.map_or(0.0, |before| before.score) * SCORE_KEPT + grown;
            let score = if by_level { rank_value } else { score };
            let is_kept = before.is_some_and(|before| before.is_kept);
            now.push((labels, key, Thing { values, rank_value, score, is_kept }));
        }
        // Before anything has grown the largest since its beginning come first.
        now.sort_by(|(_, a_key, a), (_, b_key, b)| {
            let by = b.score.total_cmp(&a.score).then(b.rank_value.total_cmp(&a.rank_value));
            by.then_with(|| a_key.cmp(b_key))
        });
        self.others.resize(metrics.len(), 0.0);
        let mut sums: Vec<Option<f64>> = vec![None; metrics.len()];
        let is_whole = now.len() < spec.most;
        for (rank, (labels, key, thing)) in now.iter_mut().enumerate() {
            thing.is_kept = rank < spec.keep || thing.is_kept && rank < spec.keep * 2;
            if thing.is_kept {
                let named: Vec<(&str, &str)> = spec.labels.iter().copied().zip(labels.iter().copied()).collect();
                for (metric, value) in metrics.iter().zip(&thing.values) {
                    if let Some(value) = value {
                        emit.metric(metric, &named, *value);
                    }
                }
                continue;
            }
            let before = self.things.get(key);
            for (at, value) in thing.values.iter().enumerate() {
                let Some(value) = value else { continue };
                *sums[at].get_or_insert(0.0) += value;
                self.others[at] += match before {
                    Some(before) => growth(before.values[at].unwrap_or(0.0), *value),
                    None if self.is_begun && is_whole => *value, // it began since the last reading
                    None => 0.0,
                };
            }
        }
        let named: Vec<(&str, &str)> = spec.labels.iter().map(|label| (*label, OTHER)).collect();
        for (at, metric) in metrics.iter().enumerate() {
            if metric.kind == MetricKind::Counter {
                emit.metric(metric, &named, self.others[at]);
            } else if let Some(sum) = sums[at] {
                emit.metric(metric, &named, sum);
            }
        }
        self.things = now.into_iter().map(|(_, key, thing)| (key, thing)).collect();
        self.is_begun = true;
        Ok(())
    }
}

/// How much a counter grew; one that is lower than before began anew.
fn growth(before: f64, now: f64) -> f64 {
    if now >= before { now - before } else { now.max(0.0) }
}

fn cell(row: &[Option<String>], at: usize) -> Result<Option<f64>, Unknown> {
    let Some(text) = row[at].as_deref() else { return Ok(None) };
    let value = text_number(text);
    value.map(Some).ok_or_else(|| Unknown::new(UnknownKind::Garbled, format!("'{text}' is not a number")))
}
