//! How values stand in columns: labels and annotations as JSON objects with sorted keys, phases as words.

use std::collections::BTreeMap;

use crate::model::labels::Labels;
use crate::model::scope::Scope;
use crate::model::transition::Phase;

/// Labels as text; equal sets give equal text, so it serves as a key.
pub fn labels(labels: &Labels) -> String {
    map(&labels.to_map())
}

/// Annotations as text.
pub fn map(map: &BTreeMap<String, String>) -> String {
    serde_json::to_string(map).unwrap_or_default() // a map of texts cannot fail
}

/// # Errors
/// The column does not hold what `labels` wrote.
pub fn to_labels(text: &str) -> sqlx::Result<Labels> {
    to_map(text).map(Labels::new)
}

/// # Errors
/// The column does not hold what `map` wrote.
pub fn to_map(text: &str) -> sqlx::Result<BTreeMap<String, String>> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// # Errors
/// The column holds no phase.
pub fn to_phase(word: &str) -> sqlx::Result<Phase> {
    Phase::from_word(word).ok_or_else(|| sqlx::Error::Decode(format!("'{word}' is no phase").into()))
}

/// What a query's `(?1 IS NULL OR tenant IN (SELECT value FROM json_each(?1)))` takes: null for all tenants.
pub fn tenants(scope: &Scope) -> Option<String> {
    scope.tenants().map(|some| serde_json::to_string(some).unwrap_or_default())
}

/// A number that may be none: SQLite keeps NaN as null.
pub fn to_number(value: Option<f64>) -> f64 {
    value.unwrap_or(f64::NAN)
}

/// A limit as SQLite counts.
pub fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
