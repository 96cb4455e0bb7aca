//! Deciding from what stands: what becomes of a change that was begun, and of one that is to be taken back. Pure.

use crate::model::plan::{Held, Step};
use crate::state::journal::Phase;

/// How a setting stands, seen from one change of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// As it was before.
    Before,
    /// As it was to be.
    After,
    /// What is written is ours, and the server does not go by it; or the other way round.
    Between,
    /// Neither: somebody else has a hand in it.
    Otherwise,
}

/// Compares how a setting stands with a change of it.
pub fn stands(step: &Step, now: &Held) -> Stands {
    let Step { before, after, .. } = step;
    if now == after {
        return Stands::After;
    }
    if now == before {
        return Stands::Before;
    }
    let written = now.written == before.written || now.written == after.written;
    let effective = now.effective == before.effective || now.effective == after.effective;
    // What we alone can have written is ours, whatever the server makes of it.
    let only_ours = now.written == after.written && after.written != before.written;
    if (written && effective) || only_ours { Stands::Between } else { Stands::Otherwise }
}

/// Whether nothing of ours is written any more. What the server goes by then may be something new: what lies below (its
/// own file, its default) can have been changed while ours lay on top.
pub fn is_put_back(step: &Step, now: &Held) -> bool {
    now.written == step.before.written && step.before.written != step.after.written
}

/// What is to be done next about a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing more is to be done: it is in this phase.
    Is(Phase),
    /// Write what was to be, once more.
    PutAfter,
    /// Write what was before.
    PutBefore,
}

/// A change whose end is not known (a restart, a connection that was lost, a value that was unclear), and how the
/// setting stands now. Nothing is ever written over what somebody else may have written.
pub fn recover(phase: Phase, step: &Step, now: &Held) -> Next {
    match (phase, stands(step, now)) {
        (Phase::Begun | Phase::Unclear, Stands::After) => Next::Is(Phase::Done),
        (Phase::Begun | Phase::Unclear, Stands::Before) => Next::Is(Phase::Void),
        (Phase::Begun, Stands::Between) => Next::PutAfter,
        (Phase::Begun | Phase::Unclear, _) => Next::Is(Phase::Unclear),
        (Phase::Undoing, Stands::Before) => Next::Is(Phase::Undone),
        (Phase::Undoing, Stands::After | Stands::Between) => Next::PutBefore,
        (Phase::Undoing, Stands::Otherwise) if is_put_back(step, now) => Next::Is(Phase::Undone),
        (Phase::Undoing, Stands::Otherwise) => Next::Is(Phase::UndoRefused),
        (over, _) => Next::Is(over),
    }
}

/// A change that is done and is to be taken back, and how the setting stands now: only what stands exactly as we left
/// it is taken back.
pub fn undo(step: &Step, now: &Held) -> Next {
    match stands(step, now) {
        Stands::After => Next::PutBefore,
        Stands::Before => Next::Is(Phase::Undone),
        Stands::Between | Stands::Otherwise => Next::Is(Phase::UndoRefused),
    }
}

/// How a setting stands, in words: `'2gb'`, or `'2gb' (written: '1gb')` where the server does not go by what is written.
pub fn words(held: &Held) -> String {
    match &held.written {
        Some(written) if *written != held.effective => format!("'{}' (written: '{written}')", held.effective),
        Some(_) => format!("'{}'", held.effective),
        None => format!("'{}' (not written)", held.effective),
    }
}
