//! The rules that come with the agent.

/// Each file of them: its name, and its text.
pub fn files() -> Vec<(String, String)> {
    Vec::new()
}
