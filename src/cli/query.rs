//! `query`: an expression in Prometheus' language over the agent's own history, now, at a time, or along a range.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::ask::{Agent, Refused};
use crate::cli::output::{self, tell};
use crate::cli::table::{Side, columns};
use crate::cli::{REFUSED, WELL};
use crate::config::Source;
use crate::config::url::encode;
use crate::model::duration;
use crate::model::fault::Fault;
use crate::model::moment::rfc3339;
use crate::sys::clock;
use crate::sys::log::printable;

/// How many values of each series a range has, where no step is given.
const STEPS: u32 = 60;

/// What is asked.
#[derive(Args, Clone, Debug)]
pub struct Question {
    /// The expression, such as 'rate(pg_stat_database_xact_commit[5m])'
    #[arg(value_name = "EXPR")]
    pub expression: String,
    /// When: RFC 3339, seconds since 1970, or so long ago as in -10m [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub at: Option<String>,
    /// The values of so long until then, such as 1h
    #[arg(long, value_name = "DURATION")]
    pub range: Option<String>,
    /// How far apart the values of a range are [default: a sixtieth of it, at least 1s]
    #[arg(long, value_name = "DURATION", requires = "range")]
    pub step: Option<String>,
}

/// Asks the running agent and prints a table or JSON.
pub fn run(source: &Source, question: &Question, as_json: bool) -> u8 {
    let asked = path(question, clock::system_ms()).map_err(|fault| Refused { words: fault.to_string(), code: REFUSED });
    match asked.and_then(|path| Agent::of(source)?.get(&path)) {
        Ok(answer) => {
            let answer = Answer::read(&answer["data"]);
            if answer.series.is_empty() && !as_json {
                tell("no series; `watchward query '{__name__=~\".+\"}'` shows all there are");
            }
            let words = if as_json { answer.document() } else { answer.text() };
            output::answer(&words, WELL)
        }
        Err(refused) => refused.say(),
    }
}

/// The request for a question.
///
/// # Errors
/// `cli-07`: a time or a duration is none.
pub fn path(question: &Question, now_ms: i64) -> Result<String, Fault> {
    let query = encode(&question.expression, "");
    let Some(range) = &question.range else {
        let at = question.at.as_deref().map(|text| moment(text, now_ms)).transpose()?;
        let time = at.map_or(String::new(), |at_ms| format!("&time={}", seconds(at_ms)));
        return Ok(format!("/api/v1/query?query={query}{time}"));
    };
    let range = length("--range", range)?;
    let step = match &question.step {
        Some(step) => length("--step", step)?,
        None => (range / STEPS).max(Duration::from_secs(1)),
    };
    let to_ms = question.at.as_deref().map_or(Ok(now_ms), |text| moment(text, now_ms))?;
    let from_ms = to_ms.saturating_sub(i64::try_from(range.as_millis()).unwrap_or(i64::MAX));
    let (start, end, step) = (seconds(from_ms), seconds(to_ms), step.as_secs_f64());
    Ok(format!("/api/v1/query_range?query={query}&start={start}&end={end}&step={step}"))
}

fn seconds(at_ms: i64) -> String {
    format!("{}.{:03}", at_ms.div_euclid(1000), at_ms.rem_euclid(1000))
}

fn length(flag: &str, text: &str) -> Result<Duration, Fault> {
    let parsed = duration::parse(text).map_err(|why| Fault::new("cli-07", format!("{flag}: {why}")))?;
    if parsed.is_zero() { Err(Fault::new("cli-07", format!("{flag} must be longer than nothing"))) } else { Ok(parsed) }
}

fn moment(text: &str, now_ms: i64) -> Result<i64, Fault> {
    if let Some(ago) = text.strip_prefix('-').and_then(|ago| duration::parse(ago).ok()) {
        return Ok(now_ms.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)));
    }
    if let Some(seconds) = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite()) {
        #[allow(clippy::cast_possible_truncation)] // saturates, which is as good an answer as any
        return Ok((seconds * 1000.0) as i64);
    }
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    parsed.map(jiff::Timestamp::as_millisecond).map_err(|_| {
        Fault::new("cli-07", format!("--at '{text}' is no time"))
            .hint("Write 2026-11-24T02:18:40Z, seconds since 1970, or so long ago as in -10m.")
    })
}

/// An answer of Prometheus' query API.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    pub kind: String,
    pub series: Vec<Series>,
}

/// One series: its labels, and its values with their times in milliseconds. A value is text as Prometheus writes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    pub labels: BTreeMap<String, String>,
    pub values: Vec<(i64, String)>,
}

#[derive(Deserialize)]
struct Row {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    value: Option<(f64, String)>,
    #[serde(default)]
    values: Vec<(f64, String)>,
}

impl Answer {
    pub fn read(data: &Value) -> Answer {
        let kind = data["resultType"].as_str().unwrap_or("").to_string();
        #[allow(clippy::cast_possible_truncation)] // seconds of this era
        let pair = |(at_s, value): (f64, String)| ((at_s * 1000.0).round() as i64, value);
        if let Ok(single) = <(f64, String)>::deserialize(&data["result"]) {
            return Answer { kind, series: vec![Series { labels: BTreeMap::new(), values: vec![pair(single)] }] };
        }
        let rows = data["result"].as_array().map(Vec::as_slice).unwrap_or_default();
        let series = rows.iter().filter_map(|row| Row::deserialize(row).ok()).map(|row| {
            let values = row.value.into_iter().chain(row.values).map(pair).collect();
            Series { labels: row.metric, values }
        });
        Answer { kind, series: series.collect() }
    }

    /// A table; the labels stand on the first line of each series.
    pub fn text(&self) -> String {
        let heads = [("SERIES", Side::Left), ("VALUE", Side::Right), ("TIME", Side::Left)];
        let mut rows = Vec::new();
        for series in &self.series {
            for (at, (at_ms, value)) in series.values.iter().enumerate() {
                let name = if at == 0 { series.name() } else { String::new() };
                rows.push(vec![name, printable(value), rfc3339(*at_ms)]);
            }
        }
        if rows.is_empty() { String::new() } else { columns(&heads, &rows) }
    }

    /// JSON with times in RFC 3339. Numbers are numbers, but for those that JSON has no word for.
    pub fn document(&self) -> String {
        let sample = |(at_ms, value): &(i64, String)| {
            let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
            json!({ "at": rfc3339(*at_ms), "value": number.map_or_else(|| json!(value), |number| json!(number)) })
        };
        let series = |one: &Series| {
            let samples: Vec<Value> = one.values.iter().map(sample).collect();
            json!({ "labels": one.labels, "samples": samples })
        };
        let series: Vec<Value> = self.series.iter().map(series).collect();
        format!("{}\n", json!({ "type": self.kind, "series": series }))
    }
}

impl Series {
    /// As Prometheus writes it: `up{target="orders"}`.
    pub fn name(&self) -> String {
        let name = self.labels.get("__name__").map_or("", String::as_str);
        let others = self.labels.iter().filter(|(name, _)| *name != "__name__");
        let pairs: Vec<String> = others.map(|(name, value)| format!("{name}={value:?}")).collect();
        match (name, pairs.is_empty()) {
            ("", true) => "{}".to_string(),
            (_, true) => printable(name),
            _ => printable(&format!("{name}{{{}}}", pairs.join(","))),
        }
    }
}
