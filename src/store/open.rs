//! Opening: the blocks say which series there are, the log brings back memory. What is damaged is set aside and
//! reported.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use crate::model::fault::Fault;
use crate::model::series::SeriesId;
use crate::store::block::{Block, BlockError, Definitions, Directory};
use crate::store::cache::Cache;
use crate::store::disk::{self, Disk, Found, Kind};
use crate::store::head::{Appended, Head};
use crate::store::log::{self, Replay, Segment};
use crate::store::version;
use crate::store::writer::{Writer, cannot_write};
use crate::store::{Config, Counters, OpenReport, Store, read, write};
use crate::sys::files;

pub fn open(disk: Arc<dyn Disk>, config: Config, now_ms: i64) -> Result<(Arc<Store>, OpenReport), Fault> {
    files::make_folder(&config.dir, 0o750).map_err(|error| cannot_make(&config.dir, &error))?;
    version::check(&config.dir)?;
    // Where there is no room for it, it says 1 by not being there.
    let _ = version::write(&config.dir);
    let found = disk::list(&config.dir).map_err(|error| cannot_read(&config.dir, &error))?;
    let store = Store {
        disk,
        maintenance: Mutex::new(()),
        writer: Mutex::new(Writer::new(None, now_ms)),
        head: RwLock::new(Head::default()),
        blocks: RwLock::new(Arc::new(Vec::new())),
        cache: Cache::default(),
        counters: Counters::default(),
        aside: Mutex::new(Vec::new()),
        next_number: AtomicU64::new(found.last().map_or(1, |last| last.number + 1)),
        now_ms: AtomicI64::new(now_ms),
        config,
    };
    for one in &found {
        match one.kind {
            // If it stays, it only takes room.
            Kind::Unfinished => drop(files::remove(&one.path)),
            Kind::Corrupt => drop(store.counters.aside_bytes.fetch_add(one.bytes, Ordering::Relaxed)),
            Kind::Block | Kind::Log => {}
        }
    }
    store.open_blocks(&found, now_ms)?;
    let replayed_samples = store.open_log(&found, now_ms)?;
    store.keep_room(now_ms);
    let report = OpenReport {
        replayed_samples,
        torn_bytes: store.counters.torn_bytes.load(Ordering::Relaxed),
        set_aside: store.set_aside(),
        newest_sample_ms: read(&store.head).newest_ms(),
    };
    Ok((Arc::new(store), report))
}

impl Store {
    fn open_blocks(&self, found: &[Found], now_ms: i64) -> Result<(), Fault> {
        let mut replaced = HashSet::new();
        let mut blocks = Vec::new();
        for one in found.iter().filter(|one| one.kind == Kind::Block) {
            let opened = Block::open(&one.path, one.number).and_then(|(block, definitions, directory)| {
                let replaces = self.take_in(&block, &definitions, &directory, now_ms)?;
                Ok((block, replaces))
            });
            match opened {
                Ok((block, replaces)) => {
                    replaced.extend(replaces);
                    blocks.push(Arc::new(block));
                }
                Err(BlockError::Damaged(why)) => self.set_file_aside(&one.path, one.bytes, &why),
                Err(BlockError::Io(error)) => return Err(cannot_read(&one.path, &error)),
            }
        }
        // The process ended after a thinned block was finished and before those it was made of were removed.
        for block in blocks.extract_if(.., |block| replaced.contains(&block.number)) {
            files::remove(&block.path).map_err(|error| cannot_read(&block.path, &error))?;
        }
        self.change_blocks(|all| *all = blocks);
        Ok(())
    }

    /// Takes a block's series into the index; gives the numbers of the blocks it replaces.
    fn take_in(
        &self,
        block: &Block,
        definitions: &Definitions,
        directory: &Directory,
        now_ms: i64,
    ) -> Result<Vec<u64>, BlockError> {
        let mut head = write(&self.head);
        let mut conflict = None;
        let replaces = definitions.read(|id, pairs| {
            if head.define(id, pairs, now_ms).is_err() {
                conflict = Some(id);
            }
        })?;
        if let Some(id) = conflict {
            let what = format!("its series {} is not the one that other files give this number", id.0);
            return Err(BlockError::Damaged(what));
        }
        head.raise_next_id(block.summary.next_id);
        for row in directory.iter() {
            head.written_until(row.id, row.last_ms);
        }
        Ok(replaces)
    }

