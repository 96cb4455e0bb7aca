//! The words after `--`, and their defaults.

use std::path::PathBuf;
use std::time::Duration;

use crate::common::Outcome;

/// How to measure.
pub struct Options {
    pub rows: String,
    pub blocks: usize,
    pub block: Duration,
    /// How long both sides run before the first block.
    pub settle: Duration,
    pub hours: u32,
    /// The step of Prometheus' own history: text to import, so 5 s would take an hour.
    pub their_step: Duration,
    pub agent: PathBuf,
    /// Whether the folder with logs and histories stays.
    pub keep: bool,
}

const HELP: &str = "cargo bench --bench footprint -- [--rows a,b] [--blocks 5] [--block SECONDS] [--settle SECONDS] \
                    [--hours 24] [--their-step SECONDS] [--agent PROGRAM] [--keep]";

impl Options {
    pub fn read(arguments: &[String]) -> Outcome<Options> {
        let mut options = Options {
            rows: "a,b".to_string(),
            blocks: 5,
            block: Duration::from_secs(60),
            settle: Duration::from_secs(90),
            hours: 24,
            their_step: Duration::from_secs(60),
            agent: PathBuf::from(env!("CARGO_BIN_EXE_watchward")),
            keep: false,
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned().ok_or(format!("{word} needs a value; {HELP}"));
            match word.as_str() {
                "--bench" => {} // cargo's own
                "--rows" => options.rows = value()?.to_lowercase(),
                "--blocks" => options.blocks = whole(&value()?)?.max(1),
                "--block" => options.block = seconds(&value()?)?,
                "--settle" => options.settle = seconds(&value()?)?,
                "--hours" => options.hours = u32::try_from(whole(&value()?)?).map_err(|error| error.to_string())?,
                "--their-step" => options.their_step = seconds(&value()?)?.max(Duration::from_secs(1)),
                "--agent" => options.agent = PathBuf::from(value()?),
                "--keep" => options.keep = true,
                _ => return Err(format!("'{word}' is unknown; {HELP}")),
            }
        }
        Ok(options)
    }

    pub fn has_row(&self, row: char) -> bool {
        self.rows.contains(row)
    }

    /// Begin and end of the history that is written beforehand, in milliseconds since 1970: it ends now.
    pub fn history_ms(&self) -> (i64, i64) {
        let now_ms = watchward::sys::clock::system_ms();
        (now_ms - i64::from(self.hours) * 3_600_000, now_ms)
    }
}

fn whole(text: &str) -> Outcome<usize> {
    text.parse().map_err(|_| format!("'{text}' is no whole number; {HELP}"))
}

fn seconds(text: &str) -> Outcome<Duration> {
    whole(text).map(|seconds| Duration::from_secs(seconds as u64))
}
