//! Every row of every version of Redis and Valkey that is to be had here, the optional ones among them, with what
//! `grants` prints; and what it says is what the server's own INFO says.

use std::collections::BTreeMap;

use watchward::engines::contract::Version;
use watchward::model::target::{Target, Url};

use crate::points::Points;
use crate::servers::{all_read, engine, open, read_all, target};
use crate::single::{PASSWORD, Redis, redis_versions, version_of};

/// Something for each row to see: keys that expire, a stream with a group, a slow command, an error, a latency event.
fn work(server: &Redis) {
    for command in [
        &["SET", "cart:1", "pen", "EX", "5000"][..],
        &["MSET", "cart:2", "ink", "cart:3", "nib"],
        &["XADD", "orders", "*", "number", "1"],
        &["XADD", "orders", "*", "number", "2"],
        &["XGROUP", "CREATE", "orders", "mail", "0"],
        &["XREADGROUP", "GROUP", "mail", "one", "COUNT", "1", "STREAMS", "orders", ">"],
        &["INCR", "cart:1"],
        &["DEBUG", "SLEEP", "0.03"],
        &["GET", "cart:2"],
    ] {
        server.cli(command);
    }
}

/// Makes the login as the engine's own script does it, with the rights of its optional rows, which stand in comments.
fn watched(server: &Redis, version: Version) -> Target {
    let script = engine("redis").grants("watchward", Some(version), "");
    let optional = |line: &str| Some(line.strip_prefix("# For the optional row ")?.split_once(": ")?.1.to_string());
    let lines = script
        .lines()
        .filter_map(|line| optional(line).or_else(|| Some(line.to_string()).filter(|line| line.starts_with("ACL "))));
    for line in lines.chain([format!("ACL SETUSER watchward on >{PASSWORD}")]) {
        assert_eq!(server.cli(&line.split_whitespace().collect::<Vec<_>>()), "OK", "{version:?}: {line}");
    }
    let url = Url {
        scheme: "redis".to_string(),
        user: "watchward".to_string(),
        host: "127.0.0.1".to_string(),
        port: server.port,
        ..Url::default()
    };
    target("redis", url, PASSWORD)
}

/// The fields of INFO.
fn told(server: &Redis) -> BTreeMap<String, String> {
    let text = server.cli(&["INFO"]);
    let fields = text.lines().filter_map(|line| line.trim_end().split_once(':'));
    fields.map(|(field, value)| (field.to_string(), value.to_string())).collect()
}

/// What a client counts in.
const CLIENTS: &[&str] = &["connected_clients", "mem_clients_normal"];

/// How many metrics of the row are numbers of INFO that did not change meanwhile, each of which must be the same.
fn compared(
    version: &str,
    points: &Points,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> usize {
    let row = engine("redis").rows().iter().find(|row| row.name == "info").expect("a row");
    let mut count = 0;
    for metric in row.metrics.iter().filter(|metric| !metric.from.is_empty()) {
        let Some(field) = metric.from.split('|').find(|field| before.contains_key(*field)) else { continue };
        let Ok(number) = before[field].parse::<f64>() else { continue };
        // Whoever asks for INFO with another client is one client more, with its buffers.
        if after.get(field) == before.get(field) && !CLIENTS.contains(&field) {
            assert_eq!(points.all.get(metric.name), Some(&number), "{version}: {} is {field}", metric.name);
            count += 1;
        }
    }
    count
}

#[tokio::test]
async fn every_row_of_every_redis_is_read_and_says_what_info_says() {
    for (name, program) in redis_versions() {
        let version = version_of(&name);
        let more: &[&str] = if version >= (7, 0) { &["--enable-debug-command", "yes"] } else { &[] };
        let events = ["--latency-monitor-threshold", "10", "--slowlog-log-slower-than", "0", "--maxmemory", "100mb"];
        let server = Redis::begin(&program, &[&events, more].concat());
        work(&server);
        let target = watched(&server, version);
        let mut session = open(&target).await.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        session.probe().await.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let before = told(&server);
        session.probe().await.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let readings = read_all(engine("redis"), &mut *session).await;
        let after = told(&server);
        all_read(&readings);
        let flavour = if name.starts_with("valkey") { "valkey" } else { "" };
        assert_eq!((session.facts().version, session.facts().flavour.as_str()), (version, flavour));
        let points = |row: &str| readings[row].as_ref().expect("read");
        let count = compared(&name, points("info"), &before, &after);
        println!("{name}: {} rows, {count} numbers of INFO that stood still, and are the same", readings.len());
        assert!(count >= 60, "{name}: only {count} were compared");
        let value = |row: &str, series: &str| points(row).value(series);
        assert_eq!(value("info", "redis_db_keys{db=\"db0\"}"), 4.0);
        assert_eq!(value("info", "redis_db_keys_expiring{db=\"db0\"}"), 1.0);
        assert_eq!(value("commandstats", "redis_commands_total{cmd=\"mset\"}"), 1.0);
        let (failed, errors) = ("redis_commands_failed_calls_total{cmd=\"incr\"}", "redis_errors_total{err=\"ERR\"}");
        assert_eq!(value("commandstats", failed), 1.0, "{name}");
        assert_eq!(value("info", errors), 1.0, "{name}");
        assert_eq!(value("config", "redis_config_maxclients"), 10_000.0);
        assert!(value("slowlog_length", "redis_slowlog_length") > 9.0);
        assert!(value("latency", "redis_latency_spike_duration_seconds{event_name=\"command\"}") >= 0.03);
        let stream = "{db=\"db0\",group=\"mail\",stream=\"orders\"}";
        assert_eq!(value("streams", &format!("redis_stream_group_messages_pending{stream}")), 1.0);
        let lag = points("streams").all.get(&format!("redis_stream_group_lag{stream}")).copied();
        assert_eq!(lag, (version >= (7, 0)).then_some(1.0), "{name}: 7 began to count the lag of a group");
        let connections = "redis_client_connections{host=\"127.0.0.1\",name=\"watchward\",user=\"watchward\"}";
        assert_eq!(value("clients", connections), 1.0, "{name}");
        let histogram = readings.contains_key("latency_histogram");
        assert_eq!(histogram, version >= (7, 0), "{name}");
        if histogram {
            assert_eq!(value("latency_histogram", "redis_commands_latencies_usec_count{cmd=\"mset\"}"), 1.0);
        }
    }
}
