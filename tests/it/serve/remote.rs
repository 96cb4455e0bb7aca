//! The door where other machines come: TLS 1.3 alone, the names it answers to, a renewed certificate, the plain door for
//! health beside it.

use std::time::Duration;

use hyper::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use watchward::serve::listen::Doors;
use watchward::sys::certificate;
use watchward::sys::identity::{Identity, Refreshed};
use watchward::sys::net::dial;
use watchward::sys::tls::{Trust, Wish, install_provider, secure};

use crate::serve::authority::Authority;
use crate::serve::{Folder, Served, defaults, what};

#[tokio::test]
async fn an_address_that_other_machines_reach_is_not_opened_without_tls() {
    let config = watchward::serve::config::Config { listen: "0.0.0.0:0".parse().unwrap(), ..defaults() };
    let fault = Doors::open(&config, None).await.err().unwrap();
    assert_eq!(fault.to_string(), "0.0.0.0:0 needs TLS: other machines can reach it [serve-36]");
}

#[tokio::test]
async fn without_a_token_there_is_the_page_and_nothing_else() {
    let served = Served::begin_remote(|_| {}).await;
    assert!(served.get("/").await.text().contains("<title>Watchward</title>"));
    for path in ["/metrics", "/healthz", "/api/v1/targets", "/nowhere"] {
        let refused = served.get(path).await;
        assert_eq!((refused.status, what(&refused).as_str()), (401, "a token is needed here"), "{path}");
    }
}

#[tokio::test]
async fn the_host_must_be_one_of_ours_and_the_origin_the_own_page() {
    let served = Served::begin_remote(|config| config.hosts = vec!["proxy.example.org".to_string()]).await;
    let ask = async |host: &str, origin: Option<&str>| {
        let headers: Vec<(&str, &str)> = origin.iter().map(|origin| ("origin", *origin)).collect();
        let answer = served.client(served.tcp(), host).send(Method::GET, "/", &headers, Vec::new()).await.unwrap();
        (answer.status, what(&answer))
    };
    for host in ["localhost", "db1.example.org:9468", "DB1.example.org", "127.0.0.1:1", "proxy.example.org"] {
        assert_eq!(ask(host, None).await.0, 200, "{host}");
        assert_eq!(ask(host, Some(&format!("https://{host}"))).await.0, 200, "{host}");
    }
    for host in ["evil.example", "db2.example.org", "10.0.0.1", "localhost.evil.example", "127.0.0.2"] {
        assert_eq!(ask(host, None).await, (403, format!("the Host '{host}' is not this agent's")), "{host}");
    }
    for origin in ["http://localhost", "https://evil.example", "https://localhost:1", "null"] {
        let refused = (403, format!("the Origin '{origin}' is not this page's own"));
        assert_eq!(ask("localhost", Some(origin)).await, refused, "{origin}");
    }
}

