//! Findings: what the pipeline saw, as alerts that begin, last and end.

use std::sync::Arc;
use std::time::Duration;

use watchward::judge::evaluate::{Roster, RuleFailure};
use watchward::judge::findings::{Fact, Findings, SORTS, Who};
use watchward::judge::thresholds::Unreachable;
use watchward::model::fault::Fault;
use watchward::model::finding::Severity;
use watchward::model::labels::Labels;
use watchward::model::reading::{RowId, RowReading, Unknown, UnknownKind};
use watchward::model::scope::Scope;
use watchward::model::transition::{Phase, Transition};

use crate::judge::story::moment;

const ORDERS: Who<'static> =
    Who { tenant: "acme", target: "orders", instance: "db1:5432", job: "db", discovered: false };

fn findings() -> Findings {
    Findings::new(Duration::from_secs(60))
}

fn told(changes: &[Transition]) -> Vec<String> {
    let one =
        |change: &Transition| format!("{} {} ({})", change.labels.value("alertname"), change.to.word(), change.reason);
    changes.iter().map(one).collect()
}

fn refused() -> Fault {
    Fault::new("postgres-02", "password refused for role 'w'")
        .detail("FATAL: 28P01.")
        .hint("Look at the password file.")
}

fn cycle<'a>(up: bool, fault: Option<&'a Fault>, rows: &'a [RowReading]) -> Fact<'a> {
    Fact::Cycle { who: ORDERS, up, fault, rows }
}

#[test]
fn a_target_that_restarts_pages_nobody() {
    let mut findings = findings();
    let fault = refused();
    let mut all = Vec::new();
    for (second, up) in [(0, true), (15, false), (30, false), (45, true), (60, true)] {
        all.extend(findings.observe(cycle(up, (!up).then_some(&fault), &[]), moment(second)));
    }
    let expected =
        ["TargetDown pending (condition holds, fires after 1m)", "TargetDown inactive (the target answers again)"];
    assert_eq!(told(&all), expected);
}

#[test]
fn a_target_that_stays_down_fires_with_the_servers_words_and_resolves_at_the_first_good_cycle() {
    let mut findings = findings();
    let fault = refused();
    let mut all = Vec::new();
    for second in (0..=90).step_by(15) {
        all.extend(findings.observe(cycle(false, Some(&fault), &[]), moment(second)));
    }
    let fired = all.last().unwrap();
    assert_eq!((fired.rule.as_str(), fired.reason.as_str()), ("finding;TargetDown", "held for 1m"));
    let expected = [
        ("alertname", "TargetDown"),
        ("instance", "db1:5432"),
        ("job", "db"),
        ("severity", "critical"),
        ("target", "orders"),
        ("tenant", "acme"),
    ];
    assert_eq!(fired.labels, Labels::new(expected));
    assert_eq!(fired.annotations["summary"], "orders is down: password refused for role 'w'");
    assert_eq!(fired.annotations["description"], "password refused for role 'w' [postgres-02]. FATAL: 28P01.");
    assert_eq!(fired.annotations["remedy"], "Look at the password file.");

    let standing = &findings.standing(&Scope::of_tenant("acme"))[0];
    assert_eq!((standing.kind.as_str(), standing.severity), ("TargetDown", Severity::Critical));
    assert!(findings.standing(&Scope::of_tenant("other")).is_empty());
    let ended = findings.observe(cycle(true, None, &[]), moment(105));
    assert_eq!(told(&ended), ["TargetDown resolved (the target answers again)"]);
}

#[test]
fn a_removed_targets_findings_resolve() {
    let mut findings = findings();
    findings.observe(Fact::Tls { who: ORDERS, why: Some("sslmode=prefer") }, moment(0));
    let ended = findings.enlist(&Roster::new([("acme", "other", false)]), moment(5));
    assert_eq!(told(&ended), ["TlsNotVerified resolved (target removed)"]);
    assert!(findings.active(&Scope::from_anonymous("*")).is_empty());
}

fn row(name: &'static str, result: Result<(), Unknown>) -> RowReading {
    RowReading { row: RowId(0), name, took: Duration::ZERO, result }
}

#[test]
fn a_row_that_fails_for_two_minutes_is_an_info_of_its_own() {
    let mut findings = findings();
    let mut all = Vec::new();
    for second in [0, 60, 120] {
        let rows = [
            row("locks", Err(Unknown::new(UnknownKind::Privilege, "permission denied for view x"))),
            row("new", Err(Unknown::new(UnknownKind::NotHere, "needs version 99"))),
            row("fine", Ok(())),
        ];
        all.extend(findings.observe(cycle(true, None, &rows), moment(second)));
    }
    let expected = ["ReadingFailed pending (condition holds, fires after 2m)", "ReadingFailed firing (held for 2m)"];
    assert_eq!(told(&all), expected);
    assert_eq!((all[1].labels.value("row"), all[1].labels.value("severity")), ("locks", "info"));
    // A slow row is not read in every cycle, and a target that is down says nothing of its rows.
    assert!(findings.observe(cycle(true, None, &[]), moment(135)).is_empty());
    let down = findings.observe(cycle(false, None, &[row("locks", Ok(()))]), moment(150));
    assert_eq!(told(&down), ["TargetDown pending (condition holds, fires after 1m)"]);
    let ended = findings.observe(cycle(true, None, &[row("locks", Ok(()))]), moment(165));
    assert!(told(&ended).contains(&"ReadingFailed resolved (the row was read)".to_string()), "{ended:?}");
}

