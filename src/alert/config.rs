//! The section `[alert]`: receivers, the route to them, thresholds, and the outbox's limits.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::alert::route::{GroupBy, Route};
use crate::alert::webhook::{Endpoint, Webhook};
use crate::model::fault::Fault;
use crate::model::schema::{Key, Kind, Origin, Table};
use crate::model::target::SecretSource;
use crate::state::outbox::Outlet;

pub const KEYS: &[Key] = &[
    Key::new("receiver", Kind::Sections(RECEIVER_KEYS), "", "Somebody who is told of alerts, and how."),
    Key::new(
        "route",
        Kind::Section(ROUTE_KEYS),
        "",
        "Which receiver hears of an alert, and which alerts it hears of together.",
    ),
    Key::new(
        "thresholds",
        Kind::Numbers,
        "",
        "Limits by name, each of which expands to rules; `watchward rules` shows them.",
    )
    .example("{ cpu_usage = 80, memory_usage = 85, connection_count = 1000 }"),
    Key::new(
        "queue_entries_max",
        Kind::Whole { min: 100, max: 1_000_000 },
        "10000",
        "With more notices than this waiting, the older comings and goings of an alert are merged into its last.",
    ),
    Key::new(
        "body_bytes_max",
        Kind::Bytes,
        "\"1MiB\"",
        "The largest message; what does not fit goes into the next one.",
    ),
    Key::new(
        "give_up_after",
        Kind::Duration { min: "1m", max: "30d" },
        "\"24h\"",
        "How long an alert that could not be delivered is tried again.",
    ),
];

pub const RECEIVER_KEYS: &[Key] = &[
    Key::required("name", Kind::Text, "How routes call it.").example("\"dba\""),
    Key::new(
        "webhook",
        Kind::Section(WEBHOOK_KEYS),
        "",
        "Told by HTTP POST, in the JSON of Alertmanager's webhook, version 4.",
    ),
];

pub const WEBHOOK_KEYS: &[Key] = &[
    Key::required("url", Kind::Url, "Where to post to: http or https.").example("\"https://hooks.example.org/x\""),
    Key::new(
        "secret_file",
        Kind::Path,
        "",
        "A file with the secret that messages are signed with (X-Watchward-Signature).",
    )
    .example("\"/etc/watchward/hook\""),
    Key::new("secret_env", Kind::Text, "", "The environment variable with that secret, in place of a file.")
        .example("\"HOOK_SECRET\""),
    Key::new("ca_file", Kind::Path, "", "Certificates to trust for https, in place of the system's.")
        .example("\"/etc/watchward/ca.pem\""),
    Key::new("timeout", Kind::Duration { min: "1s", max: "5m" }, "\"10s\"", "How long one attempt may take."),
];

pub const ROUTE_KEYS: &[Key] = &[
    Key::new("receiver", Kind::Text, "", "Who hears of everything. Default: the receiver, where there is just one.")
        .example("\"dba\""),
    Key::new(
        "group_by",
        Kind::Texts,
        "[\"tenant\", \"target\", \"alertname\"]",
        "Alerts that agree in these labels are told together; \"...\": in all labels. `tenant` is always one of them.",
    ),
];

/// `[alert]`, checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    pub receivers: Vec<Receiver>,
    /// `None`: nobody is told.
    pub route: Option<Route>,
    pub thresholds: BTreeMap<String, f64>,
    pub limits: Limits,
}

/// Somebody who is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Receiver {
    pub name: String,
    pub webhook: Webhook,
}

/// Bounds of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub queue_entries_max: usize,
    pub body_bytes_max: usize,
    pub give_up_after: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { queue_entries_max: 10_000, body_bytes_max: 1 << 20, give_up_after: Duration::from_secs(86_400) }
    }
}

/// What is wrong, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub origin: Origin,
    pub fault: Fault,
}

/// The one channel there is.
const WEBHOOK: &str = "webhook";