#[tokio::test]
async fn nothing_below_tls_1_3_and_nothing_plain_is_spoken() {
    let served = Served::begin_remote(|_| {}).await;
    let mut plain = TcpStream::connect(("127.0.0.1", served.address.port())).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let old = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let socket = TcpStream::connect(("127.0.0.1", served.address.port())).await.unwrap();
    let connecting = tokio_rustls::TlsConnector::from(std::sync::Arc::new(old));
    let refused = connecting.connect("localhost".try_into().unwrap(), socket).await.err().unwrap().to_string();
    assert!(refused.contains("ProtocolVersion"), "{refused}");
    for _ in 0..100 {
        if served.shared.counters.handshakes_failed.load(std::sync::atomic::Ordering::Relaxed) == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the failed handshakes are not counted");
}

#[tokio::test]
async fn the_door_for_health_has_two_paths_and_no_data() {
    let health_listen = Some("127.0.0.1:0".parse().unwrap());
    let served = Served::begin_remote(|config| config.health_listen = health_listen).await;
    let port = served.health.unwrap().port();
    let ask = async |request: &str| {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let head = format!("{request} HTTP/1.1\r\nHost: 10.1.2.3\r\nConnection: close\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        (answer[9..12].to_string(), answer.split_once("\r\n\r\n").unwrap().1.to_string())
    };
    assert_eq!(ask("GET /healthz").await, ("200".to_string(), "ok\n".to_string()));
    assert_eq!(ask("GET /readyz").await, ("200".to_string(), "ready\n".to_string()));
    for line in watchward::serve::routes::ROUTES {
        let (status, _) = ask(&format!("{} {}", line.verb, line.path)).await;
        let expected = if ["/healthz", "/readyz"].contains(&line.path) { "200" } else { "404" };
        assert_eq!(status, expected, "{} {}", line.verb, line.path);
    }
    assert_eq!(ask("POST /healthz").await.0, "405");
}

#[tokio::test]
async fn a_renewed_certificate_is_used_and_a_bad_one_is_not() {
    let folder = Folder::new();
    let authority = Authority::new(&folder.0);
    install_provider();
    let files = authority.write("own", &["localhost"], 2098);
    let identity = Identity::load(files.clone()).unwrap();
    let ends = |identity: &Identity| identity.pair().expires_ms.unwrap() / 86_400_000;
    assert_eq!(identity.refresh(), Refreshed::Same);
    assert_eq!(ends(&identity), 46752, "1 January 2098");

    tokio::time::sleep(Duration::from_millis(20)).await; // files tell their age by their time
    let other = authority.write("other", &["localhost"], 2099);
    std::fs::copy(&other.key, &files.key).unwrap();
    let Refreshed::Refused(fault) = identity.refresh() else { panic!("a key of somebody else's was taken") };
    assert!(fault.what.contains("does not belong to the certificate in"), "{fault}");
    assert_eq!(identity.refresh(), Refreshed::Same, "told once");
    assert_eq!(identity.complaint().as_ref(), Some(&fault), "and known until the files are mended");
    assert_eq!(ends(&identity), 46752, "the old one stays");
    std::fs::copy(&other.certificate, &files.certificate).unwrap();
    assert_eq!(identity.refresh(), Refreshed::New);
    assert_eq!(identity.complaint(), None);
    assert_eq!(ends(&identity), 47117, "1 January 2099");
    std::fs::remove_file(&files.certificate).unwrap();
    assert!(matches!(identity.refresh(), Refreshed::Refused(_)));
    assert!(identity.is_for("localhost"), "the old one stays");
    assert!(!identity.is_for("db1") && !identity.is_for("") && !identity.is_for("a b"));
}

#[tokio::test]
async fn the_doors_look_at_the_certificate_by_themselves() {
    let served = Served::begin_remote(|_| {}).await;
    let authority = Authority::new(&served.folder.0); // a new one, whose certificates old clients do not believe
    tokio::time::sleep(Duration::from_millis(20)).await;
    authority.write("own", &["localhost"], 2099);
    let wish = Wish {
        server_name: "localhost".to_string(),
        trust: Trust::File(authority.ca_file()),
        only_13: true,
        ..Wish::default()
    };
    for _ in 0..100 {
        let stream = dial(&served.tcp(), 1 << 20).await.unwrap();
        if secure(stream, &wish).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the new certificate is not used");
}

#[tokio::test]
async fn with_an_authority_for_clients_who_has_no_certificate_of_it_is_not_let_in() {
    let folder = Folder::new();
    let clients = Authority::new(&folder.0);
    let identity = clients.write("client", &["somebody"], 2099);
    let ca = clients.ca_file();
    let served = Served::begin_remote(|config| config.tls.as_mut().unwrap().client_ca = Some(ca)).await;
    let wish = |identity| Wish {
        server_name: "localhost".to_string(),
        trust: Trust::File(served.folder.0.join("ca.pem")),
        identity,
        ..Wish::default()
    };
    let hello = async |wish: Wish| {
        let mut stream = secure(dial(&served.tcp(), 1 << 20).await.unwrap(), &wish).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    };
    let with = hello(wish(Some((identity.certificate, identity.key)))).await.unwrap();
    assert!(with.starts_with("HTTP/1.1 200"), "{with}");
    assert!(hello(wish(None)).await.is_none_or(|answer| answer.is_empty()));
}

#[test]
fn when_a_certificate_ends_is_read_from_any_and_nonsense_gives_nothing() {
    for (year, days) in [(2030, 21915), (2049, 28855), (2051, 29585), (1999, 10592)] {
        let mut params = rcgen::CertificateParams::new(vec!["x".to_string()]).unwrap();
        params.not_before = rcgen::date_time_ymd(1990, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let der = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec();
        assert_eq!(certificate::expires_ms(&der), Some(days * 86_400_000), "{year}");
        for cut in 0..der.len() {
            let _ = certificate::expires_ms(&der[..cut]); // gives something or nothing, and does not panic
        }
    }
    assert_eq!(certificate::expires_ms(b"no certificate"), None);
}
