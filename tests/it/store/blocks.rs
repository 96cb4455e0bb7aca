//! Blocks: cut, thinned, removed by age and size, and never believed when damaged.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use watchward::model::scope::Scope;
use watchward::model::series::{STALE, Series, SeriesId};
use watchward::store::{Config, Health, Store};

use crate::store::tools::{DAY_MS, Folder, HOUR_MS, START_MS, bits, labels, samples, select, series};

/// Appends to series `a` (a counter) and `b` every `step_ms` from `from_ms` to before `to_ms`, with maintenance in
/// between.
fn fill(store: &Arc<Store>, from_ms: i64, to_ms: i64, step_ms: i64) {
    let (a, b) = (series(store, "a"), series(store, "b"));
    let mut at_ms = from_ms;
    while at_ms < to_ms {
        let value = ((at_ms - START_MS) / 1000) as f64;
        store.append(&[(a, value), (b, (value * 0.7).sin())], at_ms);
        if at_ms.rem_euclid(HOUR_MS) < step_ms {
            store.maintain(at_ms);
        }
        at_ms += step_ms;
    }
    store.maintain(to_ms);
}

#[test]
fn full_windows_become_blocks_and_nothing_is_lost_or_doubled() {
    let folder = Folder::new();
    let (store, _) = folder.open();
    fill(&store, START_MS, START_MS + 7 * HOUR_MS, 15_000);
    assert_eq!((folder.files(".block").len(), folder.files(".log").len()), (3, 1));
    let expected: Vec<_> =
        (0..7 * 240).map(|step| (START_MS + step * 15_000, ((step * 15) as f64).to_bits())).collect();
    assert_eq!(samples(&store, "a"), expected);
    let before = samples(&store, "b");
    drop(store);

    let (store, report) = folder.open();
    assert_eq!(report.replayed_samples, 2 * 240, "the log holds what is in no block");
    assert_eq!(report.newest_sample_ms, Some(START_MS + 7 * HOUR_MS - 15_000));
    assert_eq!((samples(&store, "a"), samples(&store, "b")), (expected, before));
    assert_eq!(store.append(&[(series(&store, "a"), 0.0)], START_MS + HOUR_MS).dropped, 1, "older than a block");
}

#[test]
fn an_interrupted_cut_or_log_change_loses_and_doubles_nothing() {
    let folder = Folder::new();
    let (store, _) = folder.open();
    fill(&store, START_MS, START_MS + 2 * HOUR_MS, 15_000);
    let old_log = folder.files(".log").remove(0);
    let old_bytes = fs::read(&old_log).unwrap();
    fill(&store, START_MS + 2 * HOUR_MS, START_MS + 3 * HOUR_MS, 15_000);
    let before = samples(&store, "a");
    drop(store);
    assert!(!old_log.exists());
    fs::write(&old_log, old_bytes).unwrap(); // as if the process had ended before the old log was removed
    fs::write(folder.path().join("0000000099.block.new"), b"half").unwrap();

    let (store, report) = folder.open();
    assert_eq!(samples(&store, "a"), before);
    assert_eq!(report.set_aside, []);
    assert_eq!((folder.files(".log").len(), folder.files(".new").len()), (1, 0));
}

