//! Tests of `src/pipeline`.
