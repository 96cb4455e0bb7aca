//! Label sets: sorted, unique, without empty values, printed as PromQL writes them.

use proptest::prelude::*;
use watchward::model::labels::Labels;

#[test]
fn the_last_of_equal_names_stands_and_empty_values_do_not_exist() {
    let labels = Labels::new([("b", "1"), ("a", "2"), ("b", "3"), ("c", "")]);
    assert_eq!(labels.to_string(), r#"{a="2",b="3"}"#);
    assert_eq!((labels.get("b"), labels.get("c"), labels.value("c")), (Some("3"), None, ""));
    assert!(Labels::new([("a", "1"), ("a", "")]).is_empty());
}

#[test]
fn a_series_is_printed_as_it_is_written() {
    assert_eq!(Labels::new([("__name__", "up"), ("job", "a\"b")]).to_string(), r#"up{job="a\"b"}"#);
    assert_eq!(Labels::new([("__name__", "up")]).to_string(), "up");
    assert_eq!(Labels::empty().to_string(), "{}");
}

#[test]
fn sets_are_laid_over_filtered_and_changed_without_touching_the_first() {
    let first = Labels::new([("a", "1"), ("b", "2")]);
    assert_eq!(first.with("a", "9").to_string(), r#"{a="9",b="2"}"#);
    assert_eq!(first.with("a", "").to_string(), r#"{b="2"}"#);
    assert_eq!(first.overlaid(&Labels::new([("b", "3"), ("c", "4")])).to_string(), r#"{a="1",b="3",c="4"}"#);
    assert_eq!(first.filtered(|name| name == "b").to_string(), r#"{b="2"}"#);
    assert_eq!(first.to_string(), r#"{a="1",b="2"}"#);
}

#[test]
fn fingerprints_are_the_same_in_every_run_and_do_not_run_names_and_values_together() {
    assert_eq!(Labels::new([("a", "1")]).fingerprint(), Labels::new([("a", "1")]).fingerprint());
    assert_ne!(Labels::new([("a", "bc")]).fingerprint(), Labels::new([("ab", "c")]).fingerprint());
    assert_eq!(Labels::new([("alertname", "X"), ("job", "y")]).fingerprint(), FINGERPRINT);
}

/// Worked out once by hand from FNV-1a's definition, with 0xff after each name and value.
const FINGERPRINT: u64 = fnv(b"alertname\xffX\xffjob\xffy\xff");

const fn fnv(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

proptest! {
    #[test]
    fn order_does_not_matter(mut pairs in prop::collection::btree_map("[a-z]{1,4}", "[a-z]{1,4}", 0..8)) {
        let forward = Labels::new(pairs.clone());
        let mut backward: Vec<_> = std::mem::take(&mut pairs).into_iter().collect();
        backward.reverse();
        prop_assert_eq!(forward, Labels::new(backward));
    }
}
