//! Elasticsearch 7.17 and OpenSearch 2.19, behind TLS and basic authentication that let only reading through.

use watchward::engines::contract::Session;
use watchward::model::target::{Target, Url};

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

fn as_monitor(servers: &Servers, name: &str) -> Target {
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

#[tokio::test]
async fn every_row_of_opensearch_is_read_through_tls() {
    check("OPENSEARCH", "opensearch-test", "opensearch-1", "opensearch", (2, 19)).await;
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
