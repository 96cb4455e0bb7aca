//! What the host asks of the system: no login, only files that everybody may read, listed from the rows.

use std::collections::BTreeSet;

use crate::engines::contract::{Ask, Place, Version};
use crate::engines::host::monitor::ROWS;

/// The files, by folder, and what they need.
pub fn script(_login: &str, _version: Option<Version>, _kind: &str) -> String {
    let mut files = BTreeSet::new();
    for row in ROWS {
        let Ask::Text(text) = row.ask else { continue };
        let mut folder = "";
        for word in text.split_whitespace().filter(|word| !word.starts_with('@')) {
            if word.ends_with('/') {
                folder = word;
            } else {
                files.insert(format!("#   /{folder}{word}\n"));
            }
        }
    }
    format!(
        "# The host needs no login, no capability and no group: the agent reads as its own user what every user may read.\n\
         # In a container: the host's / mounted read-only at the target's `root`, with the host's network namespace.\n\
         # A file system under a folder that its user may not enter is left out.\n\
         {}",
        files.into_iter().collect::<String>()
    )
}

/// Nothing is to be run.
pub fn line(_place: &Place<'_>) -> String {
    String::new()
}
