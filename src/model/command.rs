//! Commands: what whoever serves wants changed, measured or explained by the agent itself.

/// What the agent is asked. It answers with JSON or a fault; who asks comes beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The configuration in force, with where each value comes from, secrets as `***`.
    EffectiveConfiguration,
}
