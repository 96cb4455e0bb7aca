//! MongoDB: a replica set of three, as its monitoring user sees it.

use crate::reading::{Reading, opened, read, refused};
use crate::servers::{password, port, secret, target, value};
use watchward::model::secret::Secret;
use watchward::model::target::Target;

fn member(number: u8) -> Target {
    let mut target = target(
        "mongodb",
        "mongodb",
        "127.0.0.1",
        port(&format!("WW_MONGODB_{number}_PORT")),
        &value("WW_MONITOR_USER"),
    );
    target.url.parameters.insert("authSource".to_string(), "admin".to_string());
    target
}

async fn read_member(number: u8) -> Reading {
    let access = password(secret("WW_MONGODB_MONITOR_PASSWORD_FILE"));
    let mut session = opened(&member(number), &access).await;
    let reading = read("mongodb", &mut *session).await;
    assert!(!session.is_broken());
    reading
}

#[tokio::test]
async fn every_row_answers_on_every_member() {
    let mut roles = Vec::new();
    for number in 1..=3 {
        let reading = read_member(number).await;
        assert!(reading.unknown.is_empty(), "{:?}", reading.unknown);
        assert_eq!(reading.facts.version, (6, 0));
        roles.push(reading.facts.role.clone());
        for (row, least) in [("server_status", 85), ("replica_set", 20), ("operations", 1), ("databases", 24)] {
            assert!(reading.brought[row] >= least, "{row} brought {:?}", reading.brought);
        }
        assert!(reading.one("mongodb_ss_uptime") > 0.0);
        assert!(reading.one("mongodb_ss_wt_cache_maximum_bytes_configured") > 0.0);
        let head = reading.one("mongodb_mongod_replset_oplog_head_timestamp");
        assert!(head >= reading.one("mongodb_mongod_replset_oplog_tail_timestamp") && head > 1.6e9);
        assert_eq!(reading.all("mongodb_mongod_replset_member_replication_lag").len(), 2);
    }
    roles.sort();
    assert_eq!(roles, ["primary", "secondary", "secondary"]);
}

#[tokio::test]
async fn a_wrong_password_is_told_in_the_servers_words_and_never_shown() {
    let fault = refused(&member(1), &password(Secret::new("planted-7f3a"))).await;
    let port = port("WW_MONGODB_1_PORT");
    assert_eq!(fault.code, "mongodb-02");
    assert_eq!(fault.what, format!("127.0.0.1:{port} refuses user 'watchward' of database 'admin'"));
    assert_eq!(fault.detail, "The server said: Authentication failed (AuthenticationFailed, 18).");
    assert!(!format!("{fault} {fault:?}").contains("planted-7f3a"));
}
