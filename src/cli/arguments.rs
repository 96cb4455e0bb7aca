//! The verbs and flags, with the help people read.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand};

use crate::cli::grants::Grants;
use crate::cli::query::Question;
use crate::cli::seen::Wanted;
use crate::sys::log::Form;

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

    /// How to log: lines for people, or JSON [default: as the configuration says]
    #[arg(long, global = true, value_name = "FORM", value_parser = PossibleValuesParser::new(Form::WORDS))]
    pub log: Option<String>,

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
    /// Say in one line how all is, as a monitoring plug-in, and then each target and alert
    ///
    /// Exit codes: 0 all is well, 1 a warning, 2 a target is down or something critical fires, 3 the agent does not
    /// answer or has read nothing yet.
    Status {
        #[command(flatten)]
        wanted: Wanted,
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
    /// List what is watched, in full
    Targets {
        #[command(flatten)]
        wanted: Wanted,
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
    /// Evaluate an expression in Prometheus' language over the agent's own history
    Query {
        #[command(flatten)]
        question: Question,
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
}