#[test]
fn lists_end_what_they_no_longer_name() {
    let mut findings = findings();
    let failure = |rule: &str| RuleFailure { rule: Arc::from(rule), what: "too many".to_string() };
    let (a, b) = (failure("f;g;A"), failure("f;g;B"));
    let fact = |failures| Fact::Rules { tenant: "acme", failures, unreachable: &[] };
    let first = [a.clone(), b];
    let begun = findings.observe(fact(&first), moment(0));
    assert_eq!(begun.len(), 2);
    let ended = findings.observe(fact(&first[..1]), moment(15));
    assert_eq!(told(&ended), ["RuleEvaluationFailed resolved (the rule was evaluated)"]);
    assert_eq!(ended[0].labels.value("rule"), "f;g;B");
    // Another tenant's list says nothing of this one's.
    let other = Fact::Rules { tenant: "other", failures: &[], unreachable: &[] };
    assert!(findings.observe(other, moment(30)).is_empty());
}

#[test]
fn an_unreachable_threshold_is_told_with_its_numbers() {
    let labels = Labels::new([("target", "orders"), ("instance", "db1:5432")]);
    let unreachable = [Unreachable {
        key: "connection_count".into(),
        labels,
        threshold: 1000.0,
        ceiling: 100.0,
        unit: "{connection}",
    }];
    let fact = Fact::Rules { tenant: "acme", failures: &[], unreachable: &unreachable };
    let fired = &findings().observe(fact, moment(0))[0];
    assert_eq!(fired.labels.value("severity"), "info");
    assert_eq!(fired.annotations["summary"], "connection_count = 1000 can never be passed on orders");
    assert_eq!(
        fired.annotations["description"],
        "The threshold is 1000 connection, and at most 100 connection are possible."
    );
}

#[test]
fn the_agents_own_findings_belong_to_the_default_tenant() {
    let mut findings = findings();
    let begun = findings.observe(Fact::Store { why: Some("no space left on device") }, moment(0));
    assert_eq!((begun[0].tenant.as_str(), begun[0].labels.value("severity")), ("default", "critical"));
    let faults = [refused(), refused()];
    let invalid = findings.observe(Fact::Configuration { faults: &faults }, moment(1));
    let description = "password refused for role 'w' [postgres-02] (and 1 more) FATAL: 28P01.";
    assert_eq!(invalid[0].annotations["description"], description);
    let ended = findings.observe(Fact::Configuration { faults: &[] }, moment(2));
    assert_eq!(told(&ended), ["ConfigurationInvalid resolved (the configuration is valid)"]);
    let ended = findings.observe(Fact::Store { why: None }, moment(3));
    assert_eq!(told(&ended), ["StoreNotWriting resolved (the store writes again)"]);
}

/// A collector that is started anew is no matter; one that has been away for five minutes is.
#[test]
fn an_export_that_fails_is_told_after_five_minutes() {
    let mut findings = findings();
    let mut all = Vec::new();
    for second in 0..=400_u64 {
        let why = (second < 200 || (210..=390).contains(&second)).then_some("c:4318: no answer within 10s");
        all.extend(findings.observe(Fact::Export { why }, moment(second)));
    }
    assert!(!told(&all).iter().any(|one| one.contains("firing")), "{:?}", told(&all));
    let mut all = Vec::new();
    for second in 500..=900_u64 {
        let why = (second < 850).then_some("c:4318: no answer within 10s");
        all.extend(findings.observe(Fact::Export { why }, moment(second)));
    }
    let firing = all.iter().find(|one| one.to == Phase::Firing).expect("it fires");
    assert_eq!((firing.labels.value("alertname"), firing.labels.value("severity")), ("ExportFailing", "warning"));
    assert_eq!(firing.at_ms - moment(500).stored_ms, 300_000);
    assert_eq!(firing.annotations["description"], "c:4318: no answer within 10s");
    assert_eq!(
        told(&all).last().map(String::as_str),
        Some("ExportFailing resolved (the collector takes what it is sent)")
    );
}

#[test]
fn a_certificate_of_no_use_is_told_once_both_files_had_time_to_be_written() {
    let mut findings = findings();
    let mut all = Vec::new();
    for second in (0..=200_u64).step_by(5) {
        let why = ((20..40).contains(&second) || (100..180).contains(&second)).then_some("the key is another one's");
        all.extend(findings.observe(Fact::Certificate { why }, moment(second)));
    }
    let all: Vec<String> = told(&all).into_iter().filter(|one| !one.contains("pending")).collect();
    assert_eq!(
        all,
        [
            "CertificateRefused inactive (the certificate and key of the files are in use)",
            "CertificateRefused firing (held for 30s)",
            "CertificateRefused resolved (the certificate and key of the files are in use)"
        ]
    );
}

