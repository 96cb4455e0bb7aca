//! Files and variables that the configuration names: read once while it is loaded, so that a wrong name is told at once.

use std::path::Path;

use crate::config::problem::{Report, is_about_secret};
use crate::model::fault::Fault;
use crate::model::schema::{Table, Value};
use crate::sys::environment;
use crate::sys::files;

/// The largest file that a key may name, in bytes.
const FILE_BYTES_MAX: usize = 4 << 20;

/// Checks every key of a section, and of those within, whose name ends in `_file` or `_env`.
pub fn check(table: &Table, report: &mut Report) {
    for (name, (value, origin)) in &table.entries {
        match value {
            Value::Text(path) if name.ends_with("_file") => {
                if let Err(fault) = check_file(name, path) {
                    report.problem(origin, fault);
                }
            }
            Value::Hidden(path) if name.ends_with("_file") => {
                // A path that is made of a secret: nobody is told where it leads.
                if let Err(fault) = check_file(name, path.expose()) {
                    report.problem(origin, fault.detail(""));
                }
            }
            Value::Text(variable) if name.ends_with("_env") => {
                if let Err(fault) = check_variable(name, variable) {
                    report.problem(origin, fault);
                }
            }
            Value::Table(inner) => check(inner, report),
            Value::List(list) => {
                for one in list {
                    if let Value::Table(inner) = one {
                        check(inner, report);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Whether a file that a key names can be read, and holds something where it should hold a secret.
///
/// # Errors
/// `config-09`.
pub fn check_file(key: &str, path: &str) -> Result<(), Fault> {
    let bytes = files::read(Path::new(path), FILE_BYTES_MAX).map_err(|error| {
        Fault::new("config-09", format!("{key} cannot be read: {error}"))
            .detail(format!("It names {path}."))
            .hint(files::hint(&error))
    })?;
    if is_about_secret(key) && bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Fault::new("config-09", format!("{key} is empty"))
            .detail(format!("It names {path}."))
            .hint("Write the secret into that file."));
    }
    Ok(())
}

fn check_variable(key: &str, variable: &str) -> Result<(), Fault> {
    let is_name = !variable.starts_with(|c: char| c.is_ascii_digit())
        && !variable.is_empty()
        && variable.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    if !is_name {
        // Whatever stands here may be the secret itself: it is not repeated.
        return Err(Fault::new("config-05", format!("{key} is not the name of an environment variable"))
            .hint("Write the variable's name in capital letters, digits and '_', never the secret itself."));
    }
    match environment::variable(variable) {
        Some(text) if !text.is_empty() => Ok(()),
        _ => Err(Fault::new("config-09", format!("{key} names an environment variable that is not set"))
            .hint("Set it where the agent is started, or name a file instead.")),
    }
}
