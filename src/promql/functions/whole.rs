//! Functions of a whole vector, and of none: presence, order, time.

use std::cmp::Ordering;

use crate::model::labels::{Labels, NAME};
use crate::model::matcher::{Matcher, Op};
use crate::model::series::{STALE, is_stale};
use crate::promql::EvaluationError;
use crate::promql::evaluate::{Answer, Column, Evaluation, Steps};
use crate::promql::functions::math;
use crate::promql::functions::{at_least, exactly};
use crate::promql::numbers;
use crate::promql::selector;
use crate::promql::tree::Node;

type Result<T> = std::result::Result<T, EvaluationError>;

fn unlabelled(values: Vec<f64>) -> Vec<Column> {
    vec![Column { labels: Labels::empty(), drops_name: false, values }]
}

fn repeated(value: f64, steps: &Steps) -> Result<Answer> {
    Ok(Answer::Scalar(vec![value; steps.count]))
}

fn times_s(steps: &Steps) -> Vec<f64> {
    steps.times_ms().map(|at_ms| at_ms as f64 / 1_000.0).collect()
}

/// `vector(time())`, which calendar functions take when nothing is given.
pub fn times(steps: &Steps) -> Vec<Column> {
    unlabelled(times_s(steps))
}

/// `time()`: the time of evaluation in seconds.
pub fn time(_: &Evaluation<'_>, _: &[Node], steps: &Steps) -> Result<Answer> {
    Ok(Answer::Scalar(times_s(steps)))
}

pub fn pi(_: &Evaluation<'_>, _: &[Node], steps: &Steps) -> Result<Answer> {
    repeated(std::f64::consts::PI, steps)
}

/// `start()`: the first time of the whole evaluation, in seconds.
pub fn start(evaluation: &Evaluation<'_>, _: &[Node], steps: &Steps) -> Result<Answer> {
    repeated(evaluation.whole.first_ms as f64 / 1_000.0, steps)
}

/// `end()`: the last time of the whole evaluation, in seconds.
pub fn end(evaluation: &Evaluation<'_>, _: &[Node], steps: &Steps) -> Result<Answer> {
    repeated(evaluation.whole.last_ms() as f64 / 1_000.0, steps)
}

/// `step()`: 0 for an instant evaluation.
pub fn step(evaluation: &Evaluation<'_>, _: &[Node], steps: &Steps) -> Result<Answer> {
    repeated(evaluation.whole.step_ms as f64 / 1_000.0, steps)
}

/// `range()`: from the first to the last time of the whole evaluation, in seconds.
pub fn range(evaluation: &Evaluation<'_>, _: &[Node], steps: &Steps) -> Result<Answer> {
    repeated((evaluation.whole.last_ms() as f64 - evaluation.whole.first_ms as f64) / 1_000.0, steps)
}

fn of_two(evaluation: &Evaluation<'_>, arguments: &[Node], steps: &Steps, of: fn(f64, f64) -> f64) -> Result<Answer> {
    let [a, b] = exactly(arguments)?;
    let (a, b) = (evaluation.scalar(a, steps)?, evaluation.scalar(b, steps)?);
    Ok(Answer::Scalar(a.into_iter().zip(b).map(|(a, b)| of(a, b)).collect()))
}

pub fn max_of(evaluation: &Evaluation<'_>, arguments: &[Node], steps: &Steps) -> Result<Answer> {
    of_two(evaluation, arguments, steps, math::greater)
}

pub fn min_of(evaluation: &Evaluation<'_>, arguments: &[Node], steps: &Steps) -> Result<Answer> {
    of_two(evaluation, arguments, steps, math::smaller)
}

pub fn vector(evaluation: &Evaluation<'_>, arguments: &[Node], steps: &Steps) -> Result<Answer> {
    let [scalar] = exactly(arguments)?;
    Ok(Answer::Vector(unlabelled(evaluation.scalar(scalar, steps)?)))
}

/// `scalar(vector)`: the value of the one series; NaN where there is none or more.
pub fn scalar(evaluation: &Evaluation<'_>, arguments: &[Node], steps: &Steps) -> Result<Answer> {
    let [vector] = exactly(arguments)?;
    let columns = evaluation.vector(vector, steps)?;
    let only = |step: usize| {
        let mut here = columns.iter().map(|column| column.values[step]).filter(|value| !is_stale(*value));
        match (here.next(), here.next()) {
            (Some(value), None) => value,
            _ => f64::NAN,
        }
    };
    Ok(Answer::Scalar((0..steps.count).map(only).collect()))
}

/// `timestamp(vector)`: of a plain selector each sample's own time, else the time of evaluation; in seconds.
pub fn timestamp(evaluation: &Evaluation<'_>, arguments: &[Node], steps: &Steps) -> Result<Answer> {
    let [argument] = exactly(arguments)?;
    let mut columns = match argument {
        Node::Selector(selection) => {
            selector::instant(evaluation, selection, steps, |(at_ms, _)| at_ms as f64 / 1_000.0)?
        }
        other => {
            let mut columns = evaluation.vector(other, steps)?;
            for column in &mut columns {
                let times = times_s(steps);
                let present = column.values.iter_mut().zip(times).filter(|(value, _)| !is_stale(**value));
                present.for_each(|(value, time)| *value = time);
            }
            columns
        }
    };
    columns.iter_mut().for_each(|column| column.drops_name = true);
    Ok(Answer::Vector(columns))
}

