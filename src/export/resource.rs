//! Resources: what samples are about, by the semantic conventions. One for each target, and one for the agent itself.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use crate::export::wire::{attribute, attribute_whole};
use crate::model::labels::NAME;

/// The agent, as every resource names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// `[agent] name`.
    pub name: String,
    /// The machine's own name.
    pub host_name: String,
    /// `[export.otlp] resource`.
    pub attributes: BTreeMap<String, String>,
}

/// A target, as its resource names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    pub tenant: String,
    pub target: String,
    /// The value of `db.system.name`; empty for what is no database.
    pub system: String,
    /// A host name, an address, or the path of a socket.
    pub address: String,
    /// 0 where there is none.
    pub port: u16,
    /// Whether it runs on the agent's machine.
    pub is_local: bool,
    /// The target's own labels.
    pub labels: BTreeMap<String, String>,
}

impl Agent {
    /// The resource of the agent's own metrics and spans.
    pub fn resource(&self) -> Resource {
        self.with(&self.name, [attribute("host.name", &self.host_name)])
    }

    /// The resource of a target. Its `service.instance.id` is unique among all targets of all agents, for receivers that
    /// tell resources apart by nothing else.
    pub fn resource_of(&self, subject: &Subject) -> Resource {
        let mut own = vec![attribute("tenant", &subject.tenant), attribute("target", &subject.target)];
        if !subject.system.is_empty() {
            own.push(attribute("db.system.name", &subject.system));
            own.push(attribute("server.address", &subject.address));
            if subject.port > 0 {
                own.push(attribute_whole("server.port", i64::from(subject.port)));
            }
        }
        if subject.is_local {
            own.push(attribute("host.name", &self.host_name));
        }
        let labels = subject.labels.iter().map(|(name, value)| attribute(name, value));
        let instance = format!("{}/{}/{}", self.name, subject.tenant, subject.target);
        self.with(&instance, own.into_iter().chain(labels))
    }

    /// Of a name given twice the first stands: what the agent says of itself, then what it says of the target.
    fn with(&self, instance: &str, own: impl IntoIterator<Item = KeyValue>) -> Resource {
        let mut attributes = vec![
            attribute("service.name", "watchward"),
            attribute("service.instance.id", instance),
            attribute("service.version", env!("CARGO_PKG_VERSION")),
        ];
        let configured = self.attributes.iter().map(|(name, value)| attribute(name, value));
        for one in own.into_iter().chain(configured) {
            if !attributes.iter().any(|other| other.key == one.key) {
                attributes.push(one);
            }
        }
        Resource { attributes, ..Resource::default() }
    }
}

/// What batches need of a target: its resource as bytes, and the labels that it takes the place of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    pub bytes: Vec<u8>,
    labels: Vec<String>,
}

/// Labels of every series that are the resource's business: Prometheus' words for what a resource says.
const LABELS: &[&str] = &[NAME, "tenant", "target", "instance", "job"];

impl Prepared {
    pub fn new(resource: &Resource, subject: &Subject) -> Prepared {
        Prepared { bytes: resource.encode_to_vec(), labels: subject.labels.keys().cloned().collect() }
    }

    /// Whether a label is left to the points.
    pub fn leaves(&self, label: &str) -> bool {
        !LABELS.contains(&label) && !self.labels.iter().any(|own| own == label)
    }
}
