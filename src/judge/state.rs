//! One rule's instances: inactive → pending → firing → resolved, exactly as Prometheus counts. Pure; time is a parameter.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::judge::rules::Alerting;
use crate::model::duration;
use crate::model::labels::Labels;
use crate::model::moment::Moment;
use crate::model::series::LOOKBACK_MS;
use crate::model::transition::{Phase, Transition};

/// How long what resolved is still shown, as in Prometheus.
pub const RESOLVED_KEPT: Duration = Duration::from_secs(15 * 60);

/// Instances that end because nothing judges them any more say so with these words.
pub const TARGET_REMOVED: &str = "target removed";
pub const RULE_REMOVED: &str = "rule removed";

/// Beyond this gap the series themselves would have been absent for an expression.
const LOOKBACK: Duration = Duration::from_millis(LOOKBACK_MS.unsigned_abs());

/// One result of a rule's expression, labels and annotations already made.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub labels: Labels,
    pub annotations: BTreeMap<String, String>,
    pub value: f64,
    pub discovered: bool,
}

/// Whose results these are.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub tenant: &'a str,
    /// The rule's id.
    pub rule: &'a str,
}

/// Every instance of one rule for one tenant.
#[derive(Clone, Debug, Default)]
pub struct RuleState {
    instances: BTreeMap<Labels, Instance>,
}

#[derive(Clone, Debug)]
struct Instance {
    /// The last change; value and annotations are kept fresh while it lasts.
    last: Transition,
    held: Held,
    /// Since when the condition is absent while `keep_firing_for` keeps it firing.
    absent: Option<Held>,
    resolved: Option<Duration>,
    /// Until this moment absence proves nothing: the agent has watched for less long than it was away.
    trusted_until: Option<Duration>,
}

/// How long something lasts: `before` when it was first looked at (after a restart), and counted from there.
#[derive(Clone, Copy, Debug)]
struct Held {
    from: Duration,
    before: Duration,
}

impl Held {
    fn since(now: Moment) -> Held {
        Held { from: now.since_start, before: Duration::ZERO }
    }

    fn at(self, now: Moment) -> Duration {
        self.before + now.since_start.saturating_sub(self.from)
    }
}

impl Instance {
    fn turn(&mut self, to: Phase, now: Moment, reason: String) -> Transition {
        self.last.from = self.last.to;
        self.last.to = to;
        self.last.at_ms = now.stored_ms;
        self.last.reason = reason;
        self.last.clone()
    }

    fn is_active(&self) -> bool {
        matches!(self.last.to, Phase::Pending | Phase::Firing)
    }
}

impl RuleState {
    /// One evaluation: `seen` holds every series for which the condition holds, no label set twice.
    pub fn step(&mut self, subject: Subject<'_>, times: &Alerting, seen: Vec<Seen>, now: Moment) -> Vec<Transition> {
        let mut changes = Vec::new();
        let mut present = BTreeSet::new();
        for one in seen {
            present.insert(one.labels.clone());
            self.present(subject, times.hold, one, now, &mut changes);
        }
        for (labels, instance) in &mut self.instances {
            if instance.is_active() && !present.contains(labels) {
                changes.extend(instance.absent(times, now));
            }
        }
        self.forget(now);
        changes
    }

    fn present(&mut self, subject: Subject<'_>, hold: Duration, seen: Seen, now: Moment, out: &mut Vec<Transition>) {
        let Seen { labels, annotations, value, discovered } = seen;
        let instance = match self.instances.get_mut(&labels) {
            Some(instance) if instance.is_active() => {
                instance.last.annotations = annotations;
                instance.last.value = value;
                instance.last.discovered = discovered;
                instance.absent = None;
                instance.trusted_until = None;
                instance
            }
            _ => {
                let begun = Transition {
                    tenant: subject.tenant.to_string(),
                    rule: subject.rule.to_string(),
                    labels: labels.clone(),
                    annotations,
                    from: Phase::Inactive,
                    to: Phase::Inactive,
                    at_ms: now.stored_ms,
                    since_ms: now.stored_ms,
                    value,
                    reason: String::new(),
                    discovered,
                };
                let mut instance =
                    Instance { last: begun, held: Held::since(now), absent: None, resolved: None, trusted_until: None };
                if !hold.is_zero() {
                    let reason = format!("condition holds, fires after {}", duration::format(hold));
                    out.push(instance.turn(Phase::Pending, now, reason));
                }
                self.instances.entry(labels).insert_entry(instance).into_mut()
            }
        };
        if instance.last.to != Phase::Firing && instance.held.at(now) >= hold {
            let reason = match hold {
                Duration::ZERO => "condition holds".to_string(),
                hold => format!("held for {}", duration::format(hold)),
            };
            out.push(instance.turn(Phase::Firing, now, reason));
        }
    }

