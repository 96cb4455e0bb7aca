//! `/api/v1/tokens`: making, listing and revoking tokens, within what the caller has.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::model::caller::{Caller, Role};
use crate::model::fault::Fault;
use crate::model::scope::Scope;
use crate::model::status::{Body, Event, Message};
use crate::serve::body;
use crate::serve::reply;
use crate::serve::shared::{Published, Shared};
use crate::serve::tokens::Wish;

type Refusal = (StatusCode, Fault);

/// `GET /api/v1/tokens`.
pub async fn list(State(shared): State<Arc<Shared>>, Extension(caller): Extension<Caller>) -> Response {
    let wall_ms = shared.clock.now().wall_ms;
    let shown: Vec<Value> = shared.tokens.list(&caller).iter().map(|kept| kept.shown(wall_ms)).collect();
    reply::json(&shown)
}

/// `POST /api/v1/tokens` with `{"tenants": "acme,zeta" | ["acme"] | "*", "role", "name", "expires"}`.
pub async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    match make(&shared, &caller, &headers, &bytes).await {
        Ok(shown) => (StatusCode::CREATED, reply::json(&shown)).into_response(),
        Err((status, fault)) => reply::fault(status, &fault),
    }
}

async fn make(shared: &Shared, caller: &Caller, headers: &HeaderMap, bytes: &[u8]) -> Result<Value, Refusal> {
    let object = body::object(headers, bytes, &["tenants", "role", "name", "expires"])?;
    let wish = wish(&object).map_err(|fault| (StatusCode::BAD_REQUEST, fault))?;
    let unwatched = unwatched(shared, wish.tenants.as_ref());
    let now = shared.clock.now();
    let made = shared.tokens.create(caller, wish, now).await;
    let (text, kept, event) = made.map_err(|fault| (status(&fault), fault))?;
    tell(shared, event);
    let mut shown = kept.shown(now.wall_ms);
    shown["token"] = json!(text.expose()); // the one place and time where it is shown
    if !unwatched.is_empty() {
        shown["warning"] = json!(format!("no target of the tenant {} is watched now", unwatched.join(", ")));
    }
    Ok(shown)
}

/// `DELETE /api/v1/tokens/{token_id}`.
pub async fn revoke(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    let now = shared.clock.now();
    match shared.tokens.revoke(&caller, &id, now).await {
        Ok((kept, event)) => {
            tell(&shared, event);
            reply::json(&json!({ "revoked": kept.shown(now.wall_ms) }))
        }
        Err(fault) => reply::fault(status(&fault), &fault),
    }
}

fn status(fault: &Fault) -> StatusCode {
    match fault.code {
        "serve-30" => StatusCode::FORBIDDEN,
        "serve-31" | "serve-32" => StatusCode::BAD_REQUEST,
        "serve-33" | "serve-34" => StatusCode::CONFLICT,
        "serve-35" => StatusCode::NOT_FOUND,
        _ => StatusCode::SERVICE_UNAVAILABLE, // the state cannot be written
    }
}

/// To the log and to those who follow the stream.
fn tell(shared: &Shared, event: Event) {
    tracing::info!("{}", event.summary);
    let message = Message { tenant: event.tenant.clone(), target: String::new(), body: Body::Event(event) };
    let _ = shared.stream.send(Arc::new(Published::new(message))); // nobody may be listening
}

fn wish(object: &Value) -> Result<Wish, Fault> {
    let text = |key: &str| match &object[key] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(Fault::new("serve-26", format!("the request's {key} is not a text"))),
    };
    let role = text("role")?.unwrap_or_default();
    let roles = Role::ALL.map(Role::word).join(", ");
    let role = Role::from_word(&role).ok_or_else(|| {
        Fault::new("serve-28", format!("there is no role '{}'", reply::brief(&role)))
            .hint(format!("The roles are {roles}."))
    })?;
    Ok(Wish { tenants: tenants(&object["tenants"])?, role, name: text("name")?, expires: text("expires")? })
}

/// `"*"`, `"acme,zeta"` or `["acme", "zeta"]`.
fn tenants(value: &Value) -> Result<Option<BTreeSet<String>>, Fault> {
    let names: Vec<&str> = match value {
        Value::String(text) => text.split(',').map(str::trim).collect(),
        Value::Array(list) => list.iter().map(|one| one.as_str().unwrap_or("")).collect(),
        _ => Vec::new(),
    };
    if names == ["*"] {
        return Ok(None);
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let is_name = |name: &&str| (1..=64).contains(&name.len()) && name.chars().all(fits);
    if names.is_empty() || names.len() > 64 || !names.iter().all(is_name) {
        let shown = reply::brief(&names.join(","));
        return Err(Fault::new("serve-29", format!("the tenants '{shown}' are not names of tenants"))
            .hint("Write \"*\" for all, or names separated by commas: letters, digits, '.', '_' and '-'."));
    }
    Ok(Some(names.into_iter().map(str::to_string).collect()))
}

/// Tenants that have no target: most likely a slip of the pen.
fn unwatched(shared: &Shared, tenants: Option<&BTreeSet<String>>) -> Vec<String> {
    let has_none = |tenant: &&String| shared.board.targets(&Scope::of_tenant(tenant)).is_empty();
    tenants.into_iter().flatten().filter(has_none).cloned().collect()
}
