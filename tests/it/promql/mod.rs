//! Tests of `src/promql`.

mod notation;
mod corpus;
