//! Functions of a window: what a counter gained, where a gauge is heading, and statistics of the samples.

use crate::promql::EvaluationError;
use crate::promql::evaluate::{Answer, Evaluation, Steps};
use crate::promql::functions::{each_window, exactly};
use crate::promql::numbers;
use crate::promql::selector::Window;
use crate::promql::tree::Node;

/// A counter falls only when it restarts from 0, and never was below 0.
pub const COUNTER: bool = true;
pub const GAUGE: bool = false;

fn seconds(from_ms: i64, to_ms: i64) -> f64 {
    to_ms.saturating_sub(from_ms) as f64 / 1_000.0
}

/// The first and the last sample; `None` unless they are two.
fn ends(window: &Window<'_>) -> Option<((i64, f64), (i64, f64))> {
    match window.samples {
        [first, .., last] => Some((*first, *last)),
        _ => None,
    }
}

/// What was gained from the first to the last sample, extended to the window's ends: all the way where a sample is
/// missing by chance, half an interval where the series seems to begin or end inside (Prometheus: extrapolatedRate).
pub fn extrapolated(window: &Window<'_>, counter: bool) -> Option<f64> {
    let ((first_ms, first), (last_ms, last)) = ends(window)?;
    let mut gained = last - first;
    if counter {
        let pairs = window.samples.windows(2);
        gained += pairs.filter(|pair| pair[1].1 < pair[0].1).map(|pair| pair[0].1).sum::<f64>();
    }
    let sampled_s = seconds(first_ms, last_ms);
    let interval_s = sampled_s / (window.samples.len() - 1) as f64;
    let beyond = |gap_s: f64| if gap_s >= interval_s * 1.1 { interval_s / 2.0 } else { gap_s };
    let mut before_s = beyond(seconds(window.from_ms, first_ms));
    if counter && gained > 0.0 && first >= 0.0 {
        before_s = before_s.min(sampled_s * (first / gained));
    }
    let after_s = beyond(seconds(last_ms, window.to_ms));
    Some(gained * ((sampled_s + before_s + after_s) / sampled_s))
}

/// The last two samples and the seconds between them.
fn last_two(window: &Window<'_>) -> Option<(f64, f64, f64)> {
    match window.samples {
        [.., (before_ms, before), (last_ms, last)] => Some((*before, *last, seconds(*before_ms, *last_ms))),
        _ => None,
    }
}

pub fn instant_rate(window: &Window<'_>) -> Option<f64> {
    let (before, last, apart_s) = last_two(window)?;
    Some((if last < before { last } else { last - before }) / apart_s)
}

pub fn instant_delta(window: &Window<'_>) -> Option<f64> {
    last_two(window).map(|(before, last, _)| last - before)
}

pub fn slope(window: &Window<'_>) -> Option<f64> {
    let ((first_ms, _), _) = ends(window)?;
    // The first sample's time as zero keeps the sums small.
    Some(numbers::line(window.samples, first_ms).0)
}

/// `predict_linear(range, seconds)`: the fitted line that many seconds after the time of evaluation.
///
/// # Errors
/// From the arguments.
pub fn predict_linear(
    evaluation: &Evaluation<'_>,
    arguments: &[Node],
    steps: &Steps,
) -> Result<Answer, EvaluationError> {
    let [range, ahead] = exactly(arguments)?;
    let windows = evaluation.matrix(range, steps)?;
    let times = steps.times_ms().map(|at_ms| at_ms as f64).collect();
    let scalars = [evaluation.scalar(ahead, steps)?, times];
    let columns = each_window(evaluation, &windows, true, &scalars, steps, |window, scalars| {
        ends(window)?;
        let (slope, now) = numbers::line(window.samples, scalars[1] as i64);
        Some(slope * scalars[0] + now)
    })?;
    Ok(Answer::Vector(columns))
}

