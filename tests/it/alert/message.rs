//! The message as receivers read it, to the byte; its limits, its id and its signature.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use watchward::alert::message::{Letter, compose, compose_unrecorded};
use watchward::alert::signature;
use watchward::model::labels::Labels;
use watchward::model::secret::Secret;
use watchward::state::outbox::{Alert, Outlet, Place, Waiting};

const AT_MS: i64 = 1_800_000_000_123;

fn alert(name: &str, mount: &str, ends_ms: Option<i64>) -> Alert {
    let labels = Labels::new([("alertname", name), ("tenant", "acme"), ("mount", mount)]);
    let annotations = BTreeMap::from([
        ("summary".to_string(), "the disk fills".to_string()),
        ("where".to_string(), format!("on {mount}")),
    ]);
    Alert { rule: "r".to_string(), labels, annotations, starts_ms: AT_MS, ends_ms }
}

fn place() -> Place {
    Place {
        outlet: Outlet { receiver: "dba".to_string(), channel: "webhook".to_string() },
        key: r#"{}:{alertname="Disk", tenant="acme"}"#.to_string(),
        tenant: "acme".to_string(),
        labels: Labels::new([("alertname", "Disk"), ("tenant", "acme")]),
    }
}

fn waiting(notices: Vec<Alert>, others: Vec<Alert>) -> Waiting {
    let is_firing = !others.is_empty() || notices.iter().any(|one| one.ends_ms.is_none());
    let others_total = others.len();
    let notices = notices.into_iter().enumerate().map(|(at, one)| (at as i64 + 1, one)).collect();
    Waiting { place: place(), notices, others, others_total, is_firing }
}

fn letter(waiting: &Waiting) -> Letter {
    compose(waiting, "origin", "http://agent:9468", 1 << 20)
}

/// Alertmanager's own field order and spelling (`notify/webhook`, `template.Data`), compared as text.
#[test]
fn the_body_is_alertmanagers_webhook_version_4() {
    let both = waiting(vec![alert("Disk", "/a", None), alert("Disk", "/b", Some(AT_MS + 60_000))], vec![]);
    let expected = concat!(
        r#"{"receiver":"dba","status":"firing","alerts":["#,
        r#"{"status":"firing","labels":{"alertname":"Disk","mount":"/a","tenant":"acme"},"#,
        r#""annotations":{"summary":"the disk fills","where":"on /a"},"startsAt":"2027-01-15T08:00:00.123Z","#,
        r#""endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://agent:9468/#FP1","fingerprint":"FP1"},"#,
        r#"{"status":"resolved","labels":{"alertname":"Disk","mount":"/b","tenant":"acme"},"#,
        r#""annotations":{"summary":"the disk fills","where":"on /b"},"startsAt":"2027-01-15T08:00:00.123Z","#,
        r#""endsAt":"2027-01-15T08:01:00.123Z","generatorURL":"http://agent:9468/#FP2","fingerprint":"FP2"}],"#,
        r#""groupLabels":{"alertname":"Disk","tenant":"acme"},"commonLabels":{"alertname":"Disk","tenant":"acme"},"#,
        r#""commonAnnotations":{"summary":"the disk fills"},"externalURL":"http://agent:9468","version":"4","#,
        r#""groupKey":"{}:{alertname=\"Disk\", tenant=\"acme\"}","truncatedAlerts":0}"#,
    );
    let print = |mount| format!("{:016x}", alert("Disk", mount, None).labels.fingerprint());
    let expected = expected.replace("FP1", &print("/a")).replace("FP2", &print("/b"));
    assert_eq!(String::from_utf8(letter(&both).body).unwrap(), expected);
}

/// The value that Alertmanager's own code gives for this set: FNV-1a with 0xff after each name and each value.
#[test]
fn the_fingerprint_is_alertmanagers() {
    let labels = Labels::new([("alertname", "Disk")]);
    let mut hash: u64 = 14_695_981_039_346_656_037;
    for byte in b"alertname\xffDisk\xff" {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(1_099_511_628_211);
    }
    assert_eq!(labels.fingerprint(), hash);
}

