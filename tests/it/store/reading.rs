//! Reading: scopes cannot be passed by, ranges and limits hold, the newest samples come without decoding.

use std::sync::atomic::{AtomicI64, Ordering};

use watchward::model::labels::Labels;
use watchward::model::matcher::{Matcher, Op};
use watchward::model::scope::Scope;
use watchward::model::series::{STALE, Series};
use watchward::promql::SeriesSource;
use watchward::store::{Config, Store};

use crate::store::tools::{Folder, START_MS, labels, samples, select, series};

#[test]
fn a_tenant_sees_its_own_series_and_no_others() {
    let folder = Folder::new();
    let (store, _) = folder.open();
    let texts = ["up{tenant=acme,target=a}", "up{tenant=globex,target=a}", "up{target=none}", "down{tenant=acme}"];
    let points: Vec<_> = texts.iter().map(|text| (store.id(&labels(text), 0).unwrap(), 1.0)).collect();
    store.append(&points, START_MS);

    let all_matchers: [&[Matcher]; 4] = [
        &[],
        &[Matcher::equal("tenant", "globex")],
        &[Matcher::new("tenant", Op::Matches, ".*").unwrap()],
        &[Matcher::new("tenant", Op::NotEqual, "acme").unwrap()],
    ];
    for matchers in all_matchers {
        for (tenant, others) in [("acme", "globex"), ("globex", "acme"), ("nobody", "acme")] {
            let scope = Scope::of_tenant(tenant);
            let found = select(&store, &scope, matchers).unwrap();
            assert!(found.iter().all(|one| one.labels.value("tenant") == tenant), "{tenant} by {matchers:?}");
            store
                .scoped(&scope)
                .each_latest(START_MS, &mut |_, labels, _, _| assert_eq!(labels.value("tenant"), tenant));
            let mut count = 0;
            store.scoped(&scope).latest_of(others, "a", START_MS, &mut |_, _, _, _| count += 1);
            assert_eq!(count, 0, "{tenant} asks for {others}");
        }
    }
    let count = |scope: &Scope| (store.scoped(scope).series_count(), select(&store, scope, &[]).unwrap().len());
    assert_eq!(count(&Scope::of_tenant("acme")), (2, 2));
    assert_eq!(count(&Scope::of_tenant("nobody")), (0, 0));
    assert_eq!(count(&Scope::from_anonymous("")), (0, 0));
    assert_eq!(count(&Scope::from_anonymous("acme, globex")), (3, 3));
    assert_eq!(count(&Scope::from_anonymous("*")), (4, 4));
}

