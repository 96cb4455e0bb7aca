//! A source with points laid over it that the store does not have yet: what earlier rules of this evaluation recorded.

use crate::model::labels::Labels;
use crate::model::matcher::Matcher;
use crate::promql::{SeriesSamples, SeriesSource};

/// `source`, and one more sample for each of `points` at `at_ms`.
pub struct Overlay<'a> {
    pub source: &'a dyn SeriesSource,
    pub points: &'a [(Labels, f64)],
    pub at_ms: i64,
}

impl SeriesSource for Overlay<'_> {
    fn select(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
        samples_max: usize,
    ) -> Result<Vec<SeriesSamples>, String> {
        let mut found = self.source.select(matchers, from_ms, to_ms, samples_max)?;
        if self.at_ms <= from_ms || self.at_ms > to_ms {
            return Ok(found);
        }
        for (labels, value) in self.points {
            if !matchers.iter().all(|matcher| matcher.accepts_labels(labels)) {
                continue;
            }
            let sample = (self.at_ms, *value);
            match found.binary_search_by(|series| series.labels.cmp(labels)) {
                Ok(at) => {
                    let samples = &mut found[at].samples;
                    samples.retain(|(at_ms, _)| *at_ms < self.at_ms);
                    samples.push(sample);
                }
                Err(at) => found.insert(at, SeriesSamples { labels: labels.clone(), samples: vec![sample] }),
            }
        }
        Ok(found)
    }
}
