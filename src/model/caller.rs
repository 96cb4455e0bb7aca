//! Who asks: what they may see, what they may do, and the name they have in records.

use serde::{Deserialize, Serialize};

use crate::model::scope::Scope;

/// What somebody may do within their scope. Ordered: whoever has a later one may do all that the earlier ones may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Also has things done: runs policies, acknowledges.
    Operator,
    /// Also decides what may be done, and by whom: arms policies, makes and revokes tokens.
    Admin,
}

impl Role {
    pub const ALL: [Role; 3] = [Role::Viewer, Role::Operator, Role::Admin];

    pub fn word(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }

    pub fn from_word(word: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|one| one.word() == word)
    }
}

/// Who asks. Made by a door for each request, never by the request itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The tenants whose data they may see, and on whom they may act.
    pub scope: Scope,
    pub role: Role,
    /// For records: `socket:uid 0`, `token:ci-grafana`, `anonymous`.
    pub name: String,
}

/// The name of who comes by loopback without a token. Tokens' names begin with `token:`.
pub const ANONYMOUS: &str = "anonymous";

impl Caller {
    /// Whether nobody knows who it is.
    pub fn is_anonymous(&self) -> bool {
        self.name == ANONYMOUS
    }
}
