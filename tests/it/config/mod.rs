//! Tests of `src/config`: a text goes in, a configuration or every problem with its place comes out.

mod alerts;
mod example;
mod features;
mod doors;
mod files;
mod layers;
mod policies;
mod problems;
mod queries;
mod reference;
mod secrets;
mod targets;
mod thresholds;
mod url;
mod values;
mod variables;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use watchward::config::problem::Problem;
use watchward::config::{self, Loaded, Surroundings};

/// A machine that is the same everywhere.
fn here() -> Surroundings {
    Surroundings { host_name: "db-host-1".to_string(), state_dir: PathBuf::from("/var/lib/watchward") }
}

fn read(toml: &str) -> Result<Loaded, Vec<Problem>> {
    config::read("agent.toml", toml, &here())
}

/// The one story: this text has exactly these problems, in this order, in these words. `file:line:column: what [code]`,
/// then ` | detail: …` and ` | hint: …` where there are any.
fn check(toml: &str, expected: &[&str]) {
    let problems = read(toml).err().unwrap_or_default();
    assert_eq!(lines(&problems), expected, "\n--- of ---\n{toml}");
}

/// As `check`, for the warnings of a text without problems.
fn check_warnings(toml: &str, expected: &[&str]) {
    let loaded = sound(toml);
    assert_eq!(lines(&loaded.warnings), expected, "\n--- of ---\n{toml}");
}

fn lines(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|problem| problem.to_string().replace('\n', " | ")).collect()
}

/// The configuration of a text that has no problem.
fn sound(toml: &str) -> Loaded {
    read(toml).unwrap_or_else(|problems| panic!("problems:\n{}\n--- of ---\n{toml}", lines(&problems).join("\n")))
}

/// A folder that is removed again.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("watchward-config-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    /// Writes a file, and says where.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // left behind, it harms nobody
    }
}
