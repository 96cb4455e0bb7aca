//! What is read of the host, and how often. To add a metric, add it to a row, or add a row.

pub mod rows;
pub mod table;
pub mod proc;
pub mod cpu;
pub mod system;
pub mod network;
pub mod packets;
pub mod nfs;
pub mod filesystem;
pub mod storage;
pub mod zfs;
pub mod hardware;
pub mod hwmon;
pub mod groups;

use crate::engines::contract::Answer;
use crate::model::reading::{Unknown, UnknownKind};

/// The files of an answer: path and text.
pub fn texts(answer: &Answer) -> impl Iterator<Item = (&str, &str)> {
    let rows = if let Answer::Table(table) = answer { table.rows.as_slice() } else { &[] };
    rows.iter().filter_map(|row| match row.as_slice() {
        [Some(path), Some(text)] => Some((path.as_str(), text.as_str())),
        _ => None,
    })
}

/// The text of the file whose path ends so.
///
/// # Errors
/// `Missing`, with the file's name.
pub fn text_of<'a>(answer: &'a Answer, name: &str) -> Result<&'a str, Unknown> {
    let found = texts(answer).find(|(path, _)| path.ends_with(name)).map(|(_, text)| text);
    found.ok_or_else(|| Unknown::new(UnknownKind::Missing, format!("{name} is not there")))
}

/// A line that makes no sense, as far as it may be shown.
pub fn garbled(path: &str, line: &str) -> Unknown {
    let shown: String = line.chars().take(60).collect();
    Unknown::new(UnknownKind::Garbled, format!("{path} has a line that cannot be read: '{}'", shown.escape_debug()))
}
