//! The recent history: an own time-series store. Two hours compressed in memory, a log that survives the process, block
//! files for what is older, thinned when they are old. Whoever reads must show a `Scope`.

pub mod bits;
pub mod block;
pub mod bytes;
pub mod cache;
pub mod chunk;
pub mod columns;
pub mod crc;
pub mod cut;
pub mod disk;
pub mod head;
pub mod index;
pub mod log;
pub mod maintain;
pub mod open;
pub mod pages;
pub mod scoped;
pub mod thin;
pub mod version;
pub mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use crate::model::fault::Fault;
use crate::model::labels::Labels;
use crate::model::schema::{Key, Kind, Table, Value};
use crate::model::scope::Scope;
use crate::model::series::{Series, SeriesId};
use crate::store::block::Block;
use crate::store::cache::Cache;
use crate::store::disk::{Disk, SystemDisk};
use crate::store::head::{Appended, Head};
use crate::store::log::CycleRecord;
use crate::store::scoped::ScopedStore;
use crate::store::writer::Writer;

/// The keys of `[store]`.
pub const KEYS: &[Key] = &[
    Key::new("retention", Kind::Duration { min: "2h", max: "10y" }, "\"30d\"", "How long history is kept."),
    Key::new(
        "raw_retention",
        Kind::Duration { min: "2h", max: "10y" },
        "\"48h\"",
        "How long every sample is kept. Of older ones the last of each 5 minutes stays, so counters stay counters.",
    ),
    Key::new(
        "max_bytes",
        Kind::Bytes,
        "\"2GiB\"",
        "How much room history may take on disk. Beyond it the oldest goes first.",
    ),
    Key::new(
        "min_free",
        Kind::Share,
        "\"5%\"",
        "How much of the file system must stay free. Below it history stays in memory, until there is room again.",
    ),
    Key::new(
        "series_max",
        Kind::Whole { min: 100, max: 10_000_000 },
        "50000",
        "How many series may exist. Beyond it no new ones are taken in, and each refusal is counted.",
    ),
];

/// A part of a whole: a ratio from 0 to 1, or bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Share {
    Ratio(f64),
    Bytes(u64),
}

impl Share {
    /// The share in bytes.
    pub fn of(self, total: u64) -> u64 {
        match self {
            Share::Ratio(ratio) => (total as f64 * ratio.clamp(0.0, 1.0)) as u64,
            Share::Bytes(bytes) => bytes,
        }
    }
}

/// What `[store]` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The folder of the store's files; made if it is missing.
    pub dir: PathBuf,
    pub retention: Duration,
    pub raw_retention: Duration,
    pub max_bytes: u64,
    pub min_free: Share,
    pub series_max: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            dir: PathBuf::from("store"),
            retention: Duration::from_secs(30 * 86_400),
            raw_retention: Duration::from_secs(48 * 3_600),
            max_bytes: 2 << 30,
            min_free: Share::Ratio(0.05),
            series_max: 50_000,
        }
    }
}

impl Config {
    /// From a checked section; the files stand in `store` below the agent's state directory.
    pub fn read(table: &Table, state_dir: &Path) -> Config {
        let min_free = match table.share("min_free") {
            Some(Value::Ratio(ratio)) => Share::Ratio(*ratio),
            Some(Value::Bytes(bytes)) => Share::Bytes(*bytes),
            _ => Config::default().min_free,
        };
        Config {
            dir: state_dir.join("store"),
            retention: table.duration("retention"),
            raw_retention: table.duration("raw_retention"),
            max_bytes: table.bytes("max_bytes"),
            min_free,
            series_max: usize::try_from(table.whole("series_max")).unwrap_or(0),
        }
    }
}

/// A file that was found damaged, renamed to `*.corrupt`, and is no longer read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    pub path: PathBuf,
    pub why: String,
}

/// What opening the store came upon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Samples taken from the log into memory.
    pub replayed_samples: u64,
    /// Bytes cut off the log's end: a write that the end of the process or of the power interrupted.
    pub torn_bytes: u64,
    pub set_aside: Vec<SetAside>,
    /// The newest sample of all series: stored time must not begin before it.
    pub newest_sample_ms: Option<i64>,
}

