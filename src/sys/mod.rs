//! Our own code's only door outside: clock, tasks, files, environment, network, TLS.
#![allow(clippy::disallowed_methods)] // this is the door that the ban points to

pub mod binding;
pub mod certificate;
pub mod clock;
pub mod environment;
pub mod files;
pub mod groups;
pub mod http;
pub mod identity;
pub mod listen;
pub mod log;
pub mod lookup;
pub mod net;
pub mod process;
pub mod random;
pub mod programs;
pub mod reach;
pub mod relay;
pub mod secrets;
pub mod task;
pub mod terminal;
pub mod timex;
pub mod tls;
pub mod usage;
