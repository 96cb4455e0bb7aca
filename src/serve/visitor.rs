//! Whom a door let in, as far as the door itself knows; and by what they then showed who they are.

use std::net::IpAddr;

use crate::serve::sessions::Key;

/// Whom a door let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visitor {
    /// A peer of the socket, whom the system vouches for.
    Socket { user_id: u32 },
    /// Somebody over TCP. `remote`: the door can be reached from other machines.
    Tcp { peer: IpAddr, local: IpAddr, tls: bool, remote: bool },
}

impl Visitor {
    /// Whether the door can be reached from other machines.
    pub fn is_remote(&self) -> bool {
        matches!(self, Visitor::Tcp { remote: true, .. })
    }

    pub fn has_tls(&self) -> bool {
        matches!(self, Visitor::Tcp { tls: true, .. })
    }
}

/// By what a caller is who they are. What lasts, such as a stream, ends with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The door itself: the socket's peer, or whoever is on loopback.
    Door,
    /// A token, by its id.
    Token(String),
    /// A session of the page, by its key, with its token's id.
    Session(Key, String),
}
