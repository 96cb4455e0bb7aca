//! docs/examples/production.toml: each value that it puts in force.

use std::sync::Once;

use watchward::config::layers::{Document, Outside};
use watchward::config::render::render;
use watchward::config::{self, Loaded};
use watchward::model::features::Features;
use watchward::model::target::SecretSource;

use super::{here, lines};

/// Where the example's password stands while it is tested.
const CREDENTIALS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/watchward-example");

fn variable(name: &str) -> Option<String> {
    (name == "CREDENTIALS_DIRECTORY").then(|| CREDENTIALS.to_string())
}

fn load(environment: Option<&str>) -> Loaded {
    static WRITTEN: Once = Once::new();
    WRITTEN.call_once(|| {
        std::fs::create_dir_all(CREDENTIALS).expect("a folder");
        std::fs::write(format!("{CREDENTIALS}/orders.pw"), "hunter2\n").expect("a file");
    });
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/production.toml");
    let text = std::fs::read_to_string(path).expect("the example");
    let outside = Outside { environment: environment.map(str::to_string), variable };
    let documents = [Document { file: "production.toml".to_string(), text }];
    config::read_documents(&documents, &here(), &outside)
        .unwrap_or_else(|problems| panic!("{}", lines(&problems).join("\n")))
}

#[test]
fn every_value_of_the_example_is_in_force() {
    let loaded = load(None);
    assert!(loaded.warnings.is_empty(), "{:?}", lines(&loaded.warnings));
    let it = &loaded.configuration;
    assert_eq!(it.agent.environment, "production");
    assert_eq!(it.sample.interval.as_secs(), 30);
    let limits: Vec<(&str, f64)> = it.thresholds.global.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    assert_eq!(limits, [("connection_count", 1000.0), ("cpu_usage", 80.0), ("memory_usage", 85.0)]);
    let all = Features {
        ai_optimization: true,
        real_time_monitoring: true,
        automated_failover: true,
        compliance_scanning: true,
    };
    assert_eq!(it.features, all);
    let targets: Vec<(&str, u64)> =
        it.targets.iter().map(|target| (target.name.as_str(), target.interval.as_secs())).collect();
    assert_eq!(targets, [("this-host", 30), ("orders", 30)]);
    assert_eq!(it.targets[1].password, SecretSource::File(format!("{CREDENTIALS}/orders.pw").into()));

    let rules = config::rules::text(it);
    for limit in ["cpu_usage is above 80 (", "memory_usage is above 85 (", "connection_count is above 1000 ("] {
        assert!(rules.contains(limit), "no rule says '{limit}'");
    }
}

#[test]
fn the_example_is_shown_with_where_each_value_comes_from() {
    let text = render(&load(None));
    let shown: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let credentials =
        format!("password_file = \"{CREDENTIALS}/orders.pw\" # production.toml:16:17, from ${{CREDENTIALS_DIRECTORY}}");
    for expected in [
        "environment = \"production\" # production.toml:5:15",
        "interval = \"30s\" # production.toml:25:23 in [environment.production]",
        "thresholds.cpu_usage = 80 # production.toml:26:39 in [environment.production]",
        "thresholds.memory_usage = 85 # production.toml:26:58 in [environment.production]",
        "thresholds.connection_count = 1000 # production.toml:26:81 in [environment.production]",
        "automated_failover = true # production.toml:21:24",
        "deadline = \"10s\" # default",
        &credentials,
    ] {
        assert!(shown.iter().any(|line| line == expected), "no '{expected}' in\n{text}");
    }
    assert!(!text.contains("hunter2"));
}

#[test]
fn the_flag_puts_another_environment_in_force() {
    let it = load(Some("test"));
    assert_eq!(it.configuration.agent.environment, "test");
    assert_eq!(it.configuration.sample.interval.as_secs(), 5);
    assert!(it.configuration.thresholds.global.is_empty());
    assert!(render(&it).contains("# --environment\n"), "{}", render(&it));
}
