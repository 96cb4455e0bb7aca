//! Reading an expression: limits first, then the parser, then names and types.

use std::fmt;
use std::sync::Arc;

use promql_parser::parser::Expr;

use crate::model::labels::NAME;
use crate::model::matcher::{Matcher, Op};
use crate::promql::ValueKind;
use crate::promql::grammar;
use crate::promql::tree::Node;
use crate::promql::words;
use crate::promql::words::Fault;

/// Longer texts are refused. Generated rules of the field stay below 4 KiB.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Parentheses open at the same time.
pub const DEPTH_MAX: usize = 200;

/// Operators in one expression. A chain of them nests in the parser as parentheses do.
pub const OPERATORS_MAX: usize = 500;

/// An expression that was read: names resolved, types checked, regular expressions compiled. Cloning shares it.
#[derive(Clone)]
pub struct Expression {
    text: Arc<str>,
    tree: Arc<Node>,
}

/// The matchers of one selector. `name` is the series' name where the selector demands exactly one.
#[derive(Clone, Debug)]
pub struct Selector {
    pub name: Option<String>,
    pub matchers: Vec<Matcher>,
}

/// Why a text is not an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong. No full stop.
    pub what: String,
    /// The text, shortened around the place.
    pub excerpt: String,
    /// The character, from 1, where it is known.
    pub position: Option<usize>,
}

impl Expression {
    /// Every selector, left to right: which series the expression needs.
    pub fn selectors(&self) -> Vec<Selector> {
        let mut found = Vec::new();
        self.tree.each_selector(&mut |matchers| {
            let exact = matchers.iter().find(|matcher| matcher.name == NAME && matcher.op == Op::Equal);
            let name = exact.map(|matcher| matcher.value.clone());
            found.push(Selector { name, matchers: matchers.to_vec() });
        });
        found
    }

    /// How far before its time of evaluation the expression reads at most: ranges, offsets and the lookback together.
    /// A selector pinned by `@` counts as if the evaluation were at its time.
    pub fn lookback_ms(&self) -> i64 {
        self.tree.lookback_ms()
    }

    /// The type of the value.
    pub fn kind(&self) -> ValueKind {
        self.tree.kind()
    }

    /// The tree that the evaluator walks.
    pub fn tree(&self) -> &Node {
        &self.tree
    }
}

impl fmt::Display for Expression {
    /// The text as it was written, without the space around it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.text)
    }
}

impl ParseError {
    fn new(text: &str, what: impl Into<String>) -> ParseError {
        ParseError { what: what.into(), excerpt: excerpt(text, 0), position: None }
    }

    /// `byte` must begin a character of `text`.
    fn at(text: &str, byte: usize, what: impl Into<String>) -> ParseError {
        let position = text[..byte].chars().count() + 1;
        ParseError { what: what.into(), excerpt: excerpt(text, position - 1), position: Some(position) }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(position) = self.position {
            write!(f, " at character {position}")?;
        }
        write!(f, " in '{}'", self.excerpt)
    }
}

impl std::error::Error for ParseError {}

/// At most 80 characters of the text, beginning a little before the given one.
fn excerpt(text: &str, around: usize) -> String {
    const SHOWN: usize = 80;
    let total = text.chars().count();
    if total <= SHOWN {
        return text.to_string();
    }
    let from = around.saturating_sub(SHOWN / 2).min(total - SHOWN);
    let shown: String = text.chars().skip(from).take(SHOWN).collect();
    let before = if from > 0 { "…" } else { "" };
    let after = if from + SHOWN < total { "…" } else { "" };
    format!("{before}{shown}{after}")
}

/// Reads an expression; see `crate::promql::parse`.
///
/// # Errors
/// What is wrong, as a sentence with an excerpt.
pub fn read(text: &str) -> Result<Expression, ParseError> {
    let text = text.trim();
    if text.len() > TEXT_BYTES_MAX {
        let what = format!("the expression has {} bytes, more than {TEXT_BYTES_MAX}", text.len());
        return Err(ParseError::new(text, what));
    }
    if text.is_empty() {
        return Err(ParseError::new(text, "the expression is empty"));
    }
    check_nesting(text)?;
    let parsed = parsed(text).map_err(|what| match what.as_str() {
        SHAPELESS => shapeless(text),
        _ => ParseError::new(text, what),
    })?;
    let tree = grammar::tree(&parsed).map_err(|what| ParseError::new(text, what))?;
    Ok(Expression { text: text.into(), tree: Arc::new(tree) })
}

/// All that the parser says about a fault of syntax.
const SHAPELESS: &str = "invalid promql query";

/// The parser panics on some numbers (a range of 1e300 seconds); a panic in it is an answer like any other.
fn parsed(text: &str) -> Result<Expr, String> {
    std::panic::catch_unwind(|| promql_parser::parser::parse(text))
        .unwrap_or_else(|_| Err("a number in the expression is out of range".to_string()))
}

fn shapeless(text: &str) -> ParseError {
    // What the lexer takes and the grammar too may still have the wrong types: its shape is that of an expression.
    let is_syntax = |text: &str| match parsed(text) {
        Ok(_) => true,
        Err(what) => what != SHAPELESS && promql_parser::parser::lexer(text).is_ok(),
    };
    match words::first_fault(text, is_syntax) {
        Fault::Unexpected(word) => ParseError::at(text, word.at, format!("unexpected '{}'", word.text)),
        Fault::Missing => ParseError::new(text, "the expression ends where more is expected"),
        Fault::Unknown => ParseError::new(text, "the expression cannot be read as PromQL"),
    }
}

/// Counts open parentheses and operators before the parser sees the text: its stack would overflow, and so would ours.
fn check_nesting(text: &str) -> Result<(), ParseError> {
    let mut open: Vec<usize> = Vec::new();
    let mut operators = 0;
    let mut in_braces = false;
    for word in words::words(text) {
        let fault = |what: &str| Err(ParseError::at(text, word.at, what));
        match word.text.as_bytes() {
            [b'"' | b'\'' | b'`', ..] if !word.closed => return fault("a quotation mark is not closed"),
            [b'"' | b'\'', inner @ ..] if writes_bytes(inner) => {
                return fault("a byte above \\x7f is written; write the character itself");
            }
            b"{" => in_braces = true,
            b"}" => in_braces = false,
            _ if in_braces => {}
            b"(" if open.len() == DEPTH_MAX => return fault(&format!("more than {DEPTH_MAX} parentheses are open")),
            b"(" => open.push(word.at),
            b")" if open.is_empty() => return fault("a parenthesis is closed that was not opened"),
            b")" => drop(open.pop()),
            [b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b'<' | b'>' | b'=' | b'!' | b'[', ..] => operators += 1,
            _ if ["and", "or", "unless", "atan2"].iter().any(|name| word.text.eq_ignore_ascii_case(name)) => {
                operators += 1
            }
            _ => {}
        }
        if operators > OPERATORS_MAX {
            return fault(&format!("more than {OPERATORS_MAX} operators are used"));
        }
    }
    match open.last() {
        Some(at) => Err(ParseError::at(text, *at, "a parenthesis is not closed")),
        None => Ok(()),
    }
}

/// Whether a string has an escape like `\xff`. A byte by itself is no text: the parser would make a character of it
/// that nobody wrote.
fn writes_bytes(mut string: &[u8]) -> bool {
    while let [first, rest @ ..] = string {
        string = match (first, rest) {
            (b'\\', [b'x', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..]) => return true,
            (b'\\', [_, rest @ ..]) => rest,
            _ => rest,
        };
    }
    false
}
