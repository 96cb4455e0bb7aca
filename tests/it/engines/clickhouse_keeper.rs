//! A Keeper's words of four letters: what they become, and what is told of one that does not say them.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use watchward::engines::clickhouse::ClickHouse;
use watchward::engines::clickhouse::session::keeper;
use watchward::engines::contract::{Answer, Facts};
use watchward::sys::net::Address;
use watchward::sys::task;

use crate::engines::points::{Points, row};

/// What ClickHouse Keeper's manual shows of a leader.
const LEADER: &str = "zk_version\tv21.11.1.1-prestable-7a4a0b0edef0ad6e0aa662cd3b90c3f4acf796e7\nzk_avg_latency\t0\n\
                      zk_max_latency\t7\nzk_min_latency\t0\nzk_packets_received\t68\nzk_packets_sent\t68\n\
                      zk_num_alive_connections\t1\nzk_outstanding_requests\t0\nzk_server_state\tleader\n\
                      zk_znode_count\t4\nzk_watch_count\t1\nzk_ephemerals_count\t0\nzk_approximate_data_size\t723\n\
                      zk_open_file_descriptor_count\t310\nzk_max_file_descriptor_count\t10240\nzk_followers\t2\n\
                      zk_synced_followers\t2\n";

/// Answers `mntr` and `ruok` with these texts, and ends the connection; with none it says nothing and keeps it.
async fn server(mntr: Option<String>, ruok: &'static str) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::mem::forget(task::spawn("keeper", async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut word = [0; 4];
            if stream.read_exact(&mut word).await.is_err() {
                continue;
            }
            match (&word, &mntr) {
                (b"mntr", None) => held.push(stream),
                (b"mntr", Some(text)) => drop(stream.write_all(text.as_bytes()).await),
                _ => drop(stream.write_all(ruok.as_bytes()).await),
            }
        }
    }));
    Address::Tcp { host: "127.0.0.1".to_string(), port }
}

/// What is read of one: its points, and the reason why that is not all.
async fn read(address: &Address) -> (String, String) {
    let answer = keeper::read(address, Duration::from_secs(1)).await;
    let facts = Facts { capabilities: ["a keeper that the target names"].into(), ..Facts::default() };
    let points = Points::of(row(&ClickHouse, "keeper", &facts), &answer, &facts).expect("points");
    let reason = match answer {
        Answer::Partial(_, unknown) => format!("{}: {}", unknown.kind.word(), unknown.reason),
        _ => String::new(),
    };
    (points.text(), reason.replace(&address.text(), "KEEPER"))
}

async fn check(mntr: &str, ruok: &'static str, points: &str, reason: &str) {
    let address = server(Some(mntr.to_string()), ruok).await;
    assert_eq!(read(&address).await, (points.to_string(), reason.to_string()), "{mntr}");
}

#[tokio::test]
async fn what_a_keeper_says_keeps_its_names() {
    let (points, reason) = read(&server(Some(LEADER.to_string()), "imok").await).await;
    assert_eq!(reason, "");
    for line in [
        "zk_up 1",
        "zk_ruok 1",
        "zk_server_leader 1",
        "zk_version{version=\"21.11.1.1\"} 1",
        "zk_max_latency 7",
        "zk_packets_received 68",
        "zk_synced_followers 2",
        "zk_approximate_data_size 723",
    ] {
        assert!(points.lines().any(|seen| seen == line), "{line} in {points}");
    }
    let follower = LEADER.replace("leader", "follower");
    let (points, _) = read(&server(Some(follower), "something else").await).await;
    assert!(points.contains("zk_server_leader 0\n") && points.contains("zk_ruok 0\n"), "{points}");
    let (points, _) =
        read(&server(Some(LEADER.to_string()), "ruok is not executed because it is not in the whitelist.").await).await;
    assert!(points.contains("zk_up 1\n") && !points.contains("zk_ruok"), "{points}");
}

#[tokio::test]
async fn whatever_it_says_is_a_series_each_and_its_labels_are_short() {
    let versions: String = (0..5_000).map(|number| format!("zk_version\t{number}\n")).collect();
    let own = "zk_up\t0\nzk_ruok\t0\nzk_znode_count\t1\nzk_znode_count\t2\nzk_server_state\tfollower\n";
    let long = format!("{own}zk_version\t{}\n{versions}", "v1.2".repeat(10_000));
    check(
        &long,
        "imok",
        &format!("zk_ruok 1\nzk_server_leader 0\nzk_up 1\nzk_version{{version=\"{}\"}} 1\nzk_znode_count 1\n", {
            let version = "v1.2".repeat(11);
            version[1..41].to_string()
        }),
        "",
    )
    .await;
}

#[tokio::test]
async fn a_keeper_that_may_not_say_it_is_up_and_the_reason_is_told() {
    check(
        "mntr is not executed because it is not in the whitelist.\n",
        "imok",
        "zk_up 1\n",
        "refused: the keeper KEEPER may not answer 'mntr': it is not in its whitelist of four letter words",
    )
    .await;
    check(
        "This ZooKeeper instance is not currently serving requests\n",
        "imok",
        "zk_server_leader 0\nzk_up 1\n",
        "refused: the keeper KEEPER serves nobody: has it a leader?",
    )
    .await;
}

#[tokio::test]
async fn what_is_no_keeper_is_down() {
    check(
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "",
        "zk_up 0\n",
        "garbled: KEEPER answers 'mntr' with 'HTTP/1.1 400 Bad Request\\r\\n\\r\\n': is it a Keeper or ZooKeeper?",
    )
    .await;
    check("", "", "zk_up 0\n", "garbled: KEEPER answers 'mntr' with '': is it a Keeper or ZooKeeper?").await;
    check(
        &"zk_x\t1\n".repeat(50_000),
        "",
        "zk_up 0\n",
        "too_large: the keeper KEEPER answers 'mntr' with more than 262144 bytes",
    )
    .await;
    let silent = read(&server(None, "").await).await;
    assert_eq!(
        silent,
        ("zk_up 0\n".to_string(), "deadline: the keeper KEEPER does not answer 'mntr' within 500ms".to_string())
    );
    let nobody = Address::Tcp { host: "127.0.0.1".to_string(), port: 1 };
    let down = "disconnected: cannot connect to KEEPER: Connection refused (os error 111)";
    assert_eq!(read(&nobody).await, ("zk_up 0\n".to_string(), down.to_string()));
}

#[test]
fn addresses_have_a_port_of_their_own() {
    let read = |text: &str| keeper::address(text).map(|address| address.text());
    assert_eq!(read("keeper1").as_deref(), Some("keeper1:9181"));
    assert_eq!(read("10.0.0.9:2181").as_deref(), Some("10.0.0.9:2181"));
    assert_eq!(read("[::1]:2181").as_deref(), Some("[::1]:2181"));
    for wrong in ["", ":9181", "keeper1:0", "keeper1:x", "http://keeper1", "a b", "[x]:1", "keeper1:9181,keeper2:9181"]
    {
        assert_eq!(read(wrong), None, "{wrong}");
    }
}
