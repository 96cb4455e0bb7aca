//! Findings: what the pipeline saw with its own eyes (a target down, a row unread, a store that cannot write) as alerts.
//!
//! A finding is an instance like those of rules: it is pending for the hold of its sort, fires, resolves, and survives a
//! restart. Each fact speaks for a whole subject, so whatever it no longer says ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::judge::changes;
use crate::judge::evaluate::{FINDING, Roster, RuleFailure};
use crate::judge::producers::Unproduced;
use crate::judge::rules::Alerting;
use crate::judge::state::{RuleState, Seen, Subject, TARGET_REMOVED};
use crate::judge::thresholds::Unreachable;
use crate::model::fault::Fault;
use crate::model::finding::{Finding, Severity};
use crate::model::labels::Labels;
use crate::model::moment::Moment;
use crate::model::reading::{RowReading, Unknown, UnknownKind};
use crate::model::scope::Scope;
use crate::model::target::DEFAULT_TENANT;
use crate::model::transition::{Phase, Transition};

/// The most findings held at once; further ones are counted and not raised.
pub const FINDINGS_MAX: usize = 10_000;

/// The longest evidence that is kept, in characters.
const EVIDENCE_MAX: usize = 1_000;

/// A sort of finding.
#[derive(Debug)]
pub struct Sort {
    /// Its name, which is the name of the alert.
    pub kind: &'static str,
    pub severity: Severity,
    /// How long it must last. `TargetDown` takes `target_down_for` of the configuration.
    pub hold: Duration,
    /// How long it must be gone before it resolves: for what is seen from time to time.
    pub keep: Duration,
    /// The label that tells several of one target apart; empty where there is one at most.
    pub subject: &'static str,
    /// Why it ended, when it did not last.
    pub ended: &'static str,
}

pub const AT_ONCE: Duration = Duration::ZERO;

pub static TARGET_DOWN: Sort = Sort {
    kind: "TargetDown",
    severity: Severity::Critical,
    hold: Duration::from_secs(60),
    keep: AT_ONCE,
    subject: "",
    ended: "the target answers again",
};
pub static TLS_NOT_VERIFIED: Sort = Sort {
    kind: "TlsNotVerified",
    severity: Severity::Warning,
    hold: AT_ONCE,
    keep: AT_ONCE,
    subject: "",
    ended: "the connection is verified",
};
/// A row that fails for two minutes. It stays `info`: the target is watched, one thing of it is not, and a missing
/// privilege may be meant. A row that this server cannot have is no finding.
pub static READING_FAILED: Sort = Sort {
    kind: "ReadingFailed",
    severity: Severity::Info,
    hold: Duration::from_secs(120),
    keep: AT_ONCE,
    subject: "row",
    ended: "the row was read",
};
pub static STORE_NOT_WRITING: Sort = Sort {
    kind: "StoreNotWriting",
    severity: Severity::Critical,
    hold: AT_ONCE,
    keep: AT_ONCE,
    subject: "",
    ended: "the store writes again",
};
pub static STORE_DAMAGED: Sort = Sort {
    kind: "StoreDamaged",
    severity: Severity::Warning,
    hold: AT_ONCE,
    keep: AT_ONCE,
    subject: "file",
    ended: "the file is gone",
};
pub static SERIES_REFUSED: Sort = Sort {
    kind: "SeriesRefused",
    severity: Severity::Warning,
    hold: AT_ONCE,
    keep: Duration::from_secs(15 * 60),
    subject: "",
    ended: "no series was refused",
};
pub static AGENT_OVER_BUDGET: Sort = Sort {
    kind: "AgentOverBudget",
    severity: Severity::Warning,
    hold: AT_ONCE,
    // The governor itself neither comes nor goes at once.
    keep: AT_ONCE,
    subject: "",
    ended: "the agent is within its budget and asks everything again",
};
pub static EXPORT_FAILING: Sort = Sort {
    kind: "ExportFailing",
    severity: Severity::Warning,
    hold: Duration::from_secs(5 * 60),
    keep: AT_ONCE,
    subject: "",
    ended: "the collector takes what it is sent",
};
pub static CERTIFICATE_REFUSED: Sort = Sort {
    kind: "CertificateRefused",
    severity: Severity::Warning,
    // Certificate and key are two files, and nobody writes both at once.
    hold: Duration::from_secs(30),
    keep: AT_ONCE,
    subject: "",
    ended: "the certificate and key of the files are in use",
};
pub static CONFIGURATION_INVALID: Sort = Sort {
    kind: "ConfigurationInvalid",
    severity: Severity::Warning,
    hold: AT_ONCE,
    keep: AT_ONCE,
    subject: "",
    ended: "the configuration is valid",
};
pub static NOTIFICATION_GIVEN_UP: Sort = Sort {
    kind: "NotificationGivenUp",
    severity: Severity::Warning,
    hold: AT_ONCE,
    keep: AT_ONCE,
    subject: "receiver",
    ended: "the receiver was reached",
};
pub static RULE_FAILED: Sort = Sort {
    kind: "RuleEvaluationFailed",
    severity: Severity::Warning,
    hold: AT_ONCE,
    keep: AT_ONCE,
    subject: "rule",
    ended: "the rule was evaluated",
};
pub static RULE_WITHOUT_PRODUCER: Sort = Sort {
    kind: "RuleWithoutProducer",
    severity: Severity::Info,
    hold: AT_ONCE,
    keep: AT_ONCE,
    subject: "rule",
    ended: "the rule has what it looks at, or is gone",
};
pub static THRESHOLD_UNREACHABLE: Sort = Sort {
    kind: "ThresholdUnreachable",
    severity: Severity::Info,
    hold: AT_ONCE,
    keep: AT_ONCE,
    subject: "threshold",
    ended: "the threshold can be passed",
};

