//! The doors: both of them, health and readiness, and requests that a foreign page made a browser send.

use hyper::Method;
use watchward::serve::names::is_loopback_name;
use watchward::sys::net::Address;

use crate::serve::{Folder, Served, defaults};

#[tokio::test]
async fn health_readiness_and_the_page_answer() {
    let served = Served::begin("*", 1).await;
    assert_eq!(served.get("/healthz").await.text(), "ok\n");
    assert_eq!(served.get("/readyz").await.text(), "ready\n");
    let page = served.get("/").await;
    assert!(page.text().contains("<title>Watchward</title>"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    let missing = served.get("/nowhere").await;
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("there is nothing at /nowhere"));
    let waiting = Served::begin_with(Folder::new(), defaults(), Err("the store is opened".to_string())).await;
    let ready = waiting.get("/readyz").await;
    assert_eq!((ready.status, ready.text().as_str()), (503, "not ready: the store is opened\n"));
}

#[tokio::test]
async fn the_socket_sees_all_tenants_whatever_tcp_may_see() {
    let served = Served::begin("", 1).await;
    assert_eq!(served.json("/api/v1/targets").await.as_array().unwrap().len(), 0);
    let mut client = served.client(Address::Unix(served.socket.clone()), "localhost");
    let response = client.send(Method::GET, "/api/v1/targets", &[], Vec::new()).await.unwrap();
    let targets: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(targets.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_health_of_a_tenant_is_its_own() {
    let served = Served::begin("acme", 1).await;
    let health = served.json("/api/v1/database/health/acme").await;
    assert_eq!(health["health"], "healthy");
    assert_eq!(health["targets"][0]["name"], "orders");
    let other = served.get("/api/v1/database/health/zeta").await;
    let nobody = served.get("/api/v1/database/health/nobody").await;
    assert_eq!((other.status, nobody.status), (404, 404));
    assert_eq!(other.text().replace("zeta", "nobody"), nobody.text());
}

#[tokio::test]
async fn a_foreign_host_or_origin_is_turned_away() {
    let served = Served::begin("*", 1).await;
    let own = served.address.to_string();
    let ask = async |host: &str, origin: Option<&str>| {
        let headers: Vec<(&str, &str)> = origin.iter().map(|origin| ("origin", *origin)).collect();
        let mut client = served.client(served.tcp(), host);
        client.send(Method::GET, "/healthz", &headers, Vec::new()).await.unwrap()
    };
    assert_eq!(ask(&own, None).await.status, 200);
    assert_eq!(ask(&own, Some(&format!("http://{own}"))).await.status, 200);
    let rebound = ask("evil.example", None).await;
    assert_eq!(rebound.status, 403);
    assert!(rebound.text().contains("the Host 'evil.example' is not this machine's loopback"), "{}", rebound.text());
    let foreign = ask(&own, Some("http://evil.example")).await;
    assert_eq!(foreign.status, 403);
    assert!(foreign.text().contains("the Origin 'http://evil.example' is not this page's own"), "{}", foreign.text());
}

#[test]
fn loopback_has_many_names_and_others_do_not_pass_for_it() {
    for good in ["localhost", "localhost:9468", "127.0.0.1:1", "127.9.9.9", "[::1]:80", "[::1]"] {
        assert!(is_loopback_name(good), "{good}");
    }
    for bad in ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "10.0.0.1", "[::2]:1", ":80"]
    {
        assert!(!is_loopback_name(bad), "{bad}");
    }
}

#[tokio::test]
async fn when_the_agent_stops_its_socket_goes() {
    let served = Served::begin("*", 1).await;
    assert!(served.socket.exists());
    served.stop.send(true).unwrap();
    for _ in 0..100 {
        if !served.socket.exists() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the socket is still there");
}

#[tokio::test]
async fn a_door_full_of_clients_that_never_speak_does_not_lock_the_other() {
    let served = Served::begin("*", 1).await;
    let mut crowd = Vec::new();
    for _ in 0..300 {
        crowd.push(tokio::net::TcpStream::connect(served.address).await.unwrap());
    }
    let mut client = served.client(Address::Unix(served.socket.clone()), "localhost");
    let asked = client.send(Method::GET, "/healthz", &[], Vec::new());
    let answer = tokio::time::timeout(std::time::Duration::from_secs(5), asked).await.expect("in time").unwrap();
    assert_eq!(answer.text(), "ok\n");
    drop(crowd);
    assert_eq!(served.get("/healthz").await.status, 200);
}
