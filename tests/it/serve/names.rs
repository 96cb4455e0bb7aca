//! Requests that say two things at once, or that no client sends by itself: refused before anybody looks at what they want.

use crate::serve::limits::talk;
use crate::serve::{Served, told};

/// Sends a request line and headers; the status and the fault's words.
async fn asked(served: &Served, line: &str, headers: &[&str]) -> String {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let answer = talk(served, format!("{line}\r\n{headers}Connection: close\r\n\r\n").as_bytes()).await;
    let status = answer.get(9..12).unwrap_or_default().to_string();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let text = |key: &str| body["error"][key].as_str().unwrap_or("").to_string();
    format!("{status} {} [{}]", text("what"), text("code"))
}

const GET: &str = "GET /metrics HTTP/1.1";
const HOST: &str = "Host: localhost";

/// Somebody on the way may have looked at the other of the two.
#[tokio::test]
async fn who_asks_whom_is_said_once() {
    let served = Served::begin("*", 1).await;
    for (headers, words) in [
        ([HOST, "Host: evil.example"], "400 the request has more than one header host [serve-37]"),
        ([HOST, HOST], "400 the request has more than one header host [serve-37]"),
        (
            ["Origin: http://localhost", "Origin: http://evil.example"],
            "400 the request has more than one header origin [serve-37]",
        ),
        (
            ["Authorization: Bearer a", "Authorization: Bearer b"],
            "400 the request has more than one header authorization [serve-37]",
        ),
    ] {
        let all: Vec<&str> = [HOST].into_iter().filter(|host| !headers.contains(host)).chain(headers).collect();
        assert_eq!(asked(&served, GET, &all).await, words, "{headers:?}");
    }
    for (line, words) in [
        (
            "GET http://evil.example/metrics HTTP/1.1",
            "400 the request is for 'evil.example', and its Host is 'localhost' [serve-39]",
        ),
        (
            "CONNECT evil.example:443 HTTP/1.1",
            "400 the request is for 'evil.example:443', and its Host is 'localhost' [serve-39]",
        ),
        (
            "GET http://you@localhost/metrics HTTP/1.1",
            "400 the request is for 'you@localhost', and its Host is 'localhost' [serve-39]",
        ),
        ("GET http://localhost/metrics HTTP/1.1", "200  []"),
    ] {
        assert_eq!(asked(&served, line, &[HOST]).await, words, "{line}");
    }
}

#[tokio::test]
async fn no_other_spelling_passes_for_this_machine() {
    let served = Served::begin("*", 1).await;
    for host in [
        "",
        "localhost.",
        "localhost@evil",
        "evil.example#localhost",
        "127.1",
        "2130706433",
        "0x7f.1",
        "127.0.0.1.nip.io",
        "0.0.0.0",
        "localhost, evil.example",
        "localhost:1:2",
        "[::1",
        "[::1]:x",
    ] {
        let words = format!("403 the Host '{host}' is not this machine's loopback [serve-05]");
        assert_eq!(asked(&served, GET, &[&format!("Host: {host}")]).await, words, "{host}");
    }
    assert_eq!(asked(&served, GET, &[]).await, "403 the Host '' is not this machine's loopback [serve-05]");
    let old = asked(&served, "GET /metrics HTTP/1.0", &[]).await;
    assert_eq!(old, "403 the Host '' is not this machine's loopback [serve-05]");
    assert_eq!(asked(&served, GET, &["Host: LocalHost:9468"]).await, "200  []");
    // What proxies add says nothing about who comes.
    let forged = [
        "X-Forwarded-For: 127.0.0.1",
        "Forwarded: for=127.0.0.1",
        "X-Original-URL: /healthz",
        "X-HTTP-Method-Override: GET",
    ];
    let all: Vec<&str> = [HOST].into_iter().chain(forged).collect();
    let refused = "403 GET /api/v1/config needs the role admin of all tenants [serve-18]";
    assert_eq!(asked(&served, "GET /api/v1/config HTTP/1.1", &all).await, refused);
}

/// Two lengths of one body are how a second request is hidden in a first.
#[tokio::test]
async fn no_request_hides_in_another() {
    let served = Served::begin("*", 1).await;
    let hidden = "GET /api/v1/caller HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for (headers, body) in [
        ("Content-Length: 6\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 6", "0\r\n\r\n"),
        ("Transfer-Encoding: xchunked", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked, identity", "0\r\n\r\n"),
        ("Transfer-Encoding : chunked", "0\r\n\r\n"),
        ("Content-Length: 2\r\nContent-Length: 3", "{} "),
        ("Content-Length: +2", "{}"),
        ("Content-Length: 2, 2", "{}"),
        ("Transfer-Encoding: chunked", "0x2\r\n{}\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "ffffffffffffffff1\r\n{}\r\n0\r\n\r\n"),
    ] {
        let text = format!(
            "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}\r\n\r\n{body}{hidden}"
        );
        let answer = talk(&served, text.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{headers}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{headers}: {answer}");
    }
}

#[tokio::test]
async fn paths_are_taken_as_they_are_written() {
    let served = Served::begin("acme", 1).await;
    for path in [
        "/api/v1/../v1/config",
        "/api/v1/%2e%2e/config",
        "/../../etc/passwd",
        "/api/v1/con%66ig",
        "/api/v1/config%00",
        "/api/v1/config;x",
        "/API/V1/CONFIG",
        "//api/v1/config",
        "/api/v1/%c3%bcconfig",
        "/api/v1/%",
    ] {
        let words = format!(
            "404 there is nothing at {path} [serve-04] | hint: The page at / and the manual list what there is."
        );
        assert_eq!(told(&served.get(path).await), words);
    }
    for path in ["/api/v1/database/health/%ff", "/api/v1/%c0%afconfig", "/%80"] {
        assert_eq!(told(&served.get(path).await), "400 the path is not UTF-8 text [serve-40]", "{path}");
    }
    let odd = served.get("/api/v1/database/health/%00%0d%0aa%2f..%2fb").await;
    assert!(told(&odd).starts_with("404 there is no tenant '\u{0}\r\na/../b' here [serve-10]"), "{}", told(&odd));
}
