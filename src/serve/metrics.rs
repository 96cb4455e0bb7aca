//! `/metrics`: the newest sample of every series, then the agent's own metrics; or one target alone, as its exporter would
//! show it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::model::caller::Caller;
use crate::model::catalogue::{ALERTS, Catalogue};
use crate::model::fault::Fault;
use crate::model::labels::Labels;
use crate::serve::exposition::{Latest, Wish};
use crate::serve::format::Format;
use crate::serve::gzip;
use crate::serve::reply;
use crate::serve::shared::Shared;
use crate::serve::visitor::Visitor;
use crate::sys::task;

/// Which series a scrape wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Only this target, looking like the exporter it replaces: without the labels that the scraper adds itself.
    pub target: Option<String>,
    pub tenant: Option<String>,
}

/// A text on its way out.
enum Body {
    Plain(String),
    Compressed(Vec<u8>),
}

/// The handler.
pub async fn get(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
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
    let said = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let wish = Wish { format: Format::of_accept(said(header::ACCEPT)), as_exporter: choice.target.is_some() };
    let compresses = visitor.is_remote() && gzip::is_accepted(said(header::ACCEPT_ENCODING));
    let work = move || {
        let at_ms = shared.clock.now().stored_ms;
        let mut latest: Vec<Latest> = Vec::new();
        shared.store.scoped(&caller.scope).each_latest(at_ms, &mut |id, labels, _, value| {
            if wanted(labels, &choice, &shared.catalogue) {
                latest.push((id, labels.clone(), value));
            }
        });
        let own = if wish.as_exporter { Vec::new() } else { shared.board.own_metrics() };
        let text = shared.exposition.write(&latest, &own, wish, at_ms);
        if compresses { Body::Compressed(gzip::compressed(&text)) } else { Body::Plain(text) }
    };
    let headers = [(header::CONTENT_TYPE, wish.format.content_type()), (header::VARY, "Accept, Accept-Encoding")];
    match task::blocking("metrics", work).await {
        Ok(Body::Plain(text)) => (headers, text).into_response(),
        Ok(Body::Compressed(bytes)) => (headers, [(header::CONTENT_ENCODING, "gzip")], bytes).into_response(),
        Err(panic) => reply::fault(StatusCode::INTERNAL_SERVER_ERROR, &Fault::new("serve-07", panic)),
    }
}

fn no_target(target: &str) -> Fault {
    Fault::new("serve-08", format!("there is no target '{target}' here")).hint("GET /api/v1/targets lists them.")
}

fn two_targets(target: &str) -> Fault {
    Fault::new("serve-09", format!("several tenants have a target '{target}'")).hint("Say which: &tenant=NAME.")
}

/// `up` is left out: whoever scrapes makes its own. Of one target there is what its exporter would have, and nothing that
/// the agent or its rules say of it.
pub fn wanted(labels: &Labels, choice: &Choice, catalogue: &Catalogue) -> bool {
    let same = |name, wish: &Option<String>| wish.as_ref().is_none_or(|wish| labels.value(name) == wish);
    let name = labels.name();
    let is_exporters = || !name.starts_with("watchward_") && name != ALERTS && catalogue.find(name).is_some();
    name != "up"
        && !name.starts_with("scrape_")
        && same("target", &choice.target)
        && same("tenant", &choice.tenant)
        && (choice.target.is_none() || is_exporters())
}
