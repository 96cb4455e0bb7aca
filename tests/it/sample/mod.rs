//! Tests of `src/sample`.

mod cycle;
mod discovery;
pub mod ids;
mod schedule;
