//! Elasticsearch 7.17, OpenSearch 2.19 and 3.3, behind TLS and basic authentication that let only reading through.

use std::process::Command;
use std::time::Duration;

use watchward::engines::contract::Session;
use watchward::model::target::{Target, Url};

use crate::agent::{Agent, Folder, sections, wait};
use crate::servers::{Readings, Servers, all_read, engine, open, read_all, servers, target};

fn watched(servers: &Servers, name: &str, password: &str) -> Target {
    let url = Url {
        scheme: "https".to_string(),
        user: servers.value("WW_MONITOR_USER").to_string(),
        host: servers.value("WW_TLS_HOST").to_string(),
        port: servers.port(&format!("WW_{name}_PROXY_PORT")),
        ..Url::default()
    };
    let mut target = target("elasticsearch", url, password);
    target.ca_file = Some(servers.value("WW_CA_FILE").into());
    target
}

pub fn as_monitor(servers: &Servers, name: &str) -> Target {
    watched(servers, name, &servers.secret(&format!("WW_{name}_MONITOR_PASSWORD_FILE")))
}

async fn read(target: &Target) -> (Box<dyn Session>, Readings) {
    let mut session = open(target).await.unwrap_or_else(|fault| panic!("{fault}"));
    session.probe().await.unwrap_or_else(|fault| panic!("{fault}"));
    let readings = read_all(engine("elasticsearch"), &mut *session).await;
    (session, readings)
}

