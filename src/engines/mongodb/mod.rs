//! MongoDB: mongod as a single server, a member of a replica set or an arbiter, and mongos.

pub mod discover;
pub mod monitor;
pub mod session;

use crate::engines::contract::{Access, Engine, Found, Row, Session, Sight, Task};
use crate::model::catalogue::Threshold;
use crate::model::fault::Fault;
use crate::model::row::Metric;
use crate::model::target::Target;
use crate::sys::reach;

pub struct MongoDb;

static UP: Metric = Metric::gauge("mongodb_up", "Whether the server answered.");

impl Engine for MongoDb {
    fn word(&self) -> &'static str {
        "mongodb"
    }

    fn job(&self) -> &'static str {
        "mongodb"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["mongodb"]
    }

    fn default_port(&self) -> u16 {
        27017
    }

    fn up(&self) -> &'static Metric {
        &UP
    }

    fn prefix(&self) -> &'static str {
        "mongodb"
    }

    fn rows(&self) -> &'static [Row] {
        monitor::ROWS
    }

    fn thresholds(&self) -> &'static [Threshold] {
        monitor::THRESHOLDS
    }

    fn discover(&self, sight: &Sight) -> Vec<Found> {
        discover::discover(sight)
    }

    fn verifies(&self, target: &Target) -> Result<(), String> {
        reach::verified(target, session::has_tls(target))
    }

    fn connect<'a>(&'a self, target: &'a Target, access: &'a Access) -> Task<'a, Result<Box<dyn Session>, Fault>> {
        Box::pin(session::connect(target, access))
    }
}
