//! Sessions of the page: a cookie in place of a token, so that the token need not stay in the browser. In memory only.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::fault::Fault;
use crate::model::secret::Secret;
use crate::serve::token;
use crate::sys::random;

/// How long a session lasts, at most as long as its token.
pub const LASTS_S: i64 = 12 * 3600;
/// The most sessions at once; a further one ends the oldest.
pub const SESSIONS_MAX: usize = 256;
/// The most sessions of one token; a further one ends its oldest. Whoever logs in for ever ends nobody else's.
pub const SESSIONS_PER_TOKEN_MAX: usize = 16;
const KEY_LETTERS: usize = 43;

/// The hash of a session's key: what it is kept under.
pub type Key = [u8; 32];

/// The sessions there are.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<Key, Session>>);

struct Session {
    token: String,
    /// By the wall clock.
    expires_ms: i64,
}

impl Sessions {
    fn all(&self) -> MutexGuard<'_, HashMap<Key, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session of a token; the text is the cookie's.
    ///
    /// # Errors
    /// `random-01`: the system gives no randomness.
    pub fn begin(&self, token: &str, wall_ms: i64) -> Result<Secret, Fault> {
        let text = random::letters(KEY_LETTERS)?;
        let mut all = self.all();
        all.retain(|_, session| session.expires_ms > wall_ms);
        let own = all.values().filter(|session| session.token == token).count();
        let is_meant = |session: &Session| own < SESSIONS_PER_TOKEN_MAX || session.token == token;
        if own >= SESSIONS_PER_TOKEN_MAX || all.len() >= SESSIONS_MAX {
            let some = all.iter().filter(|(_, session)| is_meant(session));
            let oldest = some.min_by_key(|(_, session)| session.expires_ms).map(|(key, _)| *key);
            oldest.map(|key| all.remove(&key));
        }
        let session = Session { token: token.to_string(), expires_ms: wall_ms + LASTS_S * 1000 };
        all.insert(token::hash(&text), session);
        Ok(Secret::new(text))
    }

    /// The token whose session this is, while it lasts.
    pub fn token(&self, key: &Key, wall_ms: i64) -> Option<String> {
        self.all().get(key).filter(|session| session.expires_ms > wall_ms).map(|session| session.token.clone())
    }

    /// Ends a session. Whether there was one.
    pub fn end(&self, key: &Key) -> bool {
        self.all().remove(key).is_some()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.all().len()
    }
}
