//! What act would do, and why it will not: plans, their steps with the exact undo, refusals. Data that the journal keeps.

use serde::{Deserialize, Serialize};

use crate::model::fault::Fault;

/// How a setting stands at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// What is written in the place where a change is written, as it is written there. `None`: nothing stands there, and
    /// the server goes by something else (a file below it, its own default). This is what an undo puts back.
    pub written: Option<String>,
    /// What the server goes by, in the form in which the server itself shows it.
    pub effective: String,
}

/// One undoable piece of a change: a setting from one state to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The setting's name as the server knows it.
    pub key: String,
    pub before: Held,
    pub after: Held,
    /// What is sent, as a person would write it.
    pub words: String,
    /// What takes it back, as a person would write it.
    pub undo_words: String,
}

/// What act would do to one target, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub tenant: String,
    pub target: String,
    pub steps: Vec<Step>,
}

/// Why nothing will be done, in the form of every fault: what, detail, hint.
pub type Refusal = Fault;
