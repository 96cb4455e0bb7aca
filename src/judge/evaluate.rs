//! The judge: every rule, once per tenant on that tenant's series, each group at its own interval.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::judge::overlay::Overlay;
use crate::judge::rules::{Alerting, Group, Rule, Rules};
use crate::judge::state::{RULE_REMOVED, RuleState, Seen, Subject, TARGET_REMOVED};
use crate::judge::template::{Data, Template};
use crate::judge::thresholds::Unreachable;
use crate::model::catalogue::ALERTS;
use crate::model::labels::{Labels, NAME};
use crate::model::matcher::Matcher;
use crate::model::moment::Moment;
use crate::model::scope::Scope;
use crate::model::series::STALE;
use crate::model::transition::{Phase, Transition};
use crate::promql;
use crate::promql::{Limits, SeriesSamples, SeriesSource, Value, VectorSample};

/// The start of the ids of findings; what has it is not of this judge.
pub const FINDING: &str = "finding;";

/// Who is there: tenants, their targets, and whether a target was merely found; and whose an `instance` is, by tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster(pub BTreeMap<String, BTreeMap<String, bool>>, BTreeMap<(String, String), String>);

impl Roster {
    /// From tenant, target, and whether it was merely found.
    pub fn new<'a>(targets: impl IntoIterator<Item = (&'a str, &'a str, bool)>) -> Roster {
        let mut roster = Roster::default();
        for (tenant, target, discovered) in targets {
            roster.0.entry(tenant.to_string()).or_default().insert(target.to_string(), discovered);
        }
        roster
    }

    /// Adds what targets' label `instance` says: tenant, instance, target. Many rules keep that label alone.
    pub fn with_instances(mut self, instances: impl IntoIterator<Item = (String, String, String)>) -> Roster {
        self.1.extend(instances.into_iter().map(|(tenant, instance, target)| ((tenant, instance), target)));
        self
    }

    /// Whether a target is there; what names no target always is.
    pub fn has(&self, tenant: &str, target: &str) -> bool {
        target.is_empty() || self.0.get(tenant).is_some_and(|targets| targets.contains_key(target))
    }

    /// Whether a target was merely found. What names no target is so where nothing else is there.
    pub fn is_discovered(&self, tenant: &str, target: &str) -> bool {
        let Some(targets) = self.0.get(tenant) else { return false };
        match targets.get(target) {
            Some(discovered) => *discovered,
            None => target.is_empty() && !targets.is_empty() && targets.values().all(|discovered| *discovered),
        }
    }

    /// A result's labels with its tenant, and with the target that its `instance` tells.
    fn completed(&self, tenant: &str, labels: &Labels) -> Labels {
        let labels = labels.with("tenant", tenant);
        if labels.get("target").is_some() {
            return labels;
        }
        let instance = labels.value("instance").to_string();
        match self.1.get(&(tenant.to_string(), instance)) {
            Some(target) => labels.with("target", target),
            None => labels,
        }
    }
}

/// How to judge.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of groups that name none.
    pub interval: Duration,
    /// What one expression may cost.
    pub limits: Limits,
    /// The most results one rule may have for one tenant.
    pub instances_max: usize,
    /// `$externalLabels` of templates.
    pub external_labels: Labels,
    /// `$externalURL` of templates.
    pub external_url: String,
}

/// A rule that could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFailure {
    pub rule: Arc<str>,
    pub what: String,
}

/// What one evaluation brought.
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    pub transitions: Vec<Transition>,
    /// Points to be stored at `now`: recorded series, `ALERTS`, and stale markers for those that ended.
    pub recorded: Vec<(Labels, f64)>,
    /// Rules that failed when they were last evaluated, in this round or before it.
    pub failures: Vec<RuleFailure>,
    /// Thresholds that nothing can pass.
    pub unreachable: Vec<Unreachable>,
    /// Rules of which nothing that they select had a sample when they were last evaluated.
    pub without_data: usize,
    /// How many rules were evaluated in this round.
    pub rules: usize,
    /// Rounds of groups that were skipped since the last evaluation, because it came late.
    pub missed: usize,
}

/// Judges by rules. Holds every instance; knows no clock.
pub struct Judge {
    rules: Arc<Rules>,
    settings: Settings,
    roster: Roster,
    tenants: BTreeMap<String, Tenant>,
}

#[derive(Default)]
struct Tenant {
    /// By id of the rule.
    rules: BTreeMap<Arc<str>, RuleRecord>,
    /// When each group is due, by origin and name.
    due: BTreeMap<(String, String), Duration>,
    unreachable: Vec<Unreachable>,
}

