//! Elasticsearch from 6.8 on, and OpenSearch: each target is one node, read together with its cluster's health.

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

pub struct Elasticsearch;

static UP: Metric = Metric::gauge("elasticsearch_cluster_health_up", "Whether the node answered.");

static CARD: Card = Card {
    word: "elasticsearch",
    job: "elasticsearch",
    schemes: &["http", "https"],
    default_port: 9200,
    up: &UP,
    oldest: (6, 8),
    kinds: &[(session::OPENSEARCH, (1, 0))],
    prefix: "elasticsearch",
    rows: monitor::ROWS,
    thresholds: monitor::THRESHOLDS,
    glance: monitor::GLANCE,
};

impl Engine for Elasticsearch {
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

    fn options(&self) -> &'static [&'static str] {
        &["slow_log"]
    }

    fn may_ask(&self, ask: &str) -> Result<(), Fault> {
        session::may_ask(ask)
    }

    fn connect<'a>(&'a self, target: &'a Target, access: &'a Access) -> Task<'a, Result<Box<dyn Session>, Fault>> {
        Box::pin(session::connect(target, access))
    }
}
