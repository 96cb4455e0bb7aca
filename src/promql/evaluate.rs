//! The walk over the tree. Each part is evaluated once for all steps, so labels are handled once per series.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::Ordering;

use crate::model::labels::Labels;
use crate::model::series::{STALE, is_stale};
use crate::promql::aggregate;
use crate::promql::binary;
use crate::promql::functions;
use crate::promql::grammar::kind_name;
use crate::promql::selector;
use crate::promql::selector::Windows;
use crate::promql::tree::{At, Node, Shift};
use crate::promql::{EvaluationError, Limits, SeriesSamples, SeriesSource, Value, ValueKind, VectorSample};

/// The times of an evaluation: `count` of them, `step_ms` apart. The step of an instant is 0.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    pub first_ms: i64,
    pub step_ms: i64,
    pub count: usize,
}

impl Steps {
    pub fn once(at_ms: i64) -> Steps {
        Steps { first_ms: at_ms, step_ms: 0, count: 1 }
    }

    pub fn at_ms(&self, step: usize) -> i64 {
        self.first_ms.saturating_add(self.step_ms.saturating_mul(step as i64))
    }

    pub fn last_ms(&self) -> i64 {
        self.at_ms(self.count.saturating_sub(1))
    }

    pub fn times_ms(&self) -> impl Iterator<Item = i64> + use<> {
        let steps = *self;
        (0..steps.count).map(move |step| steps.at_ms(step))
    }
}

/// A series of a vector: one value per step, and the stale marker where it has none. No two of a vector agree in both
/// labels and `drops_name`.
#[derive(Clone, Debug)]
pub struct Column {
    pub labels: Labels,
    /// The name goes once the expression is done, so that `label_replace` and `by (__name__)` still see it.
    pub drops_name: bool,
    pub values: Vec<f64>,
}

impl Column {
    pub fn is_empty(&self) -> bool {
        self.values.iter().all(|value| is_stale(*value))
    }
}

/// What a part of the expression came to, at every step.
#[derive(Debug)]
pub enum Answer {
    Scalar(Vec<f64>),
    Text(String),
    Vector(Vec<Column>),
    Matrix(Windows),
}

/// One evaluation: where it reads, what it may cost and what it has cost so far.
pub struct Evaluation<'a> {
    pub source: &'a dyn SeriesSource,
    pub limits: &'a Limits,
    /// The steps of the outermost expression, which `@ start()` and `@ end()` mean.
    pub whole: Steps,
    samples_read: Cell<usize>,
    values: Cell<usize>,
}

/// All parts of an expression together may come to so many times the values that one part may hold.
const PARTS_MAX: usize = 4;