/// What no list of sorts has is forgotten by a restart.
#[test]
fn every_sort_is_one_that_a_restart_knows() {
    let manual = include_str!("../../../docs/judge.md");
    let known: Vec<&str> = SORTS.iter().map(|sort| sort.kind).collect();
    for line in manual.lines().filter(|line| line.starts_with("| `") && !line.contains("(shown")) {
        let (kind, rest) = line[3..].split_once('`').expect("a name");
        if rest.starts_with(" | critical") || rest.starts_with(" | warning") || rest.starts_with(" | info") {
            assert!(known.contains(&kind), "{kind} stands in the manual and not in the list");
        }
    }
}

/// The store is asked every few seconds whether it refused any: seldom yes in a row, and one finding all the same.
#[test]
fn what_is_seen_from_time_to_time_lasts_fifteen_minutes_longer() {
    let mut findings = findings();
    let mut all = Vec::new();
    for second in (0..=3_600_u64).step_by(5) {
        let why = (second <= 600 && second % 60 == 0).then_some("1 series was refused lately");
        all.extend(findings.observe(Fact::SeriesRefused { who: Who::AGENT, why }, moment(second)));
    }
    assert_eq!(told(&all), ["SeriesRefused firing (condition holds)", "SeriesRefused resolved (condition ceased)"]);
    assert_eq!((all[1].at_ms - all[0].at_ms) / 1000, 600 + 5 + 15 * 60);
}

#[test]
fn series_that_are_refused_are_told_of_the_target_that_has_too_many() {
    let mut findings = findings();
    let of_row = Fact::SeriesRefused { who: ORDERS, why: Some("Points dropped when last read: 12 of 'tables'.") };
    findings.observe(of_row, moment(0));
    findings.observe(Fact::SeriesRefused { who: Who::AGENT, why: None }, moment(0));
    let standing = findings.standing(&Scope::from_anonymous("*"));
    let seen: Vec<_> = standing.iter().map(|one| (&*one.tenant, &*one.target, &*one.evidence)).collect();
    assert_eq!(seen, [("acme", "orders", "Points dropped when last read: 12 of 'tables'.")]);
}

#[test]
fn an_agent_over_its_budget_says_so_until_it_asks_everything_again() {
    let mut findings = findings();
    let mut all = Vec::new();
    for (second, why) in [(0, None), (5, Some("2 times")), (10, Some("4 times")), (15, None)] {
        all.extend(findings.observe(Fact::OverBudget { why }, moment(second)));
    }
    let ended = "AgentOverBudget resolved (the agent is within its budget and asks everything again)";
    assert_eq!(told(&all), ["AgentOverBudget firing (condition holds)", ended]);
}

/// A restart neither repeats a finding nor loses its end.
#[test]
fn findings_survive_a_restart() {
    let fault = refused();
    let mut before = findings();
    for second in [0, 60] {
        before.observe(cycle(false, Some(&fault), &[]), moment(second));
    }
    before.observe(cycle(true, None, &[row("locks", Err(Unknown::new(UnknownKind::Garbled, "x")))]), moment(61));
    for second in [62, 122] {
        before.observe(cycle(false, Some(&fault), &[]), moment(second));
    }
    let saved = before.active(&Scope::from_anonymous("*"));
    assert_eq!(saved.len(), 2, "the target that is down, and the row that is pending");

    let mut after = findings();
    assert!(after.restore(saved, moment(130)).is_empty());
    assert!(after.observe(cycle(false, Some(&fault), &[]), moment(135)).is_empty(), "it fires already");
    let ended = after.observe(cycle(true, None, &[row("locks", Ok(()))]), moment(150));
    assert_eq!(
        told(&ended),
        ["TargetDown resolved (the target answers again)", "ReadingFailed inactive (the row was read)"]
    );
}

#[test]
fn every_sort_has_a_name_of_its_own() {
    let mut kinds: Vec<&str> = SORTS.iter().map(|sort| sort.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), SORTS.len());
}

/// A host that reboots stops its database first and starts it last: nobody looked meanwhile, so nothing was held.
#[test]
fn a_hold_that_was_under_way_begins_anew_after_a_restart() {
    let mut before = findings();
    let fault = refused();
    before.observe(cycle(false, Some(&fault), &[]), moment(0));
    let saved = before.active(&Scope::from_anonymous("*"));
    let mut after = findings();
    assert!(after.restore(saved, moment(600)).is_empty());
    assert!(after.observe(cycle(false, Some(&fault), &[]), moment(601)).is_empty());
    assert!(after.observe(cycle(false, Some(&fault), &[]), moment(650)).is_empty());
    let fired = after.observe(cycle(false, Some(&fault), &[]), moment(662));
    assert_eq!(told(&fired), ["TargetDown firing (held for 1m)"]);
}
