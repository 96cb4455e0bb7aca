//! What watching asks of the servers, in the servers' own words: time, sessions, commands and requests per cycle.
//! How it measures, and what is to be reached: ../README.md

#![allow(clippy::disallowed_methods)] // it starts programs, reads clocks and files: an edge of its own

#[allow(dead_code)] // each bench uses a part of it
#[path = "../common/mod.rs"]
mod common;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::common::agent::Agent;
use crate::common::asking::{mongodb, number, psql, redis};
use crate::common::folder::Folder;
use crate::common::servers::Servers;
use crate::common::{Outcome, options, verdict, whole};

/// What the PostgreSQL that is watched holds beside its own.
const DATABASES: usize = 5;
const TABLES: usize = 100;

/// The most sessions at any moment: `sessions_max` of the configuration.
const SESSIONS_MAX: f64 = 6.0;
/// New sessions for each cycle.
const NEW_SESSIONS_MAX: f64 = 0.1;
/// What PostgreSQL works for a cycle, and MongoDB: its commands run one after the other, so this is their time in all.
const POSTGRESQL_MS_MAX: f64 = 110.0;
const MONGODB_MS_MAX: f64 = 20.0;

/// Cycles before anything is counted: the first ones ask every row.
const CYCLES_TO_SETTLE: f64 = 3.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        // `cargo test --all-targets` runs benches too, without a word.
        println!("politeness measures for minutes, on real servers: cargo bench --bench politeness");
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(text) => {
            println!("\n{text}");
            ExitCode::SUCCESS
        }
        Err(words) => {
            eprintln!("politeness: {words}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Outcome<String> {
    let given = options(arguments, &["seconds", "agent"])?;
    let time = Duration::from_secs(whole(&given, "seconds", 120)?);
    let usual = PathBuf::from(env!("CARGO_BIN_EXE_watchward"));
    let program = given.get("agent").map_or(usual, PathBuf::from);
    let servers = Servers::read()?;
    let folder = Folder::make("politeness", false)?;
    let crowd = Crowd::fill(&servers)?;
    let mut text =
        format!("Politeness: {} s without the agent, {} s with it, every 5 s\n", time.as_secs(), time.as_secs());
    let mut verdicts = String::new();
    for server in SERVERS {
        say(&format!("{}: {}", server.engine, server.what));
        let seen = Seen::of(server, &servers, &program, time, &folder)?;
        seen.write(&mut text, &mut verdicts);
    }
    drop(crowd);
    Ok(format!("{text}\nFigures to reach\n{verdicts}"))
}

/// A server that is watched, and how it is asked what it did.
struct Server {
    engine: &'static str,
    what: &'static str,
    /// What has been asked of it since it began. What the asking itself costs is in both spans alike.
    count: fn(&Servers) -> Outcome<Count>,
    /// The most of its time that a cycle may take, where it counts that.
    server_ms_max: f64,
}

/// What a server counts.
#[derive(Clone, Copy, Default)]
struct Count {
    /// Statements, commands or requests.
    asked: f64,
    /// Time it worked on them, of the monitoring user in PostgreSQL and of everybody in MongoDB; zero where it is not told.
    server_ms: f64,
    /// Sessions opened since it began.
    sessions: f64,
    /// Sessions that the monitoring user has now; zero where it is not told by user.
    open: f64,
}

const SERVERS: &[Server] = &[
    Server {
        engine: "postgresql",
        what: "5 databases of 100 tables; pg_stat_statements",
        count: of_postgresql,
        server_ms_max: POSTGRESQL_MS_MAX,
    },
    Server { engine: "redis", what: "INFO commandstats", count: of_redis, server_ms_max: 0.0 },
    Server {
        engine: "mongodb",
        what: "serverStatus.network.numRequests and .opLatencies",
        count: of_mongodb,
        server_ms_max: MONGODB_MS_MAX,
    },
];

fn of_postgresql(servers: &Servers) -> Outcome<Count> {
    let user = servers.value("WW_MONITOR_USER")?;
    let text = psql(
        servers,
        servers.value("WW_PG_DATABASE")?,
        &format!(
            "SELECT coalesce(sum(calls), 0), coalesce(sum(total_exec_time + total_plan_time), 0), \
             (SELECT sum(sessions) FROM pg_stat_database), \
             (SELECT count(*) FROM pg_stat_activity WHERE usename = '{user}') \
             FROM pg_stat_statements WHERE userid = '{user}'::regrole"
        ),
    )?;
    let numbers: Option<Vec<f64>> = text.split('|').map(|word| word.parse().ok()).collect();
    match numbers.as_deref() {
        Some([asked, server_ms, sessions, open]) => {
            Ok(Count { asked: *asked, server_ms: *server_ms, sessions: *sessions, open: *open })
        }
        _ => Err(format!("four numbers were to come from PostgreSQL, not '{text}'")),
    }
}

fn of_redis(servers: &Servers) -> Outcome<Count> {
    let text = redis(servers, &["INFO", "everything"])?;
    let calls =
        text.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split_once("calls=")?.1.split(',').next());
    let asked = calls.filter_map(|calls| calls.parse::<f64>().ok()).sum();
    let clients = redis(servers, &["CLIENT", "LIST"])?;
    let name = format!("user={} ", servers.value("WW_MONITOR_USER")?);
    #[allow(clippy::cast_precision_loss)] // a handful
    let open = clients.lines().filter(|line| line.contains(&name)).count() as f64;
    Ok(Count { asked, sessions: number(&text, "total_connections_received:")?, open, ..Count::default() })
}

