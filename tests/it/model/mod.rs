//! Tests of `src/model`.

mod calendar;
mod duration;
mod labels;
mod matcher;
mod scope;
mod words;
