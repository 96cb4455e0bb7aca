//! Tests of `src/engines`.

mod lint;
mod copied_rules;
mod names;
mod paths;
pub mod points;
pub mod targets;
mod http_answers;
mod tables;
mod grants;
mod discovery;
mod host;
mod postgresql;
mod redis;
mod tune;
mod mongodb_fake;
mod mongodb;
mod clickhouse;
mod clickhouse_log;
mod elasticsearch;
mod elasticsearch_rows;
mod elasticsearch_slow_log;
mod postgresql_databases;
mod postgresql_statement;
