//! A full or broken disk stops the writing, not the watching; with room, the writing resumes by itself.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use watchward::model::fault::Fault;
use watchward::store::disk::{Disk, SystemDisk};
use watchward::store::{Health, Share, Store};
use watchward::sys::files::Space;

use crate::store::tools::{Folder, HOUR_MS, PLENTY, START_MS, SmallDisk, samples, series};

fn on(folder: &Folder, disk: &Arc<SmallDisk>) -> Arc<Store> {
    Store::open_on(disk.clone(), folder.config(), START_MS).unwrap().0
}

fn fault(store: &Store) -> Fault {
    match store.health() {
        Health::Stopped { why, .. } => why,
        Health::Writing => panic!("it writes"),
    }
}

#[test]
fn a_cycle_is_one_write_and_a_sync_happens_only_after_writing() {
    let folder = Folder::new();
    let disk = SmallDisk::new(PLENTY);
    let store = on(&folder, &disk);
    let points: Vec<_> = (0..300).map(|one| (series(&store, &format!("x{{n={one}}}")), 1.5)).collect();
    store.sync();
    let (writes, syncs) = (disk.writes.load(Ordering::Relaxed), disk.syncs.load(Ordering::Relaxed));
    store.append(&points, START_MS);
    assert_eq!(disk.writes.load(Ordering::Relaxed), writes + 1);
    store.sync();
    store.sync();
    store.flush_and_close();
    assert_eq!(disk.syncs.load(Ordering::Relaxed), syncs + 1);
}

#[test]
fn a_full_disk_stops_the_writing_and_room_resumes_it() {
    let folder = Folder::new();
    let disk = SmallDisk::new(PLENTY);
    let store = on(&folder, &disk);
    let one = series(&store, "one");
    store.append(&[(one, 0.0)], START_MS);
    disk.room.store(10, Ordering::Relaxed);
    let outcome = store.append(&[(one, 1.0)], START_MS + 1000);
    assert_eq!((outcome.accepted, outcome.dropped), (1, 0), "the agent keeps watching");

    let Health::Stopped { why, since_ms } = store.health() else { panic!("it writes") };
    assert_eq!(since_ms, START_MS + 1000);
    assert_eq!(
        (why.code, why.what),
        ("store-03", format!("history is not written: no room left for '{}'", folder.path().display()))
    );
    assert_eq!(why.detail, "The system says: no storage space. What is sampled stays in memory for two hours.");
    assert_eq!(why.hint, "Make room on this file system, or lower [store] max_bytes. Writing resumes by itself.");

    store.append(&[(one, 2.0)], START_MS + 2000);
    store.maintain(START_MS + 60_000);
    assert_eq!(fault(&store).code, "store-03", "still no room");
    assert_eq!(samples(&store, "one").len(), 3);

    disk.room.store(PLENTY, Ordering::Relaxed);
    store.maintain(START_MS + 120_000);
    assert_eq!(store.health(), Health::Writing);
    store.append(&[(one, 3.0)], START_MS + 130_000);
    drop(store);
    let (store, report) = folder.open();
    assert_eq!(report.torn_bytes, 0);
    assert_eq!(samples(&store, "one").len(), 4, "what came while it was full is on disk as well");
}

#[test]
fn while_the_disk_is_full_memory_stays_bounded_and_the_old_log_is_not_lost() {
    let folder = Folder::new();
    let disk = SmallDisk::new(PLENTY);
    let store = on(&folder, &disk);
    let one = series(&store, "one");
    let append = |from: i64, to: i64| {
        for minute in from..to {
            store.append(&[(one, minute as f64)], START_MS + minute * 60_000);
            store.maintain(START_MS + minute * 60_000);
        }
    };
    append(0, 60);
    disk.room.store(0, Ordering::Relaxed);
    append(60, 60 * 24);
    assert!(samples(&store, "one").len() < 60 * 5, "two hours, and what shares a chunk with them");
    assert!(store.statistics().dropped_chunks > 0);
    disk.room.store(PLENTY, Ordering::Relaxed);
    append(60 * 24, 60 * 25);
    assert_eq!(store.health(), Health::Writing);
    let minutes: Vec<i64> = samples(&store, "one").iter().map(|(at_ms, _)| (at_ms - START_MS) / 60_000).collect();
    assert!(minutes.is_sorted_by(|a, b| a < b));
    assert_eq!(minutes[..60], (0..60).collect::<Vec<_>>()[..], "what the log held before the disk was full");
    assert_eq!(minutes.last(), Some(&(60 * 25 - 1)));
    let before = samples(&store, "one");
    drop(store);
    let (store, _) = folder.open();
    assert_eq!(samples(&store, "one"), before);
}

