//! Tests of `src/sys`.

mod relay;
