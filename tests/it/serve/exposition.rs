//! Expositions: what is written of series, in both formats and under all names, scrape after scrape.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::{prop_assert, prop_assert_eq, proptest};
use watchward::model::catalogue::Catalogue;
use watchward::model::labels::{Labels, NAME};
use watchward::model::row::{Family, Metric, MetricKind};
use watchward::model::series::SeriesId;
use watchward::serve::exposition::{Exposition, Latest, Naming, Wish};
use watchward::serve::format::{Format, number};

static METRICS: [Metric; 9] = [
    Metric::gauge("db_size_bytes", "Size.").unit("By"),
    Metric::counter("db_reads_total", "Reads."),
    Metric::counter("db_writes", "Writes.").strict("db_written_bytes_total").unit("By").scale(1024.0),
    Metric::gauge("db_writesNow", "Writes under way."),
    Metric::new(MetricKind::Histogram, "db_took_seconds_bucket", "Took.").unit("s"),
    Metric::new(MetricKind::Histogram, "db_took_seconds_sum", "Took.").unit("s"),
    Metric::new(MetricKind::Histogram, "db_took_seconds_count", "Took.").unit("s"),
    Metric::new(MetricKind::Summary, "db_parts", "Parts."),
    Metric::new(MetricKind::Summary, "db_parts_count", "Parts."),
];

static FAMILIES: [Family; 1] = [Family::new(MetricKind::Counter, "Db_", "", "Events.")];

fn exposition(naming: Naming) -> Exposition {
    let mut catalogue = Catalogue::new();
    catalogue.add_metrics(&METRICS);
    catalogue.add_families(&FAMILIES);
    Exposition::new(Arc::new(catalogue), naming)
}

/// A series as it stands in these tests: `name label=value,… number`; its place is its id.
fn latest(lines: &[&str]) -> Vec<Latest> {
    let one = |(at, line): (usize, &&str)| {
        let mut words = line.split(' ');
        let name = words.next().unwrap();
        let pairs = words.next().unwrap().split(',').filter_map(|pair| pair.split_once('='));
        let value = words.next().unwrap().parse().unwrap();
        let fixed = [(NAME, name), ("target", "orders"), ("tenant", "acme")];
        (SeriesId(u32::try_from(at).unwrap()), Labels::new(fixed.into_iter().chain(pairs)), value)
    };
    lines.iter().enumerate().map(one).collect()
}

fn wish(format: Format) -> Wish {
    Wish { format, as_exporter: true }
}

/// What one exporter's text is in both formats.
fn check(naming: Naming, lines: &[&str], text: &str, open: &str) {
    let exposition = exposition(naming);
    let series = latest(lines);
    assert_eq!(exposition.write(&series, &[], wish(Format::Text), 0), text);
    assert_eq!(exposition.write(&series, &[], wish(Format::OpenMetrics), 0), format!("{open}# EOF\n"));
}

#[test]
fn units_are_told_where_the_name_ends_with_them_and_counters_have_names_without_total() {
    check(
        Naming::Compat,
        &["db_reads_total - 3", "db_size_bytes a=1 2", "db_writes - 4"],
        "# HELP db_reads_total Reads.\n# TYPE db_reads_total counter\ndb_reads_total 3\n\
         # HELP db_size_bytes Size.\n# TYPE db_size_bytes gauge\ndb_size_bytes{a=\"1\"} 2\n\
         # HELP db_writes Writes.\n# TYPE db_writes counter\ndb_writes 4\n",
        "# HELP db_reads Reads.\n# TYPE db_reads counter\ndb_reads_total 3\n\
         # HELP db_size_bytes Size.\n# TYPE db_size_bytes gauge\n# UNIT db_size_bytes bytes\ndb_size_bytes{a=\"1\"} 2\n\
         # HELP db_writes Writes.\n# TYPE db_writes unknown\ndb_writes 4\n",
    );
    check(
        Naming::Strict,
        &["db_writes - 4"],
        "# HELP db_written_bytes_total Writes.\n# TYPE db_written_bytes_total counter\ndb_written_bytes_total 4096\n",
        "# HELP db_written_bytes Writes.\n# TYPE db_written_bytes counter\n# UNIT db_written_bytes bytes\ndb_written_bytes_total 4096\n",
    );
}

