//! Serve: what people and machines may read, over loopback TCP and the agent's own socket. Serves from memory, waits for nobody.

pub mod config;
pub mod shared;
pub mod listen;
pub mod routes;
pub mod gate;
pub mod commands;
pub mod page;
pub mod reply;
pub mod metrics;
pub mod health;
pub mod query;
pub mod stream;
