//! Which databases are entered when: kept sessions, visits in turn, who refused, who wants to be alone.

use std::time::Duration;

use watchward::engines;
use watchward::engines::contract::{Answer, Row, Table};
use watchward::engines::postgresql::session::databases::{Databases, Listed, Place, VISIT_EVERY, listed};
use watchward::model::filter::{Filter, Glob};
use watchward::model::reading::{Unknown, UnknownKind};

fn server(databases: u32) -> Vec<Listed> {
    let one = |n: u32| Listed { oid: n, name: format!("db{n}"), may_enter: true };
    (0..databases).map(one).collect()
}

fn row() -> &'static Row {
    let rows = engines::find("postgresql").expect("registered").rows();
    rows.iter().find(|row| row.name == "index").expect("a row that is read in each database")
}

fn table(name: &str) -> Table {
    let columns = ["datname", "invalid", "unused", "unused_size"].map(str::to_string).to_vec();
    Table { columns, rows: vec![vec![Some(name.to_string()), Some("0".to_string()), None, None]] }
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn begin(count: u32, sessions_max: usize) -> Databases {
    let mut databases = Databases::default();
    databases.list(&server(count), "db0", &Filter::default(), sessions_max);
    databases
}

/// Asks all that are to be asked, and says who they were.
fn read(databases: &mut Databases, now: Duration) -> Vec<String> {
    let mut asked = Vec::new();
    for (one, place) in databases.to_ask(now) {
        if place == Place::Visited && !databases.may_visit(&one.name) {
            continue;
        }
        databases.answered(&one.name, row().name, Ok(table(&one.name)), now);
        asked.push(one.name);
    }
    asked
}

fn rows(answer: &Result<Answer, Unknown>) -> usize {
    match answer {
        Ok(Answer::Table(table) | Answer::Partial(table, _)) => table.rows.len(),
        _ => 0,
    }
}

#[test]
fn as_many_sessions_are_kept_as_there_is_room_for_and_one_place_is_for_visits() {
    let check = |count: u32, sessions_max: usize, kept: usize, visited: usize| {
        let all = begin(count, sessions_max).to_ask(at(0));
        let count = |wanted: Place| all.iter().filter(|(_, place)| *place == wanted).count();
        assert_eq!((count(Place::Main), count(Place::Kept), count(Place::Visited)), (1, kept, visited));
    };
    check(1, 6, 0, 0);
    check(6, 6, 5, 0);
    check(7, 6, 4, 2);
    check(3, 2, 0, 2);
    check(3, 1, 0, 2);
}

#[test]
fn visits_come_ten_minutes_apart_and_few_at_once_but_the_first_come_soon() {
    let mut databases = begin(81, 1);
    assert_eq!(read(&mut databases, at(0)).len(), 51, "fifty and the main one");
    databases.list(&server(81), "db0", &Filter::default(), 1);
    assert_eq!(read(&mut databases, at(60)).len(), 31, "the other thirty");
    databases.list(&server(81), "db0", &Filter::default(), 1);
    assert_eq!(read(&mut databases, VISIT_EVERY - at(1)), ["db0"]);
    assert_eq!(rows(&databases.answer(row())), 81, "what they said is repeated");
    databases.list(&server(81), "db0", &Filter::default(), 1);
    assert_eq!(read(&mut databases, VISIT_EVERY).len(), 5);
}

#[test]
fn what_is_dropped_is_forgotten_at_once_and_what_is_left_out_is_never_entered() {
    let mut databases = begin(4, 6);
    read(&mut databases, at(0));
    databases.list(&server(3), "db0", &Filter::default(), 6);
    assert_eq!(rows(&databases.answer(row())), 3);
    let filter = Filter { exclude: [("datname".to_string(), vec![Glob::new("db1")])].into(), ..Filter::default() };
    databases.list(&server(3), "db0", &filter, 6);
    assert_eq!(databases.names(), ["db0", "db2"]);
    // A database of the same name that is another one is not taken for it.
    let mut anew = server(3);
    anew[2].oid = 99;
    databases.list(&anew, "db0", &filter, 6);
    assert_eq!(rows(&databases.answer(row())), 1);
}

#[test]
fn one_that_refuses_is_named_and_left_alone_for_longer_and_longer() {
    let mut databases = begin(3, 6);
    read(&mut databases, at(0));
    let refused = || Unknown::new(UnknownKind::Refused, "no");
    databases.failed("db1", refused(), at(0));
    let answer = databases.answer(row());
    let Ok(Answer::Partial(table, unknown)) = answer else { panic!("{answer:?}") };
    assert_eq!((table.rows.len(), unknown.reason.as_str()), (2, "database 'db1': no"));
    let asks = |databases: &Databases, now: Duration| databases.to_ask(now).iter().any(|(one, _)| one.name == "db1");
    assert!(!asks(&databases, at(59)) && asks(&databases, at(60)));
    databases.failed("db1", refused(), at(60));
    assert!(!asks(&databases, at(179)) && asks(&databases, at(180)));
    for n in 0..9 {
        databases.failed("db1", refused(), at(1000 * n));
    }
    assert!(asks(&databases, at(8000) + VISIT_EVERY), "never longer than ten minutes");
    databases.failed("db0", refused(), at(0));
    databases.failed("db2", refused(), at(0));
    let unknown = databases.answer(row()).expect_err("nobody answered");
    assert_eq!(unknown.reason, "database 'db0': no; and 2 more");
}

#[test]
fn one_that_somebody_wants_alone_is_repeated_meanwhile() {
    let mut databases = begin(2, 6);
    read(&mut databases, at(0));
    databases.yielded(1, at(10));
    assert_eq!(read(&mut databases, at(69)), ["db0"]);
    assert_eq!(rows(&databases.answer(row())), 2);
    assert_eq!(read(&mut databases, at(70)), ["db0", "db1"]);
}

#[test]
fn where_nothing_is_read_there_are_columns_at_least() {
    let mut databases = Databases::default();
    databases.list(&[], "db0", &Filter::default(), 6);
    let Ok(Answer::Table(table)) = databases.answer(row()) else { panic!("an empty table") };
    assert_eq!(table.columns, ["datname", "invalid", "unused", "unused_size"]);
}

#[test]
fn the_probe_lists_databases_and_those_of_services_are_none() {
    let all = listed(r#"[[5, "postgres", true], [16384, "rdsadmin", false], [16385, "a,b \"c\"", false]]"#);
    let names: Vec<(&str, bool)> = all.iter().map(|one| (one.name.as_str(), one.may_enter)).collect();
    assert_eq!(names, [("postgres", true), ("a,b \"c\"", false)]);
    assert_eq!(listed("nonsense"), []);
}
