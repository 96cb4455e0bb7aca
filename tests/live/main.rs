//! Tests against real servers; tests/servers/up starts them.

mod servers;
mod reading;
mod mongodb;
mod clickhouse;
mod elasticsearch;