fn of_mongodb(servers: &Servers) -> Outcome<Count> {
    let script = "s=c.admin.command('serverStatus')\n\
                  print('requests', s['network']['numRequests'])\nprint('sessions', s['connections']['totalCreated'])\n\
                  print('micros', sum(s['opLatencies'][k]['latency'] for k in ('reads', 'commands')))\n";
    let text = mongodb(servers, script, &[])?;
    Ok(Count {
        asked: number(&text, "requests ")?,
        server_ms: number(&text, "micros ")? / 1e3,
        sessions: number(&text, "sessions ")?,
        ..Count::default()
    })
}

/// What a server counted in the two spans.
struct Seen {
    engine: &'static str,
    server_ms_max: f64,
    cycles: f64,
    without: Count,
    with: Count,
    most_open: f64,
}

impl Seen {
    fn of(server: &Server, servers: &Servers, program: &Path, time: Duration, folder: &Folder) -> Outcome<Seen> {
        let (without, _) = span(server, servers, time)?;
        let targets = servers.first_of(&[server.engine])?;
        let mut agent = Agent::configure(server.engine, program, &targets, "", folder)?;
        agent.start(folder)?;
        agent.wait_cycles(CYCLES_TO_SETTLE)?;
        let cycles = || agent.metric("watchward_sample_cycles_total{up=\"1\"}");
        let before = cycles()?;
        let (with, most_open) = span(server, servers, time)?;
        let Server { engine, server_ms_max, .. } = *server;
        Ok(Seen { engine, server_ms_max, cycles: cycles()? - before, without, with, most_open })
    }

    /// What one cycle costs of one of the things that are counted.
    fn per_cycle(&self, of: fn(&Count) -> f64) -> f64 {
        (of(&self.with) - of(&self.without)) / self.cycles
    }

    fn write(&self, text: &mut String, verdicts: &mut String) {
        let Seen { engine, cycles, most_open, .. } = self;
        let (asked, new) = (self.per_cycle(|count| count.asked), self.per_cycle(|count| count.sessions));
        let _ = writeln!(text, "- {engine}: {cycles} cycles; per cycle {asked:.1} requests, {new:.2} new sessions"); // a String takes everything
        let mut say = |reached, what: &str| {
            let _ = writeln!(verdicts, "{}", verdict(reached, &format!("{engine}: {what}")));
        };
        say(*cycles > 0.0, "there were cycles");
        say(new <= NEW_SESSIONS_MAX, &format!("{new:.2} new sessions per cycle; at most {NEW_SESSIONS_MAX}"));
        if *most_open > 0.0 {
            say(*most_open <= SESSIONS_MAX, &format!("{most_open} sessions at once; at most {SESSIONS_MAX}"));
        }
        if self.with.server_ms > 0.0 {
            let (ms, most) = (self.per_cycle(|count| count.server_ms), self.server_ms_max);
            say(ms <= most, &format!("{ms:.1} ms of the server's time per cycle; at most {most} ms"));
        }
    }
}

/// What a server counts in some time, and the most sessions that were seen: looked at once a second, in every span.
fn span(server: &Server, servers: &Servers, time: Duration) -> Outcome<(Count, f64)> {
    let first = (server.count)(servers)?;
    let (began, mut last, mut most_open) = (Instant::now(), first, 0.0_f64);
    for second in 1..=time.as_secs() {
        std::thread::sleep(Duration::from_secs(second).saturating_sub(began.elapsed()));
        last = (server.count)(servers)?;
        most_open = most_open.max(last.open);
    }
    let grown = Count {
        asked: last.asked - first.asked,
        server_ms: last.server_ms - first.server_ms,
        sessions: last.sessions - first.sessions,
        open: last.open,
    };
    Ok((grown, most_open))
}

/// Databases with tables that have been written to, gone at the end.
struct Crowd<'a>(&'a Servers);

impl Crowd<'_> {
    fn fill(servers: &Servers) -> Outcome<Crowd<'_>> {
        say(&format!("making {DATABASES} databases of {TABLES} tables"));
        let crowd = Crowd(servers);
        let first = servers.value("WW_PG_DATABASE")?;
        for name in names() {
            psql(servers, first, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
            psql(servers, first, &format!("CREATE DATABASE {name}"))?;
            let fill = format!(
                "DO $$ BEGIN FOR n IN 1..{TABLES} LOOP \
                 EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, word text)', n); \
                 EXECUTE format('INSERT INTO t%s SELECT g, md5(g::text) FROM generate_series(1, 100) g', n); \
                 END LOOP; END $$"
            );
            psql(servers, &name, &fill)?;
        }
        Ok(crowd)
    }
}

impl Drop for Crowd<'_> {
    fn drop(&mut self) {
        for name in names() {
            let database = self.0.value("WW_PG_DATABASE").unwrap_or("postgres");
            if let Err(words) = psql(self.0, database, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")) {
                eprintln!("politeness: {name} stays: {words}");
            }
        }
    }
}

fn names() -> impl Iterator<Item = String> {
    (1..=DATABASES).map(|number| format!("politeness_{number}"))
}

/// Progress, beside the figures.
fn say(words: &str) {
    eprintln!("politeness: {words}");
}
