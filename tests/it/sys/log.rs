//! The log: how a line looks where, and what becomes of lines that repeat.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tracing::Level;
use watchward::model::moment::Moment;
use watchward::sys::log::{Form, Line, REMEMBERED_MAX, Repeats, Style};

const AT_MS: i64 = 1_800_000_000_123;
const TEXT: Style = Style { form: Form::Text, to_journal: false };
const JSON: Style = Style { form: Form::Json, to_journal: false };
const JOURNAL: Style = Style { form: Form::Text, to_journal: true };
const JSON_JOURNAL: Style = Style { form: Form::Json, to_journal: true };

fn line(level: Level, message: &str) -> Line {
    let target = "watchward::pipeline::agent".to_string();
    Line { at_ms: AT_MS, level, target, message: message.to_string(), fields: Map::new() }
}

fn check(line: &Line, style: Style, expected: &str) {
    assert_eq!(line.render(style), expected);
}

#[test]
fn people_read_time_level_and_words() {
    check(&line(Level::INFO, "stopping"), TEXT, "2027-01-15T08:00:00.123Z  INFO stopping\n");
    check(&line(Level::ERROR, "the disk is full"), TEXT, "2027-01-15T08:00:00.123Z ERROR the disk is full\n");
    let mut other = Line { target: "rustls::conn".to_string(), ..line(Level::WARN, "odd") };
    other.fields = [("peer".to_string(), json!("a\u{1b}[2Jb")), ("tries".to_string(), json!(3))].into_iter().collect();
    check(&other, TEXT, "2027-01-15T08:00:00.123Z  WARN rustls::conn: odd peer=a\\u{1b}[2Jb tries=3\n");
}

#[test]
fn the_journal_gets_a_priority_on_each_line_and_no_time() {
    for (level, priority) in
        [(Level::ERROR, 3), (Level::WARN, 4), (Level::INFO, 6), (Level::DEBUG, 7), (Level::TRACE, 7)]
    {
        check(&line(level, "so it is"), JOURNAL, &format!("<{priority}>so it is\n"));
    }
    check(&line(Level::ERROR, "two\nproblems"), JOURNAL, "<3>two\n<3>  problems\n");
}

#[test]
fn a_server_s_words_cannot_look_like_a_line_of_ours() {
    let forged = line(Level::WARN, "it said: x\n2027-01-15T08:00:00.123Z ERROR all is lost\r<3>gone");
    let expected =
        "2027-01-15T08:00:00.123Z  WARN it said: x\n  2027-01-15T08:00:00.123Z ERROR all is lost\\r<3>gone\n";
    check(&forged, TEXT, expected);
    let expected = "<4>it said: x\n<4>  2027-01-15T08:00:00.123Z ERROR all is lost\\r<3>gone\n";
    check(&forged, JOURNAL, expected);
    assert_eq!(forged.render(JSON).matches('\n').count(), 1);
}

#[test]
fn machines_read_one_object_on_each_line() {
    let mut one = line(Level::WARN, "it said \"no\"\ntwice");
    one.fields = [("tries".to_string(), json!(3))].into_iter().collect();
    let expected = "{\"ts\":\"2027-01-15T08:00:00.123Z\",\"level\":\"warn\",\"target\":\"watchward::pipeline::agent\",\
                    \"message\":\"it said \\\"no\\\"\\ntwice\",\"fields\":{\"tries\":3}}\n";
    check(&one, JSON, expected);
    check(&one, JSON_JOURNAL, &format!("<4>{expected}"));
    let read: Value = serde_json::from_str(&one.render(JSON)).unwrap();
    assert_eq!(read["message"], "it said \"no\"\ntwice");
}

/// What is written of `story`: on each line the seconds since the start, a level and a message, or `-` and what happens.
fn told(story: &str) -> String {
    let mut repeats = Repeats::default();
    let mut out = String::new();
    for step in story.lines().map(str::trim).filter(|step| !step.is_empty()) {
        let (seconds, rest) = step.split_once(' ').unwrap();
        let (word, message) = rest.split_once(' ').unwrap_or((rest, ""));
        let since_start = Duration::from_secs(seconds.parse().unwrap());
        let at_ms = AT_MS + i64::try_from(since_start.as_millis()).unwrap();
        let now = Moment { since_start, wall_ms: at_ms, stored_ms: at_ms };
        let lines = match word {
            "sweep" => repeats.sweep(now),
            "finish" => repeats.finish(now),
            level => repeats.take(Line { at_ms, ..line(level.parse().unwrap(), message) }, now),
        };
        for one in lines {
            let after_s = (one.at_ms - AT_MS) / 1000;
            out.push_str(&format!("{after_s} {} {}\n", one.level, one.message));
        }
    }
    out
}

#[test]
fn what_repeats_is_told_once_and_then_counted() {
    let story = "
        0 warn dba cannot be told (503); trying again
        10 warn dba cannot be told (503); trying again
        20 warn dba cannot be told (502); trying again
        599 warn dba cannot be told (503); trying again
        600 sweep
        700 warn dba cannot be told (504); trying again
        1200 sweep
        1800 sweep
        1801 warn dba cannot be told (503); trying again";
    let expected = "0 WARN dba cannot be told (503); trying again\n\
        600 WARN dba cannot be told (503); trying again (repeated 3 times in the last 10 minutes)\n\
        1200 WARN dba cannot be told (504); trying again (repeated once in the last 10 minutes)\n\
        1801 WARN dba cannot be told (503); trying again\n";
    assert_eq!(told(story), expected);
}

#[test]
fn a_count_that_is_due_comes_with_the_next_line_and_at_the_end() {
    let story = "
        0 error no room
        1 error no room
        700 info something else
        705 error no room
        710 error no room
        790 finish";
    let expected = "0 ERROR no room\n\
        700 ERROR no room (repeated once in the last 11 minutes)\n\
        700 INFO something else\n\
        790 ERROR no room (repeated 2 times in the last 90 s)\n";
    assert_eq!(told(story), expected);
}

#[test]
fn what_tells_one_thing_from_another_is_not_taken_for_a_repetition() {
    let story = "
        0 warn orders-1 at 10.0.0.1:5432 is slow: 3.2 s
        1 warn orders-2 at 10.0.0.1:5432 is slow: 3.2 s
        2 warn orders-1 at 10.0.0.2:5432 is slow: 3.2 s
        3 error orders-1 at 10.0.0.1:5432 is slow: 3.2 s
        4 warn orders-1 at 10.0.0.1:5432 is slow: 17 s
        5 info orders is down: it refused
        6 info orders is down: it refused";
    let told = told(story);
    assert_eq!(told.lines().count(), 6, "{told}");
    assert!(!told.contains("17 s"), "{told}");
}

#[test]
fn the_memory_of_what_was_told_is_bounded() {
    let mut story = "0 warn first\n0 warn first\n".to_string();
    for at in 0..REMEMBERED_MAX {
        story.push_str(&format!("{} warn one-{at}x\n", at / 100 + 1));
    }
    story.push_str("5 warn first\n");
    let told = told(&story);
    assert_eq!(told.lines().filter(|line| line.ends_with(" first")).count(), 2, "forgotten, it is told anew");
    assert!(told.contains("WARN first (repeated once in the last 3 s)\n"), "{told}");
    assert_eq!(told.lines().count(), REMEMBERED_MAX + 3);
}
