//! Redis: recorded answers of a primary, a replica, a Sentinel, a cluster node and a newer version; discovery.

use watchward::engines;
use watchward::engines::contract::{Access, Answer, Engine, Facts};
use watchward::engines::redis::monitor::info::Info;
use watchward::engines::redis::monitor::slowlog::without_arguments;
use watchward::engines::redis::session::facts;
use watchward::model::filter::{Choice, Filter};
use watchward::model::target::{SecretSource, Target, Url};

use crate::engines::points::{Points, from_fixture, row};

const RECORDED: [(&str, (u32, u32), &[&str]); 5] = [
    ("7.0", (7, 0), &["data"]),
    ("7.0-replica", (7, 0), &["data"]),
    ("7.0-cluster", (7, 0), &["data", "cluster"]),
    ("7.0-sentinel", (7, 0), &["sentinel"]),
    ("8.2", (8, 2), &["data"]),
];

fn engine() -> &'static dyn Engine {
    engines::find("redis").expect("registered")
}

fn server(folder: &str) -> Facts {
    let (_, version, capabilities) = RECORDED.iter().find(|(name, ..)| *name == folder).expect("recorded");
    Facts { version: *version, capabilities: capabilities.iter().copied().collect(), ..Facts::default() }
}

fn recorded(folder: &str, name: &str) -> Points {
    let facts = server(folder);
    let answer = from_fixture(&format!("redis/{folder}/{name}.json"));
    let points = Points::of(row(engine(), name, &facts), &answer, &facts);
    points.unwrap_or_else(|unknown| panic!("{folder} {name}: {unknown:?}"))
}

/// What one row makes of an answer.
fn points(name: &str, answer: &Answer) -> String {
    let facts = Facts { capabilities: ["data", "cluster", "sentinel"].into(), version: (7, 0), ..Facts::default() };
    Points::of(row(engine(), name, &facts), answer, &facts).expect("taken").text()
}

#[test]
fn every_answer_of_every_kind_of_server_is_understood_and_gives_each_series_once() {
    for (folder, ..) in RECORDED {
        for row in engine().rows().iter().filter(|row| row.exists(&server(folder))) {
            let points = recorded(folder, row.name);
            assert_eq!(points.twice, Vec::<String>::new(), "{folder} {}", row.name);
            for series in points.all.keys() {
                let name = series.split('{').next().unwrap_or("");
                assert!(row.metrics.iter().any(|metric| metric.name == name), "{folder} {}: {name}", row.name);
            }
            // A latency event is rare; everything else says something.
            assert!(!points.all.is_empty() || ["latency", "streams"].contains(&row.name), "{folder} {}", row.name);
        }
    }
}

#[test]
fn info_gives_plain_fields_labelled_lines_and_what_the_server_is() {
    let primary = recorded("7.0", "info");
    assert_eq!(primary.value("redis_memory_max_bytes"), f64::from(256 << 20));
    assert_eq!(primary.value("redis_aof_last_write_status"), 1.0);
    assert_eq!(primary.value("redis_db_keys{db=\"db0\"}"), 3.0);
    assert!(primary.value("redis_start_time_seconds") > 1.7e9);
    let text = primary.text();
    let slave = "{slave_ip=\"127.0.0.1\",slave_port=\"16380\",slave_state=\"online\"}";
    assert!(text.contains(&format!("redis_connected_slave_lag_seconds{slave} ")), "{text}");
    let info = text.lines().find(|line| line.starts_with("redis_instance_info{")).expect("an info metric");
    for label in
        ["role=\"master\"", "redis_version=\"7.0.15\"", "maxmemory_policy=\"noeviction\"", "tcp_port=\"16379\""]
    {
        assert!(info.contains(label), "{info}");
    }
    let replica = recorded("7.0-replica", "info");
    assert_eq!(replica.value("redis_master_link_up{master_host=\"127.0.0.1\",master_port=\"16379\"}"), 1.0);
    let followed = "redis_slave_info{master_host=\"127.0.0.1\",master_port=\"16379\",read_only=\"1\"}";
    assert_eq!(replica.value(followed), 1.0);
}

