//! Tests of `src/promql`.
