//! Elasticsearch from 6.8 on, and OpenSearch: each target is one node, read together with its cluster's health.

pub mod discover;
pub mod monitor;
pub mod session;

use crate::engines::contract::{Access, Engine, Found, Row, Session, Sight, Task};
use crate::model::catalogue::Threshold;
use crate::model::fault::Fault;
use crate::model::row::Metric;
use crate::model::target::Target;
use crate::sys::reach;

pub struct Elasticsearch;

static UP: Metric = Metric::gauge("elasticsearch_cluster_health_up", "Whether the node answered.");

impl Engine for Elasticsearch {
    fn word(&self) -> &'static str {
        "elasticsearch"
    }

    fn job(&self) -> &'static str {
        "elasticsearch"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["http", "https"]
    }

    fn default_port(&self) -> u16 {
        9200
    }

    fn up(&self) -> &'static Metric {
        &UP
    }

    fn prefix(&self) -> &'static str {
        "elasticsearch"
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
