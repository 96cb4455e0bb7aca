//! The section `[export]`: where samples are pushed to, how often, and what may wait.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::export::endpoint::Endpoint;
use crate::export::headers::{self, check_header};
use crate::model::fault::Fault;
use crate::model::schema::{Key, Kind, Origin, Table};
use crate::model::secret::Secret;

pub const KEYS: &[Key] = &[Key::new(
    "otlp",
    Kind::Section(OTLP_KEYS),
    "",
    "Pushes every sample to an OpenTelemetry collector: OTLP over HTTP, protobuf. Nothing is pushed without it.",
)];

pub const OTLP_KEYS: &[Key] = &[
    Key::required(
        "endpoint",
        Kind::Url,
        "Where the collector listens: http or https. /v1/metrics and /v1/traces are appended, unless it ends so already.",
    )
    .example("\"http://127.0.0.1:4318\""),
    Key::new(
        "headers",
        Kind::Map,
        "",
        "Headers of every request. Their values are secrets, and better kept in headers_file.",
    )
    .example("{ \"x-scope-orgid\" = \"databases\" }"),
    Key::new(
        "headers_file",
        Kind::Path,
        "",
        "A file with further headers, one `name: value` on each line. It is read anew before each request.",
    )
    .example("\"/etc/watchward/collector.headers\""),
    Key::new("ca_file", Kind::Path, "", "Certificates to trust for https, in place of the system's.")
        .example("\"/etc/watchward/ca.pem\""),
    Key::new(
        "insecure",
        Kind::Flag,
        "false",
        "Allows http to another machine, and https that is not verified.",
    ),
    Key::new(
        "interval",
        Kind::Duration { min: "1s", max: "10m" },
        "\"15s\"",
        "How long samples are gathered before they are pushed together.",
    ),
    Key::new("timeout", Kind::Duration { min: "1s", max: "5m" }, "\"10s\"", "How long one attempt may take."),
    Key::new(
        "queue_bytes_max",
        Kind::Bytes,
        "\"8MiB\"",
        "What may wait in memory for a collector that does not answer. Beyond it the oldest is dropped and counted.",
    ),
    Key::new(
        "resource",
        Kind::Map,
        "",
        "Further resource attributes of everything that is pushed.",
    )
    .example("{ \"deployment.environment.name\" = \"production\" }"),
    Key::new(
        "traces",
        Kind::Flag,
        "true",
        "Whether the agent's own slow cycles and its actions are pushed as traces too.",
    ),
];

/// `[export]`, checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `None`: nothing is pushed.
    pub otlp: Option<Otlp>,
}

/// `[export.otlp]`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Otlp {
    pub endpoint: Endpoint,
    pub headers: BTreeMap<String, Secret>,
    pub headers_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub insecure: bool,
    pub interval: Duration,
    pub timeout: Duration,
    pub queue_bytes_max: usize,
    pub resource: BTreeMap<String, String>,
    pub traces: bool,
}

/// What is wrong, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub origin: Origin,
    pub fault: Fault,
}

/// The least that may wait: one request of the usual size.
const QUEUE_BYTES_MIN: u64 = 1 << 20;

impl Config {
    /// Reads the section, whose keys and types were checked before.
    ///
    /// # Errors
    /// Every `export-*` mistake at once: an endpoint that cannot be used or would not be secure, faulty headers and
    /// attributes, a queue that is too small.
    pub fn read(table: &Table) -> Result<Config, Vec<Mistake>> {
        let Some(table) = table.table("otlp") else { return Ok(Config::default()) };
        let mut mistakes = Vec::new();
        let endpoint = read_endpoint(table, &mut mistakes);
        let headers = table.map("headers");
        for name in headers.keys() {
            if let Err(why) = check_header(name, &headers[name]) {
                let what = format!("the header '{}' cannot be sent: {why}", name.escape_debug());
                mistakes.push(mistake(
                    table,
                    "headers",
                    "export-03",
                    what,
                    "Write { \"name\" = \"value\" }, in ASCII.",
                ));
            }
        }
        if let Some(path) = table.path("headers_file")
            && let Err(why) = headers::read(&path)
        {
            let what = format!("headers_file cannot be used: {why}");
            let hint = "Write one `name: value` on each line, in ASCII.";
            mistakes.push(mistake(table, "headers_file", "export-06", what, hint));
        }
        let resource = table.map("resource");
        for name in resource.keys().filter(|name| !is_attribute(name)) {
            let what = format!("'{}' is not a name for a resource attribute", name.escape_debug());
            let hint = "Write it like \"deployment.environment.name\"; what names the agent and its targets is taken.";
            mistakes.push(mistake(table, "resource", "export-04", what, hint));
        }
        let queue_bytes_max = table.bytes("queue_bytes_max");
        if queue_bytes_max < QUEUE_BYTES_MIN && table.has("queue_bytes_max") {
            let what = format!("queue_bytes_max is {queue_bytes_max} bytes, too little for one request");
            mistakes.push(mistake(table, "queue_bytes_max", "export-05", what, "Allow at least \"1MiB\"."));
        }
        match endpoint {
            Some(endpoint) if mistakes.is_empty() => Ok(Config {
                otlp: Some(Otlp {
                    endpoint,
                    headers: headers.into_iter().map(|(name, value)| (name, Secret::new(value))).collect(),
                    headers_file: table.path("headers_file"),
                    ca_file: table.path("ca_file"),
                    insecure: table.flag("insecure"),
                    interval: table.duration("interval"),
                    timeout: table.duration("timeout"),
                    queue_bytes_max: usize::try_from(queue_bytes_max).unwrap_or(usize::MAX),
                    resource,
                    traces: table.flag("traces"),
                }),
            }),
            _ => Err(mistakes),
        }
    }
}

fn read_endpoint(table: &Table, mistakes: &mut Vec<Mistake>) -> Option<Endpoint> {
    match Endpoint::read(table.text("endpoint")) {
        Ok(endpoint) if !endpoint.tls && !endpoint.is_local() && !table.flag("insecure") => {
            let what = format!("the connection to '{}' would not be secure", endpoint.host.escape_debug());
            let hint = "Use https, a collector on this machine, or accept it with insecure = true.";
            let mut mistake = mistake(table, "endpoint", "export-02", what, hint);
            mistake.fault.detail = "Samples and headers would cross the network in the clear.".to_string();
            mistakes.push(mistake);
            None
        }
        Ok(endpoint) => Some(endpoint),
        Err(why) => {
            let what = format!("endpoint cannot be used: {why}");
            mistakes.push(mistake(table, "endpoint", "export-01", what, "Write it like \"http://127.0.0.1:4318\"."));
            None
        }
    }
}

/// Whether a user may give an attribute of this name.
fn is_attribute(name: &str) -> bool {
    const TAKEN: &[&str] = &["service.name", "service.instance.id", "service.version", "tenant", "target"];
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(fits) && !TAKEN.contains(&name)
}

fn mistake(table: &Table, key: &str, code: &'static str, what: String, hint: &str) -> Mistake {
    let origin = table.origin(key).unwrap_or(&table.origin).clone();
    Mistake { origin, fault: Fault::new(code, what).hint(hint) }
}
