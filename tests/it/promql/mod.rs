//! Tests of `src/promql`.

mod notation;
mod stories;
mod errors;
mod limits;
mod arbitrary;
mod corpus;
