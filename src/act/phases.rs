//! Phases: how long each part of a piece of work took, for its trace.

use std::borrow::Cow;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::fault::Fault;
use crate::model::span::{Span, Trace};
use crate::sys::clock::Stopwatch;

/// A value that does not hold is looked at again and again; nobody reads more of a trace than this.
const PARTS_MAX: usize = 64;

/// The parts of one piece of work, in the order in which they began.
#[derive(Debug)]
pub struct Phases {
    watch: Stopwatch,
    parts: Mutex<Vec<Span>>,
}

impl Phases {
    pub fn begin() -> Phases {
        Phases { watch: Stopwatch::start(), parts: Mutex::default() }
    }

    /// A part in which the server is asked.
    pub async fn call<T>(&self, name: &'static str, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        self.part(name, true, work).await
    }

    /// A part in which the agent is by itself.
    pub async fn own<T, E: Into<Fault>>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Fault> {
        self.part(name, false, async { work.await.map_err(Into::into) }).await
    }

    async fn part<T>(
        &self,
        name: &'static str,
        is_call: bool,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let mut part = Open { phases: self, index: self.open(name, is_call), failed: Some("cut off".to_string()) };
        let outcome = work.await;
        part.failed = outcome.as_ref().err().map(|fault| fault.what.clone());
        outcome
    }

    /// Notes that a part begins; `None` where there are too many already.
    fn open(&self, name: &'static str, is_call: bool) -> Option<usize> {
        let mut parts = self.parts();
        let after = self.watch.elapsed();
        let index = (parts.len() < PARTS_MAX).then_some(parts.len())?;
        parts.push(Span { name: Cow::Borrowed(name), after, is_call, ..Span::default() });
        Some(index)
    }

    fn parts(&self) -> MutexGuard<'_, Vec<Span>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The whole, now that it is over.
    pub fn end(self, target: &str, at_ms: i64, whole: Span) -> Trace {
        let took = self.watch.elapsed();
        let parts = self.parts.into_inner().unwrap_or_else(PoisonError::into_inner);
        Trace { target: target.into(), at_ms, root: Span { after: Duration::ZERO, took, parts, ..whole } }
    }
}

/// A part that has begun. Its end is noted also where the work is cut off.
struct Open<'a> {
    phases: &'a Phases,
    index: Option<usize>,
    failed: Option<String>,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let now = self.phases.watch.elapsed();
        let mut parts = self.phases.parts();
        if let Some(part) = self.index.and_then(|index| parts.get_mut(index)) {
            part.took = now.saturating_sub(part.after);
            part.failed = self.failed.take();
        }
    }
}
