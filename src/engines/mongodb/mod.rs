//! MongoDB: mongod as a single server, a member of a replica set or an arbiter, and mongos.

pub mod discover;
mod grants;
pub mod monitor;
pub mod session;

use crate::engines::contract::{Access, Card, Engine, Place, Session, Task, Version};
use crate::engines::sight::{Found, Program, Sight};
use crate::model::fault::Fault;
use crate::model::row::Metric;
use crate::model::target::Target;
use crate::sys::reach;

pub struct MongoDb;

static UP: Metric = Metric::gauge("mongodb_up", "Whether the server answered.");

static CARD: Card = Card {
    word: "mongodb",
    job: "mongodb",
    schemes: &["mongodb"],
    default_port: 27017,
    up: &UP,
    oldest: (4, 4),
    kinds: &[],
    prefix: "mongodb",
    rows: monitor::ROWS,
    thresholds: monitor::THRESHOLDS,
    glance: monitor::GLANCE,
};

impl Engine for MongoDb {
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
        reach::verified(target, session::has_tls(target))
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
        Box::pin(session::connect(target, access))
    }
}
