//! The slow logs of Elasticsearch and OpenSearch: recorded lines, queries without literals, and files that grow, rotate and end.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use watchward::engines::contract::{Access, Answer, Engine, Session};
use watchward::engines::elasticsearch::Elasticsearch;
use watchward::engines::elasticsearch::monitor::slow_log::{Sums, parse, without_literals};
use watchward::model::reading::{Unknown, UnknownKind};

use crate::engines::http_answers::{Asked, HttpAnswers};
use crate::engines::points::{Points, row};
use crate::engines::targets::target;

static ELASTICSEARCH: Elasticsearch = Elasticsearch;

const TERMS: &str =
    r#"{"query":{"bool":{"filter":[{"term":{"name":{"value":?,"boost":?}}}],"adjust_pure_negative":?,"boost":?}}}"#;
const PEN: &str = r#"{"name":?,"n":?,"tags":[?],"at":{"x":?}}"#;

#[test]
fn recorded_lines_are_understood_in_both_forms() {
    for folder in ["7.17", "opensearch-2.19"] {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/elasticsearch/{folder}/slow_log.txt"));
        let text = fs::read_to_string(path).expect("a recording");
        let half = text.lines().count() / 2;
        let entries: Vec<_> = text.lines().map(|line| parse(line).unwrap_or_else(|| panic!("{line}"))).collect();
        assert_eq!(entries[..half], entries[half..], "JSON and plain text say the same");
        let seen: Vec<(&str, &str)> = entries[..half].iter().map(|one| (one.phase, one.text.as_str())).collect();
        assert_eq!(
            (seen[0], seen[1], seen[half - 1]),
            (("query", TERMS), ("fetch", TERMS), ("index", PEN)),
            "{folder}"
        );
        assert!(entries.iter().all(|one| (0.0005..0.1).contains(&one.seconds)), "{entries:?}");
    }
}