#[test]
fn matchers_pick_series_and_ranges_are_open_on_the_left() {
    let folder = Folder::new();
    let (store, _) = folder.open();
    let ids = ["load{cpu=0}", "load{cpu=1}", "loud{cpu=1}", "idle"].map(|text| series(&store, text));
    for step in 0..3 {
        store.append(&ids.map(|id| (id, 1.0)), START_MS + step * 1000);
    }
    let names = |matchers: &[Matcher]| -> Vec<String> {
        let found = select(&store, &Scope::of_tenant("t"), matchers).unwrap();
        found.iter().map(|one| one.labels.filtered(|name| name != "tenant").to_string()).collect()
    };
    let one = |name: &str, op, value: &str| Matcher::new(name, op, value).unwrap();
    assert_eq!(names(&[one("__name__", Op::Equal, "load")]), [r#"load{cpu="0"}"#, r#"load{cpu="1"}"#]);
    assert_eq!(
        names(&[one("__name__", Op::Matches, "lo.d"), one("cpu", Op::Equal, "1")]),
        [r#"load{cpu="1"}"#, r#"loud{cpu="1"}"#]
    );
    assert_eq!(names(&[one("cpu", Op::Equal, "")]), ["idle"], "a missing label is an empty one");
    assert_eq!(names(&[one("cpu", Op::NotEqual, "1"), one("__name__", Op::NotMatches, "idle")]), [r#"load{cpu="0"}"#]);
    assert!(names(&[one("__name__", Op::Equal, "lo")]).is_empty());

    let times = |from_ms, to_ms| -> Vec<i64> {
        let found =
            store.scoped(&Scope::of_tenant("t")).select(&[Matcher::equal("__name__", "idle")], from_ms, to_ms, 9);
        found.unwrap().into_iter().flat_map(|one| one.samples).map(|(at_ms, _)| at_ms - START_MS).collect()
    };
    assert_eq!(times(START_MS, START_MS + 2000), [1000, 2000]);
    assert_eq!(times(START_MS - 1, START_MS + 1999), [0, 1000]);
    assert!(times(START_MS + 2000, START_MS + 9000).is_empty());
    assert!(times(START_MS + 2000, START_MS).is_empty(), "a range turned around");
}

#[test]
fn a_query_stops_at_its_limit_and_says_so() {
    let folder = Folder::new();
    let (store, _) = folder.open();
    let id = series(&store, "many");
    for step in 0..250 {
        store.append(&[(id, 1.0)], START_MS + step);
    }
    let read = |samples_max| store.scoped(&Scope::of_tenant("t")).select(&[], 0, i64::MAX, samples_max);
    assert_eq!(read(250).unwrap()[0].samples.len(), 250);
    assert_eq!(read(249).unwrap_err(), "more than 249 samples would be read");
}

#[test]
fn the_latest_are_those_within_five_minutes_that_are_no_markers() {
    let folder = Folder::new();
    let (store, _) = folder.open();
    let now_ms = START_MS + 1_000_000;
    let cases = [
        ("b_now{target=one}", now_ms, 1.0, true),
        ("a_just{target=one}", now_ms - 299_999, 2.0, true),
        ("c_late{target=one}", now_ms - 300_000, 3.0, false),
        ("d_ended{target=one}", now_ms - 10, STALE, false),
        ("e_future{target=one}", now_ms + 1, 5.0, false),
        ("f_nan{target=two}", now_ms, f64::NAN, true),
        ("b_now{target=two}", now_ms, 7.0, true),
    ];
    for (text, at_ms, value, _) in cases {
        store.append(&[(series(&store, text), value)], at_ms);
    }
    series(&store, "g_never{target=two}");
    let scoped = store.scoped(&Scope::of_tenant("t"));
    let mut found = Vec::new();
    scoped.each_latest(now_ms, &mut |_, labels: &Labels, at_ms, value| {
        found.push((labels.name().to_string(), labels.value("target").to_string(), at_ms, value.to_string()));
    });
    let expected = [
        ("a_just", "one", now_ms - 299_999, "2"),
        ("b_now", "one", now_ms, "1"),
        ("b_now", "two", now_ms, "7"),
        ("f_nan", "two", now_ms, "NaN"),
    ];
    let expected: Vec<_> =
        expected.map(|(name, target, at_ms, value)| (name.into(), target.into(), at_ms, value.into())).into();
    assert_eq!(found, expected, "by name");
    let mut names = Vec::new();
    scoped.latest_of("t", "two", now_ms, &mut |_, labels, _, _| names.push(labels.name().to_string()));
    assert_eq!(names, ["b_now", "f_nan"]);
    assert_eq!(scoped.series_count(), 8);
}

#[test]
fn old_and_double_samples_are_dropped_and_counted() {
    let folder = Folder::new();
    let (store, _) = folder.open();
    let id = series(&store, "one");
    assert_eq!(store.append(&[(id, 1.0), (id, 2.0)], START_MS).accepted, 1, "twice in one cycle");
    assert_eq!(store.append(&[(id, 1.0)], START_MS - 1).dropped, 1);
    let unknown = store.append(&[(watchward::model::series::SeriesId(9), 1.0)], START_MS + 1);
    assert_eq!((unknown.accepted, unknown.dropped, unknown.unknown), (0, 1, 1));
    for at_ms in [i64::MAX, i64::MAX, i64::MIN, 0] {
        store.append(&[(id, 5.0)], at_ms); // a clock gone mad
    }
    let counted = store.statistics();
    assert_eq!(counted.samples_appended, 2);
    assert_eq!((counted.dropped_duplicate, counted.dropped_out_of_order, counted.dropped_unknown_series), (2, 3, 1));
    store.maintain(START_MS);
    store.maintain(i64::MAX);
    store.maintain(i64::MIN);
    drop(store);
    folder.open();
}

#[test]
fn beyond_the_cap_no_series_comes_in_and_each_refusal_is_counted() {
    let folder = Folder::new();
    let config = Config { series_max: 3, ..folder.config() };
    let (store, _) = Store::open(config, START_MS).unwrap();
    let given: Vec<bool> = (0..5).map(|one| store.id(&labels(&format!("x{{n={one}}}")), 0).is_some()).collect();
    assert_eq!(given, [true, true, true, false, false]);
    assert!(store.id(&labels("x{n=1}"), 0).is_some(), "known ones stay known");
    assert_eq!((store.statistics().capped, store.statistics().series), (2, 3));
}

#[test]
fn who_leaves_room_for_others_is_refused_before_they_are() {
    let folder = Folder::new();
    let config = Config { series_max: 3, ..folder.config() };
    let (store, _) = Store::open(config, START_MS).unwrap();
    let given =
        [2, 2, 1, 1, 0, 0].map(|spare| store.id(&labels(&format!("x{{n={}}}", store.statistics().series)), spare));
    assert_eq!(given.map(|id| id.is_some()), [true, false, true, false, true, false]);
    assert_eq!(store.statistics().capped, 3);
}

#[test]
fn readers_see_every_sample_while_windows_become_blocks() {
    let folder = Folder::new();
    let (store, _) = folder.open();
    let id = series(&store, "one");
    let done = AtomicI64::new(0);
    let steps = 6 * 240;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for step in 0..steps {
                store.append(&[(id, step as f64)], START_MS + step * 15_000);
                done.store(step + 1, Ordering::Release);
                while (step - 25).div_euclid(480) > store.statistics().blocks as i64 {
                    std::thread::yield_now(); // every window is to become a block while others read
                }
            }
        });
        scope.spawn(|| {
            while done.load(Ordering::Acquire) < steps {
                store.maintain(START_MS);
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                while done.load(Ordering::Acquire) < steps {
                    let sure = done.load(Ordering::Acquire);
                    let found = samples(&store, "one");
                    assert!(found.len() as i64 >= sure, "{} of {sure}", found.len());
                    let right = |(step, sample): (usize, &(i64, u64))| {
                        *sample == (START_MS + step as i64 * 15_000, (step as f64).to_bits())
                    };
                    assert!(found.iter().enumerate().all(right));
                }
            });
        }
    });
    store.maintain(START_MS);
    let all = samples(&store, "one");
    assert_eq!((all.len() as i64, folder.files(".block").len()), (steps, 2));
    drop(store);
    assert!(samples(&folder.open().0, "one") == all, "what came while a new log was begun is in it");
}
