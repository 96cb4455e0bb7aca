//! What verbs write. Whoever read it may have gone (`watchward status | head -1`): that is no fault, and no panic.

use std::io::{self, Write};

use crate::cli::UNKNOWN;
use crate::model::fault::Fault;

/// Writes a verb's answer to standard output, and gives the code to exit with: this one, or 3 where there was no room.
pub fn answer(text: &str, code: u8) -> u8 {
    match write(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let fault = Fault::new("cli-09", format!("the answer cannot be written: {error}"));
            tell(&format!("error: {fault}"));
            UNKNOWN
        }
        _ => code,
    }
}

/// Writes to standard output.
///
/// # Errors
/// The system's own: nobody reads it any more, or there is no room.
pub fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Writes a line to standard error.
pub fn tell(line: &str) {
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes()); // nowhere to say that nothing can be said
}
