//! Who am I, and the page's login: a token is shown once, then a cookie stands for it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use crate::model::caller::Caller;
use crate::model::fault::Fault;
use crate::serve::body;
use crate::serve::gate::{self, COOKIE, COOKIE_TLS};
use crate::serve::reply;
use crate::serve::sessions::LASTS_S;
use crate::serve::shared::Shared;
use crate::serve::visitor::{Proof, Visitor};

/// `GET /api/v1/caller`.
pub async fn caller(Extension(caller): Extension<Caller>) -> Response {
    reply::json(&shown(&caller))
}

fn shown(caller: &Caller) -> Value {
    let tenants = caller.scope.tenants().map_or(json!("*"), |tenants| json!(tenants));
    json!({ "name": caller.name, "role": caller.role, "tenants": tenants })
}

/// `POST /login` with `{"token": "ww_…"}`.
pub async fn login(
    State(shared): State<Arc<Shared>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    match begin(&shared, &visitor, &headers, &bytes) {
        Ok((caller, cookie)) => {
            let mut response = reply::json(&shown(&caller));
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            response
        }
        Err((status, fault)) => gate::refused(status, &fault),
    }
}

fn begin(
    shared: &Shared,
    visitor: &Visitor,
    headers: &HeaderMap,
    bytes: &[u8],
) -> Result<(Caller, HeaderValue), (StatusCode, Fault)> {
    let object = body::object(headers, bytes, &["token"])?;
    let (caller, proof) = gate::by_token(shared, visitor, object["token"].as_str().unwrap_or("").trim())?;
    let Proof::Token(id) = proof else { return Err((StatusCode::UNAUTHORIZED, Fault::new("serve-19", "no token"))) };
    let failed = |fault: Fault| (StatusCode::INTERNAL_SERVER_ERROR, fault);
    let text = shared.sessions.begin(&id, shared.clock.now().wall_ms).map_err(failed)?;
    let cookie = cookie(visitor, text.expose(), LASTS_S);
    Ok((caller, cookie.ok_or_else(|| failed(Fault::new("serve-01", "the cookie cannot be written")))?))
}

/// `POST /logout`: ends the session of the cookie, whether or not it still stands.
pub async fn logout(
    State(shared): State<Arc<Shared>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Response {
    let ended = gate::session_key(&visitor, &headers).is_some_and(|key| shared.sessions.end(&key));
    let mut response = reply::json(&json!({ "ended": ended }));
    if let Some(cookie) = cookie(&visitor, "", 0) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn cookie(visitor: &Visitor, text: &str, lasts_s: i64) -> Option<HeaderValue> {
    let (name, secure) = if visitor.has_tls() { (COOKIE_TLS, "; Secure") } else { (COOKIE, "") };
    let text = format!("{name}={text}; Path=/; Max-Age={lasts_s}; HttpOnly; SameSite=Strict{secure}");
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
