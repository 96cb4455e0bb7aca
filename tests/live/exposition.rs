//! Expositions of real servers: judged by promtool and by a strict parser of OpenMetrics, and scraped by a real Prometheus
//! as if the exporters stood there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use watchward::engines;
use watchward::judge::rules::{LoadLimits, Rules};

use crate::agent::{Agent, Folder, configure, free_port, get, get_as, run, sections, wait};
use crate::main_job::{EVERYTHING, promtool};
use crate::servers::{Servers, servers};

/// How long a matter of a few cycles and scrapes may take on a machine that is busy.
const SOON: Duration = Duration::from_secs(60);

/// An agent that watches every server, with these names.
fn agent_of_all(folder: &Folder, naming: &str) -> Agent {
    let port = free_port();
    let targets = sections(&EVERYTHING, "");
    let config = configure(folder, &folder.0.join("state"), port, &format!("naming = \"{naming}\"\n{targets}"));
    let agent = Agent::start(config, port, folder, &[]);
    EVERYTHING.iter().for_each(|name| drop(agent.wait_up(name, true, SOON)));
    agent
}

const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";

/// Families by type, as prometheus_client's parser for OpenMetrics reads them; it ends at the first breach.
fn parsed(servers: &Servers, folder: &Folder, text: &str) -> BTreeMap<String, u64> {
    const SCRIPT: &str = "\
import collections, json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as families
print(json.dumps(collections.Counter(one.type for one in families(open(sys.argv[1]).read()))))";
    let file = folder.write("open.txt", text);
    let output = Command::new(servers.value("WW_PYTHON"))
        .env("PYTHONPATH", servers.value("WW_OPENMETRICS_PARSER"))
        .args(["-c", SCRIPT])
        .arg(&file)
        .output()
        .expect("python");
    assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("its counts")
}

/// The series of a text, without their values.
fn series(text: &str) -> BTreeSet<&str> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| Some(line.rsplit_once(' ')?.0)).collect()
}

/// What promtool may say of the exporters' own names: what is written down, and families whose names come from data.
fn is_waived(line: &str) -> bool {
    const WAIVERS: &str = include_str!("../fixtures/metrics/waivers.tsv");
    let (name, complaint) = line.split_once(' ').unwrap_or((line, ""));
    let mut families = engines::ALL.iter().flat_map(|engine| engine.rows()).flat_map(|row| row.families);
    let is_of_data = families.any(|family| name.starts_with(family.prefix));
    is_of_data || WAIVERS.lines().any(|one| one == format!("{name}\t{complaint}"))
}

#[test]
fn no_name_is_complained_about_that_is_ours_to_choose() {
    let servers = servers();
    for naming in ["compat", "strict", "both"] {
        let folder = Folder::new();
        let agent = agent_of_all(&folder, naming);
        let text = agent.get("/metrics");
        assert!(series(&text).len() > 2_000, "{naming}: {} series", series(&text).len());
        let (code, words) = promtool(&servers, &text);
        match naming {
            "strict" => assert_eq!((code, words.as_str()), (0, "")),
            _ => {
                let others: Vec<&str> = words.lines().filter(|line| !is_waived(line)).collect();
                assert!(others.is_empty(), "{naming}: {others:#?}");
            }
        }
        let (status, open) = get_as(agent.port, "/metrics", OPEN_METRICS).expect("an answer");
        assert_eq!(status, 200);
        let types = parsed(&servers, &folder, &open);
        println!("{naming}: {types:?}, {} series", series(&open).len());
        assert!(types["gauge"] > 500 && types["counter"] > 100 && types["histogram"] >= 3, "{types:?}");
        for name in EVERYTHING {
            let (_, open) = get_as(agent.port, &format!("/metrics?target={name}"), OPEN_METRICS).expect("an answer");
            parsed(&servers, &folder, &open);
        }
    }
}

/// A Prometheus of the test's own. It is killed when dropped.
struct Prometheus {
    child: Child,
    port: u16,
}

