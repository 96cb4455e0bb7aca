//! Resources: what samples are about, by the semantic conventions. One for each target, and one for the agent itself.

use std::collections::BTreeMap;
use std::time::Duration;

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
    /// The longest that a cycle may take.
    pub deadline: Duration,
}

impl Agent {
    /// The resource of the agent's own metrics.
    pub fn resource(&self) -> Resource {
        let attributes = self.attributes().iter().map(|(name, value)| attribute(name, value)).collect();
        Resource { attributes, ..Resource::default() }
    }

    /// The attributes of the resource of the agent itself.
    pub fn attributes(&self) -> Vec<(String, String)> {
        let own = [
            ("service.name", "watchward"),
            ("service.instance.id", &self.name),
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("host.name", &self.host_name),
        ];
        let is_free = |name: &&String| own.iter().all(|(taken, _)| taken != name);
        let configured =
            self.attributes.keys().filter(is_free).map(|name| (name.clone(), self.attributes[name].clone()));
        own.iter().map(|(name, value)| (name.to_string(), value.to_string())).chain(configured).collect()
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

/// A target with its resource as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    pub bytes: Vec<u8>,
    pub subject: Subject,
}

/// Labels of every series that are the resource's business: Prometheus' words for what a resource says.
const LABELS: &[&str] = &[NAME, "tenant", "target", "instance", "job"];

impl Prepared {
    pub fn new(resource: &Resource, subject: &Subject) -> Prepared {
        Prepared { bytes: resource.encode_to_vec(), subject: subject.clone() }
    }

    /// Whether a label is left to the points.
    pub fn leaves(&self, label: &str) -> bool {
        !LABELS.contains(&label) && !self.subject.labels.contains_key(label)
    }
}
