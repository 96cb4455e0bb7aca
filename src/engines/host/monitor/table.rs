//! Files of one number each, by table: a metric's `from` says in which file its number stands, and what goes with it.
//!
//! `mc{controller}/csrow{csrow}/ch{channel}_ce_count, dimm_label=ch{channel}_dimm_label` is a pattern for the end of a path; what
//! stands at a `{label}` becomes that label. After it come a unit the number is in (`milli`, see `UNITS`), labels that stand in
//! other files of the same folder, and `info` for a metric that is always 1 and has nothing but labels: its pattern is the
//! folder's. `name` is a file's whole text, `name:KEY` what follows `KEY=` in it.

use std::collections::{BTreeMap, BTreeSet};

use crate::engines::contract::{Answer, Emit};
use crate::engines::host::monitor::{garbled, texts};
use crate::model::reading::Unknown;
use crate::model::row::Metric;

/// How a number becomes the metric's unit. Division where node_exporter divides, so that both give the same bits.
#[derive(Clone, Copy)]
enum Unit {
    Times(f64),
    By(f64),
    /// As bcache writes it: `20.4G`.
    Human,
}

const UNITS: &[(&str, Unit)] = &[
    ("milli", Unit::By(1e3)),
    ("micro", Unit::By(1e6)),
    ("nano", Unit::By(1e9)),
    ("deci", Unit::By(10.0)),
    ("kilo", Unit::Times(1e3)),
    ("giga_bits", Unit::Times(125e6)),
    ("sectors", Unit::Times(512.0)),
    ("words", Unit::Times(4.0)),
    ("human", Unit::Human),
];

/// A `from`, taken apart.
struct Spec {
    pattern: &'static str,
    unit: Unit,
    is_info: bool,
    /// Labels from other files: name, and the file as in a pattern.
    others: Vec<(&'static str, &'static str)>,
}

impl Spec {
    fn read(from: &'static str) -> Spec {
        let mut parts = from.split(", ");
        let pattern = parts.next().unwrap_or("");
        let mut spec = Spec { pattern, unit: Unit::Times(1.0), is_info: false, others: Vec::new() };
        for part in parts {
            if let Some(other) = part.split_once('=') {
                spec.others.push(other);
            } else if let Some((_, unit)) = UNITS.iter().find(|(word, _)| *word == part) {
                spec.unit = *unit;
            } else {
                spec.is_info = part == "info";
            }
        }
        spec
    }
}

type Found<'a> = Vec<(&'static str, &'a str)>;

/// What stands at the labels of a pattern in the end of a path; none if it does not fit.
pub fn fit<'p>(pattern: &'static str, path: &'p str) -> Option<Found<'p>> {
    let mut labels = Vec::new();
    let mut parts = path.rsplit('/');
    for wanted in pattern.rsplit('/') {
        let part = parts.next()?;
        let Some((before, rest)) = wanted.split_once('{') else {
            if part == wanted {
                continue;
            }
            return None;
        };
        let (label, after) = rest.split_once('}')?;
        let middle = part.strip_prefix(before)?.strip_suffix(after).filter(|middle| !middle.is_empty())?;
        labels.push((label, middle));
    }
    Some(labels)
}

/// The number at the start of a text, decimal or hexadecimal. `N/A`, and all else that is none, is none.
pub fn number(text: &str) -> Option<f64> {
    let word = text.trim_start().split([':', ' ', '\t', '\n', '%']).next()?;
    if let Some(hex) = word.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok().map(|number| number as f64);
    }
    // "inf" and "nan" are numbers to Rust, and words to a driver.
    word.starts_with(|c: char| c.is_ascii_digit() || c == '-').then(|| word.parse().ok())?
}

