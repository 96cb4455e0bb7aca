//! Groups: what follows for whom when an alert begins or ends. Pure; the state keeps what it decides.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::alert::config::Config;
use crate::alert::route;
use crate::model::finding::Severity;
use crate::model::labels::Labels;
use crate::model::transition::{Phase, Transition};
use crate::state::outbox::{Alert, Notice, Place};

/// What makes an alert the same alert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertId {
    pub tenant: String,
    pub rule: String,
    pub labels: Labels,
}

impl AlertId {
    pub fn of(one: &Transition) -> AlertId {
        AlertId { tenant: one.tenant.clone(), rule: one.rule.clone(), labels: one.labels.clone() }
    }
}

/// Which groups hold which firing alerts. A group that was told of a beginning will be told of the end, whatever the
/// routes say by then; an alert that a group holds is never told as new.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    held: BTreeMap<AlertId, Vec<Held>>,
}

#[derive(Clone, Debug)]
struct Held {
    place: Arc<Place>,
    annotations: BTreeMap<String, String>,
    starts_ms: i64,
}

impl Groups {
    /// From what the state has kept.
    pub fn restore(members: Vec<Notice>) -> Groups {
        let mut groups = Groups::default();
        for Notice { place, alert } in members {
            let id = AlertId { tenant: place.tenant.clone(), rule: alert.rule, labels: alert.labels };
            let held = Held { place, annotations: alert.annotations, starts_ms: alert.starts_ms };
            groups.held.entry(id).or_default().push(held);
        }
        groups
    }

    /// What is to be told after a transition, in the order of telling.
    pub fn apply(&mut self, config: &Config, one: &Transition) -> Vec<Notice> {
        match one.to {
            Phase::Firing if pages(one) => self.begin(config, one),
            Phase::Resolved | Phase::Inactive => self.end(one),
            Phase::Firing | Phase::Pending => Vec::new(),
        }
    }

    fn begin(&mut self, config: &Config, one: &Transition) -> Vec<Notice> {
        let held = self.held.entry(AlertId::of(one)).or_default();
        let mut notices = Vec::new();
        for place in route::places(config, &one.tenant, &one.labels) {
            if held.iter().any(|other| other.place.outlet == place.outlet) {
                continue;
            }
            let place = Arc::new(place);
            let annotations = one.annotations.clone();
            held.push(Held { place: place.clone(), annotations: annotations.clone(), starts_ms: one.at_ms });
            notices.push(Notice { place, alert: alert(one, annotations, one.at_ms, None) });
        }
        if held.is_empty() {
            self.held.remove(&AlertId::of(one));
        }
        notices
    }

    fn end(&mut self, one: &Transition) -> Vec<Notice> {
        let held = self.held.remove(&AlertId::of(one)).unwrap_or_default();
        let told = |Held { place, annotations, starts_ms }| {
            let annotations = if one.annotations.is_empty() { annotations } else { one.annotations.clone() };
            Notice { place, alert: alert(one, annotations, starts_ms, Some(one.at_ms)) }
        };
        held.into_iter().map(told).collect()
    }

    /// How many alerts some group holds.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

fn alert(one: &Transition, annotations: BTreeMap<String, String>, starts_ms: i64, ends_ms: Option<i64>) -> Alert {
    Alert { rule: one.rule.clone(), labels: one.labels.clone(), annotations, starts_ms, ends_ms }
}

/// Whether anybody is to be called: not for servers that were merely found, and not for what is good to know.
pub fn pages(one: &Transition) -> bool {
    !one.discovered && one.labels.value("severity") != Severity::Info.word()
}

/// Whether a transition is of an alert that must reach people even if it cannot be recorded.
pub fn is_critical(one: &Transition) -> bool {
    one.labels.value("severity") == Severity::Critical.word()
}

/// Merges the transitions of each alert into its last state, as the outbox does: the last one, and where that ended
/// what fired just before it, the beginning too. Order stays.
pub fn coalesce(transitions: &mut Vec<Transition>) {
    let mut seen: HashMap<AlertId, (usize, Phase)> = HashMap::new();
    let mut kept: Vec<Transition> = Vec::with_capacity(transitions.len());
    for one in transitions.drain(..).rev() {
        let id = AlertId::of(&one);
        match seen.get(&id) {
            None => {
                seen.insert(id, (1, one.to));
                kept.push(one);
            }
            Some((1, Phase::Resolved | Phase::Inactive)) if one.to == Phase::Firing => {
                seen.insert(id, (2, one.to));
                kept.push(one);
            }
            Some(_) => {}
        }
    }
    kept.reverse();
    *transitions = kept;
}
