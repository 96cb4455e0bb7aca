//! Commands: what whoever serves wants changed, measured or explained by the agent itself.

/// What the agent is asked. It answers with JSON or a fault; who asks comes beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The configuration in force, with where each value comes from, secrets as `***`.
    EffectiveConfiguration,
    /// What policies may do and have done.
    Act(Order),
    /// The text of a statement.
    Statement(Wanted),
}

/// A statement of a target, by the id that its series have. The tenant is told where the target's name alone does not
/// say which is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub target: String,
    pub tenant: Option<String>,
    pub id: String,
}

/// What is asked of act. Whoever asks sees and touches their own tenants' policies and changes only; a policy's tenant
/// is told where its name alone does not say which is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    Policies,
    Run {
        policy: String,
        tenant: Option<String>,
        dry_run: bool,
    },
    Arm {
        policy: String,
        tenant: Option<String>,
    },
    Disarm {
        policy: String,
        tenant: Option<String>,
    },
    /// Nothing is changed any more, until `Start`.
    Stop,
    Start,
    /// The newest changes.
    Journal {
        rows_max: usize,
    },
    Change(i64),
    Undo(i64),
    /// A person has looked at how a change ended: it needs no more looking at.
    Close(i64),
}