/// `20.4G`: the digit after the point stands for that many hundreds of 1024 parts, as bcache rounds.
pub fn human(text: &str) -> Option<f64> {
    let word = text.trim().split(['/', '\n']).next()?;
    let end = word.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-').unwrap_or(word.len());
    let (digits, letter) = word.split_at(end);
    let power = "kMGTPEZY".find(letter.chars().next().unwrap_or(' ')).map_or(0, |at| at + 1);
    let (whole, tenths) = digits.split_once('.').unwrap_or((digits, "0"));
    let whole: f64 = whole.parse().ok()?;
    let tenths: f64 = tenths.parse().ok()?;
    let sign = if digits.starts_with('-') { -1.0 } else { 1.0 };
    let unit = 1024_f64.powi(i32::try_from(power).ok()?);
    Some(whole * unit + sign * (tenths * 100.0 / 1024.0) * unit)
}

/// Emits what the files of an answer hold, by the metrics' `from`. A file that holds no number gives no point.
pub fn take(metrics: &'static [Metric], answer: &Answer, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let files: BTreeMap<&str, &str> = texts(answer).collect();
    for metric in metrics.iter().filter(|metric| !metric.from.is_empty()) {
        let spec = Spec::read(metric.from);
        let mut seen = BTreeSet::new();
        for (path, text) in &files {
            let (folder, _) = path.rsplit_once('/').unwrap_or(("", path));
            let Some(mut labels) = fit(spec.pattern, if spec.is_info { folder } else { path }) else { continue };
            let value = if spec.is_info {
                if !seen.insert(folder) {
                    continue;
                }
                1.0
            } else {
                let value = match spec.unit {
                    Unit::Times(factor) => number(text).map(|number| number * factor),
                    Unit::By(divisor) => number(text).map(|number| number / divisor),
                    Unit::Human => human(text),
                };
                let Some(value) = value else { continue };
                value
            };
            for (label, other) in &spec.others {
                let value = beside(&files, folder, other, &labels);
                labels.push((label, value));
            }
            emit.metric(metric, &labels, value);
        }
    }
    Ok(())
}

/// The text of another file of the folder, or of what follows a key in it; empty where it is not there.
fn beside<'a>(files: &BTreeMap<&'a str, &'a str>, folder: &str, other: &'static str, labels: &Found<'_>) -> &'a str {
    let (name, key) = other.split_once(':').unwrap_or((other, ""));
    let mut name = name.to_string();
    for (label, value) in labels {
        name = name.replace(&format!("{{{label}}}"), value);
    }
    let text = files.get(format!("{folder}/{name}").as_str()).copied().unwrap_or("").trim();
    if key.is_empty() {
        return text;
    }
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.map_or("", |value| value.trim_matches(['"', '\'']))
}

/// Emits from lines of a key and numbers: a metric's `from` is the key and the number's place, `rpc 1`. Places that a line
/// does not have give no point.
pub fn take_lines(
    metrics: &'static [Metric],
    labels: &[(&str, &str)],
    path: &str,
    text: &str,
    emit: &mut dyn Emit,
) -> Result<(), Unknown> {
    for line in text.lines() {
        let Some((key, rest)) = line.split_once([' ', '\t']) else { continue };
        let key = key.trim_end_matches(':');
        let numbers: Vec<&str> = rest.split_whitespace().collect();
        for metric in metrics {
            let Some((_, at)) = metric.from.split_once(' ').filter(|(wanted, _)| *wanted == key) else { continue };
            let Some(word) = at.parse::<usize>().ok().and_then(|at| numbers.get(at)) else { continue };
            emit.metric(metric, labels, word.parse().map_err(|_| garbled(path, line))?);
        }
    }
    Ok(())
}

/// A list of numbers as the kernel writes it: `1,3-5`. Empty where it makes no sense, or would be longer than any list of CPUs.
pub fn list(text: &str) -> Vec<u32> {
    const LENGTH_MAX: usize = 65_536;
    let mut all = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) else { return Vec::new() };
        if (last.saturating_sub(first) as usize) + all.len() > LENGTH_MAX {
            return Vec::new();
        }
        all.extend(first..=last);
    }
    all
}
