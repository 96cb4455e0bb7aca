//! Tests of `src/alert`: stories against a real HTTP receiver, with time as a parameter.

mod config;
mod courier;
mod crash;
mod groups;
mod message;
mod retry;
mod run;
pub(crate) mod secrets;
pub(crate) mod sink;
mod tls;
mod unrecorded;

use std::collections::BTreeMap;

use watchward::alert::Alerting;
use watchward::alert::config::{Config, Limits, Receiver};
use watchward::alert::courier::Next;
use watchward::alert::route::{GroupBy, Route};
use watchward::alert::webhook::{Endpoint, Webhook};
use watchward::model::target::SecretSource;
use watchward::model::transition::{Phase, Transition};
use watchward::state::State;
use watchward::state::outbox::Outlet;

use crate::alert::sink::Sink;
use crate::state::{moment, transition};

/// A receiver that posts to a URL.
fn receiver(name: &str, url: &str) -> Receiver {
    let endpoint = Endpoint::read(url).unwrap();
    let timeout = std::time::Duration::from_millis(300);
    let webhook = Webhook { endpoint, secret: SecretSource::None, ca_file: None, timeout };
    Receiver { name: name.to_string(), webhook }
}

/// A configuration with these receivers, whose route leads to the first.
fn config(receivers: Vec<Receiver>) -> Config {
    let route = receivers.first().map(|one| Route { receiver: one.name.clone(), group_by: GroupBy::default() });
    Config { receivers, route, thresholds: BTreeMap::new(), limits: Limits::default() }
}

fn outlet(receiver: &str) -> Outlet {
    Outlet { receiver: receiver.to_string(), channel: "webhook".to_string() }
}

/// `+A` fires, `-A` is resolved; after a colon the target: `+A:db2`. All in tenant acme.
fn transitions(text: &str, at_ms: i64) -> Vec<Transition> {
    let one = |word: &str| {
        let (phase, rest) = match word.split_at(1) {
            ("+", rest) => (Phase::Firing, rest),
            ("-", rest) => (Phase::Resolved, rest),
            ("~", rest) => (Phase::Pending, rest),
            other => panic!("{other:?}: write +A, -A or ~A"),
        };
        let (name, target) = rest.split_once(':').unwrap_or((rest, "db"));
        let one = transition("acme", name, phase, at_ms);
        Transition { labels: one.labels.with("target", target), ..one }
    };
    text.split_whitespace().map(one).collect()
}

/// An agent's alerting on a state, at a time that the test sets.
struct Stage {
    alerting: Alerting,
    second: i64,
}

impl Stage {
    fn new(config: Config, state: State) -> Stage {
        Stage { alerting: Alerting::new(config, state, "http://agent.example.org:9468/"), second: 0 }
    }

    async fn take(&self, text: &str) {
        let now = moment(self.second);
        self.alerting.take(&transitions(text, now.stored_ms), &[], now).await.unwrap();
    }

    /// Lets a courier work until nothing is due; says when something will be, in seconds from now.
    async fn tell(&self, receiver: &str) -> Option<f64> {
        loop {
            let now = moment(self.second);
            match self.alerting.deliver(&outlet(receiver), now).await {
                Next::Again => {}
                Next::At(next_ms) => return Some((next_ms - now.stored_ms) as f64 / 1000.0),
                Next::Idle => return None,
            }
        }
    }
}

/// One receiver `dba` at a sink.
async fn one_receiver() -> (Sink, Config) {
    let sink = Sink::start().await;
    let config = config(vec![receiver("dba", &sink.url())]);
    (sink, config)
}
