//! The other side: four exporters, Prometheus and Alertmanager, on the same servers with the same rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::common::folder::Folder;
use crate::common::net::{SAMPLES_OF_A_DAY, free_port, get, query};
use crate::common::processes::Process;
use crate::common::servers::Servers;
use crate::common::{Outcome, wait};
use crate::families;
use crate::options::Options;
use crate::packages;
use crate::shape::Course;

const SCRAPE_S: u64 = 5;
/// Scrapes that are looked at before the history is made.
const LEARN_SCRAPES: usize = 4;
/// A block of Prometheus holds two hours, on the even hour.
const BLOCK_MS: i64 = 2 * 3_600_000;

/// One exporter: job as in Debian's example, where it listens, and what it says when its server is there.
struct Exporter {
    job: &'static str,
    port: u16,
    process: Process,
    /// A line that shows that the server answers.
    sign: &'static str,
}

pub struct Exporters {
    all: Vec<Exporter>,
    /// Values of each series, by its text with labels as Prometheus stores it.
    seen: BTreeMap<String, Vec<f64>>,
}

impl Exporters {
    /// Starts them, waits for all to see their server, and scrapes each a few times.
    pub fn start(servers: &Servers, folder: &Folder) -> Outcome<Exporters> {
        let all =
            vec![node(folder)?, postgres(servers, folder)?, redis(servers, folder)?, elasticsearch(servers, folder)?];
        let mut exporters = Exporters { all, seen: BTreeMap::new() };
        for one in &mut exporters.all {
            let what = format!("{} says '{}'", one.process.name, one.sign);
            wait(&what, Duration::from_secs(30), || {
                one.process.is_running()?;
                Ok(get(one.port, "/metrics").is_some_and(|text| text.lines().any(|line| line.starts_with(one.sign))))
            })?;
        }
        for round in 0..LEARN_SCRAPES {
            if round > 0 {
                std::thread::sleep(Duration::from_secs(SCRAPE_S));
            }
            exporters.look();
        }
        Ok(exporters)
    }

    /// The names that they give of their servers, and that must be ours.
    pub fn names(&self) -> BTreeSet<String> {
        families::wanted(&self.seen)
    }

    fn look(&mut self) {
        for one in &self.all {
            let text = get(one.port, "/metrics").unwrap_or_default();
            let series = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
                let (name, value) = line.rsplit_once(' ')?;
                Some((labelled(name, one.job, one.port), value.parse().ok()?))
            });
            for (name, value) in series {
                self.seen.entry(name).or_default().push(value);
            }
        }
    }
}

/// A series' text with the labels that a scrape adds.
fn labelled(name: &str, job: &str, port: u16) -> String {
    let own = format!("instance=\"127.0.0.1:{port}\",job=\"{job}\"");
    match name.split_once('{') {
        Some((name, labels)) => {
            // As Prometheus does it: the exporter's own label steps aside.
            let labels = labels.replace(",instance=\"", ",exported_instance=\"").replace(",job=\"", ",exported_job=\"");
            format!("{name}{{{own},{labels}")
        }
        None => format!("{name}{{{own}}}"),
    }
}

fn exporter(
    job: &'static str,
    sign: &'static str,
    folder: &Folder,
    with: impl FnOnce(&mut Command, String),
) -> Outcome<Exporter> {
    let port = free_port()?;
    let program = format!("prometheus-{job}-exporter");
    let process = debian(&program, folder, |command| with(command, format!("127.0.0.1:{port}")))?;
    Ok(Exporter { job, port, process, sign })
}

/// Starts one of Debian's programs.
fn debian(program: &str, folder: &Folder, with: impl FnOnce(&mut Command)) -> Outcome<Process> {
    let path = packages::find(program).ok_or(format!("{program} is not installed"))?;
    Process::start(program, &path, folder, with)
}

fn node(folder: &Folder) -> Outcome<Exporter> {
    exporter("node", "node_load1 ", folder, |command, listen| {
        command.arg(format!("--web.listen-address={listen}"));
    })
}

