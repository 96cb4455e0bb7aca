//! Tests of `src/model`.

mod calendar;
mod duration;
mod labels;
mod matcher;
mod moment;
mod scope;
mod words;
