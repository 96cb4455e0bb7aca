//! What happens each minute, off the sampling path: full windows become blocks, old blocks are thinned, the oldest go, and
//! a store that had to stop writing tries again.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::model::series::LOOKBACK_MS;
use crate::store::block::{self, Block, BlockError};
use crate::store::chunk::Open;
use crate::store::disk::{self, Kind};
use crate::store::head::{Head, WINDOW_MS, window_of};
use crate::store::log::{self, Segment};
use crate::store::scoped::in_order;
use crate::store::thin::{GRID_MS, thin};
use crate::store::writer::{cannot_write, too_little_room};
use crate::store::{Store, lock};

/// How many series are touched under one lock.
const BATCH: usize = 256;
/// Pieces in which a new segment is written.
const PIECE: usize = 256 << 10;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// How long memory holds what cannot be written: as long as it would in good times.
const MEMORY_MS: i64 = WINDOW_MS + 2 * LOOKBACK_MS;

impl Store {
    /// Does what is due. Called each minute, on a thread that may wait for the disk; `append` and readers go on meanwhile.
    pub fn maintain(&self, now_ms: i64) {
        let _one = lock(&self.maintenance);
        *lock(&self.now_ms) = now_ms;
        self.remove_old(now_ms);
        self.keep_room(now_ms);
        let done = self.write_due(now_ms);
        if let Err(error) = done {
            self.writer().stop(cannot_write(&self.config.dir, &error), now_ms);
        }
        if !self.writer().is_writing() {
            let lost = self.head_mut().drop_before(now_ms.saturating_sub(MEMORY_MS));
            self.counters.dropped_chunks.fetch_add(lost, Ordering::Relaxed);
        }
        self.forget_series(now_ms);
        self.cache.forget_unused();
    }

    /// Stops the writing where the file system has less room than it should.
    pub(in crate::store) fn keep_room(&self, now_ms: i64) {
        let Ok(room) = self.disk.room(&self.config.dir) else { return };
        let min_free = self.config.min_free.of(room.total);
        if room.free < min_free {
            self.writer().stop(too_little_room(&self.config.dir, room, min_free), now_ms);
        }
    }

    fn write_due(&self, now_ms: i64) -> io::Result<()> {
        if !self.writer().is_writing() {
            return self.resume();
        }
        // Five minutes more than a window, so that what looks at "now" reads memory alone.
        let window_end = window_of(self.newest_or(now_ms).saturating_sub(LOOKBACK_MS));
        // A log that takes half of what history may take becomes a block, which is smaller, before its time.
        let too_large = self.writer().segment_bytes() > self.config.max_bytes / 2;
        let window_end = if too_large { i64::MAX } else { window_end };
        if self.head().has_before(window_end) {
            self.cut(window_end)?;
            self.begin_log()?;
        }
        self.thin_old(now_ms)
    }

    /// Tries to write again, if there is room for all that memory holds, twice over so that it does not stop at once.
    fn resume(&self) -> io::Result<()> {
        let room = self.disk.room(&self.config.dir)?;
        let needed = 2 * self.head().bytes() as u64;
        if room.free >= self.config.min_free.of(room.total).saturating_add(needed) {
            self.begin_log()?;
        }
        Ok(())
    }

    fn newest_or(&self, now_ms: i64) -> i64 {
        self.head().newest_ms().map_or(now_ms, |newest_ms| newest_ms.max(now_ms))
    }

    /// Begins a new segment with all series and what memory holds, and removes the older ones.
    pub(in crate::store) fn begin_log(&self) -> io::Result<()> {
        self.writer().begin_segment();
        let made = self.make_segment();
        if made.is_err() {
            self.writer().give_up_segment();
        }
        let number = made?;
        for old in disk::list(&self.config.dir)?.iter().filter(|one| one.kind == Kind::Log && one.number < number) {
            fs::remove_file(&old.path)?;
        }
        Ok(())
    }

