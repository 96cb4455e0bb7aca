//! What the benches share: the servers and what they are asked, programs as children, the agent, and a folder for it all.

pub mod agent;
pub mod asking;
pub mod folder;
pub mod net;
pub mod processes;
pub mod servers;
pub mod spread;

use std::time::{Duration, Instant};

/// A step's result, or one sentence that says what went wrong.
pub type Outcome<T> = Result<T, String>;

/// Waits until something is so.
pub fn wait(what: &str, limit: Duration, mut is_so: impl FnMut() -> Outcome<bool>) -> Outcome<()> {
    let began = Instant::now();
    while !is_so()? {
        if began.elapsed() > limit {
            return Err(format!("not within {} s: {what}", limit.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// A line that says whether a figure is reached.
pub fn verdict(reached: bool, what: &str) -> String {
    format!("{}  {what}", if reached { "PASS" } else { "FAIL" })
}

/// The words after `--`: pairs of a name and a value. Cargo's own are left out.
///
/// # Errors
/// A name that is not among `known`, or one without a value.
pub fn options(arguments: &[String], known: &[&str]) -> Outcome<std::collections::BTreeMap<String, String>> {
    let mut pairs = std::collections::BTreeMap::new();
    let mut words = arguments.iter().filter(|word| *word != "--bench");
    while let Some(word) = words.next() {
        let name = word.strip_prefix("--").filter(|name| known.contains(name));
        let known = || known.iter().map(|name| format!("--{name}")).collect::<Vec<_>>().join(", ");
        let name = name.ok_or_else(|| format!("'{word}' is unknown; known are {}", known()))?;
        pairs.insert(name.to_string(), words.next().ok_or(format!("{word} needs a value"))?.clone());
    }
    Ok(pairs)
}

/// A whole number among the words after `--`.
pub fn whole(options: &std::collections::BTreeMap<String, String>, name: &str, usual: u64) -> Outcome<u64> {
    let Some(text) = options.get(name) else { return Ok(usual) };
    text.parse().map_err(|_| format!("--{name}: '{text}' is no whole number"))
}
