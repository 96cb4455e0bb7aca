//! PromQL: expressions over a `SeriesSource`. Values, not strings; no clock inside.

use crate::model::labels::Labels;
use crate::model::matcher::Matcher;

/// The samples of one series within a time range, in ascending order, stale markers included.
#[derive(Clone, Debug)]
pub struct SeriesSamples {
    pub labels: Labels,
    pub samples: Vec<(i64, f64)>,
}

/// Where an expression's series come from. The store's scoped view implements it, and tests' tables.
pub trait SeriesSource {
    /// All series that pass every matcher and have a sample in `from_ms < at <= to_ms`, sorted by labels.
    /// A source stops and says so once more than `samples_max` samples would be read.
    ///
    /// # Errors
    /// What could not be read, as a sentence; or that the limit was passed.
    fn select(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
        samples_max: usize,
    ) -> Result<Vec<SeriesSamples>, String>;
}
