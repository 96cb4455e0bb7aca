//! The relay lets a driver's requests and bounded answers through, and tells why a connection ended.

use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use watchward::sys::net::Address;
use watchward::sys::relay::{Frames, Framing, Relay, Road};
use watchward::sys::task::{self, Handle};

const LIMIT: usize = 1000;

/// A server that answers every byte it gets with the next of these pieces, then closes.
async fn server(pieces: Vec<Vec<u8>>) -> (u16, Handle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let handle = task::spawn("server", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            answer(&mut stream, &pieces).await;
        }
    });
    (port, handle)
}

async fn answer(stream: &mut TcpStream, pieces: &[Vec<u8>]) {
    let mut one = [0];
    for piece in pieces {
        if stream.read_exact(&mut one).await.is_err() || stream.write_all(piece).await.is_err() {
            return;
        }
    }
}

fn road(port: u16, framing: Framing) -> Road {
    Road {
        address: Address::Tcp { host: "127.0.0.1".to_string(), port },
        tls: None,
        answer_bytes_max: LIMIT,
        framing,
        inspect: |message| if message[4..] == [6; 4] { Err("what it should not") } else { Ok(()) },
        connections_max: 2,
        connect: Duration::from_millis(300),
    }
}

/// Asks once for each piece, reads what comes, and says how much that was and what the relay makes of it.
async fn check(framing: Framing, pieces: &[&[u8]]) -> (usize, String) {
    let (port, _server) = server(pieces.iter().map(|piece| piece.to_vec()).collect()).await;
    let relay = Relay::open(road(port, framing)).expect("a relay");
    let mut driver = UnixStream::connect(relay.path()).await.expect("a connection");
    let mut got = 0;
    for piece in pieces {
        driver.write_all(b"?").await.expect("a request");
        let mut whole = vec![0; piece.len()];
        let read = driver.read_exact(&mut whole).await;
        got += if read.is_ok() { piece.len() } else { 0 };
        if read.is_err() {
            break;
        }
    }
    let mut rest = Vec::new();
    let _ = driver.read_to_end(&mut rest).await;
    let fault = relay.failed().await.to_string();
    (got, fault.replace(&port.to_string(), "PORT"))
}

fn message(length: u32, body: usize) -> Vec<u8> {
    length.to_le_bytes().into_iter().chain(vec![7; body]).collect()
}

const CLOSED: &str = "no whole answer from 127.0.0.1:PORT: it closed the connection [relay-05]\n\
                      hint: Was the server stopped, or is there something between that cuts connections?";

#[tokio::test]
async fn answers_within_the_limit_pass_and_each_request_renews_it() {
    let piece = vec![1; LIMIT - 1];
    assert_eq!(check(Framing::None, &[&piece, &piece, &piece]).await, (3 * (LIMIT - 1), CLOSED.to_string()));
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_cut_off_and_told() {
    let (_, fault) = check(Framing::None, &[&vec![1; 100 * LIMIT]]).await;
    assert_eq!(
        fault,
        "127.0.0.1:PORT answered with more than 1000 bytes [relay-04]\n\
         hint: Is this really the server that was meant, and in good health?"
    );
}

#[tokio::test]
async fn a_message_that_announces_too_much_does_not_reach_the_driver() {
    let (got, fault) = check(Framing::LengthFirst, &[&message(1 << 30, 40)]).await;
    assert_eq!(got, 0);
    assert_eq!(
        fault,
        "127.0.0.1:PORT announced a message of 1073741824 bytes [relay-04]\n\
         detail: Messages of 4 to 1000 bytes are let through.\n\
         hint: Is this really the server that was meant, and in good health?"
    );
}

#[tokio::test]
async fn messages_that_keep_what_they_announce_pass() {
    let two = [message(104, 100), message(4, 0)].concat();
    let whole = message(900, 896);
    assert_eq!(check(Framing::LengthFirst, &[&two, &whole]).await, (108 + 900, CLOSED.to_string()));
}

#[tokio::test]
async fn nobody_listening_is_told_as_the_network_says_it() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
    let relay = Relay::open(road(free, Framing::None)).expect("a relay");
    let mut driver = UnixStream::connect(relay.path()).await.expect("a connection");
    assert_eq!(driver.read(&mut [0; 8]).await.expect("closed"), 0);
    let fault = relay.failed().await;
    assert_eq!(fault.code, "net-01");
    assert!(fault.what.starts_with(&format!("cannot connect to 127.0.0.1:{free}: ")), "{fault}");
    assert_eq!(relay.opened(), 0);
}

