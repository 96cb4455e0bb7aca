//! The message: the JSON of Alertmanager's webhook, version 4, as its receivers already read it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::alert::signature;
use crate::model::labels::Labels;
use crate::state::outbox::{Alert, Place, Waiting};

/// The most alerts that began or ended in one message, and the most others that are listed beside them.
pub const ALERTS_MAX: usize = 200;

/// To this length annotations are cut where one alert alone is larger than a message may be, in characters.
const ANNOTATION_CUT: usize = 1024;

/// What Alertmanager writes for the end of an alert that still fires.
const NO_END: &str = "0001-01-01T00:00:00Z";

/// A message, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The same whenever the same is told.
    pub delivery: String,
    pub body: Vec<u8>,
    /// The notices it carries; the rest waits for the next one.
    pub notices: Vec<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    receiver: &'a str,
    status: &'a str,
    alerts: Vec<Entry>,
    group_labels: &'a Labels,
    common_labels: BTreeMap<String, String>,
    common_annotations: BTreeMap<String, String>,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    version: &'a str,
    group_key: &'a str,
    truncated_alerts: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    watchward: Option<Own>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    status: &'static str,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    fingerprint: String,
}

/// What Alertmanager's format has no word for.
#[derive(Clone, Copy, Serialize)]
struct Own {
    unrecorded: bool,
}

/// Writes what a group is to be told, as much of it as a message may hold: every alert that began or ended in order,
/// then the others that fire. At least one notice is always carried.
pub fn compose(waiting: &Waiting, origin: &str, external_url: &str, bytes_max: usize) -> Letter {
    let (mut told, mut others, mut cut) = (waiting.notices.len(), waiting.others.len(), usize::MAX);
    loop {
        let body = write(waiting, told, others, cut, external_url);
        if body.len() <= bytes_max || (told == 1 && others == 0 && cut == ANNOTATION_CUT) {
            let notices: Vec<i64> = waiting.notices.iter().take(told).map(|(id, _)| *id).collect();
            return Letter { delivery: delivery(waiting, told, origin), body, notices };
        }
        // What the group knows already goes first.
        match (others, told) {
            (1.., _) => others /= 2,
            (0, 2..) => told /= 2,
            _ => cut = ANNOTATION_CUT,
        }
    }
}

/// Writes an alert that could not be recorded, alone.
pub fn compose_unrecorded(place: &Place, alert: &Alert, origin: &str, external_url: &str) -> Letter {
    let entry = entry(alert, ANNOTATION_CUT, external_url);
    let body = to_json(&Body {
        receiver: &place.outlet.receiver,
        status: entry.status,
        common_labels: entry.labels.clone(),
        common_annotations: entry.annotations.clone(),
        alerts: vec![entry],
        group_labels: &place.labels,
        external_url,
        version: "4",
        group_key: &place.key,
        truncated_alerts: 0,
        watchward: Some(Own { unrecorded: true }),
    });
    let delivery = signature::identity([origin.as_bytes(), b"unrecorded", &body]);
    Letter { delivery, body, notices: Vec::new() }
}

fn write(waiting: &Waiting, told: usize, others: usize, cut: usize, external_url: &str) -> Vec<u8> {
    let told = waiting.notices.iter().take(told).map(|(_, alert)| alert);
    let entries: Vec<Entry> =
        told.chain(waiting.others.iter().take(others)).map(|alert| entry(alert, cut, external_url)).collect();
    to_json(&Body {
        receiver: &waiting.place.outlet.receiver,
        status: if waiting.is_firing { "firing" } else { "resolved" },
        common_labels: common(entries.iter().map(|entry| &entry.labels)),
        common_annotations: common(entries.iter().map(|entry| &entry.annotations)),
        alerts: entries,
        group_labels: &waiting.place.labels,
        external_url,
        version: "4",
        group_key: &waiting.place.key,
        truncated_alerts: waiting.others_total.saturating_sub(others),
        watchward: None,
    })
}

fn to_json(body: &Body<'_>) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default() // texts, numbers and maps with text keys cannot fail
}

fn entry(alert: &Alert, cut: usize, external_url: &str) -> Entry {
    let fingerprint = format!("{:016x}", alert.labels.fingerprint());
    Entry {
        status: if alert.ends_ms.is_none() { "firing" } else { "resolved" },
        labels: alert.labels.to_map(),
        annotations: alert.annotations.iter().map(|(name, text)| (name.clone(), shortened(text, cut))).collect(),
        starts_at: time(alert.starts_ms),
        ends_at: alert.ends_ms.map_or_else(|| NO_END.to_string(), time),
        generator_url: format!("{external_url}/#{fingerprint}"),
        fingerprint,
    }
}

fn shortened(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_string(),
    }
}

/// RFC 3339 in UTC, with milliseconds.
fn time(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).map_or_else(|_| NO_END.to_string(), |at| format!("{at:.3}"))
}

/// What all maps agree in.
fn common<'a>(mut maps: impl Iterator<Item = &'a BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let mut shared = maps.next().cloned().unwrap_or_default();
    for map in maps {
        shared.retain(|name, value| map.get(name) == Some(value));
    }
    shared
}

/// Follows from who is told what; and from the database, for another one may count its notices from 1 too.
fn delivery(waiting: &Waiting, told: usize, origin: &str) -> String {
    let Place { outlet, key, .. } = &waiting.place;
    let mut parts: Vec<Vec<u8>> =
        [origin, &outlet.receiver, &outlet.channel, key].map(|part| part.as_bytes().to_vec()).into();
    for (id, alert) in waiting.notices.iter().take(told) {
        for number in [*id, alert.starts_ms, alert.ends_ms.unwrap_or(i64::MIN)] {
            parts.push(number.to_be_bytes().to_vec());
        }
    }
    signature::identity(parts.iter().map(Vec::as_slice))
}
