//! PostgreSQL: what is read, how a session with it is opened, how it is found.

mod discover;
mod grants;
pub mod monitor;
pub mod session;
pub mod tune;

use crate::engines::contract::{Access, Card, Engine, Found, Hand, Place, Program, Session, Sight, Task, Version};
use crate::engines::statement;
use crate::model::fault::Fault;
use crate::model::plan::Refusal;
use crate::model::row::Metric;
use crate::model::target::Target;

static UP: Metric = Metric::gauge("pg_up", "1 if the server answered in the last cycle, else 0.");

/// PostgreSQL 12 and newer, and what speaks its protocol: RDS, Aurora, Cloud SQL, Azure; also behind PgBouncer.
pub struct Postgresql;

static CARD: Card = Card {
    word: "postgresql",
    job: "postgres",
    schemes: &["postgres", "postgresql"],
    default_port: 5432,
    up: &UP,
    oldest: (12, 0),
    kinds: &[],
    prefix: "pg",
    rows: monitor::ROWS,
    thresholds: monitor::THRESHOLDS,
    glance: monitor::GLANCE,
};

impl Engine for Postgresql {
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
        session::tls::encryption(target).map_err(|fault| fault.what)?.verified.map_err(str::to_string)
    }

    fn grants(&self, login: &str, version: Option<Version>, kind: &str) -> String {
        grants::script(login, version, kind)
    }

    fn grants_line(&self, place: &Place<'_>) -> String {
        grants::line(place)
    }

    fn has_tables(&self) -> bool {
        true
    }

    fn may_ask(&self, ask: &str) -> Result<(), Fault> {
        statement::reads(ask, &["SELECT", "WITH", "VALUES", "TABLE", "SHOW"])
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
