//! Acting: gives act the rest of the agent, and carries orders to it from the doors.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;

use crate::act::world::{self, Times, World};
use crate::act::{Acting, Settings};
use crate::config::Configuration;
use crate::engines::contract::{Hand, Task};
use crate::model::calendar::Zone;
use crate::model::caller::Caller;
use crate::model::command::Order;
use crate::model::fault::Fault;
use crate::model::features::Feature;
use crate::model::moment::Moment;
use crate::model::plan::Refusal;
use crate::model::scope::Scope;
use crate::model::series::LOOKBACK_MS;
use crate::model::span::Trace;
use crate::model::status::{Board, Body, Event, Message};
use crate::model::target::Target;
use crate::pipeline::board::Noticeboard;
use crate::pipeline::exporting::Exporting;
use crate::pipeline::own::Own;
use crate::serve::shared::{Published, Stream};
use crate::state::State;
use crate::sys::clock::Clock;
use crate::sys::task;

/// Events that count as actions, without `policy.` before them.
const OUTCOMES: &[&str] = &["planned", "proposed", "done", "void", "failed", "unclear", "undone", "undo_refused"];

/// The agent, as act sees it.
pub struct Around {
    pub clock: Arc<Clock>,
    pub board: Arc<Noticeboard>,
    pub own: Arc<Own>,
    pub stream: Stream,
    pub exporting: Arc<Exporting>,
}

impl World for Around {
    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn up(&self, tenant: &str, target: &str) -> Option<bool> {
        let targets = self.board.targets(&Scope::of_tenant(tenant));
        targets.iter().find(|one| one.name == target).and_then(|one| one.up)
    }

    fn reach<'a>(&'a self, target: &'a Target) -> Task<'a, Result<Box<dyn Hand>, Refusal>> {
        Box::pin(world::reach(target))
    }

    fn tell(&self, event: &Event) {
        match event.kind.as_str() {
            "policy.failed" | "policy.undo_refused" => tracing::warn!("{}", event.summary),
            "policy.unclear" => tracing::error!("{}", event.summary),
            _ => tracing::info!("{}", event.summary),
        }
        self.own.events.with_label_values(&[&event.kind]).inc();
        if let Some(outcome) = event.kind.strip_prefix("policy.").filter(|one| OUTCOMES.contains(one)) {
            self.own.actions.with_label_values(&[outcome]).inc();
        }
        if self.stream.receiver_count() > 0 {
            let (tenant, target) = (event.tenant.clone(), event.target.clone());
            let message = Message { tenant, target, body: Body::Event(event.clone()) };
            let _ = self.stream.send(Arc::new(Published::new(message))); // the last listener may have just left
        }
    }

    fn count_refused(&self, code: &'static str) {
        self.own.actions_refused.with_label_values(&[code]).inc();
    }

    fn trace(&self, trace: Trace) {
        self.exporting.trace(trace);
    }
}

/// Builds the stage. `gap` is for how long nobody has watched: as long, at most the lookback, what fires is not trusted.
pub fn begin(configuration: &Configuration, state: &State, around: Around, gap: Duration) -> Arc<Acting> {
    let trusted_from = gap.min(Duration::from_millis(LOOKBACK_MS.unsigned_abs()));
    let settings = settings(configuration);
    Arc::new(Acting::new(state.clone(), Box::new(around), settings, Times::default(), trusted_from))
}

/// What act does of a configuration.
pub fn settings(configuration: &Configuration) -> Settings {
    Settings {
        policies: configuration.policies.iter().cloned().map(Arc::new).collect(),
        targets: configuration.targets.iter().cloned().map(Arc::new).collect(),
        is_enabled: configuration.features.has(Feature::AiOptimization),
        zone: Zone::find(&configuration.agent.timezone).unwrap_or(Zone::UTC), // checked when it was loaded
    }
}

/// Carries out an order in a task of its own: some wait for a server.
pub fn order(acting: &Arc<Acting>, order: Order, caller: Caller, reply: oneshot::Sender<Result<Value, Fault>>) {
    let acting = acting.clone();
    let work = async move {
        let _ = reply.send(acting.answer(&order, &caller).await); // whoever asked may have given up
    };
    task::spawn("order", work).detach();
}