#[tokio::test]
async fn more_connections_than_allowed_are_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port"); // accepts, and never says a word
    let silent = listener.local_addr().expect("an address").port();
    let relay = Relay::open(road(silent, Framing::None)).expect("a relay");
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(UnixStream::connect(relay.path()).await.expect("a connection"));
    }
    assert_eq!(relay.failed().await.to_string(), "the driver wants more connections than it may have [relay-02]");
    assert_eq!(kept[2].read(&mut [0; 8]).await.expect("closed"), 0);
}

#[tokio::test]
async fn a_server_that_takes_too_long_to_connect_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port"); // accepts, and never shakes hands
    let port = listener.local_addr().expect("an address").port();
    let tls = Some(watchward::sys::tls::Wish { server_name: "localhost".to_string(), ..Default::default() });
    watchward::sys::tls::install_provider();
    let relay = Relay::open(Road { tls, ..road(port, Framing::None) }).expect("a relay");
    let _driver = UnixStream::connect(relay.path()).await.expect("a connection");
    assert_eq!(
        relay.failed().await.to_string(),
        format!(
            "127.0.0.1:{port} did not answer within 300ms [relay-03]\n\
             hint: Does something drop packets between here and there, or is the server overloaded?"
        )
    );
}

#[tokio::test]
async fn the_socket_has_no_file_and_is_gone_with_the_relay() {
    let relay = Relay::open(road(1, Framing::None)).expect("a relay");
    let path = relay.path().to_path_buf();
    assert!(path.as_os_str().as_encoded_bytes().starts_with(b"\0watchward-"), "an abstract name");
    assert_ne!(path, Relay::open(road(1, Framing::None)).expect("another").path(), "which is never the same");
    drop(relay);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(UnixStream::connect(&path).await.is_err());
}

#[tokio::test]
async fn another_process_is_not_let_in() {
    let (port, _server) = server(vec![b"secret".to_vec()]).await;
    let relay = Relay::open(road(port, Framing::None)).expect("a relay");
    let name = relay.path().as_os_str().to_str().expect("text")[1..].to_string();
    let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect('\\0'+sys.argv[1])\ns.sendall(b'?')\n\
                  sys.stdout.write(repr(s.recv(9)))";
    #[allow(clippy::disallowed_methods)] // only another process can be another process
    let other = tokio::process::Command::new("python3").args(["-c", script, &name]).output().await;
    let Ok(other) = other else { return println!("skipped: no python3 here") };
    let said = String::from_utf8_lossy(&other.stdout).into_owned();
    assert!(said.is_empty() || said == "b''", "it read {said}"); // closed, be it before or after it wrote
    assert_eq!(relay.opened(), 0);
}

proptest! {
    /// However the network cuts the stream into pieces, the same messages are seen.
    #[test]
    fn frames_do_not_depend_on_where_the_stream_is_cut(
        sizes in prop::collection::vec(4_u32..200, 0..8),
        last in 0_u32..4000,
        cuts in prop::collection::vec(1_usize..50, 1..20),
    ) {
        let mut bytes: Vec<u8> = Vec::new();
        for size in &sizes {
            bytes.extend(message(*size, *size as usize - 4));
        }
        bytes.extend(message(last, 0));
        let mut frames = Frames::new(LIMIT);
        let mut seen = Ok(());
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            seen = seen.and_then(|()| frames.pass(piece));
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        let is_fair = last >= 4 && last as usize <= LIMIT;
        prop_assert_eq!(seen, if is_fair { Ok(()) } else { Err(u64::from(last)) });
    }
}

#[tokio::test]
async fn a_message_that_may_not_pass_never_reaches_the_driver() {
    let wrong = [&8_u32.to_le_bytes()[..], &[6; 4]].concat();
    let (got, fault) = check(Framing::LengthFirst, &[&message(8, 4), &wrong]).await;
    assert_eq!(got, 8);
    assert_eq!(
        fault,
        "127.0.0.1:PORT sent what it should not [relay-06]\n\
         hint: Is this really the server that was meant, and in good health?"
    );
    // Where messages cannot be told apart, nobody looks at them.
    assert_eq!(check(Framing::None, &[&wrong]).await, (8, CLOSED.to_string()));
}
