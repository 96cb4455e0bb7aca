//! `[alert]`: what it means, and the exact words for each mistake.

use std::collections::BTreeMap;
use std::time::Duration;

use watchward::alert::config::{Config, Limits};
use watchward::alert::route::GroupBy;
use watchward::model::schema::{Origin, Table, Value};
use watchward::model::target::SecretSource;

/// A table as the configuration hands it over, every value at its own line.
fn table(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Table {
    let at = |line| Origin { file: "agent.toml".to_string(), line, column: 1, ..Origin::default() };
    let numbered = entries.into_iter().enumerate().map(|(line, (key, value))| (key.to_string(), (value, at(line + 1))));
    Table { entries: numbered.collect::<BTreeMap<_, _>>(), origin: at(99) }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_string())
}

fn receiver(name: &str, webhook: Option<Vec<(&'static str, Value)>>) -> Value {
    let webhook = webhook.map(|entries| ("webhook", Value::Table(table(entries))));
    Value::Table(table([("name", text(name))].into_iter().chain(webhook)))
}

fn url(url: &str) -> Option<Vec<(&'static str, Value)>> {
    Some(vec![("url", text(url))])
}

fn read(receivers: Vec<Value>, route: Option<Vec<(&'static str, Value)>>) -> Result<Config, String> {
    let route = route.map(|entries| ("route", Value::Table(table(entries))));
    let alert = table([("receiver", Value::List(receivers))].into_iter().chain(route));
    let words = |mistakes: Vec<watchward::alert::config::Mistake>| {
        mistakes.iter().map(|one| format!("{}: {}", one.origin.line, one.fault)).collect::<Vec<_>>().join("\n")
    };
    Config::read(&alert).map_err(words)
}

#[test]
fn an_empty_section_means_that_nobody_is_told() {
    assert_eq!(Config::read(&Table::default()), Ok(Config::default()));
}

#[test]
fn the_only_receiver_hears_of_everything() {
    let config = read(vec![receiver("dba", url("https://hooks.example.org/x"))], None).unwrap();
    let route = config.route.clone().unwrap();
    assert_eq!((route.receiver.as_str(), route.group_by), ("dba", GroupBy::default()));
    let webhook = &config.receivers[0].webhook;
    assert_eq!((webhook.endpoint.host.as_str(), webhook.endpoint.port), ("hooks.example.org", 443));
    assert_eq!((webhook.endpoint.tls, webhook.timeout), (true, Duration::from_secs(10)));
    assert_eq!(config.limits, Limits::default());
}

#[test]
fn everything_that_can_be_set_is_taken_over() {
    let webhook = vec![
        ("url", text("http://[::1]:8080/hook?x=1")),
        ("secret_file", text("/etc/watchward/hook")),
        ("ca_file", text("/etc/ssl/ours.pem")),
        ("timeout", Value::Duration(Duration::from_secs(3))),
    ];
    let group_by = Value::List(vec![text("..."), text("alertname")]);
    let route = vec![("receiver", text("b")), ("group_by", group_by)];
    let config = read(vec![receiver("a", url("http://a/")), receiver("b", Some(webhook))], Some(route)).unwrap();
    let route = config.route.clone().unwrap();
    assert_eq!((route.receiver.as_str(), route.group_by), ("b", GroupBy::All));
    let webhook = &config.receivers[1].webhook;
    assert_eq!((webhook.endpoint.host.as_str(), webhook.endpoint.port, webhook.endpoint.tls), ("::1", 8080, false));
    assert_eq!(webhook.secret, SecretSource::File("/etc/watchward/hook".into()));
    assert_eq!((webhook.ca_file.clone(), webhook.timeout), (Some("/etc/ssl/ours.pem".into()), Duration::from_secs(3)));
    let limits = table([
        ("queue_entries_max", Value::Whole(500)),
        ("body_bytes_max", Value::Bytes(100_000)),
        ("give_up_after", Value::Duration(Duration::from_secs(7200))),
        ("thresholds", Value::Table(table([("cpu_usage", Value::Number(80.0))]))),
    ]);
    let config = Config::read(&limits).unwrap();
    let give_up_after = Duration::from_secs(7200);
    assert_eq!(config.limits, Limits { queue_entries_max: 500, body_bytes_max: 100_000, give_up_after });
    assert_eq!(config.thresholds["cpu_usage"], 80.0);
}

/// Each mistake with the line it stands on, all of them at once.
#[test]
fn mistakes_are_told_all_at_once_with_their_place() {
    let two_secrets = vec![("url", text("http://h/")), ("secret_env", text("X")), ("secret_file", text("/x"))];
    let wrong = vec![
        receiver("a", url("ftp://h/x")),
        receiver("a", url("http://h/")),
        receiver("c", None),
        receiver("d", Some(two_secrets)),
        receiver("e", url("hooks.example.org/hunter2")),
        receiver("f", url("http://u:hunter2@/")),
    ];
    let words = read(wrong, None).unwrap_err();
    assert_eq!(
        words,
        "1: the URL of receiver 'a' cannot be used: 'ftp' is not a scheme for webhooks [alert-03]\n\
         hint: Write it like \"https://hooks.example.org/x\".\n\
         1: receiver 'c' cannot be told anything [alert-02]\n\
         hint: Add webhook = { url = \"https://…\" }.\n\
         2: the webhook of receiver 'd' has two secrets [alert-04]\n\
         hint: Keep secret_file or secret_env, not both.\n\
         1: the URL of receiver 'e' cannot be used: it has no scheme [alert-03]\n\
         hint: Write it like \"https://hooks.example.org/x\".\n\
         1: the URL of receiver 'f' cannot be used: invalid authority [alert-03]\n\
         hint: Write it like \"https://hooks.example.org/x\"."
    );
    assert!(!words.contains("hunter2"));
    let twice = read(vec![receiver("a", url("http://h/")), receiver("a", url("http://h/"))], None).unwrap_err();
    assert_eq!(twice, "1: receiver 'a' stands twice [alert-01]\nhint: Names are unique.");
}

#[test]
fn a_route_must_lead_to_somebody() {
    let two = || vec![receiver("dba", url("http://a/")), receiver("boss", url("http://b/"))];
    assert_eq!(
        read(two(), None).unwrap_err(),
        "1: there is no route to any of the receivers dba, boss [alert-05]\nhint: Name one in [alert.route] receiver."
    );
    assert_eq!(
        read(two(), Some(vec![("receiver", text("dbs"))])).unwrap_err(),
        "1: the route names a receiver that does not exist: 'dbs' [alert-06]\nhint: There are: dba, boss."
    );
    assert_eq!(
        read(vec![], Some(vec![("receiver", text("dba"))])).unwrap_err(),
        "1: the route names a receiver that does not exist: 'dba' [alert-06]\nhint: Add it as [[alert.receiver]]."
    );
}

#[test]
fn no_part_of_a_url_that_may_be_a_secret_is_printed() {
    let secret = "https://user:hunter2@hooks.example.org/services/T0/hunter2?token=hunter2";
    let config = read(vec![receiver("dba", url(secret))], None).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
}
