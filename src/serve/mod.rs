//! Serve: what people and machines may read and have done, over TCP and the agent's own socket. Serves from memory, waits
//! for nobody.

pub mod config;
pub mod shared;
pub mod listen;
pub mod visitor;
pub mod routes;
pub mod gate;
pub mod names;
pub mod peers;
pub mod token;
pub mod tokens;
pub mod sessions;
pub mod body;
pub mod login;
pub mod administer;
pub mod commands;
pub mod page;
pub mod policies;
pub mod reply;
pub mod metrics;
pub mod health;
pub mod query;
pub mod statements;
pub mod stream;
