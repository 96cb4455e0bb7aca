//! Whose data a reader may see. Every read of series, state or events takes a `&Scope`.

use std::collections::BTreeSet;

/// The tenants a reader may see. Built only from a token, the socket's peer or an entry of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(Tenants);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tenants {
    All,
    Only(BTreeSet<String>),
}

impl Scope {
    /// From the configuration's list for tokenless readers: `*` is every tenant, the empty text none.
    pub fn from_anonymous(list: &str) -> Scope {
        if list.trim() == "*" {
            return Scope(Tenants::All);
        }
        Scope(Tenants::Only(list.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_string).collect()))
    }

    /// For a peer of the agent's own socket, whom the operating system has vouched for.
    pub fn of_socket_peer() -> Scope {
        Scope(Tenants::All)
    }

    /// For what belongs to one tenant's part of the configuration: its rules, receivers, policies.
    pub fn of_tenant(tenant: &str) -> Scope {
        Scope(Tenants::Only(BTreeSet::from([tenant.to_string()])))
    }

    /// From a token: its tenants, or all.
    pub fn of_token(tenants: Option<BTreeSet<String>>) -> Scope {
        Scope(tenants.map_or(Tenants::All, Tenants::Only))
    }

    /// Whether all that another may see is within what this one may see.
    pub fn covers(&self, other: &Scope) -> bool {
        match (&self.0, &other.0) {
            (Tenants::All, _) => true,
            (Tenants::Only(_), Tenants::All) => false,
            (Tenants::Only(own), Tenants::Only(theirs)) => theirs.is_subset(own),
        }
    }

    /// Whether this reader may see a tenant's data.
    pub fn sees(&self, tenant: &str) -> bool {
        match &self.0 {
            Tenants::All => true,
            Tenants::Only(some) => some.contains(tenant),
        }
    }

    /// The tenants by name, or `None` for all of them.
    pub fn tenants(&self) -> Option<&BTreeSet<String>> {
        match &self.0 {
            Tenants::All => None,
            Tenants::Only(some) => Some(some),
        }
    }
}
