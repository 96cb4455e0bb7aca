//! Tests of `src/state`.
