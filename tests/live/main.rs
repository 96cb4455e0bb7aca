//! Tests on real servers, which tests/servers/up starts. They stop and break servers: run them one after the other.
#![allow(clippy::disallowed_methods)] // tests stand outside: they start programs and look at clocks

#[path = "../it/engines/points.rs"]
mod points;
#[path = "../it/export/strict.rs"]
mod strict;
#[allow(dead_code)]
#[path = "../it/export/collector.rs"]
mod collector;
mod servers;
#[allow(dead_code)]
mod sink;
#[allow(dead_code)]
mod agent;
mod postgresql;
mod redis;
mod redis_keys;
mod truth_redis;
mod mongodb;
mod mongodb_pbm;
mod mongodb_seed_list;
#[allow(dead_code)]
#[path = "../it/engines/dns.rs"]
mod dns;
mod clickhouse;
mod zookeeper;
mod elasticsearch;
mod families;
mod search_cluster;
mod slow_log;
mod main_job;
mod exposition;
mod copied_rules;
mod bad_input;
mod budget;
mod faulty;
mod trust;
mod weather;
mod failover;
mod first_run;
mod durability;
mod clock;
#[allow(dead_code)]
mod single;
mod grants;
mod watching;
mod dashboards;
mod databases;
mod discovery;
mod versions;
mod versions_redis;
mod truth_postgresql;
mod set;
mod set_faults;
mod set_redis;
mod act;
mod kills;
mod export;
mod service;
mod node_exporter;
mod doors;
mod own_queries;
