//! The tokens there are: in memory to be looked up, in the state to last. What is revoked or has expired is so at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::model::caller::{Caller, Role};
use crate::model::duration;
use crate::model::fault::Fault;
use crate::model::moment::Moment;
use crate::model::scope::Scope;
use crate::model::secret::Secret;
use crate::model::status::Event;
use crate::serve::reply::brief;
use crate::serve::token;
use crate::state::State;
use crate::state::tokens::Token;
use crate::sys::task;

/// The most tokens there may be.
pub const TOKENS_MAX: usize = 1000;
/// The most tokens that whoever has not all tenants may bring theirs to: the rest is for others.
pub const TOKENS_OF_SOME_MAX: usize = 100;
const NAME_BYTES_MAX: usize = 64;
/// When a token was last used is kept to this precision, so that its use costs no writing.
const USED_EVERY_MS: i64 = 5 * 60_000;

/// All tokens. Cloning shares them.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    state: State,
    kept: RwLock<BTreeMap<String, Arc<Kept>>>,
    /// Held by whoever adds or removes one.
    changing: Mutex<()>,
}

/// A token that stands, or stood until it expired.
pub struct Kept {
    pub token: Token,
    used_ms: AtomicI64,
    /// It is refused already, whether or not the state has taken that down.
    revoked: AtomicBool,
}

impl Kept {
    fn new(token: Token) -> Arc<Kept> {
        let used_ms = AtomicI64::new(token.used_ms.unwrap_or(0));
        Arc::new(Kept { used_ms, revoked: AtomicBool::new(false), token })
    }

    pub fn scope(&self) -> Scope {
        Scope::of_token(self.token.tenants.clone())
    }

    /// Who asks with this token.
    pub fn caller(&self) -> Caller {
        Caller { scope: self.scope(), role: self.token.role, name: format!("token:{}", self.token.name) }
    }

    fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Relaxed)
    }

    fn has_expired(&self, wall_ms: i64) -> bool {
        self.token.expires_ms.is_some_and(|expires_ms| expires_ms <= wall_ms)
    }

    /// As people and programs see it: without its hash.
    pub fn shown(&self, wall_ms: i64) -> Value {
        let Token { id, name, tenants, role, created_ms, created_by, expires_ms, .. } = &self.token;
        let used_ms = Some(self.used_ms.load(Ordering::Relaxed)).filter(|used_ms| *used_ms > 0);
        json!({
            "id": id,
            "name": name,
            "tenants": tenants.as_ref().map_or(json!("*"), |tenants| json!(tenants)),
            "role": role,
            "created": rfc3339(*created_ms),
            "created_by": created_by,
            "expires": expires_ms.map(rfc3339),
            "expired": self.has_expired(wall_ms),
            "last_used": used_ms.map(rfc3339),
        })
    }
}

/// A time for people and programs: RFC 3339, UTC.
pub fn rfc3339(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).map_or_else(|_| at_ms.to_string(), |time| time.to_string())
}

/// Why a text is no token that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    Unknown,
    /// It was right once; whoever has it may know that.
    Expired {
        name: String,
        expires_ms: i64,
    },
}

/// What somebody wants a new token to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// `None` for all.
    pub tenants: Option<BTreeSet<String>>,
    pub role: Role,
    /// Without one, it is made of the id.
    pub name: Option<String>,
    /// `90d`, or RFC 3339. Without it, it stands until it is revoked.
    pub expires: Option<String>,
}

impl Tokens {
    /// Those that the state keeps.
    ///
    /// # Errors
    /// `state-*`: they cannot be read.
    pub async fn load(state: State) -> Result<Tokens, Fault> {
        let all = state.tokens().await?;
        let kept = all.into_iter().map(|token| (token.id.clone(), Kept::new(token))).collect();
        Ok(Tokens(Arc::new(Inner { state, kept: RwLock::new(kept), changing: Mutex::default() })))
    }

