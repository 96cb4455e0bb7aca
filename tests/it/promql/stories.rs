//! What expressions come to, told as stories: series by the minute, a question, the answer.

use watchward::promql;
use watchward::promql::{Limits, ValueKind};

use crate::promql::notation::{Table, milliseconds, shown};

/// Series with one point a minute from 0, an expression, a time, and the answer.
fn check(series: &[&str], expression: &str, at: &str, expected: &str) {
    let mut table = Table::default();
    table.load(60_000, series);
    let parsed = promql::parse(expression).unwrap_or_else(|error| panic!("{error}"));
    let value = promql::instant(&parsed, &table, milliseconds(at), &Limits::default());
    let answer = value.map_or_else(|error| format!("error: {error}"), |value| shown(&value));
    assert_eq!(answer, expected, "{expression} at {at}");
}

#[test]
fn a_sample_counts_until_it_is_five_minutes_old() {
    check(&["up 1"], "up", "0", "up 1");
    check(&["up 1"], "up", "4m59s999ms", "up 1");
    check(&["up 1"], "up", "5m", "nothing");
    check(&["up _ 1"], "up", "59s", "nothing");
}

#[test]
fn a_stale_marker_ends_a_series_at_once() {
    check(&["up 1 stale _ 2"], "up", "59s", "up 1");
    check(&["up 1 stale _ 2"], "up", "1m", "nothing");
    check(&["up 1 stale _ 2"], "up", "2m", "nothing");
    check(&["up 1 stale _ 2"], "up", "3m", "up 2");
    check(&["up 1 NaN"], "up", "1m", "up NaN");
}

#[test]
fn ranges_are_open_on_the_left_and_pass_over_stale_markers() {
    check(&["x 1 2 3 4"], "x[2m]", "3m", "x 3@120 4@180");
    check(&["x 1 2 3 4"], "count_over_time(x[3m])", "3m", "{} 3");
    check(&["x 1 stale 3 4"], "count_over_time(x[4m])", "3m", "{} 3");
    check(&["x 1 stale"], "count_over_time(x[1m])", "1m", "nothing");
}

#[test]
fn offset_and_at_move_the_time_that_is_read() {
    check(&["x 0+1x10"], "x offset 2m", "5m", "x 3");
    check(&["x 0+1x10"], "x offset -2m", "5m", "x 7");
    check(&["x 0+1x10"], "x @ 60", "5m", "x 1");
    check(&["x 0+1x10"], "x @ 240 offset 1m", "9m", "x 3");
    check(&["x 0+1x10"], "x @ end()", "9m", "x 9");
    check(&["x 0+1x10"], "sum_over_time(x[2m] @ 180)", "9m", "{} 5");
}

#[test]
fn matchers_choose_series_and_a_missing_label_is_empty() {
    let series = &["x{a=\"1\"} 1", "x{a=\"2\"} 2", "x 3", "y{a=\"1\"} 4"];
    check(series, "x{a=\"1\"}", "0", "x{a=\"1\"} 1");
    check(series, "x{a!=\"1\"}", "0", "x 3; x{a=\"2\"} 2");
    check(series, "x{a=\"\"}", "0", "x 3");
    check(series, "x{a=~\"1|2\"}", "0", "x{a=\"1\"} 1; x{a=\"2\"} 2");
    check(series, "x{a=~\"1.+\"}", "0", "nothing");
    check(series, "x{a!~\".+\"}", "0", "x 3");
    check(series, "{a=\"1\"}", "0", "x{a=\"1\"} 1; y{a=\"1\"} 4");
    check(series, "{__name__=~\"y|z\"}", "0", "y{a=\"1\"} 4");
    check(series, "{\"x\",a=\"2\"}", "0", "x{a=\"2\"} 2");
}

