//! Sums, means, spreads, quantiles and lines, with Prometheus' order of operations and treatment of NaN and infinities.

use std::cmp::Ordering;

/// A sum with Neumaier's compensation for what rounding loses (Prometheus: util/kahansum).
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    pub sum: f64,
    pub lost: f64,
}

impl Sum {
    pub fn plus(self, value: f64) -> Sum {
        let total = self.sum + value;
        let lost = if total.is_infinite() {
            0.0
        } else if self.sum.abs() >= value.abs() {
            self.lost + ((self.sum - total) + value)
        } else {
            self.lost + ((value - total) + self.sum)
        };
        Sum { sum: total, lost }
    }

    pub fn scaled(self, factor: f64) -> Sum {
        Sum { sum: self.sum * factor, lost: self.lost * factor }
    }

    pub fn total(self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.lost }
    }
}

pub fn sum(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(Sum::default(), Sum::plus).total()
}

/// The mean. Where the sum would overflow it goes on with the mean so far, which cannot.
pub fn average(values: impl Iterator<Item = f64>) -> f64 {
    let mut kept = Sum::default();
    let mut count = 0.0;
    let mut by_mean = false;
    for value in values {
        count += 1.0;
        if !by_mean {
            let next = kept.plus(value);
            if count == 1.0 || !next.sum.is_infinite() {
                kept = next;
                continue;
            }
            by_mean = true;
            kept = Sum { sum: kept.sum / (count - 1.0), lost: kept.lost / (count - 1.0) };
        }
        if kept.sum.is_infinite() && (value.is_finite() || value == kept.sum) {
            continue;
        }
        kept = kept.scaled((count - 1.0) / count).plus(value / count);
    }
    if by_mean { kept.total() } else { kept.sum / count + kept.lost / count }
}

/// The population variance, by Welford's method.
pub fn variance(values: impl Iterator<Item = f64>) -> f64 {
    let mut count = 0.0;
    let (mut mean, mut squares) = (Sum::default(), Sum::default());
    for value in values {
        count += 1.0;
        let delta = value - (mean.sum + mean.lost);
        mean = mean.plus(delta / count);
        squares = squares.plus(delta * (value - (mean.sum + mean.lost)));
    }
    (squares.sum + squares.lost) / count
}

/// The smallest value; NaN only where every value is.
pub fn least(values: impl Iterator<Item = f64>) -> f64 {
    values.reduce(|least, value| if value < least || least.is_nan() { value } else { least }).unwrap_or(f64::NAN)
}

/// The greatest value; NaN only where every value is.
pub fn greatest(values: impl Iterator<Item = f64>) -> f64 {
    values.reduce(|most, value| if value > most || most.is_nan() { value } else { most }).unwrap_or(f64::NAN)
}

/// The `q`-quantile, interpolated between neighbours. NaN counts as the smallest value.
pub fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(|a, b| b.is_nan().cmp(&a.is_nan()).then(a.partial_cmp(b).unwrap_or(Ordering::Equal)));
    let last = (values.len() - 1) as f64;
    let rank = q * last;
    let lower = rank.floor().max(0.0);
    let upper = (lower + 1.0).min(last);
    let weight = rank - rank.floor();
    values[lower as usize] * (1.0 - weight) + values[upper as usize] * weight
}

/// Slope per second and value at `zero_ms` of the straight line through the samples, by least squares.
pub fn line(samples: &[(i64, f64)], zero_ms: i64) -> (f64, f64) {
    let Some(&(_, first)) = samples.first() else { return (f64::NAN, f64::NAN) };
    if samples.iter().all(|(_, value)| *value == first) {
        // Without this, rounding gives a constant series a slope.
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let (mut xs, mut ys) = (Sum::default(), Sum::default());
    let (mut products, mut squares) = (Sum::default(), Sum::default());
    for (at_ms, y) in samples {
        let x = (*at_ms as f64 - zero_ms as f64) / 1_000.0;
        xs = xs.plus(x);
        ys = ys.plus(*y);
        products = products.plus(x * y);
        squares = squares.plus(x * x);
    }
    let n = samples.len() as f64;
    let [xs, ys, products, squares] = [xs, ys, products, squares].map(|sum| sum.sum + sum.lost);
    let slope = (products - xs * ys / n) / (squares - xs * xs / n);
    (slope, ys / n - slope * xs / n)
}

/// The order of `bottomk` and `sort`: smallest first, NaN last.
pub fn ascending(a: f64, b: f64) -> Ordering {
    a.is_nan().cmp(&b.is_nan()).then(a.partial_cmp(&b).unwrap_or(Ordering::Equal))
}

/// The order of `topk` and `sort_desc`: greatest first, NaN last.
pub fn descending(a: f64, b: f64) -> Ordering {
    a.is_nan().cmp(&b.is_nan()).then(b.partial_cmp(&a).unwrap_or(Ordering::Equal))
}

/// A value as a label: the shortest digits that give it back, never with an exponent.
pub fn text(value: f64) -> String {
    if value == f64::INFINITY { "+Inf".to_string() } else { value.to_string().replace("inf", "Inf") }
}
