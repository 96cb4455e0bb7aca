//! Series as Prometheus' own tests write them (`up{job="a"} 1 _ 2+1x3 stale`), and a source made of them.

use std::cell::Cell;

use watchward::model::duration;
use watchward::model::labels::{Labels, NAME};
use watchward::model::matcher::Matcher;
use watchward::model::series::STALE;
use watchward::promql::{SeriesSamples, SeriesSource, Value};

/// One item of a line of points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Point {
    Missing,
    Value(f64),
    /// A native histogram, which this evaluator does not have.
    Histogram,
}

/// A line split into labels and points.
pub fn series(line: &str) -> (Labels, Vec<Point>) {
    let (labels, rest) = metric(line.trim());
    (labels, points(rest))
}

/// Labels at the beginning of a line, and what comes after them.
pub fn metric(line: &str) -> (Labels, &str) {
    let name_end = line.find(|c: char| c == '{' || c.is_whitespace()).unwrap_or(line.len());
    let mut pairs = vec![(NAME.to_string(), line[..name_end].to_string())];
    let mut rest = &line[name_end..];
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            if rest.starts_with('"') {
                let (text, after) = quoted(rest);
                match after.trim_start().strip_prefix('=') {
                    Some(value) => {
                        let (value, after) = quoted(value.trim_start());
                        pairs.push((text, value));
                        rest = after;
                    }
                    None => {
                        pairs[0].1 = text;
                        rest = after;
                    }
                }
                continue;
            }
            let (name, after) = rest.split_once('=').unwrap_or_else(|| panic!("no label in {line:?}"));
            let (value, after) = quoted(after.trim_start());
            pairs.push((name.trim().to_string(), value));
            rest = after;
        }
    }
    (Labels::new(pairs), rest)
}