    /// Replays all segments; there is more than one if the process ended while a new one took over. Then, and after
    /// damage, a new one is made of what they brought.
    fn open_log(&self, found: &[Found], now_ms: i64) -> Result<u64, Fault> {
        let mut head = write(&self.head);
        let mut brought = Brought { head: &mut head, samples: 0, now_ms };
        let mut segments = Vec::new();
        let mut damaged = Vec::new();
        for one in found.iter().filter(|one| one.kind == Kind::Log) {
            let file = files::open_to_append(&one.path).map_err(|error| cannot_read(&one.path, &error))?;
            let seen = log::replay(&file, &mut brought).map_err(|error| cannot_read(&one.path, &error))?;
            if seen.whole == 0 && one.bytes > 0 {
                // No torn tail: a segment gets its name only when it has a beginning.
                damaged.push((one.clone(), format!("none of its {} bytes are records", one.bytes)));
                continue;
            }
            self.counters.torn_bytes.fetch_add(seen.torn, Ordering::Relaxed);
            if seen.damaged > 0 {
                damaged.push((one.clone(), format!("{} bytes within it are no records", seen.damaged)));
            }
            let file = Arc::new(file);
            let (path, bytes) = (one.path.clone(), seen.whole);
            segments.push((seen, Segment { file, path, number: one.number, bytes, begun_bytes: 0 }));
        }
        let samples = brought.samples;
        drop(head);
        match segments.pop() {
            Some((seen, segment)) if segments.is_empty() && damaged.is_empty() && seen.whole > 0 => {
                let cut = if seen.torn > 0 { segment.file.set_len(seen.whole) } else { Ok(()) };
                match cut {
                    Ok(()) => *self.writer() = Writer::new(Some(segment), now_ms),
                    Err(error) => self.writer().stop(cannot_write(&self.config.dir, &error), now_ms),
                }
            }
            _ => self.replace_log(&damaged, now_ms),
        }
        Ok(samples)
    }

    fn replace_log(&self, damaged: &[(Found, String)], now_ms: i64) {
        // Before the new segment removes what is older: a damaged one stays for whoever wants to look.
        for (one, why) in damaged {
            self.set_file_aside(&one.path, one.bytes, why);
        }
        if let Err(error) = self.begin_log() {
            self.writer().stop(cannot_write(&self.config.dir, &error), now_ms);
        }
    }
}

/// Where the log's records go.
pub struct Brought<'a> {
    pub head: &'a mut Head,
    pub samples: u64,
    pub now_ms: i64,
}

impl Replay for Brought<'_> {
    fn begin(&mut self, next_id: u32) {
        self.head.raise_next_id(next_id);
    }

    fn define(&mut self, id: SeriesId, pairs: &[(&str, &str)]) {
        // A conflict can only come of a block of another store put here by hand; blocks were first, they stand.
        let _ = self.head.define(id, pairs, self.now_ms);
    }

    fn sample(&mut self, id: SeriesId, at_ms: i64, value: f64) {
        // What a block or an earlier segment already brought is dropped as out of order.
        self.samples += u64::from(self.head.append(id, at_ms, value) == Appended::Accepted);
    }
}

fn cannot_make(folder: &Path, error: &io::Error) -> Fault {
    Fault::new("store-01", format!("cannot make the store's folder '{}'", folder.display()))
        .detail(format!("The system says: {error}."))
        .hint("Does [agent] state_dir exist, and may the agent's user write there?")
}

fn cannot_read(path: &Path, error: &io::Error) -> Fault {
    Fault::new("store-02", format!("cannot read the store's '{}'", path.display()))
        .detail(format!("The system says: {error}."))
        .hint("Does it belong to the agent's user, and is the device in order?")
}
