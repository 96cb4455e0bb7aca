//! Functions that change labels and leave values alone.

use crate::model::labels::{Labels, NAME};
use crate::promql::EvaluationError;
use crate::promql::evaluate::{Answer, Column, Evaluation, Steps, merged};
use crate::promql::functions::{at_least, exactly};
use crate::promql::tree::Node;

/// A label made by a function may not be longer: nested calls could double it without end.
pub const VALUE_BYTES_MAX: usize = 16 * 1024;

/// `label_replace(vector, target, replacement, source, pattern)`.
///
/// # Errors
/// From the arguments; when a label would be too long; when two series would become one.
pub fn replace(evaluation: &Evaluation<'_>, arguments: &[Node], steps: &Steps) -> Result<Answer, EvaluationError> {
    let [vector, target, replacement, source, pattern] = exactly(arguments)?;
    let Node::Pattern(pattern) = pattern else {
        return Err(EvaluationError::Argument("the pattern of label_replace must be written in place".to_string()));
    };
    let target = target_name("label_replace", evaluation.text(target, steps)?)?;
    let replacement = evaluation.text(replacement, steps)?;
    let source = evaluation.text(source, steps)?;
    relabelled(evaluation.vector(vector, steps)?, &target, |labels| {
        let found = pattern.captures(labels.value(&source))?;
        let mut value = String::new();
        found.expand(&replacement, &mut value);
        Some(value)
    })
}

/// `label_join(vector, target, separator, source…)`.
///
/// # Errors
/// From the arguments; when a label would be too long; when two series would become one.
pub fn join(evaluation: &Evaluation<'_>, arguments: &[Node], steps: &Steps) -> Result<Answer, EvaluationError> {
    let ([vector, target, separator], sources) = at_least(arguments)?;
    let target = target_name("label_join", evaluation.text(target, steps)?)?;
    let separator = evaluation.text(separator, steps)?;
    let sources: Vec<String> = sources.iter().map(|source| evaluation.text(source, steps)).collect::<Result<_, _>>()?;
    relabelled(evaluation.vector(vector, steps)?, &target, |labels| {
        Some(sources.iter().map(|source| labels.value(source)).collect::<Vec<_>>().join(&separator))
    })
}

fn target_name(function: &str, name: String) -> Result<String, EvaluationError> {
    if name.is_empty() {
        return Err(EvaluationError::Argument(format!("invalid destination label name in {function}(): {name:?}")));
    }
    Ok(name)
}

/// Sets `target` where `value` gives one. A name that was to be dropped is kept once it is set anew.
fn relabelled(
    mut columns: Vec<Column>,
    target: &str,
    value: impl Fn(&Labels) -> Option<String>,
) -> Result<Answer, EvaluationError> {
    for column in &mut columns {
        let Some(value) = value(&column.labels) else { continue };
        if value.len() > VALUE_BYTES_MAX {
            let text = format!("label {target:?} would have {} bytes, more than {VALUE_BYTES_MAX}", value.len());
            return Err(EvaluationError::Argument(text));
        }
        column.labels = column.labels.with(target, &value);
        column.drops_name &= target != NAME;
    }
    merged(columns, &EvaluationError::SameLabels).map(Answer::Vector)
}
