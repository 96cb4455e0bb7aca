//! Tests of `src/engines`.

#[allow(dead_code)] // the tests on real servers use the rest of it
mod points;
mod targets;
mod http_answers;
mod tables;
mod host;
mod mongodb_fake;
mod mongodb;
mod clickhouse;
mod elasticsearch;