/// What is kept of one rule for one tenant.
#[derive(Default)]
struct RuleRecord {
    state: RuleState,
    /// The series it wrote last time.
    written: BTreeSet<Labels>,
    failure: Option<String>,
    /// Nothing that it selects had a sample.
    lacks_data: bool,
}

impl Judge {
    pub fn new(rules: Arc<Rules>, roster: Roster, settings: Settings) -> Judge {
        Judge { rules, settings, roster, tenants: BTreeMap::new() }
    }

    /// Takes back what was pending or firing when the agent stopped; `gap` is for how long nothing was stored before
    /// `now`. Findings among them are left alone. What has no rule or target any more ends here.
    pub fn restore(&mut self, saved: Vec<Transition>, gap: Duration, now: Moment) -> Vec<Transition> {
        let mut changes = Vec::new();
        for one in saved.into_iter().filter(|one| !one.rule.starts_with(FINDING)) {
            let tenant = self.tenants.entry(one.tenant.clone()).or_default();
            let record = tenant.rules.entry(one.rule.as_str().into()).or_default();
            changes.extend(record.state.restore(one, gap, now));
        }
        // What was merely found is not known before it is found again: it ends with the first roster, if it is not there.
        changes.extend(self.prune(now, |one| !one.discovered));
        changes
    }

    /// When the next group of any tenant is due, as a time since start. Zero before a tenant's first evaluation, and never
    /// where there is no rule.
    pub fn next_due(&self) -> Duration {
        if self.rules.groups.is_empty() {
            return Duration::MAX;
        }
        let known = |tenant: &String| self.tenants.get(tenant).filter(|state| !state.due.is_empty());
        let each = self.roster.0.keys().map(|tenant| {
            known(tenant).map_or(Duration::ZERO, |state| state.due.values().min().copied().unwrap_or_default())
        });
        each.min().unwrap_or(Duration::MAX)
    }

    /// Whether any group is due.
    pub fn due(&self, now: Moment) -> bool {
        self.next_due() <= now.since_start
    }

    /// Evaluates the groups that are due for one tenant. `source` shows that tenant's series alone.
    pub fn evaluate(&mut self, tenant: &str, source: &dyn SeriesSource, now: Moment) -> Evaluation {
        let mut evaluation = Evaluation::default();
        if !self.roster.0.contains_key(tenant) {
            return evaluation;
        }
        let rules = Arc::clone(&self.rules);
        let state = self.tenants.entry(tenant.to_string()).or_default();
        let bench = Bench { tenant, source, settings: &self.settings, roster: &self.roster };
        for group in &rules.groups {
            let Some(planned) = take_turn(state, group, &self.settings, now, &mut evaluation.missed) else { continue };
            for rule in &group.rules {
                let record = state.rules.entry(Arc::clone(&rule.id)).or_default();
                // A rule that brings a fault of ours to light costs itself: the others' transitions must not be lost.
                let judged = AssertUnwindSafe(|| bench.rule(group, rule, record, planned, &mut evaluation));
                let outcome = catch_unwind(judged).unwrap_or_else(|_| Err("its evaluation panicked".to_string()));
                record.failure = outcome.err();
                evaluation.rules += 1;
            }
        }
        if evaluation.rules > 0 {
            let seen = rules.ceilings.iter().map(|one| one.unreachable(source, now.stored_ms, &self.settings.limits));
            state.unreachable = seen.filter_map(Result::ok).flatten().collect();
        }
        evaluation.unreachable.clone_from(&state.unreachable);
        evaluation.failures = state.failures();
        evaluation.without_data = state.rules.values().filter(|record| record.lacks_data).count();
        evaluation
    }

    /// What is pending or firing now, with fresh values and annotations.
    pub fn active(&self, scope: &Scope) -> Vec<Transition> {
        self.seen_by(scope).flat_map(|record| record.state.active()).cloned().collect()
    }

    /// What is pending, firing, or resolved less than 15 minutes ago.
    pub fn listing(&self, scope: &Scope) -> Vec<Transition> {
        self.seen_by(scope).flat_map(|record| record.state.listing()).cloned().collect()
    }

    /// Judges by other rules and for other targets from now on. A rule that is still there, by its id, keeps its
    /// instances; the others' resolve, as do those of targets that are gone.
    pub fn reload(&mut self, rules: Arc<Rules>, roster: Roster, now: Moment) -> Vec<Transition> {
        self.rules = rules;
        self.roster = roster;
        self.prune(now, |_| true)
    }

