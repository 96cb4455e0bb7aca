//! `/metrics`: the newest sample of every series in Prometheus' text format, then the agent's own metrics.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use axum::extract::{Extension, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::model::caller::Caller;
use crate::model::catalogue::{Catalogue, Entry};
use crate::model::fault::Fault;
use crate::model::labels::{Labels, NAME};
use crate::model::row::MetricKind;
use crate::serve::reply;
use crate::serve::shared::Shared;
use crate::sys::task;

const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Which series a scrape wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Only this target, looking like the exporter it replaces: without the labels that the scraper adds itself.
    pub target: Option<String>,
    pub tenant: Option<String>,
}

/// The handler.
pub async fn get(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Query(parameters): Query<HashMap<String, String>>,
) -> Response {
    let choice = Choice { target: parameters.get("target").cloned(), tenant: parameters.get("tenant").cloned() };
    if let Some(target) = &choice.target {
        let known = shared.board.targets(&caller.scope);
        let fits = |one: &&crate::model::status::TargetStatus| {
            one.name == *target && choice.tenant.as_ref().is_none_or(|tenant| *tenant == one.tenant)
        };
        match known.iter().filter(fits).count() {
            1 => {}
            0 => return reply::fault(StatusCode::NOT_FOUND, &no_target(target)),
            _ => return reply::fault(StatusCode::BAD_REQUEST, &two_targets(target)),
        }
    }
    let work = move || {
        let at_ms = shared.clock.now().stored_ms;
        let mut series = Vec::new();
        shared.store.scoped(&caller.scope).each_latest(at_ms, &mut |labels: &Labels, _, value| {
            if wanted(labels, &choice) {
                series.push((labels.clone(), value));
            }
        });
        let mut text = render(series, &shared.catalogue, choice.target.is_some());
        if choice.target.is_none() {
            text.push_str(&shared.board.own_metrics());
        }
        text
    };
    match task::blocking("metrics", work).await {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(panic) => reply::fault(StatusCode::INTERNAL_SERVER_ERROR, &Fault::new("serve-07", panic)),
    }
}

fn no_target(target: &str) -> Fault {
    Fault::new("serve-08", format!("there is no target '{target}' here")).hint("GET /api/v1/targets lists them.")
}

fn two_targets(target: &str) -> Fault {
    Fault::new("serve-09", format!("several tenants have a target '{target}'")).hint("Say which: &tenant=NAME.")
}

/// `up` is left out: whoever scrapes makes its own.
fn wanted(labels: &Labels, choice: &Choice) -> bool {
    let same = |name, wish: &Option<String>| wish.as_ref().is_none_or(|wish| labels.value(name) == wish);
    labels.name() != "up"
        && !labels.name().starts_with("scrape_")
        && (choice.target.is_none() || !labels.name().starts_with("watchward_"))
        && same("target", &choice.target)
        && same("tenant", &choice.tenant)
}

/// The text format: families together, each with its HELP and TYPE.
pub fn render(series: Vec<(Labels, f64)>, catalogue: &Catalogue, as_exporter: bool) -> String {
    let mut sorted: Vec<(&str, &Labels, f64)> =
        series.iter().map(|(labels, value)| (family(labels, catalogue), labels, *value)).collect();
    sorted.sort_unstable_by(|(a, one, _), (b, other, _)| (a, one.name(), one).cmp(&(b, other.name(), other)));
    let mut text = String::with_capacity(series.len() * 120);
    let mut last = "";
    for (family, labels, value) in sorted {
        if family != last {
            last = family;
            head(&mut text, family, catalogue.find(labels.name()));
        }
        line(&mut text, labels, value, as_exporter);
    }
    text
}

/// The name that HELP and TYPE are said of: sums, counts and buckets belong to their summary or histogram.
fn family<'a>(labels: &'a Labels, catalogue: &Catalogue) -> &'a str {
    let name = labels.name();
    match catalogue.find(name).map(|entry| entry.kind) {
        Some(MetricKind::Summary | MetricKind::Histogram) => {
            let parts = ["_sum", "_count", "_bucket"];
            parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name)
        }
        _ => name,
    }
}

fn head(text: &mut String, family: &str, entry: Option<Entry>) {
    if let Some(entry) = entry {
        let help = entry.help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a String cannot fail.
        let _ = write!(text, "# HELP {family} {help}\n# TYPE {family} {}\n", entry.kind.word());
    } else {
        let _ = writeln!(text, "# TYPE {family} untyped");
    }
}

/// The labels that a scraper of a single exporter adds itself.
const SCRAPERS: [&str; 4] = ["instance", "job", "target", "tenant"];

fn line(text: &mut String, labels: &Labels, value: f64, as_exporter: bool) {
    text.push_str(labels.name());
    let mut mark = '{';
    for label in labels.iter() {
        if &*label.name == NAME || (as_exporter && SCRAPERS.contains(&&*label.name)) {
            continue;
        }
        text.push(mark);
        text.push_str(&label.name);
        text.push_str("=\"");
        escape(text, &label.value);
        text.push('"');
        mark = ',';
    }
    if mark == ',' {
        text.push('}');
    }
    text.push(' ');
    number(text, value);
    text.push('\n');
}

fn escape(text: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

/// A number as the text format writes it.
pub fn number(text: &mut String, value: f64) {
    if value.is_infinite() {
        text.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if value != 0.0 && (value.abs() >= 1e16 || value.abs() < 1e-6) {
        let _ = write!(text, "{value:e}");
    } else {
        let _ = write!(text, "{value}"); // NaN prints as NaN
    }
}