#[test]
fn a_disk_that_fills_up_at_any_byte_of_a_cut_loses_nothing() {
    for room in (0..4000).step_by(37) {
        let folder = Folder::new();
        let disk = SmallDisk::new(PLENTY);
        let store = on(&folder, &disk);
        let ids: Vec<_> = (0..10).map(|one| series(&store, &format!("x{one}"))).collect();
        for step in 0..5_i64 {
            let points: Vec<_> = ids.iter().map(|id| (*id, step as f64 * 0.3)).collect();
            store.append(&points, START_MS + step * 1000);
        }
        disk.room.store(room, Ordering::Relaxed);
        store.maintain(START_MS + 2 * HOUR_MS + 6 * 60_000);
        let stopped = store.health() != Health::Writing;
        assert_eq!(samples(&store, "x7").len(), 5, "with {room} bytes of room");
        assert!(folder.files(".new").is_empty(), "nothing half-made stays behind");
        drop(store);
        let (store, report) = folder.open();
        assert_eq!((samples(&store, "x7").len(), report.set_aside.len()), (5, 0), "{room} bytes, stopped: {stopped}");
    }
}

#[test]
fn too_little_free_room_stops_the_writing_before_the_disk_is_full() {
    let folder = Folder::new();
    let disk = SmallDisk::new(PLENTY);
    let mut config = folder.config();
    config.min_free = Share::Ratio(0.05);
    let store = Store::open_on(disk.clone(), config.clone(), START_MS).unwrap().0;
    let one = series(&store, "one");
    disk.room.store(PLENTY / 40, Ordering::Relaxed);
    store.maintain(START_MS);
    let why = fault(&store);
    let what = format!("history is not written: 25.6 MiB of room left for '{}'", folder.path().display());
    assert_eq!((why.code, why.what), ("store-04", what));
    assert_eq!(why.detail, "[store] min_free keeps 51.2 MiB of 1.0 GiB free.");
    assert_eq!(why.hint, "Make room on this file system, or lower [store] min_free. Writing resumes by itself.");

    let writes = disk.writes.load(Ordering::Relaxed);
    store.append(&[(one, 1.0)], START_MS + 1);
    assert_eq!(disk.writes.load(Ordering::Relaxed), writes);
    disk.room.store(PLENTY / 10, Ordering::Relaxed);
    store.maintain(START_MS + 60_000);
    assert_eq!(store.health(), Health::Writing);

    disk.room.store(0, Ordering::Relaxed);
    drop(store);
    let (store, report) = Store::open_on(disk, config, START_MS).unwrap();
    assert_eq!((fault(&store).code, report.replayed_samples), ("store-04", 1), "it opens on a full disk");
}

