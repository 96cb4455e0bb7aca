//! What becomes of a change, seen from how the setting stands: every case of the table.

use proptest::prelude::*;

use watchward::act::decide::{Next, Stands, recover, stands, undo, words};
use watchward::model::plan::{Held, Step};
use watchward::state::journal::Phase;

fn held(written: &str, effective: &str) -> Held {
    Held { written: (!written.is_empty()).then(|| written.to_string()), effective: effective.to_string() }
}

fn step(before: Held, after: Held) -> Step {
    Step { key: "k".to_string(), before, after, words: String::new(), undo_words: String::new() }
}

#[test]
fn where_a_setting_stands_is_told_from_both_of_its_sides() {
    let step = step(held("", "1"), held("2", "2"));
    for (now, expected) in [
        (held("", "1"), Stands::Before),
        (held("2", "2"), Stands::After),
        (held("2", "1"), Stands::Between),
        (held("", "2"), Stands::Between),
        (held("2", "7"), Stands::Between),
        (held("", "7"), Stands::Otherwise),
        (held("7", "1"), Stands::Otherwise),
        (held("7", "2"), Stands::Otherwise),
        (held("7", "7"), Stands::Otherwise),
    ] {
        assert_eq!(stands(&step, &now), expected, "{now:?}");
    }
}

/// Where only memory is written, what is written cannot tell whose an effective value is.
#[test]
fn a_value_that_nobody_wrote_down_is_never_taken_for_ours() {
    let step = step(held("", "1"), held("", "2"));
    assert_eq!(stands(&step, &held("", "7")), Stands::Otherwise);
    assert_eq!(stands(&step, &held("", "2")), Stands::After);
    assert_eq!(recover(Phase::Undoing, &step, &held("", "7")), Next::Is(Phase::UndoRefused));
}

#[test]
fn recovery_finishes_puts_again_or_leaves_alone() {
    use Phase::{Begun, Done, Failed, Unclear, UndoRefused, Undoing, Undone, Void};
    let step = step(held("", "1"), held("2", "2"));
    let (before, after, between, other) = (held("", "1"), held("2", "2"), held("2", "1"), held("7", "7"));
    let below = held("", "7");
    for (phase, now, expected) in [
        (Begun, &after, Next::Is(Done)),
        (Begun, &before, Next::Is(Void)),
        (Begun, &between, Next::PutAfter),
        (Begun, &other, Next::Is(Unclear)),
        (Unclear, &after, Next::Is(Done)),
        (Unclear, &before, Next::Is(Void)),
        (Unclear, &between, Next::Is(Unclear)),
        (Unclear, &other, Next::Is(Unclear)),
        (Undoing, &before, Next::Is(Undone)),
        (Undoing, &after, Next::PutBefore),
        (Undoing, &between, Next::PutBefore),
        (Undoing, &other, Next::Is(UndoRefused)),
        (Undoing, &below, Next::Is(Undone)), // ours is gone, and what lies below it was changed meanwhile
        (Begun, &below, Next::Is(Unclear)),
        (Done, &other, Next::Is(Done)),
        (Failed, &after, Next::Is(Failed)),
    ] {
        assert_eq!(recover(phase, &step, now), expected, "{phase:?} {now:?}");
    }
}

#[test]
fn only_what_stands_exactly_as_we_left_it_is_taken_back() {
    let step = step(held("", "1"), held("2", "2"));
    assert_eq!(undo(&step, &held("2", "2")), Next::PutBefore);
    assert_eq!(undo(&step, &held("", "1")), Next::Is(Phase::Undone));
    for other in [held("2", "1"), held("", "2"), held("7", "7"), held("2", "7")] {
        assert_eq!(undo(&step, &other), Next::Is(Phase::UndoRefused), "{other:?}");
    }
}

#[test]
fn values_are_told_with_what_is_written_where_that_differs() {
    assert_eq!(words(&held("2", "2")), "'2'");
    assert_eq!(words(&held("2gb", "2147483648")), "'2147483648' (written: '2gb')");
    assert_eq!(words(&held("", "1")), "'1' (not written)");
}

proptest! {
    /// Whatever stands there: nothing is written over a text that neither we nor the state before us wrote.
    #[test]
    fn nothing_is_ever_written_over_what_somebody_else_wrote(
        sides in prop::array::uniform6(prop::option::of(0..3u8)),
        phase in prop::sample::select(Phase::ALL.to_vec()),
    ) {
        let text = |one: Option<u8>| one.map(|one| one.to_string()).unwrap_or_default();
        let [a, b, c, d, e, f] = sides.map(text);
        let (step, now) = (step(held(&a, &b), held(&c, &d)), held(&e, &f));
        let known = [&step.before.written, &step.after.written];
        for next in [recover(phase, &step, &now), undo(&step, &now)] {
            if matches!(next, Next::PutAfter | Next::PutBefore) {
                prop_assert!(known.contains(&&now.written), "{step:?} {now:?} {next:?}");
            }
        }
    }
}
