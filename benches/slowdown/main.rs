//! What the watched lose: the throughput of a load with the agent on, beside the same load without it, and what the
//! agent holds for each of many targets. How it measures, and what is to be reached: ../README.md

#![allow(clippy::disallowed_methods)] // it starts programs, reads clocks and files: an edge of its own

#[allow(dead_code)] // each bench uses a part of it
#[path = "../common/mod.rs"]
mod common;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use crate::common::agent::Agent;
use crate::common::asking::{mongodb, number, postgresql, psql, said};
use crate::common::folder::Folder;
use crate::common::servers::{Servers, Target};
use crate::common::spread::Spread;
use crate::common::{Outcome, options, verdict, whole};

/// The most that a load may lose, in percent.
const LOSS_MAX: f64 = 2.0;
/// Cycles before a load begins: the first ones ask every row.
const CYCLES_TO_SETTLE: f64 = 2.0;
/// Targets whose memory is measured.
const TARGETS: usize = 50;
/// How long many targets are watched before they are weighed.
const CYCLES_TO_WEIGH: usize = 12;
/// The database of pgbench's tables, gone at the end.
const DATABASE: &str = "slowdown";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        // `cargo test --all-targets` runs benches too, without a word.
        println!("slowdown measures for minutes, on real servers: cargo bench --bench slowdown");
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(text) => {
            println!("\n{text}");
            ExitCode::SUCCESS
        }
        Err(words) => {
            eprintln!("slowdown: {words}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Outcome<String> {
    let given = options(arguments, &["pairs", "seconds", "seed", "agent"])?;
    let usual = PathBuf::from(env!("CARGO_BIN_EXE_watchward"));
    let bench = Bench {
        program: given.get("agent").map_or(usual, PathBuf::from),
        servers: Servers::read()?,
        folder: Folder::make("slowdown", false)?,
        pairs: usize::try_from(whole(&given, "pairs", 10)?).unwrap_or(usize::MAX),
        seconds: whole(&given, "seconds", 20)?.max(1),
    };
    let mut order = Order(whole(&given, "seed", u64::from(std::process::id()))? | 1);
    let tables = Tables::fill(&bench.servers)?;
    let mut text = format!(
        "Slowdown: {} pairs of {} s, with the agent (every 5 s) and without, in an order drawn for each pair\n",
        bench.pairs, bench.seconds
    );
    let mut verdicts = String::new();
    for load in LOADS {
        let (losses, rates) = bench.losses(load, &mut order)?;
        let loss = Spread::of(losses.into_iter());
        let _ =
            writeln!(text, "- {}: {} per second without the agent", load.name, Spread::of(rates.into_iter()).text(0)); // a String takes everything
        let what = format!("{}: {} % lost (least–most of the pairs); at most {LOSS_MAX} %", load.name, loss.text(2));
        let _ = writeln!(verdicts, "{}", verdict(loss.median <= LOSS_MAX, &what));
    }
    drop(tables);
    let (few, many, targets) = bench.memory()?;
    #[allow(clippy::cast_precision_loss)] // a handful
    let each = (many - few) / (TARGETS - targets) as f64;
    let _ = writeln!(
        text,
        "- memory: {few:.1} MiB PSS at {targets} targets, {many:.1} MiB at {TARGETS}: {:.0} KiB for each target",
        each * 1024.0
    );
    Ok(format!("{text}\nFigures to reach\n{verdicts}"))
}

/// Numbers that decide the order of runs (xorshift).
struct Order(u64);

impl Order {
    fn agent_first(&mut self) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 63 == 1
    }
}

/// A load, and how to measure what comes through.
struct Load {
    name: &'static str,
    engine: &'static str,
    /// What it does in a second, measured for so many of them.
    rate: fn(&Servers, u64) -> Outcome<f64>,
}

const LOADS: &[Load] = &[
    Load { name: "pgbench (transactions)", engine: "postgresql", rate: pgbench },
    Load { name: "redis-benchmark (SET and GET)", engine: "redis", rate: redis_benchmark },
    Load { name: "MongoDB (inserts and finds)", engine: "mongodb", rate: documents },
];

fn pgbench(servers: &Servers, seconds: u64) -> Outcome<f64> {
    let mut command = Command::new(Path::new(servers.value("WW_PG_BIN_DIR")?).join("pgbench"));
    postgresql(servers, &mut command)?;
    command.args(["-n", "-S", "-c", "4", "-T", &seconds.to_string(), DATABASE]);
    number(&said(command)?, "tps = ")
}

fn redis_benchmark(servers: &Servers, seconds: u64) -> Outcome<f64> {
    // It counts requests, not seconds: a short run says how many fill the time.
    let rate = |requests: u64| -> Outcome<f64> {
        let program = Path::new(servers.value("WW_REDIS_SERVER")?).with_file_name("redis-benchmark");
        let mut command = Command::new(program);
        command.args(["-h", servers.value("WW_HOST")?, "-p", servers.value("WW_REDIS_PRIMARY_PORT")?]);
        command.args(["--user", servers.value("WW_REDIS_ADMIN_USER")?]);
        command.args(["-a", &servers.secret("WW_REDIS_ADMIN_PASSWORD_FILE")?]);
        command.args(["-n", &requests.to_string(), "-t", "set,get", "-c", "8", "--csv"]);
        let text = said(command)?;
        // "SET","81234.56",…: as long for each of the two, so their rate is the harmonic mean.
        let rates: Vec<f64> = text.lines().filter_map(|line| line.split('"').nth(3)?.parse().ok()).collect();
        if rates.len() != 2 {
            return Err(format!("redis-benchmark says '{text}'"));
        }
        Ok(2.0 / rates.iter().map(|rate| 1.0 / rate).sum::<f64>())
    };
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // thousands
    let requests = (rate(20_000)? * seconds as f64 / 2.0) as u64;
    rate(requests.max(1))
}