    fn make_segment(&self) -> io::Result<u64> {
        let number = self.next_number();
        let path = disk::path_of(&self.config.dir, number, "log");
        let (file, unfinished) = disk::create_unfinished(&path)?;
        let mut segment = Segment { file: Arc::new(file), path, number, bytes: 0 };
        let written = self.write_memory(&mut segment).and_then(|()| {
            let (from, to, file) = (unfinished.clone(), segment.path.clone(), segment.file.clone());
            self.writer().finish_segment(&*self.disk, segment, || fs::rename(from, to))?;
            self.disk.sync(&file)?;
            disk::sync_folder(&self.config.dir)
        });
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written.map(|()| number)
    }

    fn write_memory(&self, segment: &mut Segment) -> io::Result<()> {
        let mut piece = Vec::new();
        log::put_begin(&mut piece, self.head().next_id());
        let mut chunks = Vec::new();
        let mut after = None;
        loop {
            let head = self.head();
            let batch: Vec<_> = head.batch_after(after, BATCH).collect();
            for (id, entry) in &batch {
                log::put_definition(&mut piece, *id, entry.labels());
                chunks.clear();
                head.copy(*id, i64::MIN, i64::MAX, &mut chunks);
                if !chunks.is_empty() {
                    log::put_chunks(&mut piece, *id, &chunks);
                }
            }
            after = batch.last().map(|(id, _)| *id);
            drop(batch);
            drop(head);
            if piece.len() >= PIECE || after.is_none() {
                self.disk.write(&segment.file, &piece)?;
                segment.bytes += piece.len() as u64;
                piece.clear();
            }
            if after.is_none() {
                return self.disk.sync(&segment.file);
            }
        }
    }

    /// Writes the windows before one into a block and lets memory go of them.
    fn cut(&self, window_end: i64) -> io::Result<()> {
        let mut from = 0;
        while from < self.head().len() {
            self.head_mut().seal_before(window_end, from..from + BATCH);
            from += BATCH;
        }
        let cut = self.head_mut().begin_cut(window_end);
        let mut writer = block::Writer::create(&*self.disk, &self.config.dir, self.next_number(), 0)?;
        let mut after = None;
        loop {
            let head = self.head();
            let mut batch = Vec::new();
            for (id, entry) in head.batch_after(after, BATCH) {
                let mut chunks = Vec::new();
                head.copy_cut(entry, cut, &mut chunks);
                batch.push((id, entry.labels().clone(), chunks));
            }
            drop(head);
            for (id, labels, chunks) in &batch {
                writer.add(*id, labels, chunks)?;
            }
            after = batch.last().map(|(id, ..)| *id);
            if after.is_none() {
                break;
            }
        }
        if !writer.is_empty() {
            self.publish(writer, &[])?;
        }
        self.head_mut().finish_cut(cut);
        let mut from = 0;
        while from < self.head().len() {
            self.head_mut().forget_places(from..from + BATCH);
            from += BATCH;
        }
        Ok(())
    }

    /// Finishes a block and puts it in the place of those it was made of.
    fn publish(&self, writer: block::Writer, replaced: &[Arc<Block>]) -> io::Result<()> {
        let number = writer.number();
        let numbers: Vec<u64> = replaced.iter().map(|block| block.number).collect();
        let next_id = self.head().next_id();
        let path = writer.finish(next_id, &numbers)?;
        let (block, ..) = Block::open(&path, number).map_err(io::Error::other)?;
        self.change_blocks(|blocks| {
            blocks.retain(|one| !numbers.contains(&one.number));
            blocks.push(Arc::new(block));
        });
        for block in replaced {
            self.cache.forget(block.number);
            fs::remove_file(&block.path)?;
        }
        Ok(())
    }

    /// Rewrites the raw blocks of each day that is wholly older than `raw_retention` into one thinned block.
    fn thin_old(&self, now_ms: i64) -> io::Result<()> {
        let horizon_ms = now_ms.saturating_sub(millis(self.config.raw_retention));
        let mut days: BTreeMap<i64, Vec<Arc<Block>>> = BTreeMap::new();
        for block in self.blocks().iter().filter(|block| block.summary.grid_ms == 0) {
            let day = block.summary.max_ms.div_euclid(DAY_MS);
            if day.saturating_add(1).saturating_mul(DAY_MS) <= horizon_ms {
                days.entry(day).or_default().push(block.clone());
            }
        }
        for blocks in days.values() {
            self.thin_blocks(blocks)?;
        }
        Ok(())
    }

