//! How answers become points: a row's `take` applied to a table, a document or a text.

use serde_json::Value;

use crate::engines::contract::{Answer, Emit, Facts, Row, Table, Take};
use crate::engines::query::take_query;
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::row::Metric;

/// Applies a row's `take` to its answer.
///
/// # Errors
/// Why the answer could not be read: it is another kind than the row expects, or a column is missing.
pub fn take(row: &'static Row, answer: &Answer, facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    match (&row.take, answer) {
        (Take::Own(own), _) => own(answer, facts, emit),
        (Take::Query { labels }, _) => take_query(row.metrics, labels, answer, emit),
        // Which are the busiest shows from one reading to the next: whoever reads again and again knows them.
        (Take::Busiest(busiest), Answer::Table(table) | Answer::Partial(table, _)) => {
            take_columns(row.metrics, busiest.labels, table, emit)
        }
        (Take::Columns { labels }, Answer::Table(table) | Answer::Partial(table, _)) => {
            take_columns(row.metrics, labels, table, emit)
        }
        (Take::Paths, Answer::Json(document)) => {
            take_paths(row.metrics, &[], document, emit);
            Ok(())
        }
        (Take::Paths, Answer::Text(text)) => {
            take_paths(row.metrics, &[], &Value::from(text.as_str()), emit);
            Ok(())
        }
        _ => Err(Unknown::new(UnknownKind::Garbled, "the answer is of another kind than this row reads")),
    }
}

/// Takes a table: these columns are labels, each metric's `from` is its column. Own takes use it where one answer has
/// metrics with different labels.
///
/// # Errors
/// `Missing`: a column is not there. `Garbled`: a value is not a number.
pub fn take_columns(
    metrics: &'static [Metric],
    labels: &'static [&'static str],
    table: &Table,
    emit: &mut dyn Emit,
) -> Result<(), Unknown> {
    let label_at = labels.iter().map(|label| table.column(label)).collect::<Result<Vec<_>, _>>()?;
    let value_at = metrics.iter().map(|metric| table.column(metric.from)).collect::<Result<Vec<_>, _>>()?;
    for row in &table.rows {
        let named: Vec<(&str, &str)> =
            labels.iter().zip(&label_at).map(|(label, at)| (*label, row[*at].as_deref().unwrap_or(""))).collect();
        for (metric, at) in metrics.iter().zip(&value_at) {
            let Some(text) = row[*at].as_deref() else { continue };
            let value = text_number(text).ok_or_else(|| {
                Unknown::new(UnknownKind::Garbled, format!("column '{}' is '{text}', not a number", metric.from))
            })?;
            emit_labelled(emit, metric, &named, value);
        }
    }
    Ok(())
}

/// Emits a point with the labels of its answer, and those that are its metric's own.
fn emit_labelled(emit: &mut dyn Emit, metric: &'static Metric, named: &[(&str, &str)], value: f64) {
    if metric.labels.is_empty() {
        emit.metric(metric, named, value);
    } else {
        emit.metric(metric, &[named, metric.labels].concat(), value);
    }
}

/// Emits what stands at the metrics' paths, with these labels on every point; `Take::Paths` says what a path is.
/// A metric without a path is left to others.
pub fn take_paths(metrics: &'static [Metric], labels: &[(&str, &str)], document: &Value, emit: &mut dyn Emit) {
    for metric in metrics.iter().filter(|metric| !metric.from.is_empty()) {
        let Some((before, label, after)) = split_at_label(metric.from) else {
            if let Some(value) = at_path(document, metric.from).and_then(number) {
                emit_labelled(emit, metric, labels, value);
            }
            continue;
        };
        let all = if before.is_empty() { Some(document) } else { at_path(document, before) };
        for (key, inner) in all.and_then(Value::as_object).into_iter().flatten() {
            let leaf = if after.is_empty() { Some(inner) } else { at_path(inner, after) };
            if let Some(value) = leaf.and_then(number) {
                let mut named = labels.to_vec();
                named.push((label, key));
                emit_labelled(emit, metric, &named, value);
            }
        }
    }
}

/// `a.b.{label}.c` as `a.b`, `label`, `c`.
pub fn split_at_label(path: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = path.split_once('{')?;
    let (label, after) = rest.split_once('}')?;
    Some((before.trim_end_matches('.'), label, after.trim_start_matches('.')))
}

/// The value at a dotted path of a JSON document. A key that has a dot in itself is tried before its parts.
pub fn at_path<'v>(document: &'v Value, path: &str) -> Option<&'v Value> {
    if path == "." {
        return Some(document);
    }
    if let Some(value) = step(document, path) {
        return Some(value);
    }
    path.match_indices('.').find_map(|(dot, _)| at_path(step(document, &path[..dot])?, &path[dot + 1..]))
}

fn step<'v>(document: &'v Value, part: &str) -> Option<&'v Value> {
    document.get(part).or_else(|| document.as_array()?.get(part.parse::<usize>().ok()?))
}

/// A JSON number, flag (0 or 1), or text that is a number.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Value::String(text) => text_number(text),
        _ => None,
    }
}

/// A number as servers write it: `12`, `1.5e3`, `t`/`f`, `true`/`false`, `NaN`, `Infinity`.
pub fn text_number(text: &str) -> Option<f64> {
    match text.trim() {
        "t" | "true" => Some(1.0),
        "f" | "false" => Some(0.0),
        plain => plain.parse().ok(),
    }
}
