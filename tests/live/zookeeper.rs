//! ClickHouse with a ZooKeeper beside it, started by the test: the row keeper, and the agent's word when it is gone.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use watchward::engines::contract::{Answer, Session};
use watchward::model::target::{Target, Url};

use crate::agent::{Folder, free_port, wait};
use crate::servers::{engine, open, read_all, servers, target};

struct ZooKeeper {
    port: u16,
    child: Child,
    _folder: Folder,
}

impl ZooKeeper {
    /// Debian's, alone, which answers these words.
    fn begin(words: &str) -> ZooKeeper {
        let (folder, port) = (Folder::new(), free_port());
        let data: PathBuf = folder.0.join("data");
        fs::create_dir(&data).expect("a folder");
        let text = format!(
            "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n4lw.commands.whitelist={words}\n",
            data.display()
        );
        let file = folder.write("zoo.cfg", &text);
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--", "java", "-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .args(["-cp", "/usr/share/java/zookeeper.jar", "org.apache.zookeeper.server.quorum.QuorumPeerMain"])
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let server = ZooKeeper { port, child: child.expect("ZooKeeper starts"), _folder: folder };
        wait("ZooKeeper answers", Duration::from_secs(30), || {
            let said = server.say("mntr");
            said.contains("zk_server_state") || said.contains("whitelist")
        });
        server
    }

    fn say(&self, word: &str) -> String {
        let mut said = String::new();
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return said };
        // While it starts it takes connections that it never answers.
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let _ = stream.write_all(word.as_bytes()).and_then(|()| stream.read_to_string(&mut said).map(|_| ()));
        said
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for ZooKeeper {
    fn drop(&mut self) {
        self.end();
    }
}

fn watched(keeper: &ZooKeeper) -> Target {
    let servers = servers();
    let url = Url {
        scheme: "http".to_string(),
        user: servers.value("WW_MONITOR_USER").to_string(),
        host: servers.value("WW_HOST").to_string(),
        port: servers.port("WW_CLICKHOUSE_PORT"),
        ..Url::default()
    };
    let mut target = target("clickhouse", url, &servers.secret("WW_CLICKHOUSE_MONITOR_PASSWORD_FILE"));
    target.options.keeper = format!("127.0.0.1:{}", keeper.port);
    target
}

async fn keeper_row(session: &mut dyn Session) -> Answer {
    let row = engine("clickhouse").rows().iter().find(|row| row.name == "keeper").expect("a row");
    session.ask(row, Duration::from_secs(4)).await.expect("an answer")
}

#[tokio::test]
async fn a_zookeeper_is_read_and_is_down_when_it_is_gone() {
    let mut zookeeper = ZooKeeper::begin("mntr,ruok");
    let mut session = open(&watched(&zookeeper)).await.unwrap_or_else(|fault| panic!("{fault}"));
    let readings = read_all(engine("clickhouse"), &mut *session).await;
    let points = readings["keeper"].as_ref().expect("points");
    let value = |series: &str| points.value(series);
    assert_eq!([value("zk_up"), value("zk_ruok"), value("zk_server_leader")], [1.0; 3]);
    assert_eq!(value("zk_version{version=\"3.8.0\"}"), 1.0);
    assert!(value("zk_znode_count") >= 1.0 && value("zk_packets_received") >= 1.0, "{}", points.text());
    assert!(points.all.len() >= 20, "{}", points.text());
    zookeeper.end();
    let Answer::Partial(table, unknown) = keeper_row(&mut *session).await else { panic!("it is gone") };
    assert_eq!(table.rows, [[Some("up".to_string()), Some("0".to_string())]]);
    assert!(unknown.reason.starts_with("cannot connect to 127.0.0.1:"), "{}", unknown.reason);
    assert!(!session.is_broken(), "ClickHouse itself is well");
}

#[tokio::test]
async fn a_zookeeper_that_may_not_say_it_says_so() {
    let zookeeper = ZooKeeper::begin("ruok");
    let mut session = open(&watched(&zookeeper)).await.unwrap_or_else(|fault| panic!("{fault}"));
    let Answer::Partial(_, unknown) = keeper_row(&mut *session).await else { panic!("it may not") };
    let server = format!("127.0.0.1:{}", zookeeper.port);
    let words = "may not answer 'mntr': it is not in its whitelist of four letter words";
    assert_eq!(unknown.reason, format!("the keeper {server} {words}"));
}
