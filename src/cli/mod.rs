//! The command line: flags in, exit codes out. 0 well, 1 a warning, 2 refused or critical, 3 unknown.

pub mod arguments;
pub mod ask;
pub mod completions;
pub mod glance;
pub mod check;
pub mod discover;
pub mod journal;
pub mod policy;
pub mod grants;
pub mod import;
pub mod manual;
pub mod output;
pub mod query;
pub mod sample;
pub mod reference;
pub mod seen;
pub mod show;
pub mod status;
pub mod table;
pub mod targets;
pub mod top;
pub mod token;

use clap::Parser;

use crate::cli::arguments::{Arguments, Verb};
use crate::config::problem::Problem;
use crate::config::{self, Loaded, Source, Surroundings};
use crate::pipeline::agent;
use crate::sys::log::{self, Form};
use crate::sys::process;
use crate::sys::tls;

/// Exit codes, as monitoring plug-ins use them.
pub const WELL: u8 = 0;
pub const WARNING: u8 = 1;
pub const REFUSED: u8 = 2;
pub const UNKNOWN: u8 = 3;

/// Runs the command line and says with which code to exit.
pub fn main() -> u8 {
    tls::install_provider();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print(); // nowhere to say that nothing can be said
            return if error.use_stderr() { REFUSED } else { WELL };
        }
    };
    let source = Source::find(arguments.config, arguments.environment);
    match arguments.verb.unwrap_or(Verb::Run) {
        Verb::Run => run(source, arguments.verbose, arguments.log.as_deref().map(Form::of)),
        Verb::CheckConfig { json } => check::print(&source, json),
        Verb::Rules { json } => with_configuration(&source, |loaded| output::answer(&show::rules(loaded, json), WELL)),
        Verb::Discover(wanted) => discover::print(&wanted),
        Verb::Status { wanted, json } => status::run(&source, &wanted, json),
        Verb::Targets { wanted, json } => targets::run(&source, &wanted, json),
        Verb::Completions { shell } => completions::run(shell),
        Verb::Top(table) => top::run(&source, &table),
        Verb::Query { question, json } => query::run(&source, &question, json),
        Verb::Sample(which) => sample::run(&source, &which),
        Verb::Policy { what } => policy::run(&source, &what),
        Verb::Journal { what, json } => journal::run(&source, what.as_ref(), json),
        Verb::Token(what) => token::run(&source, &what),
        Verb::Grants(wanted) => grants::print(&wanted),
        Verb::Import(wanted) => import::print(&wanted),
    }
}

fn run(source: Source, verbose: bool, form: Option<Form>) -> u8 {
    let undumpable = process::forbid_dumps(); // before the first secret is read
    let loaded = match config::load(&source, &Surroundings::of_this_process()) {
        Ok(loaded) => loaded,
        Err(problems) => {
            problems.iter().for_each(|problem| log::refuse("", &problem.to_string(), form.unwrap_or_default()));
            log::refuse("", &summary(&problems), form.unwrap_or_default());
            return REFUSED;
        }
    };
    let about = &loaded.configuration.agent;
    let form = form.unwrap_or(about.log);
    log::begin(form, if verbose { "debug" } else { &about.log_level });
    if let Err(error) = undumpable {
        tracing::warn!("a core of this process may hold passwords: {error}");
    }
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let ended = agent::run(source, loaded);
    log::finish();
    match ended {
        Ok(()) => WELL,
        Err(fault) => {
            log::refuse("error: ", &fault.to_string(), form);
            REFUSED
        }
    }
}

fn with_configuration(source: &Source, then: impl FnOnce(&Loaded) -> u8) -> u8 {
    match config::load(source, &Surroundings::of_this_process()) {
        Ok(loaded) => then(&loaded),
        Err(problems) => refused(&problems),
    }
}

fn refused(problems: &[Problem]) -> u8 {
    for problem in problems {
        output::tell(&problem.to_string());
    }
    output::tell(&summary(problems));
    REFUSED
}

fn summary(problems: &[Problem]) -> String {
    let s = if problems.len() == 1 { "" } else { "s" };
    format!("{} problem{s}; nothing was started", problems.len())
}
