//! The section `[serve]`: where the agent listens, for whom, and within which limits. And the whole configuration, for
//! admins.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::Response;

use crate::model::caller::{ANONYMOUS, Caller, Role};
use crate::model::command::Command;
use crate::model::schema::{Key, Kind, Table};
use crate::model::scope::Scope;
use crate::serve::commands;
use crate::serve::shared::Shared;
use crate::sys::identity::Files;

pub const KEYS: &[Key] = &[
    Key::new(
        "listen",
        Kind::Text,
        "\"127.0.0.1:9468\"",
        "Address and port of the HTTP interface. Any but a loopback address needs tls_cert and tls_key, and there every \
         request needs a token.",
    ),
    Key::new(
        "anonymous",
        Kind::Text,
        "\"*\"",
        "Tenants that readers on this machine may see without a token, separated by commas; \"*\" for all, \"\" for none.",
    ),
    Key::new(
        "tls_cert",
        Kind::Path,
        "",
        "The agent's certificate, then those that lead to its authority, as PEM. Read anew when it changes. With it the \
         HTTP interface speaks TLS 1.3 and nothing else.",
    )
    .example("\"/etc/watchward/tls.pem\""),
    Key::new("tls_key", Kind::Path, "", "The certificate's private key, as PEM. Read anew when it changes.")
        .example("\"/etc/watchward/tls.key\""),
    Key::new(
        "tls_client_ca",
        Kind::Path,
        "",
        "Authorities, as PEM, of which every client must show a certificate. It needs a token all the same.",
    )
    .example("\"/etc/watchward/clients.pem\""),
    Key::new(
        "hosts",
        Kind::Texts,
        "[]",
        "Further names that requests may be sent under, beside those in the certificate and those of loopback: those of a \
         proxy that stands before the agent.",
    ),
    Key::new(
        "health_listen",
        Kind::Text,
        "",
        "Address and port of a plain interface for /healthz and /readyz alone, that anybody may ask.",
    )
    .example("\"0.0.0.0:9469\""),
    Key::new(
        "socket_group",
        Kind::Text,
        "\"watchward\"",
        "The group whose members may use the agent's socket, as admins of all tenants, where such a group exists. Root \
         and the agent's own user always may.",
    ),
    Key::new(
        "naming",
        Kind::Choice(&["compat", "strict", "both"]),
        "\"compat\"",
        "Names in /metrics: compat has the exporters' own names. strict and both are reserved and refused for now.",
    ),
    Key::new(
        "stream_clients_max",
        Kind::Whole { min: 0, max: 10_000 },
        "64",
        "The most clients that may follow the live stream at once; a further one is turned away.",
    ),
    Key::new(
        "connections_max",
        Kind::Whole { min: 8, max: 10_000 },
        "256",
        "The most connections at once at each door. More wait in the system's queue.",
    ),
    Key::new(
        "connections_per_peer_max",
        Kind::Whole { min: 1, max: 10_000 },
        "64",
        "The most connections at once from one address, where other machines can reach the agent. More are dropped.",
    ),
    Key::new("body_bytes_max", Kind::Bytes, "\"1MiB\"", "The largest body of a request."),
];

/// `[serve]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub listen: SocketAddr,
    /// As `model::scope::Scope::from_anonymous` reads it.
    pub anonymous: String,
    /// With it, TLS.
    pub tls: Option<Files>,
    pub hosts: Vec<String>,
    pub health_listen: Option<SocketAddr>,
    pub socket_group: String,
    pub naming: String,
    pub stream_clients_max: usize,
    pub connections_max: usize,
    pub connections_per_peer_max: usize,
    pub body_bytes_max: usize,
}

impl Config {
    pub fn read(table: &Table) -> Config {
        let count = |key: &str| usize::try_from(table.whole(key)).unwrap_or(0);
        Config {
            listen: listen(table.text("listen")).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9468))),
            anonymous: table.text("anonymous").to_string(),
            tls: tls(table),
            hosts: table.texts("hosts"),
            health_listen: listen(table.text("health_listen")),
            socket_group: table.text("socket_group").to_string(),
            naming: table.text("naming").to_string(),
            stream_clients_max: count("stream_clients_max"),
            connections_max: count("connections_max"),
            connections_per_peer_max: count("connections_per_peer_max"),
            body_bytes_max: usize::try_from(table.bytes("body_bytes_max")).unwrap_or(usize::MAX),
        }
    }

    /// Who asks on loopback without a token.
    pub fn anonymous(&self) -> Caller {
        Caller { scope: Scope::from_anonymous(&self.anonymous), role: Role::Viewer, name: ANONYMOUS.to_string() }
    }
}

/// The files of a TLS door, where both are given.
pub fn tls(table: &Table) -> Option<Files> {
    Some(Files {
        certificate: table.path("tls_cert")?,
        key: table.path("tls_key")?,
        client_ca: table.path("tls_client_ca"),
    })
}

/// `GET /api/v1/config`: the configuration in force, as `check-config` prints it.
pub async fn effective(State(shared): State<Arc<Shared>>, Extension(caller): Extension<Caller>) -> Response {
    commands::answer(&shared, caller, Command::EffectiveConfiguration).await
}

/// Reads `127.0.0.1:9468`, `[::1]:9468` or `localhost:9468`.
pub fn listen(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?))),
        None => text.parse().ok(),
    }
}