#[test]
fn both_has_every_metric_under_each_of_its_names_and_families_stand_together() {
    check(
        Naming::Both,
        &["db_writesNow - 1", "db_writes a=1 4", "db_writes a=2 5"],
        "# HELP db_writes Writes.\n# TYPE db_writes counter\ndb_writes{a=\"1\"} 4\ndb_writes{a=\"2\"} 5\n\
         # HELP db_writesNow Writes under way.\n# TYPE db_writesNow gauge\ndb_writesNow 1\n\
         # HELP db_writes_now Writes under way.\n# TYPE db_writes_now gauge\ndb_writes_now 1\n\
         # HELP db_written_bytes_total Writes.\n# TYPE db_written_bytes_total counter\n\
         db_written_bytes_total{a=\"1\"} 4096\ndb_written_bytes_total{a=\"2\"} 5120\n",
        "# HELP db_writes Writes.\n# TYPE db_writes unknown\ndb_writes{a=\"1\"} 4\ndb_writes{a=\"2\"} 5\n\
         # HELP db_writesNow Writes under way.\n# TYPE db_writesNow gauge\ndb_writesNow 1\n\
         # HELP db_writes_now Writes under way.\n# TYPE db_writes_now gauge\ndb_writes_now 1\n\
         # HELP db_written_bytes Writes.\n# TYPE db_written_bytes counter\n# UNIT db_written_bytes bytes\n\
         db_written_bytes_total{a=\"1\"} 4096\ndb_written_bytes_total{a=\"2\"} 5120\n",
    );
}

#[test]
fn the_groups_of_a_histogram_stand_together_with_their_buckets_in_order() {
    check(
        Naming::Compat,
        &[
            "db_took_seconds_bucket cmd=b,le=+Inf 2",
            "db_took_seconds_bucket cmd=a,le=+Inf 3",
            "db_took_seconds_bucket cmd=a,le=10 2",
            "db_took_seconds_bucket cmd=a,le=9 1",
            "db_took_seconds_count cmd=a 3",
            "db_took_seconds_count cmd=b 2",
            "db_took_seconds_sum cmd=a 30.5",
            "db_took_seconds_sum cmd=b 4",
        ],
        "# HELP db_took_seconds Took.\n# TYPE db_took_seconds histogram\n\
         db_took_seconds_bucket{cmd=\"a\",le=\"9\"} 1\ndb_took_seconds_bucket{cmd=\"a\",le=\"10\"} 2\n\
         db_took_seconds_bucket{cmd=\"a\",le=\"+Inf\"} 3\ndb_took_seconds_count{cmd=\"a\"} 3\ndb_took_seconds_sum{cmd=\"a\"} 30.5\n\
         db_took_seconds_bucket{cmd=\"b\",le=\"+Inf\"} 2\ndb_took_seconds_count{cmd=\"b\"} 2\ndb_took_seconds_sum{cmd=\"b\"} 4\n",
        "# HELP db_took_seconds Took.\n# TYPE db_took_seconds histogram\n# UNIT db_took_seconds seconds\n\
         db_took_seconds_bucket{cmd=\"a\",le=\"9\"} 1\ndb_took_seconds_bucket{cmd=\"a\",le=\"10\"} 2\n\
         db_took_seconds_bucket{cmd=\"a\",le=\"+Inf\"} 3\ndb_took_seconds_count{cmd=\"a\"} 3\ndb_took_seconds_sum{cmd=\"a\"} 30.5\n\
         db_took_seconds_bucket{cmd=\"b\",le=\"+Inf\"} 2\ndb_took_seconds_count{cmd=\"b\"} 2\ndb_took_seconds_sum{cmd=\"b\"} 4\n",
    );
}

#[test]
fn what_openmetrics_would_not_allow_is_told_without_a_type_and_not_left_out() {
    // A count without its sum; quantiles in hundredths, as an exporter has them; a counter that is negative.
    check(
        Naming::Compat,
        &[
            "db_took_seconds_bucket le=+Inf 3",
            "db_took_seconds_count - 3",
            "db_parts quantile=99 0.5",
            "db_parts_count - 2",
            "db_reads_total - -1",
        ],
        "# HELP db_parts Parts.\n# TYPE db_parts summary\ndb_parts{quantile=\"99\"} 0.5\ndb_parts_count 2\n\
         # HELP db_reads_total Reads.\n# TYPE db_reads_total counter\ndb_reads_total -1\n\
         # HELP db_took_seconds Took.\n# TYPE db_took_seconds histogram\n\
         db_took_seconds_bucket{le=\"+Inf\"} 3\ndb_took_seconds_count 3\n",
        "# HELP db_parts Parts.\n# TYPE db_parts unknown\ndb_parts{quantile=\"99\"} 0.5\n\
         # HELP db_parts_count Parts.\n# TYPE db_parts_count unknown\ndb_parts_count 2\n\
         # HELP db_reads_total Reads.\n# TYPE db_reads_total unknown\ndb_reads_total -1\n\
         # HELP db_took_seconds_bucket Took.\n# TYPE db_took_seconds_bucket unknown\ndb_took_seconds_bucket{le=\"+Inf\"} 3\n\
         # HELP db_took_seconds_count Took.\n# TYPE db_took_seconds_count unknown\ndb_took_seconds_count 3\n",
    );
}