impl Prometheus {
    /// One that scrapes and judges every second.
    fn begin(servers: &Servers, folder: &Folder, scrape_configs: &str, rules: &[&str]) -> Prometheus {
        let port = free_port();
        let rules: Vec<String> = rules.iter().map(|name| format!("'{}'", copied(name).display())).collect();
        let config = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{}]\nscrape_configs:\n{scrape_configs}",
            rules.join(", ")
        );
        let config = folder.write("prometheus.yml", &config);
        let log = File::create(folder.0.join("prometheus.log")).expect("a log");
        let child = Command::new(servers.value("WW_PROMETHEUS"))
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.0.join("prometheus").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Prometheus");
        let prometheus = Prometheus { child, port };
        wait("Prometheus is ready", SOON, || get(port, "/-/ready").is_some_and(|(status, _)| status == 200));
        prometheus
    }

    /// An instant query's values, by `job instance`.
    fn query(&self, expression: &str) -> BTreeMap<String, Vec<f64>> {
        by_instance(&self.ask(expression))
    }

    fn ask(&self, expression: &str) -> Value {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (status, text) = get(self.port, &format!("/api/v1/query?query={encoded}")).expect("an answer");
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).expect("JSON")
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended already
        let _ = self.child.wait();
    }
}

fn copied(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/alert-rules").join(name)
}

/// Whose sample it is: `job instance`.
fn place(sample: &Value) -> String {
    let label = |name: &str| sample["metric"][name].as_str().unwrap_or("").to_string();
    format!("{} {}", label("job"), label("instance"))
}

fn by_instance(answer: &Value) -> BTreeMap<String, Vec<f64>> {
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for one in answer["data"]["result"].as_array().into_iter().flatten() {
        let value = one["value"][1].as_str().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN);
        values.entry(place(one)).or_default().push(value);
    }
    values.values_mut().for_each(|values| values.sort_by(f64::total_cmp));
    values
}

/// What dashboards ask, of things that stand still: Prometheus must answer what the agent itself answers, for each target.
const STILL: [&str; 8] = [
    "pg_settings_max_connections",
    "pg_replication_is_replica",
    "max by (job, instance) (pg_postmaster_start_time_seconds)",
    "count by (job, instance) (pg_database_size_bytes)",
    "max by (job, instance) (redis_start_time_seconds)",
    "redis_connected_slaves",
    "redis_config_maxclients",
    "count by (job, instance) (redis_instance_info{role=\"master\"}) or redis_up * 0",
];

/// And of things that move: each target has an answer.
const MOVING: [&str; 4] = [
    "sum by (job, instance) (rate(pg_stat_database_xact_commit[30s])) > 0",
    "sum by (job, instance) (pg_stat_activity_count)",
    "rate(redis_commands_processed_total[30s]) > 0",
    "redis_memory_used_bytes / redis_memory_max_bytes or redis_memory_used_bytes > 0",
];

/// What dashboards for PostgreSQL ask of one instance, and the question whose answer the server itself gives.
#[rustfmt::skip] // a table is read across
const OF_POSTGRESQL: [(&str, &str); 12] = [
    ("pg_settings_max_connections{instance=\"$instance\"}", "SHOW max_connections"),
    ("pg_settings_shared_buffers_bytes{instance=\"$instance\"}", "SELECT setting::int8 * 8192 FROM pg_settings WHERE name = 'shared_buffers'"),
    ("pg_settings_effective_cache_size_bytes{instance=\"$instance\"}", "SELECT setting::int8 * 8192 FROM pg_settings WHERE name = 'effective_cache_size'"),
    ("pg_settings_work_mem_bytes{instance=\"$instance\"}", "SELECT setting::int8 * 1024 FROM pg_settings WHERE name = 'work_mem'"),
    ("pg_settings_maintenance_work_mem_bytes{instance=\"$instance\"}", "SELECT setting::int8 * 1024 FROM pg_settings WHERE name = 'maintenance_work_mem'"),
    ("pg_settings_max_wal_size_bytes{instance=\"$instance\"}", "SELECT setting::int8 << 20 FROM pg_settings WHERE name = 'max_wal_size'"),
    ("pg_settings_random_page_cost{instance=\"$instance\"}", "SHOW random_page_cost"),
    ("pg_settings_max_worker_processes{instance=\"$instance\"}", "SHOW max_worker_processes"),
    ("pg_settings_max_parallel_workers{instance=\"$instance\"}", "SHOW max_parallel_workers"),
    ("floor(pg_postmaster_start_time_seconds{instance=\"$instance\"})", "SELECT floor(extract(epoch FROM pg_postmaster_start_time()))"),
    ("pg_replication_is_replica{instance=\"$instance\"}", "SELECT pg_is_in_recovery()::int"),
    ("count(pg_database_size_bytes{instance=\"$instance\"})", "SELECT count(*) FROM pg_database"),
];

