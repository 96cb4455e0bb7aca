//! The gate: what every request passes before any handler runs. The names it was sent under, then who asks, then what
//! that caller may do.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::model::caller::{Caller, Role};
use crate::model::fault::Fault;
use crate::model::scope::Scope;
use crate::serve::reply;
use crate::serve::routes::{self, Need};
use crate::serve::shared::Shared;

/// Whom a door let in, as far as the door knows.
#[derive(Clone, Debug)]
pub enum Visitor {
    /// A peer of the socket, whom the system vouches for.
    Socket { user_id: u32 },
    /// Somebody over TCP on loopback.
    Loopback,
}

/// Lets a request through to its handler, or says why not.
pub async fn pass(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    shared.counters.requests.fetch_add(1, Ordering::Relaxed);
    match check(&shared, &request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err((status, fault)) => {
            shared.counters.refused.fetch_add(1, Ordering::Relaxed);
            reply::fault(status, &fault)
        }
    }
}

fn check(shared: &Shared, request: &Request) -> Result<Caller, (StatusCode, Fault)> {
    check_names(request.headers()).map_err(|fault| (StatusCode::FORBIDDEN, fault))?;
    let caller = caller(shared, request.extensions().get::<Visitor>())
        .ok_or_else(|| (StatusCode::UNAUTHORIZED, Fault::new("serve-17", "nobody knows who asks")))?;
    // What is not there is told to those only who may read what is.
    let path = request.extensions().get::<MatchedPath>();
    let needs = path.and_then(|path| routes::need(request.method(), path.as_str())).unwrap_or(Need::Read);
    if needs.admits(&caller) {
        return Ok(caller);
    }
    let what = format!("{} {} needs {}", request.method(), request.uri().path(), needs.words());
    let fault = Fault::new("serve-18", what).detail(format!("You are {}, {}.", caller.name, caller.role.word()));
    Err((StatusCode::FORBIDDEN, fault))
}

fn caller(shared: &Shared, visitor: Option<&Visitor>) -> Option<Caller> {
    match visitor? {
        Visitor::Socket { user_id } => {
            Some(Caller { scope: Scope::of_socket_peer(), role: Role::Admin, name: format!("socket:uid {user_id}") })
        }
        Visitor::Loopback => Some(shared.anonymous.clone()),
    }
}

/// Turns away requests that a foreign web page made a browser send: a Host that is not this machine's loopback
/// (DNS rebinding), or an Origin other than the page's own.
fn check_names(headers: &HeaderMap) -> Result<(), Fault> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text(header::HOST).unwrap_or("");
    if !is_loopback_name(host) {
        return Err(Fault::new("serve-05", format!("the Host '{host}' is not this machine's loopback"))
            .hint("Ask by 127.0.0.1, [::1] or localhost."));
    }
    match text(header::ORIGIN) {
        Some(origin) if origin.strip_prefix("http://") != Some(host) => {
            Err(Fault::new("serve-06", format!("the Origin '{origin}' is not this page's own")))
        }
        _ => Ok(()),
    }
}

/// `localhost`, `127.x.y.z` or `[::1]`, with or without a port. The socket's clients send `localhost`.
pub fn is_loopback_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
