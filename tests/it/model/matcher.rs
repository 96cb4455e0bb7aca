//! Matchers: a missing label is the empty string, and regular expressions match the whole value.

use watchward::model::labels::Labels;
use watchward::model::matcher::{Matcher, Op};

fn check(name: &str, op: Op, value: &str) -> bool {
    let labels = Labels::new([("job", "node"), ("mount", "/a\nb")]);
    Matcher::new(name, op, value).unwrap().accepts_labels(&labels)
}

#[test]
fn each_comparison_on_present_and_missing_labels() {
    assert!(check("job", Op::Equal, "node") && !check("job", Op::Equal, "nod"));
    assert!(check("job", Op::NotEqual, "x") && !check("job", Op::NotEqual, "node"));
    assert!(check("nobody", Op::Equal, "") && !check("nobody", Op::NotEqual, ""));
    assert!(check("nobody", Op::Matches, ".*") && !check("nobody", Op::Matches, ".+"));
}

#[test]
fn a_regular_expression_matches_the_whole_value_line_breaks_included() {
    assert!(check("job", Op::Matches, "no.e") && !check("job", Op::Matches, "no"));
    assert!(check("job", Op::Matches, "x|node") && !check("job", Op::NotMatches, "x|node"));
    assert!(check("mount", Op::Matches, "/.*b"));
}

#[test]
fn a_faulty_expression_is_told_and_a_matcher_prints_as_it_is_written() {
    assert!(Matcher::new("a", Op::Matches, "(").unwrap_err().contains("unclosed group"));
    assert_eq!(Matcher::new("a", Op::NotMatches, "x\"y").unwrap().to_string(), r#"a!~"x\"y""#);
}
