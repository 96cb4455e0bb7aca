//! How a target is reached: its address and its TLS, worked out of its URL.

use std::path::PathBuf;

use crate::model::target::{Target, Url};
use crate::sys::http::Base;
use crate::sys::net::Address;
use crate::sys::tls::{Trust, Wish};

/// Where a target listens: a Unix socket where its host is a path, else TCP.
pub fn address(url: &Url, default_port: u16) -> Address {
    if url.host.starts_with('/') {
        return Address::Unix(PathBuf::from(&url.host));
    }
    let host = if url.host.is_empty() { "localhost".to_string() } else { url.host.clone() };
    Address::Tcp { host, port: if url.port == 0 { default_port } else { url.port } }
}

/// What TLS with a target must be. Without `ca_file`, `insecure = true` gives verification up; with it nobody need.
pub fn wish(target: &Target) -> Wish {
    let trust = match &target.ca_file {
        Some(file) => Trust::File(file.clone()),
        None if target.insecure => Trust::Anybody,
        None => Trust::System,
    };
    let server_name = if target.url.host.is_empty() { "localhost".to_string() } else { target.url.host.clone() };
    Wish { server_name, trust, ..Wish::default() }
}

/// Whether a connection that has, or has not, TLS is verified.
///
/// # Errors
/// The sentence that says what is not.
pub fn verified(target: &Target, has_tls: bool) -> Result<(), String> {
    let server = if target.url.host.is_empty() { "localhost" } else { target.url.host.as_str() };
    if !has_tls {
        return Err(format!("The connection to {server} is not encrypted."));
    }
    match wish(target).trust {
        Trust::Anybody => Err(format!("The certificate of {server} is not verified.")),
        Trust::System | Trust::File(_) => Ok(()),
    }
}

/// What an HTTP client needs to know of a target, which it tells its own name.
pub fn http_base(target: &Target, default_port: u16, has_tls: bool, name: &str, answer_bytes_max: usize) -> Base {
    let address = address(&target.url, default_port);
    let host = match &address {
        Address::Tcp { .. } => address.text(),
        Address::Unix(_) => "localhost".to_string(),
    };
    Base { address, host, tls: has_tls.then(|| wish(target)), user_agent: name.to_string(), answer_bytes_max }
}
