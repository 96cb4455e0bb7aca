//! What the host asks of the system: no login, only files that everybody may read, listed from the rows.

use std::collections::BTreeSet;

use crate::engines::contract::{Ask, Place, Version};
use crate::engines::host::monitor::rows::ROWS;

/// The files, by folder, and what they need.
pub fn script(_login: &str, _version: Option<Version>, _kind: &str) -> String {
    let mut files = BTreeSet::new();
    for row in ROWS {
        let Ask::Text(text) = row.ask else { continue };
        let mut folder = if text.starts_with("@cgroups") { "sys/fs/cgroup/**/" } else { "" };
        for word in text.split_whitespace().filter(|word| !word.starts_with('@')) {
            if word.ends_with('/') {
                folder = word;
            } else {
                files.insert(format!("#   /{folder}{}\n", word.trim_end_matches('@')));
            }
        }
    }
    format!(
        "# The host needs no login, no capability and no group: the agent reads as its own user what every user may read.\n\
         # In a container: the host's / mounted read-only at the target's `root`, with the host's network namespace.\n\
         # A file system under a folder that its user may not enter is left out.\n\
         # Of databases' processes it sees what ps(1) shows. Their proportional memory (PSS), open files and bytes read and\n\
         # written are given where the agent may look into them: as their user, or with CAP_SYS_PTRACE.\n\
         {}",
        files.into_iter().collect::<String>()
    )
}

/// Nothing is to be run.
pub fn line(_place: &Place<'_>) -> String {
    String::new()
}
