//! Tests of `src/sample`.

mod cycle;
mod credentials;
mod discovery;
pub mod ids;
mod members;
mod schedule;
mod top;
