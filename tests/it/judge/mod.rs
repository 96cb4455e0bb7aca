//! Tests of `src/judge`.