#[test]
fn lines_of_info_become_points() {
    let check = |line: &str, expected: &str| {
        let said = points("info", &Answer::Text(format!("# Section\r\n{line}\r\n")));
        let said: Vec<&str> = said.lines().filter(|line| !line.starts_with("redis_instance_info")).collect();
        assert_eq!(said.join("\n"), expected, "{line}");
    };
    check("rdb_last_bgsave_status:err", "redis_rdb_last_bgsave_status 0");
    check("latest_fork_usec:2500", "redis_latest_fork_seconds 0.0025");
    check("used_memory_human:1.41M", "");
    check("client_output_buffer_limit_disconnections:3", "redis_client_output_buffer_limit_disconnections_total 3");
    check("total_eviction_exceeded_time:1500", "redis_eviction_exceeded_time_ms_total 1500");
    check("maxmemory_reservation:1024", "redis_memory_max_reservation_bytes 1024");
    check("used_memory:", "");
    check(
        "db11:keys=3,expires=1,avg_ttl=1500",
        "redis_db_avg_ttl_seconds{db=\"db11\"} 1.5\nredis_db_keys_expiring{db=\"db11\"} 1\nredis_db_keys{db=\"db11\"} 3",
    );
    check("errorstat_OOM:count=17", "redis_errors_total{err=\"OOM\"} 17");
    check(
        "slave0:ip=10.0.0.2,port=6379,state=wait_bgsave,offset=0,lag=0",
        "redis_connected_slave_lag_seconds{slave_ip=\"10.0.0.2\",slave_port=\"6379\",slave_state=\"wait_bgsave\"} 0\n\
         redis_connected_slave_offset_bytes{slave_ip=\"10.0.0.2\",slave_port=\"6379\",slave_state=\"wait_bgsave\"} 0",
    );
    check("slave_priority:100", "redis_slave_priority 100");
    // 4 to 6.0 had other names for the buffers
    check("client_biggest_input_buf:9", "redis_client_recent_max_input_buffer_bytes 9");
    check("no colon", "");
}

#[test]
fn commands_give_counters_and_a_summary() {
    let text = "cmdstat_client|setname:calls=4,usec=20,usec_per_call=5.00,rejected_calls=1,failed_calls=2\r\n\
                latency_percentiles_usec_client|setname:p50=1.003,p99.9=2.007\r\n";
    assert_eq!(
        points("commandstats", &Answer::Text(text.to_string())),
        "redis_commands_duration_seconds_total{cmd=\"client|setname\"} 0.00002\n\
         redis_commands_failed_calls_total{cmd=\"client|setname\"} 2\n\
         redis_commands_rejected_calls_total{cmd=\"client|setname\"} 1\n\
         redis_commands_total{cmd=\"client|setname\"} 4\n\
         redis_latency_percentiles_usec_count{cmd=\"client|setname\"} 4\n\
         redis_latency_percentiles_usec_sum{cmd=\"client|setname\"} 20\n\
         redis_latency_percentiles_usec{cmd=\"client|setname\",quantile=\"50\"} 1.003\n\
         redis_latency_percentiles_usec{cmd=\"client|setname\",quantile=\"99.9\"} 2.007\n"
    );
}

#[test]
fn commands_give_histograms() {
    let answer = serde_json::json!(["get", ["calls", 9, "histogram_usec", [1, 5, 33, 8]]]);
    assert_eq!(
        points("latency_histogram", &Answer::Json(answer)),
        "redis_commands_latencies_usec_bucket{cmd=\"get\",le=\"+Inf\"} 9\n\
         redis_commands_latencies_usec_bucket{cmd=\"get\",le=\"1\"} 5\n\
         redis_commands_latencies_usec_bucket{cmd=\"get\",le=\"33\"} 8\n\
         redis_commands_latencies_usec_count{cmd=\"get\"} 9\n"
    );
}

#[test]
fn histograms_in_seconds_have_their_bounds_in_seconds() {
    let answer = serde_json::json!(["get", ["calls", 9, "histogram_usec", [1, 5, 33_554, 8]]]);
    assert_eq!(
        points("latency_histogram_seconds", &Answer::Json(answer)),
        "redis_commands_latencies_seconds_bucket{cmd=\"get\",le=\"+Inf\"} 9\n\
         redis_commands_latencies_seconds_bucket{cmd=\"get\",le=\"0.000001\"} 5\n\
         redis_commands_latencies_seconds_bucket{cmd=\"get\",le=\"0.033554\"} 8\n\
         redis_commands_latencies_seconds_count{cmd=\"get\"} 9\n"
    );
}