/// A quoted text and what comes after it.
pub fn quoted(text: &str) -> (String, &str) {
    let quote = text.chars().next().unwrap_or_else(|| panic!("no text"));
    assert!("\"'`".contains(quote), "no quotation mark: {text:?}");
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' if quote != '`' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, other)) => value.push(other),
                None => break,
            },
            _ if character == quote => return (value, &text[at + 1..]),
            _ => value.push(character),
        }
    }
    panic!("not closed: {text:?}")
}

/// `1 2+3x2 _ _x3 stale NaN {{…}}`.
pub fn points(text: &str) -> Vec<Point> {
    let mut all = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        // A histogram has spaces within its braces.
        let mut depth = 0;
        let ends = |character: char| {
            depth += i32::from(character == '{') - i32::from(character == '}');
            depth == 0 && character.is_whitespace()
        };
        let end = rest.find(ends).unwrap_or(rest.len());
        expand(&rest[..end], &mut all);
        rest = rest[end..].trim_start();
    }
    all
}

fn expand(item: &str, all: &mut Vec<Point>) {
    if item.contains("{{") {
        // A change (`{{…}}+{{…}}x4`) has both braces before the count.
        let times = item.rsplit_once("}}x").map_or(0, |(_, times)| times.parse().unwrap());
        all.extend(vec![Point::Histogram; times + 1]);
        return;
    }
    let (value, times) = match item.rsplit_once('x') {
        Some((value, times)) if !value.is_empty() => (value, Some(times.parse::<usize>().unwrap())),
        _ => (item, None),
    };
    if value == "_" {
        all.extend(vec![Point::Missing; times.unwrap_or(1)]);
        return;
    }
    // The sign that changes the value stands after a digit that is not an exponent's.
    let bytes = value.as_bytes();
    let change =
        (1..bytes.len()).find(|at| times.is_some() && b"+-".contains(&bytes[*at]) && !b"eE".contains(&bytes[at - 1]));
    let (start, change) = match change {
        Some(at) => (number(&value[..at]), number(&value[at..])),
        None => (number(value), 0.0),
    };
    for time in 0..=times.unwrap_or(0) {
        // `stale` must keep its bits.
        let value = if change == 0.0 { start } else { start + change * time as f64 };
        all.push(Point::Value(value));
    }
}

pub fn number(text: &str) -> f64 {
    if text == "stale" {
        return STALE;
    }
    if let Some(hexadecimal) = text.strip_prefix("0x") {
        return i64::from_str_radix(hexadecimal, 16).unwrap() as f64;
    }
    text.parse().unwrap_or_else(|_| panic!("{text:?} is not a number"))
}

/// `5m`, or seconds.
pub fn milliseconds(text: &str) -> i64 {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let absolute = match text.parse::<f64>() {
        Ok(seconds) => (seconds * 1_000.0).round() as i64,
        Err(_) => duration::parse(text).unwrap().as_millis() as i64,
    };
    sign * absolute
}

/// A source made of lines. It remembers how often it was asked, and whether it had to give a native histogram.
#[derive(Default)]
pub struct Table {
    pub series: Vec<SeriesSamples>,
    pub histograms: Vec<Labels>,
    pub selects: Cell<usize>,
    pub histogram_seen: Cell<bool>,
}

impl Table {
    /// Adds lines of series whose points are `interval_ms` apart, beginning at 0.
    pub fn load(&mut self, interval_ms: i64, lines: &[&str]) {
        for line in lines {
            let (labels, points) = series(line);
            if points.contains(&Point::Histogram) {
                self.histograms.push(labels.clone());
            }
            let values = points.iter().enumerate().filter_map(|(at, point)| match point {
                Point::Value(value) => Some((at as i64 * interval_ms, *value)),
                Point::Missing | Point::Histogram => None,
            });
            let found = self.series.iter_mut().find(|series| series.labels == labels);
            match found {
                Some(series) => {
                    let newer: Vec<_> = values.collect();
                    series.samples.retain(|(at, _)| !newer.iter().any(|(newer, _)| newer == at));
                    series.samples.extend(newer);
                    series.samples.sort_by_key(|(at, _)| *at);
                }
                None => self.series.push(SeriesSamples { labels, samples: values.collect() }),
            }
        }
        self.series.sort_by(|a, b| a.labels.cmp(&b.labels));
    }
}

impl SeriesSource for Table {
    fn select(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
        samples_max: usize,
    ) -> Result<Vec<SeriesSamples>, String> {
        self.selects.set(self.selects.get() + 1);
        let accepted = |labels: &Labels| matchers.iter().all(|matcher| matcher.accepts_labels(labels));
        if self.histograms.iter().any(accepted) {
            self.histogram_seen.set(true);
        }
        let mut left = samples_max;
        let mut found = Vec::new();
        for series in self.series.iter().filter(|series| accepted(&series.labels)) {
            let within = series.samples.iter().filter(|(at, _)| from_ms < *at && *at <= to_ms);
            let samples: Vec<_> = within.copied().collect();
            left = left
                .checked_sub(samples.len())
                .ok_or_else(|| format!("more than {samples_max} samples would be read"))?;
            if !samples.is_empty() {
                found.push(SeriesSamples { labels: series.labels.clone(), samples });
            }
        }
        Ok(found)
    }
}

/// A value as text: `labels value`, series parted by semicolons; samples of a range with their second.
pub fn shown(value: &Value) -> String {
    let parts: Vec<String> = match value {
        Value::Scalar(value) => return decimal(*value),
        Value::Text(text) => return format!("{text:?}"),
        Value::Vector(samples) => {
            samples.iter().map(|sample| format!("{} {}", sample.labels, decimal(sample.value))).collect()
        }
        Value::Matrix(all) => {
            let samples = |series: &SeriesSamples| -> Vec<String> {
                series.samples.iter().map(|(at, value)| format!("{}@{}", decimal(*value), at / 1_000)).collect()
            };
            all.iter().map(|series| format!("{} {}", series.labels, samples(series).join(" "))).collect()
        }
    };
    if parts.is_empty() { "nothing".to_string() } else { parts.join("; ") }
}

fn decimal(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_string();
    }
    if value == 0.0 { "0".to_string() } else { value.to_string() }
}
