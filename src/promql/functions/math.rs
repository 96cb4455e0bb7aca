//! Functions of one value. NaN and infinities go through as in Prometheus.

/// `asinh`, odd also near zero, where the library's own loses the sign of zero's neighbours.
pub fn asinh(value: f64) -> f64 {
    value.abs().asinh().copysign(value)
}

/// 1, -1, or the zero or NaN that was given.
pub fn sign(value: f64) -> f64 {
    if value < 0.0 {
        -1.0
    } else if value > 0.0 {
        1.0
    } else {
        value
    }
}

/// The greater; NaN where either is.
pub fn greater(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// The smaller; NaN where either is.
pub fn smaller(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }
}

/// Between the limits; nothing where they leave no room.
pub fn clamp(value: f64, limits: &[f64]) -> Option<f64> {
    let (least, most) = (*limits.first()?, *limits.get(1)?);
    if most < least { None } else { Some(greater(least, smaller(most, value))) }
}

pub fn clamp_min(value: f64, limits: &[f64]) -> Option<f64> {
    limits.first().map(|least| greater(*least, value))
}

pub fn clamp_max(value: f64, limits: &[f64]) -> Option<f64> {
    limits.first().map(|most| smaller(*most, value))
}

/// To the nearest multiple, ties upwards. Divides by the inverse, so that 0.1 behaves as people expect.
pub fn round(value: f64, nearest: &[f64]) -> Option<f64> {
    let inverse = 1.0 / nearest.first().copied().unwrap_or(1.0);
    Some((value * inverse + 0.5).floor() / inverse)
}
