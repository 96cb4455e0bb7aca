//! The manual's page of the command line, rendered from the same words as the help.

use std::fmt::Write;

use clap::{Command, CommandFactory};

use crate::cli::arguments::Arguments;

const HEAD: &str = "\
# The command line

*Rendered from the program's own help; a test fails when they differ. `UPDATE_DOCS=1 cargo test --test it cli::manual` renders it anew.*

A verb that talks to the running agent does so over `watchward.sock` in its `state_dir`, as root, the agent's own user or a member of its group: it needs `--config` only where
the agent has another configuration than `/etc/watchward/agent.toml`. Every verb that answers has `--json`, whose times are RFC 3339 in UTC; colours come only on a terminal, and
not where `NO_COLOR` is set.

| exit code | of `status` | of every other verb |
|---|---|---|
| 0 | all is well | done |
| 1 | a warning fires, or something could not be read | `policy stop`: nothing new begins, and something is still under way; `sample`: something could not be read; `import`: something was left out |
| 2 | a target is down, or something critical fires | refused: the configuration, the flags, the agent or the server say why |
| 3 | the agent does not answer, or has read nothing yet | the agent does not answer, or there is no room for the answer; `sample`: the server does not answer |

";

/// docs/cli.md.
pub fn page() -> String {
    let mut root = Arguments::command();
    root.build();
    let mut out = HEAD.to_string();
    section(&mut out, &root, "watchward");
    out
}

fn section(out: &mut String, command: &Command, name: &str) {
    let mut command = command.clone().term_width(100).bin_name(name);
    let help = command.render_long_help().to_string();
    let help: String = help.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    // Writing to a String does not fail.
    let _ = write!(out, "## `{name}`\n\n```text\n{}\n```\n\n", help.trim_end());
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        section(out, verb, &format!("{name} {}", verb.get_name()));
    }
}