/// Every sort, in the order of the manual.
pub static SORTS: &[&Sort] = &[
    &TARGET_DOWN,
    &TLS_NOT_VERIFIED,
    &READING_FAILED,
    &STORE_NOT_WRITING,
    &STORE_DAMAGED,
    &SERIES_REFUSED,
    &AGENT_OVER_BUDGET,
    &EXPORT_FAILING,
    &CERTIFICATE_REFUSED,
    &CONFIGURATION_INVALID,
    &NOTIFICATION_GIVEN_UP,
    &RULE_FAILED,
    &RULE_WITHOUT_PRODUCER,
    &THRESHOLD_UNREACHABLE,
    &changes::CHANGE_UNCLEAR,
    &changes::CHANGE_UNSETTLED,
    &changes::UNDO_OVERDUE,
    &changes::CHANGE_FAILED,
    &changes::UNDO_REFUSED,
];

/// Of whom a fact speaks.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    pub tenant: &'a str,
    /// Empty for the agent itself.
    pub target: &'a str,
    pub instance: &'a str,
    pub job: &'a str,
    pub discovered: bool,
}

impl Who<'_> {
    /// The agent itself, which belongs to the default tenant.
    pub const AGENT: Who<'static> =
        Who { tenant: DEFAULT_TENANT, target: "", instance: "", job: "", discovered: false };
}

