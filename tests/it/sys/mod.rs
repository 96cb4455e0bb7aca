//! Tests of `src/sys`.

mod clock;
mod files;
mod http;
mod net;
mod secrets;
mod task;
mod tls;
