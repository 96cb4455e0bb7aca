//! Thinning: of old samples the last raw one of each five minutes stays, so that counters stay counters.

use crate::model::series::{LOOKBACK_MS, is_stale};

/// The grid of thinned history.
pub const GRID_MS: i64 = 5 * 60 * 1000;

/// Keeps of a series' samples, ordered by time, the last of each five minutes, and the markers at which it ended. Where
/// cycles drift and two kept samples would stand farther apart than a query looks back, the last between them that bridges
/// the gap stays as well: thinning makes no gap that was not there.
pub fn thin(samples: &[(i64, f64)]) -> Vec<(i64, f64)> {
    let mut kept: Vec<(i64, f64)> = Vec::new();
    for (place, (at_ms, value)) in samples.iter().enumerate() {
        let keep = if is_stale(*value) {
            !kept.last().is_some_and(|(_, last)| is_stale(*last))
        } else {
            match samples.get(place + 1) {
                None => true,
                Some((next_ms, next)) => {
                    is_stale(*next)
                        || next_ms.div_euclid(GRID_MS) != at_ms.div_euclid(GRID_MS)
                        || kept.last().is_some_and(|(last_ms, _)| next_ms.saturating_sub(*last_ms) > LOOKBACK_MS)
                }
            }
        };
        if keep {
            kept.push((*at_ms, *value));
        }
    }
    kept
}