#[test]
fn names_from_data_that_are_spelled_alike_stay_two() {
    let text = exposition(Naming::Strict).write(
        &latest(&["Db_ReadBytes - 1", "Db_Read_Bytes - 2"]),
        &[],
        wish(Format::Text),
        0,
    );
    assert!(text.contains("\ndb_read_bytes_total 1\n"), "{text}");
    assert!(text.contains("db_read_bytes_x") && text.matches("# TYPE").count() == 2, "{text}");
}

#[test]
fn series_come_go_and_return_and_each_scrape_has_those_it_was_given() {
    let exposition = exposition(Naming::Compat);
    let all = latest(&["db_size_bytes a=3 3", "db_size_bytes a=1 1", "db_size_bytes a=2 2"]);
    let write = |some: &[usize], now_ms: i64| {
        let some: Vec<Latest> = some.iter().map(|at| all[*at].clone()).collect();
        let text = exposition.write(&some, &[], wish(Format::Text), now_ms);
        text.lines().filter_map(|line| line.rsplit(' ').next()?.parse::<u32>().ok()).collect::<Vec<_>>()
    };
    assert_eq!(write(&[0], 0), [3]);
    assert_eq!(write(&[1, 0], 1), [1, 3]);
    assert_eq!(write(&[2], 2), [2]);
    let later = 60 * 60 * 1000;
    assert_eq!(write(&[2], later), [2], "the others are forgotten now");
    assert_eq!(write(&[0, 1, 2], later + 1), [1, 2, 3], "and found again");
    assert_eq!(write(&[], later + 2), [] as [u32; 0]);
}

#[test]
fn the_format_is_what_the_header_prefers() {
    for (accept, expected) in [
        ("", Format::Text),
        ("*/*", Format::Text),
        ("text/html, */*;q=0.8", Format::Text),
        ("application/openmetrics-text", Format::OpenMetrics),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", Format::OpenMetrics),
        ("Application/OpenMetrics-Text;Version=\"1.0.0\"", Format::OpenMetrics),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4",
            Format::OpenMetrics,
        ),
        ("application/openmetrics-text;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.4", Format::Text),
        ("application/openmetrics-text;version=1.0.0;q=0", Format::Text),
        ("application/openmetrics-text;version=2.0.0", Format::Text),
        ("application/openmetrics-text;version=0.0.1", Format::Text),
        ("application/openmetrics-text;q=much", Format::Text),
    ] {
        assert_eq!(Format::of_accept(accept), expected, "{accept}");
    }
}

#[test]
fn numbers_are_written_so_that_they_are_read_as_they_were() {
    for value in [0.0, 1.0, -7.0, 1.5, 1e15, 1e16, 1.7e308, 5e-324, 1e-7, 123_456.789, 9_007_199_254_740_993.0] {
        let mut text = String::new();
        number(&mut text, value);
        assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{text}");
    }
}

/// The samples of a text, by series.
fn samples(text: &str) -> BTreeMap<&str, &str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let all: Vec<_> = lines.filter_map(|line| line.rsplit_once(' ')).collect();
    let map: BTreeMap<_, _> = all.iter().copied().collect();
    assert_eq!(map.len(), all.len(), "a series stands twice in {text}");
    map
}

proptest! {
    #[test]
    fn a_series_is_the_same_in_whatever_format_it_is_scraped(
        parts in vec((0_usize..10, "[a-c]", "[0-3]|\\+Inf", -1.0_f64..1e6), 0..40),
        naming in 0_usize..3,
    ) {
        let naming = [Naming::Compat, Naming::Strict, Naming::Both][naming];
        let mut seen = BTreeSet::new();
        let mut lines = Vec::new();
        for (metric, label, edge, value) in parts {
            let name = METRICS.get(metric).map_or("Db_Odd.Count", |metric| metric.name);
            let edge = match name {
                "db_took_seconds_bucket" => format!(",le={edge}"),
                "db_parts" => format!(",quantile={edge}"),
                _ => String::new(),
            };
            let series = format!("{name} a={label}{edge}");
            if seen.insert(series.clone()) {
                lines.push(format!("{series} {value}"));
            }
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let exposition = exposition(naming);
        let series = latest(&lines);
        let text = exposition.write(&series, &[], wish(Format::Text), 0);
        let open = exposition.write(&series, &[], wish(Format::OpenMetrics), 0);
        prop_assert_eq!(samples(&text), samples(&open));
        prop_assert!(samples(&text).len() >= lines.len());
        // Each family stands in one place, in both.
        for text in [&text, &open] {
            let types: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
            let once: BTreeSet<&str> = types.iter().filter_map(|line| line.split(' ').nth(2)).collect();
            prop_assert_eq!(types.len(), once.len(), "{}", text);
        }
    }
}
