//! The section `[sample]`: how often targets are read, and what a reading may cost at most.

use std::time::Duration;

use crate::model::schema::{Key, Kind, Table};

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
        "The most connections the agent keeps to one target.",
    ),
    Key::new(
        "series_max_per_row",
        Kind::Whole { min: 1, max: 1_000_000 },
        "2000",
        "The most series that one row of a target's table may have. What comes beyond is dropped and counted.",
    ),
    Key::new(
        "discovery_interval",
        Kind::Duration { min: "10s", max: "1d" },
        "\"5m\"",
        "How often the agent looks for servers on this machine. It looks only where no configuration names its targets.",
    ),
];

/// `[sample]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub interval: Duration,
    pub deadline: Duration,
    pub sessions_max: usize,
    pub series_max_per_row: usize,
    pub discovery_interval: Duration,
}

impl Config {
    pub fn read(table: &Table) -> Config {
        let count = |key: &str| usize::try_from(table.whole(key)).unwrap_or(usize::MAX);
        Config {
            interval: table.duration("interval"),
            deadline: table.duration("deadline"),
            sessions_max: count("sessions_max"),
            series_max_per_row: count("series_max_per_row"),
            discovery_interval: table.duration("discovery_interval"),
        }
    }
}
