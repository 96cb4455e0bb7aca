//! Tests of `src/judge`.

mod story;
mod templates;
mod loading;
mod instances;
mod judging;
mod thresholds;
mod findings;
mod copied;
mod alerts;
