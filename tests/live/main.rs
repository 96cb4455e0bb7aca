//! Tests on real servers, which tests/servers/up starts. They stop and break servers: run them one after the other.

#[allow(dead_code)] // the tests without servers use all of it
#[path = "../it/engines/points.rs"]
mod points;
mod servers;
#[allow(dead_code)]
mod sink;
#[allow(dead_code)]
mod agent;
mod mongodb;
mod clickhouse;
mod elasticsearch;