    /// Ends every instance that `ends` picks, with that reason.
    pub fn end(&mut self, reason: &str, now: Moment, ends: impl Fn(&Transition) -> bool) -> Vec<Transition> {
        let mut changes = Vec::new();
        for instance in self.instances.values_mut() {
            if instance.is_active() && ends(&instance.last) {
                changes.push(instance.cease(now, reason.to_string()));
            }
        }
        self.forget(now);
        changes
    }

    /// Takes back an instance that was pending or firing when the agent stopped, `gap` ago. A gap that a selector would
    /// look across counts as watched. A longer one: what was pending begins anew, and what was firing is not taken for
    /// resolved before the agent has watched as long as it was away, at most the lookback.
    pub fn restore(&mut self, saved: Transition, gap: Duration, now: Moment) -> Vec<Transition> {
        let before_ms = u64::try_from(now.stored_ms.saturating_sub(saved.since_ms)).unwrap_or(0);
        let mut instance = Instance {
            held: Held { from: now.since_start, before: Duration::from_millis(before_ms) },
            absent: None,
            resolved: None,
            trusted_until: Some(now.since_start + gap.min(LOOKBACK)),
            last: saved,
        };
        match instance.last.to {
            Phase::Pending if gap > LOOKBACK => {
                let reason = format!("not watched for {}", duration::format(Duration::from_secs(gap.as_secs())));
                vec![instance.cease(now, reason)]
            }
            Phase::Pending | Phase::Firing => {
                self.instances.insert(instance.last.labels.clone(), instance);
                Vec::new()
            }
            Phase::Inactive | Phase::Resolved => Vec::new(),
        }
    }

    /// The last change of every instance that is still kept: pending, firing, and for 15 minutes resolved.
    pub fn listing(&self) -> impl Iterator<Item = &Transition> {
        self.instances.values().map(|instance| &instance.last)
    }

    /// Those that are pending or firing.
    pub fn active(&self) -> impl Iterator<Item = &Transition> {
        self.instances.values().filter(|instance| instance.is_active()).map(|instance| &instance.last)
    }

    pub fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }

    fn forget(&mut self, now: Moment) {
        self.instances.retain(|_, instance| match instance.resolved {
            Some(at) => now.since_start.saturating_sub(at) <= RESOLVED_KEPT,
            None => instance.is_active(),
        });
    }
}

impl Instance {
    /// The condition is not there in this evaluation.
    fn absent(&mut self, times: &Alerting, now: Moment) -> Option<Transition> {
        if self.trusted_until.is_some_and(|until| now.since_start < until) {
            return None;
        }
        if self.last.to == Phase::Firing && !times.keep_firing.is_zero() {
            let absent = *self.absent.get_or_insert(Held::since(now));
            if absent.at(now) < times.keep_firing {
                return None;
            }
        }
        let reason = match self.last.to {
            Phase::Pending => format!("condition ceased before {}", duration::format(times.hold)),
            _ => "condition ceased".to_string(),
        };
        Some(self.cease(now, reason))
    }

    /// What was firing resolves, what was pending is no more.
    fn cease(&mut self, now: Moment, reason: String) -> Transition {
        if self.last.to == Phase::Firing {
            self.resolved = Some(now.since_start);
            self.turn(Phase::Resolved, now, reason)
        } else {
            self.turn(Phase::Inactive, now, reason)
        }
    }
}