impl<'a> Evaluation<'a> {
    pub fn new(source: &'a dyn SeriesSource, limits: &'a Limits, whole: Steps) -> Evaluation<'a> {
        Evaluation { source, limits, whole, samples_read: Cell::new(0), values: Cell::new(0) }
    }

    /// The value of a part at every step.
    ///
    /// # Errors
    /// Any `EvaluationError` except those about the steps of the whole.
    pub fn answer(&self, node: &Node, steps: &Steps) -> Result<Answer, EvaluationError> {
        self.go_on()?;
        let answer = match node {
            Node::Number(number) => Answer::Scalar(vec![*number; steps.count]),
            Node::Text(text) => Answer::Text(text.clone()),
            Node::Pattern(regex) => Answer::Text(regex.as_str().to_string()),
            Node::Selector(selection) => Answer::Vector(selector::instant(self, selection, steps, |(_, value)| value)?),
            Node::Range(range) => Answer::Matrix(selector::range(self, range, steps)?),
            Node::Subquery(subquery) => Answer::Matrix(selector::subquery(self, subquery, steps)?),
            Node::Negate(inner) => negated(self.answer(inner, steps)?)?,
            Node::Binary(inner) => binary::answer(self, inner, steps)?,
            Node::Aggregate(inner) => Answer::Vector(aggregate::columns(self, inner, steps)?),
            Node::Call(call) => functions::answer(self, call, steps)?,
        };
        match &answer {
            Answer::Vector(columns) => self.hold(columns.len(), steps.count)?,
            Answer::Scalar(_) => self.hold(1, steps.count)?,
            Answer::Text(_) | Answer::Matrix(_) => {} // their samples are counted as they are read
        }
        Ok(answer)
    }

    pub fn scalar(&self, node: &Node, steps: &Steps) -> Result<Vec<f64>, EvaluationError> {
        match self.answer(node, steps)? {
            Answer::Scalar(values) => Ok(values),
            _ => Err(wrong_kind(node, ValueKind::Scalar)),
        }
    }

    pub fn vector(&self, node: &Node, steps: &Steps) -> Result<Vec<Column>, EvaluationError> {
        match self.answer(node, steps)? {
            Answer::Vector(columns) => Ok(columns),
            _ => Err(wrong_kind(node, ValueKind::Vector)),
        }
    }

    pub fn matrix(&self, node: &Node, steps: &Steps) -> Result<Windows, EvaluationError> {
        match self.answer(node, steps)? {
            Answer::Matrix(windows) => Ok(windows),
            _ => Err(wrong_kind(node, ValueKind::Matrix)),
        }
    }

    pub fn text(&self, node: &Node, steps: &Steps) -> Result<String, EvaluationError> {
        match self.answer(node, steps)? {
            Answer::Text(text) => Ok(text),
            _ => Err(wrong_kind(node, ValueKind::Text)),
        }
    }

    /// The time that is read for a time of evaluation.
    pub fn shifted_ms(&self, shift: &Shift, at_ms: i64) -> i64 {
        let at_ms = match shift.at {
            None => at_ms,
            Some(At::Start) => self.whole.first_ms,
            Some(At::End) => self.whole.last_ms(),
            Some(At::TimeMs(time_ms)) => time_ms,
        };
        at_ms.saturating_sub(shift.offset_ms)
    }

    /// # Errors
    /// When somebody cancelled the evaluation.
    pub fn go_on(&self) -> Result<(), EvaluationError> {
        match &self.limits.cancel {
            Some(cancel) if cancel.load(Ordering::Relaxed) => Err(EvaluationError::Cancelled),
            _ => Ok(()),
        }
    }

    /// # Errors
    /// When a part would hold more series, or more values, than the limits allow.
    pub fn afford(&self, series: usize, steps: usize) -> Result<(), EvaluationError> {
        if series > self.limits.series_max {
            return Err(EvaluationError::Series(self.limits.series_max));
        }
        if series.saturating_mul(steps) > self.limits.samples_max {
            return Err(EvaluationError::Samples(self.limits.samples_max));
        }
        Ok(())
    }

    /// Counts what a part came to.
    ///
    /// # Errors
    /// As `afford`; and when all parts together come to too many values.
    pub fn hold(&self, series: usize, steps: usize) -> Result<(), EvaluationError> {
        self.afford(series, steps)?;
        let values = self.values.get().saturating_add(series.saturating_mul(steps));
        self.values.set(values);
        let values_max = self.limits.samples_max.saturating_mul(PARTS_MAX);
        if values > values_max {
            return Err(EvaluationError::Values(values_max));
        }
        Ok(())
    }

    /// How many samples may still be read.
    pub fn samples_left(&self) -> usize {
        self.limits.samples_max.saturating_sub(self.samples_read.get())
    }

    /// # Errors
    /// When more was read than the limits allow.
    pub fn count_read(&self, samples: usize) -> Result<(), EvaluationError> {
        let read = self.samples_read.get().saturating_add(samples);
        self.samples_read.set(read);
        if read > self.limits.samples_max {
            return Err(EvaluationError::Samples(self.limits.samples_max));
        }
        Ok(())
    }
}

/// The reader of an expression checks types, so this says that it did not.
fn wrong_kind(node: &Node, expected: ValueKind) -> EvaluationError {
    EvaluationError::Argument(format!("expected type {}, got {}", kind_name(expected), kind_name(node.kind())))
}

fn negated(answer: Answer) -> Result<Answer, EvaluationError> {
    match answer {
        Answer::Scalar(values) => Ok(Answer::Scalar(values.into_iter().map(|value| -value).collect())),
        Answer::Vector(mut columns) => {
            for column in &mut columns {
                column.drops_name = true;
                column.values.iter_mut().filter(|value| !is_stale(**value)).for_each(|value| *value = -*value);
            }
            Ok(Answer::Vector(columns))
        }
        Answer::Text(_) | Answer::Matrix(_) => Err(EvaluationError::Argument(
            "unary expression only allowed on expressions of type scalar or instant vector".to_string(),
        )),
    }
}

