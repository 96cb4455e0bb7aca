//! What listens on this machine, read from recorded tables of the kernel.

use tokio::net::TcpListener;
use watchward::engines;
use watchward::model::target::{Target, Url};
use watchward::sample::discovery::{Said, ask, listening_ports, listening_sockets};

use crate::sample::cycle::target;

const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   105        0 21 1 0 100 0 0 10 0
   1: 00000000:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   106        0 22 1 0 100 0 0 10 0
   2: 0100007F:1539 0100007F:9C40 01 00000000:00000000 00:00000000 00000000   105        0 23 1 0 100 0 0 10 0
   3: 050A000A:2378 00000000:0000 0A 00000000:00000000 00:00000000 00000000   105        0 24 1 0 100 0 0 10 0
";

const TCP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr
   0: 00000000000000000000000001000000:23F0 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000   107        0 25 1 0 100 0
   1: 0000000000000000FFFF00000100007F:6989 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000   107        0 26 1 0 100 0
";

/// Whoever has a usual port and says nothing is not waited for, and is told as what it is.
#[tokio::test]
async fn what_says_nothing_gives_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = Url { host: "127.0.0.1".to_string(), port, ..Url::default() };
    let asked = Target { url, deadline: std::time::Duration::from_secs(60), ..target() };
    let Said::Nothing(fault) = ask(engines::find("redis").unwrap(), &asked).await else { panic!("it said something") };
    let expected = format!(
        "no whole answer from 127.0.0.1:{port} within 3 s [sample-02]\n\
         hint: Is the server stopped, overloaded, or is something else listening on this port?"
    );
    assert_eq!(fault.to_string(), expected);
    drop(listener);
    let Said::Nothing(fault) = ask(engines::find("redis").unwrap(), &asked).await else { panic!("it said something") };
    assert_eq!(fault.code, "net-01", "{fault}");
}

#[test]
fn only_listeners_that_loopback_reaches_count() {
    let seen = |table: &str| listening_ports(table).into_iter().map(|one| (one.place, one.inode)).collect::<Vec<_>>();
    assert_eq!(seen(TCP), [(5432, 21), (6379, 22)]);
    assert_eq!(seen(TCP6), [(9200, 25), (27017, 26)]);
}

#[test]
fn only_sockets_that_accept_and_have_a_path_count() {
    let table = "\
Num       RefCount Protocol Flags    Type St Inode Path
0000: 00000002 00000000 00010000 0001 01 21 /var/run/postgresql/.s.PGSQL.5432
0000: 00000002 00000000 00010000 0001 01 22 @hidden
0000: 00000003 00000000 00000000 0001 03 23 /run/other.sock
";
    let seen: Vec<_> = listening_sockets(table).into_iter().map(|one| (one.place, one.inode)).collect();
    assert_eq!(seen, [("/var/run/postgresql/.s.PGSQL.5432".to_string(), 21)]);
}

#[test]
fn nonsense_is_not_seen() {
    for table in ["", "x", "h\n0: zz:zz 0 0A\n", "h\n0: 0100007F:zz 0 0A\n", "h\n0: 01:0050 0 0A\n"] {
        assert!(listening_ports(table).is_empty());
        assert!(listening_sockets(table).is_empty());
    }
}
