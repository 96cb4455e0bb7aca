//! Selectors: what is read from the source, which sample an instant sees, and the windows of ranges and subqueries.

use crate::model::labels::Labels;
use crate::model::matcher::Matcher;
use crate::model::series::{LOOKBACK_MS, STALE, is_stale};
use crate::promql::evaluate::{Column, Evaluation, Steps};
use crate::promql::tree::{RangeSelection, Selection, Shift, Subquery};
use crate::promql::{EvaluationError, SeriesSamples};

/// The step of a subquery that does not name one: Prometheus' default evaluation interval.
pub const SUBQUERY_STEP_MS: i64 = 60_000;

/// A range vector: all samples for all steps, read once. Each step looks at a window of them.
#[derive(Debug)]
pub struct Windows {
    pub series: Vec<WindowSeries>,
    pub range_ms: i64,
    pub shift: Shift,
}

/// One series of a range vector, without stale markers.
#[derive(Debug)]
pub struct WindowSeries {
    pub labels: Labels,
    pub drops_name: bool,
    pub samples: Vec<(i64, f64)>,
}

/// What a function over a range sees at one step: `from_ms < at <= to_ms`, at least one sample.
#[derive(Debug)]
pub struct Window<'a> {
    pub samples: &'a [(i64, f64)],
    pub from_ms: i64,
    pub to_ms: i64,
}

impl Window<'_> {
    pub fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.samples.iter().map(|(_, value)| *value)
    }

    pub fn range_s(&self) -> f64 {
        self.to_ms.saturating_sub(self.from_ms) as f64 / 1_000.0
    }
}

impl Windows {
    /// Calls `see` with every step's window of one series, in order, where the window has a sample. One series may have
    /// ten thousand windows of half a million samples, so each may be the last.
    ///
    /// # Errors
    /// When the evaluation is cancelled.
    pub fn each<'a>(
        &self,
        evaluation: &Evaluation<'_>,
        series: &'a WindowSeries,
        steps: &Steps,
        mut see: impl FnMut(usize, Window<'a>),
    ) -> Result<(), EvaluationError> {
        let (mut low, mut high) = (0, 0);
        for (step, at_ms) in steps.times_ms().enumerate() {
            let to_ms = evaluation.shifted_ms(&self.shift, at_ms);
            let from_ms = to_ms.saturating_sub(self.range_ms);
            // Times only grow from step to step, so both ends only move on.
            while series.samples.get(high).is_some_and(|(sample_ms, _)| *sample_ms <= to_ms) {
                high += 1;
            }
            while low < high && series.samples[low].0 <= from_ms {
                low += 1;
            }
            if low < high {
                evaluation.go_on()?;
                see(step, Window { samples: &series.samples[low..high], from_ms, to_ms });
            }
        }
        Ok(())
    }

    /// The samples themselves, for one time: the value of a range selector that no function is applied to.
    ///
    /// # Errors
    /// When series differ only by names that a function inside a subquery removed.
    pub fn into_samples(self, evaluation: &Evaluation<'_>, at_ms: i64) -> Result<Vec<SeriesSamples>, EvaluationError> {
        let mut all = Vec::with_capacity(self.series.len());
        for series in &self.series {
            let labels = if series.drops_name { series.labels.without_name() } else { series.labels.clone() };
            self.each(evaluation, series, &Steps::once(at_ms), |_, window| {
                all.push(SeriesSamples { labels: labels.clone(), samples: window.samples.to_vec() });
            })?;
        }
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        match all.windows(2).any(|pair| pair[0].labels == pair[1].labels) {
            true => Err(EvaluationError::SameLabels),
            false => Ok(all),
        }
    }
}

fn read(
    evaluation: &Evaluation<'_>,
    matchers: &[Matcher],
    from_ms: i64,
    to_ms: i64,
) -> Result<Vec<SeriesSamples>, EvaluationError> {
    let samples_max = evaluation.samples_left();
    let series = evaluation.source.select(matchers, from_ms, to_ms, samples_max).map_err(EvaluationError::Source)?;
    evaluation.count_read(series.iter().map(|series| series.samples.len()).sum())?;
    Ok(series)
}

