//! From the parser's syntax tree to ours. The only place that knows the parser's types.

use std::time::{Duration, SystemTime};

use promql_parser::label::{MatchOp, Matcher as ParsedMatcher};
use promql_parser::parser::{
    AggregateExpr, AtModifier, BinModifier, BinaryExpr, Call as ParsedCall, Expr, LabelModifier, Offset, SubqueryExpr,
    VectorMatchCardinality, VectorSelector,
};
use regex::Regex;

use crate::model::labels::NAME;
use crate::model::matcher::{Matcher, Op};
use crate::promql::ValueKind;
use crate::promql::aggregate;
use crate::promql::binary;
use crate::promql::functions;
use crate::promql::functions::Takes;
use crate::promql::tree::{
    Aggregation, At, Binary, Call, Grouping, Matching, Node, RangeSelection, Selection, Shift, Subquery,
};

/// Longer durations cannot be meant, and could overflow a time.
const DURATION_MAX: Duration = Duration::from_secs(1_000 * 365 * 86_400);

/// Parts within parts. Each takes some KiB of the stack when it is evaluated; real rules have less than 20.
pub const LEVELS_MAX: usize = 128;

/// Resolves names and checks what the parser lets through.
///
/// # Errors
/// A sentence about the first thing that is wrong.
pub fn tree(expression: &Expr) -> Result<Node, String> {
    node(expression, 0)
}

fn node(mut expression: &Expr, level: usize) -> Result<Node, String> {
    while let Expr::Paren(paren) = expression {
        expression = &paren.expr;
    }
    if level > LEVELS_MAX {
        return Err(format!("more than {LEVELS_MAX} parts are nested"));
    }
    let level = level + 1;
    match expression {
        Expr::NumberLiteral(literal) => Ok(Node::Number(literal.val)),
        Expr::StringLiteral(literal) => Ok(Node::Text(literal.val.clone())),
        Expr::VectorSelector(selector) => Ok(Node::Selector(selection(selector)?)),
        Expr::MatrixSelector(selector) => {
            Ok(Node::Range(RangeSelection { selection: selection(&selector.vs)?, range_ms: range_ms(selector.range)? }))
        }
        Expr::Subquery(inner) => subquery(inner, level),
        Expr::Unary(unary) => Ok(Node::Negate(Box::new(node(&unary.expr, level)?))),
        Expr::Binary(inner) => chain(inner, level),
        Expr::Aggregate(inner) => aggregation(inner, level),
        Expr::Call(inner) => call(inner, level),
        Expr::Paren(_) | Expr::Extension(_) => Err("extensions of the syntax are not supported".to_string()),
    }
}

fn selection(selector: &VectorSelector) -> Result<Selection, String> {
    if !selector.matchers.or_matchers.is_empty() {
        return Err("'or' between label matchers is not supported".to_string());
    }
    let mut matchers: Vec<Matcher> = selector.name.iter().map(|name| Matcher::equal(NAME, name.as_str())).collect();
    for parsed in &selector.matchers.matchers {
        matchers.push(matcher(parsed)?);
    }
    // The parser is content with one such matcher among alternatives; a selector of everything is never meant.
    if matchers.iter().all(|matcher| matcher.accepts("")) {
        return Err("vector selector must contain at least one non-empty matcher".to_string());
    }
    Ok(Selection { matchers, shift: shift(selector.at.as_ref(), selector.offset.as_ref())? })
}

/// The parser has already escaped braces that Go takes literally (`{{x}}`), so its pattern is used, not the text.
fn matcher(parsed: &ParsedMatcher) -> Result<Matcher, String> {
    let inner = |regex: &str| {
        let pattern = regex.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$")).unwrap_or(regex);
        pattern.to_string()
    };
    let (op, value) = match &parsed.op {
        MatchOp::Equal => (Op::Equal, parsed.value.clone()),
        MatchOp::NotEqual => (Op::NotEqual, parsed.value.clone()),
        MatchOp::Re(regex) => (Op::Matches, inner(regex.as_str())),
        MatchOp::NotRe(regex) => (Op::NotMatches, inner(regex.as_str())),
    };
    Matcher::new(parsed.name.as_str(), op, value)
        .map_err(|_| format!("{:?} is not a regular expression that can be used", parsed.value))
}

fn milliseconds(duration: Duration) -> Result<i64, String> {
    if duration > DURATION_MAX {
        return Err("duration out of range: more than 1000 years".to_string());
    }
    i64::try_from(duration.as_millis()).map_err(|_| "duration out of range".to_string())
}

fn range_ms(duration: Duration) -> Result<i64, String> {
    match milliseconds(duration)? {
        0 => Err("duration must be greater than 0".to_string()),
        range_ms => Ok(range_ms),
    }
}

fn shift(at: Option<&AtModifier>, offset: Option<&Offset>) -> Result<Shift, String> {
    let at = match at {
        None => None,
        Some(AtModifier::Start) => Some(At::Start),
        Some(AtModifier::End) => Some(At::End),
        Some(AtModifier::At(time)) => Some(At::TimeMs(match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => since_epoch_ms(after)?,
            Err(before) => -since_epoch_ms(before.duration())?,
        })),
    };
    let offset_ms = match offset {
        None => 0,
        Some(Offset::Pos(back)) => milliseconds(*back)?,
        Some(Offset::Neg(ahead)) => -milliseconds(*ahead)?,
    };
    Ok(Shift { at, offset_ms })
}