#[test]
fn a_name_goes_when_the_value_means_something_else() {
    check(&["x 2"], "-x", "0", "{} -2");
    check(&["x 2"], "+x", "0", "x 2");
    check(&["x 2"], "x + 1", "0", "{} 3");
    check(&["x 2"], "x > 1", "0", "x 2");
    check(&["x 2"], "1 < x", "0", "x 2");
    check(&["x 2"], "x > bool 1", "0", "{} 1");
    check(&["x 2"], "abs(x)", "0", "{} 2");
    check(&["x 2"], "last_over_time(x[1m])", "0", "x 2");
    check(&["x 2"], "label_replace(abs(x), \"old\", \"$1\", \"__name__\", \"(.*)\")", "0", "{old=\"x\"} 2");
    check(&["x 2", "y 3"], "sum by (__name__) ({__name__=~\"x|y\"})", "0", "x 2; y 3");
    check(&["x 2", "y 3"], "abs({__name__=~\"x|y\"})", "0", SAME);
}

const SAME: &str = "error: vector cannot contain metrics with the same labelset";

#[test]
fn series_of_two_vectors_find_each_other_by_their_labels() {
    let series = &[
        "errors{job=\"a\",code=\"500\"} 6",
        "errors{job=\"a\",code=\"404\"} 3",
        "errors{job=\"b\",code=\"500\"} 1",
        "requests{job=\"a\"} 60",
        "info{job=\"a\",version=\"7\"} 1",
    ];
    check(series, "errors / requests", "0", "nothing");
    check(series, "nothing_here / on(job) errors", "0", "nothing");
    check(series, "errors{code=\"500\"} / ignoring(code) requests", "0", "{job=\"a\"} 0.1");
    check(series, "errors{code=\"500\"} / on(job) requests", "0", "{job=\"a\"} 0.1");
    check(
        series,
        "errors / on(job) group_left requests",
        "0",
        "{code=\"404\",job=\"a\"} 0.05; {code=\"500\",job=\"a\"} 0.1",
    );
    check(
        series,
        "info * on(job) group_right(version) errors",
        "0",
        "{code=\"404\",job=\"a\",version=\"7\"} 3; {code=\"500\",job=\"a\",version=\"7\"} 6",
    );
    check(
        series,
        "errors and on(job) requests",
        "0",
        "errors{code=\"404\",job=\"a\"} 3; errors{code=\"500\",job=\"a\"} 6",
    );
    check(series, "errors unless on(job) requests", "0", "errors{code=\"500\",job=\"b\"} 1");
    check(series, "requests or on(job) errors", "0", "requests{job=\"a\"} 60; errors{code=\"500\",job=\"b\"} 1");
    check(
        series,
        "requests > on(job) group_right errors",
        "0",
        "errors{code=\"404\",job=\"a\"} 60; errors{code=\"500\",job=\"a\"} 60",
    );
}

#[test]
fn arithmetic_is_that_of_floats() {
    check(&[], "1 + 2 * 3 ^ 2 ^ 0.5", "0", "10.457608775674831");
    check(&[], "-7 % 3", "0", "-1");
    check(&[], "1 / 0", "0", "+Inf");
    check(&[], "0 / 0", "0", "NaN");
    check(&[], "1 > bool NaN", "0", "0");
    check(&[], "1 atan2 -1", "0", "2.356194490192345");
    check(&[], "\"text\"", "0", "\"text\"");
    check(&["x NaN"], "x == x", "0", "nothing");
    check(&["x NaN"], "x != x", "0", "x NaN");
    check(&["x Inf"], "x - x", "0", "{} NaN");
}

