//! What is taken of the answer to a query of the user's own: everything that was asked for, or the reason why not.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::engines::contract::{Answer, Emit, Table};
use crate::engines::take::{at_path, number, split_at_label, take_columns, take_paths};
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::row::Metric;

/// The longest that a value is shown, in characters.
const SHOWN_CHARS_MAX: usize = 40;

/// Takes a table by its columns, and a document by its paths. Unlike in the tables of the engines, where servers differ,
/// what is not there or no number is told. A null gives no point.
///
/// # Errors
/// `Missing`: a column or a path is not there. `Garbled`: a value is no number, or two lines are the same series.
pub fn take_query(
    metrics: &'static [Metric],
    labels: &'static [&'static str],
    answer: &Answer,
    emit: &mut dyn Emit,
) -> Result<(), Unknown> {
    match answer {
        Answer::Table(table) | Answer::Partial(table, _) => {
            told_apart(labels, table)?;
            take_columns(metrics, labels, table, emit)
        }
        Answer::Json(document) => take_document(metrics, document, emit),
        Answer::Text(text) => take_document(metrics, &Value::from(text.as_str()), emit),
    }
}

/// The labels must tell the lines of a table apart.
fn told_apart(labels: &'static [&'static str], table: &Table) -> Result<(), Unknown> {
    let at = labels.iter().map(|label| table.column(label)).collect::<Result<Vec<_>, _>>()?;
    let mut seen = BTreeSet::new();
    for row in &table.rows {
        let values: Vec<&str> = at.iter().map(|at| row[*at].as_deref().unwrap_or("")).collect();
        if seen.contains(&values) {
            let pairs: Vec<String> =
                labels.iter().zip(&values).map(|(label, value)| format!("{label}='{}'", shown(value))).collect();
            let whose =
                if pairs.is_empty() { "and no labels".to_string() } else { format!("with {}", pairs.join(", ")) };
            let why = format!("the answer has several lines {whose}: what tells them apart must be a label");
            return Err(Unknown::new(UnknownKind::Garbled, why));
        }
        seen.insert(values);
    }
    Ok(())
}

fn take_document(metrics: &'static [Metric], document: &Value, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for metric in metrics {
        let leaves = match split_at_label(metric.from) {
            None => vec![found(document, metric.from, metric)?],
            Some((before, _, after)) => {
                let all = if before.is_empty() { document } else { found(document, before, metric)? };
                let all = all.as_object().ok_or_else(|| missing(metric))?;
                // Things of one kind need not have the same figures.
                all.values().filter_map(|one| if after.is_empty() { Some(one) } else { at_path(one, after) }).collect()
            }
        };
        if let Some(wrong) = leaves.iter().find(|leaf| !leaf.is_null() && number(leaf).is_none()) {
            let seen = wrong.as_str().map_or_else(|| wrong.to_string(), str::to_string);
            let why = format!("'{}' is '{}', not a number", metric.from, shown(&seen));
            return Err(Unknown::new(UnknownKind::Garbled, why));
        }
    }
    take_paths(metrics, &[], document, emit);
    Ok(())
}

fn found<'v>(document: &'v Value, path: &str, metric: &Metric) -> Result<&'v Value, Unknown> {
    at_path(document, path).ok_or_else(|| missing(metric))
}

fn missing(metric: &Metric) -> Unknown {
    Unknown::new(UnknownKind::Missing, format!("the answer has nothing at '{}'", metric.from))
}

/// The beginning of a text, in one line.
fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut beginning: String = text.chars().take(SHOWN_CHARS_MAX).map(plain).collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        beginning.push('…');
    }
    beginning
}
