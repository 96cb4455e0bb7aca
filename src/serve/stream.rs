//! `/api/v1/stream`: a WebSocket with everything that happens, filtered; whoever is too slow is cut off with a reason.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body as HttpBody;
use axum::extract::{Extension, Query, Request, State};
use axum::http::{Method, StatusCode, Version, header};
use axum::response::Response;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use crate::model::caller::Caller;
use crate::model::fault::Fault;
use crate::model::features::Feature;
use crate::model::scope::Scope;
use crate::model::status::{Body, Message};
use crate::serve::reply;
use crate::serve::shared::{Shared, stopped, switched_off};
use crate::serve::visitor::Proof;
use crate::sys::task;

/// How long one message may take to leave before the client counts as too slow.
const SEND_TIME: Duration = Duration::from_secs(5);
/// A silent client is asked for a sign of life this often.
const PING_EVERY: Duration = Duration::from_secs(30);
/// Whether a client may still listen is looked at this often: a token that is revoked ends its streams.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Clients have nothing to say that is longer.
const CLIENT_BYTES_MAX: usize = 4 << 10;

/// What a client wants to hear; empty lists mean everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub tenants: Vec<String>,
    pub targets: Vec<String>,
    pub kinds: Vec<String>,
}

/// The kinds of messages there are.
pub const KINDS: [&str; 5] = ["samples", "finding", "alert", "event", "target"];

impl Filter {
    /// From `?tenant=a,b&target=c&kind=alert,event`.
    ///
    /// # Errors
    /// `serve-11`: a kind that does not exist.
    pub fn from_parameters(parameters: &HashMap<String, String>) -> Result<Filter, Fault> {
        let list = |name: &str| -> Vec<String> {
            let text = parameters.get(name).map_or("", String::as_str);
            text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_string).collect()
        };
        let filter = Filter { tenants: list("tenant"), targets: list("target"), kinds: list("kind") };
        match filter.kinds.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
            Some(kind) => Err(Fault::new("serve-11", format!("there is no kind '{kind}' of messages"))
                .hint(format!("The kinds are {}.", KINDS.join(", ")))),
            None => Ok(filter),
        }
    }

    /// Whether a message is for this client: within its scope, and wanted.
    pub fn accepts(&self, scope: &Scope, message: &Message) -> bool {
        let wants = |list: &[String], one: &str| list.is_empty() || list.iter().any(|wish| wish == one);
        scope.sees(&message.tenant)
            && wants(&self.tenants, &message.tenant)
            && wants(&self.targets, &message.target)
            && wants(&self.kinds, kind(&message.body))
    }
}

/// The word for a message's kind, as in its JSON.
pub fn kind(body: &Body) -> &'static str {
    match body {
        Body::Samples { .. } => KINDS[0],
        Body::Finding { .. } => KINDS[1],
        Body::Alert(_) => KINDS[2],
        Body::Event(_) => KINDS[3],
        Body::Target(_) => KINDS[4],
    }
}

