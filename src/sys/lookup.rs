//! Questions to name servers that the system's own look-up cannot ask: services and texts of a name, and addresses by a
//! name server of one's own.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::time::timeout;

use crate::model::fault::Fault;

/// What is asked once more until the time is over.
const ATTEMPTS: u32 = 3;

/// Name servers that can be asked.
pub struct Names {
    resolver: TokioResolver,
    /// For faults: who is asked.
    asked: String,
    patience: Duration,
}

/// A name server as configurations have it: an address, or address:port.
pub fn name_server(text: &str) -> Option<SocketAddr> {
    const PORT: u16 = 53;
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, PORT)))
}

impl Names {
    /// The given name server, or those of `/etc/resolv.conf`. `patience`: how long each question may take in all.
    ///
    /// # Errors
    /// `names-01`: the file cannot be read.
    pub fn open(server: Option<SocketAddr>, patience: Duration) -> Result<Names, Fault> {
        let unusable = |error: &NetError| {
            Fault::new("names-01", format!("the name servers of /etc/resolv.conf cannot be used: {error}"))
                .hint("Is the file there, and may the agent's user read it? A target's key resolver names another one.")
        };
        let (mut builder, asked) = match server {
            Some(server) => {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                let one = NameServerConfig::new(server.ip(), true, connections.to_vec());
                let config = ResolverConfig::from_name_servers(vec![one]);
                let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
                (builder, format!("the name server {server}"))
            }
            None => {
                let builder = TokioResolver::builder_tokio().map_err(|error| unusable(&error))?;
                (builder, "the name servers of /etc/resolv.conf".to_string())
            }
        };
        limit(builder.options_mut(), patience);
        let resolver = builder.build().map_err(|error| unusable(&error))?;
        Ok(Names { resolver, asked, patience })
    }

    /// Hosts and ports that offer a service, by its SRV records; none where there are no such records.
    ///
    /// # Errors
    /// `net-02`: no usable answer.
    pub async fn services(&self, name: &str) -> Result<Vec<(String, u16)>, Fault> {
        let found = |data: &RData| match data {
            RData::SRV(record) => {
                let host = record.target.to_ascii();
                Some((host.trim_end_matches('.').to_ascii_lowercase(), record.port))
            }
            _ => None,
        };
        self.ask(name, RecordType::SRV, found).await
    }

    /// The TXT records of a name, the pieces of each put together; none where there are no such records.
    ///
    /// # Errors
    /// `net-02`: no usable answer.
    pub async fn texts(&self, name: &str) -> Result<Vec<String>, Fault> {
        let found = |data: &RData| match data {
            RData::TXT(record) => Some(String::from_utf8_lossy(&record.txt_data.concat()).into_owned()),
            _ => None,
        };
        self.ask(name, RecordType::TXT, found).await
    }

    /// An address of a host: one of version 4 where there is one, else of version 6.
    ///
    /// # Errors
    /// `net-02`: no usable answer, or no address.
    pub async fn address(&self, name: &str) -> Result<IpAddr, Fault> {
        let found = |data: &RData| match data {
            RData::A(record) => Some(IpAddr::V4(record.0)),
            RData::AAAA(record) => Some(IpAddr::V6(record.0)),
            _ => None,
        };
        for kind in [RecordType::A, RecordType::AAAA] {
            if let Some(address) = self.ask(name, kind, found).await?.first() {
                return Ok(*address);
            }
        }
        Err(Fault::new("net-02", format!("no address of '{name}' from {}", self.asked)).hint(HINT))
    }

    /// Asks for the records of one type.
    async fn ask<T>(&self, name: &str, kind: RecordType, found: impl Fn(&RData) -> Option<T>) -> Result<Vec<T>, Fault> {
        let failed =
            |why: String| Fault::new("net-02", format!("no {kind} of '{name}' from {}: {why}", self.asked)).hint(HINT);
        // With a dot at its end no domain of the machine's own is tried behind it.
        match timeout(self.patience, self.resolver.lookup(format!("{name}."), kind)).await {
            Ok(Ok(lookup)) => Ok(lookup.answers().iter().filter_map(|record| found(&record.data)).collect()),
            Ok(Err(error)) if error.is_no_records_found() => Ok(Vec::new()),
            Ok(Err(NetError::Timeout)) | Err(_) => Err(failed(format!("no answer within {:?}", self.patience))),
            Ok(Err(error)) => Err(failed(error.to_string())),
        }
    }
}

const HINT: &str = "Does this machine reach its name server? A target's key resolver names another one.";

/// Bounds what one question may take, whatever the system's file says.
fn limit(options: &mut ResolverOpts, patience: Duration) {
    options.timeout = options.timeout.min(patience / ATTEMPTS);
    options.attempts = ATTEMPTS as usize - 1;
    options.cache_size = 0; // asked anew when a session is opened
}
