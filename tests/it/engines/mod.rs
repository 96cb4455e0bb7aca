//! Tests of `src/engines`.

mod points;
mod postgresql;
mod redis;
