//! Words that stand in files and messages, faults, families, and the catalogue.

use watchward::model::catalogue::Catalogue;
use watchward::model::fault::Fault;
use watchward::model::finding::Severity;
use watchward::model::row::{Family, Metric, MetricKind};
use watchward::model::series::{STALE, is_stale};
use watchward::model::transition::Phase;

#[test]
fn words_are_read_as_they_are_written() {
    for severity in [Severity::Info, Severity::Warning, Severity::Critical] {
        assert_eq!(Severity::from_word(severity.word()), Some(severity));
    }
    for phase in [Phase::Inactive, Phase::Pending, Phase::Firing, Phase::Resolved] {
        assert_eq!(Phase::from_word(phase.word()), Some(phase));
    }
    assert!(Severity::Info < Severity::Warning && Severity::Warning < Severity::Critical);
    assert_eq!((Severity::from_word("bad"), Phase::from_word("bad")), (None, None));
}

#[test]
fn a_fault_says_what_then_detail_then_hint() {
    let fault = Fault::new("x-01", "it failed: 7").detail("Read there.").hint("Look here.");
    assert_eq!(fault.to_string(), "it failed: 7 [x-01]\ndetail: Read there.\nhint: Look here.");
    assert_eq!(Fault::new("x-01", "it failed").to_string(), "it failed [x-01]");
}

#[test]
fn the_stale_marker_is_one_nan_among_many() {
    assert!(is_stale(STALE) && STALE.is_nan());
    assert!(!is_stale(f64::NAN) && !is_stale(0.0));
}

static SIZE: [Metric; 1] = [Metric::gauge("pool_size_bytes", "Its own row.")];
static FAMILIES: [Family; 2] = [
    Family::new(MetricKind::Gauge, "pool_", "", "Any."),
    Family::new(MetricKind::Counter, "pool_", "_total", "A counter."),
];

#[test]
fn the_catalogue_knows_a_name_by_its_row_else_by_the_closest_family() {
    let mut catalogue = Catalogue::new();
    catalogue.add_metrics(&SIZE);
    catalogue.add_families(&FAMILIES);
    let help = |name: &str| catalogue.find(name).map(|entry| entry.help);
    assert_eq!(help("pool_size_bytes"), Some("Its own row."));
    assert_eq!(help("pool_hits_total"), Some("A counter."));
    assert_eq!(help("pool_hits"), Some("Any."));
    assert_eq!((help("pool_"), help("other")), (None, None));
    assert_eq!(FAMILIES[1].name("a.b-c"), "pool_a_b_c_total");
}
