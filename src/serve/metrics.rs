//! `/metrics`: the newest sample of every series in Prometheus' text format, then the agent's own metrics.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use axum::extract::{Extension, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::model::catalogue::Catalogue;
use crate::model::fault::Fault;
use crate::model::labels::{Labels, NAME};
use crate::serve::reply;
use crate::serve::shared::{Reader, Shared};
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
    Extension(reader): Extension<Reader>,
    Query(parameters): Query<HashMap<String, String>>,
) -> Response {
    let choice = Choice { target: parameters.get("target").cloned(), tenant: parameters.get("tenant").cloned() };
    if let Some(target) = &choice.target {
        let known = shared.board.targets(&reader.scope);
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
        shared.store.scoped(&reader.scope).each_latest(at_ms, &mut |labels: &Labels, _, value| {
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
        && same("target", &choice.target)
        && same("tenant", &choice.tenant)
}

/// The text format: families together, each with its HELP and TYPE.
pub fn render(mut series: Vec<(Labels, f64)>, catalogue: &Catalogue, as_exporter: bool) -> String {
    series.sort_unstable_by(|(a, _), (b, _)| a.name().cmp(b.name()).then_with(|| a.cmp(b)));
    let mut text = String::with_capacity(series.len() * 120);
    let mut family = String::new();
    for (labels, value) in &series {
        let name = labels.name();
        if name != family {
            family.clear();
            family.push_str(name);
            head(&mut text, name, catalogue);
        }
        line(&mut text, labels, *value, as_exporter);
    }
    text
}

fn head(text: &mut String, name: &str, catalogue: &Catalogue) {
    if let Some(entry) = catalogue.find(name) {
        let help = entry.help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a String cannot fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {}\n", entry.kind.word());
    } else {
        let _ = writeln!(text, "# TYPE {name} untyped");
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
