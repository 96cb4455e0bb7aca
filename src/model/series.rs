//! Series and samples: an identity given by the store, and (time, value) pairs. Staleness is Prometheus' own.

use crate::model::labels::Labels;

/// The identity of a series for as long as the store lives. Ids are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesId(pub u32);

/// One value of one series at one time (milliseconds since 1970, stored time).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    pub id: SeriesId,
    pub at_ms: i64,
    pub value: f64,
}

/// The bits of Prometheus' stale marker: "this series ended here".
pub const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The stale marker as a value. Compare with `is_stale`, never with `==`.
pub const STALE: f64 = f64::from_bits(STALE_BITS);

/// Whether a value is the stale marker, and not any other NaN.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

/// How far back an instant selector looks for a sample, as in Prometheus.
pub const LOOKBACK_MS: i64 = 5 * 60 * 1000;

/// The giver of identities. The store implements it for `sample` and `export`.
pub trait Series: Send + Sync {
    /// The id of a label set, made on first sight if there is still room for so many others as `spare` after it; else
    /// `None`, which the store counts. Whoever may have the last one leaves 0.
    fn id(&self, labels: &Labels, spare: usize) -> Option<SeriesId>;

    /// The labels behind an id. An unknown id gives the empty set.
    fn labels(&self, id: SeriesId) -> Labels;
}
