//! Operators between two sides: scalars, a vector and a scalar, and two vectors with their matching.

use std::collections::{HashMap, HashSet};

use crate::model::labels::{Labels, NAME};
use crate::model::series::{STALE, is_stale};
use crate::promql::EvaluationError;
use crate::promql::evaluate::{Answer, Column, Evaluation, Steps, merged};
use crate::promql::tree::{Binary, Grouping, Matching, Node};

/// What an operator does with two values.
#[derive(Clone, Copy, Debug)]
pub enum Operator {
    Arithmetic(fn(f64, f64) -> f64),
    Comparison(fn(&f64, &f64) -> bool),
    Set(Set),
}

/// The operators between sets of series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    And,
    Or,
    Unless,
}

const OPERATORS: &[(&str, Operator)] = &[
    ("+", Operator::Arithmetic(|a, b| a + b)),
    ("-", Operator::Arithmetic(|a, b| a - b)),
    ("*", Operator::Arithmetic(|a, b| a * b)),
    ("/", Operator::Arithmetic(|a, b| a / b)),
    ("%", Operator::Arithmetic(|a, b| a % b)),
    ("^", Operator::Arithmetic(f64::powf)),
    ("atan2", Operator::Arithmetic(f64::atan2)),
    ("==", Operator::Comparison(PartialEq::eq)),
    ("!=", Operator::Comparison(PartialEq::ne)),
    ("<", Operator::Comparison(PartialOrd::lt)),
    ("<=", Operator::Comparison(PartialOrd::le)),
    (">", Operator::Comparison(PartialOrd::gt)),
    (">=", Operator::Comparison(PartialOrd::ge)),
    ("and", Operator::Set(Set::And)),
    ("or", Operator::Set(Set::Or)),
    ("unless", Operator::Set(Set::Unless)),
];

/// The operator that is written so.
pub fn operator(symbol: &str) -> Option<Operator> {
    OPERATORS.iter().find(|(written, _)| *written == symbol).map(|(_, operator)| *operator)
}

/// Both sides, then what the operator makes of them. A chain of operators is walked in a loop, from its left end.
///
/// # Errors
/// From either side, or when the series of two vectors do not match as the modifiers say.
pub fn answer(evaluation: &Evaluation<'_>, outermost: &Binary, steps: &Steps) -> Result<Answer, EvaluationError> {
    let mut chain = vec![outermost];
    let mut first = &outermost.left;
    while let Node::Binary(inner) = first {
        chain.push(inner);
        first = &inner.left;
    }
    let mut left = evaluation.answer(first, steps)?;
    for binary in chain.into_iter().rev() {
        left = of_both(binary, left, evaluation.answer(&binary.right, steps)?, steps)?;
        if let Answer::Vector(columns) = &left {
            evaluation.hold(columns.len(), steps.count)?;
        }
    }
    Ok(left)
}

fn of_both(binary: &Binary, left: Answer, right: Answer, steps: &Steps) -> Result<Answer, EvaluationError> {
    match (left, right) {
        (Answer::Scalar(left), Answer::Scalar(right)) => {
            let both = left.into_iter().zip(right);
            Ok(Answer::Scalar(both.map(|(a, b)| of_scalars(binary.operator, a, b)).collect()))
        }
        (Answer::Vector(left), Answer::Scalar(right)) => Ok(Answer::Vector(with_scalar(binary, left, &right, false))),
        (Answer::Scalar(left), Answer::Vector(right)) => Ok(Answer::Vector(with_scalar(binary, right, &left, true))),
        (Answer::Vector(left), Answer::Vector(right)) => Ok(Answer::Vector(match binary.operator {
            Operator::Set(set) => of_sets(&binary.matching, set, left, right, steps)?,
            Operator::Arithmetic(_) | Operator::Comparison(_) => of_vectors(binary, &left, &right, steps)?,
        })),
        _ => Err(EvaluationError::Argument(
            "binary expression must contain only scalar and instant vector types".to_string(),
        )),
    }
}

/// A comparison of scalars gives 0 or 1: the reader of an expression demands `bool` there.
fn of_scalars(operator: Operator, a: f64, b: f64) -> f64 {
    match operator {
        Operator::Arithmetic(of) => of(a, b),
        Operator::Comparison(holds) => f64::from(u8::from(holds(&a, &b))),
        Operator::Set(_) => f64::NAN,
    }
}

