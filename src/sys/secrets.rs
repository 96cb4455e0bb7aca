//! Secrets from files and the environment, read the moment they are needed, so that a rotated one is used at once.

use std::path::Path;

use crate::model::fault::Fault;
use crate::model::secret::Secret;
use crate::model::target::SecretSource;
use crate::sys::environment;
use crate::sys::files;

/// The largest file that can be a secret, in bytes.
const SECRET_BYTES_MAX: usize = 64 << 10;

/// Reads a secret now. Trailing line breaks are not part of it.
///
/// # Errors
/// `secret-01`: the file cannot be read. `secret-02`: the variable is not set.
pub fn read(source: &SecretSource) -> Result<Option<Secret>, Fault> {
    match source {
        SecretSource::None => Ok(None),
        SecretSource::Inline(secret) => Ok(Some(secret.clone())),
        SecretSource::File(path) => read_file(path).map(Some),
        SecretSource::Environment(name) => match environment::variable(name) {
            Some(text) => Ok(Some(Secret::new(text))),
            None => Err(Fault::new("secret-02", format!("the environment variable {name} is not set"))
                .hint("Set it where the agent is started, or name a file instead.")),
        },
    }
}

fn read_file(path: &Path) -> Result<Secret, Fault> {
    let text = files::read_text(path, SECRET_BYTES_MAX).map_err(|error| {
        Fault::new("secret-01", format!("cannot read the secret in {}: {error}", path.display()))
            .hint("Does the file exist, and may the agent's user read it?")
    })?;
    Ok(Secret::new(text.trim_end_matches(['\n', '\r'])))
}
