//! Aggregations: a table of what each does with a group's values. Groups are formed once, not per step.

use std::collections::HashMap;

use crate::model::labels::{Labels, NAME};
use crate::model::series::{STALE, is_stale};
use crate::promql::EvaluationError;
use crate::promql::evaluate::{Answer, Column, Evaluation, Steps};
use crate::promql::numbers;
use crate::promql::tree::Aggregation;

/// A row of the table.
#[derive(Debug)]
pub struct Aggregator {
    pub name: &'static str,
    pub how: How,
}

/// What becomes of a group at one step.
#[derive(Debug)]
pub enum How {
    /// One value of all values; the second argument is the parameter, NaN where there is none.
    Reduce(fn(&mut [f64], f64) -> f64),
    /// As many of the group's own series as the parameter says, the least by this order first; `None` keeps all equal.
    Choose(Option<fn(f64, f64) -> std::cmp::Ordering>),
    /// One series for each value, with the number of series that have it.
    CountValues,
}

const AGGREGATORS: &[Aggregator] = &[
    Aggregator { name: "sum", how: How::Reduce(|values, _| numbers::sum(values.iter().copied())) },
    Aggregator { name: "avg", how: How::Reduce(|values, _| numbers::average(values.iter().copied())) },
    Aggregator { name: "min", how: How::Reduce(|values, _| numbers::least(values.iter().copied())) },
    Aggregator { name: "max", how: How::Reduce(|values, _| numbers::greatest(values.iter().copied())) },
    Aggregator { name: "count", how: How::Reduce(|values, _| values.len() as f64) },
    Aggregator { name: "group", how: How::Reduce(|_, _| 1.0) },
    Aggregator { name: "stdvar", how: How::Reduce(|values, _| numbers::variance(values.iter().copied())) },
    Aggregator { name: "stddev", how: How::Reduce(|values, _| numbers::variance(values.iter().copied()).sqrt()) },
    Aggregator { name: "quantile", how: How::Reduce(|values, q| numbers::quantile(q, values)) },
    Aggregator { name: "topk", how: How::Choose(Some(numbers::descending)) },
    Aggregator { name: "bottomk", how: How::Choose(Some(numbers::ascending)) },
    Aggregator { name: "limitk", how: How::Choose(None) },
    Aggregator { name: "count_values", how: How::CountValues },
];

/// The aggregation of that name.
pub fn aggregator(name: &str) -> Option<&'static Aggregator> {
    AGGREGATORS.iter().find(|aggregator| aggregator.name == name)
}

/// The series whose labels agree in what the aggregation keeps.
struct Group {
    labels: Labels,
    drops_name: bool,
    members: Vec<usize>,
}

/// The aggregation at every step.
///
/// # Errors
/// From the inner expression or the parameter, or when a limit is passed.
pub fn columns(
    evaluation: &Evaluation<'_>,
    aggregation: &Aggregation,
    steps: &Steps,
) -> Result<Vec<Column>, EvaluationError> {
    let parameter = aggregation.parameter.as_ref().map(|node| evaluation.answer(node, steps)).transpose()?;
    let inner = evaluation.vector(&aggregation.inner, steps)?;
    let groups = grouped(aggregation, &inner);
    match (&aggregation.aggregator.how, parameter) {
        (How::Reduce(reduce), None) => Ok(reduced(*reduce, &groups, &inner, &vec![f64::NAN; steps.count])),
        (How::Reduce(reduce), Some(Answer::Scalar(parameter))) => Ok(reduced(*reduce, &groups, &inner, &parameter)),
        (How::Choose(order), Some(Answer::Scalar(parameter))) => {
            chosen(*order, &groups, inner, &whole_numbers(&parameter)?)
        }
        (How::CountValues, Some(Answer::Text(label))) => counted(evaluation, &label, &groups, &inner, steps),
        _ => Err(EvaluationError::Argument(format!("wrong parameter of {}", aggregation.aggregator.name))),
    }
}

