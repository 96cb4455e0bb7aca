//! Where the real servers are: what tests/servers/up wrote down.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use watchward::engines::contract::Access;
use watchward::model::secret::Secret;
use watchward::model::target::{SecretSource, Target, Url};

/// A value of `target/servers/env`, or of the file that WATCHWARD_SERVERS_ENV names.
pub fn value(name: &str) -> String {
    static ALL: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let file = std::env::var("WATCHWARD_SERVERS_ENV").unwrap_or_else(|_| "target/servers/env".to_string());
        let text = std::fs::read_to_string(&file)
            .unwrap_or_else(|_| panic!("no servers are up ({file} is missing): start them with tests/servers/up"));
        text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_string(), v.to_string())).collect()
    });
    all.get(name).unwrap_or_else(|| panic!("{name} is not in the servers' env file")).clone()
}

/// A port that stands there.
pub fn port(name: &str) -> u16 {
    value(name).parse().unwrap_or_else(|_| panic!("{name} is not a port"))
}

/// A secret whose file is named there.
pub fn secret(name: &str) -> Secret {
    let file = value(name);
    Secret::new(std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("cannot read {file}: {error}")).trim_end())
}

/// Access with a password.
pub fn password(secret: Secret) -> Access {
    Access { password: Some(secret), api_key: None }
}

/// A target as the configuration would build it.
pub fn target(engine: &str, scheme: &str, host: &str, port: u16, user: &str) -> Target {
    let url = Url {
        scheme: scheme.to_string(),
        user: user.to_string(),
        host: host.to_string(),
        port,
        path: String::new(),
        parameters: BTreeMap::new(),
    };
    Target {
        name: "tested".to_string(),
        tenant: "default".to_string(),
        engine: engine.to_string(),
        url,
        password: SecretSource::None,
        api_key: SecretSource::None,
        ca_file: None,
        insecure: false,
        interval: Duration::from_secs(5),
        deadline: Duration::from_secs(5),
        job: String::new(),
        labels: BTreeMap::new(),
        root: PathBuf::from("/"),
        thresholds: BTreeMap::new(),
        discovered: false,
    }
}
