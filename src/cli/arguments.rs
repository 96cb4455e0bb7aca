//! The verbs and flags, with the help people read.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::cli::grants::Grants;

/// Watchward keeps guard over databases: it samples, judges, alerts and serves.
#[derive(Debug, Parser)]
#[command(name = "watchward", version, max_term_width = 100)]
pub struct Arguments {
    /// The configuration [default: /etc/watchward/agent.toml if it exists, else the built-in one]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Log more
    #[arg(long, short, global = true)]
    pub verbose: bool,

    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// What to do; without a verb, `run`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Watch: the configured targets, or this host and the servers found on it
    Run,
    /// Check the configuration, and print what is in effect and where each value comes from
    CheckConfig,
    /// Print the rules that are evaluated, as a Prometheus rule file
    Rules,
    /// Print the script that makes the login with which a server is watched: the least privilege, and no password
    Grants(Grants),
    /// Ask the running agent how its targets are
    Status {
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
}
