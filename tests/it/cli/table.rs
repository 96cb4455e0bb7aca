//! Columns, and what people read in them.

use watchward::cli::table::{Side, age, clean, columns, count, cut, short};

#[test]
fn columns_are_as_wide_as_their_content() {
    let heads = [("NAME", Side::Left), ("N", Side::Right), ("WHY", Side::Left)];
    let rows = [["größer", "1", ""], ["x", "1234", "so"]].map(|row| row.map(str::to_string).to_vec());
    assert_eq!(columns(&heads, &rows), "NAME       N  WHY\ngrößer     1\nx       1234  so\n");
}

#[test]
fn somebody_else_s_words_stay_on_their_line() {
    assert_eq!(clean("a\nb\tc | d\u{1b}[31m"), "a b c / d\\u{1b}[31m");
}

#[test]
fn what_is_too_long_ends_in_an_ellipsis() {
    for (width, expected) in [(9, "größer"), (6, "größer"), (5, "größ…"), (1, "…"), (0, "")] {
        assert_eq!(cut("größer", width), expected);
    }
}

#[test]
fn ages_numbers_and_counts_are_short() {
    for (seconds, expected) in [(-5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h")] {
        assert_eq!(age(seconds), expected);
    }
    assert_eq!([age(172_799), age(172_800)], ["47h", "2d"]);
    let numbers =
        [0.0, 7.0, 0.25, 9.99, 9.996, 12.5, 99.94, 99.96, 980.4, 9_999.0, 12_400.0, 999_949.0, 3_140_000.0, 5e9];
    let expected =
        ["0", "7", "0.25", "9.99", "10.0", "12.5", "99.9", "100", "980", "9999", "12.4k", "1000k", "3.1M", "5.0G"];
    assert_eq!(numbers.map(short), expected);
    assert_eq!([short(f64::NAN), short(-0.5), count(1, "row"), count(0, "row")], ["–", "-0.50", "1 row", "0 rows"]);
}