/// `absent(vector)`: 1 where no series has a value, with the labels that the selector demands.
pub fn absent(evaluation: &Evaluation<'_>, arguments: &[Node], steps: &Steps) -> Result<Answer> {
    let [argument] = exactly(arguments)?;
    let mut missing = vec![1.0; steps.count];
    for column in evaluation.vector(argument, steps)? {
        let present = missing.iter_mut().zip(&column.values).filter(|(_, value)| !is_stale(**value));
        present.for_each(|(missing, _)| *missing = STALE);
    }
    Ok(Answer::Vector(absence(argument, missing)))
}

/// `absent_over_time(range)`: 1 where no series has a sample in the window.
pub fn absent_over_time(evaluation: &Evaluation<'_>, arguments: &[Node], steps: &Steps) -> Result<Answer> {
    let [argument] = exactly(arguments)?;
    let windows = evaluation.matrix(argument, steps)?;
    let mut missing = vec![1.0; steps.count];
    for series in &windows.series {
        windows.each(evaluation, series, steps, |step, _| missing[step] = STALE)?;
    }
    Ok(Answer::Vector(absence(argument, missing)))
}

fn absence(argument: &Node, missing: Vec<f64>) -> Vec<Column> {
    let labels = match argument {
        Node::Selector(selection) => demanded(&selection.matchers),
        Node::Range(range) => demanded(&range.selection.matchers),
        _ => Labels::empty(),
    };
    let column = Column { labels, drops_name: false, values: missing };
    if column.is_empty() { Vec::new() } else { vec![column] }
}

/// The labels that matchers fix to one value. A label with more than one matcher is not among them.
fn demanded(matchers: &[Matcher]) -> Labels {
    let alone = |name: &str| matchers.iter().filter(|matcher| matcher.name == name).count() == 1;
    let fixed =
        matchers.iter().filter(|matcher| matcher.op == Op::Equal && matcher.name != NAME && alone(&matcher.name));
    Labels::new(fixed.map(|matcher| (matcher.name.as_str(), matcher.value.as_str())))
}

/// Orders an instant vector. The series of a range have no order, so there it changes nothing.
fn sorted(
    evaluation: &Evaluation<'_>,
    vector: &Node,
    steps: &Steps,
    order: impl Fn(&Column, &Column) -> Ordering,
) -> Result<Answer> {
    let mut columns = evaluation.vector(vector, steps)?;
    if steps.count == 1 {
        columns.sort_by(order);
    }
    Ok(Answer::Vector(columns))
}

fn by_value(order: fn(f64, f64) -> Ordering) -> impl Fn(&Column, &Column) -> Ordering {
    move |a, b| match (a.values.first(), b.values.first()) {
        (Some(a), Some(b)) => order(*a, *b),
        _ => Ordering::Equal,
    }
}

pub fn sort(evaluation: &Evaluation<'_>, arguments: &[Node], steps: &Steps) -> Result<Answer> {
    let [vector] = exactly(arguments)?;
    sorted(evaluation, vector, steps, by_value(numbers::ascending))
}

pub fn sort_descending(evaluation: &Evaluation<'_>, arguments: &[Node], steps: &Steps) -> Result<Answer> {
    let [vector] = exactly(arguments)?;
    sorted(evaluation, vector, steps, by_value(numbers::descending))
}

fn label_order(evaluation: &Evaluation<'_>, arguments: &[Node], steps: &Steps, descending: bool) -> Result<Answer> {
    let ([vector], labels) = at_least(arguments)?;
    let names: Vec<String> = labels.iter().map(|label| evaluation.text(label, steps)).collect::<Result<_>>()?;
    sorted(evaluation, vector, steps, |a, b| {
        let named = names.iter().map(|name| natural(a.labels.value(name), b.labels.value(name)));
        let order = named.fold(Ordering::Equal, Ordering::then).then_with(|| a.labels.cmp(&b.labels));
        if descending { order.reverse() } else { order }
    })
}

pub fn sort_by_label(evaluation: &Evaluation<'_>, arguments: &[Node], steps: &Steps) -> Result<Answer> {
    label_order(evaluation, arguments, steps, false)
}

pub fn sort_by_label_descending(evaluation: &Evaluation<'_>, arguments: &[Node], steps: &Steps) -> Result<Answer> {
    label_order(evaluation, arguments, steps, true)
}

/// The order people expect: runs of digits compare as numbers, so `cpu9` stands before `cpu10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (part_a, rest_a) = first_run(a);
        let (part_b, rest_b) = first_run(b);
        if part_a.is_empty() || part_b.is_empty() {
            return part_a.len().cmp(&part_b.len());
        }
        let numbers =
            part_a.starts_with(|c: char| c.is_ascii_digit()) && part_b.starts_with(|c: char| c.is_ascii_digit());
        let order = if numbers {
            let (digits_a, digits_b) = (part_a.trim_start_matches('0'), part_b.trim_start_matches('0'));
            digits_a.len().cmp(&digits_b.len()).then(digits_a.cmp(digits_b)).then(part_a.len().cmp(&part_b.len()))
        } else {
            part_a.cmp(part_b)
        };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// The leading characters that are all digits, or all not.
fn first_run(text: &str) -> (&str, &str) {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    text.split_at(end)
}
