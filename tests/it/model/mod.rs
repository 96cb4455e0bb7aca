//! Tests of `src/model`.