#[test]
fn a_failing_sync_gives_up_the_log_and_a_new_one_holds_everything() {
    let folder = Folder::new();
    let disk = SmallDisk::new(PLENTY);
    let store = on(&folder, &disk);
    let one = series(&store, "one");
    store.append(&[(one, 1.0)], START_MS);
    disk.sync_fails.store(true, Ordering::Relaxed);
    store.sync();
    let why = fault(&store);
    let what = format!("history is not durable: syncing '{}' failed", folder.path().display());
    assert_eq!((why.code, why.what), ("store-06", what));
    assert_eq!(why.hint, "Look for errors of this device in the system's log. A new log is tried each minute.");
    store.append(&[(one, 2.0)], START_MS + 1000);
    store.maintain(START_MS + 60_000);
    let why = fault(&store);
    assert_eq!(
        why.to_string(),
        format!(
            "history is not written: writing to '{}' failed [store-05]\n\
             detail: The system says: Input/output error (os error 5). What is sampled stays in memory for two hours.\n\
             hint: Is the device or its mount broken, or read-only? Writing is tried again each minute.",
            folder.path().display()
        )
    );

    let since = |store: &Store| matches!(store.health(), Health::Stopped { since_ms, .. } if since_ms == START_MS);
    assert!(since(&store), "the second failure is of the same stop");

    let old = fs::read(folder.files(".log").remove(0)).unwrap();
    disk.sync_fails.store(false, Ordering::Relaxed);
    store.maintain(START_MS + 120_000);
    assert_eq!(store.health(), Health::Writing);
    assert_eq!(folder.files(".log").len(), 1);
    assert_ne!(fs::read(folder.files(".log").remove(0)).unwrap(), old);
    drop(store);
    let (store, _) = folder.open();
    assert_eq!(samples(&store, "one").len(), 2);
}

#[test]
fn a_block_gets_its_name_only_once_it_is_durable() {
    let folder = Folder::new();
    let disk = SmallDisk::new(PLENTY);
    let store = on(&folder, &disk);
    store.append(&[(series(&store, "one"), 1.0)], START_MS);
    disk.sync_fails.store(true, Ordering::Relaxed);
    store.maintain(START_MS + 126 * 60_000);
    assert_eq!(fault(&store).code, "store-05");
    assert!(folder.files(".block").is_empty());
}

/// A disk on which cycles come in whenever the store waits for a sync: between the parts of a cut and of a new log.
#[derive(Debug, Default)]
struct BusyDisk {
    store: OnceLock<Weak<Store>>,
    came: AtomicI64,
}

impl Disk for BusyDisk {
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        SystemDisk.write(file, bytes)
    }

    fn sync(&self, _file: &File) -> io::Result<()> {
        let Some(store) = self.store.get().and_then(Weak::upgrade) else { return Ok(()) };
        // More than a chunk holds, and of the window that is being cut: late, but not too late.
        let late = series(&store, "late");
        for _ in 0..200 {
            let count = self.came.fetch_add(1, Ordering::Relaxed);
            assert_eq!(store.append(&[(late, count as f64)], START_MS + count).accepted, 1);
        }
        Ok(())
    }

    fn space(&self, folder: &Path) -> io::Result<Space> {
        SystemDisk.space(folder)
    }
}

#[test]
fn what_comes_while_a_block_is_cut_and_a_log_begun_is_kept() {
    let folder = Folder::new();
    let disk = Arc::new(BusyDisk::default());
    let (store, _) = Store::open_on(disk.clone(), folder.config(), START_MS).unwrap();
    disk.store.set(Arc::downgrade(&store)).unwrap();
    store.append(&[(series(&store, "one"), 1.0)], START_MS);
    for minute in 126..130 {
        store.maintain(START_MS + minute * 60_000);
    }
    let came = disk.came.load(Ordering::Relaxed);
    assert!(came > 4 * 200, "{came}");
    let expected: Vec<_> = (0..came).map(|count| (START_MS + count, (count as f64).to_bits())).collect();
    assert!(samples(&store, "late") == expected);
    drop(store);
    let (store, _) = folder.open();
    assert!(samples(&store, "late") == expected);
    assert_eq!(samples(&store, "one").len(), 1);
}

#[test]
fn a_folder_that_cannot_be_made_or_read_is_a_fault_that_teaches() {
    let folder = Folder::new();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let mut config = folder.config();
    config.dir = file.join("store");
    let fault = Store::open(config.clone(), START_MS).unwrap_err();
    assert_eq!(
        fault.to_string(),
        format!(
            "cannot make the store's folder '{}' [store-01]\n\
             detail: The system says: {}.\n\
             hint: Does [agent] state_dir exist, and may the agent's user write there?",
            config.dir.display(),
            std::io::Error::from_raw_os_error(17)
        )
    );
}
