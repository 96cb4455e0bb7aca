//! The functions: one table row each. To add a function, add a row.

pub mod math;
pub mod time;
pub mod range;
pub mod labels;
pub mod histogram;
pub mod whole;

use crate::model::series::{STALE, is_stale};
use crate::promql::evaluate::{Answer, Column, Evaluation, Steps};
use crate::promql::selector::{Window, Windows};
use crate::promql::tree::{Call, Node};
use crate::promql::{EvaluationError, ValueKind};

/// What one argument must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    Scalar,
    Vector,
    Matrix,
    Text,
    /// A text that is a regular expression; compiled when the expression is read.
    Pattern,
}

/// A function that does as it likes: it evaluates its arguments itself.
pub type Special = fn(&Evaluation<'_>, &[Node], &Steps) -> Result<Answer, EvaluationError>;

/// How a function comes to its value. The slice holds the step's scalar arguments, in order.
#[derive(Clone, Copy, Debug)]
pub enum How {
    /// Of each value of a vector. Left out, the vector is `vector(time())`.
    Value(fn(f64) -> f64),
    /// Of each value of a vector, with scalars; `None` drops the series at this step.
    ValueWith(fn(f64, &[f64]) -> Option<f64>),
    /// Of each window of a range.
    Window(fn(&Window<'_>, &[f64]) -> Option<f64>),
    Special(Special),
}

/// A row of the table.
#[derive(Debug)]
pub struct Function {
    pub name: &'static str,
    pub takes: &'static [Takes],
    /// How many of the last arguments may be left out.
    pub optional: usize,
    /// The last argument may stand any number of times.
    pub repeats: bool,
    pub gives: ValueKind,
    /// Whether the result is still what the series' name says (`last_over_time`). `Special` sees to it itself.
    pub keeps_name: bool,
    pub how: How,
}

impl Function {
    /// How many arguments must be given.
    pub fn required(&self) -> usize {
        self.takes.len() - self.optional
    }

    const fn optional(mut self, optional: usize) -> Function {
        self.optional = optional;
        self
    }

    const fn repeats(mut self) -> Function {
        self.repeats = true;
        self.optional(1)
    }

    const fn keeps_name(mut self) -> Function {
        self.keeps_name = true;
        self
    }

    const fn gives_scalar(mut self) -> Function {
        self.gives = ValueKind::Scalar;
        self
    }
}

const fn row(name: &'static str, takes: &'static [Takes], how: How) -> Function {
    Function { name, takes, optional: 0, repeats: false, gives: ValueKind::Vector, keeps_name: false, how }
}

const fn value(name: &'static str, of: fn(f64) -> f64) -> Function {
    row(name, &[Takes::Vector], How::Value(of))
}

const fn window(name: &'static str, of: fn(&Window<'_>, &[f64]) -> Option<f64>) -> Function {
    row(name, &[Takes::Matrix], How::Window(of))
}

use Takes::{Matrix, Pattern, Scalar, Text, Vector};

const FUNCTIONS: &[Function] = &[
    // Of each value.
    value("abs", f64::abs),
    value("acos", f64::acos),
    value("acosh", f64::acosh),
    value("asin", f64::asin),
    value("asinh", math::asinh),
    value("atan", f64::atan),
    value("atanh", f64::atanh),
    value("ceil", f64::ceil),
    value("cos", f64::cos),
    value("cosh", f64::cosh),
    value("deg", f64::to_degrees),
    value("exp", f64::exp),
    value("floor", f64::floor),
    value("ln", f64::ln),
    value("log10", f64::log10),
    value("log2", f64::log2),
    value("rad", f64::to_radians),
    value("sgn", math::sign),
    value("sin", f64::sin),
    value("sinh", f64::sinh),
    value("sqrt", f64::sqrt),
    value("tan", f64::tan),
    value("tanh", f64::tanh),
    row("clamp", &[Vector, Scalar, Scalar], How::ValueWith(math::clamp)),
    row("clamp_max", &[Vector, Scalar], How::ValueWith(math::clamp_max)),
    row("clamp_min", &[Vector, Scalar], How::ValueWith(math::clamp_min)),
    row("round", &[Vector, Scalar], How::ValueWith(math::round)).optional(1),
    // Of a time in UTC.
    value("day_of_month", time::day_of_month).optional(1),
    value("day_of_week", time::day_of_week).optional(1),
    value("day_of_year", time::day_of_year).optional(1),
    value("days_in_month", time::days_in_month).optional(1),
    value("hour", time::hour).optional(1),
    value("minute", time::minute).optional(1),
    value("month", time::month).optional(1),
    value("year", time::year).optional(1),
    // Of a counter or a gauge over a range.
    window("rate", |window, _| range::extrapolated(window, range::COUNTER).map(|sum| sum / window.range_s())),
    window("increase", |window, _| range::extrapolated(window, range::COUNTER)),
    window("delta", |window, _| range::extrapolated(window, range::GAUGE)),
    window("irate", |window, _| range::instant_rate(window)),
    window("idelta", |window, _| range::instant_delta(window)),
    window("deriv", |window, _| range::slope(window)),
    row("predict_linear", &[Matrix, Scalar], How::Special(range::predict_linear)),
    row("double_exponential_smoothing", &[Matrix, Scalar, Scalar], How::Special(range::smoothed)),
    window("changes", |window, _| Some(range::changes(window))),
    window("resets", |window, _| Some(range::resets(window))),
    // Of all values over a range.
    window("avg_over_time", |window, _| Some(range::average(window))),
    window("count_over_time", |window, _| Some(window.samples.len() as f64)),
    window("first_over_time", |window, _| window.values().next()).keeps_name(),
    window("last_over_time", |window, _| window.values().last()).keeps_name(),
    window("mad_over_time", |window, _| Some(range::median_deviation(window))),
    window("max_over_time", |window, _| Some(range::greatest(window))),
    window("min_over_time", |window, _| Some(range::least(window))),
    window("present_over_time", |_, _| Some(1.0)),
    row("quantile_over_time", &[Scalar, Matrix], How::Window(|window, q| Some(range::quantile(window, q)))),
    window("stddev_over_time", |window, _| Some(range::variance(window).sqrt())),
    window("stdvar_over_time", |window, _| Some(range::variance(window))),
    window("sum_over_time", |window, _| Some(range::sum(window))),
    window("ts_of_first_over_time", |window, _| range::time_of_first(window)),
    window("ts_of_last_over_time", |window, _| range::time_of_last(window)),
    window("ts_of_max_over_time", |window, _| range::time_of_greatest(window)),
    window("ts_of_min_over_time", |window, _| range::time_of_least(window)),
    // Of labels.
    row("label_join", &[Vector, Text, Text, Text], How::Special(labels::join)).repeats(),
    row("label_replace", &[Vector, Text, Text, Text, Pattern], How::Special(labels::replace)),
    // Of buckets.
    row("histogram_fraction", &[Scalar, Scalar, Vector], How::Special(histogram::fraction)),
    row("histogram_quantile", &[Scalar, Vector], How::Special(histogram::quantile)),
    row("histogram_quantiles", &[Vector, Text, Scalar], How::Special(histogram::quantiles)).repeats(),
    // Of a whole vector, and of none.
    row("absent", &[Vector], How::Special(whole::absent)),
    row("absent_over_time", &[Matrix], How::Special(whole::absent_over_time)),
    row("scalar", &[Vector], How::Special(whole::scalar)).gives_scalar(),
    row("sort", &[Vector], How::Special(whole::sort)),
    row("sort_by_label", &[Vector, Text], How::Special(whole::sort_by_label)).repeats(),
    row("sort_by_label_desc", &[Vector, Text], How::Special(whole::sort_by_label_descending)).repeats(),
    row("sort_desc", &[Vector], How::Special(whole::sort_descending)),
    row("timestamp", &[Vector], How::Special(whole::timestamp)),
    row("vector", &[Scalar], How::Special(whole::vector)),
    row("time", &[], How::Special(whole::time)).gives_scalar(),
    row("pi", &[], How::Special(whole::pi)).gives_scalar(),
    row("start", &[], How::Special(whole::start)).gives_scalar(),
    row("end", &[], How::Special(whole::end)).gives_scalar(),
    row("step", &[], How::Special(whole::step)).gives_scalar(),
    row("range", &[], How::Special(whole::range)).gives_scalar(),
    row("max_of", &[Scalar, Scalar], How::Special(whole::max_of)).gives_scalar(),
    row("min_of", &[Scalar, Scalar], How::Special(whole::min_of)).gives_scalar(),
];

/// The function of that name.
pub fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// The arguments of a function that takes this many. The reader of an expression has counted them.
///
/// # Errors
/// When it has not.
pub fn exactly<const N: usize>(arguments: &[Node]) -> Result<&[Node; N], EvaluationError> {
    arguments.try_into().map_err(|_| wrong_number())
}

/// The first arguments, and those that may stand any number of times.
///
/// # Errors
/// When there are fewer.
pub fn at_least<const N: usize>(arguments: &[Node]) -> Result<(&[Node; N], &[Node]), EvaluationError> {
    arguments.split_first_chunk().ok_or_else(wrong_number)
}

fn wrong_number() -> EvaluationError {
    EvaluationError::Argument("wrong number of arguments in a call".to_string())
}

/// The value of a call at every step.
///
/// # Errors
/// From the arguments, or from the function itself.
pub fn answer(evaluation: &Evaluation<'_>, call: &Call, steps: &Steps) -> Result<Answer, EvaluationError> {
    let Call { function, arguments } = call;
    let drops_name = !function.keeps_name;
    Ok(Answer::Vector(match function.how {
        How::Special(special) => return special(evaluation, arguments, steps),
        How::Value(of) => {
            let columns = match arguments.first() {
                Some(vector) => evaluation.vector(vector, steps)?,
                None => whole::times(steps),
            };
            each_value(columns, drops_name, &[], |value, _| Some(of(value)))
        }
        How::ValueWith(of) => {
            let (vector, scalars) = subject(evaluation, arguments, ValueKind::Vector, steps)?;
            each_value(evaluation.vector(vector, steps)?, drops_name, &scalars, of)
        }
        How::Window(of) => {
            let (range, scalars) = subject(evaluation, arguments, ValueKind::Matrix, steps)?;
            each_window(evaluation, &evaluation.matrix(range, steps)?, drops_name, &scalars, steps, of)?
        }
    }))
}

/// The argument that a function is about, and the values of the scalars beside it, in order.
fn subject<'a>(
    evaluation: &Evaluation<'_>,
    arguments: &'a [Node],
    kind: ValueKind,
    steps: &Steps,
) -> Result<(&'a Node, Vec<Vec<f64>>), EvaluationError> {
    let subject = arguments.iter().find(|argument| argument.kind() == kind).ok_or_else(wrong_number)?;
    let others = arguments.iter().filter(|argument| argument.kind() != kind);
    Ok((subject, others.map(|argument| evaluation.scalar(argument, steps)).collect::<Result<_, _>>()?))
}

/// Puts the scalar arguments of one step into `here`.
fn take_step(here: &mut Vec<f64>, scalars: &[Vec<f64>], step: usize) {
    here.clear();
    here.extend(scalars.iter().map(|scalar| scalar[step]));
}

fn each_value(
    mut columns: Vec<Column>,
    drops_name: bool,
    scalars: &[Vec<f64>],
    of: impl Fn(f64, &[f64]) -> Option<f64>,
) -> Vec<Column> {
    let mut here = Vec::with_capacity(scalars.len());
    for column in &mut columns {
        column.drops_name |= drops_name;
        for (step, value) in column.values.iter_mut().enumerate().filter(|(_, value)| !is_stale(**value)) {
            take_step(&mut here, scalars, step);
            *value = of(*value, &here).unwrap_or(STALE);
        }
    }
    columns.retain(|column| !column.is_empty());
    columns
}

/// Applies a function to each window of each series. A window that `@` pins, asked the same again, is computed once.
///
/// # Errors
/// When the evaluation is cancelled, or would hold too much.
pub fn each_window(
    evaluation: &Evaluation<'_>,
    windows: &Windows,
    drops_name: bool,
    scalars: &[Vec<f64>],
    steps: &Steps,
    of: impl Fn(&Window<'_>, &[f64]) -> Option<f64>,
) -> Result<Vec<Column>, EvaluationError> {
    evaluation.afford(windows.series.len(), steps.count)?;
    let pinned = windows.shift.at.is_some();
    let mut columns = Vec::with_capacity(windows.series.len());
    let (mut here, mut before) = (Vec::with_capacity(scalars.len()), Vec::new());
    for series in &windows.series {
        let mut values = vec![STALE; steps.count];
        let mut known = None;
        windows.each(evaluation, series, steps, |step, window| {
            take_step(&mut here, scalars, step);
            values[step] = match known {
                Some(known) if pinned && here == before => known,
                _ => of(&window, &here).unwrap_or(STALE),
            };
            known = Some(values[step]);
            std::mem::swap(&mut here, &mut before);
        })?;
        let labels = series.labels.clone();
        let column = Column { labels, drops_name: drops_name || series.drops_name, values };
        if !column.is_empty() {
            columns.push(column);
        }
    }
    Ok(columns)
}
