//! Our families beside Debian's exporters, in one run on the same servers: none of theirs is missing, of the same type, and
//! what does not move has the same value. What need not be ours is listed, with reasons, where the bench reads it too.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::agent::{Folder, free_port, get, run, sections, wait};
use crate::servers::{Servers, servers};

#[allow(dead_code)] // the bench uses the rest
#[path = "../../benches/footprint/families.rs"]
mod wanted;

/// One side: types by name, values by series without the labels of who read it.
#[derive(Default)]
struct Side {
    types: BTreeMap<String, String>,
    series: BTreeMap<String, f64>,
}

/// Labels that say who read a series, not what it is of; and one in which Debian's exporter, older than OpenSearch, does
/// not take a cluster manager for a master.
const LEFT_OUT: &[&str] = &["instance", "job", "server", "target", "tenant", "es_master_node"];

/// Levels that the exporter gives as counters: a rate of them means nothing, and they go down.
const LEVELS: &[&str] = &[
    "elasticsearch_breakers_overhead",
    "elasticsearch_index_stats_fielddata_memory_bytes_total",
    "elasticsearch_index_stats_merge_auto_throttle_bytes_total",
    "elasticsearch_index_stats_query_cache_memory_bytes_total",
    "elasticsearch_index_stats_request_cache_memory_bytes_total",
    "elasticsearch_indices_completion_size_in_bytes",
    "elasticsearch_indices_translog_operations",
    "elasticsearch_indices_translog_size_in_bytes",
    "elasticsearch_jvm_memory_pool_max_bytes",
    "elasticsearch_jvm_memory_pool_peak_max_bytes",
    "elasticsearch_jvm_memory_pool_peak_used_bytes",
];

/// Series of theirs that have other labels or another value here, and why.
const OTHERWISE: &[(&str, &str)] = &[
    ("elasticsearch_clusterinfo_version_info{", "1 here, as with every other info"),
    ("elasticsearch_jvm_uptime_seconds{", "their label type is left over from the buffer pools"),
];

/// Gauges that move by themselves from one moment to the next.
const MOVING: &[&str] = &[
    "elasticsearch_breakers_estimated_size_bytes",
    "elasticsearch_cluster_health_",
    "elasticsearch_filesystem_data_",
    "elasticsearch_http_open_connections",
    "elasticsearch_index_stats_request_cache_memory_bytes_total",
    "elasticsearch_indices_request_cache_memory_size_bytes",
    "elasticsearch_jvm_",
    "elasticsearch_os_",
    "elasticsearch_process_",
    "elasticsearch_thread_pool_",
];

fn parse(text: &str) -> Side {
    let mut side = Side::default();
    for line in text.lines() {
        if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, kind) = typed.split_once(' ').expect("a type");
            side.types.insert(name.to_string(), kind.to_string());
        } else if !line.starts_with('#')
            && let Some((series, value)) = line.rsplit_once(' ')
        {
            side.series.insert(normal(series), value.parse().expect("a number"));
        }
    }
    side
}

/// Name and labels that have a value, sorted, without those that are left out. No value here has `",` in it.
fn normal(series: &str) -> String {
    let Some((name, labels)) = series.split_once('{') else { return series.to_string() };
    let labels =
        labels.trim_end_matches('}').split("\",").filter_map(|one| one.trim_matches(['"', ' ']).split_once("=\""));
    let mut kept: Vec<String> = labels
        .filter(|(label, value)| !value.is_empty() && !LEFT_OUT.contains(label))
        .map(|(label, value)| format!("{label}=\"{value}\""))
        .collect();
    kept.sort();
    if kept.is_empty() { name.to_string() } else { format!("{name}{{{}}}", kept.join(",")) }
}

