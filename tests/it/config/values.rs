//! Single values: each kind with what it takes and what it refuses, in words.

use watchward::config::layers::{self, Document, Outside};
use watchward::config::problem::Problem;
use watchward::config::value;
use watchward::model::schema::{Key, Kind, Table};

const ALL: &[Key] = &[
    Key::new("flag", Kind::Flag, "false", ""),
    Key::new("whole", Kind::Whole { min: -1, max: 9 }, "1", ""),
    Key::new("open", Kind::Whole { min: 0, max: i64::MAX }, "0", ""),
    Key::new("number", Kind::Number { min: 0.0, max: 1.5 }, "0.5", ""),
    Key::new("text", Kind::Text, "\"x\"", ""),
    Key::new("duration", Kind::Duration { min: "1s", max: "1h" }, "\"5s\"", ""),
    Key::new("bytes", Kind::Bytes, "\"1MiB\"", ""),
    Key::new("share", Kind::Share, "\"5%\"", ""),
    Key::new("path", Kind::Path, "\"/x\"", ""),
    Key::new("url", Kind::Url, "", ""),
    Key::new("choice", Kind::Choice(&["red", "green"]), "\"red\"", ""),
    Key::new("zone", Kind::Zone, "\"UTC\"", ""),
    Key::new("cron", Kind::Cron, "\"@daily\"", ""),
    Key::new("window", Kind::Window, "\"22:00-05:00\"", ""),
    Key::new("texts", Kind::Texts, "[\"a\", \"b\"]", ""),
    Key::new("paths", Kind::Paths, "[]", ""),
    Key::new("numbers", Kind::Numbers, "{ a = 1 }", ""),
    Key::new("map", Kind::Map, "", ""),
    Key::new("lists", Kind::Lists, "", ""),
    Key::new("section", Kind::Section(INNER), "", ""),
    Key::new("filled", Kind::Section(INNER), "{}", ""),
    Key::new("sections", Kind::Sections(INNER), "", ""),
];

const INNER: &[Key] = &[Key::new("a", Kind::Text, "\"inner\"", ""), Key::required("b", Kind::Flag, "")];

fn read(toml: &str) -> (Table, Vec<Problem>) {
    let documents = [Document { file: "x.toml".to_string(), text: toml.to_string() }];
    let (table, report) = layers::read(ALL, &documents, &Outside::default()).expect("TOML");
    (table, report.problems)
}

fn table(toml: &str) -> Table {
    let (table, problems) = read(toml);
    assert!(problems.is_empty(), "{problems:?}");
    table
}

/// The one problem of a value.
fn refused(toml: &str) -> String {
    let (_, problems) = read(toml);
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].to_string().replace('\n', " | ")
}

#[test]
fn each_kind_takes_what_it_says() {
    let table = table(
        "flag = true\nwhole = -1\nnumber = 1\nduration = \"1h\"\nbytes = 512\nshare = \"2GB\"\npath = \"/etc\"\n\
         url = \"http://a:1\"\nchoice = \"green\"\n\
         zone = \"Europe/Berlin\"\ncron = \"30 2 * * Mon-Fri\"\nwindow = \"Sat 10:00-12:00 UTC\"\ntexts = [\"x\"]\npaths = [\"/a/*.yml\"]\nnumbers = { x = 2.5, y = 3 }\n\
         map = { k = \"v\" }\nsection = { b = true }\n[[sections]]\nb = false\n[[sections]]\na = \"2\"\nb = true\n",
    );
    assert!(table.flag("flag"));
    assert_eq!(table.whole("whole"), -1);
    assert_eq!(table.number("number"), 1.0);
    assert_eq!(table.duration("duration").as_secs(), 3600);
    assert_eq!(table.bytes("bytes"), 512);
    assert_eq!(table.share("share"), Some(&watchward::model::schema::Value::Bytes(2_000_000_000)));
    assert_eq!(table.path("path").expect("a path").to_str(), Some("/etc"));
    assert_eq!(table.text("url"), "http://a:1");
    assert_eq!(table.text("choice"), "green");
    assert_eq!(table.text("zone"), "Europe/Berlin");
    assert_eq!((table.text("cron"), table.text("window")), ("30 2 * * Mon-Fri", "Sat 10:00-12:00 UTC"));
    assert_eq!(table.texts("texts"), ["x"]);
    assert_eq!(table.texts("paths"), ["/a/*.yml"]);
    assert_eq!(
        table.numbers("numbers").into_iter().collect::<Vec<_>>(),
        [("x".to_string(), 2.5), ("y".to_string(), 3.0)]
    );
    assert_eq!(table.map("map").get("k").map(String::as_str), Some("v"));
    assert!(table.table("section").expect("given").flag("b"));
    assert_eq!(table.tables("sections").iter().map(|one| one.text("a")).collect::<Vec<_>>(), ["inner", "2"]);
}

