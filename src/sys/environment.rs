//! The process' environment variables, read through one door.

/// A variable's value; `None` where it is not set or is not text.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