/// One step of one pair. `kept` is what a comparison lets through.
fn of_pair(operator: Operator, gives_bool: bool, a: f64, b: f64, kept: f64) -> f64 {
    match operator {
        Operator::Comparison(holds) if !gives_bool => {
            if holds(&a, &b) {
                kept
            } else {
                STALE
            }
        }
        other => of_scalars(other, a, b),
    }
}

/// Whether the result means something else than the series' name says.
fn changes_meaning(binary: &Binary) -> bool {
    matches!(binary.operator, Operator::Arithmetic(_)) || binary.gives_bool
}

fn with_scalar(binary: &Binary, mut columns: Vec<Column>, scalars: &[f64], scalar_is_left: bool) -> Vec<Column> {
    for column in &mut columns {
        column.drops_name |= changes_meaning(binary);
        for (value, scalar) in column.values.iter_mut().zip(scalars).filter(|(value, _)| !is_stale(**value)) {
            let (a, b) = if scalar_is_left { (*scalar, *value) } else { (*value, *scalar) };
            *value = of_pair(binary.operator, binary.gives_bool, a, b, *value);
        }
    }
    columns.retain(|column| !column.is_empty());
    columns
}

/// The labels by which series of both sides find each other.
fn signature(matching: &Matching, labels: &Labels) -> Labels {
    let listed = |name: &str| matching.labels.iter().any(|label| label == name);
    match matching.on {
        true => labels.filtered(listed),
        false => labels.filtered(|name| name != NAME && !listed(name)),
    }
}

/// For every step, whether any of the columns has a value there.
fn presence<'a>(columns: impl Iterator<Item = &'a Column>, steps: &Steps) -> Vec<bool> {
    let mut present = vec![false; steps.count];
    for column in columns {
        present.iter_mut().zip(&column.values).for_each(|(present, value)| *present |= !is_stale(*value));
    }
    present
}

fn by_signature<'a>(matching: &Matching, columns: &'a [Column]) -> HashMap<Labels, Vec<&'a Column>> {
    let mut groups: HashMap<Labels, Vec<&Column>> = HashMap::with_capacity(columns.len());
    for column in columns {
        groups.entry(signature(matching, &column.labels)).or_default().push(column);
    }
    groups
}

fn of_sets(
    matching: &Matching,
    set: Set,
    left: Vec<Column>,
    right: Vec<Column>,
    steps: &Steps,
) -> Result<Vec<Column>, EvaluationError> {
    // What decides is the other side's presence: `or` takes of the right what the left has not.
    let (mut kept, deciding, wanted, mut first) = match set {
        Set::And => (left, right, true, Vec::new()),
        Set::Unless => (left, right, false, Vec::new()),
        Set::Or => (right, left.clone(), false, left),
    };
    let present: HashMap<Labels, Vec<bool>> = by_signature(matching, &deciding)
        .into_iter()
        .map(|(signature, group)| (signature, presence(group.into_iter(), steps)))
        .collect();
    for column in &mut kept {
        match present.get(&signature(matching, &column.labels)) {
            None if wanted => column.values.fill(STALE),
            None => {}
            Some(present) => {
                let unwanted = column.values.iter_mut().zip(present).filter(|(_, present)| **present != wanted);
                unwanted.for_each(|(value, _)| *value = STALE);
            }
        }
    }
    first.extend(kept);
    first.retain(|column| !column.is_empty());
    // `x > 5 or x`: the same series may come from the left at one step and from the right at another.
    merged(first, &EvaluationError::SameLabels)
}