#[test]
fn old_days_are_thinned_to_one_sample_in_five_minutes() {
    let folder = Folder::new();
    let (store, _) = folder.open();
    let day_ms = START_MS - START_MS.rem_euclid(DAY_MS);
    fill(&store, day_ms, day_ms + DAY_MS, 60_000);
    store.maintain(day_ms + DAY_MS + HOUR_MS);
    let ended = series(&store, "ended");
    let times = [(DAY_MS, 1.0), (DAY_MS + 1000, 2.0), (DAY_MS + 2000, STALE)];
    for (offset_ms, value) in times {
        store.append(&[(ended, value)], day_ms + offset_ms);
    }
    store.maintain(day_ms + DAY_MS + 3 * HOUR_MS);
    let raw_bytes = store.statistics().bytes_on_disk;
    assert_eq!(folder.files(".block").len(), 13);
    let raw = samples(&store, "a");

    store.maintain(day_ms + 3 * DAY_MS - 1);
    assert_eq!(samples(&store, "a"), raw, "not yet 48 hours old");
    store.maintain(day_ms + 3 * DAY_MS);
    assert_eq!(folder.files(".block").len(), 2, "one for the day, one of the next");
    let stays = |at_ms: i64| at_ms == day_ms || at_ms % 300_000 == 240_000;
    let thinned: Vec<_> = raw.iter().copied().filter(|(at_ms, _)| stays(*at_ms)).collect();
    assert_eq!(thinned.len(), 289);
    assert_eq!(samples(&store, "a"), thinned);
    assert!(store.statistics().bytes_on_disk < raw_bytes);

    store.maintain(day_ms + 4 * DAY_MS);
    assert_eq!(folder.files(".block").len(), 2);
    let expected: Vec<_> = times.iter().map(|(offset_ms, value)| (day_ms + offset_ms, *value)).collect();
    assert_eq!(samples(&store, "ended"), bits(&expected), "where it began, the last value, the marker");
    drop(store);
    let (store, _) = folder.open();
    assert_eq!(samples(&store, "a"), thinned);
}

#[test]
fn blocks_that_a_thinned_one_replaced_are_removed_when_the_store_opens() {
    let folder = Folder::new();
    let (store, _) = folder.open();
    let day_ms = START_MS - START_MS.rem_euclid(DAY_MS);
    fill(&store, day_ms, day_ms + DAY_MS + 3 * HOUR_MS, 60_000);
    let raw = folder.files(".block");
    let kept: Vec<_> = raw.iter().map(|path| fs::read(path).unwrap()).collect();
    store.maintain(day_ms + 3 * DAY_MS);
    let before = samples(&store, "a");
    drop(store);
    for (path, bytes) in raw.iter().zip(kept) {
        fs::write(path, bytes).unwrap(); // as if the process had ended before they were removed
    }
    let (store, report) = folder.open();
    assert_eq!(samples(&store, "a"), before);
    assert_eq!((report.set_aside.len(), folder.files(".block").len()), (0, 3));
}

#[test]
fn history_ends_at_its_retention_and_dead_series_leave() {
    let folder = Folder::new();
    let config = Config { retention: Duration::from_secs(6 * 3600), ..folder.config() };
    let (store, _) = Store::open(config.clone(), START_MS).unwrap();
    let dead = series(&store, "dead");
    store.append(&[(dead, 1.0)], START_MS);
    fill(&store, START_MS, START_MS + 11 * HOUR_MS, 60_000);
    let times = samples(&store, "a");
    assert_eq!(times[0].0, START_MS + 4 * HOUR_MS, "the block that reaches into the last six hours stays as a whole");
    assert!(store.labels(dead).is_empty(), "its last sample is gone");
    assert_eq!(store.append(&[(dead, 1.0)], START_MS + 12 * HOUR_MS).unknown, 1);
    let again = series(&store, "dead");
    assert!(again > series(&store, "b"), "{again:?} is a new id");
    drop(store);
    let (store, _) = Store::open(config, START_MS + 12 * HOUR_MS).unwrap();
    assert_eq!(series(&store, "dead"), again);
}

#[test]
fn ids_of_series_that_left_are_not_given_again_after_a_restart() {
    let folder = Folder::new();
    let config = Config { retention: Duration::from_secs(2 * 3600), ..folder.config() };
    let (store, _) = Store::open(config.clone(), START_MS).unwrap();
    let stays = series(&store, "stays");
    let leaves = series(&store, "leaves");
    store.append(&[(stays, 1.0), (leaves, 1.0)], START_MS);
    for hour in 1..10 {
        store.append(&[(stays, 1.0)], START_MS + hour * HOUR_MS);
        store.maintain(START_MS + hour * HOUR_MS);
    }
    assert_eq!((store.statistics().series, store.labels(leaves).is_empty()), (1, true));
    drop(store);
    let (store, _) = Store::open(config, START_MS + 10 * HOUR_MS).unwrap();
    assert_eq!(store.id(&labels("new"), 0), Some(SeriesId(leaves.0 + 1)));
}