#[test]
fn clients_are_summed_up_by_who_they_are_and_many_are_other() {
    let client = |host: &str, idle: u32| {
        format!(
            "id=3 addr={host}:5123 laddr=10.0.0.1:6379 fd=8 name=web age=9 idle={idle} omem=10 tot-mem=100 cmd=get user=app"
        )
    };
    let text = [client("10.0.0.9", 4), client("10.0.0.9", 7), client("fd40::1", 0)].join("\n");
    let said = points("clients", &Answer::Text(text));
    for line in [
        "redis_client_connections{host=\"10.0.0.9\",name=\"web\",user=\"app\"} 2",
        "redis_client_connections{host=\"fd40::1\",name=\"web\",user=\"app\"} 1",
        "redis_client_idle_max_seconds{host=\"10.0.0.9\",name=\"web\",user=\"app\"} 7",
        "redis_client_output_buffer_bytes{host=\"10.0.0.9\",name=\"web\",user=\"app\"} 20",
        "redis_client_memory_bytes{host=\"10.0.0.9\",name=\"web\",user=\"app\"} 200",
    ] {
        assert!(said.lines().any(|said| said == line), "no {line} in\n{said}");
    }
    let many: Vec<String> = (0..60).map(|number| client(&format!("10.0.1.{number}"), number)).collect();
    let said = points("clients", &Answer::Text(many.join("\n")));
    let other = "redis_client_connections{host=\"other\",name=\"other\",user=\"other\"} 10";
    assert!(said.lines().any(|line| line == other), "{said}");
    assert_eq!(said.lines().count(), 51 * 4);
}

#[test]
fn streams_tell_what_waits_for_whom() {
    let group = serde_json::json!([
        "name",
        "mail",
        "consumers",
        2,
        "pending",
        3,
        "last-delivered-id",
        "1-0",
        "entries-read",
        4,
        "lag",
        6
    ]);
    let unsure = serde_json::json!(["name", "old", "consumers", 0, "pending", 0, "entries-read", null, "lag", null]);
    let answer = serde_json::json!([{ "name": "orders", "length": 10, "groups": [group, unsure] }]);
    assert_eq!(
        points("streams", &Answer::Json(answer)),
        "redis_stream_group_consumers{db=\"db0\",group=\"mail\",stream=\"orders\"} 2\n\
         redis_stream_group_consumers{db=\"db0\",group=\"old\",stream=\"orders\"} 0\n\
         redis_stream_group_entries_read{db=\"db0\",group=\"mail\",stream=\"orders\"} 4\n\
         redis_stream_group_lag{db=\"db0\",group=\"mail\",stream=\"orders\"} 6\n\
         redis_stream_group_messages_pending{db=\"db0\",group=\"mail\",stream=\"orders\"} 3\n\
         redis_stream_group_messages_pending{db=\"db0\",group=\"old\",stream=\"orders\"} 0\n\
         redis_stream_groups{db=\"db0\",stream=\"orders\"} 2\n\
         redis_stream_length{db=\"db0\",stream=\"orders\"} 10\n"
    );
}

#[test]
fn a_slow_command_is_shown_without_its_arguments() {
    let check = |words: &[&str], expected: &str| {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        assert_eq!(without_arguments(&words, 2000), expected);
    };
    check(&["keys", "user:planted*"], "KEYS ?");
    check(&["config", "set", "requirepass", "planted"], "CONFIG SET ? ?");
    check(&["MSET", "a", "b", "... (4 more arguments)"], "MSET ? ? …");
    check(&["PING"], "PING");
    check(&[], "");
}

#[test]
fn a_sentinel_tells_of_its_masters() {
    let text: String = ["sentinel", "sentinel_masters", "sentinel_ckquorum", "sentinel_slaves", "sentinel_sentinels"]
        .iter()
        .map(|row| recorded("7.0-sentinel", row).text())
        .collect();
    let master = "{master_address=\"127.0.0.1:16379\",master_name=\"cache\"}";
    for line in [
        "redis_sentinel_masters 1".to_string(),
        "redis_sentinel_master_status{master_address=\"127.0.0.1:16379\",master_name=\"cache\",master_status=\"ok\"} 1"
            .to_string(),
        format!("redis_sentinel_master_slaves{master} 1"),
        format!("redis_sentinel_master_sentinels{master} 3"),
        format!("redis_sentinel_master_ok_slaves{master} 1"),
        format!("redis_sentinel_master_ok_sentinels{master} 3"),
        format!("redis_sentinel_master_setting_ckquorum{master} 2"),
        "redis_sentinel_master_ckquorum_status{master_name=\"cache\",message=\"OK 3 usable Sentinels. Quorum and \
         failover authorization can be reached\"} 1"
            .to_string(),
    ] {
        assert!(text.lines().any(|said| said == line), "no {line} in\n{text}");
    }
}

