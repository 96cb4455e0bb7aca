//! What is counted in ClickHouse's log of queries: spans that follow each other, counts that only grow, histograms.

use watchward::engines::clickhouse::ClickHouse;
use watchward::engines::clickhouse::session::known;
use watchward::engines::clickhouse::session::statement::normalised;
use watchward::engines::clickhouse::session::tally::{THINGS_MAX, Tally};
use watchward::engines::contract::{Answer, Facts, Table};

use crate::engines::points::{Points, from_fixture, row};

static CLICKHOUSE: ClickHouse = ClickHouse;

fn facts() -> Facts {
    Facts { version: (26, 9), capabilities: known().collect(), ..Facts::default() }
}

fn table(rows: &[(&str, &str)]) -> Table {
    let cells = |(hash, calls): &(&str, &str)| vec![Some((*hash).to_string()), Some((*calls).to_string())];
    Table { columns: vec!["query_hash".to_string(), "calls".to_string()], rows: rows.iter().map(cells).collect() }
}

fn text(table: &Table) -> String {
    let line = |row: &Vec<Option<String>>| {
        row.iter().map(|cell| cell.clone().unwrap_or_default()).collect::<Vec<_>>().join(" ")
    };
    table.rows.iter().map(line).collect::<Vec<_>>().join(", ")
}

#[test]
fn spans_follow_each_other_and_the_first_is_empty() {
    let mut tally = Tally::default();
    // The server's clock, and the span that is asked for.
    let story = [
        (100_000, (99_985, 99_985), "the first"),
        (100_060, (99_985, 100_045), "a minute on"),
        (100_050, (100_045, 100_045), "the clock was set back a little: it waits"),
        (100_120, (100_045, 100_105), "and goes on where it was"),
        (200_000, (196_385, 199_985), "after a long while: an hour at most"),
        (150_000, (149_985, 149_985), "the clock was set back far: it begins anew"),
    ];
    for (now, span, what) in story {
        assert_eq!(tally.span(now), span, "{what}");
        tally.add(span.1, table(&[]));
    }
}

#[test]
fn a_reading_that_failed_is_made_up_for_by_the_next() {
    let mut tally = Tally::default();
    tally.add(100, table(&[]));
    assert_eq!(tally.span(175), (100, 160));
    assert_eq!(tally.span(235), (100, 220), "nothing was added in between");
}

#[test]
fn counts_add_up_and_what_was_not_seen_this_time_stays() {
    let mut tally = Tally::default();
    assert_eq!(text(&tally.add(1, table(&[("a", "2"), ("b", "1")]))), "a 2, b 1");
    assert_eq!(text(&tally.add(2, table(&[("b", "4"), ("c", "1")]))), "a 2, b 5, c 1");
    assert_eq!(tally.add(3, table(&[])).columns, ["query_hash", "calls"], "also where nothing was logged");
    assert_eq!(text(&tally.add(4, table(&[]))), "a 2, b 5, c 1");
}

#[test]
fn beyond_the_limit_those_go_that_were_not_seen_for_longest() {
    let mut tally = Tally::default();
    let names: Vec<String> = (0..THINGS_MAX + 10).map(|at| format!("{at:05}")).collect();
    for (at, part) in names.chunks(10).enumerate() {
        let rows: Vec<(&str, &str)> = part.iter().map(|name| (name.as_str(), "1")).collect();
        let all = tally.add(at as u64, table(&rows));
        assert!(all.rows.len() <= THINGS_MAX);
        if at == THINGS_MAX / 10 {
            assert_eq!(all.rows[0][0].as_deref(), Some("00010"), "the first ten were seen first");
        }
    }
}

