//! Tests of `src/sample`.

mod cycle;
mod credentials;
mod discovery;
mod governor;
pub mod ids;
mod members;
mod own;
mod schedule;
mod short_of_time;
mod top;
mod words;