/// What became of the points of one cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppendOutcome {
    pub accepted: usize,
    /// Not taken in: out of order, a duplicate, or of an unknown series.
    pub dropped: usize,
    /// Those of the dropped whose series is not in the index: it left with its last sample. Ask for its id anew.
    pub unknown: usize,
}

/// Whether history reaches the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    Writing,
    /// Only memory holds what came since; the store tries again each minute.
    Stopped {
        why: Fault,
        since_ms: i64,
    },
}

/// Figures of the store, since it was opened where they count events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    pub series: usize,
    pub samples_appended: u64,
    pub dropped_out_of_order: u64,
    pub dropped_duplicate: u64,
    pub dropped_unknown_series: u64,
    /// Chunks dropped from memory because the disk did not take them in time.
    pub dropped_chunks: u64,
    /// New series refused because of `series_max`.
    pub capped: u64,
    /// Files set aside as damaged.
    pub corrupt: u64,
    pub torn_bytes: u64,
    pub blocks: usize,
    pub bytes_on_disk: u64,
    /// Bytes of memory that series, index and the samples in memory take.
    pub head_bytes: usize,
}

#[derive(Debug, Default)]
struct Counters {
    samples_appended: AtomicU64,
    out_of_order: AtomicU64,
    duplicate: AtomicU64,
    unknown_series: AtomicU64,
    dropped_chunks: AtomicU64,
    capped: AtomicU64,
    torn_bytes: AtomicU64,
    /// Bytes of files set aside.
    aside_bytes: AtomicU64,
}

/// Blocks in order of their numbers.
type Blocks = Arc<Vec<Arc<Block>>>;

/// The store. One task appends; any thread reads. Locks are taken in the order `maintenance`, `writer`, `head`,
/// `blocks`, and no file is read or synchronised under the last two.
#[derive(Debug)]
pub struct Store {
    config: Config,
    disk: Arc<dyn Disk>,
    /// Held while blocks are cut, thinned or removed.
    maintenance: Mutex<()>,
    writer: Mutex<Writer>,
    head: RwLock<Head>,
    blocks: RwLock<Blocks>,
    cache: Cache,
    counters: Counters,
    aside: Mutex<Vec<SetAside>>,
    next_number: AtomicU64,
    /// What a new series is stamped with.
    now_ms: AtomicI64,
}

impl Store {
    /// Opens the store of a folder, or makes it: reads what blocks say of themselves and replays the log.
    ///
    /// # Errors
    /// `store-01`, `store-02`: the folder cannot be made or read. `store-07`: a newer build wrote it. Damaged files are
    /// no error: they are set aside and reported. A full disk is none either: see `health`.
    pub fn open(config: Config, now_ms: i64) -> Result<(Arc<Store>, OpenReport), Fault> {
        Store::open_on(Arc::new(SystemDisk), config, now_ms)
    }

