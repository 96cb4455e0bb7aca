//! Tests of `src/cli`.

mod discover;
mod grants;

use std::process::{Command, Stdio};

/// Runs the program to its end: exit code, standard output, standard error.
fn program(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchward"));
    let output = command.args(arguments).stdin(Stdio::null()).output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}
