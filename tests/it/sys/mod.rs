//! Tests of `src/sys`.

mod binding;
mod clock;
mod files;
mod groups;
mod http;
mod log;
mod net;
mod relay;
mod secrets;
mod task;
mod tls;
