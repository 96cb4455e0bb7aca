//! The HTTP client: one kept connection, bounded answers, secrets that stay out of faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use watchward::sys::http::{Base, Client, is_success};
use watchward::sys::net::Address;

/// A server that gives each connection's requests these answers in turn, and closes after the last.
async fn server(answers: Vec<String>) -> (Base, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepted: Arc<AtomicUsize> = Arc::default();
    let count = accepted.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let answers = answers.clone();
            tokio::spawn(async move {
                for answer in answers {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(socket.read_u8().await?);
                    }
                    socket.write_all(answer.as_bytes()).await?;
                }
                std::io::Result::Ok(())
            });
        }
    });
    let base = Base {
        address: Address::Tcp { host: "127.0.0.1".to_string(), port },
        host: "db1".to_string(),
        tls: None,
        user_agent: "watchward".to_string(),
        answer_bytes_max: 2000,
    };
    (base, accepted)
}

fn answer(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-Word: yes\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn one_connection_serves_many_requests_and_is_opened_anew_when_it_is_gone() {
    let (base, accepted) = server(vec![answer("one"), answer("two")]).await;
    let mut client = Client::new(base);
    for expected in ["one", "two"] {
        let response = client.send(Method::GET, "/", &[("accept", "text/plain")], Vec::new()).await.unwrap();
        assert_eq!((response.status, response.text().as_str(), response.header("x-word")), (200, expected, "yes"));
    }
    assert_eq!((accepted.load(Ordering::Relaxed), client.opened), (1, 1));
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!client.is_open());
    assert_eq!(client.send(Method::GET, "/", &[], Vec::new()).await.unwrap().text(), "one");
    assert_eq!(client.opened, 2);
}

#[tokio::test]
async fn an_answer_that_is_too_large_or_breaks_off_is_a_fault() {
    let (base, _) = server(vec![answer(&"x".repeat(5000))]).await;
    let text = base.address.text();
    let fault = Client::new(base).send(Method::GET, "/", &[], Vec::new()).await.unwrap_err();
    assert_eq!(fault.to_string(), format!("{text} answered with more than 2000 bytes [http-02]"));
    for (answer, words) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", "error reading a body from connection"),
        ("SSH-2.0-OpenSSH_9\r\n\r\n", "invalid HTTP version parsed"),
    ] {
        let (base, _) = server(vec![answer.to_string()]).await;
        let text = base.address.text();
        let fault = Client::new(base).send(Method::GET, "/", &[], Vec::new()).await.unwrap_err();
        assert_eq!(fault.to_string(), format!("no whole answer from {text}: {words} [http-01]"));
    }
}

#[tokio::test]
async fn a_secret_with_a_line_break_is_refused_without_being_shown() {
    let (base, _) = server(vec![answer("one")]).await;
    let headers = [("authorization", "Bearer hunter2\r\nX: y")];
    let fault = Client::new(base).send(Method::GET, "/", &headers, Vec::new()).await.unwrap_err();
    assert_eq!(fault.to_string(), "a request cannot be made: the header authorization has a faulty value [http-03]");
}

#[test]
fn success_is_what_begins_with_two() {
    assert!(is_success(200) && is_success(204));
    assert!(!is_success(301) && !is_success(404) && !is_success(500) && !is_success(0));
}