fn since_epoch_ms(duration: Duration) -> Result<i64, String> {
    i64::try_from(duration.as_millis()).map_err(|_| "timestamp out of bounds for @ modifier".to_string())
}

fn subquery(parsed: &SubqueryExpr, level: usize) -> Result<Node, String> {
    Ok(Node::Subquery(Box::new(Subquery {
        inner: node(&parsed.expr, level)?,
        range_ms: range_ms(parsed.range)?,
        step_ms: parsed.step.map(range_ms).transpose()?,
        shift: shift(parsed.at.as_ref(), parsed.offset.as_ref())?,
    })))
}

/// `a + b + c + …` leans to the left; a loop walks down there, so that a long sum is not a deep one.
fn chain(outermost: &BinaryExpr, level: usize) -> Result<Node, String> {
    let mut chain = vec![outermost];
    let mut first = &*outermost.lhs;
    while let Expr::Binary(inner) = first {
        chain.push(inner);
        first = &inner.lhs;
    }
    let mut left = node(first, level)?;
    for parsed in chain.into_iter().rev() {
        left = binary(parsed, left, node(&parsed.rhs, level)?)?;
    }
    Ok(left)
}

fn binary(parsed: &BinaryExpr, left: Node, right: Node) -> Result<Node, String> {
    let symbol = parsed.op.to_string();
    let operator = binary::operator(&symbol).ok_or_else(|| format!("the operator '{symbol}' is not supported"))?;
    let default = BinModifier::default();
    let modifier = parsed.modifier.as_ref().unwrap_or(&default);
    if modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some() {
        return Err("the modifiers fill, fill_left and fill_right are not supported".to_string());
    }
    let (on, labels) = match &modifier.matching {
        None => (false, Vec::new()),
        Some(LabelModifier::Include(labels)) => (true, labels.labels.clone()),
        Some(LabelModifier::Exclude(labels)) => (false, labels.labels.clone()),
    };
    let (grouping, include) = match &modifier.card {
        VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany => (Grouping::OneToOne, Vec::new()),
        VectorMatchCardinality::ManyToOne(labels) => (Grouping::ManyToOne, labels.labels.clone()),
        VectorMatchCardinality::OneToMany(labels) => (Grouping::OneToMany, labels.labels.clone()),
    };
    Ok(Node::Binary(Box::new(Binary {
        operator,
        gives_bool: modifier.return_bool,
        matching: Matching { on, labels, grouping, include },
        left,
        right,
    })))
}

fn aggregation(parsed: &AggregateExpr, level: usize) -> Result<Node, String> {
    let name = parsed.op.to_string();
    let aggregator =
        aggregate::aggregator(&name).ok_or_else(|| format!("the aggregation '{name}' is not supported"))?;
    let (without, labels) = match &parsed.modifier {
        None => (false, Vec::new()),
        Some(LabelModifier::Include(labels)) => (false, labels.labels.clone()),
        Some(LabelModifier::Exclude(labels)) => (true, labels.labels.clone()),
    };
    let parameter = parsed.param.as_deref().map(|parameter| node(parameter, level)).transpose()?;
    Ok(Node::Aggregate(Box::new(Aggregation {
        aggregator,
        parameter,
        inner: node(&parsed.expr, level)?,
        without,
        labels,
    })))
}

fn call(parsed: &ParsedCall, level: usize) -> Result<Node, String> {
    let name = parsed.func.name;
    let function = functions::function(name).ok_or_else(|| format!("the function '{name}' is not supported"))?;
    let given = parsed.args.args.len();
    if given < function.required() || (given > function.takes.len() && !function.repeats) {
        return Err(format!("wrong number of arguments in call to function '{name}': {given}"));
    }
    let mut arguments = Vec::with_capacity(given);
    for (at, argument) in parsed.args.args.iter().enumerate() {
        let takes = function.takes.get(at).or(function.takes.last()).copied().unwrap_or(Takes::Scalar);
        arguments.push(argument_node(name, takes, node(argument, level)?)?);
    }
    Ok(Node::Call(Call { function, arguments }))
}

/// Checks an argument's type; the parser does not where a function has special cases (`ln(0)`).
fn argument_node(name: &str, takes: Takes, argument: Node) -> Result<Node, String> {
    let expected = match takes {
        Takes::Scalar => ValueKind::Scalar,
        Takes::Vector => ValueKind::Vector,
        Takes::Matrix => ValueKind::Matrix,
        Takes::Text | Takes::Pattern => ValueKind::Text,
    };
    let found = argument.kind();
    if found != expected {
        return Err(format!(
            "expected type {} in call to function '{name}', got {}",
            kind_name(expected),
            kind_name(found)
        ));
    }
    match argument {
        // (?s) and the anchors are Prometheus' own.
        Node::Text(text) if takes == Takes::Pattern => match Regex::new(&format!("^(?s:{text})$")) {
            Ok(regex) => Ok(Node::Pattern(regex)),
            Err(_) => Err(format!("invalid regular expression in {name}(): {text:?}")),
        },
        other => Ok(other),
    }
}

/// As Prometheus calls the types in its messages.
pub fn kind_name(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Scalar => "scalar",
        ValueKind::Text => "string",
        ValueKind::Vector => "instant vector",
        ValueKind::Matrix => "range vector",
    }
}