impl Config {
    /// Reads the section, whose keys and types were checked before.
    ///
    /// # Errors
    /// Every `alert-*` mistake at once: names given twice, unknown receivers, faulty URLs, two sources of one secret.
    pub fn read(table: &Table) -> Result<Config, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut receivers: Vec<Receiver> = Vec::new();
        for one in table.tables("receiver") {
            let name = one.text("name").to_string();
            if receivers.iter().any(|other| other.name == name) {
                mistakes.push(mistake(
                    one,
                    "name",
                    "alert-01",
                    format!("receiver '{name}' stands twice"),
                    "Names are unique.",
                ));
            }
            if let Some(webhook) = read_webhook(one, &name, &mut mistakes) {
                receivers.push(Receiver { name, webhook });
            }
        }
        let route = if mistakes.is_empty() { read_route(table, &receivers, &mut mistakes) } else { None };
        let limits = Limits {
            queue_entries_max: positive(usize::try_from(table.whole("queue_entries_max")).ok(), 10_000),
            body_bytes_max: positive(usize::try_from(table.bytes("body_bytes_max")).ok(), 1 << 20).max(64 << 10),
            give_up_after: Some(table.duration("give_up_after"))
                .filter(|some| !some.is_zero())
                .unwrap_or(Limits::default().give_up_after),
        };
        let config = Config { receivers, route, thresholds: table.numbers("thresholds"), limits };
        if mistakes.is_empty() { Ok(config) } else { Err(mistakes) }
    }

    /// Every way of every receiver to be told.
    pub fn outlets(&self) -> Vec<Outlet> {
        self.receivers.iter().map(|one| outlet(&one.name)).collect()
    }

    /// How an outlet is told; `None` where it is not configured.
    pub fn webhook(&self, outlet: &Outlet) -> Option<&Webhook> {
        let named = |one: &&Receiver| one.name == outlet.receiver && outlet.channel == WEBHOOK;
        self.receivers.iter().find(named).map(|one| &one.webhook)
    }

    /// The outlets of one receiver.
    pub fn outlets_of(&self, receiver: &str) -> Vec<Outlet> {
        self.receivers.iter().filter(|one| one.name == receiver).map(|one| outlet(&one.name)).collect()
    }
}

fn outlet(receiver: &str) -> Outlet {
    Outlet { receiver: receiver.to_string(), channel: WEBHOOK.to_string() }
}

fn positive(value: Option<usize>, default: usize) -> usize {
    value.filter(|value| *value > 0).unwrap_or(default)
}

fn read_webhook(one: &Table, name: &str, mistakes: &mut Vec<Mistake>) -> Option<Webhook> {
    let Some(table) = one.table("webhook") else {
        let what = format!("receiver '{name}' cannot be told anything");
        mistakes.push(mistake(one, "name", "alert-02", what, "Add webhook = { url = \"https://…\" }."));
        return None;
    };
    let (file, variable) = (table.path("secret_file"), table.text("secret_env"));
    let secret = match (file, variable) {
        (Some(_), variable) if !variable.is_empty() => {
            let what = format!("the webhook of receiver '{name}' has two secrets");
            mistakes.push(mistake(table, "secret_env", "alert-04", what, "Keep secret_file or secret_env, not both."));
            SecretSource::None
        }
        (Some(path), _) => SecretSource::File(path),
        (None, "") => SecretSource::None,
        (None, variable) => SecretSource::Environment(variable.to_string()),
    };
    let timeout = Some(table.duration("timeout")).filter(|some| !some.is_zero()).unwrap_or(Duration::from_secs(10));
    match Endpoint::read(table.text("url")) {
        Ok(endpoint) => Some(Webhook { endpoint, secret, ca_file: table.path("ca_file"), timeout }),
        Err(why) => {
            let what = format!("the URL of receiver '{name}' cannot be used: {why}");
            mistakes.push(mistake(table, "url", "alert-03", what, "Write it like \"https://hooks.example.org/x\"."));
            None
        }
    }
}

fn read_route(table: &Table, receivers: &[Receiver], mistakes: &mut Vec<Mistake>) -> Option<Route> {
    let route = table.table("route");
    let named = route.map_or("", |route| route.text("receiver"));
    let names: Vec<&str> = receivers.iter().map(|one| one.name.as_str()).collect();
    let receiver = match (named, names.as_slice()) {
        ("", []) => return None,
        ("", [only]) => (*only).to_string(),
        ("", _) => {
            let what = format!("there is no route to any of the receivers {}", names.join(", "));
            mistakes.push(mistake(
                route.unwrap_or(table),
                "receiver",
                "alert-05",
                what,
                "Name one in [alert.route] receiver.",
            ));
            return None;
        }
        (named, names) if names.contains(&named) => named.to_string(),
        (named, names) => {
            let hint = if names.is_empty() {
                "Add it as [[alert.receiver]].".to_string()
            } else {
                format!("There are: {}.", names.join(", "))
            };
            let what = format!("the route names a receiver that does not exist: '{named}'");
            mistakes.push(mistake(route.unwrap_or(table), "receiver", "alert-06", what, &hint));
            return None;
        }
    };
    let group_by = route.map(|route| route.texts("group_by")).filter(|some| !some.is_empty());
    Some(Route { receiver, group_by: group_by.map_or_else(GroupBy::default, |names| GroupBy::new(&names)) })
}

fn mistake(table: &Table, key: &str, code: &'static str, what: String, hint: &str) -> Mistake {
    let origin = table.origin(key).unwrap_or(&table.origin).clone();
    Mistake { origin, fault: Fault::new(code, what).hint(hint) }
}
