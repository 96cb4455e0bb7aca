//! Judge: rules and findings over what the store keeps. Pure: no clock, no I/O, no async; it returns transitions.

pub mod yaml;
pub mod template;
pub mod rules;
pub mod load;
pub mod thresholds;
pub mod producers;
pub mod print;
pub mod overlay;
pub mod state;
pub mod evaluate;
