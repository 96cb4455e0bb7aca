//! INFO answers: lines of `field:value`, some of whose values are records `a=1,b=2`; and how they become points.

use std::collections::BTreeMap;

use crate::engines::contract::{Answer, Emit};
use crate::engines::take::text_number;
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::row::Metric;

/// Fields by name: an answer's lines, or the parts of one record.
#[derive(Debug, Default)]
pub struct Info<'a>(BTreeMap<&'a str, &'a str>);

/// A label and the field that has its value; `a|b` takes the first that is there.
pub type Label = (&'static str, &'static str);

impl<'a> Info<'a> {
    pub fn of(text: &'a str) -> Info<'a> {
        text.lines().filter_map(|line| line.trim_end().split_once(':')).collect()
    }

    /// The first of some fields (`a|b`) that is there and not empty.
    pub fn first(&self, fields: &str) -> Option<&'a str> {
        fields.split('|').find_map(|field| self.0.get(field).copied().filter(|value| !value.is_empty()))
    }

    /// The records whose field begins with a prefix: what follows it, and the record's parts.
    pub fn records(&self, prefix: &'a str) -> impl Iterator<Item = (&'a str, Info<'a>)> {
        let after = self.0.range(prefix..).map_while(move |(field, value)| Some((field.strip_prefix(prefix)?, *value)));
        let records = after.filter(|(_, value)| value.contains('='));
        records.map(|(rest, value)| (rest, Info::parts(value)))
    }

    /// The record of one field.
    pub fn record(&self, field: &str) -> Option<Info<'a>> {
        self.0.get(field).map(|value| Info::parts(value))
    }

    fn parts(record: &'a str) -> Info<'a> {
        record.split(',').filter_map(|part| part.split_once('=')).collect()
    }

    /// All fields that are numbers.
    pub fn numbers(&self) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.iter().filter_map(|(field, value)| Some((*field, text_number(value)?)))
    }

    /// The value of a metric: its `from` names a field, or a field and a divisor, `usec/1e6`. An info metric, which has
    /// no `from`, is 1.
    fn value(&self, from: &str) -> Option<f64> {
        if from.is_empty() {
            return Some(1.0);
        }
        let (field, divisor) = from.split_once('/').unwrap_or((from, "1"));
        let value = match self.first(field)? {
            "ok" | "up" => 1.0,
            "err" | "fail" | "down" => 0.0,
            text => text_number(text)?,
        };
        Some(value / divisor.parse::<f64>().ok()?)
    }

    /// Emits the metrics whose fields are there, with these labels and those that fields give.
    pub fn emit(&self, metrics: &'static [Metric], fixed: &[(&str, &str)], labels: &[Label], emit: &mut dyn Emit) {
        let mut all = fixed.to_vec();
        all.extend(labels.iter().map(|(label, fields)| (*label, self.first(fields).unwrap_or(""))));
        for metric in metrics {
            if let Some(value) = self.value(metric.from) {
                emit.metric(metric, &all, value);
            }
        }
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Info<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(fields: I) -> Info<'a> {
        Info(fields.into_iter().collect())
    }
}

/// The text of an answer.
///
/// # Errors
/// `Garbled`: it is none.
pub fn text(answer: &Answer) -> Result<&str, Unknown> {
    match answer {
        Answer::Text(text) => Ok(text),
        _ => Err(Unknown::new(UnknownKind::Garbled, "the answer is no text")),
    }
}
