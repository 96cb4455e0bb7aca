//! Why state could not be read or written, sorted by what the caller can do about it.

use thiserror::Error;

use crate::model::fault::Fault;

/// Primary result codes of SQLite: sqlite.org/rescode.html.
const PERMISSION: i32 = 3;
const BUSY: i32 = 5;
const READ_ONLY: i32 = 8;
const IO: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;
const NOT_A_DATABASE: i32 = 26;

/// What went wrong with the database.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StateError {
    /// No room, and freeing the reserve did not help: critical alerts must go out from memory.
    #[error("there is no room to write state.db: {0}")]
    Full(String),
    /// The disk or the file's permissions refuse.
    #[error("the system refuses to read or write state.db: {0}")]
    Unwritable(String),
    /// The file's content is wrong.
    #[error("state.db is damaged: {0}")]
    Damaged(String),
    #[error("state.db is locked by another process: {0}")]
    Busy(String),
    #[error("state.db: {0}")]
    Other(String),
}

impl StateError {
    /// Sorts what the driver says.
    pub fn from_driver(error: &sqlx::Error) -> StateError {
        let text = error.to_string();
        match code(error) {
            Some(FULL) => StateError::Full(text),
            Some(PERMISSION | READ_ONLY | IO | CANNOT_OPEN) => StateError::Unwritable(text),
            Some(CORRUPT | NOT_A_DATABASE) => StateError::Damaged(text),
            Some(BUSY) => StateError::Busy(text),
            _ => StateError::Other(text),
        }
    }
}

/// The primary result code; the driver gives the extended one, whose low byte it is.
fn code(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

impl From<StateError> for Fault {
    fn from(error: StateError) -> Fault {
        let (code, hint) = match &error {
            StateError::Full(_) => ("state-06", "Is the file system of state_dir full? Free some room there."),
            StateError::Unwritable(_) => {
                ("state-07", "May the agent's user write in state_dir, and does the system log tell of disk errors?")
            }
            StateError::Damaged(_) => (
                "state-03",
                "Stop the agent, keep a copy of state_dir, and put back a good state.db or move this one away.",
            ),
            StateError::Busy(_) => ("state-08", "Does another program have state.db open for writing?"),
            StateError::Other(_) => ("state-09", "Please report this with the words above."),
        };
        Fault::new(code, error.to_string()).hint(hint)
    }
}
