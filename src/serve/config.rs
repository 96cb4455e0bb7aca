//! The section `[serve]`: where the agent listens, and what readers without a token may see. And the whole configuration,
//! for admins.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::Response;

use crate::model::caller::{Caller, Role};
use crate::model::command::Command;
use crate::model::schema::{Key, Kind, Table};
use crate::model::scope::Scope;
use crate::serve::commands;
use crate::serve::shared::Shared;

pub const KEYS: &[Key] = &[
    Key::new(
        "listen",
        Kind::Text,
        "\"127.0.0.1:9468\"",
        "Address and port of the HTTP interface: a loopback address, for nothing here is encrypted yet.",
    ),
    Key::new(
        "anonymous",
        Kind::Text,
        "\"*\"",
        "Tenants that readers on this machine may see without a token, separated by commas; \"*\" for all, \"\" for none.",
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
];

/// `[serve]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub listen: SocketAddr,
    /// As `model::scope::Scope::from_anonymous` reads it.
    pub anonymous: String,
    pub naming: String,
    pub stream_clients_max: usize,
}

impl Config {
    pub fn read(table: &Table) -> Config {
        Config {
            listen: listen(table.text("listen")).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9468))),
            anonymous: table.text("anonymous").to_string(),
            naming: table.text("naming").to_string(),
            stream_clients_max: usize::try_from(table.whole("stream_clients_max")).unwrap_or(0),
        }
    }

    /// Who asks on loopback without a token.
    pub fn anonymous(&self) -> Caller {
        Caller { scope: Scope::from_anonymous(&self.anonymous), role: Role::Viewer, name: "anonymous".to_string() }
    }
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