/// Lays columns of the same series over each other. Two values at one step are the error given. In `rate(x[5m]) or x`
/// the left side's series drop their name and the right side's do not: they are not the same.
///
/// # Errors
/// `twice`, when two columns are the same series and have a value at the same step.
pub fn merged(columns: Vec<Column>, twice: &EvaluationError) -> Result<Vec<Column>, EvaluationError> {
    let mut places: HashMap<(Labels, bool), usize> = HashMap::with_capacity(columns.len());
    let mut kept: Vec<Column> = Vec::with_capacity(columns.len());
    for column in columns {
        let key = (column.labels.clone(), column.drops_name);
        let Some(place) = places.get(&key) else {
            places.insert(key, kept.len());
            kept.push(column);
            continue;
        };
        let under = &mut kept[*place];
        for (value, over) in under.values.iter_mut().zip(column.values).filter(|(_, over)| !is_stale(*over)) {
            if !is_stale(*value) {
                return Err(twice.clone());
            }
            *value = over;
        }
    }
    Ok(kept)
}

/// Removes the names that were to go at the end; what had different names may now be one series.
fn named(mut columns: Vec<Column>) -> Result<Vec<Column>, EvaluationError> {
    columns.retain(|column| !column.is_empty());
    for column in columns.iter_mut().filter(|column| column.drops_name) {
        column.labels = column.labels.without_name();
        column.drops_name = false;
    }
    merged(columns, &EvaluationError::SameLabels)
}

/// See `crate::promql::instant`.
///
/// # Errors
/// As there.
pub fn instant(tree: &Node, source: &dyn SeriesSource, at_ms: i64, limits: &Limits) -> Result<Value, EvaluationError> {
    let steps = Steps::once(at_ms);
    let evaluation = Evaluation::new(source, limits, steps);
    Ok(match evaluation.answer(tree, &steps)? {
        Answer::Scalar(values) => Value::Scalar(values.first().copied().unwrap_or(f64::NAN)),
        Answer::Text(text) => Value::Text(text),
        Answer::Vector(columns) => Value::Vector(
            named(columns)?
                .into_iter()
                .map(|column| VectorSample {
                    labels: column.labels,
                    value: column.values.first().copied().unwrap_or(STALE),
                })
                .collect(),
        ),
        Answer::Matrix(windows) => Value::Matrix(windows.into_samples(&evaluation, at_ms)?),
    })
}

/// See `crate::promql::range`.
///
/// # Errors
/// As there.
pub fn range(
    tree: &Node,
    source: &dyn SeriesSource,
    (from_ms, to_ms, step_ms): (i64, i64, i64),
    limits: &Limits,
) -> Result<Vec<SeriesSamples>, EvaluationError> {
    if step_ms <= 0 {
        return Err(EvaluationError::Range("the step of a range must be greater than 0"));
    }
    if to_ms < from_ms {
        return Err(EvaluationError::Range("a range must not end before it begins"));
    }
    let count = (i128::from(to_ms) - i128::from(from_ms)) / i128::from(step_ms) + 1;
    if count > limits.steps_max as i128 {
        return Err(EvaluationError::Steps { steps: count, steps_max: limits.steps_max });
    }
    if !matches!(tree.kind(), ValueKind::Scalar | ValueKind::Vector) {
        return Err(EvaluationError::NotForRange(kind_name(tree.kind())));
    }
    let steps = Steps { first_ms: from_ms, step_ms, count: count as usize };
    let evaluation = Evaluation::new(source, limits, steps);
    let columns = match evaluation.answer(tree, &steps)? {
        Answer::Scalar(values) => vec![Column { labels: Labels::empty(), drops_name: false, values }],
        Answer::Vector(columns) => named(columns)?,
        Answer::Text(_) | Answer::Matrix(_) => return Err(EvaluationError::NotForRange(kind_name(tree.kind()))),
    };
    let mut series: Vec<SeriesSamples> = columns
        .into_iter()
        .map(|column| {
            let all = steps.times_ms().zip(column.values);
            SeriesSamples { labels: column.labels, samples: all.filter(|(_, value)| !is_stale(*value)).collect() }
        })
        .collect();
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(series)
}
