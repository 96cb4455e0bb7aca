//! Tests of `src/sys`.
