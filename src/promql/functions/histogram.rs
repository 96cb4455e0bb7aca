//! Quantiles and fractions of classic histograms: series with cumulative counts by the label `le`.

use std::collections::HashMap;

use crate::model::labels::Labels;
use crate::model::series::{STALE, is_stale};
use crate::promql::EvaluationError;
use crate::promql::evaluate::{Answer, Column, Evaluation, Steps, merged};
use crate::promql::functions::{at_least, exactly};
use crate::promql::numbers;
use crate::promql::tree::Node;

/// The label with a bucket's upper bound.
const BOUND: &str = "le";

/// Differences of counts below this part of their sum come from rounding.
const TOLERANCE: f64 = 1e-12;

/// The buckets of one histogram: upper bounds and columns of cumulative counts.
struct Histogram {
    labels: Labels,
    buckets: Vec<(f64, Column)>,
}

/// `histogram_quantile(q, buckets)`.
///
/// # Errors
/// From the arguments.
pub fn quantile(evaluation: &Evaluation<'_>, arguments: &[Node], steps: &Steps) -> Result<Answer, EvaluationError> {
    let [q, vector] = exactly(arguments)?;
    let q = evaluation.scalar(q, steps)?;
    let histograms = histograms(evaluation.vector(vector, steps)?);
    Ok(Answer::Vector(each(&histograms, steps, |step, buckets| quantile_of(q[step], buckets))))
}

/// `histogram_quantiles(buckets, label, q…)`: each quantile as a series of its own, told apart by the label.
///
/// # Errors
/// From the arguments, or when the label's name is empty.
pub fn quantiles(evaluation: &Evaluation<'_>, arguments: &[Node], steps: &Steps) -> Result<Answer, EvaluationError> {
    let ([vector, label], qs) = at_least(arguments)?;
    let label = evaluation.text(label, steps)?;
    let histograms = histograms(evaluation.vector(vector, steps)?);
    let mut columns = Vec::new();
    for q in qs {
        let q = evaluation.scalar(q, steps)?;
        let text = with_point(q.first().copied().unwrap_or(f64::NAN));
        for mut column in each(&histograms, steps, |step, buckets| quantile_of(q[step], buckets)) {
            column.labels = column.labels.with(&label, &text);
            columns.push(column);
        }
    }
    merged(columns, &EvaluationError::SameLabels).map(Answer::Vector)
}

/// As OpenMetrics writes numbers in labels: `1.0`, not `1`.
fn with_point(value: f64) -> String {
    let text = numbers::text(value);
    if value.is_finite() && !text.contains('.') { text + ".0" } else { text }
}

/// `histogram_fraction(lower, upper, buckets)`.
///
/// # Errors
/// From the arguments.
pub fn fraction(evaluation: &Evaluation<'_>, arguments: &[Node], steps: &Steps) -> Result<Answer, EvaluationError> {
    let [lower, upper, vector] = exactly(arguments)?;
    let (lower, upper) = (evaluation.scalar(lower, steps)?, evaluation.scalar(upper, steps)?);
    let histograms = histograms(evaluation.vector(vector, steps)?);
    Ok(Answer::Vector(each(&histograms, steps, |step, buckets| fraction_of(lower[step], upper[step], buckets))))
}

/// Groups series by their labels without `le`. A series without a readable bound is no bucket.
fn histograms(columns: Vec<Column>) -> Vec<Histogram> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut all: Vec<Histogram> = Vec::new();
    for column in columns {
        let Some(bound) = column.labels.get(BOUND).and_then(|text| text.parse().ok()) else { continue };
        let labels = column.labels.filtered(|name| name != BOUND);
        let place = *places.entry(labels.clone()).or_insert_with(|| {
            all.push(Histogram { labels, buckets: Vec::new() });
            all.len() - 1
        });
        all[place].buckets.push((bound, column));
    }
    for histogram in &mut all {
        histogram.buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    }
    all
}

/// Calls `of` with each step's buckets: sorted, equal bounds added up, counts made to grow.
fn each(histograms: &[Histogram], steps: &Steps, of: impl Fn(usize, &[(f64, f64)]) -> f64) -> Vec<Column> {
    let mut here: Vec<(f64, f64)> = Vec::new();
    let mut columns = Vec::with_capacity(histograms.len());
    for histogram in histograms {
        let mut values = vec![STALE; steps.count];
        for (step, value) in values.iter_mut().enumerate() {
            here.clear();
            for (bound, column) in histogram.buckets.iter().filter(|(_, column)| !is_stale(column.values[step])) {
                match here.last_mut() {
                    Some((before, count)) if before == bound => *count += column.values[step],
                    _ => here.push((*bound, column.values[step])),
                }
            }
            if !here.is_empty() {
                *value = of(step, &here);
            }
        }
        columns.push(Column { labels: histogram.labels.clone(), drops_name: true, values });
    }
    columns.retain(|column| !column.is_empty());
    columns
}

/// Counts never fall from bucket to bucket; where they do, by rounding or by scrapes between, the higher one stands.
fn growing(buckets: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut buckets = buckets.to_vec();
    let mut before = buckets.first().map_or(0.0, |(_, count)| *count);
    for (_, count) in buckets.iter_mut().skip(1) {
        if nearly_equal(before, *count) || *count < before {
            *count = before;
        } else {
            before = *count;
        }
    }
    buckets
}

fn nearly_equal(a: f64, b: f64) -> bool {
    let sum = a.abs() + b.abs();
    let apart = (a - b).abs();
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return apart < TOLERANCE * f64::MIN_POSITIVE;
    }
    apart / sum.min(f64::MAX) < TOLERANCE
}

fn is_complete(buckets: &[(f64, f64)]) -> bool {
    buckets.last().is_some_and(|(bound, _)| *bound == f64::INFINITY)
}

/// Linear within the bucket that holds the rank; the lowest bucket begins at 0 unless its bound is not above it.
fn quantile_of(q: f64, buckets: &[(f64, f64)]) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    if !is_complete(buckets) {
        return f64::NAN;
    }
    let buckets = growing(buckets);
    let last = buckets.len() - 1;
    let observations = buckets[last].1;
    if last == 0 || observations == 0.0 {
        return f64::NAN;
    }
    let rank = q * observations;
    let at = buckets[..last].partition_point(|(_, count)| *count < rank);
    if at == last {
        return buckets[last - 1].0;
    }
    let (end, count) = buckets[at];
    if at == 0 && end <= 0.0 {
        return end;
    }
    let (start, below) = if at == 0 { (0.0, 0.0) } else { buckets[at - 1] };
    start + (end - start) * ((rank - below) / (count - below))
}

/// Linear within each bucket. A bucket without end on one side is not divided: all of it lies at its other bound.
fn fraction_of(lower: f64, upper: f64, buckets: &[(f64, f64)]) -> f64 {
    let Some((_, total)) = buckets.last().copied() else { return f64::NAN };
    if !is_complete(buckets) || total == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let rank_of = |value: f64| {
        let mut below = 0.0;
        let mut start = f64::NEG_INFINITY;
        for (at, (end, count)) in buckets.iter().enumerate() {
            if at == 0 && *end > 0.0 {
                start = 0.0;
            }
            if start >= value {
                return below;
            }
            if *end > value {
                if start == f64::NEG_INFINITY {
                    return *count;
                }
                return below + (count - below) * (value - start) / (end - start);
            }
            (below, start) = (*count, *end);
        }
        total
    };
    (rank_of(upper).min(total) - rank_of(lower).min(total)) / total
}