/// The handler: answers the upgrade and starts the client's task.
pub async fn upgrade(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Extension(proof): Extension<Proof>,
    Query(parameters): Query<HashMap<String, String>>,
    mut request: Request,
) -> Response {
    let on = shared.features.borrow().require(Feature::RealTimeMonitoring);
    if let Err(fault) = on {
        return reply::fault(StatusCode::FORBIDDEN, &fault);
    }
    let header_of = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let asks = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && header_of(header::UPGRADE).eq_ignore_ascii_case("websocket")
        && header_of(header::SEC_WEBSOCKET_VERSION) == "13"
        && !header_of(header::SEC_WEBSOCKET_KEY).is_empty();
    if !asks {
        let fault = Fault::new("serve-12", "this is a WebSocket, and the request is not one for it")
            .hint("Connect with ws://, version 13.");
        return reply::fault(StatusCode::UPGRADE_REQUIRED, &fault);
    }
    let filter = match Filter::from_parameters(&parameters) {
        Ok(filter) => filter,
        Err(fault) => return reply::fault(StatusCode::BAD_REQUEST, &fault),
    };
    let clients = shared.counters.stream_clients.fetch_add(1, Ordering::Relaxed);
    let leave = Leave(shared.clone());
    if clients >= shared.stream_clients_max as u64 {
        let fault = Fault::new("serve-13", format!("all {} places of the stream are taken", shared.stream_clients_max))
            .hint("[serve] stream_clients_max sets how many there are.");
        return reply::fault(StatusCode::SERVICE_UNAVAILABLE, &fault);
    }
    let accept = derive_accept_key(header_of(header::SEC_WEBSOCKET_KEY).as_bytes());
    let upgrading = hyper::upgrade::on(&mut request);
    let client = async move {
        let _leave = leave;
        if let Ok(upgraded) = upgrading.await {
            Client { shared, scope: caller.scope, proof, filter }.run(upgraded).await;
        }
    };
    task::spawn("stream client", client).detach();
    let answer = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .body(HttpBody::empty());
    answer.unwrap_or_else(|error| {
        reply::fault(StatusCode::INTERNAL_SERVER_ERROR, &Fault::new("serve-01", error.to_string()))
    })
}

/// Gives a client's place back, however it ends.
struct Leave(Arc<Shared>);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.counters.stream_clients.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Client {
    shared: Arc<Shared>,
    scope: Scope,
    proof: Proof,
    filter: Filter,
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

impl Client {
    async fn run(self, upgraded: Upgraded) {
        let config =
            WebSocketConfig::default().max_message_size(Some(CLIENT_BYTES_MAX)).max_frame_size(Some(CLIENT_BYTES_MAX));
        let mut socket: Socket =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        let mut messages = self.shared.stream.subscribe();
        let mut stopping = self.shared.stopping.clone();
        let mut features = self.shared.features.clone();
        let mut ping = tokio::time::interval(PING_EVERY);
        let mut look = tokio::time::interval(LOOK_EVERY);
        let farewell = loop {
            let frame = tokio::select! {
                message = messages.recv() => match message {
                    Ok(published) if self.filter.accepts(&self.scope, &published.message) => {
                        Frame::text(published.json().to_string())
                    }
                    Ok(_) => continue,
                    Err(RecvError::Lagged(missed)) => {
                        break Some((CloseCode::Policy, format!("too slow: {missed} messages were missed")));
                    }
                    Err(RecvError::Closed) => break Some((CloseCode::Away, "the agent stops".to_string())),
                },
                heard = socket.next() => match heard {
                    Some(Ok(Frame::Close(_)) | Err(_)) | None => break None,
                    Some(Ok(_)) => continue, // pongs, and words nobody asked for
                },
                _ = ping.tick() => Frame::Ping(Vec::new().into()),
                _ = look.tick() => {
                    if self.shared.stands(&self.proof) {
                        continue;
                    }
                    break Some((CloseCode::Policy, "the token or the session has ended".to_string()));
                }
                fault = switched_off(&mut features, Feature::RealTimeMonitoring) => {
                    break Some((CloseCode::Away, fault.what));
                }
                () = stopped(&mut stopping) => {
                    break Some((CloseCode::Away, "the agent stops".to_string()));
                }
            };
            match timeout(SEND_TIME, socket.send(frame)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => break None,
                Err(_) => {
                    break Some((CloseCode::Policy, format!("too slow: {} s for a message", SEND_TIME.as_secs())));
                }
            }
        };
        if let Some((code, reason)) = farewell {
            if code == CloseCode::Policy {
                self.shared.counters.stream_cut_off.fetch_add(1, Ordering::Relaxed);
            }
            let close = Frame::Close(Some(CloseFrame { code, reason: reason.into() }));
            let _ = timeout(SEND_TIME, socket.send(close)).await; // it may be too slow for that as well
        }
    }
}
