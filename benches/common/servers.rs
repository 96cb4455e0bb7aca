//! The servers that tests/servers/up started, their targets in its agent.toml, and the copied rules.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::Outcome;

/// One `[[target]]` of agent.toml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub name: String,
    pub engine: String,
    /// The section as it stands there.
    pub text: String,
}

pub struct Servers {
    values: BTreeMap<String, String>,
    pub targets: Vec<Target>,
}

impl Servers {
    pub fn read() -> Outcome<Servers> {
        let usual = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/servers/env");
        let file = std::env::var_os("WATCHWARD_SERVERS_ENV").map_or(usual, PathBuf::from);
        let text = fs::read_to_string(&file)
            .map_err(|error| format!("no servers: start them with tests/servers/up ({}: {error})", file.display()))?;
        let pairs = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
        let values: BTreeMap<_, _> = pairs.map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let mut servers = Servers { values, targets: Vec::new() };
        let config = fs::read_to_string(servers.value("WW_AGENT_CONFIG")?)
            .map_err(|error| format!("the servers' agent.toml: {error}"))?;
        servers.targets =
            config.split("\n\n").filter(|part| part.starts_with("[[target]]")).filter_map(target).collect();
        Ok(servers)
    }

    pub fn value(&self, key: &str) -> Outcome<&str> {
        self.values.get(key).map(String::as_str).ok_or(format!("tests/servers/up does not say {key}"))
    }

    /// What stands in the file that a key names.
    pub fn secret(&self, key: &str) -> Outcome<String> {
        let text = fs::read_to_string(self.value(key)?).map_err(|error| format!("{key}: {error}"))?;
        Ok(text.trim_end().to_string())
    }

    /// The first target of each of these engines.
    pub fn first_of(&self, engines: &[&str]) -> Outcome<Vec<Target>> {
        let first = |engine: &&str| {
            let found = self.targets.iter().find(|target| target.engine == **engine).cloned();
            found.ok_or(format!("the servers' agent.toml has no target of the engine {engine}"))
        };
        engines.iter().map(first).collect()
    }
}

fn target(part: &str) -> Option<Target> {
    let value = |key: &str| {
        let line = part.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='))?;
        Some(line.trim().trim_matches('"').to_string())
    };
    Some(Target { name: value("name")?, engine: value("engine")?, text: part.trim_end().to_string() })
}

/// The copied rule files of these names.
pub fn rule_files(names: &[&str]) -> Outcome<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/alert-rules");
    let file = |name: &&str| {
        let path = folder.join(format!("{name}.yml"));
        path.canonicalize().map_err(|error| format!("the rules are not there: {}: {error}", path.display()))
    };
    names.iter().map(file).collect()
}
