//! Rules without a producer: what they look at is measured by nobody here, so they can never fire.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::judge::rules::Rules;
use crate::model::catalogue::{ALERTS, Catalogue};

/// A rule that waits for series nobody makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unproduced {
    pub rule: Arc<str>,
    /// The names that nobody makes, in order.
    pub metrics: Vec<String>,
}

/// Series that the agent itself makes for every target.
const OWN: &[&str] = &["up", ALERTS];

/// The rules that name a metric which neither the catalogue, nor another rule, nor the agent itself makes.
pub fn unproduced(rules: &Rules, catalogue: &Catalogue) -> Vec<Unproduced> {
    let recorded: BTreeSet<&str> =
        rules.each().filter(|(_, rule)| rule.alert.is_none()).map(|(_, rule)| rule.name.as_str()).collect();
    let is_made = |name: &str| {
        OWN.contains(&name)
            || recorded.contains(name)
            || catalogue.find(name).is_some()
            || name.ends_with("_scrape_collector_success")
            || name.ends_with("_scrape_collector_duration_seconds")
    };
    let mut found = Vec::new();
    for (_, rule) in rules.each() {
        let names = rule.expression.selectors().into_iter().filter_map(|selector| selector.name);
        let metrics: BTreeSet<String> = names.filter(|name| !is_made(name)).collect();
        if !metrics.is_empty() {
            found.push(Unproduced { rule: Arc::clone(&rule.id), metrics: metrics.into_iter().collect() });
        }
    }
    found
}
