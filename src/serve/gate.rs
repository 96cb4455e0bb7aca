//! The gate: what every request passes before any handler runs. The names it was sent under, then who asks, then what
//! that caller may do, then the body.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::model::caller::{Caller, Role};
use crate::model::fault::Fault;
use crate::model::scope::Scope;
use crate::serve::body::says_json;
use crate::serve::names;
use crate::serve::peers::{Verdict, WINDOW};
use crate::serve::reply;
use crate::serve::routes::{self, Need};
use crate::serve::sessions::Key;
use crate::serve::shared::Shared;
use crate::serve::token;
use crate::serve::tokens::{Wrong, rfc3339};
use crate::serve::visitor::{Proof, Visitor};

/// The cookie of a session. Over TLS its name binds it to this host and to TLS (RFC 6265bis, section 4.1.3.2).
pub const COOKIE: &str = "watchward";
pub const COOKIE_TLS: &str = "__Host-watchward";

/// Why a request does not pass.
type Refusal = (StatusCode, Fault);

/// Lets a request through to its handler, or says why not.
pub async fn pass(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    shared.counters.requests.fetch_add(1, Ordering::Relaxed);
    let passed = match check(&shared, &request) {
        Ok((caller, proof, needs)) => {
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(proof);
            shared.bodies.whole(request, needs == Need::Open).await
        }
        Err(refusal) => Err(refusal),
    };
    let mut response = match passed {
        Ok(request) => next.run(request).await,
        Err((status, fault)) => {
            shared.counters.refused.fetch_add(1, Ordering::Relaxed);
            refused(status, &fault)
        }
    };
    // What is somebody's must not be found in a cache by somebody else.
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A refusal as an answer, with the headers that its status calls for.
pub fn refused(status: StatusCode, fault: &Fault) -> Response {
    let mut response = reply::fault(status, fault);
    let headers = response.headers_mut();
    match status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"watchward\""));
        }
        StatusCode::TOO_MANY_REQUESTS => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(WINDOW.as_secs()));
        }
        _ => {}
    }
    response
}

fn check(shared: &Shared, request: &Request) -> Result<(Caller, Proof, Need), Refusal> {
    let Some(visitor) = request.extensions().get::<Visitor>() else {
        // Only a programmer's mistake can bring a request here that no door let in.
        return Err((StatusCode::UNAUTHORIZED, Fault::new("serve-17", "nobody knows who asks")));
    };
    names::check(shared, visitor, request.uri(), request.headers())?;
    if !is_text(request.uri().path()) {
        return Err((StatusCode::BAD_REQUEST, Fault::new("serve-40", "the path is not UTF-8 text")));
    }
    // What is not there is told to those only who may read what is.
    let path = request.extensions().get::<MatchedPath>();
    let needs = path.and_then(|path| routes::need(request.method(), path.as_str())).unwrap_or(Need::Read);
    let (caller, proof) = match identify(shared, visitor, request.method(), request.headers()) {
        Err(_) if needs == Need::Open => (nobody(), Proof::Door),
        identified => identified?,
    };
    if needs.admits(&caller) {
        return Ok((caller, proof, needs));
    }
    let what = format!("{} {} needs {}", request.method(), request.uri().path(), needs.words());
    let fault = Fault::new("serve-18", what).detail(format!("You are {}, {}.", caller.name, caller.role.word()));
    Err((StatusCode::FORBIDDEN, fault))
}

/// Whether a path is text once its `%41` are read; what is not of that form stands for itself.
fn is_text(path: &str) -> bool {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut rest = path.as_bytes();
    let mut read = Vec::with_capacity(rest.len());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, digit(after.first()), digit(after.get(1))) {
            (b'%', Some(high), Some(low)) => {
                read.extend(u8::try_from(high * 16 + low)); // two digits of base 16 always fit
                rest = &after[2..];
            }
            _ => read.push(*first),
        }
    }
    String::from_utf8(read).is_ok()
}

/// Who asks for what holds nobody's data.
fn nobody() -> Caller {
    Caller { scope: Scope::from_anonymous(""), role: Role::Viewer, name: "nobody".to_string() }
}

