//! Restarts and failovers while sampled: the agent recovers by itself, and says who took over.

use std::process::Command;
use std::time::Duration;

use crate::agent::{Agent, Folder, sections, wait};
use crate::servers::{Servers, servers};

const EVERY_SECOND: &str = "[sample]\ninterval = \"1s\"\n[judge]\ntarget_down_for = \"30s\"\n";
const SOON: Duration = Duration::from_secs(30);

fn redis(servers: &Servers, port: &str, secret: &str, words: &[&str]) -> String {
    let password = servers.secret(secret);
    let output = Command::new(servers.value("WW_REDIS_CLI"))
        .env("REDISCLI_AUTH", password)
        .args(["--user", servers.value("WW_REDIS_ADMIN_USER"), "-p", servers.value(port)])
        .args(words)
        .output()
        .expect("redis-cli");
    String::from_utf8_lossy(&output.stdout).trim().to_string()
}

/// Asks a member of the MongoDB set to step down, by the driver in the servers' own Python.
fn step_down(servers: &Servers, port: &str) {
    let script = "import sys,pymongo\n\
                  c=pymongo.MongoClient('127.0.0.1',int(sys.argv[1]),username=sys.argv[2],password=open(sys.argv[3]).read().strip(),directConnection=True)\n\
                  c.admin.command('replSetStepDown',20,secondaryCatchUpPeriodSecs=10)\n";
    let (user, password) = (servers.value("WW_MONGODB_ADMIN_USER"), servers.value("WW_MONGODB_ADMIN_PASSWORD_FILE"));
    // The server may close the connection as it steps down: what counts is what the agent sees.
    let _ = Command::new(servers.value("WW_PYTHON")).args(["-c", script, port, user, password]).output();
}

fn role(agent: &Agent, name: &str) -> String {
    agent.target(name)["role"].as_str().unwrap_or("").to_string()
}

#[test]
fn a_restarted_server_is_down_while_it_is_and_then_read_as_before() {
    let servers = servers();
    let folder = Folder::new();
    let agent = Agent::begin(&folder, &format!("{EVERY_SECOND}{}", sections(&["visits", "cache-replica"], "")));
    let both = ["visits", "cache-replica"];
    both.iter().for_each(|name| drop(agent.wait_up(name, true, SOON)));
    let series = agent.target("visits")["series"].as_u64().unwrap_or(0);
    for server in ["clickhouse", "redis-replica"] {
        servers.ctl(server, "stop");
    }
    both.iter().for_each(|name| drop(agent.wait_up(name, false, SOON)));
    assert!(
        agent.query("count({target=\"visits\",__name__=~\"ClickHouse.*\"})").is_empty(),
        "its series ended at once"
    );
    for server in ["clickhouse", "redis-replica"] {
        servers.ctl(server, "start");
    }
    both.iter().for_each(|name| drop(agent.wait_up(name, true, SOON)));
    // A server that just began has counted little yet, and shows only what it has counted.
    wait("its series are back", SOON, || agent.target("visits")["series"].as_u64().unwrap_or(0) * 2 >= series);
    let log = agent.log();
    assert!(log.contains("visits is down: ") && log.contains("visits is up again"), "{log}");
}

#[test]
fn a_failover_by_sentinels_shows_as_roles_and_events() {
    let servers = servers();
    let folder = Folder::new();
    let names = ["cache", "cache-replica", "cache-sentinel-1"];
    let agent = Agent::begin(&folder, &format!("{EVERY_SECOND}{}", sections(&names, "")));
    names.iter().for_each(|name| drop(agent.wait_up(name, true, SOON)));
    let before = [role(&agent, "cache"), role(&agent, "cache-replica")];
    assert!(before.contains(&"primary".to_string()) && before.contains(&"replica".to_string()), "{before:?}");
    for turn in 0..2 {
        let now = [role(&agent, "cache"), role(&agent, "cache-replica")];
        let group = servers.value("WW_REDIS_MASTER_NAME");
        wait("the Sentinels agree to a failover", Duration::from_secs(60), || {
            redis(
                &servers,
                "WW_REDIS_SENTINEL_1_PORT",
                "WW_REDIS_ADMIN_PASSWORD_FILE",
                &["sentinel", "failover", group],
            ) == "OK"
        });
        wait("the roles have changed places", Duration::from_secs(60), || {
            role(&agent, "cache") == now[1] && role(&agent, "cache-replica") == now[0]
        });
        let log = agent.log();
        assert!(log.matches("is now primary, was replica").count() > turn, "{log}");
        assert!(log.matches("is now replica, was primary").count() > turn, "{log}");
    }
    assert_eq!([role(&agent, "cache"), role(&agent, "cache-replica")], before, "two failovers restore the roles");
}

#[test]
fn an_election_of_a_replica_set_shows_as_roles_and_events() {
    let servers = servers();
    let folder = Folder::new();
    let names = ["documents-1", "documents-2", "documents-3"];
    let agent = Agent::begin(&folder, &format!("{EVERY_SECOND}{}", sections(&names, "")));
    names.iter().for_each(|name| drop(agent.wait_up(name, true, SOON)));
    let primary = || names.iter().position(|name| role(&agent, name) == "primary");
    wait("there is a primary", SOON, || primary().is_some());
    let old = primary().expect("there is one");
    let ports = ["WW_MONGODB_1_PORT", "WW_MONGODB_2_PORT", "WW_MONGODB_3_PORT"];
    step_down(&servers, servers.value(ports[old]));
    wait("another is primary", Duration::from_secs(60), || primary().is_some_and(|new| new != old));
    wait("the old one follows", SOON, || role(&agent, names[old]) == "secondary");
    let log = agent.log();
    assert!(log.contains(&format!("{} is now secondary, was primary", names[old])), "{log}");
    assert!(log.contains("is now primary, was secondary"), "{log}");
    for name in names {
        agent.wait_up(name, true, SOON);
    }
}
