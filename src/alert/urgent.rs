//! Critical alerts that could not be recorded: they go out from memory, marked so, each once until it arrives.

use std::collections::VecDeque;

use crate::alert::groups::{AlertId, is_critical};
use crate::model::transition::{Phase, Transition};
use crate::state::outbox::{Alert, Place};

/// The most that waits in memory for one outlet; beyond it the oldest goes.
const LETTERS_MAX: usize = 1000;

/// An alert on its way past the state.
#[derive(Clone, Debug)]
pub struct Urgent {
    pub id: AlertId,
    pub place: Place,
    pub alert: Alert,
    pub failures: u32,
    pub next_ms: i64,
}

impl Urgent {
    /// For a transition that people must hear of even unrecorded; `None` for all others.
    pub fn of(one: &Transition, place: Place) -> Option<Urgent> {
        let ends_ms = match one.to {
            Phase::Firing => None,
            Phase::Resolved => Some(one.at_ms),
            Phase::Pending | Phase::Inactive => return None,
        };
        let alert = Alert {
            rule: one.rule.clone(),
            labels: one.labels.clone(),
            annotations: one.annotations.clone(),
            starts_ms: if ends_ms.is_some() { one.since_ms } else { one.at_ms },
            ends_ms,
        };
        (is_critical(one) && !one.discovered).then(|| Urgent {
            id: AlertId::of(one),
            place,
            alert,
            failures: 0,
            next_ms: 0,
        })
    }
}

/// What one outlet is to be told past the state.
#[derive(Debug, Default)]
pub struct Urgents {
    letters: VecDeque<Urgent>,
}

impl Urgents {
    /// Says whether the oldest had to go for it.
    pub fn push(&mut self, urgent: Urgent) -> bool {
        let is_full = self.letters.len() >= LETTERS_MAX;
        if is_full {
            self.letters.pop_front();
        }
        self.letters.push_back(urgent);
        is_full
    }

    /// The first that may be sent now, taken out. A later one of the same alert waits behind it.
    pub fn take_due(&mut self, now_ms: i64) -> Option<Urgent> {
        let mut held: Vec<&AlertId> = Vec::new();
        let mut due = None;
        for (at, one) in self.letters.iter().enumerate() {
            if one.next_ms <= now_ms && !held.contains(&&one.id) {
                due = Some(at);
                break;
            }
            held.push(&one.id);
        }
        self.letters.remove(due?)
    }

    /// Puts back one that did not arrive, before later ones of the same alert.
    pub fn put_back(&mut self, urgent: Urgent) {
        self.letters.push_front(urgent);
    }

    /// When the next may be sent.
    pub fn next_ms(&self) -> Option<i64> {
        self.letters.iter().map(|one| one.next_ms).min()
    }

    /// Everything has been recorded after all, and goes the usual way.
    pub fn clear(&mut self) {
        self.letters.clear();
    }
}