/// One-to-one, many-to-one and one-to-many. The side of which a group may have only one series is `one`.
fn of_vectors(
    binary: &Binary,
    left: &[Column],
    right: &[Column],
    steps: &Steps,
) -> Result<Vec<Column>, EvaluationError> {
    let matching = &binary.matching;
    let swapped = matching.grouping == Grouping::OneToMany;
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    let partners = by_signature(matching, one);
    refuse_duplicates(matching, &partners, many, steps)?;

    let mut seen: HashSet<Labels> = HashSet::new();
    let mut shared: HashMap<Labels, Vec<bool>> = HashMap::new();
    if matching.grouping == Grouping::OneToOne {
        for column in many {
            let signature = signature(matching, &column.labels);
            if partners.contains_key(&signature) && !seen.insert(signature.clone()) {
                shared.insert(signature, vec![false; steps.count]);
            }
        }
    }
    let mut columns = Vec::with_capacity(many.len());
    for of_many in many {
        let signature = signature(matching, &of_many.labels);
        for of_one in partners.get(&signature).into_iter().flatten() {
            if let Some(taken) = shared.get_mut(&signature) {
                take(taken, of_many, of_one)?;
            }
            let column = of_columns(binary, of_many, of_one, swapped);
            if !column.is_empty() {
                columns.push(column);
            }
        }
    }
    let twice = match matching.grouping {
        Grouping::OneToOne => EvaluationError::SameLabels,
        Grouping::ManyToOne | Grouping::OneToMany => EvaluationError::GroupingNotUnique,
    };
    merged(columns, &twice)
}

/// Notes the steps at which a pair of a one-to-one match meets. A second pair there is a fault of the matching, also
/// where a comparison lets neither through: else the fault would come and go with the values.
fn take(taken: &mut [bool], of_many: &Column, of_one: &Column) -> Result<(), EvaluationError> {
    for ((taken, many), one) in taken.iter_mut().zip(&of_many.values).zip(&of_one.values) {
        if !is_stale(*many) && !is_stale(*one) && std::mem::replace(taken, true) {
            return Err(EvaluationError::ManyToOneNotExplicit);
        }
    }
    Ok(())
}

fn of_columns(binary: &Binary, of_many: &Column, of_one: &Column, swapped: bool) -> Column {
    let mut values = vec![STALE; of_many.values.len()];
    for ((value, many), one) in values.iter_mut().zip(&of_many.values).zip(&of_one.values) {
        if !is_stale(*many) && !is_stale(*one) {
            let (a, b) = if swapped { (*one, *many) } else { (*many, *one) };
            *value = of_pair(binary.operator, binary.gives_bool, a, b, a);
        }
    }
    let drops_name = of_many.drops_name || binary.gives_bool;
    Column { labels: result_labels(binary, &of_many.labels, &of_one.labels), drops_name, values }
}

fn result_labels(binary: &Binary, many: &Labels, one: &Labels) -> Labels {
    let matching = &binary.matching;
    let listed = |name: &str| matching.labels.iter().any(|label| label == name);
    let nameless = matches!(binary.operator, Operator::Arithmetic(_));
    let labels = many.filtered(|name| {
        let matched = matching.grouping != Grouping::OneToOne || listed(name) == matching.on;
        matched && !(nameless && name == NAME)
    });
    matching.include.iter().fold(labels, |labels, name| labels.with(name, one.value(name)))
}

/// Two series of one group on the side of one, at the same step, while the other side has any series at all.
fn refuse_duplicates(
    matching: &Matching,
    partners: &HashMap<Labels, Vec<&Column>>,
    many: &[Column],
    steps: &Steps,
) -> Result<(), EvaluationError> {
    let groups: Vec<_> = partners.iter().filter(|(_, group)| group.len() > 1).collect();
    if groups.is_empty() {
        return Ok(());
    }
    let asked = presence(many.iter(), steps);
    for (signature, group) in groups {
        for step in (0..steps.count).filter(|step| asked[*step]) {
            let mut here = group.iter().filter(|column| !is_stale(column.values[step]));
            if let (Some(first), Some(second)) = (here.next(), here.next()) {
                return Err(EvaluationError::ManyToMany {
                    group: in_braces(signature),
                    side: if matching.grouping == Grouping::OneToMany { "left" } else { "right" },
                    first: in_braces(&second.labels),
                    second: in_braces(&first.labels),
                });
            }
        }
    }
    Ok(())
}

/// Labels as Prometheus writes them in messages, the name among them.
fn in_braces(labels: &Labels) -> String {
    let all: Vec<String> = labels.iter().map(|label| format!("{}={:?}", label.name, label.value)).collect();
    format!("{{{}}}", all.join(", "))
}
