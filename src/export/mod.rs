//! Export: pushes what is sampled to a collector, without ever making sampling wait.

pub mod config;
pub mod endpoint;
pub mod headers;
pub mod resource;
pub mod streams;
pub mod wire;
pub mod batch;
pub mod own;
pub mod traces;
pub mod queue;
pub mod verdict;
pub mod sender;
pub mod statistics;
pub mod exporter;