    /// As `open`, on a disk of one's own.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_on(disk: Arc<dyn Disk>, config: Config, now_ms: i64) -> Result<(Arc<Store>, OpenReport), Fault> {
        open::open(disk, config, now_ms)
    }

    /// Takes in the points of one cycle and appends them to the log by one write(). Drops and counts what is not newer
    /// than its series' last sample.
    pub fn append(&self, cycle_points: &[(SeriesId, f64)], at_ms: i64) -> AppendOutcome {
        let mut writer = self.writer();
        let mut record = writer.take_scratch();
        let mut cycle = CycleRecord::begin(&mut record, at_ms);
        let mut outcome = AppendOutcome::default();
        let mut head = write(&self.head);
        for (id, value) in cycle_points {
            let appended = head.append(*id, at_ms, *value);
            let counter = match appended {
                Appended::Accepted => &self.counters.samples_appended,
                Appended::UnknownSeries => &self.counters.unknown_series,
                Appended::OutOfOrder => &self.counters.out_of_order,
                Appended::Duplicate => &self.counters.duplicate,
            };
            counter.fetch_add(1, Ordering::Relaxed);
            if appended == Appended::Accepted {
                cycle.point(&mut record, *id, *value);
                outcome.accepted += 1;
            }
            outcome.unknown += usize::from(appended == Appended::UnknownSeries);
        }
        drop(head);
        outcome.dropped = cycle_points.len() - outcome.accepted;
        if outcome.accepted > 0 {
            cycle.finish(&mut record);
            writer.write(&*self.disk, &self.config.dir, &record, at_ms);
        }
        writer.put_scratch(record);
        outcome
    }

    /// A view of what one reader may see. There is no other way to read samples.
    pub fn scoped(self: &Arc<Store>, scope: &Scope) -> ScopedStore {
        ScopedStore::new(self.clone(), scope.clone())
    }

    /// Makes the log durable, which a cycle's write alone does not do when the power fails. For a thread that may wait.
    pub fn sync(&self) {
        let Some((file, at_ms)) = self.writer().begin_sync() else { return };
        if let Err(error) = self.disk.sync(&file) {
            self.writer().stop(writer::cannot_sync(&self.config.dir, &error), at_ms);
        }
    }

    /// Makes everything durable, for the end of the process. The store stays usable.
    pub fn flush_and_close(&self) {
        let _finished = lock(&self.maintenance);
        self.sync();
    }

    pub fn health(&self) -> Health {
        self.writer().health().clone()
    }

    /// The files set aside since the store was opened, by opening or by reading.
    pub fn set_aside(&self) -> Vec<SetAside> {
        lock(&self.aside).clone()
    }

    pub fn statistics(&self) -> Statistics {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let blocks = self.blocks();
        let log_bytes = self.writer().segment_bytes();
        let corrupt = lock(&self.aside).len() as u64;
        let head = read(&self.head);
        Statistics {
            series: head.series_count(),
            samples_appended: count(&self.counters.samples_appended),
            dropped_out_of_order: count(&self.counters.out_of_order),
            dropped_duplicate: count(&self.counters.duplicate),
            dropped_unknown_series: count(&self.counters.unknown_series),
            dropped_chunks: count(&self.counters.dropped_chunks),
            capped: count(&self.counters.capped),
            corrupt,
            torn_bytes: count(&self.counters.torn_bytes),
            blocks: blocks.len(),
            bytes_on_disk: log_bytes
                + blocks.iter().map(|block| block.bytes).sum::<u64>()
                + count(&self.counters.aside_bytes),
            head_bytes: head.bytes(),
        }
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        lock(&self.writer)
    }

    fn blocks(&self) -> Blocks {
        read(&self.blocks).clone()
    }

    fn change_blocks(&self, change: impl FnOnce(&mut Vec<Arc<Block>>)) {
        let mut blocks = write(&self.blocks);
        let mut changed = Vec::clone(&blocks);
        change(&mut changed);
        *blocks = Arc::new(changed);
    }

    /// Takes a damaged block out of use and renames it.
    fn set_block_aside(&self, block: &Block, why: &str) {
        self.change_blocks(|blocks| blocks.retain(|one| one.number != block.number));
        self.cache.forget(block.number);
        self.set_file_aside(&block.path, block.bytes, why);
    }

    fn set_file_aside(&self, path: &Path, bytes: u64, why: &str) {
        let mut aside = lock(&self.aside);
        if aside.iter().any(|one| one.path == path || one.path.with_extension("") == path) {
            return; // two readers met the same damage
        }
        let path = disk::set_aside(path).unwrap_or_else(|_| path.to_path_buf());
        self.counters.aside_bytes.fetch_add(bytes, Ordering::Relaxed);
        aside.push(SetAside { path, why: why.to_string() });
    }

    fn next_number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }
}

impl Series for Store {
    fn id(&self, labels: &Labels, spare: usize) -> Option<SeriesId> {
        if let Some(id) = read(&self.head).index.id(labels) {
            return Some(id);
        }
        let mut writer = self.writer();
        let mut head = write(&self.head);
        if let Some(id) = head.index.id(labels) {
            return Some(id);
        }
        let now_ms = head.newest_ms().max(Some(self.now_ms.load(Ordering::Relaxed))).unwrap_or_default();
        let has_room = head.series_count().saturating_add(spare) < self.config.series_max;
        let created = if has_room { head.create(labels, now_ms) } else { None };
        drop(head);
        let Some(id) = created else {
            self.counters.capped.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        // At once, not with the first sample: an id that was given must not be given to another series after a crash.
        let mut record = writer.take_scratch();
        log::put_definition(&mut record, id, labels);
        writer.write(&*self.disk, &self.config.dir, &record, now_ms);
        writer.put_scratch(record);
        Some(id)
    }

    fn labels(&self, id: SeriesId) -> Labels {
        read(&self.head).entry(id).map_or_else(Labels::empty, |entry| entry.labels().clone())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
