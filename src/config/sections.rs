//! The keys of the sections that no stage owns: the agent itself, tenants and targets.

use crate::model::schema::{Key, Kind};
use crate::sys::log;

/// `[agent]`.
pub const AGENT: &[Key] = &[
    Key::new("name", Kind::Text, "", "The name of this agent and its host. Without it, the machine's own name.")
        .example("\"db-host-1\""),
    Key::new(
        "state_dir",
        Kind::Path,
        "",
        "The folder for history, state and the agent's socket. Without it, the $STATE_DIRECTORY of a service, \
         /var/lib/watchward for root, and $XDG_STATE_HOME/watchward or ~/.local/state/watchward for an ordinary user.",
    )
    .example("\"/var/lib/watchward\""),
    Key::new(
        "timezone",
        Kind::Zone,
        "\"UTC\"",
        "The time zone of every schedule and window that names none, by its IANA name.",
    ),
    Key::new(
        "environment",
        Kind::Text,
        "",
        "The environment this agent is in: the sections of [environment.NAME] are laid over the others.",
    )
    .example("\"production\""),
    Key::new(
        "log",
        Kind::Choice(log::Form::WORDS),
        "\"text\"",
        "How the log on standard error is written: lines for people, or one JSON object on each line. --log comes first.",
    ),
    Key::new("log_level", Kind::Choice(log::LEVELS), "\"info\"", "From what on the log tells. --verbose is \"debug\"."),
];

/// `[[tenant]]`.
pub const TENANT: &[Key] = &[
    Key::required("id", Kind::Text, "The tenant's name: letters, digits, '.', '_' and '-'.").example("\"acme\""),
    Key::new(
        "thresholds",
        Kind::Numbers,
        "",
        "Thresholds of all this tenant's targets, before those of [alert.thresholds].",
    )
    .example("{ cpu_usage = 90 }"),
];

