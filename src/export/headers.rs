//! The headers of every request: which can be sent, and the file that may hold them. Values are secrets.

use std::path::Path;

use hyper::header::{HeaderName, HeaderValue};

use crate::model::secret::Secret;
use crate::sys::files;

/// The largest file of headers, in bytes.
const HEADERS_BYTES_MAX: usize = 64 << 10;

/// Headers that the client itself writes.
const OWN_HEADERS: &[&str] =
    &["host", "content-type", "content-length", "content-encoding", "transfer-encoding", "connection", "user-agent"];

/// Whether a header can be sent.
///
/// # Errors
/// Why not, without its value.
pub fn check_header(name: &str, value: &str) -> Result<(), &'static str> {
    if HeaderName::try_from(name).is_err() {
        return Err("its name is not one");
    }
    if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
        return Err("the agent writes it itself");
    }
    if HeaderValue::try_from(value).is_err() {
        return Err("its value holds a character that headers do not have");
    }
    Ok(())
}

/// Reads a file of headers: `name: value` on each line; empty lines and those that begin with `#` do not count.
///
/// # Errors
/// What is wrong with it, without any value.
pub fn read(path: &Path) -> Result<Vec<(String, Secret)>, String> {
    let shown = path.display();
    let text = files::read_text(path, HEADERS_BYTES_MAX)
        .map_err(|error| format!("cannot read the headers in {shown}: {error}"))?;
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(number, line)| {
            let (name, value) =
                line.split_once(':').ok_or_else(|| format!("line {number} of {shown} is not `name: value`"))?;
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            check_header(&name, value).map_err(|why| format!("the header in line {number} of {shown}: {why}"))?;
            Ok((name, Secret::new(value)))
        })
        .collect()
}
