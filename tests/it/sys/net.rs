//! Limited streams: an answer larger than allowed ends with an error, and faults of connecting are told plainly.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use watchward::sys::net::{Address, Stream, TOO_LARGE, dial};

async fn listener() -> (TcpListener, Address) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, Address::Tcp { host: "127.0.0.1".to_string(), port })
}

#[tokio::test]
async fn an_answer_may_be_as_large_as_allowed_and_not_a_byte_larger() {
    let (near, mut far) = tokio::io::duplex(64);
    let mut stream = Stream::limited(near, 1000);
    let meter = stream.meter();
    tokio::spawn(async move {
        far.write_all(&[7; 2001]).await.unwrap();
        std::future::pending::<()>().await;
    });
    let mut answer = vec![0; 1000];
    stream.read_exact(&mut answer).await.unwrap();
    assert!(meter.is_exhausted());
    assert_eq!(stream.read_u8().await.unwrap_err().to_string(), TOO_LARGE);
    meter.renew();
    assert!(!meter.is_exhausted());
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap_err().to_string(), TOO_LARGE);
    assert_eq!(meter.bytes_read(), 2000);
    assert!(answer.iter().all(|byte| *byte == 7));
}

#[tokio::test]
async fn what_is_written_arrives_and_what_is_answered_is_read() {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut word = [0; 4];
        socket.read_exact(&mut word).await.unwrap();
        socket.write_all(&word).await.unwrap();
    });
    let mut stream = dial(&address, 100).await.unwrap();
    stream.write_all(b"ping").await.unwrap();
    let mut word = String::new();
    stream.read_to_string(&mut word).await.unwrap();
    assert_eq!(word, "ping");
}

#[tokio::test]
async fn a_closed_port_a_missing_socket_and_an_unknown_name_are_told_apart() {
    let (listener, address) = listener().await;
    drop(listener);
    let fault = dial(&address, 1).await.err().unwrap();
    assert_eq!(fault.what, format!("cannot connect to {}: Connection refused (os error 111)", address.text()));
    assert_eq!(fault.hint, "Is the server running, and does it listen on this address?");
    let missing = dial(&Address::Unix("/nowhere/at/all.sock".into()), 1).await.err().unwrap();
    assert_eq!(missing.what, "cannot connect to /nowhere/at/all.sock: No such file or directory (os error 2)");
    assert_eq!(missing.hint, "Is the server running, and is this the path of its socket?");
    let nobody = Address::Tcp { host: "nobody.invalid".to_string(), port: 1 };
    let unknown = dial(&nobody, 1).await.err().unwrap();
    assert!(unknown.what.starts_with("cannot connect to nobody.invalid:1: "), "{}", unknown.what);
    assert_eq!(unknown.hint, "Is the host name right, and does the network let this machine reach it?");
}

#[test]
fn addresses_are_written_as_people_write_them() {
    let tcp = |host: &str| Address::Tcp { host: host.to_string(), port: 5432 }.text();
    assert_eq!(tcp("db1"), "db1:5432");
    assert_eq!(tcp("::1"), "[::1]:5432");
    assert_eq!(Address::Unix("/run/x.sock".into()).text(), "/run/x.sock");
}
