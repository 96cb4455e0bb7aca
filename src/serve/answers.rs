//! Large answers: what waits in memory for readers is bounded, however slowly they read and however many they are.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::{Body as Frames, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::fault::Fault;

/// Smaller answers are nobody's burden: all connections may have one.
const SMALL_BYTES_MAX: usize = 64 << 10;
/// What may wait to be read, in KiB.
const ROOM_KIB: u32 = 16 << 10;
/// An answer leaves in pieces of this size, so that the connection holds one of them and not the whole.
const PIECE_BYTES: usize = 16 << 10;

/// Room for large answers.
pub struct Answers(Arc<Semaphore>);

impl Default for Answers {
    fn default() -> Answers {
        Answers(Arc::new(Semaphore::new(ROOM_KIB as usize)))
    }
}

impl Answers {
    /// The body of an answer. Its room is given back when it has been read, or its reader has gone.
    ///
    /// # Errors
    /// `serve-38`: too much waits to be read already.
    pub fn hold(&self, text: String) -> Result<Body, Fault> {
        if text.len() <= SMALL_BYTES_MAX {
            return Ok(Body::from(text));
        }
        // One that is larger than all the room may still go alone.
        let kib = u32::try_from(text.len() >> 10).unwrap_or(ROOM_KIB).min(ROOM_KIB);
        let room = self.0.clone().try_acquire_many_owned(kib).map_err(|_| {
            let what = format!("answers of {} MiB wait to be read already", ROOM_KIB >> 10);
            Fault::new("serve-38", what).hint("Try again in a moment, or ask for less.")
        })?;
        Ok(Body::new(Held { rest: Bytes::from(text), _room: room }))
    }

    /// What is free, in KiB.
    pub fn room_kib(&self) -> usize {
        self.0.available_permits()
    }
}

/// A text on its way to somebody.
struct Held {
    rest: Bytes,
    _room: OwnedSemaphorePermit,
}

impl Frames for Held {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::convert::Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(PIECE_BYTES);
        // A copy: a part of the whole would keep the whole in memory, after its room is given back.
        let piece = Bytes::copy_from_slice(&self.rest.split_to(length));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