/// And of Redis, with the command and the line of its answer.
const OF_REDIS: [(&str, &str, &str); 12] = [
    ("redis_connected_slaves{instance=\"$instance\"}", "INFO replication", "connected_slaves"),
    ("count(redis_instance_info{instance=\"$instance\",role=\"master\"}) or vector(0)", "", "master"),
    ("redis_config_maxclients{instance=\"$instance\"}", "INFO clients", "maxclients"),
    ("redis_memory_max_bytes{instance=\"$instance\"}", "INFO memory", "maxmemory"),
    ("redis_total_system_memory_bytes{instance=\"$instance\"}", "INFO memory", "total_system_memory"),
    ("redis_blocked_clients{instance=\"$instance\"}", "INFO clients", "blocked_clients"),
    ("redis_evicted_keys_total{instance=\"$instance\"}", "INFO stats", "evicted_keys"),
    ("redis_expired_keys_total{instance=\"$instance\"}", "INFO stats", "expired_keys"),
    ("redis_rejected_connections_total{instance=\"$instance\"}", "INFO stats", "rejected_connections"),
    ("redis_rdb_last_save_timestamp_seconds{instance=\"$instance\"}", "INFO persistence", "rdb_last_save_time"),
    ("redis_rdb_changes_since_last_save{instance=\"$instance\"}", "INFO persistence", "rdb_changes_since_last_save"),
    ("redis_aof_enabled{instance=\"$instance\"}", "INFO persistence", "aof_enabled"),
];

fn answer_of(program: &mut Command) -> String {
    let output = program.stdin(Stdio::null()).output().expect("it runs");
    String::from_utf8_lossy(&output.stdout).trim().to_string()
}

fn postgresql_says(servers: &Servers, port: &str, question: &str) -> f64 {
    let mut psql = Command::new(servers.value("WW_PSQL"));
    psql.env("PGPASSWORD", servers.secret("WW_PG_ADMIN_PASSWORD_FILE")).args([
        "-X",
        "-q",
        "-A",
        "-t",
        "-h",
        "127.0.0.1",
    ]);
    psql.args(["-U", servers.value("WW_PG_ADMIN_USER"), "-d", "postgres", "-p", port, "-c", question]);
    answer_of(&mut psql).parse().expect("a number")
}