#[test]
fn a_sentinel_in_trouble_says_so() {
    let down = "master0:name=cache,status=odown,address=10.0.0.1:6379,slaves=2,sentinels=1\r\n";
    assert!(points("sentinel", &Answer::Text(down.to_string())).contains("master_status=\"odown\"} 0\n"));
    let master = |more: serde_json::Value| {
        let mut all = serde_json::json!({ "name": "cache", "address": "10.0.0.1:6379" });
        all.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        Answer::Json(serde_json::json!([all]))
    };
    let refused = "NOQUORUM 1 usable Sentinels. Not enough available Sentinels to reach the specified quorum";
    assert_eq!(
        points("sentinel_ckquorum", &master(serde_json::json!({ "refused": refused }))),
        format!("redis_sentinel_master_ckquorum_status{{master_name=\"cache\",message=\"{refused}\"}} 0\n")
    );
    let slaves =
        serde_json::json!({ "answer": [["name", "a", "flags", "slave"], ["name", "b", "flags", "s_down,slave"]] });
    assert_eq!(
        points("sentinel_slaves", &master(slaves)),
        "redis_sentinel_master_ok_slaves{master_address=\"10.0.0.1:6379\",master_name=\"cache\"} 1\n"
    );
}

#[test]
fn the_slow_log_and_latency_events_are_read_by_their_places() {
    let last = serde_json::json!([[41, 1_795_479_656, 12_500, ["KEYS", "*"], "10.0.0.9:1", "web"]]);
    let said = "redis_last_slow_execution_duration_seconds 0.0125\nredis_slowlog_last_id 41\n";
    assert_eq!(points("slowlog", &Answer::Json(last)), said);
    let empty = "redis_last_slow_execution_duration_seconds 0\nredis_slowlog_last_id 0\n";
    assert_eq!(points("slowlog", &Answer::Json(serde_json::json!([]))), empty);
    let event = "{event_name=\"command\"}";
    let spikes = recorded("8.2", "latency");
    assert_eq!(spikes.value(&format!("redis_latency_spike_duration_seconds{event}")), 0.033);
    assert_eq!(spikes.value(&format!("redis_latency_spike_last{event}")), 1_795_479_656.0);
    assert_eq!(recorded("7.0-cluster", "cluster").value("redis_cluster_state"), 0.0);
}

#[test]
fn a_probe_tells_kinds_of_server_apart() {
    let check = |text: &str, flavour: &str, version: (u32, u32), role: &str, capabilities: &[&'static str]| {
        let facts = facts(&Info::of(text));
        assert_eq!((facts.flavour.as_str(), facts.version, facts.role.as_str()), (flavour, version, role), "{text}");
        assert_eq!(facts.capabilities, capabilities.iter().copied().collect(), "{text}");
    };
    check("redis_version:7.0.15\r\nredis_mode:standalone\r\nrole:master\r\n", "", (7, 0), "primary", &["data"]);
    check("redis_version:6.2.1\r\nredis_mode:cluster\r\nrole:slave\r\n", "", (6, 2), "replica", &["data", "cluster"]);
    check("redis_version:7.0.15\r\nredis_mode:sentinel\r\n", "", (7, 0), "sentinel", &["sentinel"]);
    let valkey = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0\r\nserver_mode:standalone\r\n\
                  role:master\r\n";
    check(valkey, "valkey", (8, 1), "primary", &["data"]);
    let managed = "redis_version:7.1.0\r\nredis_mode:standalone\r\nos:Amazon ElastiCache\r\nrole:master\r\n";
    check(managed, "elasticache", (7, 1), "primary", &["data"]);
}

#[tokio::test]
async fn a_remote_server_that_proves_nothing_gets_no_login() {
    let url = Url { scheme: "redis".to_string(), host: "cache1".to_string(), ..Url::default() };
    let mut target = Target {
        name: "cache".to_string(),
        tenant: "default".to_string(),
        engine: "redis".to_string(),
        url,
        password: SecretSource::None,
        api_key: SecretSource::None,
        action: None,
        ca_file: None,
        insecure: false,
        interval: std::time::Duration::from_secs(5),
        deadline: std::time::Duration::from_secs(5),
        sessions_max: 6,
        job: String::new(),
        labels: [].into(),
        root: "/".into(),
        slow_log: Vec::new(),
        choice: Choice::default(),
        filter: Filter::default(),
        queries: Vec::new(),
        thresholds: [].into(),
        discovered: false,
    };
    let fault = engine().connect(&target, &Access::default()).await.map(|_| ()).expect_err("refused");
    assert_eq!(
        fault.to_string(),
        "no session with cache1:6379: redis:// sends everything in plain text [redis-01]\n\
         detail: A login to a remote server goes only to one that proves who it is.\n\
         hint: Use rediss:// (and ca_file for an authority of your own), or say insecure = true."
    );
    target.url.scheme = "rediss".to_string();
    assert_eq!(engine().verifies(&target), Ok(()));
    target.insecure = true;
    let lacks = "insecure = true: the server's certificate is not checked".to_string();
    assert_eq!(engine().verifies(&target), Err(lacks));
    assert_eq!(engine().instance(&target), "cache1:6379");
    target.url.host = "/run/redis/redis.sock".to_string();
    assert_eq!(engine().instance(&target), "/run/redis/redis.sock");
}