fn documents(servers: &Servers, seconds: u64) -> Outcome<f64> {
    let script = "d=c.slowdown.words\nd.drop()\nn=0\nb=time.monotonic()\nw=float(sys.argv[5])\n\
                  while time.monotonic()-b<w:\n d.insert_one({'_id':n,'word':'x'*100})\n d.find_one({'_id':n//2})\n n+=2\n\
                  print('rate',n/(time.monotonic()-b))\nc.drop_database('slowdown')\n";
    // Only the primary takes writes, and any member may be it.
    number(&mongodb(servers, &format!("c={PRIMARY}\n{script}"), &[&seconds.to_string()])?, "rate ")
}

/// A client of the replica set's primary, from the client `c` of one member.
const PRIMARY: &str = "(lambda p: pymongo.MongoClient(*p, username=sys.argv[3], password=open(sys.argv[4]).read().strip(), \
                       directConnection=True))((lambda a: [a.rsplit(':',1)[0], int(a.rsplit(':',1)[1])])(c.admin.command('hello')['primary']))";

struct Bench {
    program: PathBuf,
    servers: Servers,
    folder: Folder,
    pairs: usize,
    seconds: u64,
}

impl Bench {
    /// What each pair loses with the agent on, in percent, and its rate without it.
    fn losses(&self, load: &Load, order: &mut Order) -> Outcome<(Vec<f64>, Vec<f64>)> {
        let targets: Vec<Target> =
            self.servers.targets.iter().filter(|one| one.engine == load.engine).cloned().collect();
        let (mut losses, mut rates) = (Vec::new(), Vec::new());
        (load.rate)(&self.servers, self.seconds)?; // caches warm, and not counted
        for pair in 1..=self.pairs {
            let agent_first = order.agent_first();
            let mut measured = [0.0; 2];
            for with_agent in [agent_first, !agent_first] {
                let mut agent = Agent::configure(load.engine, &self.program, &targets, "", &self.folder)?;
                if with_agent {
                    agent.start(&self.folder)?;
                    #[allow(clippy::cast_precision_loss)] // a handful
                    agent.wait_cycles(CYCLES_TO_SETTLE * targets.len() as f64)?;
                } else {
                    std::thread::sleep(Duration::from_secs(2)); // what the agent's end leaves to do
                }
                measured[usize::from(with_agent)] = (load.rate)(&self.servers, self.seconds)?;
            }
            let [without, with] = measured;
            let loss = 100.0 * (1.0 - with / without);
            say(&format!("{}: pair {pair} of {}: {loss:.2} % lost", load.name, self.pairs));
            losses.push(loss);
            rates.push(without);
        }
        Ok((losses, rates))
    }

    /// Mebibytes that the agent holds with one target of each engine that the loads have, and with many; and how many
    /// the few are.
    fn memory(&self) -> Outcome<(f64, f64, usize)> {
        let few = self.servers.first_of(&["postgresql", "redis", "mongodb"])?;
        let named = |(number, target): (usize, &Target)| {
            let (name, other) = (format!("name = \"{}\"", target.name), format!("name = \"target-{number}\""));
            Target { name: format!("target-{number}"), text: target.text.replacen(&name, &other, 1), ..target.clone() }
        };
        let many: Vec<Target> = few.iter().cycle().take(TARGETS).enumerate().map(named).collect();
        Ok((self.pss_mib("few", &few)?, self.pss_mib("many", &many)?, few.len()))
    }

    fn pss_mib(&self, name: &str, targets: &[Target]) -> Outcome<f64> {
        say(&format!("memory at {} targets", targets.len()));
        let mut agent = Agent::configure(name, &self.program, targets, "", &self.folder)?;
        agent.start(&self.folder)?;
        #[allow(clippy::cast_precision_loss)] // hundreds
        agent.wait_cycles((CYCLES_TO_WEIGH * targets.len()) as f64)?;
        let pss_kib = agent.process()?.cost()?.pss_kib;
        #[allow(clippy::cast_precision_loss)] // far below 2^53
        let mib = pss_kib as f64 / 1024.0;
        Ok(mib)
    }
}

/// pgbench's tables, gone at the end.
struct Tables<'a>(&'a Servers);

impl Tables<'_> {
    fn fill(servers: &Servers) -> Outcome<Tables<'_>> {
        say("filling pgbench's tables");
        let first = servers.value("WW_PG_DATABASE")?;
        psql(servers, first, &format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"))?;
        psql(servers, first, &format!("CREATE DATABASE {DATABASE}"))?;
        let tables = Tables(servers);
        let mut command = Command::new(Path::new(servers.value("WW_PG_BIN_DIR")?).join("pgbench"));
        postgresql(servers, &mut command)?;
        command.args(["-i", "-q", "-s", "5", DATABASE]);
        said(command)?;
        Ok(tables)
    }
}

impl Drop for Tables<'_> {
    fn drop(&mut self) {
        let first = self.0.value("WW_PG_DATABASE").unwrap_or("postgres");
        if let Err(words) = psql(self.0, first, &format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")) {
            eprintln!("slowdown: {DATABASE} stays: {words}");
        }
    }
}

/// Progress, beside the figures.
fn say(words: &str) {
    eprintln!("slowdown: {words}");
}