#[test]
fn aggregations_group_and_keep_nothing_else() {
    let series = &["x{a=\"1\",b=\"1\"} 1", "x{a=\"1\",b=\"2\"} 2", "x{a=\"2\",b=\"1\"} 4", "x{a=\"2\",b=\"2\"} NaN"];
    check(series, "count(x)", "0", "{} 4");
    check(series, "sum by (a) (x)", "0", "{a=\"1\"} 3; {a=\"2\"} NaN");
    check(series, "max without (b) (x)", "0", "{a=\"1\"} 2; {a=\"2\"} 4");
    check(series, "min(x)", "0", "{} 1");
    check(series, "avg(x{b=\"1\"})", "0", "{} 2.5");
    check(series, "group by (c) (x)", "0", "{} 1");
    check(series, "stddev(x{a=\"1\"})", "0", "{} 0.5");
    check(series, "stdvar(x{a=\"1\"})", "0", "{} 0.25");
    check(series, "quantile(0.5, x{a=\"1\"})", "0", "{} 1.5");
    check(series, "quantile(2, x)", "0", "{} +Inf");
    check(series, "topk(2, x)", "0", "x{a=\"2\",b=\"1\"} 4; x{a=\"1\",b=\"2\"} 2");
    check(series, "bottomk by (a) (1, x)", "0", "x{a=\"1\",b=\"1\"} 1; x{a=\"2\",b=\"1\"} 4");
    check(series, "topk(0, x)", "0", "nothing");
    check(series, "limitk(1, x)", "0", "x{a=\"1\",b=\"1\"} 1");
    check(series, "count_values(\"v\", x > 1)", "0", "{v=\"2\"} 1; {v=\"4\"} 1");
    check(series, "sum(nothing_here)", "0", "nothing");
}

#[test]
fn sums_lose_nothing_to_rounding_and_means_do_not_overflow() {
    check(&["x{a=\"1\"} 1e100", "x{a=\"2\"} 1", "x{a=\"3\"} -1e100"], "sum(x)", "0", "{} 1");
    check(&["x 1e100 1 -1e100"], "sum_over_time(x[5m])", "2m", "{} 1");
    check(&["x 1.7e308 1.7e308"], "avg_over_time(x[5m]) / 1e308", "2m", "{} 1.7");
}

#[test]
fn counters_survive_restarts_and_reach_to_the_ends_of_their_window() {
    check(&["c 0+60x10"], "rate(c[5m])", "10m", "{} 1");
    check(&["c 0+60x10"], "increase(c[5m])", "10m", "{} 300");
    check(&["c 0 60 120 30 90"], "increase(c[5m])", "4m", "{} 210");
    check(&["c 0 60 120 30 90"], "resets(c[5m])", "4m", "{} 1");
    check(&["c 0 60 120 30"], "irate(c[5m])", "3m", "{} 0.5");
    check(&["c 5"], "rate(c[5m])", "0", "nothing");
    check(&["g 10 8 6"], "delta(g[2m])", "2m", "{} -4");
    // A gap of 70 s is more than a missed sample at one a minute: half an interval is added for it, not the gap.
    check(&["g 10 16 22 28"], "delta(g[5m])", "250s", "{} 26");
    check(&["g 10 8 5"], "idelta(g[5m])", "2m", "{} -3");
    check(&["g 10 8 6 4"], "predict_linear(g[5m], 120)", "3m", "{} 0");
    check(&["g 10 8 6 4"], "deriv(g[5m]) * 60", "3m", "{} -2");
    check(&["g 1 1 2 NaN NaN"], "changes(g[5m])", "4m", "{} 2");
}

#[test]
fn absence_is_told_with_the_labels_that_were_asked_for() {
    check(&[], "absent(up{job=\"a\",instance=~\"x.*\"})", "0", "{job=\"a\"} 1");
    check(&["up{job=\"a\"} 0"], "absent(up{job=\"a\"})", "0", "nothing");
    check(&["up 1 stale"], "absent(up)", "1m", "{} 1");
    check(&["up 1 stale"], "absent_over_time(up{job=\"\"}[5m])", "1m", "nothing");
    check(&[], "absent_over_time(up{job=\"a\"}[5m])", "1m", "{job=\"a\"} 1");
    check(&[], "absent(sum(up))", "0", "{} 1");
}

#[test]
fn subqueries_stand_on_multiples_of_their_step() {
    check(&["x 0+1x10"], "x[3m:1m]", "5m30s", "x 3@180 4@240 5@300");
    check(&["x 0+1x10"], "x[2m:]", "5m", "x 4@240 5@300");
    check(&["x 0+1x10"], "max_over_time(sum(x)[5m:1m])", "10m", "{} 10");
    check(&["x 0+1x10"], "max_over_time(x[3m:1m] offset 1m)", "10m", "{} 9");
    check(&["x 0+60x10"], "min_over_time(rate(x[2m])[4m:1m])", "10m", "{} 1");
}