/// Who asks: by a token, else by the page's session, else as the door says.
fn identify(
    shared: &Shared,
    visitor: &Visitor,
    verb: &Method,
    headers: &HeaderMap,
) -> Result<(Caller, Proof), Refusal> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let Some(text) = bearer(value) else {
            let fault = Fault::new("serve-21", "the header Authorization holds no token");
            return Err((StatusCode::UNAUTHORIZED, fault.hint("Send it as Authorization: Bearer ww_….")));
        };
        return by_token(shared, visitor, text);
    }
    if let Some(identified) = by_session(shared, visitor, verb, headers)? {
        return Ok(identified);
    }
    match visitor {
        Visitor::Socket { user_id } => {
            let name = format!("socket:uid {user_id}");
            Ok((Caller { scope: Scope::of_socket_peer(), role: Role::Admin, name }, Proof::Door))
        }
        Visitor::Tcp { remote: false, .. } => Ok((shared.anonymous.clone(), Proof::Door)),
        Visitor::Tcp { remote: true, .. } => {
            let fault = Fault::new("serve-17", "a token is needed here");
            Err((StatusCode::UNAUTHORIZED, fault.hint("`watchward token create` on the agent's machine makes one.")))
        }
    }
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, text) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(text.trim())
}

/// Who has this token.
///
/// # Errors
/// `serve-19`: nobody. `serve-20`: it has expired. `serve-22`: there were too many wrong ones from there.
pub fn by_token(shared: &Shared, visitor: &Visitor, text: &str) -> Result<(Caller, Proof), Refusal> {
    let now = shared.clock.now();
    match shared.tokens.find(text, now.wall_ms) {
        Ok(kept) => Ok((kept.caller(), Proof::Token(kept.token.id.clone()))),
        Err(wrong) => Err(wrong_token(shared, visitor, wrong)),
    }
}

fn wrong_token(shared: &Shared, visitor: &Visitor, wrong: Wrong) -> Refusal {
    shared.counters.wrong_tokens.fetch_add(1, Ordering::Relaxed);
    let fault = match wrong {
        Wrong::Unknown => Fault::new("serve-19", "the token is not known here")
            .hint("Was it revoked, or is it another agent's? `watchward token list` shows those there are."),
        Wrong::Expired { name, expires_ms } => {
            Fault::new("serve-20", format!("the token '{name}' expired at {}", rfc3339(expires_ms)))
                .hint("`watchward token create` makes another.")
        }
    };
    let Visitor::Tcp { peer, .. } = visitor else { return (StatusCode::UNAUTHORIZED, fault) };
    let verdict = shared.peers.wrong(*peer, shared.clock.now().since_start);
    match verdict {
        Verdict::First => tracing::warn!("a wrong token from {peer}: {}", fault.what),
        Verdict::JustTooMany => tracing::warn!("too many wrong tokens from {peer}; it is told to wait"),
        Verdict::Again | Verdict::TooMany => {}
    }
    if matches!(verdict, Verdict::First | Verdict::Again) {
        return (StatusCode::UNAUTHORIZED, fault);
    }
    let fault = Fault::new("serve-22", format!("too many wrong tokens from {peer}"))
        .hint("Wait a minute. A token that is right is honoured all the same.");
    (StatusCode::TOO_MANY_REQUESTS, fault)
}

/// Who has the session of the cookie; `None` where there is none that stands, which is as good as no cookie.
fn by_session(
    shared: &Shared,
    visitor: &Visitor,
    verb: &Method,
    headers: &HeaderMap,
) -> Result<Option<(Caller, Proof)>, Refusal> {
    let wall_ms = shared.clock.now().wall_ms;
    let Some(key) = session_key(visitor, headers) else { return Ok(None) };
    let Some(id) = shared.sessions.token(&key, wall_ms) else { return Ok(None) };
    let Some(kept) = shared.tokens.standing(&id, wall_ms) else { return Ok(None) };
    // A browser sends cookies whoever made it ask. Only a page of this origin can send these.
    let is_own = headers.contains_key(header::ORIGIN) && (says_json(headers) || headers.contains_key("x-watchward"));
    if !matches!(*verb, Method::GET | Method::HEAD) && !is_own {
        let fault = Fault::new("serve-23", "a session may change nothing without proof that its own page asks")
            .hint("Send Origin, and Content-Type: application/json or X-Watchward: 1; or use a token.");
        return Err((StatusCode::FORBIDDEN, fault));
    }
    Ok(Some((kept.caller(), Proof::Session(key, id))))
}

/// The key of the session's cookie, whether or not there is such a session.
pub fn session_key(visitor: &Visitor, headers: &HeaderMap) -> Option<Key> {
    let wanted = if visitor.has_tls() { COOKIE_TLS } else { COOKIE };
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, text)| token::hash(text))
}
