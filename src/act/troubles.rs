//! Troubles: what people should know of changes that did not go as they should, as findings.

use crate::act::Acting;
use crate::act::run::{What, undo_due};
use crate::model::fault::Fault;
use crate::model::finding::{Finding, Severity};
use crate::model::transition::Transition;
use crate::state::journal::{Entry, Phase};

/// The kinds of findings about changes, which are the names of their alerts.
pub const UNCLEAR: &str = "ChangeUnclear";
pub const UNSETTLED: &str = "ChangeUnsettled";
pub const UNDO_OVERDUE: &str = "UndoOverdue";
pub const FAILED: &str = "ChangeFailed";
pub const UNDO_REFUSED: &str = "UndoRefused";

/// How long one stands that says how a change ended, unless somebody closes it before.
const TOLD_FOR_MS: i64 = 86_400_000;

impl Acting {
    /// Everything that is not as it should be, as of the last round.
    pub fn troubles(&self) -> Vec<Finding> {
        self.memory().troubles.clone()
    }

    /// What stands of these changes that somebody should know.
    pub(crate) async fn find_troubles(
        &self,
        entries: &[Entry],
        firing: Option<&[Transition]>,
        is_stopped: bool,
        now_ms: i64,
    ) -> Result<Vec<Finding>, Fault> {
        let due = firing.map(|firing| undo_due(entries, firing)).unwrap_or_default();
        let mut troubles = Vec::new();
        for entry in entries {
            let retry = self.memory().retries.get(&What::Entry(entry.id)).map(|retry| retry.fault.to_string());
            let is_new = now_ms - entry.changed_ms < TOLD_FOR_MS;
            let (kind, severity, why) = match entry.phase {
                Phase::Unclear => (UNCLEAR, Severity::Critical, self.last_words(entry).await?),
                Phase::Begun | Phase::Undoing => match (entry.phase, retry) {
                    (Phase::Undoing, Some(why)) => (UNDO_OVERDUE, Severity::Warning, why),
                    (_, Some(why)) => (UNSETTLED, Severity::Warning, why),
                    (_, None) => continue,
                },
                Phase::Failed if is_new => (FAILED, Severity::Warning, self.last_words(entry).await?),
                Phase::UndoRefused if is_new => (UNDO_REFUSED, Severity::Warning, self.last_words(entry).await?),
                Phase::Done if due.iter().any(|one| one.id == entry.id) => match retry {
                    _ if is_stopped => (UNDO_OVERDUE, Severity::Warning, "All actions are stopped.".to_string()),
                    Some(why) => (UNDO_OVERDUE, Severity::Warning, why),
                    None => continue,
                },
                _ => continue,
            };
            troubles.push(trouble(kind, severity, entry, &why));
        }
        Ok(troubles)
    }

    async fn last_words(&self, entry: &Entry) -> Result<String, Fault> {
        Ok(self.state.story(entry).await?.pop().map(|line| line.words).unwrap_or_default())
    }
}

fn trouble(kind: &str, severity: Severity, entry: &Entry, why: &str) -> Finding {
    let (id, key, target) = (entry.id, &entry.step.key, &entry.target);
    let remedy = match kind {
        UNCLEAR | UNDO_REFUSED => {
            format!("Look what {key} should be, set it by hand if need be, then `watchward journal close {id}`.")
        }
        FAILED => format!("Look at `watchward journal show {id}`, then `watchward journal close {id}`."),
        _ => format!(
            "It is tried again and again. Is {target} up, and may the second login change {key}? `watchward journal close \
             {id}` leaves it as it is."
        ),
    };
    Finding {
        kind: kind.to_string(),
        tenant: entry.tenant.clone(),
        target: target.clone(),
        subject: id.to_string(),
        severity,
        evidence: format!("Entry {id} of policy '{}', {key} of {target}: {why}", entry.policy),
        remedy,
        since_ms: entry.changed_ms,
        discovered: false,
    }
}
