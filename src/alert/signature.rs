//! The signature of a webhook message, so that its receiver can tell who sent it and when.
//!
//! With a secret configured, each message carries `X-Watchward-Signature: t=<unix seconds>,v1=<hex>`, where `v1` is the
//! HMAC-SHA256, keyed with the secret, of the time as written, a dot, and the body's bytes. A receiver recomputes it,
//! compares in constant time, and refuses times too far from its own clock, so that a recorded message cannot be
//! played to it again later:
//!
//! ```python
//! import hashlib, hmac, time
//!
//! def is_genuine(secret: bytes, header: str, body: bytes, tolerance_s: int = 300) -> bool:
//!     parts = dict(part.split("=", 1) for part in header.split(","))
//!     expected = hmac.new(secret, parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
//!     fresh = abs(time.time() - int(parts["t"])) <= tolerance_s
//!     return fresh and hmac.compare_digest(expected, parts["v1"])
//! ```
//!
//! `X-Watchward-Delivery` is the same each time the same message is sent: a receiver that has seen it may drop it.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};

use crate::model::secret::Secret;

/// The value of the signature's header.
pub fn header(secret: &Secret, at_s: i64, body: &[u8]) -> String {
    let key = Key::new(HMAC_SHA256, secret.expose().as_bytes());
    let mut signed = format!("{at_s}.").into_bytes();
    signed.extend_from_slice(body);
    format!("t={at_s},v1={}", hex(sign(&key, &signed).as_ref()))
}

/// The id of a message: 32 hex digits that follow from what it says, each part set off from the next.
pub fn identity<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(&(part.len() as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    hex(&digest(&SHA256, &all).as_ref()[..16])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a text cannot fail
        text
    })
}
