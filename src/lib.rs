//! Watchward: sample → store → judge → alert, and serve beside it; `pipeline` is the one place where the stages meet.

pub mod model;
pub mod sys;
pub mod state;
pub mod engines;
pub mod promql;
pub mod sample;
pub mod store;
pub mod judge;
pub mod alert;
pub mod act;
pub mod serve;
pub mod export;
pub mod config;
pub mod pipeline;
pub mod cli;
