//! The text of a token: a prefix by which scanners of leaked secrets find it, an id, a secret of 256 bits, a checksum.
//!
//! `ww_` 10 letters of id `_` 43 letters of secret, 6 letters of checksum: `ww_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}`. The
//! checksum is the CRC-32 of all before it in base 62, as in other tokens that scanners know: what has a wrong one was
//! never a token, and need not be looked up. The agent keeps the SHA-256 of the whole text. A slow hash would protect
//! secrets that people think up; nobody can try out 2^256 of these, and every request pays for the hash.

use aws_lc_rs::digest::{SHA256, digest};

use crate::model::fault::Fault;
use crate::model::secret::Secret;
use crate::store::crc::crc32;
use crate::sys::random;

const PREFIX: &str = "ww_";
const ID_LETTERS: usize = 10;
const SECRET_LETTERS: usize = 43;
const SUM_LETTERS: usize = 6;

/// A new token: its id, and its text.
///
/// # Errors
/// `random-01`: the system gives no randomness.
pub fn make() -> Result<(String, Secret), Fault> {
    let (id, secret) = (random::letters(ID_LETTERS)?, random::letters(SECRET_LETTERS)?);
    let body = format!("{PREFIX}{id}_{secret}");
    let sum = sum(&body);
    Ok((id, Secret::new(body + &sum)))
}

/// The id in a text that may be a token: one of the right form, with the right checksum.
pub fn id(text: &str) -> Option<&str> {
    let body = text.get(..text.len().checked_sub(SUM_LETTERS)?)?;
    let (id, secret) = body.strip_prefix(PREFIX)?.split_once('_')?;
    let are_letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let fits = id.len() == ID_LETTERS && secret.len() == SECRET_LETTERS && are_letters(id) && are_letters(secret);
    (fits && text.strip_prefix(body) == Some(sum(body).as_str())).then_some(id)
}

fn sum(body: &str) -> String {
    random::in_letters(crc32(&[body.as_bytes()]), SUM_LETTERS)
}

/// What is kept of a token, or of a session's key.
pub fn hash(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}
