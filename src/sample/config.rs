//! The section `[sample]`: how often targets are read, and what a reading may cost at most.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::filter::{Choice, Filter, Glob};
use crate::model::schema::{Key, Kind, Table};
use crate::sample::governor::Budget;

pub const KEYS: &[Key] = &[
    Key::new(
        "interval",
        Kind::Duration { min: "1s", max: "1h" },
        "\"15s\"",
        "How often a target is read, unless it says otherwise itself.",
    ),
    Key::new(
        "deadline",
        Kind::Duration { min: "100ms", max: "1h" },
        "\"10s\"",
        "The longest that one reading of a target may take. A target whose interval is shorter has that long.",
    ),
    Key::new(
        "sessions_max",
        Kind::Whole { min: 1, max: 64 },
        "6",
        "The most connections the agent keeps to one target. Databases beyond them are visited in turn.",
    ),
    Key::new(
        "series_max_per_row",
        Kind::Whole { min: 1, max: 1_000_000 },
        "20000",
        "The most series that one row of a target's table may have. What comes beyond is dropped and counted.",
    ),
    Key::new(
        "cpu_max_cores",
        Kind::Number { min: 0.001, max: 64.0 },
        "0.5",
        "The processor time the agent may use, as a part of one core. Over it, rows are asked less often, and then the \
         least important ones not at all, until it is within it again.",
    ),
    Key::new(
        "memory_max",
        Kind::Bytes,
        "\"256MiB\"",
        "The memory that the agent may hold as its own; over it, it does the same.",
    ),
    Key::new(
        "budget_window",
        Kind::Duration { min: "5s", max: "1h" },
        "\"1m\"",
        "Over how long both are measured. Each step to less takes one such window, each step back at least five.",
    ),
    Key::new(
        "discovery_interval",
        Kind::Duration { min: "10s", max: "1d" },
        "\"5m\"",
        "How often the agent looks for servers on this machine. It looks only where no configuration names its targets.",
    ),
    Key::new(
        "collect",
        Kind::Texts,
        "[]",
        "Optional rows of the engine's table that are read as well, by name; '*' and '?' are wildcards.",
    ),
    Key::new(
        "skip",
        Kind::Texts,
        "[]",
        "Rows of the engine's table that are not read, by name; '*' and '?' are wildcards.",
    ),
    Key::new(
        "include",
        Kind::Lists,
        "",
        "By label: of series that have it, only those are kept whose value one of these fits.",
    )
    .example("{ datname = [\"orders*\"] }"),
    Key::new("exclude", Kind::Lists, "", "By label: series whose value one of these fits are not kept.")
        .example("{ relname = [\"tmp_*\"], device = [\"loop*\"] }"),
];

/// `[[query]]`.
pub const QUERY: &[Key] = &[
    Key::required("name", Kind::Text, "The query's name, as the label collector has it: letters, digits and '_'.")
        .example("\"signups\""),
    Key::new("tenant", Kind::Text, "\"default\"", "The tenant whose targets are asked."),
    Key::required("engine", Kind::Text, "Whose tongue it is in: {engines}.").example("\"{engine}\""),
    Key::new("targets", Kind::Texts, "[\"*\"]", "Which targets are asked, by name; '*' and '?' are wildcards."),
    Key::required(
        "ask",
        Kind::Text,
        "What is asked: one SQL statement that reads, a command that reads, or a path. It runs as the login that watches, \
         which must be allowed to read what it names.",
    )
    .example("\"SELECT plan, count(*) AS users FROM app.users GROUP BY plan\""),
    Key::new("since", Kind::Text, "", "The first version of the server that is asked.").example("\"14\""),
    Key::new("before", Kind::Text, "", "The first version of the server that is asked no more.").example("\"19\""),
    Key::new(
        "interval",
        Kind::Duration { min: "1s", max: "7d" },
        "\"1m\"",
        "How often it is asked. In between its last values stand.",
    ),
    Key::new(
        "deadline",
        Kind::Duration { min: "10ms", max: "1h" },
        "\"2s\"",
        "The longest that the server may work on it; never more than half of what the target's own deadline leaves.",
    ),
    Key::new(
        "series_max",
        Kind::Whole { min: 1, max: 100_000 },
        "100",
        "The most series that it may give. What comes beyond is dropped and counted.",
    ),
    Key::new(
        "labels",
        Kind::Texts,
        "[]",
        "The columns of the answer that are labels. Where the answer is a document, a path has them itself: \
         \"indices.{index}.docs.count\".",
    )
    .example("[\"plan\"]"),
    Key::new("metric", Kind::Sections(METRIC), "[]", "The metrics that the answer gives; at least one."),
];

/// `[[query.metric]]`.
const METRIC: &[Key] = &[
    Key::required("name", Kind::Text, "The metric's name.").example("\"app_users\""),
    Key::new(
        "from",
        Kind::Text,
        "",
        "Where its value stands: a column, or a dotted path; \".\" is the whole answer. Without it, the metric's name.",
    )
    .example("\"users\""),
    Key::new("type", Kind::Choice(&["gauge", "counter"]), "\"gauge\"", "What it is."),
    Key::new("help", Kind::Text, "\"\"", "What it means, for people.").example("\"Users by plan.\""),
    Key::new("labels", Kind::Map, "", "Labels that all its series have, where several columns are one metric.")
        .example("{ kind = \"trial\" }"),
    Key::new("unit", Kind::Text, "\"\"", "Its unit, as UCUM writes it: \"s\", \"By\", \"{user}\".")
        .example("\"{user}\""),
];

/// `[sample]`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub interval: Duration,
    pub deadline: Duration,
    pub sessions_max: usize,
    pub series_max_per_row: usize,
    pub budget: Budget,
    pub discovery_interval: Duration,
    /// Which rows are read of targets that do not say it themselves.
    pub choice: Choice,
    pub filter: Filter,
}

impl Config {
    pub fn read(table: &Table) -> Config {
        let count = |key: &str| usize::try_from(table.whole(key)).unwrap_or(usize::MAX);
        Config {
            interval: table.duration("interval"),
            deadline: table.duration("deadline"),
            sessions_max: count("sessions_max"),
            series_max_per_row: count("series_max_per_row"),
            budget: Budget {
                cpu_cores: table.number("cpu_max_cores"),
                memory_bytes: table.bytes("memory_max"),
                window: table.duration("budget_window"),
            },
            discovery_interval: table.duration("discovery_interval"),
            choice: choice(table, &Choice::default()),
            filter: filter(table, &Filter::default()),
        }
    }
}

/// The keys `collect` and `skip` of a section; those that it does not have are as `otherwise` says.
pub fn choice(table: &Table, otherwise: &Choice) -> Choice {
    let globs = |texts: Vec<String>| texts.into_iter().map(Glob::new).collect();
    Choice {
        collect: if table.has("collect") { globs(table.texts("collect")) } else { otherwise.collect.clone() },
        skip: if table.has("skip") { globs(table.texts("skip")) } else { otherwise.skip.clone() },
    }
}

/// The keys `include` and `exclude` of a section; labels that it does not name are as `otherwise` says.
pub fn filter(table: &Table, otherwise: &Filter) -> Filter {
    let over = |lists: BTreeMap<String, Vec<String>>, otherwise: &BTreeMap<String, Vec<Glob>>| {
        let own = lists.into_iter().map(|(label, globs)| (label, globs.into_iter().map(Glob::new).collect()));
        otherwise.clone().into_iter().chain(own).collect()
    };
    Filter {
        include: over(table.lists("include"), &otherwise.include),
        exclude: over(table.lists("exclude"), &otherwise.exclude),
    }
}
