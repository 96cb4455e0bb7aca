//! PromQL: expressions over a `SeriesSource`. Values, not strings; no clock inside.

pub mod expression;
pub mod tree;
pub mod grammar;
pub mod words;
pub mod evaluate;
pub mod selector;
pub mod binary;
pub mod aggregate;
pub mod numbers;
pub mod functions;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use thiserror::Error;

use crate::model::labels::Labels;
use crate::model::matcher::Matcher;
use crate::promql::expression::{Expression, ParseError};

/// The samples of one series within a time range, in ascending order, stale markers included.
#[derive(Clone, Debug)]
pub struct SeriesSamples {
    pub labels: Labels,
    pub samples: Vec<(i64, f64)>,
}

/// Where an expression's series come from. The store's scoped view implements it, and tests' tables.
pub trait SeriesSource {
    /// All series that pass every matcher and have a sample in `from_ms < at <= to_ms`, sorted by labels.
    /// A source stops and says so once more than `samples_max` samples would be read.
    ///
    /// # Errors
    /// What could not be read, as a sentence; or that the limit was passed.
    fn select(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
        samples_max: usize,
    ) -> Result<Vec<SeriesSamples>, String>;
}

/// What one evaluation may cost. Whoever asks sets it; passing a limit is an error, never a shortened answer.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Samples read from the source by all selectors and subqueries together, and values held by any one part. All parts
    /// together may come to four times as many values: however they are nested, that is what can be held at once.
    pub samples_max: usize,
    /// Series that any one part of the expression may have.
    pub series_max: usize,
    /// Steps of a range evaluation, as in Prometheus.
    pub steps_max: usize,
    /// Ends the evaluation soon after it becomes true: a deadline, or a client that went away.
    pub cancel: Option<Arc<AtomicBool>>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { samples_max: 5_000_000, series_max: 20_000, steps_max: 11_000, cancel: None }
    }
}

/// The type of an expression's value, known before it is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    Scalar,
    Text,
    Vector,
    Matrix,
}

/// What an expression came to at one time.
#[derive(Clone, Debug)]
pub enum Value {
    Scalar(f64),
    Text(String),
    /// No two samples have the same labels. Ordered by `sort` and `topk` where these stand outermost.
    Vector(Vec<VectorSample>),
    /// A range selector by itself: the samples within its window, without stale markers.
    Matrix(Vec<SeriesSamples>),
}

/// One series' value at the time of evaluation.
#[derive(Clone, Debug)]
pub struct VectorSample {
    pub labels: Labels,
    pub value: f64,
}

/// Why an expression that parses has no value. Texts that Prometheus has too are worded as there.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EvaluationError {
    #[error("{0}")]
    Source(String),
    #[error("the expression needs more than {0} samples; narrow its selectors or its range")]
    Samples(usize),
    #[error("the expression has more than {0} series at once; narrow its selectors")]
    Series(usize),
    #[error("the parts of the expression come to more than {0} values; narrow its selectors or its range")]
    Values(usize),
    #[error("{steps} steps are more than the {steps_max} allowed; use a larger step or a shorter range")]
    Steps { steps: i128, steps_max: usize },
    #[error("{0}")]
    Range(&'static str),
    #[error("the evaluation was cancelled")]
    Cancelled,
    #[error("vector cannot contain metrics with the same labelset")]
    SameLabels,
    #[error(
        "found duplicate series for the match group {group} on the {side} hand-side of the operation: \
         [{first}, {second}];many-to-many matching not allowed: matching labels must be unique on one side"
    )]
    ManyToMany { group: String, side: &'static str, first: String, second: String },
    #[error("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)")]
    ManyToOneNotExplicit,
    #[error("multiple matches for labels: grouping labels must ensure unique matches")]
    GroupingNotUnique,
    #[error("invalid expression type \"{0}\" for range query, must be Scalar or instant Vector")]
    NotForRange(&'static str),
    /// An argument that has the right type and a wrong value.
    #[error("{0}")]
    Argument(String),
}

/// Reads an expression. Names, types and regular expressions are checked here, once.
///
/// # Errors
/// A sentence with an excerpt of the text, and the place where it is known.
pub fn parse(text: &str) -> Result<Expression, ParseError> {
    expression::read(text)
}

/// The value of an expression at one time.
///
/// # Errors
/// What could not be read, which limit was passed, or why the series do not fit together.
pub fn instant(
    expression: &Expression,
    source: &dyn SeriesSource,
    at_ms: i64,
    limits: &Limits,
) -> Result<Value, EvaluationError> {
    evaluate::instant(expression.tree(), source, at_ms, limits)
}

/// The values of an expression at `from_ms`, `from_ms + step_ms`, … up to `to_ms`, sorted by labels.
/// Every selector is read once for the whole range.
///
/// # Errors
/// As `instant`; and for a step that is not positive, too many steps, or an expression without single values.
pub fn range(
    expression: &Expression,
    source: &dyn SeriesSource,
    from_ms: i64,
    to_ms: i64,
    step_ms: i64,
    limits: &Limits,
) -> Result<Vec<SeriesSamples>, EvaluationError> {
    evaluate::range(expression.tree(), source, (from_ms, to_ms, step_ms), limits)
}
