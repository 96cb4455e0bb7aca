//! Tests of `src/model`.

mod calendar;
mod duration;
mod filter;
mod labels;
mod matcher;
mod moment;
mod scope;
mod words;