fn postgres(servers: &Servers, folder: &Folder) -> Outcome<Exporter> {
    let address = format!(
        "{}:{}/{}?sslmode=verify-full&sslrootcert={}",
        servers.value("WW_TLS_HOST")?,
        servers.value("WW_PG_PRIMARY_PORT")?,
        servers.value("WW_PG_DATABASE")?,
        servers.value("WW_CA_FILE")?
    );
    let (user, password) = (servers.value("WW_MONITOR_USER")?, servers.value("WW_PG_MONITOR_PASSWORD_FILE")?);
    exporter("postgres", "pg_up 1", folder, |command, listen| {
        command.arg(format!("--web.listen-address={listen}"));
        command.env("DATA_SOURCE_URI", address).env("DATA_SOURCE_USER", user).env("DATA_SOURCE_PASS_FILE", password);
    })
}

fn redis(servers: &Servers, folder: &Folder) -> Outcome<Exporter> {
    let address = format!("redis://{}:{}", servers.value("WW_HOST")?, servers.value("WW_REDIS_PRIMARY_PORT")?);
    let user = servers.value("WW_MONITOR_USER")?;
    let password = servers.secret("WW_REDIS_MONITOR_PASSWORD_FILE")?;
    exporter("redis", "redis_up 1", folder, |command, listen| {
        command.args(["-web.listen-address", &listen, "-redis.addr", &address, "-redis.user", user]);
        command.env("REDIS_PASSWORD", password);
    })
}

/// Through the same door as the agent: the proxy with TLS and a user that may read.
fn elasticsearch(servers: &Servers, folder: &Folder) -> Outcome<Exporter> {
    let host = servers.value("WW_TLS_HOST")?;
    let address = format!("https://{host}:{}", servers.value("WW_ELASTICSEARCH_PROXY_PORT")?);
    let user = servers.value("WW_MONITOR_USER")?;
    let password = servers.secret("WW_ELASTICSEARCH_MONITOR_PASSWORD_FILE")?;
    let authority = servers.value("WW_CA_FILE")?;
    exporter("elasticsearch", "elasticsearch_cluster_health_up 1", folder, |command, listen| {
        command.arg(format!("--web.listen-address={listen}")).arg(format!("--es.uri={address}"));
        command.arg(format!("--es.ca={authority}")).args(["--es.all", "--es.indices"]);
        command.env("ES_USERNAME", user).env("ES_PASSWORD", password);
    })
}

/// Prometheus and Alertmanager over the exporters: ready to start, or running.
pub struct Stack {
    exporters: Exporters,
    prometheus_port: u16,
    alertmanager_port: u16,
    /// Prometheus and Alertmanager, once started.
    servers: Vec<Process>,
}

impl Stack {
    /// Writes configurations and history.
    pub fn prepare(
        options: &Options,
        exporters: Exporters,
        rules: &[PathBuf],
        hook_port: u16,
        folder: &Folder,
    ) -> Outcome<Stack> {
        let (prometheus_port, alertmanager_port) = (free_port()?, free_port()?);
        let mut text = format!(
            "global:\n  scrape_interval: {SCRAPE_S}s\n  evaluation_interval: 15s\nrule_files: {rules:?}\n\
             alerting:\n  alertmanagers:\n    - static_configs:\n        - targets: [\"127.0.0.1:{alertmanager_port}\"]\n\
             scrape_configs:\n"
        );
        for one in &exporters.all {
            let (job, port) = (one.job, one.port);
            let _ = write!(text, "  - job_name: {job}\n    static_configs:\n      - targets: [\"127.0.0.1:{port}\"]\n"); // a String takes everything
        }
        folder.write("prometheus.yml", &text)?;
        folder.write(
            "alertmanager.yml",
            &format!(
                "route:\n  receiver: hook\nreceivers:\n  - name: hook\n    webhook_configs:\n      \
                 - url: http://127.0.0.1:{hook_port}/\n"
            ),
        )?;
        write_history(options, &exporters.seen, &folder.inner("prometheus")?)?;
        Ok(Stack { exporters, prometheus_port, alertmanager_port, servers: Vec::new() })
    }

