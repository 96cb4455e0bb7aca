//! What the store's tests share: a folder that vanishes, a disk that can fail, short ways to append and to read.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use watchward::model::labels::Labels;
use watchward::model::matcher::Matcher;
use watchward::model::scope::Scope;
use watchward::model::series::{Series, SeriesId};
use watchward::promql::{SeriesSamples, SeriesSource};
use watchward::store::disk::Disk;
use watchward::store::{Config, OpenReport, Share, Store};
use watchward::sys::files::Space;

/// A time in the past at which a window of two hours begins.
pub const START_MS: i64 = 1_790_000 * 1_000_000 - (1_790_000 * 1_000_000) % 7_200_000;
/// Room for everything, on the tests' disk.
pub const PLENTY: u64 = 1 << 30;
pub const HOUR_MS: i64 = 3_600_000;
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// A folder of its own that is removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("store-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn config(&self) -> Config {
        Config { dir: self.0.clone(), min_free: Share::Bytes(0), ..Config::default() }
    }

    pub fn open(&self) -> (Arc<Store>, OpenReport) {
        Store::open(self.config(), START_MS).unwrap()
    }

    /// The files with this ending, in order.
    pub fn files(&self, ending: &str) -> Vec<PathBuf> {
        let all = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let mut some: Vec<PathBuf> = all.filter(|path| path.to_str().unwrap().ends_with(ending)).collect();
        some.sort();
        some
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A disk with so much room and no more, whose sync can fail.
#[derive(Debug)]
pub struct SmallDisk {
    pub room: AtomicU64,
    pub sync_fails: AtomicBool,
    pub writes: AtomicU64,
    pub syncs: AtomicU64,
}

impl SmallDisk {
    pub fn new(room: u64) -> Arc<SmallDisk> {
        Arc::new(SmallDisk { room: room.into(), sync_fails: false.into(), writes: 0.into(), syncs: 0.into() })
    }
}

impl Disk for SmallDisk {
    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let room = self.room.load(Ordering::Relaxed);
        let fitting = bytes.len().min(room as usize);
        file.write_all(&bytes[..fitting])?; // as a real one: what fits is written
        self.room.store(room - fitting as u64, Ordering::Relaxed);
        if fitting < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&self, _file: &File) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        if self.sync_fails.load(Ordering::Relaxed) { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }

    fn space(&self, _folder: &Path) -> io::Result<Space> {
        Ok(Space { size: 1 << 30, available: self.room.load(Ordering::Relaxed) })
    }
}

/// Labels from `name{a=b,c=d}`.
pub fn labels(text: &str) -> Labels {
    let (name, rest) = text.split_once('{').unwrap_or((text, "}"));
    let pairs = rest.trim_end_matches('}').split(',').filter_map(|pair| pair.split_once('='));
    [("__name__", name)].into_iter().chain(pairs).collect()
}

/// The id of a series of tenant `t`.
pub fn series(store: &Store, text: &str) -> SeriesId {
    store.id(&labels(text).with("tenant", "t"), 0).unwrap()
}

pub fn select(store: &Arc<Store>, scope: &Scope, matchers: &[Matcher]) -> Result<Vec<SeriesSamples>, String> {
    store.scoped(scope).select(matchers, i64::MIN, i64::MAX, usize::MAX)
}

/// All samples of one name of tenant `t`, bits and all.
pub fn samples(store: &Arc<Store>, name: &str) -> Vec<(i64, u64)> {
    let found = select(store, &Scope::of_tenant("t"), &[Matcher::equal("__name__", name)]).unwrap();
    assert!(found.len() <= 1, "{name} is one series");
    found.into_iter().flat_map(|one| one.samples).map(|(at_ms, value)| (at_ms, value.to_bits())).collect()
}

/// Times and values as `samples` gives them.
pub fn bits(samples: &[(i64, f64)]) -> Vec<(i64, u64)> {
    samples.iter().map(|(at_ms, value)| (*at_ms, value.to_bits())).collect()
}
