//! What the dashboards for hosts and for MongoDB ask, against what the host and the servers say themselves.

use std::process::Command;
use std::time::Duration;

use mongodb::bson::{Bson, Document};

use crate::agent::{Agent, Folder, sections, wait};
use crate::mongodb::administrator;
use crate::servers::servers;

const SOON: Duration = Duration::from_secs(60);

/// Expressions of "Node Exporter Full" and its like, a command that tells the truth, and by how much both may differ because
/// time goes on between them.
#[rustfmt::skip] // a table is read across
const OF_HOSTS: [(&str, &str, f64); 14] = [
    ("node_memory_MemTotal_bytes{$}", "awk '/^MemTotal/ { printf \"%.0f\", $2 * 1024 }' /proc/meminfo", 0.0),
    ("node_memory_SwapTotal_bytes{$}", "awk '/^SwapTotal/ { printf \"%.0f\", $2 * 1024 }' /proc/meminfo", 0.0),
    ("node_memory_CommitLimit_bytes{$}", "awk '/^CommitLimit/ { printf \"%.0f\", $2 * 1024 }' /proc/meminfo", 0.0),
    ("node_memory_VmallocTotal_bytes{$}", "awk '/^VmallocTotal/ { printf \"%.0f\", $2 * 1024 }' /proc/meminfo", 0.0),
    ("(1 - node_memory_MemAvailable_bytes{$} / node_memory_MemTotal_bytes{$}) * 100", "awk '/^MemTotal/ { t = $2 } /^MemAvailable/ { a = $2 } END { print (1 - a / t) * 100 }' /proc/meminfo", 5.0),
    ("count(count by (cpu) (node_cpu_seconds_total{$}))", "grep -c '^cpu[0-9]' /proc/stat", 0.0),
    ("node_boot_time_seconds{$}", "awk '/^btime/ { print $2 }' /proc/stat", 0.0),
    ("node_time_seconds{$} - node_boot_time_seconds{$}", "awk '{ print $1 }' /proc/uptime", 30.0),
    ("node_filesystem_size_bytes{mountpoint=\"/\",$}", "stat -f -c '%b %S' / | awk '{ printf \"%.0f\", $1 * $2 }'", 0.0),
    ("node_filesystem_files{mountpoint=\"/\",$}", "stat -f -c %c /", 0.0),
    ("node_filefd_maximum{$}", "awk '{ print $3 }' /proc/sys/fs/file-nr", 0.0),
    ("node_network_mtu_bytes{device=\"lo\",$}", "cat /sys/class/net/lo/mtu", 0.0),
    ("node_entropy_pool_size_bits{$}", "cat /proc/sys/kernel/random/poolsize", 0.0),
    ("node_vmstat_oom_kill{$}", "awk '/^oom_kill / { print $2 }' /proc/vmstat", 0.0),
];

/// Expressions of dashboards for MongoDB, the command that tells the truth, its database, and where in the answer it stands:
/// several places are added up, and `#` counts a list.
#[rustfmt::skip] // a table is read across
const OF_MONGODB: [(&str, &str, &str, &[&str], f64); 14] = [
    ("mongodb_up{$}", "ping", "admin", &["ok"], 0.0),
    ("sum(mongodb_ss_connections{conn_type=~\"current|available\",$})", "serverStatus", "admin", &["connections.current", "connections.available"], 0.0),
    ("mongodb_ss_wt_cache_maximum_bytes_configured{$}", "serverStatus", "admin", &["wiredTiger.cache.maximum bytes configured"], 0.0),
    ("sum(mongodb_ss_wt_concurrentTransactions_totalTickets{$})", "serverStatus", "admin", &["wiredTiger.concurrentTransactions.read.totalTickets", "wiredTiger.concurrentTransactions.write.totalTickets"], 0.0),
    ("mongodb_ss_uptime{$}", "serverStatus", "admin", &["uptime"], 30.0),
    ("mongodb_ss_asserts{assert_type=\"regular\",$}", "serverStatus", "admin", &["asserts.regular"], 0.0),
    ("mongodb_ss_asserts{assert_type=\"warning\",$}", "serverStatus", "admin", &["asserts.warning"], 0.0),
    ("mongodb_rs_myState{$}", "replSetGetStatus", "admin", &["myState"], 0.0),
    ("count(mongodb_rs_members_state{$})", "replSetGetStatus", "admin", &["members.#"], 0.0),
    ("sum(mongodb_rs_members_health{$})", "replSetGetStatus", "admin", &["members.0.health", "members.1.health", "members.2.health"], 0.0),
    ("mongodb_dbstats_objects{database=\"shop\",$}", "dbStats", "shop", &["objects"], 0.0),
    ("mongodb_dbstats_collections{database=\"shop\",$}", "dbStats", "shop", &["collections"], 0.0),
    ("mongodb_dbstats_indexes{database=\"shop\",$}", "dbStats", "shop", &["indexes"], 0.0),
    ("mongodb_dbstats_dataSize{database=\"shop\",$}", "dbStats", "shop", &["dataSize"], 0.0),
];

