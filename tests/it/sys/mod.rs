//! Tests of `src/sys`.

mod binding;
