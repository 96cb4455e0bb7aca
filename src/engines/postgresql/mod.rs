//! PostgreSQL: what is read, how a session with it is opened, how it is found.

mod discover;
pub mod monitor;
pub mod session;

use crate::engines::contract::{Access, Engine, Found, Row, Session, Sight, Task};
use crate::model::catalogue::Threshold;
use crate::model::fault::Fault;
use crate::model::row::Metric;
use crate::model::target::Target;

static UP: Metric = Metric::gauge("pg_up", "1 if the server answered in the last cycle, else 0.");

/// PostgreSQL 13 and newer, and what speaks its protocol: RDS, Aurora, Cloud SQL, Azure; also behind PgBouncer.
pub struct Postgresql;

impl Engine for Postgresql {
    fn word(&self) -> &'static str {
        "postgresql"
    }

    fn job(&self) -> &'static str {
        "postgres"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["postgres", "postgresql"]
    }

    fn default_port(&self) -> u16 {
        5432
    }

    fn up(&self) -> &'static Metric {
        &UP
    }

    fn prefix(&self) -> &'static str {
        "pg"
    }

    fn rows(&self) -> &'static [Row] {
        monitor::ROWS
    }

    fn thresholds(&self) -> &'static [Threshold] {
        monitor::THRESHOLDS
    }

    fn discover(&self, sight: &Sight) -> Vec<Found> {
        discover::targets(sight)
    }

    fn verifies(&self, target: &Target) -> Result<(), String> {
        session::tls::encryption(target).map_err(|fault| fault.what)?.verified.map_err(str::to_string)
    }

    fn connect<'a>(&'a self, target: &'a Target, access: &'a Access) -> Task<'a, Result<Box<dyn Session>, Fault>> {
        Box::pin(session::connect(self, target, access))
    }
}
