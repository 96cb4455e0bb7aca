//! Tests of `src/sample`.
