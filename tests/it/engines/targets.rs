//! Targets on this machine, as the configuration would build them.

use std::time::Duration;

use watchward::model::filter::{Choice, Filter};
use watchward::model::target::{DEFAULT_TENANT, SecretSource, Target, Url};

/// A target of an engine's word on a port of this machine.
pub fn target(word: &str, scheme: &str, port: u16) -> Target {
    Target {
        name: "tested".to_string(),
        tenant: DEFAULT_TENANT.to_string(),
        engine: word.to_string(),
        url: Url { scheme: scheme.to_string(), host: "127.0.0.1".to_string(), port, ..Url::default() },
        password: SecretSource::None,
        api_key: SecretSource::None,
        action: None,
        ca_file: None,
        insecure: false,
        interval: Duration::from_secs(5),
        deadline: Duration::from_secs(5),
        sessions_max: 6,
        job: String::new(),
        labels: [].into(),
        root: "/".into(),
        slow_log: Vec::new(),
        choice: Choice::default(),
        filter: Filter::default(),
        queries: Vec::new(),
        thresholds: [].into(),
        discovered: false,
    }
}
