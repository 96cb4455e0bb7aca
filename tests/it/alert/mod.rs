//! Tests of `src/alert`.