#[test]
fn lines_of_elasticsearch_8_and_lines_that_are_none() {
    // As its manual shows it; not recorded.
    let eight = r#"{"@timestamp":"2024-12-21T12:42:37.255Z","log.level":"WARN","ecs.version":"1.2.0","event.dataset":"elasticsearch.index_search_slowlog","log.logger":"index.search.slowlog.query","elasticsearch.slowlog.message":"[index6][0]","elasticsearch.slowlog.search_type":"QUERY_THEN_FETCH","elasticsearch.slowlog.source":"{\"query\":{\"match_all\":{\"boost\":1.0}}}","elasticsearch.slowlog.took":"747.3micros","elasticsearch.slowlog.took_millis":0}"#;
    let entry = parse(eight).expect("understood");
    assert_eq!((entry.phase, entry.text.as_str()), ("query", r#"{"query":{"match_all":{"boost":?}}}"#));
    assert!((entry.seconds - 747.3e-6).abs() < 1e-12);
    assert_eq!(entry.hash(), "aeb765459253eec0", "for good: it is a label, and what people look texts up by");
    let none = [
        "",
        "{}",
        "{",
        "[]",
        "Caused by: java.lang.IllegalStateException",
        r#"{"component": "i.s.s.query", "took": "soon", "source": "{}"}"#,
        r#"{"component": "o.e.n.Node", "took": "1ms", "source": "{}"}"#,
        r#"{"component": "i.s.s.query", "took": "-1ms", "source": "{}"}"#,
        r#"{"component": "i.s.s.query", "took_millis": "NaN", "source": "{}"}"#,
        "[2026-12-01T03:17:48,401][TRACE][i.s.s.query ] [n] [products][0] took[11.3ms], source{}",
    ];
    for line in none {
        assert_eq!(parse(line), None, "{line}");
    }
    let took = |text: &str| parse(&json!({ "component": "x.query", "took": text, "source": "{}" }).to_string());
    let seconds: Vec<f64> =
        ["5nanos", "1.5ms", "2.5s", "3m", "1h", "1d"].iter().filter_map(|text| Some(took(text)?.seconds)).collect();
    assert_eq!(seconds, [5e-9, 0.0015, 2.5, 180.0, 3600.0, 86400.0]);
}

#[test]
fn of_a_query_its_shape_stays_and_no_value() {
    let rows = [
        ("{}", "{}"),
        ("", "?"),
        ("12", "?"),
        (r#"{"a": "x", "b": [1, 2, 3], "c": null}"#, r#"{"a":?,"b":[?],"c":?}"#),
        (r#"{"terms": {"user": ["ann", "bob"]}}"#, r#"{"terms":{"user":[?]}}"#),
        (
            r#"[{"term":{"a":1}},{"term":{"a":2}},{"range":{"b":{"gte":3}}}]"#,
            r#"[{"term":{"a":?}},{"range":{"b":{"gte":?}}}]"#,
        ),
        (r#"{"a\"b": "c\"}]", "d": "\\"}"#, r#"{"a\"b":?,"d":?}"#),
        // Cut short, wherever that is.
        (r#"{"a": {"b": "lon"#, r#"{"a":{"b":?}}"#),
        (r#"{"a": 1, "secr"#, r#"{"a":?}"#),
        (r#"{"a": 1, "b":"#, r#"{"a":?,"b":?}"#),
        (r#"{"größe": "ö"}], id[secret]"#, r#"{"größe":?}"#),
    ];
    for (source, expected) in rows {
        assert_eq!(without_literals(source), expected, "{source}");
    }
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(without_literals(&deep).len() < 200, "no stack is deep enough for everything");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(|text| Value::from(format!("planted{text}planted"))),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map("[a-z\"\\\\ö]{0,6}", inner, 0..6)
                .prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_a_line_holds_nothing_falls_over(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = parse(&text);
        let _ = parse(&format!("[t][TRACE][i.s.s.query ] [n] [i][0] took[1ms], source[{text}"));
        let _ = without_literals(&text);
    }

    #[test]
    fn no_value_is_ever_shown_also_when_cut_short(document in any_json(), part in 0.0..1.0_f64) {
        let source = document.to_string();
        prop_assert!(!without_literals(&source).contains("planted"));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let mut end = (source.len() as f64 * part) as usize;
        while !source.is_char_boundary(end) { end -= 1; }
        prop_assert!(!without_literals(&source[..end]).contains("planted"));
    }
}

fn line(query: &str, millis: u32) -> String {
    json!({ "component": "i.s.s.query", "took": format!("{millis}ms"), "source": query }).to_string() + "\n"
}

#[test]
fn beyond_the_limit_those_kinds_go_that_were_not_seen_for_longest() {
    let mut sums = Sums::default();
    let lines: Vec<String> = (0..1000).map(|n| line(&format!("{{\"f{n}\": 1}}"), 1)).collect();
    sums.add(lines.iter().map(String::as_str));
    let (again, new) = (line(r#"{"f0": 2}"#, 1), line(r#"{"new": 2}"#, 1));
    sums.add([again.as_str(), new.as_str()].into_iter());
    let table = sums.table();
    let calls: Vec<&str> = table.rows.iter().filter_map(|row| row[2].as_deref()).collect();
    assert_eq!((table.rows.len(), calls.iter().filter(|calls| **calls == "2").count()), (1000, 1));
    assert_eq!((sums.lines, sums.unparsed), (1002, 0));
}

/// A folder of logs, gone at the end.
struct Logs(PathBuf);

impl Logs {
    fn make(name: &str) -> Logs {
        let path = std::env::temp_dir().join(format!("watchward-slow-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        Logs(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let file = OpenOptions::new().create(true).append(true).open(self.path(name));
        file.and_then(|mut file| file.write_all(text.as_bytes())).expect("written");
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn root(_: &Asked) -> (u16, String) {
    (200, json!({ "cluster_name": "c", "cluster_uuid": "u", "version": { "number": "7.17.28" } }).to_string())
}

async fn session(server: &HttpAnswers, pattern: PathBuf) -> Box<dyn Session> {
    let mut target = target("elasticsearch", "http", server.port);
    target.options.slow_log = vec![pattern];
    ELASTICSEARCH.connect(&target, &Access::default()).await.expect("a session")
}

async fn ask(session: &mut dyn Session, name: &str) -> Result<Answer, Unknown> {
    let row = row(&ELASTICSEARCH, name, &session.facts().clone());
    session.ask(row, Duration::from_secs(5)).await
}

/// Calls and seconds over all kinds of query.
async fn read(session: &mut dyn Session) -> (f64, f64) {
    let answer = ask(session, "statements").await.expect("read");
    let facts = session.facts().clone();
    let points = Points::of(row(&ELASTICSEARCH, "statements", &facts), &answer, &facts).expect("points");
    let sum =
        |name: &str| points.all.iter().filter(|(series, _)| series.starts_with(name)).map(|(_, value)| value).sum();
    (sum("elasticsearch_statement_calls_total"), sum("elasticsearch_statement_seconds_total"))
}

async fn reading(session: &mut dyn Session) -> Vec<u64> {
    let Ok(Answer::Json(found)) = ask(session, "slow_log").await else { panic!("a document") };
    ["files", "lines", "unparsed", "unread"].iter().filter_map(|name| found[name].as_u64()).collect()
}

const QUERY: &str = r#"{"query":{"match":{"name":"planted"}}}"#;

#[tokio::test]
async fn a_log_is_read_from_its_end_on_through_rotation_and_truncation() {
    let (logs, server) = (Logs::make("rotated"), HttpAnswers::start(root).await);
    logs.append("c_slowlog.json", &line(QUERY, 1000));
    let mut session = session(&server, logs.path("*_slowlog.json")).await;
    let session = &mut *session;
    assert_eq!(read(session).await, (0.0, 0.0), "what was there is not told again");
    logs.append("c_slowlog.json", &line(QUERY, 250));
    logs.append("c_slowlog.json", &line(r#"{"query":{"match":{"name":"other words"}}}"#, 250));
    assert_eq!(read(session).await, (2.0, 0.5));
    let whole = line(QUERY, 500);
    logs.append("c_slowlog.json", &whole[..40]);
    assert_eq!(read(session).await, (2.0, 0.5), "half a line is waited for");
    logs.append("c_slowlog.json", &whole[40..]);
    assert_eq!(read(session).await, (3.0, 1.0));
    // Rotated: what stood at the end of the old file is read, and all of the new one.
    logs.append("c_slowlog.json", &line(QUERY, 1000));
    fs::rename(logs.path("c_slowlog.json"), logs.path("c_slowlog-1.json")).expect("renamed");
    logs.append("c_slowlog.json", &line(QUERY, 1000));
    assert_eq!(read(session).await, (5.0, 3.0));
    // Truncated in place, as copytruncate does it.
    fs::write(logs.path("c_slowlog.json"), line(QUERY, 1000)).expect("written");
    assert_eq!(read(session).await, (5.0, 3.0), "as long as before: nothing shows");
    fs::write(logs.path("c_slowlog.json"), "").expect("written");
    assert_eq!(read(session).await, (5.0, 3.0));
    logs.append("c_slowlog.json", &line(QUERY, 1000));
    logs.append("c_slowlog.json", "Caused by: something else\n");
    assert_eq!(read(session).await, (6.0, 4.0));
    // Another file that fits is read from its beginning.
    logs.append("d_slowlog.json", &line(QUERY, 1000));
    assert_eq!(read(session).await, (7.0, 5.0));
    assert_eq!(reading(session).await, [2, 8, 1, 0]);
    fs::remove_file(logs.path("d_slowlog.json")).expect("removed");
    fs::remove_file(logs.path("c_slowlog.json")).expect("removed");
    let unknown = match ask(session, "statements").await {
        Ok(Answer::Partial(_, unknown)) | Err(unknown) => unknown,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        unknown.reason,
        format!(
            "no file fits {}; is it this server's, and is its slow log written?",
            logs.path("*_slowlog.json").display()
        )
    );
}

#[tokio::test]
async fn a_log_that_comes_into_being_is_read_from_its_beginning() {
    for name in ["slow.log", "*.log"] {
        let (logs, server) = (Logs::make("born"), HttpAnswers::start(root).await);
        let mut session = session(&server, logs.path(name)).await;
        assert!(ask(&mut *session, "statements").await.is_err(), "{name}: nothing is there");
        logs.append("slow.log", &line(QUERY, 250));
        assert_eq!(read(&mut *session).await, (1.0, 0.25), "{name}");
    }
}

#[tokio::test]
async fn one_reading_takes_a_bounded_part_and_what_is_too_long_or_too_old_is_passed_over_and_counted() {
    let (logs, server) = (Logs::make("bounded"), HttpAnswers::start(root).await);
    logs.append("slow.log", "");
    let mut session = session(&server, logs.path("slow.log")).await;
    let session = &mut *session;
    assert_eq!(read(session).await.0, 0.0);
    let one = line(QUERY, 1);
    let many = 3 * (256 << 10) / one.len();
    logs.append("slow.log", &one.repeat(many));
    let first = read(session).await.0;
    assert!(first > 100.0 && first < many as f64 / 2.0, "a part: {first} of {many}");
    let mut calls = first;
    for _ in 0..4 {
        calls = read(session).await.0;
    }
    assert_eq!(calls, many as f64, "and the rest in the readings that follow");
    let long = format!("{}\n", "x".repeat(600 << 10));
    logs.append("slow.log", &format!("{long}{one}"));
    for _ in 0..5 {
        calls = read(session).await.0;
    }
    assert_eq!(calls, many as f64 + 1.0);
    assert_eq!(reading(session).await[3], long.len() as u64, "the long line is unread");
    logs.append("slow.log", &one.repeat((9 << 20) / one.len()));
    let before = calls;
    for _ in 0..4 {
        calls = read(session).await.0;
    }
    let gained = calls - before;
    assert!(gained > 1000.0 && gained < ((1 << 20) / one.len()) as f64, "the newest alone: {gained}");
    assert!(reading(session).await[3] > 8 << 20);
}

#[tokio::test]
async fn what_is_no_plain_file_is_refused_and_a_target_without_a_slow_log_has_no_such_row() {
    let (logs, server) = (Logs::make("refused"), HttpAnswers::start(root).await);
    logs.append("secret", "");
    std::os::unix::fs::symlink(logs.path("secret"), logs.path("link")).expect("a link");
    fs::create_dir(logs.path("folder")).expect("a folder");
    for (name, reason) in [
        ("link", "it is no plain file; is it the file that was meant?"),
        ("folder", "it is no plain file; is it the file that was meant?"),
        ("none", "No such file or directory (os error 2); is it this server's folder of logs, and on this machine?"),
        (
            "none/*.log",
            "No such file or directory (os error 2); is it this server's folder of logs, and on this machine?",
        ),
    ] {
        let unknown = ask(&mut *session(&server, logs.path(name)).await, "statements").await.expect_err("refused");
        assert_eq!(unknown, Unknown::new(UnknownKind::Refused, format!("{}: {reason}", logs.path(name).display())));
    }
    let plain = target("elasticsearch", "http", server.port);
    let mut session = ELASTICSEARCH.connect(&plain, &Access::default()).await.expect("a session");
    let facts = session.facts().clone();
    let has =
        ELASTICSEARCH.rows().iter().any(|row| row.exists(&facts) && ["statements", "slow_log"].contains(&row.name));
    assert!(!has);
    assert_eq!(
        session.statement("0123456789abcdef").await.expect_err("none is named").to_string(),
        "this target names no slow log, from which texts are read [elasticsearch-42]\n\
         hint: Where the server is on this machine, name its files: slow_log = [\"/var/log/elasticsearch/*_slowlog.json\"]."
    );
}

#[tokio::test]
async fn the_text_of_a_query_is_found_by_its_hash_without_what_people_wrote() {
    let (logs, server) = (Logs::make("texts"), HttpAnswers::start(root).await);
    logs.append("slow.log", &line(QUERY, 1));
    let hash = parse(line(QUERY, 1).trim()).expect("an entry").hash();
    let mut session_of = session(&server, logs.path("slow.log")).await;
    let text = session_of.statement(&hash).await.expect("looked for");
    assert_eq!(text.as_deref(), Some(r#"{"query":{"match":{"name":?}}}"#));
    assert_eq!(session_of.statement("0123456789abcdef").await.expect("looked for"), None);
    assert_eq!(
        session_of.statement("SELECT").await.expect_err("no hash").to_string(),
        "'SELECT' is no hash of a query [elasticsearch-41]\n\
         hint: It has sixteen hexadecimal digits: the label query_hash of the statement's series."
    );
    drop(session_of); // the small server answers one at a time
    let fault = session(&server, logs.path("none")).await.statement(&hash).await.expect_err("no file");
    assert_eq!(
        fault.to_string(),
        format!(
            "no slow log to read: {}: No such file or directory (os error 2); is it this server's folder of logs, and on \
             this machine? [elasticsearch-43]",
            logs.path("none").display()
        )
    );
}
