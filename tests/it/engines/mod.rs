//! Tests of `src/engines`.

mod lint;
mod copied_rules;
mod families;
mod names;
mod paths;
pub mod points;
pub mod targets;
pub mod http_answers;
mod tables;
mod grants;
mod discovery;
mod host;
mod postgresql;
mod redis;
mod tune;
mod mongodb_fake;
mod dns;
mod mongodb;
mod mongodb_seed_list;
mod clickhouse;
mod clickhouse_keeper;
mod clickhouse_log;
mod elasticsearch;
mod elasticsearch_rows;
mod postgresql_databases;
mod postgresql_statement;