/// The number at a dotted path.
fn number(answer: &Document, path: &str) -> f64 {
    let mut at = Bson::Document(answer.clone());
    for step in path.split('.') {
        at = match (&at, step) {
            (Bson::Array(all), "#") => Bson::Int64(i64::try_from(all.len()).expect("few")),
            (Bson::Array(all), at) => all[at.parse::<usize>().expect("a place")].clone(),
            (Bson::Document(fields), name) => fields.get(name).unwrap_or_else(|| panic!("no {path}")).clone(),
            _ => panic!("no {path}"),
        };
    }
    #[allow(clippy::cast_precision_loss)] // far below 2^53
    match at {
        Bson::Int32(number) => f64::from(number),
        Bson::Int64(number) => number as f64,
        Bson::Double(number) => number,
        other => panic!("{path} is {other}"),
    }
}

/// Asks until the agent says what the truth is: what moves may have moved between both.
fn check(agent: &Agent, expression: &str, target: &str, within: f64, truth: &mut dyn FnMut() -> f64) {
    let query = expression.replace('$', &format!("target=\"{target}\""));
    let mut last = (Vec::new(), f64::NAN);
    let is_so = || {
        last = (agent.query(&query), truth());
        last.0.len() == 1 && (last.0[0] - last.1).abs() <= within.max(1e-9)
    };
    let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| wait(&query, SOON, is_so)));
    println!("{target:<12} {:<90} {:?} = {}", query, last.0, last.1);
    assert!(asked.is_ok(), "{query}: {:?} and not {}", last.0, last.1);
}

#[test]
fn dashboards_of_hosts_show_what_the_host_says() {
    let folder = Folder::new();
    let agent = Agent::begin(&folder, &sections(&["this-host"], "interval = \"1s\""));
    agent.wait_up("this-host", true, SOON);
    for (expression, command, within) in OF_HOSTS {
        check(&agent, expression, "this-host", within, &mut || {
            let output = Command::new("sh").args(["-c", command]).output().expect("it runs");
            let text = String::from_utf8_lossy(&output.stdout).trim().to_string();
            text.parse().unwrap_or_else(|_| panic!("{command}: {text}"))
        });
    }
}

#[test]
fn dashboards_of_mongodb_show_what_each_member_says() {
    let (folder, servers) = (Folder::new(), servers());
    let names = ["documents-1", "documents-2", "documents-3"];
    let agent = Agent::begin(&folder, &sections(&names, "interval = \"1s\""));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    for (number_of, name) in (1..).zip(names) {
        agent.wait_up(name, true, SOON);
        let client = runtime.block_on(administrator(&servers, number_of));
        for (expression, command, database, paths, within) in OF_MONGODB {
            check(&agent, expression, name, within, &mut || {
                let mut asked = Document::new();
                asked.insert(command, 1);
                let answer = runtime.block_on(async { client.database(database).run_command(asked).await });
                let answer = answer.expect("an answer");
                paths.iter().map(|path| number(&answer, path)).sum()
            });
        }
    }
}