/// An exporter; it ends with the test.
struct Exporter {
    child: Child,
    port: u16,
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Exporter {
    /// Starts Debian's, and waits for the line that shows that its server answered. None: it is not installed here.
    fn start(job: &str, sign: &str, with: impl FnOnce(&mut Command, &str)) -> Option<Exporter> {
        let program = format!("/usr/bin/prometheus-{job}-exporter");
        if !Path::new(&program).exists() {
            assert!(std::env::var("CI").map_or(true, |value| value != "true"), "{program} is missing where CI=true");
            println!("skipped: {program} is not installed");
            return None;
        }
        let port = free_port();
        let mut command = Command::new(program);
        with(&mut command, &format!("127.0.0.1:{port}"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        let exporter = Exporter { child, port };
        let says = || get(port, "/metrics").is_some_and(|(_, text)| text.lines().any(|line| line.starts_with(sign)));
        wait(&format!("the exporter says {sign}"), Duration::from_secs(60), says);
        Some(exporter)
    }

    fn read(&self) -> Side {
        parse(&get(self.port, "/metrics").expect("an answer").1)
    }
}

/// One of our targets, read once as `watchward sample` does, with the rows of the bench.
fn ours(target: &str, engine: &str) -> Side {
    let rows = wanted::ROWS.iter().find(|(word, _)| *word == engine).map_or(&[][..], |(_, rows)| *rows);
    // What the exporter gives beyond the bench's flags is compared as well.
    let beyond = if engine == "elasticsearch" { &["shards", "index_settings"][..] } else { &[] };
    let collect: Vec<&str> = rows.iter().chain(beyond).copied().collect();
    let folder = Folder::new();
    let text = format!("[agent]\nname = \"test\"\nstate_dir = {:?}\n{}", folder.0.join("state"), {
        sections(&[target], &format!("collect = {collect:?}"))
    });
    let config = folder.write("agent.toml", &text);
    let (code, said, error) = run(&["sample", "--target", target, "--config", config.to_str().expect("a path")], &[]);
    assert_eq!(code, 0, "{error}");
    parse(&said)
}

/// Reads theirs, ours, theirs again, and compares. `values` whether series and values are compared beside names and types.
fn compare(exporter: &Exporter, target: &str, engine: &str, values: bool) {
    let before = exporter.read();
    let own = ours(target, engine);
    let after = exporter.read();
    let seen: BTreeMap<String, Vec<f64>> =
        after.series.iter().map(|(series, value)| (series.clone(), vec![*value])).collect();
    let wanted = wanted::wanted(&seen);
    let mut wrong = Vec::new();
    for name in &wanted {
        if !own.series.keys().any(|series| wanted::name(series) == name) {
            wrong.push(format!("{name} is missing"));
        }
        let (theirs, mine) = (after.types.get(name), own.types.get(name));
        let may_differ = theirs.is_some_and(|kind| kind == "untyped") || LEVELS.contains(&name.as_str());
        if theirs.is_some() && mine.is_some() && theirs != mine && !may_differ {
            wrong.push(format!("{name} is a {mine:?}, theirs a {theirs:?}"));
        }
    }
    let mut same = 0;
    let is_otherwise = |series: &str| OTHERWISE.iter().any(|(begin, _)| series.starts_with(begin));
    for (series, last) in after.series.iter().filter(|_| values) {
        let name = wanted::name(series);
        let (Some(first), true) = (before.series.get(series), wanted.contains(name) && !is_otherwise(series)) else {
            continue;
        };
        let Some(value) = own.series.get(series) else {
            wrong.push(format!("{series} is missing"));
            continue;
        };
        let is_counter = own.types.get(name).is_some_and(|kind| kind == "counter");
        let moves = MOVING.iter().any(|begin| name.starts_with(begin)) && !is_counter;
        // A counter stands between its values before and after; what does not move has its value.
        let fits = if is_counter { first <= value && value <= last } else { value == first || value == last };
        if !moves && !fits {
            wrong.push(format!("{series} is {value}, theirs {first} before and {last} after"));
        }
        same += usize::from(!moves && fits);
    }
    assert!(wrong.is_empty(), "{target}: {wrong:#?}");
    let also = if values { format!(", {same} of their series with their value") } else { String::new() };
    println!("{target}: {} families of theirs are ours{also}", wanted.len());
    assert!(wanted.len() > 100 && (!values || same > 150), "{} families, {same} series", wanted.len());
}

fn of_search(servers: &Servers, name: &str) -> Option<Exporter> {
    let uri = format!("https://{}:{}", servers.value("WW_TLS_HOST"), servers.value(&format!("WW_{name}_PROXY_PORT")));
    let password = servers.secret(&format!("WW_{name}_MONITOR_PASSWORD_FILE"));
    Exporter::start("elasticsearch", "elasticsearch_node_stats_up 1", |command, listen| {
        command.args([&format!("--web.listen-address={listen}"), &format!("--es.uri={uri}")]);
        command.arg(format!("--es.ca={}", servers.value("WW_CA_FILE"))).args(["--es.all", "--es.indices"]);
        command.args(["--es.shards", "--es.indices_settings", "--es.cluster_settings"]);
        command.env("ES_USERNAME", servers.value("WW_MONITOR_USER")).env("ES_PASSWORD", password);
    })
}

/// Something of each kind for the counters to be above zero: documents, searches, suggestions, a scroll, merges.
fn make_busy(servers: &Servers, name: &str) {
    let tell = |method: &str, path: &str, body: &str| crate::elasticsearch::tell(servers, name, method, path, body);
    for at in 0..5 {
        tell("PUT", &format!("/products/_doc/{at}?refresh=true"), r#"{"name": "nib"}"#);
        let body =
            r#"{"query": {"match": {"name": "nib"}}, "suggest": {"s": {"text": "nip", "term": {"field": "name"}}}}"#;
        tell("POST", "/products/_search", body);
        let counted = r#"{"size": 0, "aggs": {"a": {"terms": {"field": "name.keyword"}}}}"#;
        tell("POST", "/products/_search?request_cache=true", counted);
        tell("GET", &format!("/products/_doc/{at}"), "");
    }
    tell("DELETE", "/products/_doc/4?refresh=true", "");
    tell("POST", "/products/_search?scroll=1m", r#"{"size": 1}"#);
    tell("POST", "/products/_forcemerge?max_num_segments=1", "");
    tell("POST", "/products/_flush?force=true", "");
}

#[test]
fn no_family_of_elasticsearch_exporter_is_missing_and_values_are_the_same() {
    let servers = servers();
    for (name, target) in [("ELASTICSEARCH", "search"), ("OPENSEARCH", "search-opensearch")] {
        make_busy(&servers, name);
        let Some(exporter) = of_search(&servers, name) else { return };
        compare(&exporter, target, "elasticsearch", true);
    }
}

#[test]
fn no_family_of_postgres_exporter_is_missing() {
    let servers = servers();
    let value = |key: &str| servers.value(key);
    let uri = format!(
        "{}:{}/{}?sslmode=verify-full&sslrootcert={}",
        value("WW_TLS_HOST"),
        value("WW_PG_PRIMARY_PORT"),
        value("WW_PG_DATABASE"),
        value("WW_CA_FILE")
    );
    let exporter = Exporter::start("postgres", "pg_up 1", |command, listen| {
        command.arg(format!("--web.listen-address={listen}")).env("DATA_SOURCE_URI", uri);
        command.env("DATA_SOURCE_USER", value("WW_MONITOR_USER"));
        command.env("DATA_SOURCE_PASS_FILE", value("WW_PG_MONITOR_PASSWORD_FILE"));
    });
    if let Some(exporter) = exporter {
        compare(&exporter, "orders", "postgresql", false);
    }
}

#[test]
fn no_family_of_redis_exporter_is_missing() {
    let servers = servers();
    let address = format!("redis://{}:{}", servers.value("WW_HOST"), servers.value("WW_REDIS_PRIMARY_PORT"));
    let exporter = Exporter::start("redis", "redis_up 1", |command, listen| {
        command.args(["-web.listen-address", listen, "-redis.addr", &address]);
        command.args(["-redis.user", servers.value("WW_MONITOR_USER")]);
        command.env("REDIS_PASSWORD", servers.secret("WW_REDIS_MONITOR_PASSWORD_FILE"));
    });
    if let Some(exporter) = exporter {
        compare(&exporter, "cache", "redis", false);
    }
}

/// Series by series, with upstream's flags, in `node_exporter`; here as Debian starts it.
#[test]
fn no_family_of_node_exporter_is_missing() {
    let exporter = Exporter::start("node", "node_load1 ", |command, listen| {
        command.arg(format!("--web.listen-address={listen}"));
    });
    if let Some(exporter) = exporter {
        compare(&exporter, "this-host", "host", false);
    }
}
