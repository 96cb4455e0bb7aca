//! Limits: whoever sends too much, too slowly or too often gets an exact answer, and costs no more than was allowed.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::serve::{Folder, JSON, Served, defaults, what};

/// Sends bytes, and gives all that comes back until the door closes.
pub async fn talk(served: &Served, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(served.address).await.unwrap();
    let _ = socket.write_all(bytes).await; // it may be cut off while we still write
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn head(length: usize) -> Vec<u8> {
    let frame = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: \r\n\r\n".len();
    let filling = "x".repeat(length - frame);
    format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: {filling}\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn a_head_of_32_kib_is_read_and_a_larger_one_is_not() {
    let served = Served::begin("*", 1).await;
    assert!(talk(&served, &head(30 << 10)).await.starts_with("HTTP/1.1 200 OK"));
    // Unread bytes make the system cut the connection, which may overtake the answer.
    let refused = talk(&served, &head(200 << 10)).await;
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 431 "), "{refused}");
    assert_eq!(served.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off_after_ten_seconds() {
    let served = Served::begin("*", 1).await;
    let mut socket = TcpStream::connect(served.address).await.unwrap();
    socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n").await.unwrap();
    let began = Instant::now();
    let (mut reader, mut writer) = socket.into_split();
    let dripping = async {
        while writer.write_all(b"X: y\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let mut answer = Vec::new();
    let reading = async {
        let _ = reader.read_to_end(&mut answer).await;
    };
    tokio::select! { () = dripping => {}, () = reading => {} }
    let took = began.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(14)).contains(&took), "{took:?}");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_body_is_refused_by_what_it_announces_and_by_what_it_has() {
    let config = watchward::serve::config::Config { body_bytes_max: 10_000, ..defaults() };
    let served = Served::begin_with(Folder::new(), config, Ok(())).await;
    let made = served.token(json!({ "tenants": "*", "role": "admin" })).await;
    let token = made["token"].as_str().unwrap();
    let post = |rest: &str| {
        format!(
            "POST /api/v1/tokens HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
                 Content-Type: application/json\r\nConnection: close\r\n{rest}"
        )
    };
    let announced = talk(&served, post("Content-Length: 999999999\r\n\r\n").as_bytes()).await;
    assert!(announced.starts_with("HTTP/1.1 413 "), "{announced}");
    let words =
        r#"{"error":{"code":"serve-24","detail":"","hint":"","what":"the request's body is larger than 10000 bytes"}}"#;
    assert!(announced.ends_with(words), "{announced}");
    let chunk = format!("{:x}\r\n{}\r\n", 4000, "x".repeat(4000));
    let chunked = format!("{}{chunk}{chunk}{chunk}", post("Transfer-Encoding: chunked\r\n\r\n"));
    let chunked = talk(&served, chunked.as_bytes()).await;
    assert!(chunked.starts_with("HTTP/1.1 413 "), "{chunked}");
    let broken = async {
        let mut socket = TcpStream::connect(served.address).await.unwrap();
        socket.write_all(post("Content-Length: 100\r\n\r\n{").as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut answer = String::new();
        let _ = socket.read_to_string(&mut answer).await;
        answer
    };
    let broken = broken.await;
    assert!(broken.is_empty() || broken.contains("the request's body broke off"), "{broken}");
    let headers = [("authorization", format!("Bearer {token}"))];
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (*name, value.as_str())).chain([JSON]).collect();
    let answer = served.ask("POST", "/api/v1/tokens", &headers, &"x".repeat(9_999)).await;
    assert_eq!((answer.status, what(&answer).as_str()), (400, "the request's body is not JSON"), "it was read");
}

#[tokio::test]
async fn bodies_that_never_end_are_cut_off_and_do_not_pile_up() {
    let served = Served::begin("*", 1).await;
    let made = served.token(json!({ "tenants": "*", "role": "admin" })).await;
    let token = made["token"].as_str().unwrap();
    let head = format!(
        "POST /api/v1/tokens HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{{"
    );
    let began = Instant::now();
    let mut slow = Vec::new();
    for _ in 0..16 {
        let mut socket = TcpStream::connect(served.address).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        slow.push(socket);
    }
    // All sixteen must have been begun; then there is no room for another.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut one_more = TcpStream::connect(served.address).await.unwrap();
    one_more.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let length = one_more.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let words = r#"{"error":{"code":"serve-27","detail":"","hint":"Try again in a moment.","what":"16 requests with a body are being read already"}}"#;
    assert!(answer.ends_with(words), "{answer}");
    assert_eq!(served.get("/metrics").await.status, 200, "who sends no body does not wait");
    for mut socket in slow {
        let mut answer = String::new();
        let _ = socket.read_to_string(&mut answer).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        let words =
            r#"{"error":{"code":"serve-25","detail":"","hint":"","what":"the request's body took longer than 10 s"}}"#;
        assert!(answer.ends_with(words), "{answer}");
    }
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test]
async fn one_address_cannot_take_all_places_where_other_machines_come() {
    for health in [false, true] {
        let served = Served::begin_remote(|config| {
            config.connections_per_peer_max = 3;
            config.health_listen = Some("0.0.0.0:0".parse().unwrap());
        })
        .await;
        let port = if health { served.health.unwrap().port() } else { served.address.port() };
        let crowded = &served.shared.counters.crowded;
        let mut crowd = Vec::new();
        for _ in 0..3 {
            crowd.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
        }
        let mut one_more = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut byte = [0; 1];
        let cut = tokio::time::timeout(Duration::from_secs(5), one_more.read(&mut byte)).await.expect("at once");
        assert!(matches!(cut, Ok(0) | Err(_)), "the fourth was let in");
        assert_eq!(crowded.load(Ordering::Relaxed), 1);
        drop(crowd);
        let began = Instant::now();
        loop {
            crowded.store(0, Ordering::Relaxed);
            let mut again = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            // Whoever is let in is waited for, and whoever is not is cut off at once.
            let cut = tokio::time::timeout(Duration::from_millis(300), again.read(&mut byte)).await;
            if cut.is_err() && crowded.load(Ordering::Relaxed) == 0 {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "the places were not given back");
        }
    }
}

#[tokio::test]
async fn who_never_agrees_on_tls_is_cut_off_after_ten_seconds() {
    let served = Served::begin_remote(|_| {}).await;
    let mut socket = TcpStream::connect(("127.0.0.1", served.address.port())).await.unwrap();
    let began = Instant::now();
    let mut byte = [0; 1];
    let end = tokio::time::timeout(Duration::from_secs(15), socket.read(&mut byte)).await.expect("in time");
    assert!(matches!(end, Ok(0) | Err(_)));
    assert!(began.elapsed() > Duration::from_secs(9), "{:?}", began.elapsed());
    assert_eq!(served.shared.counters.handshakes_failed.load(Ordering::Relaxed), 1);
}