/// `[[target]]`. `{engines}`, `{url}` and `{engine}` are filled in when the reference and the example are rendered.
pub const TARGET: &[Key] = &[
    Key::required(
        "name",
        Kind::Text,
        "The target's name, unique within its tenant: letters, digits, '.', '_' and '-'.",
    )
    .example("\"orders\""),
    Key::new("tenant", Kind::Text, "\"default\"", "The tenant it belongs to: \"default\", or the id of a [[tenant]]."),
    Key::required("engine", Kind::Text, "What it is: {engines}.").example("\"{engine}\""),
    Key::new(
        "url",
        Kind::Url,
        "",
        "Where it is and as whom to connect. A socket is written scheme:///name?host=/run/folder or unix:///run/file. \
         The password belongs in password_file.",
    )
    .example("\"{url}\""),
    Key::new("password_file", Kind::Path, "", "The file that holds the password. It is read anew when it changes.")
        .example("\"/etc/watchward/orders.pw\""),
    Key::new("password_env", Kind::Text, "", "The environment variable that holds the password.")
        .example("\"ORDERS_PASSWORD\""),
    Key::new("api_key_file", Kind::Path, "", "The file that holds an API key, for engines that know them.")
        .example("\"/etc/watchward/orders.key\""),
    Key::new("api_key_env", Kind::Text, "", "The environment variable that holds an API key.")
        .example("\"ORDERS_KEY\""),
    Key::new(
        "action",
        Kind::Section(ACTION),
        "",
        "A second login, with which policies change settings and nothing else is done. A server on this machine that \
         asks for no password needs none.",
    ),
    Key::new("ca_file", Kind::Path, "", "Certificate authorities to trust, in place of the system's, as PEM.")
        .example("\"/etc/watchward/ca.pem\""),
    Key::new(
        "insecure",
        Kind::Flag,
        "false",
        "Allows a connection to another machine that is not encrypted or not verified. A finding stands as long as it is so.",
    ),
    Key::new(
        "interval",
        Kind::Duration { min: "1s", max: "1h" },
        "",
        "How often it is read. Without it, as [sample] says.",
    )
    .example("\"5s\""),
    Key::new(
        "deadline",
        Kind::Duration { min: "100ms", max: "1h" },
        "",
        "The longest that one reading may take, at most the interval. Without it, as [sample] says.",
    )
    .example("\"4s\""),
    Key::new("job", Kind::Text, "", "The label job of its series. Without it, the one its engine's exporter has.")
        .example("\"orders\""),
    Key::new("labels", Kind::Map, "", "Labels that each of its series gets.").example("{ region = \"eu-1\" }"),
    Key::new(
        "root",
        Kind::Path,
        "\"/\"",
        "For the host: the folder that has proc/ and sys/, such as \"/host\" in a sidecar.",
    ),
    Key::new(
        "resolver",
        Kind::Text,
        "",
        "For a url whose scheme ends with +srv: the name server that is asked for the seed list and its members, as address or \
         address:port. Without it, those of /etc/resolv.conf.",
    )
    .example("\"10.0.0.2:53\""),
    Key::new(
        "check_keys",
        Kind::Texts,
        "",
        "For servers of keys: patterns of those whose sizes are read, as in db0=queue:*. \
         Of the first hundred that a bounded walk finds; naming them asks for the row keys.",
    )
    .example("[\"db0=queue:*\"]"),
    Key::new("check_single_keys", Kind::Texts, "", "The same for keys by their whole names, without a walk.")
        .example("[\"db0=queue:mail\"]"),
    Key::new("count_keys", Kind::Texts, "", "The same for patterns whose keys are counted.")
        .example("[\"db0=session:*\"]"),
    Key::new(
        "check_streams",
        Kind::Texts,
        "",
        "Patterns of the streams that the row streams reads, and naming them asks for it. Without it, all of database 0.",
    )
    .example("[\"db0=orders:*\"]"),
    Key::new(
        "keeper",
        Kind::Text,
        "",
        "For a server whose replicas a Keeper or ZooKeeper keeps in step: its address, with port 9181 unless it says \
         otherwise. Naming it asks for the row keeper.",
    )
    .example("\"keeper1:9181\""),
    Key::new(
        "slow_log",
        Kind::Paths,
        "",
        "For a server on this machine that logs slow queries into files of its own: those files, whose queries become statements; \
         '*' and '?' stand in the file's name.",
    )
    .example("[\"/var/log/search/*_slowlog.json\"]"),
    Key::new(
        "collect",
        Kind::Texts,
        "",
        "Optional rows of the engine's table that are read as well, by name; '*' and '?' are wildcards. Without it, as [sample] says.",
    ).example("[\"*\"]"),
    Key::new(
        "skip",
        Kind::Texts,
        "",
        "Rows of the engine's table that are not read, by name; '*' and '?' are wildcards. Without it, as [sample] says.",
    ).example("[\"locks\"]"),
    Key::new(
        "include",
        Kind::Lists,
        "",
        "By label: of series that have it, only those are kept whose value one of these fits. Without it, as [sample] says.",
    )
    .example("{ datname = [\"orders*\"] }"),
    Key::new("exclude", Kind::Lists, "", "By label: series whose value one of these fits are not kept. Without it, as [sample] says.")
        .example("{ relname = [\"tmp_*\"], device = [\"loop*\"] }"),
    Key::new("thresholds", Kind::Numbers, "", "Thresholds of this target, before those of its tenant.")
        .example("{ connection_count = 500 }"),
];

/// `[features]`.
pub const FEATURES: &[Key] = &[
    Key::new("ai_optimization", Kind::Flag, "true", "Policies that change settings. Off, these are refused."),
    Key::new("real_time_monitoring", Kind::Flag, "true", "The live stream, /api/v1/stream. Off, it is refused."),
    Key::new(
        "automated_failover",
        Kind::Flag,
        "true",
        "Failover by policy. The agent cannot fail over yet: on or off, nothing does.",
    ),
    Key::new(
        "compliance_scanning",
        Kind::Flag,
        "true",
        "Scans of settings and grants against benchmarks. The agent has none yet: on or off, nothing is scanned.",
    ),
];

/// `[[target]] action`.
pub const ACTION: &[Key] = &[
    Key::required("user", Kind::Text, "As whom to connect.").example("\"watchward_act\""),
    Key::new("password_file", Kind::Path, "", "The file that holds the password. It is read anew for each change.")
        .example("\"/etc/watchward/orders-act.pw\""),
    Key::new("password_env", Kind::Text, "", "The environment variable that holds the password.")
        .example("\"ORDERS_ACT_PASSWORD\""),
];
