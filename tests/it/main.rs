//! Tests of the library, without servers; one module per folder of `src/`.
#![allow(clippy::disallowed_methods)] // tests stand outside: they start programs and look at clocks

mod model;
mod sys;
mod state;
mod engines;
mod promql;
mod sample;
mod store;
mod judge;
mod alert;
mod act;
mod serve;
mod export;
mod config;
mod pipeline;
mod cli;
