//! Readings: what one cycle of one target brought, row by row, and why a row brought nothing.

use std::sync::Arc;
use std::time::Duration;

use crate::model::fault::Fault;
use crate::model::series::SeriesId;

/// Why something could not be read. "Could not look" is never "ok".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnknownKind {
    /// This version or flavour has no such thing.
    NotHere,
    /// The role may not read it.
    Privilege,
    /// A view, table, key or field that should be there is not.
    Missing,
    /// The deadline passed.
    Deadline,
    /// The answer was larger than allowed.
    TooLarge,
    /// The answer made no sense.
    Garbled,
    /// The connection is gone.
    Disconnected,
    /// The server refused with an error of its own.
    Refused,
    /// The agent is over its own budget and does without it.
    OverBudget,
}

impl UnknownKind {
    /// The word in metrics and JSON.
    pub fn word(self) -> &'static str {
        match self {
            UnknownKind::NotHere => "not_here",
            UnknownKind::Privilege => "privilege",
            UnknownKind::Missing => "missing",
            UnknownKind::Deadline => "deadline",
            UnknownKind::TooLarge => "too_large",
            UnknownKind::Garbled => "garbled",
            UnknownKind::Disconnected => "disconnected",
            UnknownKind::Refused => "refused",
            UnknownKind::OverBudget => "over_budget",
        }
    }
}

/// A row that brought nothing, and why, in the server's words where it had any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    pub kind: UnknownKind,
    pub reason: String,
}

impl Unknown {
    pub fn new(kind: UnknownKind, reason: impl Into<String>) -> Unknown {
        Unknown { kind, reason: reason.into() }
    }
}

/// The place of a row in its engine's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId(pub u16);

/// The points of one row, ids already given.
pub type Points = Vec<(SeriesId, f64)>;

/// What one row brought in one cycle, and what it cost. The caller measures, so that no collector can forget to.
#[derive(Clone, Debug)]
pub struct RowReading {
    pub row: RowId,
    pub name: &'static str,
    pub took: Duration,
    pub result: Result<(), Unknown>,
}

impl Cycle {
    /// What the cycle says beside its points.
    pub fn without_points(&self) -> Cycle {
        Cycle {
            points: Vec::new(),
            target: self.target.clone(),
            tenant: self.tenant.clone(),
            rows: self.rows.clone(),
            points_dropped: self.points_dropped.clone(),
            fault: self.fault.clone(),
            version: self.version.clone(),
            flavour: self.flavour.clone(),
            role: self.role.clone(),
            ..*self
        }
    }
}

/// One reading of one target: all its points share one timestamp.
#[derive(Clone, Debug)]
pub struct Cycle {
    /// `tenant/name`.
    pub target: Arc<str>,
    pub tenant: Arc<str>,
    /// Stored time.
    pub at_ms: i64,
    /// Points of all rows, slow rows' last values and stale markers included.
    pub points: Points,
    pub rows: Vec<RowReading>,
    pub up: bool,
    /// The target was only found, and wants a login that nobody has given: neither up nor down.
    pub needs_credentials: bool,
    /// The target left the configuration: these points only end its series.
    pub removed: bool,
    /// Points dropped because a row or the store had reached its cap, by row; only rows that lost any.
    pub points_dropped: Vec<(&'static str, u64)>,
    /// Why it is not up.
    pub fault: Option<Fault>,
    pub took: Duration,
    /// How much later than planned the cycle began.
    pub late: Duration,
    /// What the server said of itself at connect: version, flavour, role.
    pub version: String,
    pub flavour: String,
    pub role: String,
}
