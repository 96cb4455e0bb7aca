//! What all handlers share: the board, the store, the stream, the way to the agent.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::{broadcast, mpsc, watch};

use crate::model::caller::Caller;
use crate::model::catalogue::Catalogue;
use crate::model::fault::Fault;
use crate::model::features::{Feature, Features};
use crate::model::status::{Board, Message};
use crate::serve::answers::Answers;
use crate::serve::body::Bodies;
use crate::serve::commands::Asked;
use crate::serve::exposition::Exposition;
use crate::serve::peers::Peers;
use crate::serve::query::Queries;
use crate::serve::sessions::Sessions;
use crate::serve::tokens::Tokens;
use crate::serve::visitor::Proof;
use crate::store::Store;
use crate::sys::clock::Clock;
use crate::sys::identity::Identity;

/// A message of the stream with its text, made once however many clients there are.
pub struct Published {
    pub message: Message,
    pub text: std::sync::OnceLock<String>,
}

impl Published {
    pub fn new(message: Message) -> Published {
        Published { message, text: std::sync::OnceLock::new() }
    }

    /// The message as JSON.
    pub fn json(&self) -> &str {
        self.text.get_or_init(|| serde_json::to_string(&self.message).unwrap_or_default())
    }
}

/// The live stream: everything is offered to it, and it keeps nothing for those who are slow.
pub type Stream = broadcast::Sender<Arc<Published>>;

/// What serve counts.
#[derive(Debug, Default)]
pub struct Counters {
    pub requests: AtomicU64,
    pub refused: AtomicU64,
    pub stream_clients: AtomicU64,
    pub stream_cut_off: AtomicU64,
    pub connections: AtomicU64,
    /// Connections dropped because their address had all it may have.
    pub crowded: AtomicU64,
    pub handshakes_failed: AtomicU64,
    pub wrong_tokens: AtomicU64,
    /// Queries that found no place in time, or took too long.
    pub queries_given_up: AtomicU64,
    /// New pairs of certificate and key that could not be used.
    pub certificates_refused: AtomicU64,
}

/// Everything a handler needs.
pub struct Shared {
    pub board: Arc<dyn Board>,
    pub store: Arc<Store>,
    pub catalogue: Arc<Catalogue>,
    pub exposition: Exposition,
    pub clock: Arc<Clock>,
    pub stream: Stream,
    pub stream_clients_max: usize,
    pub counters: Counters,
    /// Who asks on loopback without a token. Never more than a viewer.
    pub anonymous: Caller,
    pub tokens: Tokens,
    pub sessions: Sessions,
    pub peers: Peers,
    pub bodies: Bodies,
    pub answers: Answers,
    pub queries: Queries,
    /// Our certificate, where we speak TLS.
    pub identity: Option<Arc<Identity>>,
    /// Names of ours beside those in the certificate and those of loopback.
    pub hosts: Vec<String>,
    /// The way to the agent, for what handlers cannot do themselves.
    pub commands: mpsc::Sender<Asked>,
    /// Which capabilities are on; a reload may change it.
    pub features: watch::Receiver<Features>,
    /// Turns true when the agent stops: streams then say goodbye.
    pub stopping: watch::Receiver<bool>,
}

impl Shared {
    /// Whether that by which a caller was let in still stands.
    pub fn stands(&self, proof: &Proof) -> bool {
        let wall_ms = self.clock.now().wall_ms;
        match proof {
            Proof::Door => true,
            Proof::Token(id) => self.tokens.standing(id, wall_ms).is_some(),
            Proof::Session(key, id) => {
                self.sessions.token(key, wall_ms).is_some() && self.tokens.standing(id, wall_ms).is_some()
            }
        }
    }
}

/// Waits until the agent stops, or whoever would say so is gone.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Waits until a capability is switched off, and says so; for ever, once nobody could switch it any more.
pub async fn switched_off(features: &mut watch::Receiver<Features>, feature: Feature) -> Fault {
    loop {
        if let Err(fault) = features.borrow_and_update().require(feature) {
            return fault;
        }
        if features.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
