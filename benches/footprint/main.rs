//! What watching costs: the agent beside the exporters, Prometheus and Alertmanager that do the same job, in one run.
//! How it measures, and what it found: ../README.md

#![allow(clippy::disallowed_methods)] // it starts programs, reads clocks and files: an edge of its own

#[allow(dead_code)] // each bench uses a part of it
#[path = "../common/mod.rs"]
mod common;
mod options;
mod families;
mod packages;
mod shape;
mod ours;
mod theirs;
mod blocks;
mod report;

use std::process::ExitCode;

use crate::common::Outcome;
use crate::common::folder::Folder;
use crate::common::net::Hook;
use crate::common::servers::{Servers, Target, rule_files};
use crate::options::Options;
use crate::ours::{Learned, Ours};
use crate::report::Row;
use crate::theirs::{Exporters, Stack};

/// Row B has this many series, give or take a tenth.
const SERIES_OF_ROW_B: usize = 2_200;
/// What row B leaves out, by engine, to have as many: one target of each engine has more by default. Settings are a tenth of
/// them all and never move; the databases are those that nobody uses.
const LEFT_OUT_OF_ROW_B: &[(&str, &str)] =
    &[("postgresql", "skip = [\"settings\"]\nexclude = { datname = [\"template*\", \"postgres\"] }")];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        // `cargo test --all-targets` runs benches too, without a word.
        println!("footprint measures for minutes, on real servers: cargo bench --bench footprint");
        return ExitCode::SUCCESS;
    }
    match Options::read(&arguments).and_then(|options| run(&options)) {
        Ok(text) => {
            println!("\n{text}");
            ExitCode::SUCCESS
        }
        Err(words) => {
            eprintln!("footprint: {words}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Outcome<String> {
    packages::install_missing(options.has_row('a'))?;
    let servers = Servers::read()?;
    let folder = Folder::make("footprint", options.keep)?;
    say(&format!("the agent is {}", options.agent.display()));
    let mut rows = Vec::new();
    if options.has_row('a') {
        rows.push(row_a(options, &servers, &folder)?);
    }
    if options.has_row('b') {
        rows.push(row_b(options, &servers, &folder)?);
    }
    Ok(report::text(options, &rows))
}

/// Host and three engines, against the sum of what others run for the same; like with like, so with the optional rows
/// that give what the others give.
fn row_a(options: &Options, servers: &Servers, folder: &Folder) -> Outcome<Row> {
    let mut targets = servers.first_of(&["host", "postgresql", "redis", "elasticsearch"])?;
    for (engine, rows) in families::ROWS {
        configure(&mut targets, engine, &format!("collect = {rows:?}"));
    }
    say("row A: learning the agent's series");
    let learned = &ours::learn(options, "learning-a", &targets, folder)?[..];
    let rules = rule_files(&["host-and-hardware", "postgresql", "redis", "elasticsearch"])?;
    let (hook, their_hook) = (Hook::open()?, Hook::open()?);
    say("row A: starting the exporters");
    let exporters = Exporters::start(servers, folder)?;
    let is_ours = |name: &String| learned.iter().any(|one| one.name() == name);
    let names = exporters.names();
    let missing: Vec<String> = names.iter().filter(|name| !is_ours(name)).cloned().collect();
    say("row A: writing the history of both sides");
    let ours = Ours::prepare(options, "row-a", &targets, &rules, false, hook.port, learned, folder)?;
    let stack = Stack::prepare(options, exporters, &rules, their_hook.port, folder)?;
    let (ours, stack) = (ours.start(folder)?, stack.start(folder)?);
    say(&format!("row A: settling for {} s", options.settle.as_secs()));
    std::thread::sleep(options.settle);
    let blocks = blocks::measure(options, ours.process()?, &stack.processes(), "row A")?;
    let notes = vec![
        format!("targets: {}", listed(&targets)),
        format!("webhooks heard: {} of ours, {} of theirs", hook.heard(), their_hook.heard()),
        stack.note()?,
    ];
    Ok(Row::new('A', &ours, Some(&stack), blocks, notes)?.compare(names.len(), missing))
}

/// All six engines, at the series count that the others have in row A.
fn row_b(options: &Options, servers: &Servers, folder: &Folder) -> Outcome<Row> {
    let mut all = servers.targets.clone();
    for (engine, text) in LEFT_OUT_OF_ROW_B {
        configure(&mut all, engine, text);
    }
    say("row B: learning the agent's series");
    let learned = &ours::learn(options, "learning-b", &all, folder)?[..];
    let targets = choose(&all, learned);
    let rules = rule_files(&["host-and-hardware", "postgresql", "redis", "mongodb", "clickhouse", "elasticsearch"])?;
    let hook = Hook::open()?;
    say("row B: writing the history");
    let ours = Ours::prepare(options, "row-b", &targets, &rules, true, hook.port, learned, folder)?.start(folder)?;
    say(&format!("row B: settling for {} s", options.settle.as_secs()));
    std::thread::sleep(options.settle);
    let blocks = blocks::measure(options, ours.process()?, &[], "row B")?;
    let notes = vec![format!("targets: {}", listed(&targets)), format!("webhooks heard: {} of ours", hook.heard())];
    Row::new('B', &ours, None, blocks, notes)
}

/// Adds lines to the sections of an engine's targets.
fn configure(targets: &mut [Target], engine: &str, lines: &str) {
    for target in targets.iter_mut().filter(|target| target.engine == engine) {
        target.text.push_str(&format!("\n{lines}"));
    }
}

/// One target of each engine, then others in their order, as long as row B does not grow beyond its size.
fn choose(all: &[Target], learned: &[Learned]) -> Vec<Target> {
    let series = |target: &Target| learned.iter().filter(|one| one.target() == target.name).count();
    let is_first = |target: &Target| all.iter().find(|one| one.engine == target.engine) == Some(target);
    // A twentieth above, not the tenth that is allowed: rules record series of their own, and sessions come and go.
    let most = SERIES_OF_ROW_B + SERIES_OF_ROW_B / 20;
    let mut count: usize = all.iter().filter(|target| is_first(target)).map(series).sum();
    let chosen = all.iter().filter(|target| {
        let fits = is_first(target) || count + series(target) <= most;
        count += if fits && !is_first(target) { series(target) } else { 0 };
        fits
    });
    chosen.cloned().collect()
}

fn listed(targets: &[Target]) -> String {
    targets.iter().map(|target| target.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Progress, beside the table.
fn say(words: &str) {
    eprintln!("footprint: {words}");
}
