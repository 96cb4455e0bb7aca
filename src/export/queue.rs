//! The queue of requests that wait for the collector: bounded in bytes, and nobody who fills it ever waits.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::body::Bytes;
use tokio::sync::Notify;

use crate::export::endpoint::Signal;

/// A request that is ready to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    pub signal: Signal,
    pub body: Bytes,
    /// Data points, or spans.
    pub items: u64,
}

/// What waits, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    pub parcels: usize,
    pub bytes: usize,
    pub items: u64,
}

/// First in, first out; what does not fit pushes the oldest out.
#[derive(Debug)]
pub struct Queue {
    inner: Mutex<Inner>,
    changed: Notify,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Parcel>,
    level: Level,
    /// Whether somebody tries to send the first one, which then stays.
    is_trying: bool,
    is_closed: bool,
}

impl Queue {
    pub fn new(bytes_max: usize) -> Queue {
        Queue { inner: Mutex::default(), changed: Notify::new(), bytes_max }
    }

    /// Adds a request, and returns those that had to go for it: the oldest first, but for the one under way. One that
    /// never fits goes itself.
    pub fn push(&self, parcel: Parcel) -> Vec<Parcel> {
        let mut inner = self.inner();
        let mut gone = Vec::new();
        let first = usize::from(inner.is_trying);
        let under_way = inner.waiting.front().filter(|_| inner.is_trying).map_or(0, |parcel| parcel.body.len());
        if under_way + parcel.body.len() > self.bytes_max || inner.is_closed {
            return vec![parcel];
        }
        while inner.level.bytes + parcel.body.len() > self.bytes_max {
            let Some(oldest) = inner.waiting.remove(first) else { break };
            inner.level.count(&oldest, false);
            gone.push(oldest);
        }
        inner.level.count(&parcel, true);
        inner.waiting.push_back(parcel);
        drop(inner);
        self.changed.notify_one();
        gone
    }

    /// Waits for the first request and returns a copy, which shares its bytes. It stays until `done`. `None`: the queue
    /// is closed and empty.
    pub async fn first(&self) -> Option<Parcel> {
        loop {
            {
                let mut inner = self.inner();
                if let Some(parcel) = inner.waiting.front().cloned() {
                    inner.is_trying = true;
                    return Some(parcel);
                }
                if inner.is_closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    /// The request that `first` gave has been dealt with.
    pub fn done(&self) {
        let mut inner = self.inner();
        inner.is_trying = false;
        if let Some(parcel) = inner.waiting.pop_front() {
            inner.level.count(&parcel, false);
        }
    }

    /// Lets nothing more in.
    pub fn close(&self) {
        self.inner().is_closed = true;
        self.changed.notify_one();
    }

    pub fn is_closed(&self) -> bool {
        self.inner().is_closed
    }

    pub fn level(&self) -> Level {
        self.inner().level
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Level {
    fn count(&mut self, parcel: &Parcel, comes: bool) {
        let step = |number: usize, by: usize| if comes { number + by } else { number.saturating_sub(by) };
        self.parcels = step(self.parcels, 1);
        self.bytes = step(self.bytes, parcel.body.len());
        self.items = if comes { self.items + parcel.items } else { self.items.saturating_sub(parcel.items) };
    }
}
