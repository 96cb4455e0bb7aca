//! An expression as the evaluator sees it: names resolved, types checked, regular expressions compiled.

use regex::Regex;

use crate::model::matcher::Matcher;
use crate::model::series::LOOKBACK_MS;
use crate::promql::ValueKind;
use crate::promql::aggregate::Aggregator;
use crate::promql::binary::Operator;
use crate::promql::functions::Function;

/// One part of an expression.
#[derive(Clone, Debug)]
pub enum Node {
    Number(f64),
    Text(String),
    /// A text argument that is a regular expression, compiled when the expression was read.
    Pattern(Regex),
    Selector(Selection),
    Range(RangeSelection),
    Subquery(Box<Subquery>),
    Negate(Box<Node>),
    Binary(Box<Binary>),
    Aggregate(Box<Aggregation>),
    Call(Call),
}

/// Which series, and at which time.
#[derive(Clone, Debug)]
pub struct Selection {
    pub matchers: Vec<Matcher>,
    pub shift: Shift,
}

/// `series[5m]`: the samples in `end - range < at <= end`.
#[derive(Clone, Debug)]
pub struct RangeSelection {
    pub selection: Selection,
    pub range_ms: i64,
}

/// `expression[1h:1m]`: the expression's own values at multiples of the step. Without a step, the caller's default.
#[derive(Clone, Debug)]
pub struct Subquery {
    pub inner: Node,
    pub range_ms: i64,
    pub step_ms: Option<i64>,
    pub shift: Shift,
}

/// `@` and `offset`: the time that is read in place of the time of evaluation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shift {
    pub at: Option<At>,
    pub offset_ms: i64,
}

/// What `@` names.
#[derive(Clone, Copy, Debug)]
pub enum At {
    /// The first time of the whole evaluation.
    Start,
    /// The last time of the whole evaluation.
    End,
    TimeMs(i64),
}

#[derive(Clone, Debug)]
pub struct Binary {
    pub operator: Operator,
    /// The modifier `bool`: a comparison gives 0 or 1 and does not filter.
    pub gives_bool: bool,
    pub matching: Matching,
    pub left: Node,
    pub right: Node,
}

/// Which series of both sides belong together.
#[derive(Clone, Debug)]
pub struct Matching {
    /// `on (labels)`; otherwise `ignoring (labels)`.
    pub on: bool,
    pub labels: Vec<String>,
    pub grouping: Grouping,
    /// The labels in `group_left (…)` or `group_right (…)`, taken from the side that has one series per group.
    pub include: Vec<String>,
}

/// How many series a match group may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    OneToOne,
    /// `group_left`: many on the left.
    ManyToOne,
    /// `group_right`: many on the right.
    OneToMany,
}

#[derive(Clone, Debug)]
pub struct Aggregation {
    pub aggregator: &'static Aggregator,
    pub parameter: Option<Node>,
    pub inner: Node,
    /// `without (labels)`; otherwise `by (labels)`.
    pub without: bool,
    pub labels: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Call {
    pub function: &'static Function,
    pub arguments: Vec<Node>,
}

impl Node {
    /// The type of the value.
    pub fn kind(&self) -> ValueKind {
        match self {
            Node::Number(_) => ValueKind::Scalar,
            Node::Text(_) | Node::Pattern(_) => ValueKind::Text,
            Node::Selector(_) | Node::Aggregate(_) => ValueKind::Vector,
            Node::Range(_) | Node::Subquery(_) => ValueKind::Matrix,
            Node::Negate(inner) => inner.kind(),
            Node::Binary(binary) => match (binary.left.kind(), binary.right.kind()) {
                (ValueKind::Scalar, ValueKind::Scalar) => ValueKind::Scalar,
                _ => ValueKind::Vector,
            },
            Node::Call(call) => call.function.gives,
        }
    }

    /// The parts directly below this one, left to right.
    pub fn children(&self) -> Vec<&Node> {
        match self {
            Node::Number(_) | Node::Text(_) | Node::Pattern(_) | Node::Selector(_) | Node::Range(_) => Vec::new(),
            Node::Subquery(subquery) => vec![&subquery.inner],
            Node::Negate(inner) => vec![inner],
            Node::Binary(binary) => vec![&binary.left, &binary.right],
            Node::Aggregate(aggregation) => aggregation.parameter.iter().chain([&aggregation.inner]).collect(),
            Node::Call(call) => call.arguments.iter().collect(),
        }
    }

    /// Calls `visit` for the matchers of every selector, left to right.
    pub fn each_selector<'a>(&'a self, visit: &mut impl FnMut(&'a [Matcher])) {
        match self {
            Node::Selector(selection) => visit(&selection.matchers),
            Node::Range(range) => visit(&range.selection.matchers),
            other => other.children().into_iter().for_each(|child| child.each_selector(visit)),
        }
    }

    /// How far before its time of evaluation this part reads at most. A time pinned by `@` counts as that time.
    pub fn lookback_ms(&self) -> i64 {
        match self {
            Node::Selector(selection) => selection.shift.offset_ms.saturating_add(LOOKBACK_MS).max(0),
            Node::Range(range) => range.selection.shift.offset_ms.saturating_add(range.range_ms).max(0),
            Node::Subquery(subquery) => {
                let own = subquery.shift.offset_ms.saturating_add(subquery.range_ms);
                own.saturating_add(subquery.inner.lookback_ms()).max(0)
            }
            other => other.children().into_iter().map(Node::lookback_ms).max().unwrap_or(0),
        }
    }
}
