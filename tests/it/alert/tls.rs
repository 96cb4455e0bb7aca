//! Receivers that speak https: believed when their certificate is, and else told nothing.

use watchward::model::scope::Scope;

use crate::alert::sink::Sink;
use crate::alert::{Stage, config, receiver};
use crate::state::{Folder, open};

#[tokio::test]
async fn an_https_receiver_is_believed_by_the_authority_that_is_named() {
    let folder = Folder::new();
    let sink = Sink::start_tls().await;
    let authority = folder.path().join("ca.pem");
    std::fs::write(&authority, sink.authority.as_ref().unwrap()).unwrap();
    let mut config = config(vec![receiver("dba", &sink.url())]);
    config.receivers[0].webhook.timeout = std::time::Duration::from_secs(5);
    let state = open(&folder).await;

    // The system's authorities do not know it: nothing is told, and the words say why.
    let mut stage = Stage::new(config.clone(), state.clone());
    stage.take("+A").await;
    assert!(stage.tell("dba").await.is_some());
    let log = state.deliveries(&Scope::of_tenant("acme"), 1).await.unwrap();
    let words = "the certificate of '127.0.0.1' is signed by an authority that is not trusted";
    assert_eq!((log[0].answer.as_str(), log[0].status), (words, None));
    assert!(sink.seen().is_empty());

    config.receivers[0].webhook.ca_file = Some(authority);
    stage.alerting.reload(config);
    stage.second = 5;
    assert_eq!(stage.tell("dba").await, None);
    assert_eq!(sink.take(), "firing +A");
}
