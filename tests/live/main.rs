//! Tests on real servers, which tests/servers/up starts. They stop and break servers: run them one after the other.

#![allow(clippy::disallowed_methods)] // tests run programs, and watch the clock themselves

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
mod main_job;
mod bad_input;
mod faulty;
mod trust;
