//! Plain data that the stages speak of: labels, samples, rows, findings, transitions, scopes, callers, commands. No I/O, no clock.

pub mod calendar;
pub mod caller;
pub mod catalogue;
pub mod command;
pub mod duration;
pub mod fault;
pub mod features;
pub mod finding;
pub mod labels;
pub mod matcher;
pub mod moment;
pub mod nearest;
pub mod plan;
pub mod policy;
pub mod reading;
pub mod row;
pub mod schema;
pub mod scope;
pub mod secret;
pub mod series;
pub mod span;
pub mod status;
pub mod strict;
pub mod target;
pub mod transition;
