//! What verbs print of the configuration: the rules in effect.

use serde_json::Value;

use crate::config::Loaded;
use crate::config::rules;

/// The rules in effect as a Prometheus rule file, or the same as JSON.
pub fn rules(loaded: &Loaded, as_json: bool) -> String {
    let text = rules::text(&loaded.configuration);
    if !as_json {
        return text;
    }
    let groups: Value = serde_norway::from_str(&text).unwrap_or_default(); // our own text, which Prometheus reads too
    format!("{groups}\n")
}
