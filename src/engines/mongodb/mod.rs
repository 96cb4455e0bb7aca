//! MongoDB: mongod as a single server, a member of a replica set or an arbiter, and mongos.

pub mod discover;
mod grants;
pub mod monitor;
pub mod session;

use crate::engines::contract::{Access, Card, Engine, Place, Session, Task, Version, host_and_port};
use crate::engines::sight::{Found, Program, Sight};
use crate::model::fault::Fault;
use crate::model::row::Metric;
use crate::model::target::Target;
use crate::sys::lookup;
use crate::sys::reach;

pub struct MongoDb;

static UP: Metric = Metric::gauge("mongodb_up", "Whether the server answered.");

static CARD: Card = Card {
    word: "mongodb",
    job: "mongodb",
    schemes: &["mongodb", "mongodb+srv"],
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

    fn options(&self) -> &'static [&'static str] {
        &["resolver"]
    }

    fn fits(&self, target: &Target) -> Result<(), Fault> {
        let resolver = &target.options.resolver;
        let is_list = session::seed_list::is_one(&target.url);
        if !resolver.is_empty() && (!is_list || lookup::name_server(resolver).is_none()) {
            let what = if is_list {
                format!("resolver is '{resolver}', not the address of a name server")
            } else {
                "resolver stands beside a url that is not mongodb+srv".to_string()
            };
            return Err(Fault::new("mongodb-06", what).hint("Write it like 10.0.0.2 or 10.0.0.2:53, or leave it out."));
        }
        session::seed_list::check(&target.url)
    }

    /// A seed list has no port, and keeps its name whichever member is read.
    fn instance(&self, target: &Target) -> String {
        if session::seed_list::is_one(&target.url) { target.url.host.clone() } else { host_and_port(target, &CARD) }
    }

    fn grants(&self, login: &str, version: Option<Version>, kind: &str) -> String {
        grants::script(login, version, kind)
    }

    fn grants_line(&self, place: &Place<'_>) -> String {
        grants::line(place)
    }

    fn may_ask(&self, ask: &str) -> Result<(), Fault> {
        session::asked::may_ask(ask)
    }

    fn connect<'a>(&'a self, target: &'a Target, access: &'a Access) -> Task<'a, Result<Box<dyn Session>, Fault>> {
        Box::pin(session::connect(target, access))
    }
}
