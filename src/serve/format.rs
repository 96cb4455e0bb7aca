//! The two text formats of an exposition, line by line: Prometheus' own (0.0.4) and OpenMetrics (1.0.0).

use std::fmt::Write;

use crate::model::labels::Label;
use crate::model::row::MetricKind;

/// A text format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Text,
    OpenMetrics,
}

impl Format {
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The format that an `Accept` header prefers: OpenMetrics only where it is named, and not behind the other.
    pub fn of_accept(accept: &str) -> Format {
        let (mut open, mut text) = (0.0_f64, 0.0_f64);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or("").to_ascii_lowercase();
            let (mut quality, mut version) = (1.0, "");
            for (key, value) in parts.filter_map(|part| part.split_once('=')) {
                match key.trim().to_ascii_lowercase().as_str() {
                    "q" => quality = value.trim().parse().unwrap_or(0.0),
                    "version" => version = value.trim().trim_matches('"'),
                    _ => {}
                }
            }
            match media.as_str() {
                "application/openmetrics-text" if matches!(version, "" | "1.0.0") => open = open.max(quality),
                "text/plain" if matches!(version, "" | "0.0.4") => text = text.max(quality),
                "text/*" | "*/*" => text = text.max(quality),
                _ => {}
            }
        }
        if open > 0.0 && open >= text { Format::OpenMetrics } else { Format::Text }
    }
}

/// What stands above the samples of a family.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    pub name: &'a str,
    pub kind: MetricKind,
    pub help: &'a str,
    /// The word that the name ends with, if it is a unit.
    pub unit: Option<&'static str>,
}

impl<'a> Head<'a> {
    /// The name that OpenMetrics says of a family: a counter's is without `_total`, which its samples have.
    pub fn stem(&self) -> &'a str {
        let is_counter = self.kind == MetricKind::Counter;
        self.name.strip_suffix("_total").filter(|_| is_counter).unwrap_or(self.name)
    }
}

/// Writes a family's HELP and TYPE, and in OpenMetrics its UNIT.
pub fn head(text: &mut String, about: Head<'_>, format: Format) {
    let Head { name, kind, help, unit } = about;
    text.push_str("# HELP ");
    text.push_str(name);
    text.push(' ');
    match format {
        Format::Text => escape(text, help, false),
        Format::OpenMetrics => escape(text, help, true),
    }
    // Writing to a String cannot fail.
    let _ = match (format, kind) {
        (Format::OpenMetrics, MetricKind::Untyped) => write!(text, "\n# TYPE {name} unknown\n"),
        _ => write!(text, "\n# TYPE {name} {}\n", kind.word()),
    };
    if let (Format::OpenMetrics, Some(unit)) = (format, unit) {
        let _ = writeln!(text, "# UNIT {name} {unit}");
    }
}

/// Writes a sample; its labels come as text, in two parts.
pub fn line(text: &mut String, name: &str, labels: &str, more: &str, value: f64) {
    text.push_str(name);
    if !labels.is_empty() || !more.is_empty() {
        text.push('{');
        text.push_str(labels);
        if !labels.is_empty() && !more.is_empty() {
            text.push(',');
        }
        text.push_str(more);
        text.push('}');
    }
    text.push(' ');
    number(text, value);
    text.push('\n');
}

/// Labels as text, without brackets.
pub fn pairs<'l>(labels: impl Iterator<Item = &'l Label>) -> String {
    let mut text = String::new();
    for label in labels {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&label.name);
        text.push_str("=\"");
        escape(&mut text, &label.value, true);
        text.push('"');
    }
    text
}

fn escape(text: &mut String, value: &str, quotes: bool) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' if quotes => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

/// A number as both formats write it.
pub fn number(text: &mut String, value: f64) {
    // Writing to a String cannot fail.
    if value.is_infinite() {
        text.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if value.fract() == 0.0 && value.abs() < 1e15 {
        #[allow(clippy::cast_possible_truncation)] // whole, and within the range
        let _ = write!(text, "{}", value as i64);
    } else if value != 0.0 && (value.abs() >= 1e16 || value.abs() < 1e-6) {
        let _ = write!(text, "{value:e}");
    } else {
        let _ = write!(text, "{value}"); // NaN prints as NaN
    }
}
