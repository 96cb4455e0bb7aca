//! `GET /api/v1/sd`: the caller's targets for Prometheus' HTTP service discovery, so that it scrapes each through this one
//! endpoint as if it were its exporter. The format: https://prometheus.io/docs/prometheus/latest/http_sd/

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde::Serialize;

use crate::model::caller::Caller;
use crate::model::status::TargetStatus;
use crate::serve::reply;
use crate::serve::shared::Shared;

/// One target group: where to scrape, and with which labels.
#[derive(Serialize)]
struct Group<'a> {
    targets: [&'a str; 1],
    labels: BTreeMap<&'static str, &'a str>,
}

/// The handler. Prometheus scrapes where it asked: the host of the request, which the gate has checked.
pub async fn get(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Response {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("");
    let targets = shared.board.targets(&caller.scope);
    // Of a server that wants a login there is nothing to scrape.
    let groups: Vec<Group<'_>> =
        targets.iter().filter(|one| !one.needs_credentials).map(|one| group(host, one)).collect();
    reply::json(&groups)
}

fn group<'a>(host: &'a str, target: &'a TargetStatus) -> Group<'a> {
    let labels = [
        ("__metrics_path__", "/metrics"),
        ("__param_target", &target.name),
        ("__param_tenant", &target.tenant),
        ("instance", &target.instance),
        ("job", &target.job),
        ("__meta_watchward_target", &target.name),
        ("__meta_watchward_tenant", &target.tenant),
        ("__meta_watchward_engine", &target.engine),
    ];
    Group { targets: [host], labels: labels.into() }
}
