//! Serving: opens the doors, and gives serve what it needs of the other stages.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::config::Configuration;
use crate::model::catalogue::Catalogue;
use crate::model::fault::Fault;
use crate::model::features::Features;
use crate::pipeline::judging::Places;
use crate::pipeline::mirror::Mirror;
use crate::serve::answers::Answers;
use crate::serve::body::Bodies;
use crate::serve::commands::Asked;
use crate::serve::exposition::Exposition;
use crate::serve::listen::Doors;
use crate::serve::peers::Peers;
use crate::serve::query::Queries;
use crate::serve::sessions::Sessions;
use crate::serve::shared::{Counters, Shared};
use crate::serve::tokens::Tokens;
use crate::state::State;
use crate::sys::task::{self, Handle};

/// What connects the doors with the agent.
pub struct Wires {
    pub stopping: watch::Receiver<bool>,
    pub commands: mpsc::Sender<Asked>,
    pub features: watch::Receiver<Features>,
}

/// Opens the doors, and lets clients in until the agent stops.
///
/// # Errors
/// An address, the socket or the certificate cannot be used; the tokens cannot be read.
pub async fn begin(
    configuration: &Configuration,
    places: &Places,
    state: &State,
    catalogue: Arc<Catalogue>,
    wires: Wires,
    mirror: &Mirror,
) -> Result<Handle<()>, Fault> {
    let serve = &configuration.serve;
    let socket = configuration.agent.state_dir.join("watchward.sock");
    let doors = Doors::open(serve, Some(&socket)).await?;
    let shared = Arc::new(Shared {
        board: places.board.clone(),
        store: places.store.clone(),
        exposition: Exposition::new(catalogue.clone(), serve.naming),
        catalogue,
        clock: places.clock.clone(),
        stream: places.stream.clone(),
        stream_clients_max: serve.stream_clients_max,
        counters: Counters::default(),
        anonymous: serve.anonymous(),
        tokens: Tokens::load(state.clone()).await?,
        sessions: Sessions::default(),
        peers: Peers::default(),
        bodies: Bodies::new(serve.body_bytes_max),
        answers: Answers::default(),
        queries: Queries::new(serve.query_samples_max),
        identity: doors.identity(),
        hosts: serve.hosts.clone(),
        commands: wires.commands,
        features: wires.features,
        stopping: wires.stopping.clone(),
    });
    mirror.attach(shared.clone());
    Ok(task::spawn("doors", doors.serve(shared, wires.stopping)))
}
