//! The words of every error that a person can cause.

use watchward::promql;
use watchward::promql::Limits;

use crate::promql::notation::{Table, shown};

fn check_parse(text: &str, expected: &str) {
    match promql::parse(text) {
        Ok(_) => panic!("{text:?} was read"),
        Err(error) => assert_eq!(error.to_string(), expected),
    }
}

fn check_instant(expression: &str, expected: &str) {
    let mut table = Table::default();
    table.load(60_000, &["many{a=\"1\",b=\"1\"} 1", "many{a=\"1\",b=\"2\"} 2", "one{a=\"1\"} 3", "text{v=\"x\"} 1"]);
    let parsed = promql::parse(expression).unwrap_or_else(|error| panic!("{error}"));
    let error = promql::instant(&parsed, &table, 0, &Limits::default()).expect_err(expression);
    assert_eq!(error.to_string(), expected);
}

#[test]
fn faults_of_the_text_say_where() {
    check_parse("  ", "the expression is empty in ''");
    check_parse("sum(up", "a parenthesis is not closed at character 4 in 'sum(up'");
    check_parse("sum(up))", "a parenthesis is closed that was not opened at character 8 in 'sum(up))'");
    check_parse("up{job=\"a}", "a quotation mark is not closed at character 8 in 'up{job=\"a}'");
    check_parse(
        "up{job=\"\\xff\"}",
        "a byte above \\x7f is written; write the character itself at character 8 in 'up{job=\"\\xff\"}'",
    );
    check_parse("up up", "unexpected 'up' at character 4 in 'up up'");
    check_parse("sum(up) by (job) > 0 0", "unexpected '0' at character 22 in 'sum(up) by (job) > 0 0'");
    check_parse("rate(up[5m]) / (a + * b)", "unexpected '*' at character 21 in 'rate(up[5m]) / (a + * b)'");
    check_parse("a + on(b, c) group_left(d) / e", "unexpected '/' at character 28 in 'a + on(b, c) group_left(d) / e'");
    check_parse(
        "up{a=\"é\",b} + 1 )2(",
        "a parenthesis is closed that was not opened at character 17 in 'up{a=\"é\",b} + 1 )2('",
    );
    check_parse("up{a=\"é\"} {}", "unexpected '{' at character 11 in 'up{a=\"é\"} {}'");
    check_parse("a offset 5m 6", "unexpected '6' at character 13 in 'a offset 5m 6'");
    check_parse("a @ start 6", "unexpected '6' at character 11 in 'a @ start 6'");
    check_parse("sum by job (up)", "unexpected 'job' at character 8 in 'sum by job (up)'");
    check_parse("a +", "the expression ends where more is expected in 'a +'");
    check_parse("sum by (job)", "the expression ends where more is expected in 'sum by (job)'");
    check_parse("a > bool", "the expression ends where more is expected in 'a > bool'");
    check_parse("up[5m", "unexpected end of input inside brackets in 'up[5m'");
}

#[test]
fn faults_of_meaning_name_what_is_wrong() {
    check_parse("rat(up[5m])", "unknown function with name 'rat' in 'rat(up[5m])'");
    check_parse("rate(up)", "expected type matrix in call to function 'rate', got vector in 'rate(up)'");
    check_parse("ln(0)", "expected type instant vector in call to function 'ln', got scalar in 'ln(0)'");
    check_parse("rate()", "expected 1 argument(s) in call to 'rate', got 0 in 'rate()'");
    check_parse("1 > 2", "comparisons between scalars must use BOOL modifier in '1 > 2'");
    check_parse("{a=~\".*\"}", "vector selector must contain at least one non-empty matcher in '{a=~\".*\"}'");
    check_parse("up{a=~\"(\"}", "illegal regex for ( in 'up{a=~\"(\"}'");
    check_parse("up{a=\"1\" or b=\"2\"}", "'or' between label matchers is not supported in 'up{a=\"1\" or b=\"2\"}'");
    check_parse("a + fill(0) b", "the modifiers fill, fill_left and fill_right are not supported in 'a + fill(0) b'");
    check_parse("info(up)", "the function 'info' is not supported in 'info(up)'");
    check_parse("limit_ratio(0.5, up)", "the aggregation 'limit_ratio' is not supported in 'limit_ratio(0.5, up)'");
    check_parse("up[1e300]", "a number in the expression is out of range in 'up[1e300]'");
    check_parse("up[2000y]", "duration out of range: more than 1000 years in 'up[2000y]'");
    check_parse(
        "label_replace(up, \"a\", \"b\", \"c\", \"(\")",
        "invalid regular expression in label_replace(): \"(\" in 'label_replace(up, \"a\", \"b\", \"c\", \"(\")'",
    );
}

