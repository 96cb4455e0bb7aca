//! The routes, one line each, and what every request passes first: the check of Host and Origin.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use crate::model::fault::Fault;
use crate::serve::health;
use crate::serve::metrics;
use crate::serve::query;
use crate::serve::reply;
use crate::serve::shared::Shared;
use crate::serve::stream;

/// The page: one file, no other source of anything.
const PAGE: &str = include_str!("page.html");
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Everything that can be asked for.
pub fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/metrics", get(metrics::get))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/api/v1/targets", get(health::targets))
        .route("/api/v1/alerts", get(health::alerts))
        .route("/api/v1/findings", get(health::findings))
        .route("/api/v1/database/health/{tenant_id}", get(health::tenant))
        .route("/api/v1/query", get(query::instant))
        .route("/api/v1/query_range", get(query::range))
        .route("/api/v1/stream", get(stream::upgrade))
        .fallback(nothing_here)
        .layer(middleware::from_fn_with_state(shared.clone(), pass))
        .with_state(shared)
}

async fn page() -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, Html(PAGE)).into_response()
}

/// The process lives and answers.
async fn healthz() -> &'static str {
    "ok\n"
}

/// The store, the state and the first schedule stand.
async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    match shared.board.ready() {
        Ok(()) => "ready\n".into_response(),
        Err(missing) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {missing}\n")).into_response(),
    }
}

async fn nothing_here(request: Request) -> Response {
    let fault = Fault::new("serve-04", format!("there is nothing at {}", request.uri().path()))
        .hint("The page at / and the manual list what there is.");
    reply::fault(StatusCode::NOT_FOUND, &fault)
}

/// Turns away requests that a foreign web page made a browser send: a Host that is not this machine's loopback
/// (DNS rebinding), or an Origin other than the page's own.
async fn pass(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    shared.counters.requests.fetch_add(1, Ordering::Relaxed);
    if let Err(fault) = check_names(request.headers()) {
        shared.counters.refused.fetch_add(1, Ordering::Relaxed);
        return reply::fault(StatusCode::FORBIDDEN, &fault);
    }
    next.run(request).await
}

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
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
