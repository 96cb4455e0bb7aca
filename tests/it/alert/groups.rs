//! Groups, without time or disk: who is to be told what after each transition.

use std::collections::BTreeMap;

use proptest::prelude::*;
use watchward::alert::config::Config;
use watchward::alert::groups::{Groups, coalesce, pages};
use watchward::alert::route::{GroupBy, places};
use watchward::model::labels::Labels;
use watchward::model::transition::{Phase, Transition};
use watchward::state::outbox::Notice;

use crate::alert::{config, receiver, transitions};

fn dba() -> Config {
    config(vec![receiver("dba", "http://127.0.0.1:1/x"), receiver("unused", "http://127.0.0.1:1/y")])
}

fn short(notices: &[Notice]) -> String {
    let one = |notice: &Notice| {
        let sign = if notice.alert.ends_ms.is_some() { '-' } else { '+' };
        format!("{sign}{}", notice.alert.labels.value("alertname"))
    };
    notices.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Transitions in, notices out.
fn check(story: &str, expected: &str) {
    let mut groups = Groups::default();
    let notices: Vec<Notice> = transitions(story, 5).iter().flat_map(|one| groups.apply(&dba(), one)).collect();
    assert_eq!(short(&notices), expected, "{story}");
}

#[test]
fn a_beginning_and_its_end_are_told_once_each() {
    check("~A +A -A", "+A -A");
    check("+A +B -A -B", "+A +B -A -B");
    check("+A +A", "+A");
    check("+A -A -A", "+A -A");
    check("+A -A +A", "+A -A +A");
    check("-A", "");
    check("~A", "");
}

#[test]
fn nobody_is_called_for_servers_that_were_merely_found_nor_for_information() {
    let one = transitions("+A", 5).remove(0);
    assert!(pages(&one));
    assert!(!pages(&Transition { discovered: true, ..one.clone() }));
    assert!(!pages(&Transition { labels: one.labels.with("severity", "info"), ..one.clone() }));
    assert!(pages(&Transition { labels: one.labels.with("severity", ""), ..one }));
}

#[test]
fn without_a_receiver_nobody_is_told_and_nothing_is_held() {
    let mut groups = Groups::default();
    assert!(groups.apply(&Config::default(), &transitions("+A", 5)[0]).is_empty());
    assert!(groups.is_empty());
}

#[test]
fn the_end_is_told_where_the_beginning_was_whatever_the_route_says_by_then() {
    let mut groups = Groups::default();
    let begun = groups.apply(&dba(), &transitions("+A", 5)[0]);
    let elsewhere = config(vec![receiver("boss", "http://127.0.0.1:1/x")]);
    let ended = groups.apply(&elsewhere, &transitions("-A", 9)[0]);
    assert_eq!(ended[0].place, begun[0].place);
    assert_eq!((ended[0].alert.starts_ms, ended[0].alert.ends_ms), (5, Some(9)));
}

#[test]
fn the_end_keeps_the_words_of_the_beginning_where_it_has_none_of_its_own() {
    let mut groups = Groups::default();
    let begun = groups.apply(&dba(), &transitions("+A", 5)[0]);
    let mute = Transition { annotations: BTreeMap::new(), ..transitions("-A", 9).remove(0) };
    let ended = groups.apply(&dba(), &mute);
    assert_eq!(ended[0].alert.annotations, begun[0].alert.annotations);
}

#[test]
fn a_group_is_what_its_alerts_agree_in_and_always_of_one_tenant() {
    let labels = Labels::new([("alertname", "A"), ("target", "db"), ("mount", "/"), ("tenant", "forged")]);
    let mut config = dba();
    let mut key = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        config.route.as_mut().unwrap().group_by = GroupBy::new(&names);
        places(&config, "acme", &labels).remove(0).key
    };
    assert_eq!(key(&["alertname", "target"]), r#"{}:{alertname="A", target="db", tenant="acme"}"#);
    assert_eq!(key(&["missing"]), r#"{}:{tenant="acme"}"#);
    assert_eq!(key(&["..."]), r#"{}:{alertname="A", mount="/", target="db", tenant="acme"}"#);
}

#[test]
fn what_waits_in_memory_is_merged_as_the_outbox_merges() {
    let table = [("+A -A", "+A -A"), ("+A -A +A", "+A"), ("-A +A -A", "+A -A"), ("+A +B -A ~C", "+A +B -A ~C")];
    for (before, expected) in table {
        let mut all = transitions(before, 5);
        coalesce(&mut all);
        assert_eq!(all, transitions(expected, 5), "{before}");
    }
}

proptest! {
    /// Whatever the order: per alert, beginnings and ends alternate and start with a beginning; each change of what the
    /// transitions say is told exactly once; and what is held at the end is what fires.
    #[test]
    fn no_change_is_lost_or_told_twice(steps in prop::collection::vec((0_usize..4, 0_usize..4, any::<bool>()), 0..60)) {
        let phases = [Phase::Pending, Phase::Firing, Phase::Resolved, Phase::Inactive];
        let names = ["A", "B", "C", "D"];
        let mut groups = Groups::default();
        let mut fires: BTreeMap<&str, bool> = BTreeMap::new();
        let mut expected: BTreeMap<&str, String> = BTreeMap::new();
        let mut told: BTreeMap<String, String> = BTreeMap::new();
        for (at, (name, phase, restart)) in steps.iter().enumerate() {
            let (name, phase) = (names[*name], phases[*phase]);
            let one = transitions(&format!("+{name}"), at as i64).remove(0);
            let before = fires.get(name).copied().unwrap_or(false);
            let after = match phase { Phase::Firing => true, Phase::Pending => before, _ => false };
            if before != after {
                expected.entry(name).or_default().push(if after { '+' } else { '-' });
            }
            fires.insert(name, after);
            let notices = groups.apply(&dba(), &Transition { to: phase, ..one });
            for notice in &notices {
                let sign = if notice.alert.ends_ms.is_some() { '-' } else { '+' };
                told.entry(notice.alert.labels.value("alertname").to_string()).or_default().push(sign);
            }
            if *restart {
                // A restart reads from the state what was held; here from what the groups would have written.
                groups = reread(&groups, &fires);
            }
        }
        for name in names {
            prop_assert_eq!(expected.get(name), told.get(name), "alert {}", name);
        }
        prop_assert_eq!(groups.len(), fires.values().filter(|fires| **fires).count());
    }

    /// The order in which different alerts change does not matter for what is told of each.
    #[test]
    fn alerts_do_not_disturb_each_other(order in Just(vec![0, 1, 2, 3, 4, 5]).prop_shuffle()) {
        let stories = ["+A", "+B", "+C:x", "+C:y", "~D", "-E"];
        let story: Vec<&str> = order.iter().map(|at| stories[*at]).collect();
        let mut groups = Groups::default();
        let notices: Vec<Notice> =
            transitions(&story.join(" "), 5).iter().flat_map(|one| groups.apply(&dba(), one)).collect();
        let mut told: Vec<String> = short(&notices).split(' ').map(str::to_string).collect();
        told.sort();
        prop_assert_eq!(told, ["+A", "+B", "+C", "+C"]);
    }
}

/// The groups as a restart would find them: a notice of beginning for each alert that fires.
fn reread(groups: &Groups, fires: &BTreeMap<&str, bool>) -> Groups {
    let firing = fires.iter().filter(|(_, fires)| **fires).map(|(name, _)| format!("+{name}"));
    let mut fresh = Groups::default();
    let members: Vec<Notice> = firing.flat_map(|word| fresh.apply(&dba(), &transitions(&word, 1)[0])).collect();
    assert_eq!(groups.len(), members.len());
    Groups::restore(members)
}
