//! Tests of `src/engines`.

mod host;