#[test]
fn times_have_calendars() {
    check(
        &[],
        "year(vector(951782400)) * 10000 + month(vector(951782400)) * 100 + day_of_month(vector(951782400))",
        "0",
        "{} 20000229",
    );
    check(&[], "day_of_week(vector(0))", "0", "{} 4");
    check(&[], "day_of_year(vector(978220800))", "0", "{} 366");
    check(&[], "days_in_month(vector(951782400))", "0", "{} 29");
    check(&[], "hour()", "3h59m", "{} 3");
    check(&[], "minute()", "3h59m", "{} 59");
    check(&[], "year(vector(-1))", "0", "{} 1969");
    check(&[], "hour(vector(NaN))", "0", "{} NaN");
    check(&[], "time()", "1m30s", "90");
    check(&["x 1 _"], "timestamp(x)", "1m30s", "{} 0");
    check(&["x 1 _"], "timestamp(x + 0)", "1m30s", "{} 90");
}

#[test]
fn values_are_clamped_rounded_and_turned_to_scalars() {
    check(&["x 7.45"], "clamp(x, 1, 5)", "0", "{} 5");
    check(&["x 7.45"], "clamp(x, 5, 1)", "0", "nothing");
    check(&["x 7.45"], "clamp_min(x, 8)", "0", "{} 8");
    check(&["x 7.45"], "round(x, 0.1)", "0", "{} 7.5");
    check(&["x -0.5"], "round(x)", "0", "{} 0");
    check(&["x 7"], "scalar(x) + 1", "0", "8");
    check(&["x 7", "y 8"], "scalar({__name__=~\"x|y\"})", "0", "NaN");
    check(&["x 7"], "sgn(-x)", "0", "{} -1");
}

#[test]
fn labels_are_replaced_and_joined() {
    let series = &["x{src=\"web-7\"} 1"];
    check(
        series,
        "label_replace(x, \"n\", \"$2$1\", \"src\", \"([a-z]+)-(\\\\d+)\")",
        "0",
        "x{n=\"7web\",src=\"web-7\"} 1",
    );
    check(series, "label_replace(x, \"src\", \"\", \"src\", \".*\")", "0", "x 1");
    check(series, "label_replace(x, \"n\", \"y\", \"src\", \"web\")", "0", "x{src=\"web-7\"} 1");
    check(
        series,
        "label_join(x, \"n\", \"/\", \"src\", \"none\", \"src\")",
        "0",
        "x{n=\"web-7//web-7\",src=\"web-7\"} 1",
    );
}

#[test]
fn an_instant_can_be_sorted() {
    let series = &["x{a=\"1\"} 2", "x{a=\"2\"} NaN", "x{a=\"3\"} 1", "x{a=\"10\"} 3"];
    check(series, "sort(x)", "0", "x{a=\"3\"} 1; x{a=\"1\"} 2; x{a=\"10\"} 3; x{a=\"2\"} NaN");
    check(series, "sort_desc(x)", "0", "x{a=\"10\"} 3; x{a=\"1\"} 2; x{a=\"3\"} 1; x{a=\"2\"} NaN");
    check(series, "sort_by_label(x, \"a\")", "0", "x{a=\"1\"} 2; x{a=\"2\"} NaN; x{a=\"3\"} 1; x{a=\"10\"} 3");
}

#[test]
fn quantiles_are_taken_from_classic_buckets() {
    let series =
        &["h_bucket{le=\"0.1\"} 50", "h_bucket{le=\"0.5\"} 90", "h_bucket{le=\"1\"} 100", "h_bucket{le=\"+Inf\"} 100"];
    check(series, "histogram_quantile(0.5, h_bucket)", "0", "{} 0.1");
    check(series, "histogram_quantile(0.7, h_bucket)", "0", "{} 0.30000000000000004");
    check(series, "histogram_quantile(1, h_bucket)", "0", "{} 1");
    check(series, "histogram_quantile(-1, h_bucket)", "0", "{} -Inf");
    check(series, "histogram_quantile(0.5, h_bucket{le!=\"+Inf\"})", "0", "{} NaN");
    check(series, "histogram_fraction(0, 0.5, h_bucket)", "0", "{} 0.9");
    // What rates lose to rounding must not make a bucket of its own.
    let rounded = &["h{le=\"1\"} 100", "h{le=\"2\"} 100.00000000000001", "h{le=\"+Inf\"} 100.00000000000001"];
    check(rounded, "histogram_quantile(1, h)", "0", "{} 1");
    let falling = &["h{le=\"1\"} 10", "h{le=\"2\"} 8", "h{le=\"4\"} 20", "h{le=\"+Inf\"} 20"];
    check(falling, "histogram_quantile(0.75, h)", "0", "{} 3");
}

