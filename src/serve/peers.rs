//! Those who come with wrong tokens, by their address: counted, told to wait, logged once in a while. A right token is
//! always honoured: whoever shares an address with somebody who guesses is not locked out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Wrong tokens of one address in this time beyond which it is told to wait.
pub const WRONG_MAX: u32 = 10;
pub const WINDOW: Duration = Duration::from_secs(60);
/// The most addresses that are remembered; those beyond count together.
const PEERS_MAX: usize = 1024;

/// Wrong tokens lately.
#[derive(Default)]
pub struct Peers(Mutex<HashMap<IpAddr, Lately>>);

struct Lately {
    began: Duration,
    wrong: u32,
}

/// What to do about a wrong token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The first of this address for a while: worth a line in the log.
    First,
    Again,
    /// Just now too many: the last line in the log for a while.
    JustTooMany,
    TooMany,
}

impl Peers {
    /// Counts a wrong token of an address at a time since the agent's start.
    pub fn wrong(&self, peer: IpAddr, now: Duration) -> Verdict {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = network(peer);
        if all.len() >= PEERS_MAX && !all.contains_key(&key) {
            all.retain(|_, lately| now.saturating_sub(lately.began) < WINDOW);
            if all.len() >= PEERS_MAX {
                key = IpAddr::V4(Ipv4Addr::UNSPECIFIED); // together, with all others beyond
            }
        }
        let lately = all.entry(key).or_insert(Lately { began: now, wrong: 0 });
        if now.saturating_sub(lately.began) >= WINDOW {
            *lately = Lately { began: now, wrong: 0 };
        }
        lately.wrong = lately.wrong.saturating_add(1);
        match lately.wrong {
            1 => Verdict::First,
            wrong if wrong <= WRONG_MAX => Verdict::Again,
            wrong if wrong == WRONG_MAX + 1 => Verdict::JustTooMany,
            _ => Verdict::TooMany,
        }
    }

    /// How many addresses are remembered.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Whoever has an IPv6 address has a whole /64 of them.
pub fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}