    pub fn start(mut self, folder: &Folder) -> Outcome<Stack> {
        let (prometheus, alertmanager) = (self.prometheus_port, self.alertmanager_port);
        let path = |name: &str| folder.path().join(name).display().to_string();
        self.servers.push(debian("prometheus-alertmanager", folder, |command| {
            command.arg(format!("--config.file={}", path("alertmanager.yml")));
            command.arg(format!("--storage.path={}", path("alertmanager")));
            command.arg(format!("--web.listen-address=127.0.0.1:{alertmanager}"));
            command.arg("--cluster.listen-address="); // no gossip
        })?);
        self.servers.push(debian("prometheus", folder, |command| {
            command.arg(format!("--config.file={}", path("prometheus.yml")));
            command.arg(format!("--storage.tsdb.path={}", path("prometheus")));
            command.arg(format!("--web.listen-address=127.0.0.1:{prometheus}"));
        })?);
        let (servers, jobs) = (&mut self.servers, self.exporters.all.len());
        wait("Prometheus has scraped every exporter", Duration::from_secs(60), || {
            servers.iter_mut().try_for_each(Process::is_running)?;
            let up = get(prometheus, "/-/ready").map_or(Ok(0.0), |_| query(prometheus, "count(up == 1)"))?;
            #[allow(clippy::cast_precision_loss)] // four
            let all = up >= jobs as f64;
            Ok(all && get(alertmanager, "/-/ready").is_some())
        })?;
        Ok(self)
    }

    pub fn processes(&self) -> Vec<&Process> {
        self.exporters.all.iter().map(|one| &one.process).chain(&self.servers).collect()
    }

    /// Series with a value now.
    pub fn series(&self) -> Outcome<f64> {
        query(self.prometheus_port, "count({__name__!=\"\"})")
    }

    /// What Prometheus says of itself, for the reader of the table.
    pub fn note(&self) -> Outcome<String> {
        let port = self.prometheus_port;
        let mut each = Vec::new();
        for one in &self.exporters.all {
            let samples = query(port, &format!("scrape_samples_scraped{{job=\"{}\"}}", one.job))?;
            each.push(format!("{} {samples}", one.job));
        }
        let head = get(port, "/metrics").unwrap_or_default();
        let head = head.lines().find_map(|line| line.strip_prefix("prometheus_tsdb_head_series ")).unwrap_or("?");
        let day = query(port, SAMPLES_OF_A_DAY)?;
        let each = each.join(", ");
        Ok(format!(
            "theirs: prometheus_tsdb_head_series {head}; samples of node_load1 in the last day {day}; samples of one \
             scrape: {each}"
        ))
    }
}

/// Blocks of two hours, each imported by itself: promtool reads its whole input once for every block.
fn write_history(options: &Options, seen: &BTreeMap<String, Vec<f64>>, dir: &Path) -> Outcome<()> {
    let (from_ms, to_ms) = options.history_ms();
    let step_ms = i64::try_from(options.their_step.as_millis()).map_err(|error| error.to_string())?;
    #[allow(clippy::cast_precision_loss)] // thousands
    let (steps, scrapes) = (((to_ms - from_ms) / (SCRAPE_S * 1_000).cast_signed()) as f64, step_ms as f64 / 5_000.0);
    let mut courses: Vec<(&String, Course)> =
        seen.iter().enumerate().map(|(seed, (name, values))| (name, Course::of(values, steps, seed as u64))).collect();
    let input = dir.with_extension("openmetrics");
    let mut at_ms = from_ms;
    while at_ms <= to_ms {
        let end_ms = ((at_ms.div_euclid(BLOCK_MS) + 1) * BLOCK_MS).min(to_ms + 1);
        let times = (at_ms..end_ms).step_by(usize::try_from(step_ms).unwrap_or(60_000));
        let written = File::create(&input).and_then(|file| {
            let mut file = BufWriter::new(file);
            for (name, course) in &mut courses {
                for at_ms in times.clone() {
                    let value = number(course.next(scrapes));
                    writeln!(file, "{name} {value} {}.{:03}", at_ms / 1_000, at_ms % 1_000)?;
                }
            }
            file.write_all(b"# EOF\n")?;
            file.flush()
        });
        written.map_err(|error| format!("{}: {error}", input.display()))?;
        import(&input, dir)?;
        at_ms = times.last().map_or(end_ms, |last| last + step_ms);
    }
    fs::remove_file(&input).map_err(|error| error.to_string())
}

fn import(input: &Path, dir: &Path) -> Outcome<()> {
    let done = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics", "-q"])
        .args([input, dir])
        .output()
        .map_err(|error| format!("promtool: {error}"))?;
    if !done.status.success() {
        return Err(format!("promtool cannot import: {}", String::from_utf8_lossy(&done.stderr)));
    }
    Ok(())
}

/// A number as OpenMetrics writes it.
fn number(value: f64) -> String {
    match value {
        _ if value.is_nan() => "NaN".to_string(),
        f64::INFINITY => "+Inf".to_string(),
        f64::NEG_INFINITY => "-Inf".to_string(),
        _ => format!("{value}"),
    }
}
