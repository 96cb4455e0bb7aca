//! `completions`: what a shell needs to complete verbs and flags.

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell as Known;
use clap_complete::generate;

use crate::cli::WELL;
use crate::cli::arguments::Arguments;
use crate::cli::output;

/// The shells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script of a shell.
pub fn run(shell: Shell) -> u8 {
    output::answer(&String::from_utf8_lossy(&script(shell)), WELL)
}

/// The script of a shell.
pub fn script(shell: Shell) -> Vec<u8> {
    let known = match shell {
        Shell::Bash => Known::Bash,
        Shell::Zsh => Known::Zsh,
        Shell::Fish => Known::Fish,
    };
    let mut out = Vec::new();
    generate(known, &mut Arguments::command(), "watchward", &mut out);
    out
}