#[test]
fn long_and_deep_texts_are_refused_with_their_size() {
    let long = format!("up{{a=\"{}\"}}", "x".repeat(20_000));
    let error = promql::parse(&long).unwrap_err().to_string();
    assert_eq!(error, format!("the expression has 20008 bytes, more than 16384 in '{}…'", &long[..80]));

    let deep = format!("{}1{}", "(".repeat(20_000), ")".repeat(20_000));
    let error = promql::parse(&deep).unwrap_err().to_string();
    assert_eq!(error, format!("the expression has 40001 bytes, more than 16384 in '{}…'", "(".repeat(80)));

    let deep = format!("{}1{}", "(".repeat(8_000), ")".repeat(8_000));
    let error = promql::parse(&deep).unwrap_err().to_string();
    assert_eq!(error, format!("more than 200 parentheses are open at character 201 in '…{}…'", "(".repeat(80)));

    let chain = format!("1{}", "+1".repeat(600));
    let error = promql::parse(&chain).unwrap_err().to_string();
    assert_eq!(error, format!("more than 500 operators are used at character 1002 in '…{}…'", "+1".repeat(40)));
}

#[test]
fn the_deepest_expressions_allowed_fit_the_stack() {
    let nested = |call: &str, rest: &str, inner: &str, times| {
        format!("{}{inner}{}", call.repeat(times), format!("{rest})").repeat(times))
    };
    let sum = format!("1{}", "+1".repeat(400));
    let deepest = [
        nested("abs(", "", &format!("vector({sum})"), 126),
        nested("sum(", "", "vector(401)", 126),
        nested("label_replace(", ",'a','b','c','d'", "vector(401)", 126),
        nested("max_over_time(", "[5m:1m]", "vector(401)", 63),
        nested("(", "", "401", 200),
        format!("vector(1){} * 401", " ^ 1".repeat(126)),
        format!("{}vector(401)", "-".repeat(126)),
    ];
    for text in deepest {
        let parsed = promql::parse(&text).unwrap_or_else(|error| panic!("{error}"));
        let value = promql::instant(&parsed, &Table::default(), 0, &Limits::default()).unwrap();
        assert!(shown(&value).ends_with("401"), "{text}");
    }
    check_parse(&nested("abs(", "", "up", 129), &format!("more than 128 parts are nested in '{}…'", "abs(".repeat(20)));
    check_parse(&format!("{}up", "-".repeat(200)), &format!("more than 128 parts are nested in '{}…'", "-".repeat(80)));
}

#[test]
fn series_that_do_not_match_are_named() {
    check_instant(
        "one * on(a) many",
        "found duplicate series for the match group {a=\"1\"} on the right hand-side of the operation: \
         [{__name__=\"many\", a=\"1\", b=\"2\"}, {__name__=\"many\", a=\"1\", b=\"1\"}];\
         many-to-many matching not allowed: \
         matching labels must be unique on one side",
    );
    check_instant(
        "many * on(a) group_right one",
        "found duplicate series for the match group {a=\"1\"} on the left hand-side of the operation: \
         [{__name__=\"many\", a=\"1\", b=\"2\"}, {__name__=\"many\", a=\"1\", b=\"1\"}];\
         many-to-many matching not allowed: \
         matching labels must be unique on one side",
    );
    check_instant(
        "many * on(a) one",
        "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
    );
    check_instant(
        "many * on(a) group_left(b) one",
        "multiple matches for labels: grouping labels must ensure unique matches",
    );
    check_instant(
        "label_replace(many, \"b\", \"\", \"\", \"\")",
        "vector cannot contain metrics with the same labelset",
    );
}

#[test]
fn wrong_arguments_are_shown() {
    check_instant("topk(NaN, many)", "Parameter value is NaN");
    check_instant("topk(1e30, many)", "Scalar value 1000000000000000000000000000000 overflows int64");
    check_instant("count_values(\"\", many)", "invalid label name \"\"");
    check_instant(
        "label_replace(many, \"\", \"b\", \"c\", \"d\")",
        "invalid destination label name in label_replace(): \"\"",
    );
    check_instant("label_join(many, \"\", \"b\", \"c\")", "invalid destination label name in label_join(): \"\"");
    check_instant(
        "double_exponential_smoothing(many[5m], 2, 0.5)",
        "invalid smoothing factor. Expected: 0 < factor < 1, got: 2",
    );
}

#[test]
fn a_range_is_refused_when_its_steps_make_no_sense() {
    let range = |text: &str, from, to, step| {
        let parsed = promql::parse(text).unwrap();
        promql::range(&parsed, &Table::default(), from, to, step, &Limits::default()).unwrap_err().to_string()
    };
    assert_eq!(range("up", 0, 1, 0), "the step of a range must be greater than 0");
    assert_eq!(range("up", 1, 0, 1), "a range must not end before it begins");
    assert_eq!(
        range("up", 0, 11_000, 1),
        "11001 steps are more than the 11000 allowed; use a larger step or a shorter range"
    );
    assert_eq!(
        range("up", i64::MIN, i64::MAX, 1),
        "18446744073709551616 steps are more than the 11000 allowed; use a larger step or a shorter range"
    );
    assert_eq!(
        range("up[5m]", 0, 1, 1),
        "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector"
    );
    assert_eq!(
        range("\"a\"", 0, 1, 1),
        "invalid expression type \"string\" for range query, must be Scalar or instant Vector"
    );
}
