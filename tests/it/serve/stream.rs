//! The live stream: filters, scopes, places, and clients that do not keep up.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use watchward::model::features::Features;
use watchward::model::status::{Body, Event, Message};
use watchward::serve::shared::Published;
use watchward::serve::stream::Filter;

use crate::serve::limits::talk;
use crate::serve::{JSON, Served};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(served: &Served, query: &str) -> Socket {
    let url = format!("ws://{}/api/v1/stream{query}", served.address);
    let before = served.stream.receiver_count();
    let (socket, _) = connect_async(url).await.unwrap();
    while served.stream.receiver_count() == before {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    socket
}

fn tell(served: &Served, tenant: &str, target: &str, kind: &str, words: &str) {
    let event = Event {
        at_ms: 1,
        tenant: tenant.to_string(),
        target: target.to_string(),
        kind: kind.to_string(),
        summary: words.to_string(),
        detail: json!({}),
    };
    let message = Message { tenant: tenant.to_string(), target: target.to_string(), body: Body::Event(event) };
    let _ = served.stream.send(Arc::new(Published::new(message)));
}

async fn next(socket: &mut Socket) -> Value {
    loop {
        match timeout(Duration::from_secs(10), socket.next()).await.expect("in time").expect("open").expect("whole") {
            Frame::Text(text) => return serde_json::from_str(&text).unwrap(),
            Frame::Close(frame) => {
                let frame = frame.expect("with a reason");
                return json!({ "closed": u16::from(frame.code), "reason": frame.reason.as_str() });
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_client_hears_what_its_scope_and_its_filter_let_through() {
    let served = Served::begin("acme", 4).await;
    let mut all = connect(&served, "").await;
    let mut some = connect(&served, "?target=cache&kind=event,alert").await;
    tell(&served, "zeta", "cache", "target.up", "not for acme");
    tell(&served, "acme", "orders", "target.up", "first");
    tell(&served, "acme", "cache", "target.up", "second");
    assert_eq!(next(&mut all).await["body"]["summary"], "first");
    let second = next(&mut all).await;
    assert_eq!(second["kind"], "event");
    assert_eq!(second["body"]["at"], "1970-01-01T00:00:00.001Z");
    assert_eq!((&second["tenant"], &second["target"]), (&json!("acme"), &json!("cache")));
    assert_eq!(next(&mut some).await["body"]["summary"], "second");
}

#[tokio::test]
async fn a_slow_client_is_cut_off_with_the_reason_and_the_others_go_on() {
    let served = Served::begin("*", 4).await;
    let mut slow = connect(&served, "").await;
    let mut quick = connect(&served, "?kind=event").await;
    // The slow one reads nothing while far more comes than its backlog and the sockets' buffers hold.
    let long = "x".repeat(256 << 10);
    for at in 0..80 {
        tell(&served, "acme", "orders", "target.up", &format!("{at} {long}"));
        let heard = next(&mut quick).await;
        assert!(
            heard["body"]["summary"].as_str().unwrap().starts_with(&format!("{at} ")),
            "the quick one misses nothing"
        );
    }
    let end = loop {
        let heard = next(&mut slow).await;
        if heard.get("closed").is_some() {
            break heard;
        }
    };
    assert_eq!(end["closed"], 1008);
    assert!(end["reason"].as_str().unwrap().starts_with("too slow: "), "{end}");
    assert_eq!(served.shared.counters.stream_cut_off.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn places_are_limited_and_given_back() {
    let served = Served::begin("*", 1).await;
    let mut first = connect(&served, "").await;
    let url = format!("ws://{}/api/v1/stream", served.address);
    let refused = connect_async(&url).await.unwrap_err().to_string();
    assert!(refused.contains("503"), "{refused}");
    first.close(None).await.unwrap();
    for _ in 0..200 {
        if served.shared.counters.stream_clients.load(Ordering::Relaxed) == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    connect(&served, "").await.send(Frame::Ping(Vec::new().into())).await.unwrap();
}

#[tokio::test]
async fn a_stop_is_told() {
    let served = Served::begin("*", 1).await;
    let mut socket = connect(&served, "").await;
    served.stop.send(true).unwrap();
    assert_eq!(next(&mut socket).await, json!({ "closed": 1001, "reason": "the agent stops" }));
}

#[tokio::test]
async fn a_plain_request_and_a_kind_that_does_not_exist_are_told_what_is_wrong() {
    let served = Served::begin("*", 1).await;
    let plain = served.get("/api/v1/stream").await;
    assert_eq!(plain.status, 426);
    assert!(plain.text().contains("this is a WebSocket, and the request is not one for it"));
    let parameters = HashMap::from([("kind".to_string(), "events".to_string())]);
    let fault = Filter::from_parameters(&parameters).unwrap_err();
    assert_eq!(fault.what, "there is no kind 'events' of messages");
    assert_eq!(fault.hint, "The kinds are samples, finding, alert, event, target.");
}

#[tokio::test]
async fn what_is_switched_off_is_refused_with_that_reason_and_its_clients_are_told() {
    let served = Served::begin("*", 2).await;
    let mut socket = connect(&served, "").await;
    let switch = |on| Features { real_time_monitoring: on, ..Features::default() };
    served.features.send(switch(false)).unwrap();
    let farewell = json!({ "closed": 1001, "reason": "real_time_monitoring is switched off" });
    assert_eq!(next(&mut socket).await, farewell);

    let refused = served.get("/api/v1/stream").await;
    assert_eq!(refused.status, 403);
    let answer: Value = serde_json::from_slice(&refused.body).unwrap();
    let fault = &answer["error"];
    assert_eq!(fault["code"], "feature-01");
    assert_eq!(fault["what"], "real_time_monitoring is switched off");
    assert_eq!(fault["detail"], "The configuration says real_time_monitoring = false in [features].");
    assert_eq!(fault["hint"], "Set it to true there, and reload the agent.");
    assert!(
        connect_async(format!("ws://{}/api/v1/stream", served.address)).await.unwrap_err().to_string().contains("403")
    );

    served.features.send(switch(true)).unwrap();
    let mut again = connect(&served, "").await;
    tell(&served, "acme", "orders", "target.up", "back");
    assert_eq!(next(&mut again).await["body"]["summary"], "back");
}

#[tokio::test]
async fn a_stream_ends_within_seconds_of_its_token_or_its_session() {
    let served = Served::begin("", 8).await;
    let open = async |header: &'static str, value: String| {
        let mut request = format!("ws://{}/api/v1/stream", served.address).into_client_request().unwrap();
        request.headers_mut().insert(header, value.parse().unwrap());
        connect_async(request).await.unwrap().0
    };
    let made = |name: &'static str, expires: Value| {
        served.token(json!({ "tenants": "acme", "role": "viewer", "name": name, "expires": expires }))
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let (revoked, logged_out, expiring) =
        (made("a", Value::Null).await, made("b", Value::Null).await, made("c", json!("1h")).await);
    let stays = made("d", Value::Null).await;
    let bearer = |made: &Value| format!("Bearer {}", text(&made["token"]));
    let login = json!({ "token": text(&logged_out["token"]) }).to_string();
    let cookie = served.ask("POST", "/login", &[JSON], &login).await.header("set-cookie").to_string();
    let cookie = cookie.split(';').next().unwrap().to_string();
    let mut sockets = [
        open("authorization", bearer(&revoked)).await,
        open("cookie", cookie.clone()).await,
        open("authorization", bearer(&expiring)).await,
    ];
    let mut staying = open("authorization", bearer(&stays)).await;
    let closed = json!({ "closed": 1008, "reason": "the token or the session has ended" });
    served.ask_socket("DELETE", &format!("/api/v1/tokens/{}", text(&revoked["id"])), &[], "").await;
    let heard = timeout(Duration::from_secs(3), ended(&mut sockets[0])).await.expect("within seconds");
    assert_eq!(heard, closed);
    let origin = format!("http://{}", served.host());
    served.ask("POST", "/logout", &[("cookie", &cookie), ("origin", &origin), JSON], "").await;
    let heard = timeout(Duration::from_secs(3), ended(&mut sockets[1])).await.expect("within seconds");
    assert_eq!(heard, closed);
    served.shared.clock.step_wall(3_600_000);
    let heard = timeout(Duration::from_secs(3), ended(&mut sockets[2])).await.expect("within seconds");
    assert_eq!(heard, closed);
    tell(&served, "acme", "orders", "target.up", "still here");
    loop {
        let heard = next(&mut staying).await;
        assert_eq!(heard.get("closed"), None, "{heard}");
        if heard["body"]["summary"] == "still here" {
            break;
        }
    }
}

/// The end of a stream, past all it tells before.
async fn ended(socket: &mut Socket) -> Value {
    loop {
        let heard = next(socket).await;
        if heard.get("closed").is_some() {
            return heard;
        }
    }
}

/// What is no GET of HTTP/1.1 is never upgraded, whatever its headers say.
#[tokio::test]
async fn only_a_get_of_http_1_1_becomes_a_stream() {
    let served = Served::begin("*", 4).await;
    for line in ["HEAD /api/v1/stream HTTP/1.1", "GET /api/v1/stream HTTP/1.0"] {
        let head = format!(
            "{line}\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let answer = talk(&served, head.as_bytes()).await;
        assert!(answer.split(' ').nth(1) == Some("426"), "{line}: {answer}");
    }
    assert_eq!(served.shared.counters.stream_clients.load(Ordering::Relaxed), 0);
}