#[test]
fn a_group_in_which_nothing_fires_any_more_is_resolved() {
    let both = waiting(vec![alert("Disk", "/a", None), alert("Disk", "/a", Some(AT_MS + 1))], vec![]);
    let body: Value = serde_json::from_slice(&letter(&Waiting { is_firing: false, ..both }).body).unwrap();
    assert_eq!(body["status"], "resolved");
    let each: Vec<&str> =
        body["alerts"].as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect();
    assert_eq!(each, ["firing", "resolved"], "a beginning that was never told is not lost");
}

#[test]
fn what_does_not_fit_is_left_out_from_the_known_to_the_new_and_never_dropped() {
    let many = |name: &str, count: usize| (0..count).map(|at| alert(name, &format!("/{at}"), None)).collect::<Vec<_>>();
    let full = Waiting { others_total: 70, ..waiting(many("New", 40), many("Known", 60)) };
    let all = letter(&full);
    assert_eq!(all.notices, (1..=40).collect::<Vec<i64>>());
    let part = compose(&full, "origin", "", all.body.len() * 7 / 10);
    let body: Value = serde_json::from_slice(&part.body).unwrap();
    assert_eq!((part.notices.len(), body["truncatedAlerts"].as_u64()), (40, Some(40)));
    let small = compose(&full, "origin", "", 8 << 10);
    assert!(small.body.len() <= 8 << 10 && (1..40).contains(&small.notices.len()));
    assert_ne!(small.delivery, all.delivery);
    let tiny = compose(&full, "origin", "", 10);
    assert_eq!(tiny.notices, [1], "one is always told");
}

#[test]
fn one_alert_that_is_larger_than_a_message_is_cut() {
    let mut huge = alert("Huge", "/", None);
    huge.annotations.insert("blob".to_string(), "ü".repeat(100_000));
    let letter = compose(&waiting(vec![huge], vec![]), "origin", "", 64 << 10);
    let body: Value = serde_json::from_slice(&letter.body).unwrap();
    let blob = body["alerts"][0]["annotations"]["blob"].as_str().unwrap();
    assert_eq!((blob.chars().count(), blob.ends_with('…')), (1025, true));
}

#[test]
fn the_same_message_has_the_same_id_and_any_other_another() {
    let one = waiting(vec![alert("Disk", "/a", None)], vec![]);
    let id = letter(&one).delivery;
    assert_eq!((id.len(), id.chars().all(|c| c.is_ascii_hexdigit())), (32, true));
    assert_eq!(letter(&one).delivery, id);
    let mut changed = vec![compose(&one, "another origin", "", 1 << 20).delivery];
    changed.push(letter(&waiting(vec![alert("Disk", "/a", Some(AT_MS))], vec![])).delivery);
    changed.push(letter(&waiting(vec![alert("Disk", "/a", None), alert("Disk", "/b", None)], vec![])).delivery);
    let mut elsewhere = one.clone();
    elsewhere.place.outlet.receiver = "boss".to_string();
    changed.push(letter(&elsewhere).delivery);
    let mut later = one;
    later.notices[0].0 = 2;
    changed.push(letter(&later).delivery);
    changed.push(id);
    changed.sort();
    changed.dedup();
    assert_eq!(changed.len(), 6);
}

#[test]
fn only_what_was_not_recorded_says_so() {
    let unrecorded = compose_unrecorded(&place(), &alert("Disk", "/a", None), "origin", "http://agent:9468");
    let body: Value = serde_json::from_slice(&unrecorded.body).unwrap();
    assert_eq!(body["watchward"], json!({ "unrecorded": true }));
    assert_eq!((body["status"].as_str(), body["version"].as_str()), (Some("firing"), Some("4")));
    assert_eq!(body["commonLabels"]["mount"], "/a");
    let usual = letter(&waiting(vec![alert("Disk", "/a", None)], vec![]));
    assert!(!String::from_utf8(usual.body).unwrap().contains("unrecorded"));
}

/// The expected value was computed with Python's hmac module, key `Jefe`, for `1800000000.{"a":1}`.
#[test]
fn the_signature_is_what_any_hmac_sha256_gives() {
    let header = signature::header(&Secret::new("Jefe"), 1_800_000_000, br#"{"a":1}"#);
    assert_eq!(header, "t=1800000000,v1=790332864bbc0226f3d3582d98518d658c3a8da49f773ba89f0cc125972f0326");
}