#[test]
fn what_is_not_given_has_its_default_or_is_absent() {
    let table = table("");
    assert_eq!(table.share("share"), Some(&watchward::model::schema::Value::Ratio(0.05)));
    assert_eq!(table.texts("texts"), ["a", "b"]);
    assert_eq!(table.numbers("numbers").get("a"), Some(&1.0));
    assert!(!table.has("url") && !table.has("map") && !table.has("section") && !table.has("sections"));
    assert_eq!(table.table("filled").expect("exists with its defaults").text("a"), "inner");
    assert_eq!(table.origin("whole").map(|origin| origin.line), Some(0), "line 0 marks a default");
}

#[test]
fn each_kind_refuses_the_rest_in_words() {
    let cases = [
        ("flag = \"true\"", "1:8: flag is 'true', not true or false [config-04] | hint: Write it without quotes."),
        ("flag = 1", "1:8: flag is 1, not true or false [config-04]"),
        ("whole = 10", "1:9: whole is 10, not a whole number from -1 to 9 [config-05]"),
        ("whole = 1.5", "1:9: whole is 1.5, not a whole number from -1 to 9 [config-04]"),
        (
            "whole = 99999999999999999999",
            "1:9: whole is 99999999999999999999, not a whole number from -1 to 9 [config-05]",
        ),
        ("open = -1", "1:8: open is -1, not a whole number from 0 to any size [config-05]"),
        ("number = 2", "1:10: number is 2, not a number from 0 to 1.5 [config-05]"),
        ("number = nan", "1:10: number is nan, not a number from 0 to 1.5 [config-05]"),
        ("text = true", "1:8: text is true, not a text [config-04]"),
        ("text = 1979-05-27", "1:8: text is a date, not a text [config-04]"),
        (
            "duration = \"5 s\"",
            "1:12: duration is '5 s', not a duration [config-05] | hint: Write a number and a unit, like \"15s\", \"1h30m\" or \"7d\".",
        ),
        (
            "duration = \"\"",
            "1:12: duration is '', not a duration [config-05] | hint: Write a number and a unit, like \"15s\", \"1h30m\" or \"7d\".",
        ),
        ("duration = \"2h\"", "1:12: duration is '2h', not a duration from \"1s\" to \"1h\" [config-05]"),
        ("bytes = \"2 gib\"", "1:9: bytes is '2 gib', not a size, like \"512MiB\" or \"2GB\" [config-05]"),
        ("bytes = -1", "1:9: bytes is -1, not a size, like \"512MiB\" or \"2GB\" [config-05]"),
        ("share = \"101%\"", "1:9: share is '101%', not a share, like \"5%\", or a size, like \"2GiB\" [config-05]"),
        (
            "path = \"etc/x\"",
            "1:8: path is 'etc/x', not an absolute path [config-05] | hint: The agent's working directory means nothing: begin the path with '/'.",
        ),
        (
            "url = \"a\"",
            "1:7: url is not a URL: it does not begin with a scheme and '://' [config-05] | hint: Write it like scheme://user@host:port/path.",
        ),
        (
            "choice = \"gren\"",
            "1:10: choice is 'gren', not one of 'red', 'green' [config-05] | hint: Did you mean 'green'?",
        ),
        ("choice = \"blue\"", "1:10: choice is 'blue', not one of 'red', 'green' [config-05]"),
        (
            "zone = \"Berlin\"",
            "1:8: zone: unknown time zone 'Berlin' [calendar-01] | hint: Did you mean 'Europe/Berlin'?",
        ),
        ("zone = 1", "1:8: zone is 1, not a time zone, like \"UTC\" or \"Europe/Berlin\" [config-04]"),
        (
            "cron = \"0 25 * * *\"",
            "1:8: cron: '0 25 * * *' is not a schedule: its hour is '25', not from 0 to 23 [calendar-02] \
             | hint: Write minute, hour, day of the month, month and day of the week, like \"30 2 * * Mon-Fri\", or \"@daily\"; \
             a time zone may follow.",
        ),
        ("cron = 5", "1:8: cron is 5, not a schedule, like \"30 2 * * Mon-Fri\" or \"@daily\" [config-04]"),
        (
            "window = \"22-05\"",
            "1:10: window: '22-05' is not a window: it has no times [calendar-03] \
             | hint: Write it like \"22:00-05:00\" or \"Mon-Fri 22:00-05:00 Europe/Berlin\".",
        ),
        ("window = true", "1:10: window is true, not a window of time, like \"Mon-Fri 22:00-05:00\" [config-04]"),
        ("texts = \"a\"", "1:9: texts is 'a', not a list of texts [config-04] | hint: Put it in brackets: [\"…\"]."),
        ("texts = [1]", "1:9: an entry of texts is 1, not a text [config-04]"),
        (
            "paths = [\"a.yml\"]",
            "1:9: paths is 'a.yml', not an absolute path [config-05] | hint: The agent's working directory means nothing: begin the path with '/'.",
        ),
        ("numbers = { a = \"1\" }", "1:17: numbers.a is '1', not a number [config-04]"),
        ("numbers = { a = inf }", "1:17: numbers.a is inf, not a finite number [config-04]"),
        ("numbers = 1", "1:11: numbers is 1, not a table of names with numbers [config-04]"),
        ("map = { a = 1 }", "1:13: map.a is 1, not a text [config-04]"),
        ("section = 1", "1:11: section is 1, not a section [config-04]"),
        ("section = {}", "1:11: [section] has no 'b' [config-06] | hint: It must be true or false."),
        ("sections = [1]", "1:13: sections is 1, not a list of sections [config-04]"),
        (
            "section = { b = true, c = 1 }",
            "1:23: unknown key 'c' in [section] [config-03] | hint: Did you mean 'a' or 'b'?",
        ),
    ];
    for (toml, expected) in cases {
        assert_eq!(refused(toml), format!("x.toml:{expected}"), "of {toml}");
    }
}

