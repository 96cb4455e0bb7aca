//! ClickHouse 18.16, as a user who may read system tables and may not change settings sees it.

use crate::reading::{opened, read, refused};
use crate::servers::{password, port, secret, target, value};
use watchward::model::secret::Secret;
use watchward::model::target::Target;

fn server() -> Target {
    target("clickhouse", "http", "127.0.0.1", port("WW_CLICKHOUSE_PORT"), &value("WW_MONITOR_USER"))
}

#[tokio::test]
async fn every_row_answers() {
    let access = password(secret("WW_CLICKHOUSE_MONITOR_PASSWORD_FILE"));
    let mut session = opened(&server(), &access).await;
    let reading = read("clickhouse", &mut *session).await;
    assert!(reading.unknown.is_empty(), "{:?}", reading.unknown);
    assert_eq!(reading.facts.version, (18, 16));
    assert!(reading.one("ClickHouseMetrics_HTTPConnection") >= 1.0);
    assert!(reading.one("ClickHouseAsyncMetrics_Uptime") > 0.0);
    assert!(reading.one("ClickHouseProfileEvents_Query") > 0.0);
    assert_eq!(reading.one("clickhouse_mutations_pending"), 0.0);
    println!("{:?}", reading.brought);
}

#[tokio::test]
async fn a_wrong_password_is_told_in_the_servers_words_and_never_shown() {
    let fault = refused(&server(), &password(Secret::new("planted-7f3a"))).await;
    assert_eq!(fault.code, "clickhouse-01");
    assert_eq!(fault.what, format!("127.0.0.1:{} refuses user 'watchward'", port("WW_CLICKHOUSE_PORT")));
    assert_eq!(fault.detail, "The server said: Wrong password for user watchward (code 193).");
    assert!(!format!("{fault} {fault:?}").contains("planted-7f3a"));
}