#[test]
fn a_series_that_left_and_came_back_keeps_its_new_samples_after_a_crash() {
    let folder = Folder::new();
    let config = Config { retention: Duration::from_secs(2 * 3600), ..folder.config() };
    let (store, _) = Store::open(config.clone(), START_MS).unwrap();
    let first = series(&store, "back");
    store.append(&[(first, 1.0)], START_MS);
    store.maintain(START_MS + 126 * 60_000); // into a block; the log begins anew and still names the series
    store.maintain(START_MS + 127 * 60_000); // its block goes, and so does the series
    assert_eq!(store.statistics().series, 0);
    let second = series(&store, "back");
    assert_ne!(first, second);
    store.append(&[(second, 2.0)], START_MS + 3 * HOUR_MS);
    drop(store);
    let (store, _) = Store::open(config, START_MS + 3 * HOUR_MS).unwrap();
    assert_eq!(samples(&store, "back"), bits(&[(START_MS + 3 * HOUR_MS, 2.0)]));
    assert_eq!(series(&store, "back"), second);
}

#[test]
fn beyond_its_size_the_oldest_blocks_go_first() {
    let folder = Folder::new();
    let config = Config { max_bytes: 30_000, ..folder.config() };
    let (store, _) = Store::open(config, START_MS).unwrap();
    fs::write(folder.path().join("0000000000.block.corrupt"), vec![0; 50_000]).unwrap();
    fill(&store, START_MS, START_MS + 24 * HOUR_MS, 15_000);
    assert!(folder.files(".corrupt").is_empty(), "what cannot be read goes before what can");
    let files = fs::read_dir(folder.path()).unwrap().map(Result::unwrap);
    let history = files.filter(|one| one.file_name() != "version"); // two bytes that are no history
    let on_disk: u64 = history.map(|one| one.metadata().unwrap().len()).sum();
    assert!(on_disk <= 30_000 + 20_000, "{on_disk} bytes; what one window brings may be above until the next minute");
    assert_eq!(store.statistics().bytes_on_disk, on_disk);
    let times: Vec<i64> = samples(&store, "a").iter().map(|(at_ms, _)| *at_ms).collect();
    assert!(times.len() > 240 && times[0] > START_MS + 2 * HOUR_MS);
    assert_eq!(times.last(), Some(&(START_MS + 24 * HOUR_MS - 15_000)));
    assert!(times.is_sorted_by(|a, b| b - a == 15_000), "what stays is whole");
}

/// A store with one block of few samples, closed: its folder, the block's bytes, and what reading it right gives.
fn one_small_block() -> (Folder, std::path::PathBuf, Vec<u8>, Vec<(i64, u64)>) {
    let folder = Folder::new();
    let (store, _) = folder.open();
    let (a, b) = (series(&store, "a"), series(&store, "b"));
    for step in 0..4 {
        store.append(&[(a, step as f64), (b, 0.1 * step as f64)], START_MS + step * 1000);
    }
    store.maintain(START_MS + 3 * HOUR_MS);
    let right = samples(&store, "a");
    drop(store);
    let path = folder.files(".block").remove(0);
    let bytes = fs::read(&path).unwrap();
    (folder, path, bytes, right)
}

