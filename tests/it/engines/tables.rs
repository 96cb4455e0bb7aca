//! What holds for the tables of several engines: thresholds can be evaluated, discovery and verification say what they see.

use std::collections::BTreeSet;

use watchward::engines::contract::Access;
use watchward::engines::find;
use watchward::engines::sight::Sight;

use crate::engines::targets::target;

const ENGINES: [(&str, u16); 3] = [("mongodb", 27017), ("clickhouse", 8123), ("elasticsearch", 9200)];

#[test]
fn every_threshold_is_an_expression_on_metrics_of_its_engine() {
    for (word, _) in ENGINES {
        let engine = find(word).expect("an engine");
        let known = |name: &str| {
            let of_row = engine.rows().iter().any(|row| {
                row.metrics.iter().any(|metric| metric.name == name)
                    || row.families.iter().any(|family| name.starts_with(family.prefix))
            });
            of_row && !name.is_empty()
        };
        assert!(!engine.card().thresholds.is_empty());
        for threshold in engine.card().thresholds {
            assert_eq!(threshold.engine, word);
            for expression in [threshold.expression, threshold.ceiling].iter().filter(|text| !text.is_empty()) {
                assert!(expression.contains("{matchers}"), "{expression}");
                let whole = expression.replace("{matchers}", r#"target="t""#);
                promql_parser::parser::parse(&whole).unwrap_or_else(|error| panic!("{whole}: {error}"));
                let word = |at: usize| whole[..at].rsplit(|c: char| !c.is_alphanumeric() && c != '_').next();
                let names: BTreeSet<&str> = whole.match_indices('{').filter_map(|(at, _)| word(at)).collect();
                assert!(!names.is_empty() && names.iter().all(|name| known(name)), "{names:?}");
            }
        }
    }
}

/// Copied rules: each metric that they name is read without being asked for, or the manual says why it may be missing.
#[test]
fn the_copied_rules_of_clickhouse_and_elasticsearch_have_their_metrics_and_labels() {
    let manuals = [
        ("clickhouse", include_str!("../../../docs/clickhouse.md"), &["job"][..]),
        ("elasticsearch", include_str!("../../../docs/elasticsearch.md"), &["area", "color", "es_data_node"]),
    ];
    for (word, manual, labels) in manuals {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/alert-rules");
        let file = folder.join(format!("{word}.yml"));
        let Ok(rules) = std::fs::read_to_string(&file) else {
            println!("skipped: {} is absent", file.display());
            continue;
        };
        let engine = find(word).expect("an engine");
        let expressions: Vec<&str> = rules.lines().filter(|line| line.trim_start().starts_with("expr:")).collect();
        assert!(expressions.len() > 10, "{word}");
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let begins = |name: &&str| name.starts_with("ClickHouse") || name.starts_with("elasticsearch_");
        let names: BTreeSet<&str> =
            expressions.iter().flat_map(|line| line.split(move |c| !is_word(c))).filter(begins).collect();
        for name in names {
            let rows = || engine.rows().iter().filter(|row| !row.optional);
            let is_metric = rows().any(|row| row.metrics.iter().any(|metric| metric.name == name));
            let is_of_family = rows().any(|row| row.families.iter().any(|family| name.starts_with(family.prefix)));
            assert!(is_metric || is_of_family, "{name} is not read");
            let prefix = name.split_inclusive('_').take(2).collect::<String>();
            let listed = manual.contains(&format!("`{name}`")) || manual.contains(&format!("`{prefix}*`"));
            println!("{name}: read{}", if listed { ", and listed where it may be missing" } else { "" });
        }
        let named: BTreeSet<&str> = expressions
            .iter()
            .flat_map(|line| line.match_indices("=\"").map(|(at, _)| &line[..at]))
            .filter_map(|before| before.rsplit(|c| !is_word(c)).next())
            .collect();
        assert_eq!(named, labels.iter().copied().collect(), "{word}");
    }
}

#[test]
fn a_listening_default_port_is_a_target_on_loopback() {
    for (word, port) in ENGINES {
        let engine = find(word).expect("an engine");
        assert_eq!(engine.discover(&Sight::default()), []);
        let sight = Sight { ports: [port, 1].into(), ..Sight::default() };
        let found = engine.discover(&sight);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, format!("{word}-{port}"));
        assert_eq!(found[0].url, format!("{}://127.0.0.1:{port}", engine.card().schemes[0]));
        assert_eq!(engine.card().default_port, port);
    }
}

#[test]
fn what_is_not_verified_is_said() {
    for (word, _) in ENGINES {
        let engine = find(word).expect("an engine");
        let mut target = target(word, engine.card().schemes[0], 1);
        target.url.host = "db1".to_string();
        assert_eq!(engine.verifies(&target), Err("The connection to db1 is not encrypted.".to_string()));
        target.url.scheme = "https".to_string();
        target.url.parameters.insert("tls".to_string(), "true".to_string());
        assert_eq!(engine.verifies(&target), Ok(()));
        target.insecure = true;
        assert_eq!(engine.verifies(&target), Err("The certificate of db1 is not verified.".to_string()));
        target.ca_file = Some("/etc/ca.pem".into());
        assert_eq!(engine.verifies(&target), Ok(()), "a named authority is believed, insecure or not");
    }
}

#[tokio::test]
async fn what_an_engine_has_not_is_refused_by_name() {
    let host = find("host").expect("registered");
    let target = target("host", "", 0);
    let mut session = host.connect(&target, &Access::default()).await.unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(
        session.statement("1").await.expect_err("there are none").to_string(),
        "this kind of target has no texts of statements by id [engine-02]"
    );
    assert_eq!(
        host.reach(&target, &Access::default()).await.map(|_| ()).expect_err("there are none").to_string(),
        "engine 'host' has no settings that the agent could set [engine-01]\n\
         hint: See the manual for what `set` can change."
    );
}
