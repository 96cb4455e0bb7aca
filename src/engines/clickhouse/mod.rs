//! ClickHouse, through its HTTP interface: from 18.16 to the current versions.

pub mod discover;
pub mod monitor;
pub mod session;

use crate::engines::contract::{Access, Engine, Found, Row, Session, Sight, Task};
use crate::model::catalogue::Threshold;
use crate::model::fault::Fault;
use crate::model::row::Metric;
use crate::model::target::Target;
use crate::sys::reach;

pub struct ClickHouse;

static UP: Metric = Metric::gauge("clickhouse_up", "Whether the server answered.");

impl Engine for ClickHouse {
    fn word(&self) -> &'static str {
        "clickhouse"
    }

    fn job(&self) -> &'static str {
        "clickhouse"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["http", "https", "clickhouse"]
    }

    fn default_port(&self) -> u16 {
        8123
    }

    fn up(&self) -> &'static Metric {
        &UP
    }

    fn prefix(&self) -> &'static str {
        "clickhouse"
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