#[test]
fn durations_are_a_histogram_by_kind_and_user() {
    let facts = facts();
    let answer = from_fixture("clickhouse/26/query_durations.json");
    let points = Points::of(row(&CLICKHOUSE, "query_durations", &facts), &answer, &facts).expect("points");
    assert!(points.twice.is_empty(), "{:?}", points.twice);
    let at = |le: &str| {
        points.value(&format!(r#"clickhouse_query_duration_seconds_bucket{{kind="select",le="{le}",user="report"}}"#))
    };
    assert_eq!([at("0.05"), at("0.5"), at("+Inf")], [2.0, 26.0, 33.0]);
    assert_eq!(points.value(r#"clickhouse_query_duration_seconds_sum{kind="insert",user="app"}"#), 5.008);
    assert_eq!(points.value(r#"clickhouse_query_duration_seconds_count{kind="insert",user="app"}"#), 17.0);
    assert_eq!(points.value(r#"clickhouse_query_failures_total{kind="select",user="report"}"#), 6.0);
    assert_eq!(points.all.len(), 4 * (11 + 3));
}

#[test]
fn a_server_that_keeps_neither_kinds_nor_hashes_is_counted_the_same_way() {
    let capabilities = ["system.query_log.query_duration_ms", "system.dictionaries.bytes_allocated"].into();
    let facts = Facts { version: (18, 16), capabilities, ..Facts::default() };
    let of = |name: &str| {
        let answer = from_fixture(&format!("clickhouse/18.16/{name}.json"));
        Points::of(row(&CLICKHOUSE, name, &facts), &answer, &facts).expect("points")
    };
    assert!(
        of("query_durations").value(r#"clickhouse_query_duration_seconds_count{kind="select",user="admin"}"#) > 0.0
    );
    let calls = |series: &&String| series.starts_with("clickhouse_statement_calls_total");
    assert!(of("statements").all.keys().any(|series| calls(&series)));
    assert_eq!(of("dictionaries").text(), "");
}

#[test]
fn statements_are_told_apart_by_their_hash() {
    let facts = facts();
    let answer = from_fixture("clickhouse/26/statements.json");
    let points = Points::of(row(&CLICKHOUSE, "statements", &facts), &answer, &facts).expect("points");
    assert_eq!(points.value(r#"clickhouse_statement_seconds_total{query_hash="1"}"#), 8.225);
    assert_eq!(points.value(r#"clickhouse_statement_failures_total{query_hash="3"}"#), 5.0);
    assert_eq!(points.all.len(), 4 * 5);
}

#[test]
fn labels_of_dimensions_and_buckets_of_histograms_are_those_of_the_servers_own_endpoint() {
    let facts = facts();
    let answer = from_fixture("clickhouse/26/dimensional_metrics.json");
    let points = Points::of(row(&CLICKHOUSE, "dimensional_metrics", &facts), &answer, &facts).expect("points");
    let series = r#"ClickHouseDimensionalMetrics_merge_tree_parts{part_is_projection="0",part_state="Active",part_type="Compact"}"#;
    assert_eq!(points.value(series), 2.0);
    // The rows that the engine shows for one of its histograms; none had counted anything where it was recorded.
    let name = "s3_read_request_duration_microseconds";
    let cells = |end: &str, value: &str, labels: &str| {
        vec![Some(format!("{name}{end}")), Some(value.to_string()), Some(labels.to_string())]
    };
    let answer = Answer::Table(Table {
        columns: ["name", "value", "labels"].map(str::to_string).to_vec(),
        rows: vec![
            cells("", "3", r#"{"le":"1000"}"#),
            cells("", "4", r#"{"le":"+Inf"}"#),
            cells("_sum", "5120", "{}"),
            cells("_count", "4", "{}"),
        ],
    });
    let points = Points::of(row(&CLICKHOUSE, "histograms", &facts), &answer, &facts).expect("points");
    let expected = format!(
        "ClickHouseHistogramMetrics_{name}_bucket{{le=\"+Inf\"}} 4\nClickHouseHistogramMetrics_{name}_bucket{{le=\"1000\"}} 3\n\
         ClickHouseHistogramMetrics_{name}_count 4\nClickHouseHistogramMetrics_{name}_sum 5120\n"
    );
    assert_eq!(points.text(), expected);
    let broken = Answer::Table(Table {
        columns: ["name", "value", "labels"].map(str::to_string).to_vec(),
        rows: vec![cells("", "3", "le=1")],
    });
    let unknown = Points::of(row(&CLICKHOUSE, "histograms", &facts), &broken, &facts).expect_err("no labels");
    assert_eq!(unknown.reason, format!("'le=1' of '{name}' is no object of labels"));
}

#[test]
fn dictionaries_and_backups_of_the_current_engine() {
    let facts = facts();
    let of = |name: &str| {
        let answer = from_fixture(&format!("clickhouse/26/{name}.json"));
        Points::of(row(&CLICKHOUSE, name, &facts), &answer, &facts).expect("points")
    };
    let dictionaries = of("dictionaries");
    let value = |what: &str| {
        dictionaries.value(&format!(r#"clickhouse_dictionary_{what}{{database="shop",dictionary="page"}}"#))
    };
    assert_eq!(
        [value("bytes"), value("elements"), value("queries_total"), value("is_failed")],
        [20768.0, 10.0, 1.0, 0.0]
    );
    assert_eq!(of("backups").value(r#"clickhouse_backups{status="BACKUP_FAILED"}"#), 1.0);
    for without_any in ["async_inserts", "distribution_queue", "histograms"] {
        assert_eq!(of(without_any).text(), "");
    }
}

#[test]
fn a_text_is_shown_without_what_people_wrote_into_it() {
    let story = [
        (
            "SELECT * FROM t WHERE name = 'Ann' AND id IN (1, 22, 3.5e-7)",
            "SELECT * FROM t WHERE name = ? AND id IN (?, ?, ?)",
        ),
        (r"SELECT 'it\'s planted' , 'two''s planted'", "SELECT ? , ?"),
        ("SELECT a -- planted 'quote\nFROM `odd 1` /* planted */ , \"b 2\"", "SELECT a FROM `odd 1` , \"b 2\""),
        ("SELECT $$ planted ' $$, $doc$ planted $$ $doc$, $1", "SELECT ?, ?, $?"),
        ("CREATE USER u IDENTIFIED BY 'planted", "CREATE USER u IDENTIFIED BY ?"),
        ("SELECT c1, toDate('2020-01-01'), 0xFF, x2y", "SELECT c1, toDate(?), ?, x2y"),
        ("  SELECT\n\t1 ", "SELECT ?"),
        ("SELECT é, 'ü' FROM größe", "SELECT é, ? FROM größe"),
    ];
    for (text, expected) in story {
        assert_eq!(normalised(text, 2000), expected);
    }
    assert_eq!(normalised("SELECT abc", 5), "SELE…");
}
