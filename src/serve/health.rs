//! Targets, alerts, findings, and the health of a tenant, as JSON.

use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use crate::model::caller::Caller;
use crate::model::fault::Fault;
use crate::model::finding::{Finding, Severity};
use crate::model::reading::UnknownKind;
use crate::model::scope::Scope;
use crate::model::status::TargetStatus;
use crate::model::transition::{Phase, Transition};
use crate::serve::reply;
use crate::serve::shared::Shared;

/// Every target the reader may see.
pub async fn targets(State(shared): State<Arc<Shared>>, Extension(caller): Extension<Caller>) -> Response {
    reply::json(&shared.board.targets(&caller.scope))
}

/// Alerts that are pending or firing now.
pub async fn alerts(State(shared): State<Arc<Shared>>, Extension(caller): Extension<Caller>) -> Response {
    reply::json(&shared.board.alerts(&caller.scope))
}

/// Findings that stand now.
pub async fn findings(State(shared): State<Arc<Shared>>, Extension(caller): Extension<Caller>) -> Response {
    reply::json(&shared.board.findings(&caller.scope))
}

/// How a tenant's databases are, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// All up, nothing firing but information.
    Healthy,
    /// A warning fires, or something could not be looked at.
    Degraded,
    /// A target is down, or something critical fires.
    Critical,
    /// Nothing has been read yet: not the same as healthy.
    Unknown,
}

#[derive(Serialize)]
struct Health {
    tenant: String,
    health: Word,
    targets: Vec<TargetStatus>,
    alerts: Vec<Transition>,
    findings: Vec<Finding>,
}

/// `GET /api/v1/database/health/{tenant_id}`.
pub async fn tenant(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(tenant): Path<String>,
) -> Response {
    let scope = Scope::of_tenant(&tenant);
    let targets = if caller.scope.sees(&tenant) { shared.board.targets(&scope) } else { Vec::new() };
    if targets.is_empty() {
        // The same answer for a tenant that is not there and one that is not the reader's.
        let fault = Fault::new("serve-10", format!("there is no tenant '{tenant}' here"))
            .hint("Does the name stand in [[tenant]], and has the tenant a target? Without tenants it is 'default'.");
        return reply::fault(StatusCode::NOT_FOUND, &fault);
    }
    let alerts = shared.board.alerts(&scope);
    let findings = shared.board.findings(&scope);
    let health = word(&targets, &alerts);
    reply::json(&Health { tenant, health, targets, alerts, findings })
}

/// Whether something that the server has could not be read. What it does not have is no fault of anybody's.
fn could_not_look(target: &TargetStatus) -> bool {
    target.unknown_rows.iter().any(|row| row.kind != UnknownKind::NotHere.word())
}

/// The worst thing known decides.
pub fn word(targets: &[TargetStatus], alerts: &[Transition]) -> Word {
    let fires = |severity: Severity| {
        alerts.iter().any(|alert| alert.to == Phase::Firing && alert.labels.value("severity") == severity.word())
    };
    if targets.iter().any(|target| target.up == Some(false)) || fires(Severity::Critical) {
        Word::Critical
    } else if fires(Severity::Warning) || targets.iter().any(could_not_look) {
        Word::Degraded
    } else if targets.iter().any(|target| target.up.is_none() && !target.needs_credentials) {
        Word::Unknown
    } else {
        Word::Healthy
    }
}
