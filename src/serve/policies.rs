//! `/api/v1/policies`, `/api/v1/actions`, `/api/v1/journal`: what people ask of act, carried there as orders.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::Value;

use crate::model::caller::Caller;
use crate::model::command::{Command, Order};
use crate::model::fault::Fault;
use crate::serve::body;
use crate::serve::commands;
use crate::serve::reply;
use crate::serve::shared::Shared;

/// The newest changes, where nobody says how many.
const ROWS: usize = 100;
const ROWS_MAX: usize = 10_000;

type Shares = State<Arc<Shared>>;
type Who = Extension<Caller>;

async fn carry(shared: &Shared, caller: Caller, order: Order) -> Response {
    commands::answer(shared, caller, Command::Act(order)).await
}

/// The body, an object that may have these keys, as an order.
async fn carry_body(
    (shared, caller): (&Shared, Caller),
    (headers, bytes, known): (&HeaderMap, &[u8], &[&str]),
    order: impl FnOnce(&Value) -> Result<Order, Fault>,
) -> Response {
    let object = match body::object(headers, bytes, known) {
        Ok(object) => object,
        Err((status, fault)) => return reply::fault(status, &fault),
    };
    match order(&object) {
        Ok(order) => carry(shared, caller, order).await,
        Err(fault) => reply::fault(StatusCode::BAD_REQUEST, &fault),
    }
}

/// The tenant whose policy is meant, where the name is one of several tenants' policies.
fn tenant(object: &Value) -> Result<Option<String>, Fault> {
    match &object["tenant"] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(Fault::new("serve-26", "tenant is not a text")),
    }
}

/// `GET /api/v1/policies`.
pub async fn list(State(shared): Shares, Extension(caller): Who) -> Response {
    carry(&shared, caller, Order::Policies).await
}

/// `POST /api/v1/policies/{name}/run` with `{"dry_run": true, "tenant": "acme"}`.
pub async fn run(
    State(shared): Shares,
    Extension(caller): Who,
    Path(policy): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let order = |object: &Value| {
        let dry_run = match &object["dry_run"] {
            Value::Null => false,
            Value::Bool(flag) => *flag,
            // Whoever means to look only must not change anything by a slip.
            _ => return Err(Fault::new("serve-26", "dry_run is neither true nor false")),
        };
        Ok(Order::Run { policy, tenant: tenant(object)?, dry_run })
    };
    carry_body((&shared, caller), (&headers, &bytes, &["dry_run", "tenant"]), order).await
}

/// `POST /api/v1/policies/{name}/arm`.
pub async fn arm(
    State(shared): Shares,
    Extension(caller): Who,
    Path(policy): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let order = |object: &Value| Ok(Order::Arm { policy, tenant: tenant(object)? });
    carry_body((&shared, caller), (&headers, &bytes, &["tenant"]), order).await
}

/// `POST /api/v1/policies/{name}/disarm`.
pub async fn disarm(
    State(shared): Shares,
    Extension(caller): Who,
    Path(policy): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let order = |object: &Value| Ok(Order::Disarm { policy, tenant: tenant(object)? });
    carry_body((&shared, caller), (&headers, &bytes, &["tenant"]), order).await
}

/// `POST /api/v1/actions/stop`.
pub async fn stop(State(shared): Shares, Extension(caller): Who, headers: HeaderMap, bytes: Bytes) -> Response {
    carry_body((&shared, caller), (&headers, &bytes, &[]), |_| Ok(Order::Stop)).await
}

/// `POST /api/v1/actions/start`.
pub async fn start(State(shared): Shares, Extension(caller): Who, headers: HeaderMap, bytes: Bytes) -> Response {
    carry_body((&shared, caller), (&headers, &bytes, &[]), |_| Ok(Order::Start)).await
}

/// `GET /api/v1/journal?limit=100`: how many of the newest.
pub async fn journal(
    State(shared): Shares,
    Extension(caller): Who,
    Query(parameters): Query<HashMap<String, String>>,
) -> Response {
    match parameters.get("limit").map(|text| number(text, "a number of changes")).transpose() {
        Ok(limit) => {
            let rows_max = limit.unwrap_or(ROWS).min(ROWS_MAX);
            carry(&shared, caller, Order::Journal { rows_max }).await
        }
        Err(fault) => reply::fault(StatusCode::BAD_REQUEST, &fault),
    }
}

/// What stands in a path or a query, as a number.
fn number<T: FromStr>(text: &str, what: &str) -> Result<T, Fault> {
    text.parse().map_err(|_| Fault::new("serve-41", format!("'{}' is not {what}", reply::brief(text))))
}

/// A change's number in a path.
fn change_id(text: &str) -> Result<i64, Fault> {
    number(text, "the number of a change")
}

/// `GET /api/v1/journal/{id}`.
pub async fn change(State(shared): Shares, Extension(caller): Who, Path(id): Path<String>) -> Response {
    match change_id(&id) {
        Ok(id) => carry(&shared, caller, Order::Change(id)).await,
        Err(fault) => reply::fault(StatusCode::BAD_REQUEST, &fault),
    }
}

/// `POST /api/v1/journal/{id}/undo`.
pub async fn undo(
    State(shared): Shares,
    Extension(caller): Who,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    carry_body((&shared, caller), (&headers, &bytes, &[]), |_| change_id(&id).map(Order::Undo)).await
}

/// `POST /api/v1/journal/{id}/close`.
pub async fn close(
    State(shared): Shares,
    Extension(caller): Who,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    carry_body((&shared, caller), (&headers, &bytes, &[]), |_| change_id(&id).map(Order::Close)).await
}
