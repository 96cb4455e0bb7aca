//! Routes: who hears of an alert, and in which group.

use crate::alert::config::Config;
use crate::model::labels::Labels;
use crate::state::outbox::Place;

/// Who hears of everything. Children, each with matchers and a receiver of its own, hang here when they come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub receiver: String,
    pub group_by: GroupBy,
}

/// Which labels alerts must agree in to be told together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// Every alert is a group of its own: `"..."`.
    All,
    Names(Vec<String>),
}

impl Default for GroupBy {
    fn default() -> GroupBy {
        GroupBy::new(&["tenant", "target", "alertname"].map(str::to_string))
    }
}

impl GroupBy {
    /// `tenant` is added, so that no message ever mixes tenants.
    pub fn new(names: &[String]) -> GroupBy {
        if names.iter().any(|name| name == "...") {
            return GroupBy::All;
        }
        let mut all = names.to_vec();
        all.push("tenant".to_string());
        all.sort();
        all.dedup();
        GroupBy::Names(all)
    }

    /// The labels that a group of this alert has in common.
    pub fn labels(&self, alert: &Labels) -> Labels {
        match self {
            GroupBy::All => alert.clone(),
            GroupBy::Names(names) => alert.filtered(|name| names.iter().any(|one| one == name)),
        }
    }
}

/// Where an alert is told: one place for each outlet that its route leads to.
pub fn places(config: &Config, tenant: &str, labels: &Labels) -> Vec<Place> {
    let Some(route) = &config.route else { return Vec::new() };
    // The tenant a transition belongs to counts, whatever its labels say.
    let group = route.group_by.labels(&labels.with("tenant", tenant));
    let place = |outlet| Place { outlet, key: key(&group), tenant: tenant.to_string(), labels: group.clone() };
    config.outlets_of(&route.receiver).into_iter().map(place).collect()
}

/// As Alertmanager writes it: the route's matchers, a colon, the group's labels.
fn key(group: &Labels) -> String {
    let labels: Vec<String> = group.iter().map(|label| format!("{}={:?}", label.name, label.value)).collect();
    format!("{{}}:{{{}}}", labels.join(", "))
}
