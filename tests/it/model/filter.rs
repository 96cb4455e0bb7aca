//! Globs and filters: what fits, what is kept.

use proptest::prelude::*;
use regex::Regex;
use watchward::model::filter::{Choice, Filter, Glob};

#[test]
fn globs_fit_whole_texts() {
    for (pattern, text, fits) in [
        ("", "", true),
        ("", "a", false),
        ("*", "", true),
        ("*", "anything at all", true),
        ("orders", "orders", true),
        ("orders", "orders_old", false),
        ("Orders", "orders", false),
        ("o?ders", "orders", true),
        ("o?ders", "oders", false),
        ("*_old", "orders_old", true),
        ("*_old", "orders_old_2", false),
        ("a*b*c", "a--b--b-c", true),
        ("a*b*c", "a--c--b", false),
        ("**a", "bba", true),
        ("logs-*-2026.*", "logs-web-2026.11", true),
        ("?", "ü", true),
    ] {
        assert_eq!(Glob::new(pattern).fits(text), fits, "'{pattern}' and '{text}'");
    }
}

#[test]
fn a_glob_as_a_regular_expression_has_nothing_of_the_text_s_own_meaning() {
    assert_eq!(Glob::new("logs-*.2026?").regex(), "^logs\\-.*\\.2026.$");
    assert_eq!(Glob::new("a+b(c)|$").regex(), "^a\\+b\\(c\\)\\|\\$$");
}

#[test]
fn rows_are_read_unless_optional_or_skipped() {
    let choice = Choice { collect: vec![Glob::new("stat_*")], skip: vec![Glob::new("*_io")] };
    let reads = |name, optional| choice.reads(name, optional);
    assert_eq!(
        [
            reads("locks", false),
            reads("locks", true),
            reads("stat_slru", true),
            reads("stat_io", true),
            reads("x_io", false)
        ],
        [true, false, true, false, false]
    );
}

#[test]
fn a_filter_speaks_of_the_labels_that_a_series_has() {
    let filter = Filter {
        include: [("datname".to_string(), vec![Glob::new("shop*")])].into(),
        exclude: [("relname".to_string(), vec![Glob::new("tmp_*")])].into(),
    };
    for (labels, kept) in [
        (&[][..], true),
        (&[("mode", "x")][..], true),
        (&[("datname", "shop_eu")][..], true),
        (&[("datname", "postgres")][..], false),
        (&[("datname", "")][..], true),
        (&[("datname", "shop"), ("relname", "tmp_1")][..], false),
        (&[("datname", "shop"), ("relname", "orders")][..], true),
    ] {
        assert_eq!(filter.keeps(labels), kept, "{labels:?}");
    }
}

proptest! {
    /// The pattern that is given to servers says the same as the one that is tried here.
    #[test]
    fn both_forms_agree(pattern in "[ab*?.\\[+]{0,8}", text in "[ab.\\[+]{0,8}") {
        let glob = Glob::new(pattern);
        prop_assert_eq!(glob.fits(&text), Regex::new(&glob.regex()).unwrap().is_match(&text));
    }
}
