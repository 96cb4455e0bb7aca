//! Tests of `src/engines`.