#[test]
fn a_range_holds_every_step_and_is_sorted_by_labels() {
    let mut table = Table::default();
    table.load(60_000, &["x{a=\"2\"} 1 _ stale 4", "x{a=\"1\"} 0+1x3", "y 9"]);
    let parsed = promql::parse("x * 10 or y").unwrap();
    let found = promql::range(&parsed, &table, 0, 180_000, 60_000, &Limits::default()).unwrap();
    let lines: Vec<String> = found.iter().map(|series| format!("{} {:?}", series.labels, series.samples)).collect();
    assert_eq!(
        lines,
        [
            "y [(0, 9.0), (60000, 9.0), (120000, 9.0), (180000, 9.0)]",
            "{a=\"1\"} [(0, 0.0), (60000, 10.0), (120000, 20.0), (180000, 30.0)]",
            "{a=\"2\"} [(0, 10.0), (60000, 10.0), (180000, 40.0)]",
        ]
    );
}

#[test]
fn an_expression_tells_its_selectors_its_reach_and_its_kind() {
    let text = " sum(rate(x{job=\"a\"}[10m] offset 1h)) / scalar(y) > on() group_left {__name__=~\"z.*\"} ";
    let parsed = promql::parse(text).unwrap();
    assert_eq!(parsed.to_string(), text.trim());
    let selectors: Vec<String> = parsed
        .selectors()
        .iter()
        .map(|selector| {
            let matchers: Vec<String> = selector.matchers.iter().map(ToString::to_string).collect();
            format!("{:?} {}", selector.name, matchers.join(","))
        })
        .collect();
    assert_eq!(
        selectors,
        ["Some(\"x\") __name__=\"x\",job=\"a\"", "Some(\"y\") __name__=\"y\"", "None __name__=~\"z.*\""]
    );
    assert_eq!(parsed.lookback_ms(), 70 * 60_000);
    assert_eq!(parsed.kind(), ValueKind::Vector);

    let reach = |text: &str| promql::parse(text).unwrap().lookback_ms() / 60_000;
    assert_eq!(reach("x"), 5);
    assert_eq!(reach("x offset -10m"), 0);
    assert_eq!(reach("max_over_time(rate(x[10m])[1h:] offset 5m)"), 75);
    assert_eq!(reach("time()"), 0);

    let kind = |text: &str| promql::parse(text).unwrap().kind();
    assert_eq!(kind("1 + time()"), ValueKind::Scalar);
    assert_eq!(kind("abs(x)[5m:]"), ValueKind::Matrix);
    assert_eq!(kind("\"a\""), ValueKind::Text);
}

/// Whichever was found first: over a range that is the one that began first, at one time the first by its labels.
#[test]
fn of_equal_values_the_first_by_its_labels_is_chosen_at_one_time_and_over_a_range() {
    let series = &["x{a=\"2\"} 1 1 1", "x{a=\"1\"} _ _ 1"];
    check(series, "topk(1, x)", "2m", "x{a=\"1\"} 1");
    check(series, "bottomk(1, x)", "2m", "x{a=\"1\"} 1");
    let mut table = Table::default();
    table.load(60_000, series);
    let parsed = promql::parse("topk(1, max without (b) (x))").unwrap_or_else(|error| panic!("{error}"));
    let range = promql::range(&parsed, &table, 0, 120_000, 60_000, &Limits::default()).expect("an answer");
    assert_eq!(shown(&promql::Value::Matrix(range)), "{a=\"1\"} 1@120; {a=\"2\"} 1@0 1@60");
}