    fn get(&self, id: &str) -> Option<Arc<Kept>> {
        self.0.kept.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.kept.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The token that a text is, if it stands.
    ///
    /// # Errors
    /// Why not.
    pub fn find(&self, text: &str, wall_ms: i64) -> Result<Arc<Kept>, Wrong> {
        let kept = token::id(text).and_then(|id| self.get(id)).filter(|kept| !kept.is_revoked());
        let kept = kept.ok_or(Wrong::Unknown)?;
        verify_slices_are_equal(&kept.token.hash, &token::hash(text)).map_err(|_| Wrong::Unknown)?;
        match kept.token.expires_ms {
            Some(expires_ms) if expires_ms <= wall_ms => {
                Err(Wrong::Expired { name: kept.token.name.clone(), expires_ms })
            }
            _ => {
                self.note_use(&kept, wall_ms);
                Ok(kept)
            }
        }
    }

    /// The token of an id, if it still stands.
    pub fn standing(&self, id: &str, wall_ms: i64) -> Option<Arc<Kept>> {
        self.get(id).filter(|kept| !kept.is_revoked() && !kept.has_expired(wall_ms))
    }

    fn note_use(&self, kept: &Arc<Kept>, wall_ms: i64) {
        let now_ms = wall_ms - wall_ms.rem_euclid(USED_EVERY_MS);
        if kept.used_ms.swap(now_ms, Ordering::Relaxed) == now_ms {
            return;
        }
        let (state, id) = (self.0.state.clone(), kept.token.id.clone());
        let noting = async move {
            if let Err(error) = state.note_token_use(&id, now_ms).await {
                tracing::debug!("when a token was last used cannot be kept: {error}");
            }
        };
        task::spawn("token use", noting).detach();
    }

    /// Those that somebody may see: whose tenants are all theirs.
    pub fn list(&self, by: &Caller) -> Vec<Arc<Kept>> {
        let kept = self.0.kept.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Arc<Kept>> = kept.values().filter(|kept| by.scope.covers(&kept.scope())).cloned().collect();
        all.sort_by(|a, b| a.token.created_ms.cmp(&b.token.created_ms).then_with(|| a.token.id.cmp(&b.token.id)));
        all
    }

    /// Makes a token. Its text is given here and never again.
    ///
    /// # Errors
    /// `serve-30` to `serve-34`: the wish is not one, or not the caller's to have; `state-*`: it cannot be kept.
    pub async fn create(&self, by: &Caller, wish: Wish, now: Moment) -> Result<(Secret, Arc<Kept>, Event), Fault> {
        within(by, &wish)?;
        let expires_ms = wish.expires.as_deref().map(|text| expiry(text, now.wall_ms)).transpose()?;
        let _changing = self.0.changing.lock().await;
        if self.count() >= TOKENS_MAX {
            return Err(Fault::new("serve-33", format!("there are {TOKENS_MAX} tokens already"))
                .hint("Revoke those that have expired, or that nobody uses: the list says when each was last used."));
        }
        if by.scope.tenants().is_some() && self.list(by).len() >= TOKENS_OF_SOME_MAX {
            return Err(Fault::new(
                "serve-33",
                format!("there are {TOKENS_OF_SOME_MAX} tokens of your tenants already"),
            )
            .hint("Revoke those that have expired, or that nobody uses: the list says when each was last used."));
        }
        let (id, text) = token::make()?;
        let name = wish.name.unwrap_or_else(|| format!("token-{id}"));
        check_name(&name)?;
        if self.0.kept.read().unwrap_or_else(PoisonError::into_inner).values().any(|kept| kept.token.name == name) {
            return Err(Fault::new("serve-34", format!("there is a token '{name}' already"))
                .hint("Records name tokens, so each has a name of its own."));
        }
        let token = Token {
            id: id.clone(),
            hash: token::hash(text.expose()),
            name,
            tenants: wish.tenants,
            role: wish.role,
            created_ms: now.wall_ms,
            created_by: by.name.clone(),
            expires_ms,
            used_ms: None,
        };
        let event = event("token.created", &token, by, now);
        self.0.state.add_token(&token, &event).await?;
        let kept = Kept::new(token);
        self.0.kept.write().unwrap_or_else(PoisonError::into_inner).insert(id, kept.clone());
        Ok((text, kept, event))
    }

    /// Revokes a token, at once: its sessions and streams end with it.
    ///
    /// # Errors
    /// `serve-35`: there is none of that id that the caller may see; `state-*`: the state cannot be written, and the
    /// token is refused until the agent is started anew all the same.
    pub async fn revoke(&self, by: &Caller, id: &str, now: Moment) -> Result<(Arc<Kept>, Event), Fault> {
        let _changing = self.0.changing.lock().await;
        let kept = self.get(id).filter(|kept| by.scope.covers(&kept.scope())).ok_or_else(|| {
            Fault::new("serve-35", format!("there is no token '{id}' here")).hint("`watchward token list` has the ids.")
        })?;
        let event = event("token.revoked", &kept.token, by, now);
        // First of all: a token that must go is not honoured while a full disk is waited for.
        kept.revoked.store(true, Ordering::Relaxed);
        if let Err(error) = self.0.state.remove_token(id, &event).await {
            return Err(Fault::from(error).detail(
                "The token is refused from now on, but stands again when the agent is started anew: revoke it again.",
            ));
        }
        self.0.kept.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        Ok((kept, event))
    }
}

/// Nobody gives away more than they have.
fn within(by: &Caller, wish: &Wish) -> Result<(), Fault> {
    if by.role >= wish.role && by.scope.covers(&Scope::of_token(wish.tenants.clone())) {
        return Ok(());
    }
    let tenants = |tenants: Option<&BTreeSet<String>>| match tenants {
        None => "all tenants".to_string(),
        Some(some) => some.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
    };
    let what = format!(
        "a token for the role {} of {} is more than you have",
        wish.role.word(),
        tenants(wish.tenants.as_ref())
    );
    let own = format!("You are {}: {} of {}.", by.name, by.role.word(), tenants(by.scope.tenants()));
    Err(Fault::new("serve-30", what).detail(own))
}

/// Names stand in records and logs, so they are plain.
fn check_name(name: &str) -> Result<(), Fault> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(fits) {
        return Ok(());
    }
    Err(Fault::new("serve-31", "the name of the token is not one")
        .hint(format!("Use 1 to {NAME_BYTES_MAX} letters, digits, '.', '_' and '-'.")))
}