#[test]
fn sizes_are_read_and_written_exactly() {
    for (text, bytes) in
        [("0B", 0), ("1KiB", 1024), ("3MiB", 3 << 20), ("2GiB", 2 << 30), ("1TiB", 1 << 40), ("1025B", 1025)]
    {
        assert_eq!(value::bytes(text), Some(bytes));
        assert_eq!(value::write_bytes(bytes), text);
    }
    assert_eq!(value::bytes("2GB"), Some(2_000_000_000));
    assert_eq!(value::bytes("512 MiB"), Some(512 << 20));
    for wrong in ["", "1", "GiB", "-1B", "1.5GiB", "99999999999TiB", "1gib"] {
        assert_eq!(value::bytes(wrong), None, "{wrong}");
    }
}

#[test]
fn every_default_of_the_schema_passes_its_own_check() {
    fn each(keys: &'static [Key], path: &str) {
        for key in keys {
            assert!(layers::has_sound_default(key), "{path}.{} = {}", key.name, key.default);
            assert!(!key.doc.is_empty(), "{path}.{} says nothing", key.name);
            let is_section = matches!(key.kind, Kind::Section(_) | Kind::Sections(_));
            assert!(
                is_section || !key.default.is_empty() || !key.example.is_empty(),
                "{path}.{} shows nothing",
                key.name
            );
            if let Kind::Section(inner) | Kind::Sections(inner) = key.kind {
                each(inner, &format!("{path}.{}", key.name));
            }
        }
    }
    each(watchward::config::schema(), "");
}
