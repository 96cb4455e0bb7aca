//! Tests of `src/store`.

mod tools;
mod blocks;
mod compression;
mod config;
mod disk;
mod history;
mod log;
mod memory;
mod reading;
