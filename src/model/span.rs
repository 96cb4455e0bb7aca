//! Spans: what the agent itself did, how long each part took, and what came of it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// One piece of work with its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// `tenant/name` of the target it was done for.
    pub target: Arc<str>,
    /// When it began, in milliseconds since 1970.
    pub at_ms: i64,
    pub root: Span,
}

/// One part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Span {
    /// One of few: what is done, never to which object.
    pub name: Cow<'static, str>,
    /// How long after the whole work this part began.
    pub after: Duration,
    pub took: Duration,
    /// Whether the target was asked, and not only thought about.
    pub is_call: bool,
    pub attributes: Vec<(&'static str, String)>,
    /// Why it failed; `None` where it did not. Holds no secret.
    pub failed: Option<String>,
    pub parts: Vec<Span>,
}

impl Span {
    /// The number of spans, this one and all parts.
    pub fn count(&self) -> usize {
        1 + self.parts.iter().map(Span::count).sum::<usize>()
    }
}
