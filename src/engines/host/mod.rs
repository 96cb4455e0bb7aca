//! The host: what the kernel says in proc/ and sys/ under the target's root, in node_exporter's names.

mod grants;
pub mod session;
pub mod monitor;

use crate::engines::contract::{Access, Card, Engine, Place, Session, Task, Version};
use crate::engines::host::session::HostSession;
use crate::model::catalogue::Threshold;
use crate::model::fault::Fault;
use crate::model::row::Metric;
use crate::model::target::Target;

/// The engine of the word `host`.
pub struct Host;

/// node_exporter has no such metric of its own; the name follows the other exporters'.
static UP: Metric = Metric::gauge("node_up", "Whether the host's proc/ could be read.");

const THRESHOLDS: &[Threshold] = &[
    Threshold {
        key: "cpu_usage",
        engine: "host",
        alert: "HostCpuUsageHigh",
        expression: "100 * (1 - avg without (cpu, mode) (rate(node_cpu_seconds_total{mode=\"idle\",{matchers}}[5m])))",
        hold: "5m",
        ceiling: "",
        summary: "The CPUs of {{ $labels.target }} are {{ $value | printf \"%.0f\" }} % busy, more than {value} %.",
        unit: "%",
    },
    Threshold {
        key: "memory_usage",
        engine: "host",
        alert: "HostMemoryUsageHigh",
        expression: "100 * (1 - node_memory_MemAvailable_bytes{{matchers}} / node_memory_MemTotal_bytes{{matchers}})",
        hold: "5m",
        ceiling: "",
        summary: "{{ $value | printf \"%.0f\" }} % of the memory of {{ $labels.target }} is in use, more than {value} %.",
        unit: "%",
    },
    Threshold {
        key: "disk_usage",
        engine: "host",
        alert: "HostDiskUsageHigh",
        expression: "100 * (1 - node_filesystem_avail_bytes{{matchers}} / node_filesystem_size_bytes{{matchers}}) \
                     and node_filesystem_readonly{{matchers}} == 0",
        hold: "5m",
        ceiling: "",
        summary: "{{ $value | printf \"%.0f\" }} % of {{ $labels.mountpoint }} on {{ $labels.target }} is in use, \
                  more than {value} %.",
        unit: "%",
    },
];

static CARD: Card = Card {
    word: "host",
    job: "node",
    schemes: &[],
    default_port: 0,
    up: &UP,
    oldest: (0, 0),
    kinds: &[],
    prefix: "node",
    rows: monitor::rows::ROWS,
    thresholds: THRESHOLDS,
    glance: &[],
};

impl Engine for Host {
    fn card(&self) -> &'static Card {
        &CARD
    }

    /// Nothing leaves the machine.
    fn verifies(&self, _target: &Target) -> Result<(), String> {
        Ok(())
    }

    /// The host's own name, without a port: nothing listens.
    fn instance(&self, target: &Target) -> String {
        if target.url.host.is_empty() { "localhost".to_string() } else { target.url.host.clone() }
    }

    fn grants(&self, login: &str, version: Option<Version>, kind: &str) -> String {
        grants::script(login, version, kind)
    }

    fn grants_line(&self, place: &Place<'_>) -> String {
        grants::line(place)
    }

    fn connect<'a>(&'a self, target: &'a Target, _access: &'a Access) -> Task<'a, Result<Box<dyn Session>, Fault>> {
        Box::pin(async move {
            let mut session = HostSession::new(target.root.clone());
            session.probe().await?;
            Ok(Box::new(session) as Box<dyn Session>)
        })
    }
}
