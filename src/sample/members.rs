//! Who asks what is the whole cluster's: of the targets that are members of one cluster, one. Pure: times are given.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Of whom one asks: the members of a cluster that belong to one tenant. Tenants know nothing of each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cluster {
    pub tenant: Arc<str>,
    pub engine: &'static str,
    /// The cluster's own id.
    pub id: String,
}

/// Whether a target asks for its cluster in this cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Another does.
    Others,
    /// It does from now on: everything is due.
    Begins,
    GoesOn,
}

/// Who asks for which cluster.
#[derive(Debug, Default)]
pub struct Members {
    askers: HashMap<Cluster, Asker>,
}

#[derive(Debug)]
struct Asker {
    target: Arc<str>,
    /// When it answered last.
    seen: Duration,
    interval: Duration,
}

impl Members {
    /// A member answered. The first that does asks for its cluster, until it leaves or is not heard of for one and a half
    /// of its intervals: then whoever answers next.
    pub fn turn(&mut self, cluster: &Cluster, target: &Arc<str>, now: Duration, interval: Duration) -> Turn {
        // It may have been put into another cluster.
        self.askers.retain(|other, asker| other == cluster || asker.target != *target);
        let before = self.askers.get(cluster);
        let is_ours = before.is_some_and(|asker| asker.target == *target);
        let is_heard_of = |asker: &Asker| now.saturating_sub(asker.seen) <= asker.interval * 3 / 2;
        if !is_ours && before.is_some_and(is_heard_of) {
            return Turn::Others;
        }
        self.askers.insert(cluster.clone(), Asker { target: target.clone(), seen: now, interval });
        if is_ours { Turn::GoesOn } else { Turn::Begins }
    }

    /// A target did not answer, or is watched no longer.
    pub fn leave(&mut self, target: &Arc<str>) {
        self.askers.retain(|_, asker| asker.target != *target);
    }
}
