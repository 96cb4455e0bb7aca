//! Where the collector listens, and the paths of its signals (the rules of OTEL_EXPORTER_OTLP_ENDPOINT).

use std::net::IpAddr;

use hyper::Uri;

use crate::sys::net::Address;

/// What is pushed, each to a path of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    Metrics,
    Traces,
}

impl Signal {
    /// The end of its path.
    pub fn path(self) -> &'static str {
        match self {
            Signal::Metrics => "/v1/metrics",
            Signal::Traces => "/v1/traces",
        }
    }
}

/// The collector's URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub tls: bool,
    pub host: String,
    pub port: u16,
    /// What stands before `/v1/…`: empty, or beginning with `/` and not ending so.
    prefix: String,
}

impl Endpoint {
    /// # Errors
    /// What is wrong with it, without showing it.
    pub fn read(url: &str) -> Result<Endpoint, String> {
        let uri: Uri = url.parse().map_err(|error| format!("{error}"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(other) => return Err(format!("'{other}' is not a scheme of OTLP over HTTP")),
            None => return Err("it has no scheme".to_string()),
        };
        if uri.authority().is_some_and(|all| all.as_str().contains('@')) {
            return Err("it holds a user; credentials belong in headers_file".to_string());
        }
        if uri.query().is_some() {
            return Err("it holds a '?'".to_string());
        }
        let host = uri.host().unwrap_or("").trim_start_matches('[').trim_end_matches(']').to_string();
        if host.is_empty() {
            return Err("it names no host".to_string());
        }
        let port = match uri.authority().and_then(|all| all.as_str().rsplit_once(':')) {
            Some((before, port)) if !before.contains('[') || before.ends_with(']') => {
                let port = port.parse().ok().filter(|port| *port > 0);
                port.ok_or_else(|| "its port is not a number from 1 to 65535".to_string())?
            }
            _ if tls => 443,
            _ => 80,
        };
        let path = uri.path().trim_end_matches('/');
        let whole = [Signal::Metrics, Signal::Traces].iter().find_map(|signal| path.strip_suffix(signal.path()));
        Ok(Endpoint { tls, host, port, prefix: whole.unwrap_or(path).to_string() })
    }

    pub fn address(&self) -> Address {
        Address::Tcp { host: self.host.clone(), port: self.port }
    }

    /// The Host header: the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        let text = self.address().text();
        let usual = if self.tls { ":443" } else { ":80" };
        text.strip_suffix(usual).map_or(text.clone(), str::to_string)
    }

    /// Where a signal is posted to.
    pub fn path(&self, signal: Signal) -> String {
        format!("{}{}", self.prefix, signal.path())
    }

    /// Whether it is this machine.
    pub fn is_local(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}