async fn check(name: &str, cluster: &str, node: &str, flavour: &str, version: (u32, u32)) {
    let servers = servers();
    let (session, readings) = read(&as_monitor(&servers, name)).await;
    all_read(&readings);
    assert_eq!((session.facts().flavour.as_str(), session.facts().version), (flavour, version));
    let value = |row: &str, series: String| readings[row].as_ref().expect("points").value(&series);
    let status = |color: &str| {
        value(
            "cluster_health",
            format!(r#"elasticsearch_cluster_health_status{{cluster="{cluster}",color="{color}"}}"#),
        )
    };
    assert_eq!(status("green") + status("yellow") + status("red"), 1.0);
    let labels = format!(
        r#"cluster="{cluster}",es_client_node="true",es_data_node="true",es_ingest_node="true",es_master_node="true",host="127.0.0.1""#
    );
    let heap = |what: &str| {
        value("node_stats", format!(r#"elasticsearch_jvm_memory_{what}_bytes{{area="heap",{labels},name="{node}"}}"#))
    };
    assert!(0.0 < heap("used") && heap("used") <= heap("max"));
    let queue = format!(r#"elasticsearch_thread_pool_queue_count{{{labels},name="{node}",type="search"}}"#);
    assert!(value("node_stats", queue) >= 0.0);
    assert_eq!(value("cluster_settings", "elasticsearch_clustersettings_stats_max_shards_per_node".into()), 1000.0);
    assert_eq!(value("read_only_indices", "elasticsearch_indices_settings_stats_read_only_indices".into()), 0.0);
}

#[tokio::test]
async fn every_row_of_elasticsearch_is_read_through_tls() {
    check("ELASTICSEARCH", "elasticsearch-test", "elasticsearch-1", "", (7, 17)).await;
}

/// Whether the machine can run OpenSearch 3, which wants a newer Java than Debian 12 has.
fn has_opensearch_3() -> bool {
    let servers = servers();
    let has = servers.value("WW_SERVERS").split(',').any(|name| name == "opensearch-3");
    if !has {
        println!("SKIPPED: no OpenSearch 3 here, for there is no Java of version 21 or newer under /usr/lib/jvm");
    }
    has
}

#[tokio::test]
async fn every_row_of_opensearch_3_is_read_through_tls() {
    if has_opensearch_3() {
        check("OPENSEARCH_3", "opensearch-3-test", "opensearch-3-1", "opensearch", (3, 3)).await;
    }
}

#[tokio::test]
async fn every_row_of_opensearch_is_read_through_tls() {
    check("OPENSEARCH", "opensearch-test", "opensearch-1", "opensearch", (2, 19)).await;
}

/// Has a server do something, on its plain port.
pub fn tell(servers: &Servers, name: &str, method: &str, path: &str, body: &str) {
    let url = format!("http://127.0.0.1:{}{path}", servers.port(&format!("WW_{name}_PORT")));
    let told = Command::new("curl")
        .args(["--noproxy", "*", "-sS", "-f", "-m", "30", "-o", "/dev/null", "-X", method])
        .args(["-H", "Content-Type: application/json", "--data-binary", body, &url])
        .status();
    assert!(told.as_ref().is_ok_and(std::process::ExitStatus::success), "{method} {path}: {told:?}");
}

async fn see_an_index_come_and_go(name: &str, cluster: &str) {
    let servers = servers();
    let target = as_monitor(&servers, name);
    let series = format!(r#"elasticsearch_indices_docs_primary{{cluster="{cluster}",index="passing"}}"#);
    tell(&servers, name, "PUT", "/passing", r#"{"settings": {"number_of_replicas": 0}}"#);
    tell(&servers, name, "PUT", "/passing/_doc/1?refresh=true", r#"{"a": 1}"#);
    let (_session, readings) = read(&target).await;
    assert_eq!(readings["indices"].as_ref().expect("points").value(&series), 1.0);
    let fields = r#"elasticsearch_indices_mappings_stats_fields{index="passing"}"#;
    assert_eq!(readings["index_mappings"].as_ref().expect("points").value(fields), 1.0);
    tell(&servers, name, "DELETE", "/passing", "");
    let (_session, readings) = read(&target).await;
    assert!(!readings["indices"].as_ref().expect("points").all.contains_key(&series));
}

#[tokio::test]
async fn an_index_of_elasticsearch_is_seen_when_it_is_there_and_no_more_when_it_is_dropped() {
    see_an_index_come_and_go("ELASTICSEARCH", "elasticsearch-test").await;
}

#[tokio::test]
async fn an_index_of_opensearch_3_is_seen_when_it_is_there_and_no_more_when_it_is_dropped() {
    if has_opensearch_3() {
        see_an_index_come_and_go("OPENSEARCH_3", "opensearch-3-test").await;
    }
}

#[tokio::test]
async fn an_index_of_opensearch_is_seen_when_it_is_there_and_no_more_when_it_is_dropped() {
    see_an_index_come_and_go("OPENSEARCH", "opensearch-test").await;
}

/// Puts the marks of the disk back where tests/servers/up set them.
struct Marks<'s>(&'s Servers);

impl Drop for Marks<'_> {
    fn drop(&mut self) {
        let nothing = r#"{"transient": {"cluster.routing.allocation.disk.watermark.*": null,
                          "cluster.info.update.interval": null}}"#;
        tell(self.0, "ELASTICSEARCH", "PUT", "/_cluster/settings", nothing);
    }
}

#[tokio::test]
async fn a_disk_beyond_the_flood_stage_closes_indices_and_that_is_seen_with_its_marks() {
    let servers = servers();
    let target = as_monitor(&servers, "ELASTICSEARCH");
    let read_only = |readings: &Readings| {
        let points = readings["read_only_indices"].as_ref().expect("points");
        points.value("elasticsearch_indices_settings_stats_read_only_indices")
    };
    let marks = Marks(&servers);
    // No disk has that much free: the server does now what it does when one is full.
    let full = r#"{"transient": {"cluster.routing.allocation.disk.watermark.low": "900tb",
        "cluster.routing.allocation.disk.watermark.high": "900tb",
        "cluster.routing.allocation.disk.watermark.flood_stage": "900tb", "cluster.info.update.interval": "10s"}}"#;
    tell(&servers, "ELASTICSEARCH", "PUT", "/_cluster/settings", full);
    let mut readings = read(&target).await.1;
    let mark = "elasticsearch_clustersettings_allocation_watermark_flood_stage_bytes";
    assert_eq!(readings["cluster_settings"].as_ref().expect("points").value(mark), 900.0 * 2_f64.powi(40));
    for _ in 0..120 {
        if read_only(&readings) >= 1.0 {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        readings = read(&target).await.1;
    }
    assert!(read_only(&readings) >= 1.0, "no index was closed");
    drop(marks);
    for _ in 0..120 {
        if read_only(&readings) == 0.0 {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        readings = read(&target).await.1;
    }
    panic!("the server opens them again when there is space");
}

#[test]
fn of_two_targets_in_one_cluster_one_asks_for_it_and_the_other_follows_when_it_is_down() {
    const SOON: Duration = Duration::from_secs(60);
    let servers = servers();
    let folder = Folder::new();
    let proxied = sections(&["search"], "interval = \"2s\"\ndeadline = \"1s\"");
    let plain = format!(
        "[[target]]\nname = \"plain\"\nengine = \"elasticsearch\"\nurl = \"http://127.0.0.1:{}\"\ninterval = \"2s\"\n",
        servers.port("WW_ELASTICSEARCH_PORT")
    );
    let agent = Agent::begin(&folder, &proxied);
    let askers = || -> Vec<String> {
        let found = agent.ask(r#"elasticsearch_cluster_health_status{color="green"}"#);
        found.iter().map(|one| one["metric"]["target"].as_str().unwrap_or("").to_string()).collect()
    };
    wait("the first asks for its cluster", SOON, || askers() == ["search"]);
    agent.reload(&folder, &format!("{proxied}\n{plain}"));
    let nodes = r#"elasticsearch_jvm_uptime_seconds{target="plain"}"#;
    wait("the second reads its node", SOON, || agent.query(nodes).len() == 1);
    assert_eq!(askers(), ["search"], "and not the cluster");
    servers.ctl("elasticsearch-proxy", "stop");
    wait("the second follows", SOON, || askers() == ["plain"]);
    // Also what is read but seldom is there at once.
    wait("with all rows", SOON, || {
        agent.query(r#"elasticsearch_clustersettings_stats_max_shards_per_node{target="plain"}"#) == [1000.0]
    });
    servers.ctl("elasticsearch-proxy", "start");
    agent.wait_up("search", true, SOON);
    let first = r#"elasticsearch_jvm_uptime_seconds{target="search"}"#;
    wait("the first reads its node again", SOON, || agent.query(first).len() == 1);
    assert_eq!(askers(), ["plain"], "who asks goes on");
    agent.reload(&folder, &proxied);
    wait("who is watched no longer is followed", SOON, || askers() == ["search"]);
}

#[tokio::test]
async fn a_wrong_password_is_told_in_the_servers_words_and_never_shown() {
    let servers = servers();
    let fault = open(&watched(&servers, "ELASTICSEARCH", "planted-7f3a")).await.err().expect("a fault");
    let port = servers.port("WW_ELASTICSEARCH_PROXY_PORT");
    assert_eq!(
        fault.to_string(),
        format!(
            "localhost:{port} refuses user 'watchward' [elasticsearch-01]\n\
             detail: The server answered with status 401: missing or wrong credentials.\n\
             hint: Is the password or API key right, and neither expired nor of another cluster?"
        )
    );
    assert!(!format!("{fault:?}").contains("planted-7f3a"));
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_or_for_another_host_is_a_fault() {
    let servers = servers();
    let mut target = as_monitor(&servers, "ELASTICSEARCH");
    target.ca_file = None;
    let fault = open(&target).await.err().expect("a fault");
    assert_eq!(fault.what, "the certificate of 'localhost' is signed by an authority that is not trusted");
    target.ca_file = Some(servers.value("WW_CA_FILE").into());
    target.url.host = "::ffff:127.0.0.1".to_string(); // the same machine, under a name that is not in the certificate
    let fault = open(&target).await.err().expect("a fault");
    assert_eq!(fault.what, "the certificate of '::ffff:127.0.0.1' is for another host");
}

#[tokio::test]
async fn plain_http_to_a_tls_port_is_a_fault() {
    let servers = servers();
    let mut target = as_monitor(&servers, "ELASTICSEARCH");
    target.url.scheme = "http".to_string();
    let fault = open(&target).await.err().expect("a fault");
    assert_eq!(fault.code, "http-01", "{fault}");
}
