//! What verbs print of the configuration: the rules in effect.

use crate::config::Loaded;
use crate::config::rules;

/// The rules in effect as a Prometheus rule file.
pub fn rules(loaded: &Loaded) -> String {
    rules::text(&loaded.configuration)
}
