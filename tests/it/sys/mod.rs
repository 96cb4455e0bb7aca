//! Tests of `src/sys`.

mod binding;
mod clock;
mod files;
mod http;
mod net;
mod relay;
mod secrets;
mod task;
mod tls;