#[test]
fn a_flipped_bit_anywhere_in_a_block_is_found_and_the_block_set_aside() {
    let (folder, path, good, right) = one_small_block();
    for place in 0..good.len() {
        let mut bad = good.clone();
        bad[place] ^= 1 << (place % 8);
        fs::write(&path, &bad).unwrap();
        let (store, report) = folder.open();
        if let [aside] = &report.set_aside[..] {
            assert!(aside.path.to_str().unwrap().ends_with(".block.corrupt"), "{aside:?}");
            assert!(samples(&store, "a").is_empty());
        } else {
            // The damage is in a chunk: the first reading finds it and says so, the second goes without the block.
            let error = select(&store, &Scope::of_tenant("t"), &[]).unwrap_err();
            let expected = format!("block '{}' is damaged and was set aside: a chunk of series", path.display());
            assert!(error.starts_with(&expected), "byte {place}: {error}");
            assert!(select(&store, &Scope::of_tenant("t"), &[]).unwrap().is_empty());
            assert_eq!(store.set_aside().len(), 1);
        }
        assert_eq!((store.statistics().corrupt, store.statistics().blocks), (1, 0), "byte {place}");
        fs::remove_file(folder.files(".corrupt").remove(0)).unwrap();
    }
    fs::write(&path, &good).unwrap();
    let (store, _) = folder.open();
    assert_eq!(samples(&store, "a"), right);
}

#[test]
fn thinning_sets_a_damaged_block_aside_and_goes_on_with_the_rest() {
    let folder = Folder::new();
    let (store, _) = folder.open();
    let day_ms = START_MS - START_MS.rem_euclid(DAY_MS);
    fill(&store, day_ms, day_ms + DAY_MS + 3 * HOUR_MS, 60_000);
    let bad = folder.files(".block").remove(3);
    let mut bytes = fs::read(&bad).unwrap();
    bytes[20] ^= 1;
    fs::write(&bad, bytes).unwrap();
    store.maintain(day_ms + 3 * DAY_MS);
    assert_eq!(store.set_aside().iter().map(|one| one.path.with_extension("")).collect::<Vec<_>>(), [bad]);
    assert_eq!(store.health(), Health::Writing);
    store.maintain(day_ms + 3 * DAY_MS + 60_000);
    let times: Vec<i64> = samples(&store, "a").iter().map(|(at_ms, _)| (at_ms - day_ms) / HOUR_MS).collect();
    assert!(times.contains(&5) && !times.contains(&6) && !times.contains(&7) && times.contains(&8));
    assert_eq!(folder.files(".block").len(), 3);
}

#[test]
fn a_block_cut_short_anywhere_is_set_aside() {
    let (folder, path, good, _) = one_small_block();
    for length in 0..good.len() {
        fs::write(&path, &good[..length]).unwrap();
        let (store, report) = folder.open();
        assert_eq!(report.set_aside.len(), 1, "{length} bytes of {}", good.len());
        assert!(samples(&store, "a").is_empty());
        fs::remove_file(folder.files(".corrupt").remove(0)).unwrap();
    }
}

#[test]
fn what_is_not_the_stores_is_left_alone_and_garbage_set_aside() {
    let folder = Folder::new();
    let foreign = ["notes.txt", "1.block", "00000000001.block", "18446744073709551615.log", "0000000003.block.old"];
    for name in foreign {
        fs::write(folder.path().join(name), b"mine").unwrap();
    }
    fs::create_dir(folder.path().join("0000000009.block")).unwrap();
    fs::write(folder.path().join("0000000004.block"), b"garbage").unwrap();
    fs::write(folder.path().join("0000000005.log"), b"garbage").unwrap();
    let (store, report) = folder.open();
    let why: Vec<&str> = report.set_aside.iter().map(|one| &*one.why).collect();
    assert_eq!(why, ["it has only 7 bytes", "none of its 7 bytes are records"]);
    assert_eq!(report.torn_bytes, 0);
    store.append(&[(series(&store, "a"), 1.0)], START_MS);
    drop(store);
    let (store, _) = folder.open();
    assert_eq!(samples(&store, "a"), bits(&[(START_MS, 1.0)]));
    assert!(foreign.iter().all(|name| fs::read(folder.path().join(name)).unwrap() == b"mine"));
}
