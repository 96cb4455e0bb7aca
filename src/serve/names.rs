//! The names a request may be sent under: what keeps foreign web pages out, who make a browser ask in their place. Each
//! must be said once: of two, somebody on the way may have looked at the other.

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};

use crate::model::fault::Fault;
use crate::serve::shared::Shared;
use crate::serve::visitor::Visitor;

/// Headers that say who asks whom.
const ONCE: [HeaderName; 3] = [header::HOST, header::ORIGIN, header::AUTHORIZATION];

/// Turns away a Host that is not the agent's (DNS rebinding), and an Origin other than the page's own.
///
/// # Errors
/// `serve-05`, `serve-06`; `serve-37`, `serve-39` where a request says two things at once.
pub fn check(shared: &Shared, visitor: &Visitor, uri: &Uri, headers: &HeaderMap) -> Result<(), (StatusCode, Fault)> {
    said_once(uri, headers).map_err(|fault| (StatusCode::BAD_REQUEST, fault))?;
    are_ours(shared, visitor, headers).map_err(|fault| (StatusCode::FORBIDDEN, fault))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

fn said_once(uri: &Uri, headers: &HeaderMap) -> Result<(), Fault> {
    if let Some(name) = ONCE.iter().find(|name| headers.get_all(*name).iter().nth(1).is_some()) {
        return Err(Fault::new("serve-37", format!("the request has more than one header {name}")));
    }
    let host = text(headers, header::HOST).unwrap_or("");
    match uri.authority().map(Authority::as_str) {
        Some(other) if !other.eq_ignore_ascii_case(host) => {
            Err(Fault::new("serve-39", format!("the request is for '{other}', and its Host is '{host}'")))
        }
        _ => Ok(()),
    }
}

fn are_ours(shared: &Shared, visitor: &Visitor, headers: &HeaderMap) -> Result<(), Fault> {
    let host = text(headers, header::HOST).unwrap_or("");
    if !is_ours(shared, visitor, host) {
        return Err(match visitor {
            Visitor::Tcp { remote: true, .. } => {
                Fault::new("serve-05", format!("the Host '{host}' is not this agent's"))
                    .hint("Ask by a name in its certificate, or add yours to [serve] hosts.")
            }
            _ => Fault::new("serve-05", format!("the Host '{host}' is not this machine's loopback"))
                .hint("Ask by 127.0.0.1, [::1] or localhost, or add your name to [serve] hosts."),
        });
    }
    match text(headers, header::ORIGIN) {
        Some(origin) if !is_own_origin(shared, visitor, origin, host) => {
            Err(Fault::new("serve-06", format!("the Origin '{origin}' is not this page's own")))
        }
        _ => Ok(()),
    }
}

fn is_ours(shared: &Shared, visitor: &Visitor, host: &str) -> bool {
    let name = without_port(host);
    if is_configured(shared, name) {
        return true;
    }
    match visitor {
        Visitor::Socket { .. } => is_loopback_name(host),
        Visitor::Tcp { local, remote, .. } => {
            // A page cannot be given an address of ours as its own: only names can be made to point elsewhere.
            let is_local = name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical() == local.to_canonical());
            let is_certified = || shared.identity.as_ref().is_some_and(|identity| identity.is_for(name));
            (!remote && is_loopback_name(host)) || is_local || is_certified()
        }
    }
}

fn is_configured(shared: &Shared, name: &str) -> bool {
    shared.hosts.iter().any(|one| one.eq_ignore_ascii_case(name))
}

fn is_own_origin(shared: &Shared, visitor: &Visitor, origin: &str, host: &str) -> bool {
    let own = if visitor.has_tls() { "https://" } else { "http://" };
    // Before a name of the configuration's a proxy may stand that speaks TLS for us.
    let proxied = is_configured(shared, without_port(host)) && origin.strip_prefix("https://") == Some(host);
    origin.strip_prefix(own) == Some(host) || proxied
}

/// A host's name or address: without its port, and without brackets.
fn without_port(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name)
}

/// `localhost`, `127.x.y.z` or `[::1]`, with or without a port. The socket's clients send `localhost`.
pub fn is_loopback_name(host: &str) -> bool {
    let name = without_port(host);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
