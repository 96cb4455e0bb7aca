//! Redis, Valkey and Redis Sentinel: what is read, how a session with them is opened, how they are found.

mod discover;
mod grants;
pub mod monitor;
pub mod session;
pub mod tune;

use crate::engines::contract::{Access, Card, Engine, Hand, Place, Session, Task, Version};
use crate::engines::sight::{Found, Program, Sight};
use crate::model::fault::Fault;
use crate::model::plan::Refusal;
use crate::model::row::Metric;
use crate::model::target::Target;

static UP: Metric = Metric::gauge("redis_up", "1 if the server answered in the last cycle, else 0.");

/// Redis 5 and newer, Valkey (flavour `valkey`), and Sentinels (role `sentinel`).
pub struct Redis;

static CARD: Card = Card {
    word: "redis",
    job: "redis",
    schemes: &["redis", "rediss", "valkey"],
    default_port: 6379,
    up: &UP,
    oldest: (5, 0),
    kinds: &[("sentinel", (5, 0))],
    prefix: "redis",
    rows: monitor::ROWS,
    thresholds: monitor::THRESHOLDS,
    glance: monitor::GLANCE,
};

impl Engine for Redis {
    fn can_set(&self) -> bool {
        true
    }

    fn card(&self) -> &'static Card {
        &CARD
    }

    fn runs_as(&self, program: &Program) -> bool {
        discover::is_server(program)
    }

    fn discover(&self, sight: &Sight) -> Vec<Found> {
        discover::targets(sight)
    }

    fn verifies(&self, target: &Target) -> Result<(), String> {
        match target.url.scheme.as_str() {
            "rediss" if target.insecure => Err("insecure = true: the server's certificate is not checked".to_string()),
            "rediss" => Ok(()),
            scheme => Err(format!("{scheme}:// sends everything in plain text")),
        }
    }

    fn options(&self) -> &'static [&'static str] {
        &["check_keys", "check_single_keys", "count_keys", "check_streams"]
    }

    fn fits(&self, target: &Target) -> Result<(), Fault> {
        session::keys::check(&target.options)
    }

    fn collects(&self, target: &Target) -> Vec<&'static str> {
        let options = &target.options;
        let names_keys = [&options.check_keys, &options.check_single_keys, &options.count_keys];
        let keys = names_keys.iter().any(|all| !all.is_empty()).then_some("keys");
        keys.into_iter().chain((!options.check_streams.is_empty()).then_some("streams")).collect()
    }

    fn instance(&self, target: &Target) -> String {
        let port = if target.url.port == 0 { CARD.default_port } else { target.url.port };
        match target.url.host.as_str() {
            socket if socket.starts_with('/') => socket.to_string(),
            "" => format!("localhost:{port}"),
            host if host.contains(':') => format!("[{host}]:{port}"),
            host => format!("{host}:{port}"),
        }
    }

    fn grants(&self, login: &str, version: Option<Version>, kind: &str) -> String {
        grants::script(login, version, kind)
    }

    fn grants_line(&self, place: &Place<'_>) -> String {
        grants::line(place)
    }

    fn may_ask(&self, ask: &str) -> Result<(), Fault> {
        session::may_ask(ask)
    }

    fn connect<'a>(&'a self, target: &'a Target, access: &'a Access) -> Task<'a, Result<Box<dyn Session>, Fault>> {
        Box::pin(session::connect(self, target, access))
    }

    fn action_grants(&self, login: &str, version: Option<Version>) -> Option<String> {
        Some(tune::grants(login, version))
    }

    fn reach<'a>(&'a self, target: &'a Target, access: &'a Access) -> Task<'a, Result<Box<dyn Hand>, Refusal>> {
        Box::pin(tune::reach(self, target, access))
    }
}
