//! Tests of `src/sys`.

mod clock;
mod files;
mod http;
mod net;
mod relay;
mod secrets;
mod task;
mod tls;
