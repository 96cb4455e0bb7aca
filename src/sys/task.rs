//! Tasks and threads: named, ended with their handle, their panics caught and told.

use std::any::Any;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};

/// A running task. Dropping the handle ends the task; `detach` lets it run.
pub struct Handle<T> {
    name: &'static str,
    inner: Option<JoinHandle<T>>,
}

impl<T> Handle<T> {
    /// Ends the task at its next await.
    pub fn abort(&self) {
        if let Some(inner) = &self.inner {
            inner.abort();
        }
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.inner.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Lets the task run to its own end.
    pub fn detach(mut self) {
        self.inner = None;
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        self.abort();
    }
}

impl<T> Future for Handle<T> {
    type Output = Result<T, String>;

    /// Its result, or the words of its panic.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let name = self.name;
        let Some(inner) = &mut self.inner else { return Poll::Pending };
        Pin::new(inner).poll(cx).map(|ended| ended.map_err(|error| words(name, error)))
    }
}

fn words(name: &str, error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => format!("the task '{name}' panicked: {}", panic_text(panic.as_ref())),
        Err(error) => format!("the task '{name}' was ended: {error}"),
    }
}

/// The text that a panic carried.
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without words".to_string())
}

/// Starts a task on the runtime.
pub fn spawn<F>(name: &'static str, future: F) -> Handle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Handle { name, inner: Some(tokio::spawn(future)) }
}

/// Runs blocking work (files, computing) beside the runtime's workers. Once begun it runs to its end.
///
/// # Errors
/// The words of its panic.
pub async fn blocking<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| words(name, error))
}

/// A thread that does one piece of computing after the other, so that none of it waits behind work that may hang.
#[derive(Clone)]
pub struct Worker {
    jobs: std::sync::mpsc::Sender<Job>,
}

type Job = Box<dyn FnOnce() + Send>;

impl Worker {
    /// Starts the thread; it ends with its last handle.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(name: &str) -> io::Result<Worker> {
        let (jobs, waiting) = std::sync::mpsc::channel::<Job>();
        let thread = thread::Builder::new().name(name.to_string());
        thread.spawn(move || waiting.into_iter().for_each(|job| job()))?;
        Ok(Worker { jobs })
    }

    /// Has a piece of work done.
    ///
    /// # Errors
    /// The words of its panic.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move || {
            let done = catch_unwind(AssertUnwindSafe(work)).map_err(|panic| panic_text(panic.as_ref()));
            let _ = tell.send(done); // whoever asked may have given up
        });
        let ended = || "the computing thread has ended".to_string();
        self.jobs.send(job).map_err(|_| ended())?;
        told.await.unwrap_or_else(|_| Err(ended()))
    }
}

/// Starts a thread of its own, for work that may hang for good.
///
/// # Errors
/// The system has no thread to give.
pub fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.to_string()).stack_size(512 << 10).spawn(work)
}
