//! Label matchers (`=`, `!=`, `=~`, `!~`), shared by rules, queries, routes and silences. Regular expressions are anchored.

use std::fmt;

use regex::Regex;

use crate::model::labels::Labels;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    Equal,
    NotEqual,
    Matches,
    NotMatches,
}

/// One comparison of one label. A missing label counts as the empty string.
#[derive(Clone, Debug)]
pub struct Matcher {
    pub name: String,
    pub op: Op,
    pub value: String,
    regex: Option<Regex>,
}

impl Matcher {
    /// # Errors
    /// The text of the fault in the regular expression, for `Op::Matches` and `Op::NotMatches`.
    pub fn new(name: impl Into<String>, op: Op, value: impl Into<String>) -> Result<Matcher, String> {
        let value = value.into();
        let regex = match op {
            Op::Equal | Op::NotEqual => None,
            Op::Matches | Op::NotMatches => {
                Some(Regex::new(&format!("^(?s:{value})$")).map_err(|error| error.to_string())?)
            }
        };
        Ok(Matcher { name: name.into(), op, value, regex })
    }

    /// A matcher for equality, which cannot fail.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Matcher {
        Matcher { name: name.into(), op: Op::Equal, value: value.into(), regex: None }
    }

    /// Whether a value of this matcher's label passes.
    pub fn accepts(&self, value: &str) -> bool {
        match (self.op, &self.regex) {
            (Op::Equal, _) => value == self.value,
            (Op::NotEqual, _) => value != self.value,
            (Op::Matches, Some(regex)) => regex.is_match(value),
            (Op::NotMatches, Some(regex)) => !regex.is_match(value),
            (Op::Matches | Op::NotMatches, None) => false,
        }
    }

    /// Whether a whole label set passes.
    pub fn accepts_labels(&self, labels: &Labels) -> bool {
        self.accepts(labels.value(&self.name))
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.op {
            Op::Equal => "=",
            Op::NotEqual => "!=",
            Op::Matches => "=~",
            Op::NotMatches => "!~",
        };
        write!(f, "{}{sign}{:?}", self.name, self.value)
    }
}
