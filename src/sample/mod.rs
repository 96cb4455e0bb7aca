//! Sample: asks each target what is due, once per interval, and hands whole cycles on. One task per target.

pub mod config;
pub mod schedule;
pub mod link;
pub mod ids;
pub mod top;
pub mod members;
pub mod own;
pub mod governor;
pub mod census;
pub mod words;
pub mod cycle;
pub mod discovery;
pub mod sampler;