/// An instant selector at every step: the newest sample that is younger than the lookback, unless it is a stale marker.
/// `pick` makes a value of it; `timestamp` wants the time.
///
/// # Errors
/// From the source, or when a limit is passed.
pub fn instant(
    evaluation: &Evaluation<'_>,
    selection: &Selection,
    steps: &Steps,
    pick: fn((i64, f64)) -> f64,
) -> Result<Vec<Column>, EvaluationError> {
    if steps.count == 0 {
        return Ok(Vec::new());
    }
    let first_ms = evaluation.shifted_ms(&selection.shift, steps.first_ms);
    let last_ms = evaluation.shifted_ms(&selection.shift, steps.last_ms());
    let found = read(evaluation, &selection.matchers, first_ms.saturating_sub(LOOKBACK_MS), last_ms)?;
    evaluation.afford(found.len(), steps.count)?;
    let mut columns = Vec::with_capacity(found.len());
    for series in found {
        evaluation.go_on()?;
        let mut values = vec![STALE; steps.count];
        let mut next = 0;
        for (value, at_ms) in values.iter_mut().zip(steps.times_ms()) {
            let at_ms = evaluation.shifted_ms(&selection.shift, at_ms);
            while series.samples.get(next).is_some_and(|(sample_ms, _)| *sample_ms <= at_ms) {
                next += 1;
            }
            if let Some(newest) = next.checked_sub(1).map(|newest| series.samples[newest])
                && newest.0 > at_ms.saturating_sub(LOOKBACK_MS)
                && !is_stale(newest.1)
            {
                *value = pick(newest);
            }
        }
        let column = Column { labels: series.labels, drops_name: false, values };
        if !column.is_empty() {
            columns.push(column);
        }
    }
    Ok(columns)
}

/// A range selector: one reading that covers every step's window.
///
/// # Errors
/// From the source, or when a limit is passed.
pub fn range(
    evaluation: &Evaluation<'_>,
    selection: &RangeSelection,
    steps: &Steps,
) -> Result<Windows, EvaluationError> {
    let RangeSelection { selection: Selection { matchers, shift }, range_ms } = selection;
    let mut windows = Windows { series: Vec::new(), range_ms: *range_ms, shift: *shift };
    if steps.count == 0 {
        return Ok(windows);
    }
    let first_ms = evaluation.shifted_ms(shift, steps.first_ms);
    let last_ms = evaluation.shifted_ms(shift, steps.last_ms());
    for mut series in read(evaluation, matchers, first_ms.saturating_sub(*range_ms), last_ms)? {
        series.samples.retain(|(_, value)| !is_stale(*value));
        windows.series.push(WindowSeries { labels: series.labels, drops_name: false, samples: series.samples });
    }
    Ok(windows)
}

/// A subquery: the inner expression at the multiples of the step that any window covers, once for all steps.
///
/// # Errors
/// From the inner expression, or when a limit is passed.
pub fn subquery(evaluation: &Evaluation<'_>, subquery: &Subquery, steps: &Steps) -> Result<Windows, EvaluationError> {
    let Subquery { inner, range_ms, step_ms, shift } = subquery;
    let mut windows = Windows { series: Vec::new(), range_ms: *range_ms, shift: *shift };
    if steps.count == 0 {
        return Ok(windows);
    }
    let step_ms = step_ms.unwrap_or(SUBQUERY_STEP_MS).max(1);
    let after_ms = evaluation.shifted_ms(shift, steps.first_ms).saturating_sub(*range_ms);
    let first_ms = after_ms.div_euclid(step_ms).saturating_add(1).saturating_mul(step_ms);
    let last_ms = evaluation.shifted_ms(shift, steps.last_ms());
    if first_ms > last_ms {
        return Ok(windows);
    }
    let count = (i128::from(last_ms) - i128::from(first_ms)) / i128::from(step_ms) + 1;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    evaluation.afford(1, count)?;
    let inner_steps = Steps { first_ms, step_ms, count };
    for column in evaluation.vector(inner, &inner_steps)? {
        let all = inner_steps.times_ms().zip(column.values);
        let samples: Vec<(i64, f64)> = all.filter(|(_, value)| !is_stale(*value)).collect();
        evaluation.count_read(samples.len())?;
        if !samples.is_empty() {
            windows.series.push(WindowSeries { labels: column.labels, drops_name: column.drops_name, samples });
        }
    }
    Ok(windows)
}
