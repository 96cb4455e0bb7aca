//! Tests of `src/engines`.

mod names;
mod points;
mod postgresql;
mod redis;
