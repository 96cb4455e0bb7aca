//! The store against a naive model: whatever is appended, cut and reopened in whatever order, reading gives the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use proptest::prelude::*;
use watchward::model::matcher::Matcher;
use watchward::model::scope::Scope;
use watchward::model::series::{STALE, Series};
use watchward::promql::SeriesSource;
use watchward::store::{Health, Store};

use crate::store::tools::{Folder, PLENTY, START_MS, SmallDisk, labels};

#[derive(Clone, Debug)]
enum Deed {
    /// Goes on in time, then appends to some of the series.
    Append {
        step_ms: i64,
        points: Vec<(usize, u64)>,
    },
    /// Appends in the past.
    Late {
        back_ms: i64,
        series: usize,
    },
    Maintain,
    Sync,
    Reopen,
    Query {
        from_ms: i64,
        span_ms: i64,
    },
    /// From now on the disk takes so many bytes and no more.
    Room(u64),
}

fn any_deed() -> impl Strategy<Value = Deed> {
    let value = prop_oneof![any::<u64>(), Just(STALE.to_bits()), (0..100_u32).prop_map(|one| f64::from(one).to_bits())];
    let step = prop_oneof![8 => Just(5000_i64), 4 => 1_i64..20_000, 2 => 60_000_i64..4_000_000];
    prop_oneof![
        20 => (step, prop::collection::vec((0..6_usize, value), 1..8))
            .prop_map(|(step_ms, points)| Deed::Append { step_ms, points }),
        2 => (0_i64..9_000_000, 0..6_usize).prop_map(|(back_ms, series)| Deed::Late { back_ms, series }),
        3 => Just(Deed::Maintain),
        1 => Just(Deed::Sync),
        2 => Just(Deed::Reopen),
        3 => (0_i64..20_000_000, 0_i64..20_000_000).prop_map(|(from_ms, span_ms)| Deed::Query { from_ms, span_ms }),
    ]
}

/// As `any_deed`, within less than an hour, on a disk that is full now and then.
fn any_deed_on_a_full_disk() -> impl Strategy<Value = Deed> {
    let room = prop_oneof![2 => 0..4000_u64, 1 => Just(PLENTY)];
    prop_oneof![
        12 => any_deed().prop_map(|deed| match deed {
            Deed::Append { step_ms, points } => Deed::Append { step_ms: step_ms % 20_000 + 1, points },
            Deed::Late { back_ms, series } => Deed::Late { back_ms: back_ms % 1_000_000, series },
            other => other,
        }),
        1 => room.prop_map(Deed::Room),
        1 => Just(Deed::Maintain),
    ]
}

/// What the store should hold: per series its samples, strictly forward in time.
#[derive(Default)]
struct Model(BTreeMap<String, BTreeMap<i64, u64>>);

impl Model {
    fn append(&mut self, series: usize, at_ms: i64, bits: u64) -> bool {
        let samples = self.0.entry(name(series)).or_default();
        let is_newer = samples.last_key_value().is_none_or(|(last, _)| at_ms > *last);
        if is_newer {
            samples.insert(at_ms, bits);
        }
        is_newer
    }

    fn select(&self, tenant: &str, from_ms: i64, to_ms: i64) -> BTreeMap<String, Vec<(i64, u64)>> {
        let range = |samples: &BTreeMap<i64, u64>| {
            samples.iter().filter(|(at, _)| **at > from_ms && **at <= to_ms).map(|(at, bits)| (*at, *bits)).collect()
        };
        let of_tenant = self.0.iter().filter(|(name, _)| name.contains(&format!("tenant={tenant},")));
        let all = of_tenant.map(|(name, samples)| (labels(name).to_string(), range(samples)));
        all.filter(|(_, samples): &(_, Vec<_>)| !samples.is_empty()).collect()
    }
}

/// Six series of two tenants.
fn name(series: usize) -> String {
    format!("metric{}{{tenant={},target=x{series}}}", series % 3, ["one", "two"][series % 2])
}

fn found(store: &Arc<Store>, tenant: &str, from_ms: i64, to_ms: i64) -> BTreeMap<String, Vec<(i64, u64)>> {
    let matcher = Matcher::equal("tenant", tenant);
    let found = store.scoped(&Scope::of_socket_peer()).select(&[matcher], from_ms, to_ms, usize::MAX).unwrap();
    assert!(found.is_sorted_by(|a, b| a.labels < b.labels));
    let bits = |samples: Vec<(i64, f64)>| samples.into_iter().map(|(at, value)| (at, value.to_bits())).collect();
    found.into_iter().map(|one| (one.labels.to_string(), bits(one.samples))).collect()
}

/// Does all deeds from ten minutes before the end of a window on.
fn check(deeds: &[Deed]) {
    let folder = Folder::new();
    let disk = SmallDisk::new(PLENTY);
    let open = || Store::open_on(disk.clone(), folder.config(), START_MS).unwrap();
    let mut store = open().0;
    let mut model = Model::default();
    let mut now_ms = START_MS + 110 * 60_000;
    for deed in deeds {
        match deed {
            Deed::Append { step_ms, points } => {
                now_ms += step_ms;
                let taken = points.iter().filter(|(series, bits)| model.append(*series, now_ms, *bits)).count();
                let points: Vec<_> = points
                    .iter()
                    .map(|(series, bits)| (store.id(&labels(&name(*series)), 0).unwrap(), f64::from_bits(*bits)))
                    .collect();
                let outcome = store.append(&points, now_ms);
                assert_eq!((outcome.accepted, outcome.dropped), (taken, points.len() - taken));
            }
            Deed::Late { back_ms, series } => {
                let taken = model.append(*series, now_ms - back_ms, 7);
                let id = store.id(&labels(&name(*series)), 0).unwrap();
                assert_eq!(store.append(&[(id, f64::from_bits(7))], now_ms - back_ms).accepted, usize::from(taken));
            }
            Deed::Maintain => store.maintain(now_ms),
            Deed::Sync => store.sync(),
            Deed::Room(bytes) => disk.room.store(*bytes, Ordering::Relaxed),
            // What came while nothing could be written would be lost with the process, and may be.
            Deed::Reopen if store.health() != Health::Writing => {}
            Deed::Reopen => {
                drop(store);
                let (opened, report) = open();
                assert_eq!((report.torn_bytes, report.set_aside.len()), (0, 0));
                store = opened;
            }
            Deed::Query { from_ms, span_ms } => {
                let (from_ms, to_ms) = (now_ms - from_ms, now_ms - from_ms + span_ms);
                assert_eq!(found(&store, "one", from_ms, to_ms), model.select("one", from_ms, to_ms));
            }
        }
    }
    disk.room.store(PLENTY, Ordering::Relaxed);
    store.maintain(now_ms);
    assert_eq!(store.health(), Health::Writing);
    for _ in 0..2 {
        for tenant in ["one", "two"] {
            assert_eq!(found(&store, tenant, i64::MIN, i64::MAX), model.select(tenant, i64::MIN, i64::MAX));
        }
        drop(store);
        store = open().0;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_gives_what_was_appended_whatever_happened_between(deeds in prop::collection::vec(any_deed(), 1..160)) {
        check(&deeds);
    }

    #[test]
    fn a_disk_that_is_full_now_and_then_costs_nothing(
        deeds in prop::collection::vec(any_deed_on_a_full_disk(), 1..160)
    ) {
        check(&deeds);
    }
}