/// What the pipeline saw. Facts about lists give the whole list: what it lacks has ended.
#[derive(Clone, Copy, Debug)]
pub enum Fact<'a> {
    /// A cycle of a target ended; `rows` are those that were read in it.
    Cycle { who: Who<'a>, up: bool, fault: Option<&'a Fault>, rows: &'a [RowReading] },
    /// What is not encrypted or not verified about a target's connection, if anything.
    Tls { who: Who<'a>, why: Option<&'a str> },
    /// Why the store cannot write, if so.
    Store { why: Option<&'a str> },
    /// Files that the store set aside or cut, each with what is wrong with it.
    StoreDamage { files: &'a [(String, String)] },
    /// Why new series of a target, or of the agent itself, are refused, if any were since the last such fact.
    SeriesRefused { who: Who<'a>, why: Option<&'a str> },
    /// What the agent does without because it used too much, if so.
    OverBudget { why: Option<&'a str> },
    /// Why nothing that is pushed arrives, if so.
    Export { why: Option<&'a str> },
    /// Why the agent's own new certificate is not in use, if so.
    Certificate { why: Option<&'a str> },
    /// The faults of the configuration that was refused; none after one was taken.
    Configuration { faults: &'a [Fault] },
    /// Receivers that notifications were given up for: tenant, name, and what the last attempt said.
    GivenUp { receivers: &'a [(String, String, String)] },
    /// The rules of a tenant that cannot be evaluated, and its thresholds that cannot be passed.
    Rules { tenant: &'a str, failures: &'a [RuleFailure], unreachable: &'a [Unreachable] },
    /// The rules that look at what nobody measures.
    Unproduced { rules: &'a [Unproduced] },
}

/// What is said of one subject.
pub struct Claim {
    summary: String,
    evidence: String,
    remedy: String,
}

impl Claim {
    pub fn new(summary: impl Into<String>, evidence: impl Into<String>, remedy: impl Into<String>) -> Claim {
        Claim { summary: cut(&summary.into()), evidence: cut(&evidence.into()), remedy: cut(&remedy.into()) }
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= EVIDENCE_MAX {
        return text.to_string();
    }
    text.chars().take(EVIDENCE_MAX).chain(['…']).collect()
}

/// A finding's identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    kind: &'static str,
    tenant: String,
    target: String,
    subject: String,
}

/// The findings that stand.
#[derive(Debug)]
pub struct Findings {
    target_down_for: Duration,
    states: BTreeMap<Place, RuleState>,
    refused: u64,
}

impl Findings {
    pub fn new(target_down_for: Duration) -> Findings {
        Findings { target_down_for, states: BTreeMap::new(), refused: 0 }
    }

    /// Takes in one fact, and says what changed by it.
    pub fn observe(&mut self, fact: Fact<'_>, now: Moment) -> Vec<Transition> {
        match fact {
            Fact::Cycle { who, up, fault, rows } => self.cycle(who, up, fault, rows, now),
            Fact::Tls { who, why } => {
                let claim = why.map(|why| {
                    let remedy = "Give the target a URL with TLS, and `ca_file` if its authority is your own.";
                    Claim::new(format!("the connection to {} is not verified", who.target), why, remedy)
                });
                self.say(&TLS_NOT_VERIFIED, who, "", claim, now)
            }
            Fact::Store { why } => {
                let claim = why.map(|why| {
                    let remedy = "Free space in state_dir, or lower [store].max_bytes. Targets are watched meanwhile.";
                    Claim::new("the history cannot be written", why, remedy)
                });
                self.say(&STORE_NOT_WRITING, Who::AGENT, "", claim, now)
            }
            Fact::SeriesRefused { who, why } => {
                let remedy = "Find the label with too many values, or raise the limit on series.";
                let of = if who.target.is_empty() { String::new() } else { format!(" of {}", who.target) };
                let claim = why.map(|why| Claim::new(format!("new series{of} are refused"), why, remedy));
                self.say(&SERIES_REFUSED, who, "", claim, now)
            }
            Fact::OverBudget { why } => {
                let remedy = "Watch less ([sample] skip, interval, series_max_per_row), or raise [sample] cpu_max_cores \
                              and memory_max. Whether targets answer is still looked at as often.";
                let claim = why.map(|why| Claim::new("the agent is over its budget and asks less", why, remedy));
                self.say(&AGENT_OVER_BUDGET, Who::AGENT, "", claim, now)
            }
            Fact::Export { why } => {
                let remedy =
                    "Does the collector run, and does it take OTLP over HTTP with these headers? Sampling goes on.";
                let claim = why.map(|why| Claim::new("the collector takes nothing", why, remedy));
                self.say(&EXPORT_FAILING, Who::AGENT, "", claim, now)
            }
            Fact::Certificate { why } => {
                let remedy = "The old one stays in use until it ends: write a certificate and its own key.";
                let claim = why.map(|why| Claim::new("the agent's new certificate cannot be used", why, remedy));
                self.say(&CERTIFICATE_REFUSED, Who::AGENT, "", claim, now)
            }
            Fact::StoreDamage { files } => {
                let remedy = "The samples in it are lost; look at the disk's health, then delete the file.";
                let claim = |what: &str, file: &str| Claim::new(format!("{file} is damaged"), what, remedy);
                let all = files.iter().map(|(file, what)| (Who::AGENT, file.as_str(), claim(what, file)));
                self.say_all(&STORE_DAMAGED, None, all, now)
            }
            Fact::Configuration { faults } => {
                self.say(&CONFIGURATION_INVALID, Who::AGENT, "", configuration(faults), now)
            }
            Fact::GivenUp { receivers } => {
                let remedy = "Look at the receiver's address and secret, and at what it last answered.";
                let all = receivers.iter().map(|(tenant, name, what)| {
                    let claim = Claim::new(format!("notifications to {name} were given up"), what, remedy);
                    (Who { tenant, ..Who::AGENT }, name.as_str(), claim)
                });
                self.say_all(&NOTIFICATION_GIVEN_UP, None, all, now)
            }
            Fact::Rules { tenant, failures, unreachable } => self.rules(tenant, failures, unreachable, now),
            Fact::Unproduced { rules } => {
                let all = rules.iter().map(|one| (Who::AGENT, &*one.rule, unproduced(one)));
                self.say_all(&RULE_WITHOUT_PRODUCER, None, all, now)
            }
        }
    }

    /// Takes back the findings among what was active when the agent stopped. They stand until a fact ends them.
    pub fn restore(&mut self, saved: Vec<Transition>, now: Moment) -> Vec<Transition> {
        let mut changes = Vec::new();
        for mut one in saved {
            // A hold that was under way begins anew: nobody looked while the agent was off.
            if one.to == Phase::Pending {
                one.since_ms = now.stored_ms;
            }
            let kind = one.rule.strip_prefix(FINDING);
            let Some(sort) = kind.and_then(|kind| SORTS.iter().find(|sort| sort.kind == kind)) else { continue };
            let who = Who { tenant: &one.tenant, target: one.labels.value("target"), ..Who::AGENT };
            let place = place(sort, who, one.labels.value(sort.subject));
            changes.extend(self.states.entry(place).or_default().restore(one, Duration::ZERO, now));
        }
        changes
    }

    /// Ends the findings of targets that are gone.
    pub fn enlist(&mut self, roster: &Roster, now: Moment) -> Vec<Transition> {
        let mut changes = Vec::new();
        for (place, state) in &mut self.states {
            let is_gone = place.tenant != DEFAULT_TENANT && !roster.0.contains_key(&place.tenant);
            if is_gone || !roster.has(&place.tenant, &place.target) {
                changes.extend(state.end(TARGET_REMOVED, now, |_| true));
            }
        }
        self.tidy();
        changes
    }

    /// Takes another `target_down_for`.
    pub fn reload(&mut self, target_down_for: Duration) {
        self.target_down_for = target_down_for;
    }

    /// The findings that fire.
    pub fn standing(&self, scope: &Scope) -> Vec<Finding> {
        self.seen_by(scope).filter(|one| one.to == Phase::Firing).map(finding).collect()
    }

    /// The findings that are pending or firing, as alerts.
    pub fn active(&self, scope: &Scope) -> Vec<Transition> {
        self.seen_by(scope).cloned().collect()
    }

    /// How many findings were not raised because there were too many.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn seen_by<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = &'a Transition> {
        let states = self.states.iter().filter(|(place, _)| scope.sees(&place.tenant));
        states.flat_map(|(_, state)| state.active())
    }

    fn cycle(
        &mut self,
        who: Who<'_>,
        up: bool,
        fault: Option<&Fault>,
        rows: &[RowReading],
        now: Moment,
    ) -> Vec<Transition> {
        let mut changes = self.say(&TARGET_DOWN, who, "", (!up).then(|| down(who, fault)), now);
        if up {
            for row in rows {
                let claim = row.result.as_ref().err().and_then(|unknown| unread(who, row.name, unknown));
                changes.extend(self.say(&READING_FAILED, who, row.name, claim, now));
            }
        }
        changes
    }

    fn rules(
        &mut self,
        tenant: &str,
        failures: &[RuleFailure],
        unreachable: &[Unreachable],
        now: Moment,
    ) -> Vec<Transition> {
        let who = Who { tenant, ..Who::AGENT };
        let failed = failures.iter().map(|failure| {
            let remedy = "Mend the rule's expression; until then it neither fires nor resolves.";
            (who, &*failure.rule, Claim::new(format!("the rule {} fails", failure.rule), &failure.what, remedy))
        });
        let mut changes = self.say_all(&RULE_FAILED, Some(tenant), failed, now);
        let low = unreachable.iter().map(|one| {
            let labels = &one.labels;
            let (target, instance, job) = (labels.value("target"), labels.value("instance"), labels.value("job"));
            (Who { target, instance, job, ..who }, one.key.as_str(), unreachable_claim(one))
        });
        changes.extend(self.say_all(&THRESHOLD_UNREACHABLE, Some(tenant), low, now));
        changes
    }

    /// Everything that is claimed of a sort (of one tenant, or of all): what is not among it ends.
    pub fn say_all<'a>(
        &mut self,
        sort: &'static Sort,
        tenant: Option<&str>,
        claims: impl Iterator<Item = (Who<'a>, &'a str, Claim)>,
        now: Moment,
    ) -> Vec<Transition> {
        let mut changes = Vec::new();
        let mut claimed = BTreeSet::new();
        for (who, subject, claim) in claims {
            if claimed.insert(place(sort, who, subject)) {
                changes.extend(self.say(sort, who, subject, Some(claim), now));
            }
        }
        for (place, state) in &mut self.states {
            let concerned = place.kind == sort.kind && tenant.is_none_or(|tenant| place.tenant == tenant);
            if concerned && !claimed.contains(place) {
                changes.extend(state.end(sort.ended, now, |_| true));
            }
        }
        self.tidy();
        changes
    }

    /// What is claimed of one subject; `None` ends it.
    fn say(
        &mut self,
        sort: &'static Sort,
        who: Who<'_>,
        subject: &str,
        claim: Option<Claim>,
        now: Moment,
    ) -> Vec<Transition> {
        let place = place(sort, who, subject);
        let id = format!("{FINDING}{}", sort.kind);
        let about = Subject { tenant: who.tenant, rule: &id };
        let hold = if sort.kind == TARGET_DOWN.kind { self.target_down_for } else { sort.hold };
        let times = Alerting { hold, keep_firing: sort.keep, annotations: Vec::new() };
        let Some(claim) = claim else {
            let Some(state) = self.states.get_mut(&place) else { return Vec::new() };
            let changes = match sort.keep {
                AT_ONCE => state.end(sort.ended, now, |_| true),
                _ => state.step(about, &times, Vec::new(), now),
            };
            self.tidy();
            return changes;
        };
        if !self.states.contains_key(&place) && self.states.len() >= FINDINGS_MAX {
            self.refused += 1;
            return Vec::new();
        }
        self.states.entry(place).or_default().step(about, &times, vec![seen(sort, who, subject, claim)], now)
    }

    fn tidy(&mut self) {
        self.states.retain(|_, state| state.active().next().is_some());
    }
}

fn place(sort: &'static Sort, who: Who<'_>, subject: &str) -> Place {
    let (tenant, target) = (who.tenant.to_string(), who.target.to_string());
    Place { kind: sort.kind, tenant, target, subject: subject.to_string() }
}

fn seen(sort: &Sort, who: Who<'_>, subject: &str, claim: Claim) -> Seen {
    let Who { tenant, target, instance, job, discovered } = who;
    let mut labels = vec![
        ("alertname", sort.kind),
        ("tenant", tenant),
        ("target", target),
        ("instance", instance),
        ("job", job),
        ("severity", sort.severity.word()),
    ];
    if !sort.subject.is_empty() {
        labels.push((sort.subject, subject));
    }
    let Claim { summary, evidence, remedy } = claim;
    let annotations = [("summary", summary), ("description", evidence), ("remedy", remedy)];
    let filled = annotations.into_iter().filter(|(_, text)| !text.is_empty());
    let annotations = filled.map(|(name, text)| (name.to_string(), text)).collect();
    Seen { labels: Labels::new(labels), annotations, value: 1.0, discovered }
}

pub fn finding(one: &Transition) -> Finding {
    let kind = one.labels.value("alertname");
    let subject = SORTS.iter().find(|sort| sort.kind == kind).map_or("", |sort| one.labels.value(sort.subject));
    let text = |name: &str| one.annotations.get(name).cloned().unwrap_or_default();
    Finding {
        kind: kind.to_string(),
        tenant: one.tenant.clone(),
        target: one.labels.value("target").to_string(),
        subject: subject.to_string(),
        severity: Severity::from_word(one.labels.value("severity")).unwrap_or(Severity::Warning),
        evidence: text("description"),
        remedy: text("remedy"),
        since_ms: one.since_ms,
        discovered: one.discovered,
    }
}

fn down(who: Who<'_>, fault: Option<&Fault>) -> Claim {
    let Some(fault) = fault else {
        return Claim::new(format!("{} is down", who.target), "It did not answer.", "Look whether the server runs.");
    };
    let detail = if fault.detail.is_empty() { String::new() } else { format!(". {}", fault.detail) };
    let evidence = format!("{} [{}]{detail}", fault.what, fault.code);
    Claim::new(format!("{} is down: {}", who.target, fault.what), evidence, fault.hint.as_str())
}

fn unread(who: Who<'_>, row: &str, unknown: &Unknown) -> Option<Claim> {
    let remedy = match unknown.kind {
        // That the agent does without it is a finding about the agent.
        UnknownKind::NotHere | UnknownKind::Disconnected | UnknownKind::OverBudget => return None,
        UnknownKind::Privilege => "Grant the role what the row needs, as the list of metrics says.",
        UnknownKind::Deadline => "Look what the server is busy with; the row is asked again in every cycle.",
        UnknownKind::TooLarge => "Narrow what the row reads, or look why the server answers that much.",
        UnknownKind::Missing | UnknownKind::Garbled | UnknownKind::Refused => {
            "Look whether the server's version is a supported one, and in its log."
        }
    };
    let summary = format!("'{row}' of {} cannot be read ({})", who.target, unknown.kind.word());
    Some(Claim::new(summary, unknown.reason.as_str(), remedy))
}

fn configuration(faults: &[Fault]) -> Option<Claim> {
    let first = faults.first()?;
    let more = match faults.len() {
        1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let remedy = "Run `watchward check-config`; until it is valid, the agent goes on with the one before.";
    let evidence = format!("{} [{}]{more} {}", first.what, first.code, first.detail);
    Some(Claim::new("the new configuration was refused", evidence.trim_end(), remedy))
}

fn unproduced(one: &Unproduced) -> Claim {
    let evidence = format!("Nothing that is watched here has {}.", one.metrics.join(", "));
    let remedy = "Watch a server that has it, mend the name, or leave the rule out.";
    Claim::new(format!("the rule {} can never fire", one.rule), evidence, remedy)
}

fn unreachable_claim(one: &Unreachable) -> Claim {
    let Unreachable { key, threshold, ceiling, .. } = one;
    // UCUM's `{connection}` is an annotation: read by people without its braces.
    let unit = match one.unit.trim_matches(['{', '}']) {
        "" | "1" => String::new(),
        unit => format!(" {unit}"),
    };
    let target = one.labels.value("target");
    Claim::new(
        format!("{key} = {threshold} can never be passed on {target}"),
        format!("The threshold is {threshold}{unit}, and at most {ceiling}{unit} are possible."),
        format!("Set {key} below {ceiling}, for this target alone or for all."),
    )
}
