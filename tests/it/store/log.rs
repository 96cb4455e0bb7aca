//! The log: nothing that was appended is lost with the process, and damage costs what it touched.

use std::fs;

use watchward::model::series::{STALE, Series, SeriesId};

use crate::store::tools::{Folder, START_MS, bits, labels, samples, series};

#[test]
fn what_was_appended_survives_the_process() {
    let folder = Folder::new();
    let (store, _) = folder.open();
    let up = series(&store, "up{target=a}");
    let load = series(&store, "load{target=a}");
    for step in 0..300 {
        let outcome = store.append(&[(up, 1.0), (load, f64::from(step) / 7.0)], START_MS + i64::from(step) * 5000);
        assert_eq!((outcome.accepted, outcome.dropped), (2, 0));
    }
    store.append(&[(up, STALE)], START_MS + 300 * 5000);
    let before = (samples(&store, "up"), samples(&store, "load"));
    drop(store); // no closing, as kill -9

    let (store, report) = folder.open();
    assert_eq!((report.replayed_samples, report.torn_bytes, report.set_aside.len()), (601, 0, 0));
    assert_eq!(report.newest_sample_ms, Some(START_MS + 300 * 5000));
    assert_eq!((samples(&store, "up"), samples(&store, "load")), before);
    assert_eq!(before.0.last(), Some(&(START_MS + 300 * 5000, STALE.to_bits())));
}

#[test]
fn a_cut_anywhere_in_the_log_keeps_every_whole_record_before_it() {
    let folder = Folder::new();
    let (store, _) = folder.open();
    let one = series(&store, "one");
    let log = folder.files(".log").remove(0);
    let mut ends = Vec::new();
    for step in 0..6_i64 {
        store.append(&[(one, step as f64 * 1.1)], START_MS + step);
        ends.push(fs::metadata(&log).unwrap().len());
    }
    drop(store);
    let whole = fs::read(&log).unwrap();
    for length in ends[1]..=ends[5] {
        fs::write(&log, &whole[..length as usize]).unwrap();
        let kept = ends.iter().filter(|end| **end <= length).count();
        let torn = length - ends[kept - 1];

        let (store, report) = folder.open();
        assert_eq!((report.replayed_samples, report.torn_bytes), (kept as u64, torn), "cut to {length} bytes");
        let expected: Vec<_> = (0..kept as i64).map(|step| (START_MS + step, step as f64 * 1.1)).collect();
        assert_eq!(samples(&store, "one"), bits(&expected));

        store.append(&[(one, 9.0)], START_MS + 100);
        drop(store);
        let (store, report) = folder.open();
        assert_eq!((report.replayed_samples, report.torn_bytes), (kept as u64 + 1, 0), "written on after {length}");
        assert_eq!(samples(&store, "one").len(), kept + 1);
    }
}

#[test]
fn damage_within_the_log_costs_one_record_and_is_reported() {
    let folder = Folder::new();
    let (store, _) = folder.open();
    let one = series(&store, "one");
    let log = folder.files(".log").remove(0);
    let mut ends = Vec::new();
    for step in 0..5_i64 {
        store.append(&[(one, 1.5)], START_MS + step);
        ends.push(fs::metadata(&log).unwrap().len() as usize);
    }
    drop(store);
    let whole = fs::read(&log).unwrap();
    for place in ends[1]..ends[2] {
        for old in folder.files(".log").into_iter().chain(folder.files(".corrupt")) {
            fs::remove_file(old).unwrap();
        }
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        fs::write(&log, &bytes).unwrap();

        let (store, report) = folder.open();
        let times: Vec<i64> = samples(&store, "one").iter().map(|(at_ms, _)| at_ms - START_MS).collect();
        assert_eq!(times, [0, 1, 3, 4], "byte {place} flipped");
        let why = format!("{} bytes within it are no records", ends[2] - ends[1]);
        assert_eq!(report.set_aside.iter().map(|one| one.why.clone()).collect::<Vec<_>>(), [why]);
        assert!(report.set_aside[0].path.ends_with("0000000001.log.corrupt"));
        drop(store);

        let (store, report) = folder.open();
        assert_eq!((report.set_aside.len(), samples(&store, "one").len()), (0, 4), "the new log is whole");
    }
}

#[test]
fn an_id_is_never_given_again() {
    let folder = Folder::new();
    let (store, _) = folder.open();
    let first = series(&store, "first");
    let second = series(&store, "second"); // without a sample
    assert_eq!((first, second), (SeriesId(0), SeriesId(1)));
    drop(store);

    let (store, _) = folder.open();
    assert_eq!(series(&store, "third"), SeriesId(2));
    assert_eq!(series(&store, "second"), second);
    assert_eq!(store.labels(second), labels("second{tenant=t}"));
    assert!(store.labels(SeriesId(77)).is_empty());
}
