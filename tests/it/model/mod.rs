//! Tests of `src/model`.

mod duration;
mod labels;
mod matcher;
mod scope;
mod words;
