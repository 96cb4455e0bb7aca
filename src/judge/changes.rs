//! Findings about changes that act made: those that are unclear, not over, late, or failed.

use std::time::Duration;

use crate::judge::findings::{AT_ONCE, Claim, Findings, Sort, Who};
use crate::model::finding::{Finding, Severity};
use crate::model::moment::Moment;
use crate::model::transition::Transition;

/// Longer than a server takes to be restarted, or a second attempt to succeed.
const A_WHILE: Duration = Duration::from_secs(60);

const fn sort(kind: &'static str, severity: Severity, hold: Duration, ended: &'static str) -> Sort {
    Sort { kind, severity, hold, keep: AT_ONCE, subject: "entry", ended }
}

pub static CHANGE_UNCLEAR: Sort =
    sort("ChangeUnclear", Severity::Critical, AT_ONCE, "it is clear again, or somebody has looked at it");
pub static CHANGE_UNSETTLED: Sort = sort("ChangeUnsettled", Severity::Warning, A_WHILE, "it came to an end");
pub static UNDO_OVERDUE: Sort =
    sort("UndoOverdue", Severity::Warning, A_WHILE, "the undo was done, or is no longer due");
pub static CHANGE_FAILED: Sort =
    sort("ChangeFailed", Severity::Warning, AT_ONCE, "a day has passed, or somebody has looked at it");
pub static UNDO_REFUSED: Sort =
    sort("UndoRefused", Severity::Warning, AT_ONCE, "a day has passed, or somebody has looked at it");

/// Every sort of them.
static SORTS: &[&Sort] = &[&CHANGE_UNCLEAR, &CHANGE_UNSETTLED, &UNDO_OVERDUE, &CHANGE_FAILED, &UNDO_REFUSED];

impl Findings {
    /// Takes in what act says of its changes, all of them: what it no longer says has ended.
    pub fn changes(&mut self, troubles: &[Finding], now: Moment) -> Vec<Transition> {
        let mut changes = Vec::new();
        for sort in SORTS {
            let claims = troubles.iter().filter(|one| one.kind == sort.kind).map(|one| {
                let who = Who { tenant: &one.tenant, target: &one.target, instance: "", job: "", discovered: false };
                let summary = format!("{} (entry {} of the journal)", summary(sort, &one.target), one.subject);
                (who, one.subject.as_str(), Claim::new(summary, one.evidence.as_str(), one.remedy.as_str()))
            });
            changes.extend(self.say_all(sort, None, claims, now));
        }
        changes
    }
}

fn summary(sort: &Sort, target: &str) -> String {
    match sort.kind {
        "ChangeUnclear" => format!("what became of a change on {target} is unclear"),
        "ChangeUnsettled" => format!("a change on {target} has not come to its end"),
        "UndoOverdue" => format!("a change on {target} is to be taken back and still stands"),
        "ChangeFailed" => format!("a change on {target} failed"),
        _ => format!("a change on {target} was not taken back: somebody else changed the setting"),
    }
}