fn redis_says(servers: &Servers, port: &str, command: &str, field: &str) -> f64 {
    let command = if command.is_empty() { "INFO replication" } else { command };
    let mut cli = Command::new(servers.value("WW_REDIS_CLI"));
    cli.env("REDISCLI_AUTH", servers.secret("WW_REDIS_ADMIN_PASSWORD_FILE"));
    cli.args(["--user", servers.value("WW_REDIS_ADMIN_USER"), "-p", port]).args(command.split(' '));
    let text = answer_of(&mut cli);
    if field == "master" {
        return f64::from(u8::from(text.contains("role:master")));
    }
    let line = text.lines().find_map(|line| line.trim().strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {field} in {text}")).parse().expect("a number")
}

/// Dashboards ask one instance at a time: Prometheus answers as that server does, for each of them.
fn check_dashboards(prometheus: &Prometheus, servers: &Servers) {
    let check = |query: &str, instance: &str, truth: &dyn Fn() -> f64| {
        let query = query.replace("$instance", instance);
        let values = || prometheus.query(&query).into_values().flatten().collect::<Vec<f64>>();
        wait(&format!("{query} is {}", truth()), SOON, || {
            let values = values();
            values.len() == 1 && (values[0] - truth()).abs() < 1e-9
        });
    };
    for key in ["WW_PG_PRIMARY_PORT", "WW_PG_STANDBY_PORT"] {
        let port = servers.value(key);
        for (query, question) in OF_POSTGRESQL {
            check(query, &format!("localhost:{port}"), &|| postgresql_says(servers, port, question));
        }
    }
    for key in ["WW_REDIS_PRIMARY_PORT", "WW_REDIS_REPLICA_PORT"] {
        let port = servers.value(key);
        for (query, command, field) in OF_REDIS {
            check(query, &format!("127.0.0.1:{port}"), &|| redis_says(servers, port, command, field));
        }
    }
}

/// Two PostgreSQL and two Redis servers behind one agent, as Prometheus sees them: `scrape` with `PORT` for the agent's.
fn check_through_one_endpoint(scrape: &str, has_own_up: bool) {
    let (folder, servers) = (Folder::new(), servers());
    let four = sections(&["orders", "orders-standby", "cache", "cache-replica"], "interval = \"1s\"");
    let agent = Agent::begin(&folder, &four);
    let scrape = scrape.replace("PORT", &agent.port.to_string());
    let prometheus = Prometheus::begin(&servers, &folder, &scrape, &["postgresql.yml", "redis.yml"]);
    let instance = |job: &str, port: &str| {
        let host = if job == "redis" { "127.0.0.1" } else { "localhost" };
        format!("{job} {host}:{}", servers.value(port))
    };
    let pair = |job, one, other| BTreeSet::from([instance(job, one), instance(job, other)]);
    let postgresql = pair("postgres", "WW_PG_PRIMARY_PORT", "WW_PG_STANDBY_PORT");
    let redis = pair("redis", "WW_REDIS_PRIMARY_PORT", "WW_REDIS_REPLICA_PORT");
    for query in STILL {
        let own = |query: &str| {
            let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
            by_instance(&agent.json(&format!("/api/v1/query?query={encoded}")))
        };
        let wanted = if query.contains("pg_") { &postgresql } else { &redis };
        wait(&format!("{query}: each target's own answer"), SOON, || {
            let answer = prometheus.query(query);
            answer.keys().eq(wanted) && answer == own(query)
        });
    }
    for query in MOVING {
        let wanted = if query.contains("pg_") { &postgresql } else { &redis };
        wait(&format!("{query}: each target has an answer"), SOON, || prometheus.query(query).keys().eq(wanted));
    }
    check_dashboards(&prometheus, &servers);
    // Every copied rule is true of the same targets in Prometheus as in the agent.
    let files =
        ["postgresql.yml", "redis.yml"].map(|name| (name.to_string(), fs::read_to_string(copied(name)).expect("it")));
    let loaded = Rules::load(&files, &LoadLimits::default()).expect("they load");
    for (_, rule) in loaded.each() {
        let expression = rule.expression.to_string();
        let own = || agent.ask(&expression).iter().map(place).collect::<BTreeSet<_>>();
        wait(&format!("{}: the same targets", rule.name), SOON, || {
            let answer = prometheus.ask(&expression);
            let theirs = answer["data"]["result"].as_array().into_iter().flatten().map(place).collect::<BTreeSet<_>>();
            theirs == own()
        });
    }
    let values = |query: &str| prometheus.query(query).into_values().flatten().collect::<Vec<_>>();
    let mut replicas = values("pg_replication_is_replica");
    replicas.sort_by(f64::total_cmp);
    assert_eq!(replicas, [0.0, 1.0], "they do not answer for one another");
    if has_own_up {
        let all: BTreeSet<String> = postgresql.union(&redis).cloned().collect();
        wait("each has its own up", SOON, || prometheus.query("up == 1").keys().eq(&all));
    }
    let alert = |name: &str| {
        let answer = prometheus.ask(&format!("ALERTS{{alertname=\"{name}\"}}"));
        by_instance(&answer).into_keys().collect::<Vec<_>>()
    };
    assert_eq!((alert("PostgresqlDown"), alert("RedisDown")), (Vec::new(), Vec::new()));
    servers.ctl("redis-replica", "stop");
    servers.ctl("postgresql-standby", "stop");
    let told = std::panic::catch_unwind(|| {
        wait("the copied rules tell of those that are down, and of no other", SOON, || {
            alert("RedisDown") == [instance("redis", "WW_REDIS_REPLICA_PORT")]
                && alert("PostgresqlDown") == [instance("postgres", "WW_PG_STANDBY_PORT")]
        });
    });
    servers.ctl("redis-replica", "start");
    servers.ctl("postgresql-standby", "start");
    assert!(told.is_ok(), "{:?} {:?}", alert("RedisDown"), alert("PostgresqlDown"));
    wait("they are back", SOON, || alert("RedisDown").is_empty() && alert("PostgresqlDown").is_empty());
}

#[test]
fn one_scrape_of_all_targets_gives_each_its_own_answer() {
    let scrape =
        "  - job_name: watchward\n    honor_labels: true\n    static_configs: [{ targets: [\"127.0.0.1:PORT\"] }]\n";
    check_through_one_endpoint(scrape, false);
}

#[test]
fn service_discovery_gives_each_target_its_own_answer() {
    let scrape = "  - job_name: watchward-targets\n    http_sd_configs: [{ url: \"http://127.0.0.1:PORT/api/v1/sd\", refresh_interval: 1s }]\n    \
                  relabel_configs: [{ source_labels: [__meta_watchward_tenant], target_label: tenant }]\n";
    check_through_one_endpoint(scrape, true);
}

#[test]
fn one_target_is_read_without_an_agent_and_refusals_are_told() {
    let (folder, servers) = (Folder::new(), servers());
    let all = sections(&EVERYTHING, "");
    let config = configure(&folder, &folder.0.join("state"), free_port(), &all);
    let sample = |name: &str| run(&["sample", "--target", name, "--config", &config.display().to_string()], &[]);
    for (name, line) in [
        ("orders", "pg_up 1"),
        ("cache", "redis_up 1"),
        ("visits", "clickhouse_up 1"),
        ("search", "elasticsearch_cluster_health_up 1"),
        ("search-opensearch", "elasticsearch_cluster_health_up 1"),
        ("documents-1", "mongodb_up 1"),
        ("cache-sentinel-1", "redis_up 1"),
        ("orders-standby", "pg_replication_is_replica 1"),
        ("this-host", "node_up 1"),
    ] {
        let (code, text, said) = sample(name);
        assert_eq!((code, said.as_str()), (0, ""), "{name}");
        assert!(text.lines().any(|one| one == line), "{name}: {text}");
    }
    assert!(!folder.0.join("state").exists(), "nothing is written");
    let wrong = folder.write("wrong", "wrong\n");
    let text = fs::read_to_string(&config)
        .expect("it")
        .replace(servers.value("WW_REDIS_MONITOR_PASSWORD_FILE"), &wrong.display().to_string());
    fs::write(&config, text).expect("written");
    let (code, text, said) = sample("cache");
    assert_eq!(code, 2, "{said}");
    assert!(text.ends_with("\nredis_up 0\n"), "{text}");
    let expected = format!(
        "error: no session with 127.0.0.1:{} as 'watchward': WRONGPASS invalid username-password pair or user is disabled. [redis-02]\n",
        servers.value("WW_REDIS_PRIMARY_PORT")
    );
    assert!(said.starts_with(&expected), "{said}\n{expected}");
}
