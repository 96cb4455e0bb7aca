//! Targets: one watched thing of a tenant, as configured or found.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::model::filter::{Choice, Filter};
use crate::model::query::Query;
use crate::model::secret::Secret;

/// The tenant of everything that names none.
pub const DEFAULT_TENANT: &str = "default";

/// Where a secret comes from. It is read anew when it changes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum SecretSource {
    #[default]
    None,
    File(PathBuf),
    Environment(String),
    /// Stood in the configuration itself (in a URL).
    Inline(Secret),
}

/// How to reach a target. Built by the configuration, which has checked it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Url {
    pub scheme: String,
    pub user: String,
    /// A host name or address without brackets, or an absolute path to a Unix socket's folder or file.
    pub host: String,
    /// 0 where the URL names none; the engine's default then applies.
    pub port: u16,
    /// Without its leading `/`: a database name, a path.
    pub path: String,
    /// Decoded pairs of the query part.
    pub parameters: BTreeMap<String, String>,
}

/// The second login of a target, which act alone uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub password: SecretSource,
}

/// Keys of a target that only some engines take; an engine checks its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The name server that is asked for what a URL stands for; empty for the system's.
    pub resolver: String,
    /// Keys of a server whose sizes are read, by pattern; each as `db0=user:*`.
    pub check_keys: Vec<String>,
    /// Keys whose sizes are read, by their whole names.
    pub check_single_keys: Vec<String>,
    /// Patterns whose keys are counted.
    pub count_keys: Vec<String>,
    /// Patterns of the streams that are read; empty for all of the first database.
    pub check_streams: Vec<String>,
    /// The server that keeps a cluster in step, as `host:port`; empty where none is asked.
    pub keeper: String,
    /// Files on this machine in which the server logs what is slow; `*` and `?` stand in the last part only.
    pub slow_log: Vec<PathBuf>,
}

/// One watched thing. Its identity is tenant/name.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub name: String,
    pub tenant: String,
    /// The word of the engine, `engine = "…"`.
    pub engine: String,
    pub url: Url,
    pub password: SecretSource,
    /// For engines that know API keys.
    pub api_key: SecretSource,
    /// As whom settings are changed. `None`: as the first login, which only a local server without passwords allows.
    pub action: Option<Login>,
    /// Certificates to trust beside (in place of) the system's.
    pub ca_file: Option<PathBuf>,
    /// Allows a remote connection whose TLS is absent or not verified; a standing finding says so.
    pub insecure: bool,
    pub interval: Duration,
    /// The longest a cycle may take; at most the interval.
    pub deadline: Duration,
    /// The most sessions that are kept with it.
    pub sessions_max: usize,
    /// Value of the label `job`; empty for the engine's own default.
    pub job: String,
    /// Labels added to every series.
    pub labels: BTreeMap<String, String>,
    /// For the host: where proc/ and sys/ are.
    pub root: PathBuf,
    /// What only some engines take.
    pub options: Options,
    /// Which rows of its engine's table are read.
    pub choice: Choice,
    /// Which of its databases, tables, indices and so on are watched.
    pub filter: Filter,
    /// Queries of the user's own.
    pub queries: Vec<Arc<Query>>,
    /// Thresholds of this target alone.
    pub thresholds: BTreeMap<String, f64>,
    /// Found, not configured: it never pages anyone.
    pub discovered: bool,
}

impl Target {
    /// `tenant/name`, the identity that events and logs carry.
    pub fn identity(&self) -> String {
        format!("{}/{}", self.tenant, self.name)
    }

    /// Whether the address is this machine: a Unix socket, `localhost`, or a loopback address.
    pub fn is_local(&self) -> bool {
        let host = self.url.host.as_str();
        host.is_empty()
            || host.starts_with('/')
            || host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}
