//! ClickHouse, through its HTTP interface: from 18.16 to the current versions.

pub mod discover;
mod grants;
pub mod monitor;
pub mod session;

use crate::engines::contract::{Access, Card, Engine, Place, Session, Task, Version};
use crate::engines::sight::{Found, Program, Sight};
use crate::engines::statement;
use crate::model::fault::Fault;
use crate::model::row::Metric;
use crate::model::target::Target;
use crate::sys::reach;

pub struct ClickHouse;

static UP: Metric = Metric::gauge("clickhouse_up", "Whether the server answered.");

static CARD: Card = Card {
    word: "clickhouse",
    job: "clickhouse",
    schemes: &["http", "https", "clickhouse"],
    default_port: 8123,
    up: &UP,
    oldest: (18, 16),
    kinds: &[],
    prefix: "clickhouse",
    rows: monitor::ROWS,
    thresholds: monitor::THRESHOLDS,
    glance: monitor::GLANCE,
};

impl Engine for ClickHouse {
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
        &["keeper"]
    }

    fn fits(&self, target: &Target) -> Result<(), Fault> {
        let keeper = &target.options.keeper;
        if keeper.is_empty() || session::keeper::address(keeper).is_some() {
            return Ok(());
        }
        // A URL may have a password in it.
        let shown = if keeper.contains(['@', '/']) { String::new() } else { format!("'{keeper}', ") };
        Err(Fault::new("clickhouse-08", format!("keeper is {shown}not the address of a server"))
            .hint("Write it like keeper1:9181."))
    }

    fn collects(&self, target: &Target) -> Vec<&'static str> {
        if target.options.keeper.is_empty() { Vec::new() } else { vec!["keeper"] }
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
        statement::reads(ask, &["SELECT", "WITH", "SHOW", "DESCRIBE", "EXISTS"])
    }

    fn connect<'a>(&'a self, target: &'a Target, access: &'a Access) -> Task<'a, Result<Box<dyn Session>, Fault>> {
        Box::pin(session::connect(target, access))
    }
}