    fn thin_blocks(&self, blocks: &[Arc<Block>]) -> io::Result<()> {
        let mut directories = Vec::new();
        for block in blocks {
            match block.directory() {
                Ok(directory) => directories.push((block, directory)),
                Err(error) => return self.thinning_failed(block, error),
            }
        }
        let mut ids: Vec<_> = directories.iter().flat_map(|(_, rows)| rows.iter().map(|row| row.id)).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut writer = block::Writer::create(&*self.disk, &self.config.dir, self.next_number(), GRID_MS as u32)?;
        let mut samples = Vec::new();
        let mut chunks = Vec::new();
        for id in ids {
            samples.clear();
            for (block, directory) in &directories {
                let Ok(place) = directory.binary_search_by_key(&id, |row| row.id) else { continue };
                if let Err(error) = block.samples(&directory[place], i64::MIN, i64::MAX, &mut samples) {
                    return self.thinning_failed(block, error);
                }
            }
            in_order(&mut samples);
            chunks.clear();
            seal_all(&thin(&samples), &mut chunks);
            let labels = self.head().entry(id).map(|entry| entry.labels().clone());
            if let Some(labels) = labels {
                writer.add(id, &labels, &chunks)?;
            }
        }
        self.publish(writer, blocks)
    }

    /// A damaged block is set aside, and the rest of its day is thinned the next time.
    fn thinning_failed(&self, block: &Block, error: BlockError) -> io::Result<()> {
        match error {
            BlockError::Io(error) => Err(error),
            BlockError::Damaged(why) => {
                self.set_block_aside(block, &why);
                Ok(())
            }
        }
    }

    /// Removes what is older than `retention`, then the oldest until `max_bytes` suffices; files set aside go first.
    fn remove_old(&self, now_ms: i64) {
        let horizon_ms = now_ms.saturating_sub(millis(self.config.retention));
        let mut blocks: Vec<Arc<Block>> = self.blocks().to_vec();
        blocks.sort_by_key(|block| block.summary.max_ms);
        let Ok(found) = disk::list(&self.config.dir) else { return };
        let mut total: u64 = found.iter().map(|one| one.bytes).sum();
        for one in found.iter().filter(|one| one.kind == Kind::Corrupt) {
            if total > self.config.max_bytes && fs::remove_file(&one.path).is_ok() {
                total -= one.bytes;
            }
        }
        for block in blocks {
            if block.summary.max_ms >= horizon_ms && total <= self.config.max_bytes {
                continue;
            }
            self.change_blocks(|all| all.retain(|one| one.number != block.number));
            self.cache.forget(block.number);
            if fs::remove_file(&block.path).is_ok() {
                total = total.saturating_sub(block.bytes);
            }
        }
        let aside = disk::list(&self.config.dir).unwrap_or_default();
        let aside = aside.iter().filter(|one| one.kind == Kind::Corrupt).map(|one| one.bytes).sum();
        self.counters.aside_bytes.store(aside, Ordering::Relaxed);
    }

    /// Series of which neither memory nor any block holds a sample leave the index.
    fn forget_series(&self, now_ms: i64) {
        let oldest_ms = self.blocks().iter().map(|block| block.summary.min_ms).min().unwrap_or(i64::MAX);
        let horizon_ms = oldest_ms.min(now_ms.saturating_sub(millis(self.config.retention)));
        let is_due = |head: &Head| head.batch(0..head.len()).any(|(_, entry)| head.is_dead(entry, horizon_ms));
        if is_due(&self.head()) {
            self.head_mut().forget_before(horizon_ms);
        }
    }
}

/// Seals samples in order of time into chunks.
fn seal_all(samples: &[(i64, f64)], out: &mut Vec<u8>) {
    let mut open = Open::after(i64::MIN, 0.0);
    for (at_ms, value) in samples {
        if open.is_full() {
            open.seal(out);
            open.clear();
        }
        open.push(*at_ms, *value);
    }
    if !open.is_empty() {
        open.seal(out);
    }
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