    /// As `reload`, with the rules as they are: for targets that are found or vanish.
    pub fn enlist(&mut self, roster: Roster, now: Moment) -> Vec<Transition> {
        self.reload(Arc::clone(&self.rules), roster, now)
    }

    /// Judges with other settings from now on.
    pub fn adjust(&mut self, settings: Settings) {
        self.settings = settings;
    }

    fn seen_by<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = &'a RuleRecord> {
        let tenants = self.tenants.iter().filter(|(tenant, _)| scope.sees(tenant));
        tenants.flat_map(|(_, state)| state.rules.values())
    }

    /// Ends what has no rule or no target any more, among the instances that `concerned` picks.
    fn prune(&mut self, now: Moment, concerned: impl Fn(&Transition) -> bool) -> Vec<Transition> {
        let known: BTreeSet<&str> = self.rules.each().map(|(_, rule)| &*rule.id).collect();
        let groups: BTreeSet<(&str, &str)> =
            self.rules.groups.iter().map(|group| (group.origin.as_str(), group.name.as_str())).collect();
        let roster = &self.roster;
        let mut changes = Vec::new();
        for (tenant, state) in &mut self.tenants {
            let is_gone = |one: &Transition| {
                concerned(one) && !(roster.0.contains_key(tenant) && roster.has(tenant, one.labels.value("target")))
            };
            for (rule, record) in &mut state.rules {
                changes.extend(record.state.end(TARGET_REMOVED, now, is_gone));
                if !known.contains(&**rule) {
                    changes.extend(record.state.end(RULE_REMOVED, now, |_| true));
                }
            }
            state.rules.retain(|rule, record| known.contains(&**rule) || !record.state.is_empty());
            state.due.retain(|(origin, name), _| groups.contains(&(origin.as_str(), name.as_str())));
            state.unreachable.retain(|one| roster.has(tenant, one.labels.value("target")));
        }
        self.tenants.retain(|tenant, state| roster.0.contains_key(tenant) || !state.rules.is_empty());
        changes
    }
}

impl Tenant {
    fn failures(&self) -> Vec<RuleFailure> {
        let failed = self.rules.iter().filter_map(|(rule, record)| Some((rule, record.failure.as_ref()?)));
        failed.map(|(rule, what)| RuleFailure { rule: Arc::clone(rule), what: what.clone() }).collect()
    }
}

/// The moment of a group's turn, if it has come. Turns stay on a grid of the group's interval, so that a few
/// milliseconds of lateness do not make `for` one round longer.
fn take_turn(
    tenant: &mut Tenant,
    group: &Group,
    settings: &Settings,
    now: Moment,
    missed: &mut usize,
) -> Option<Moment> {
    let interval = group.interval.unwrap_or(settings.interval).max(Duration::from_millis(1));
    let due = tenant.due.entry((group.origin.clone(), group.name.clone())).or_insert(now.since_start);
    let late = now.since_start.checked_sub(*due)?;
    let rounds = late.as_nanos() / interval.as_nanos();
    let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
    let planned = *due + interval.saturating_mul(rounds);
    *missed += rounds as usize;
    *due = planned + interval;
    Some(Moment { since_start: planned, ..now })
}

/// A source that notes whether there was anything of what it was asked for.
struct Noting<'a> {
    source: &'a dyn SeriesSource,
    asked: Cell<bool>,
    found: Cell<bool>,
}

impl SeriesSource for Noting<'_> {
    fn select(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
        samples_max: usize,
    ) -> Result<Vec<SeriesSamples>, String> {
        let selected = self.source.select(matchers, from_ms, to_ms, samples_max)?;
        self.asked.set(true);
        self.found.set(self.found.get() || !selected.is_empty());
        Ok(selected)
    }
}

/// What a rule is evaluated with.
struct Bench<'a> {
    tenant: &'a str,
    source: &'a dyn SeriesSource,
    settings: &'a Settings,
    roster: &'a Roster,
}