/// `double_exponential_smoothing(range, smoothing, trend)`: Holt's linear method.
///
/// # Errors
/// From the arguments, or when a factor is not between 0 and 1.
pub fn smoothed(evaluation: &Evaluation<'_>, arguments: &[Node], steps: &Steps) -> Result<Answer, EvaluationError> {
    let [range, smoothing, trend] = exactly(arguments)?;
    let windows = evaluation.matrix(range, steps)?;
    let scalars = [evaluation.scalar(smoothing, steps)?, evaluation.scalar(trend, steps)?];
    for (what, factors) in ["smoothing", "trend"].into_iter().zip(&scalars) {
        if let Some(wrong) = factors.iter().find(|factor| !(**factor > 0.0 && **factor < 1.0)) {
            let text = format!("invalid {what} factor. Expected: 0 < factor < 1, got: {wrong}");
            return Err(EvaluationError::Argument(text));
        }
    }
    let columns = each_window(evaluation, &windows, true, &scalars, steps, |window, factors| {
        let &[(_, mut before), (_, mut level), ref rest @ ..] = window.samples else { return None };
        let (smoothing, trend) = (factors[0], factors[1]);
        let mut slope = level - before;
        level = smoothing * level + (1.0 - smoothing) * (before + slope);
        for (_, value) in rest {
            slope = trend * (level - before) + (1.0 - trend) * slope;
            before = level;
            level = smoothing * value + (1.0 - smoothing) * (level + slope);
        }
        Some(level)
    })?;
    Ok(Answer::Vector(columns))
}

fn count_pairs(window: &Window<'_>, counts: impl Fn(f64, f64) -> bool) -> f64 {
    window.samples.windows(2).filter(|pair| counts(pair[0].1, pair[1].1)).count() as f64
}

/// NaN after NaN is no change.
pub fn changes(window: &Window<'_>) -> f64 {
    count_pairs(window, |before, after| before != after && !(before.is_nan() && after.is_nan()))
}

pub fn resets(window: &Window<'_>) -> f64 {
    count_pairs(window, |before, after| after < before)
}

pub fn sum(window: &Window<'_>) -> f64 {
    numbers::sum(window.values())
}

pub fn average(window: &Window<'_>) -> f64 {
    numbers::average(window.values())
}

pub fn variance(window: &Window<'_>) -> f64 {
    numbers::variance(window.values())
}

pub fn greatest(window: &Window<'_>) -> f64 {
    numbers::greatest(window.values())
}

pub fn least(window: &Window<'_>) -> f64 {
    numbers::least(window.values())
}

pub fn quantile(window: &Window<'_>, q: &[f64]) -> f64 {
    let mut values: Vec<f64> = window.values().collect();
    numbers::quantile(q.first().copied().unwrap_or(f64::NAN), &mut values)
}

/// The median of the distances from the median; NaN where any value is.
pub fn median_deviation(window: &Window<'_>) -> f64 {
    let mut values: Vec<f64> = window.values().collect();
    if values.iter().any(|value| value.is_nan()) {
        return f64::NAN;
    }
    let median = numbers::quantile(0.5, &mut values);
    values.iter_mut().for_each(|value| *value = (*value - median).abs());
    numbers::quantile(0.5, &mut values)
}

fn time_s(sample: &(i64, f64)) -> f64 {
    sample.0 as f64 / 1_000.0
}

pub fn time_of_first(window: &Window<'_>) -> Option<f64> {
    window.samples.first().map(time_s)
}

pub fn time_of_last(window: &Window<'_>) -> Option<f64> {
    window.samples.last().map(time_s)
}

/// Of several greatest values, the last.
pub fn time_of_greatest(window: &Window<'_>) -> Option<f64> {
    time_of_best(window, |value, best| value >= best || best.is_nan())
}

/// Of several least values, the last.
pub fn time_of_least(window: &Window<'_>) -> Option<f64> {
    time_of_best(window, |value, best| value <= best || best.is_nan())
}

fn time_of_best(window: &Window<'_>, better: impl Fn(f64, f64) -> bool) -> Option<f64> {
    window.samples.iter().reduce(|best, sample| if better(sample.1, best.1) { sample } else { best }).map(time_s)
}