fn grouped(aggregation: &Aggregation, columns: &[Column]) -> Vec<Group> {
    let listed = |name: &str| aggregation.labels.iter().any(|label| label == name);
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        let labels = match aggregation.without {
            true => column.labels.filtered(|name| name != NAME && !listed(name)),
            false => column.labels.filtered(listed),
        };
        let place = *places.entry(labels.clone()).or_insert_with(|| {
            groups.push(Group { labels, drops_name: false, members: Vec::new() });
            groups.len() - 1
        });
        groups[place].drops_name |= column.drops_name;
        groups[place].members.push(at);
    }
    groups
}

fn reduced(reduce: fn(&mut [f64], f64) -> f64, groups: &[Group], inner: &[Column], parameter: &[f64]) -> Vec<Column> {
    let mut here = Vec::new();
    let mut columns = Vec::with_capacity(groups.len());
    for group in groups {
        let values = parameter.iter().enumerate().map(|(step, parameter)| {
            here.clear();
            here.extend(group.members.iter().map(|at| inner[*at].values[step]).filter(|value| !is_stale(*value)));
            if here.is_empty() { STALE } else { reduce(&mut here, *parameter) }
        });
        let values = values.collect();
        columns.push(Column { labels: group.labels.clone(), drops_name: group.drops_name, values });
    }
    columns
}

/// How many series each step may keep.
fn whole_numbers(parameter: &[f64]) -> Result<Vec<usize>, EvaluationError> {
    let whole = |value: &f64| match value {
        value if value.is_nan() => Err(EvaluationError::Argument("Parameter value is NaN".to_string())),
        value if *value >= i64::MAX as f64 || *value <= i64::MIN as f64 => {
            Err(EvaluationError::Argument(format!("Scalar value {value} overflows int64")))
        }
        value => Ok(value.max(0.0) as usize),
    };
    parameter.iter().map(whole).collect()
}

fn chosen(
    order: Option<fn(f64, f64) -> std::cmp::Ordering>,
    groups: &[Group],
    mut inner: Vec<Column>,
    keep: &[usize],
) -> Result<Vec<Column>, EvaluationError> {
    let mut sequence = Vec::with_capacity(inner.len());
    let mut here: Vec<usize> = Vec::new();
    for group in groups {
        for (step, keep) in keep.iter().enumerate() {
            here.clear();
            here.extend(group.members.iter().filter(|at| !is_stale(inner[**at].values[step])));
            if let Some(order) = order {
                // Of equal values the first by its labels stays, whatever was found first: at one time or over a range.
                here.sort_by(|a, b| {
                    let (a, b) = (&inner[*a], &inner[*b]);
                    order(a.values[step], b.values[step]).then_with(|| a.labels.cmp(&b.labels))
                });
            }
            here.iter().skip(*keep).for_each(|at| inner[*at].values[step] = STALE);
            here.truncate(*keep);
        }
        // A single step is shown in its order; a range has none.
        sequence.append(&mut if keep.len() == 1 { std::mem::take(&mut here) } else { group.members.clone() });
    }
    let mut columns: Vec<Option<Column>> = inner.into_iter().map(Some).collect();
    let mut ordered: Vec<Column> = sequence.into_iter().filter_map(|at| columns[at].take()).collect();
    ordered.retain(|column| !column.is_empty());
    Ok(ordered)
}

fn counted(
    evaluation: &Evaluation<'_>,
    label: &str,
    groups: &[Group],
    inner: &[Column],
    steps: &Steps,
) -> Result<Vec<Column>, EvaluationError> {
    if label.is_empty() {
        return Err(EvaluationError::Argument(format!("invalid label name {label:?}")));
    }
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut columns: Vec<Column> = Vec::new();
    for group in groups {
        for at in &group.members {
            for (step, value) in inner[*at].values.iter().enumerate().filter(|(_, value)| !is_stale(**value)) {
                // The label replaces one of that name that the grouping kept.
                let labels = group.labels.with(label, &numbers::text(*value));
                let place = match places.get(&labels) {
                    Some(place) => *place,
                    None => {
                        evaluation.afford(columns.len() + 1, steps.count)?;
                        places.insert(labels.clone(), columns.len());
                        let values = vec![STALE; steps.count];
                        columns.push(Column { labels, drops_name: group.drops_name && label != NAME, values });
                        columns.len() - 1
                    }
                };
                let count = &mut columns[place].values[step];
                *count = if is_stale(*count) { 1.0 } else { *count + 1.0 };
            }
        }
    }
    Ok(columns)
}