impl Bench<'_> {
    fn rule(
        &self,
        group: &Group,
        rule: &Rule,
        record: &mut RuleRecord,
        now: Moment,
        evaluation: &mut Evaluation,
    ) -> Result<(), String> {
        let offset_ms = i64::try_from(group.query_offset.as_millis()).unwrap_or(i64::MAX);
        let overlay = Overlay { source: self.source, points: &evaluation.recorded, at_ms: now.stored_ms };
        let at_ms = now.stored_ms.saturating_sub(offset_ms);
        let noting = Noting { source: &overlay, asked: Cell::new(false), found: Cell::new(false) };
        let value = promql::instant(&rule.expression, &noting, at_ms, &self.settings.limits);
        record.lacks_data = noting.asked.get() && !noting.found.get();
        let samples = self.samples(value.map_err(|error| error.to_string())?)?;
        let most = if group.limit == 0 { self.settings.instances_max } else { group.limit };
        if samples.len() > most.min(self.settings.instances_max) {
            return Err(format!("{} results are more than the limit of {most}", samples.len()));
        }
        let points = match &rule.alert {
            Some(alert) => {
                let seen = samples.iter().map(|sample| self.seen(rule, alert, sample)).collect();
                let subject = Subject { tenant: self.tenant, rule: &rule.id };
                evaluation.transitions.extend(record.state.step(subject, alert, unique(seen)?, now));
                record.state.active().map(|active| (alert_series(active), 1.0)).collect()
            }
            None => unique_points(samples.iter().map(|sample| self.point(rule, sample)))?,
        };
        record.write(points, &mut evaluation.recorded);
        Ok(())
    }

    /// Results with the tenant attached. Those of targets that are gone do not count, though ranges still see them.
    fn samples(&self, value: Value) -> Result<Vec<VectorSample>, String> {
        let samples = match value {
            Value::Vector(samples) => samples,
            Value::Scalar(value) => vec![VectorSample { labels: Labels::empty(), value }],
            Value::Text(_) | Value::Matrix(_) => return Err("the expression gives no single values".to_string()),
        };
        let completed = samples
            .into_iter()
            .map(|one| VectorSample { labels: self.roster.completed(self.tenant, &one.labels), value: one.value });
        Ok(completed.filter(|one| self.roster.has(self.tenant, one.labels.value("target"))).collect())
    }

    fn seen(&self, rule: &Rule, alert: &Alerting, sample: &VectorSample) -> Seen {
        let data = Data {
            labels: &sample.labels,
            value: sample.value,
            external_labels: &self.settings.external_labels,
            external_url: &self.settings.external_url,
        };
        let render = |pairs: &[(String, Template)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, template)| (name.clone(), template.render_or_say_why(&data))).collect()
        };
        let result = sample.labels.iter().map(|label| (label.name.to_string(), label.value.to_string()));
        let own = [
            (NAME.to_string(), String::new()),
            ("alertname".to_string(), rule.name.clone()),
            ("tenant".to_string(), self.tenant.to_string()),
        ];
        Seen {
            labels: Labels::new(result.chain(render(&rule.labels)).chain(own)),
            annotations: render(&alert.annotations).into_iter().collect(),
            value: sample.value,
            discovered: self.roster.is_discovered(self.tenant, sample.labels.value("target")),
        }
    }

    fn point(&self, rule: &Rule, sample: &VectorSample) -> (Labels, f64) {
        let result = sample.labels.iter().map(|label| (&*label.name, &*label.value));
        let given = rule.labels.iter().map(|(name, template)| (name.as_str(), template.text()));
        let own = [("tenant", self.tenant), (NAME, rule.name.as_str())];
        (Labels::new(result.chain(given).chain(own)), sample.value)
    }
}

impl RuleRecord {
    /// Writes a round's points, and stale markers for the series that are no more.
    fn write(&mut self, points: Vec<(Labels, f64)>, out: &mut Vec<(Labels, f64)>) {
        let written: BTreeSet<Labels> = points.iter().map(|(labels, _)| labels.clone()).collect();
        out.extend(self.written.difference(&written).map(|ended| (ended.clone(), STALE)));
        out.extend(points);
        self.written = written;
    }
}

fn alert_series(active: &Transition) -> Labels {
    let state = if active.to == Phase::Firing { "firing" } else { "pending" };
    active.labels.with("alertstate", state).with(NAME, ALERTS)
}

fn unique(seen: Vec<Seen>) -> Result<Vec<Seen>, String> {
    let distinct: BTreeSet<&Labels> = seen.iter().map(|one| &one.labels).collect();
    if distinct.len() == seen.len() {
        return Ok(seen);
    }
    Err("vector contains metrics with the same labelset after applying alert labels".to_string())
}

fn unique_points(points: impl Iterator<Item = (Labels, f64)>) -> Result<Vec<(Labels, f64)>, String> {
    let mut distinct = BTreeMap::new();
    for (labels, value) in points {
        if distinct.insert(labels, value).is_some() {
            return Err("vector contains metrics with the same labelset after applying rule labels".to_string());
        }
    }
    Ok(distinct.into_iter().collect())
}