/// When a token ends: a duration from now, or a time.
fn expiry(text: &str, wall_ms: i64) -> Result<i64, Fault> {
    let after = |text: &str| {
        let duration = duration::parse(text).ok().filter(|duration| !duration.is_zero())?;
        wall_ms.checked_add(i64::try_from(duration.as_millis()).ok()?)
    };
    let at = |text: &str| text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond);
    let Some(expires_ms) = after(text).or_else(|| at(text)) else {
        let what = format!("expires '{}' is neither a duration nor a time", brief(text));
        return Err(Fault::new("serve-32", what).hint("Write it like \"90d\" or \"2027-01-31T00:00:00Z\"."));
    };
    if expires_ms <= wall_ms {
        return Err(Fault::new("serve-32", format!("expires '{}' has passed already", brief(text)))
            .detail(format!("It is {} now.", rfc3339(wall_ms))));
    }
    if Timestamp::from_millisecond(expires_ms).is_err() {
        return Err(Fault::new("serve-32", format!("expires '{}' is after the year 9999", brief(text)))
            .hint("Without it, a token stands until it is revoked."));
    }
    Ok(expires_ms)
}

/// An event belongs to the tenant, where the token has just one.
fn event(kind: &str, token: &Token, by: &Caller, now: Moment) -> Event {
    let done = if kind == "token.created" { "made" } else { "revoked" };
    let one = token.tenants.as_ref().filter(|tenants| tenants.len() == 1).and_then(|tenants| tenants.first());
    Event {
        at_ms: now.stored_ms,
        tenant: one.cloned().unwrap_or_default(),
        target: String::new(),
        kind: kind.to_string(),
        summary: format!("the token {} was {done} by {}", token.name, by.name),
        detail: json!({ "id": token.id, "role": token.role, "tenants": token.tenants, "by": by.name }),
    }
}
