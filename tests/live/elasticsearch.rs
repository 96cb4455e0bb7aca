//! Elasticsearch 7.17 and OpenSearch 2.19 behind TLS and basic authentication.

use crate::reading::{opened, read, refused};
use crate::servers::{password, port, secret, target, value};
use watchward::model::secret::Secret;
use watchward::model::target::Target;

fn node(name: &str) -> Target {
    let port = port(&format!("WW_{name}_PROXY_PORT"));
    let mut target = target("elasticsearch", "https", "localhost", port, &value("WW_MONITOR_USER"));
    target.ca_file = Some(value("WW_CA_FILE").into());
    target
}

async fn check(name: &str, flavour: &str, version: (u32, u32)) {
    let access = password(secret(&format!("WW_{name}_MONITOR_PASSWORD_FILE")));
    let mut session = opened(&node(name), &access).await;
    let reading = read("elasticsearch", &mut *session).await;
    assert!(reading.unknown.is_empty(), "{:?}", reading.unknown);
    assert_eq!((reading.facts.flavour.as_str(), reading.facts.version), (flavour, version));
    println!("{:?}", reading.brought);
}

#[tokio::test]
async fn every_row_answers_on_elasticsearch() {
    check("ELASTICSEARCH", "", (7, 17)).await;
}

#[tokio::test]
async fn every_row_answers_on_opensearch() {
    check("OPENSEARCH", "opensearch", (2, 19)).await;
}

#[tokio::test]
async fn a_wrong_password_is_told_in_the_servers_words_and_never_shown() {
    let fault = refused(&node("ELASTICSEARCH"), &password(Secret::new("planted-7f3a"))).await;
    assert_eq!(fault.code, "elasticsearch-01");
    let port = port("WW_ELASTICSEARCH_PROXY_PORT");
    assert_eq!(fault.what, format!("localhost:{port} refuses user 'watchward'"));
    assert_eq!(fault.detail, "The server answered with status 401: missing or wrong credentials.");
    assert!(!format!("{fault} {fault:?}").contains("planted-7f3a"));
}
