//! The verbs and flags, with the help people read.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand};

use crate::cli::completions::Shell;
use crate::cli::discover::Discover;
use crate::cli::grants::Grants;
use crate::cli::import::Import;
use crate::cli::query::Question;
use crate::cli::sample::Which;
use crate::cli::seen::Wanted;
use crate::cli::token::Token;
use crate::cli::top::Table;
use crate::cli::{journal, policy};
use crate::sys::log::Form;

/// Watchward keeps guard over databases: it samples, judges, alerts and serves.
#[derive(Debug, Parser)]
#[command(name = "watchward", version, max_term_width = 100)]
pub struct Arguments {
    /// The configuration [default: /etc/watchward/agent.toml if it exists, else the built-in one]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The environment this agent is in, in place of the configuration's own word
    #[arg(long, global = true, value_name = "NAME")]
    pub environment: Option<String>,

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
    CheckConfig {
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
    /// Print the rules that are evaluated, as a Prometheus rule file
    Rules {
        /// Machine-readable in another way: the same as JSON
        #[arg(long)]
        json: bool,
    },
    /// Find the servers on this machine, and say what is to be typed for those that want a login
    Discover(Discover),
    /// Print the script that makes the login with which a server is watched: the least privilege, and no password
    Grants(Grants),
    /// Turn the query file of another exporter into [[query]] sections, and say what cannot be taken over
    ///
    /// Exit codes: 0 all of it, 1 some of it was left out, 2 the file cannot be read.
    Import(Import),
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
    /// Show live how all targets do, until `q`
    Top(Table),
    /// Say what policies may change, have them do it, arm them, stop everything
    Policy {
        #[command(subcommand)]
        what: policy::What,
    },
    /// Show what policies have changed, and take it back
    #[command(args_conflicts_with_subcommands = true)]
    Journal {
        #[command(subcommand)]
        what: Option<journal::What>,
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
    /// Read one target once, without the agent, and print what its exporter would show
    ///
    /// Exit codes: 0 all was read, 1 something was not, 2 the server or the configuration refuses, 3 the server does not
    /// answer.
    Sample(Which),
    /// Print the script with which a shell completes verbs and flags
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Make, list and revoke the tokens with which others come in
    #[command(subcommand)]
    Token(Token),
}
