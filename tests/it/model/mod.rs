//! Tests of `src/model`.

mod duration;
mod labels;
mod matcher;
mod moment;
mod scope;
mod words;
