//! The slow logs that Elasticsearch 7.17 and OpenSearch 2.19 write, as the agent reads them: kinds of query, and their texts by id.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use watchward::engines::contract::Session;

use crate::agent::{Agent, Folder, sections, wait};
use crate::elasticsearch::{as_monitor, tell};
use crate::points::{Points, row};
use crate::servers::{Servers, engine, open, servers};

const SOON: Duration = Duration::from_secs(30);

/// Logs everything of an index while it lives.
struct Slow<'s> {
    servers: &'s Servers,
    name: &'s str,
}

impl Slow<'_> {
    fn set(&self, threshold: &str) {
        let settings = format!(
            r#"{{"index.search.slowlog.threshold.query.trace": {threshold},
                 "index.search.slowlog.threshold.fetch.trace": {threshold},
                 "index.indexing.slowlog.threshold.index.trace": {threshold}}}"#
        );
        tell(self.servers, self.name, "PUT", "/products/_settings", &settings);
    }
}

impl Drop for Slow<'_> {
    fn drop(&mut self) {
        self.set("null");
    }
}

fn logs(servers: &Servers, name: &str, ending: &str) -> PathBuf {
    PathBuf::from(servers.value(&format!("WW_{name}_LOGS"))).join(format!("*_slowlog.{ending}"))
}

async fn statements(session: &mut dyn Session) -> Points {
    let facts = session.facts().clone();
    let row = row(engine("elasticsearch"), "statements", &facts);
    let answer = session.ask(row, Duration::from_secs(5)).await.unwrap_or_else(|unknown| panic!("{unknown:?}"));
    Points::of(row, &answer, &facts).expect("points")
}

/// Three searches of one kind and a document, read through one form of the log.
async fn check(name: &str, ending: &str) {
    let servers = servers();
    let slow = Slow { servers: &servers, name };
    slow.set("\"0ms\"");
    let mut target = as_monitor(&servers, name);
    target.options.slow_log = vec![logs(&servers, name, ending)];
    let mut session = open(&target).await.unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(statements(&mut *session).await.all.len(), 0, "what was logged before is not told again");
    for word in ["ann", "bob", "planted \\\"words\\\" ]}"] {
        let query = format!(r#"{{"query": {{"match_phrase": {{"name": "{word}"}}}}}}"#);
        tell(&servers, name, "POST", "/products/_search", &query);
    }
    tell(&servers, name, "PUT", "/products/_doc/slow?refresh=true", r#"{"name": "planted", "n": 7}"#);
    let calls = |points: &Points, phase: &str| -> Vec<(String, f64)> {
        let begin = format!("elasticsearch_statement_calls_total{{phase=\"{phase}\",query_hash=\"");
        let of_phase = points.all.iter().filter_map(|(series, value)| Some((series.strip_prefix(&begin)?, *value)));
        of_phase.map(|(hash, value)| (hash.trim_end_matches("\"}").to_string(), value)).collect()
    };
    let mut points = statements(&mut *session).await;
    for _ in 0..50 {
        if calls(&points, "index").len() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        points = statements(&mut *session).await;
    }
    let queries = calls(&points, "query");
    let [(hash, count)] = &queries[..] else { panic!("one kind of query: {}", points.text()) };
    assert_eq!(*count, 3.0);
    let seconds = format!("elasticsearch_statement_seconds_total{{phase=\"query\",query_hash=\"{hash}\"}}");
    assert!((1e-6..10.0).contains(&points.value(&seconds)), "{}", points.text());
    let text = session.statement(hash).await.expect("looked for").expect("a text");
    assert!(text.starts_with(r#"{"query":{"match_phrase":{"name":{"query":?"#) && !text.contains("planted"), "{text}");
    let (document, _) = &calls(&points, "index")[0];
    assert_eq!(session.statement(document).await.expect("looked for").as_deref(), Some(r#"{"name":?,"n":?}"#));
    println!("{name}, {ending}: {text}");
}

#[tokio::test]
async fn the_slow_log_of_elasticsearch_becomes_statements_in_both_its_forms() {
    check("ELASTICSEARCH", "json").await;
    check("ELASTICSEARCH", "log").await;
}

#[tokio::test]
async fn the_slow_log_of_opensearch_becomes_statements_in_both_its_forms() {
    check("OPENSEARCH", "json").await;
    check("OPENSEARCH", "log").await;
}

#[test]
fn the_agent_counts_them_and_gives_the_text_to_who_may_have_it() {
    let servers = servers();
    let slow = Slow { servers: &servers, name: "ELASTICSEARCH" };
    slow.set("\"0ms\"");
    let keys =
        format!("interval = \"1s\"\ndeadline = \"1s\"\nslow_log = [{:?}]", logs(&servers, "ELASTICSEARCH", "json"));
    let folder = Folder::new();
    let agent = Agent::begin(&folder, &sections(&["search"], &keys));
    wait("the slow log is read", SOON, || agent.query("elasticsearch_slow_log_files") == [2.0]);
    let ask = || {
        tell(&servers, "ELASTICSEARCH", "POST", "/products/_search", r#"{"query": {"prefix": {"name": "planted"}}}"#)
    };
    let counted = r#"elasticsearch_statement_calls_total{phase="query",query_hash!="other"}"#;
    ask();
    wait("its kind is a series", SOON, || agent.query(counted) == [1.0]);
    ask();
    wait("and counts", SOON, || agent.query(counted) == [2.0]);
    let found = agent.ask(counted);
    let hash = found[0]["metric"]["query_hash"].as_str().expect("a hash").to_string();
    let path = format!("/api/v1/statements?target=search&id={hash}");
    assert_eq!(agent.try_get(&path).expect("an answer").0, 403, "not for everybody");
    let mut curl = Command::new("curl");
    curl.args(["-s", "--unix-socket"]).arg(folder.0.join("state/watchward.sock"));
    let output = curl.arg(format!("http://localhost{path}")).output().expect("curl runs");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = answer["text"].as_str().unwrap_or_else(|| panic!("{answer}"));
    assert!(text.starts_with(r#"{"query":{"prefix":{"name":{"value":?"#), "{text}");
}

#[test]
fn a_slow_log_that_may_not_be_read_is_told_with_what_to_do() {
    if !watchward::sys::process::is_root() {
        println!("skipped: only root can run the agent as somebody else");
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    let servers = servers();
    let folder = Folder::new();
    let log = folder.write("slow.log", "");
    std::fs::set_permissions(&log, std::fs::Permissions::from_mode(0o600)).expect("its owner's alone");
    let text = format!(
        "[agent]\nname = \"t\"\nstate_dir = \"/nowhere\"\n[[target]]\nname = \"search\"\nengine = \"elasticsearch\"\n\
         url = \"http://127.0.0.1:{}\"\nslow_log = [{log:?}]\n",
        servers.port("WW_ELASTICSEARCH_PORT")
    );
    let config = folder.write("agent.toml", &text);
    // Where anybody may run it: the folder of the build may be somebody's own.
    let program = folder.0.join("watchward");
    std::fs::copy(env!("CARGO_BIN_EXE_watchward"), &program).expect("copied");
    let said = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args(["sample", "--target", "search", "--config"])
        .arg(&config)
        .output()
        .expect("it runs");
    let error = String::from_utf8_lossy(&said.stderr);
    let expected = format!(
        "not read: statements: {}: Permission denied (os error 13); let the agent's user read it: add the user to the \
         group that owns the file",
        log.display()
    );
    assert!(error.contains(&expected), "{error}");
    assert!(String::from_utf8_lossy(&said.stdout).contains("elasticsearch_cluster_health_up"), "all else is read");
}
