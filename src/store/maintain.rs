//! What happens each minute, off the sampling path: full windows become blocks, old blocks are thinned, the oldest go,
//! and a store that had to stop writing tries again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::model::series::LOOKBACK_MS;
use crate::store::block::Block;
use crate::store::disk::{self, Kind};
use crate::store::head::{Head, WINDOW_MS, window_of};
use crate::store::writer::{cannot_write, too_little_room};
use crate::store::{Store, lock, read, write};
use crate::sys::files;

/// How long memory holds what cannot be written: as long as it would in good times.
const MEMORY_MS: i64 = WINDOW_MS + 2 * LOOKBACK_MS;

impl Store {
    /// Does what is due. Called each minute, on a thread that may wait for the disk; `append` and readers go on
    /// meanwhile.
    pub fn maintain(&self, now_ms: i64) {
        let _one = lock(&self.maintenance);
        self.now_ms.store(now_ms, Ordering::Relaxed);
        self.remove_old(now_ms);
        self.keep_room(now_ms);
        let done = self.write_due(now_ms);
        if let Err(error) = done {
            self.writer().stop(cannot_write(&self.config.dir, &error), now_ms);
        }
        if !self.writer().is_writing() {
            let lost = write(&self.head).drop_before(now_ms.saturating_sub(MEMORY_MS));
            self.counters.dropped_chunks.fetch_add(lost, Ordering::Relaxed);
            if lost > 0 {
                self.writer().note_forgotten();
            }
        }
        self.forget_series(now_ms);
        self.cache.forget_unused();
    }

    /// Stops the writing where the file system has less room than it should.
    pub(in crate::store) fn keep_room(&self, now_ms: i64) {
        let Ok(space) = self.disk.space(&self.config.dir) else { return };
        let min_free = self.config.min_free.of(space.size);
        if space.available < min_free {
            self.writer().stop(too_little_room(&self.config.dir, space, min_free), now_ms);
        }
    }

    fn write_due(&self, now_ms: i64) -> io::Result<()> {
        if !self.writer().is_writing() {
            return self.resume(now_ms);
        }
        // Five minutes more than a window, so that what looks at "now" reads memory alone.
        let window_end = window_of(self.newest_or(now_ms).saturating_sub(LOOKBACK_MS));
        // A log that grows too large becomes a block, which is smaller, before its time.
        let window_end = if self.writer().is_too_large(self.config.max_bytes) { i64::MAX } else { window_end };
        if read(&self.head).has_before(window_end) {
            self.cut(&self.head, window_end)?;
            self.begin_log()?;
        }
        self.thin_old(now_ms)
    }

    /// Tries to write again, if there is room for all that memory holds, twice over so that it does not stop at once.
    fn resume(&self, now_ms: i64) -> io::Result<()> {
        let space = self.disk.space(&self.config.dir)?;
        let needed = 2 * read(&self.head).bytes() as u64;
        if space.available >= self.config.min_free.of(space.size).saturating_add(needed) {
            if self.writer().has_forgotten() {
                self.rescue_log(now_ms)?;
            }
            self.begin_log()?;
        }
        Ok(())
    }

    fn newest_or(&self, now_ms: i64) -> i64 {
        read(&self.head).newest_ms().map_or(now_ms, |newest_ms| newest_ms.max(now_ms))
    }

    /// Removes what is older than `retention`, then the oldest until `max_bytes` suffices; files set aside go first.
    fn remove_old(&self, now_ms: i64) {
        let horizon_ms = now_ms.saturating_sub(millis(self.config.retention));
        let mut blocks: Vec<Arc<Block>> = self.blocks().to_vec();
        blocks.sort_by_key(|block| block.summary.max_ms);
        let Ok(found) = disk::list(&self.config.dir) else { return };
        let mut total: u64 = found.iter().map(|one| one.bytes).sum();
        for one in found.iter().filter(|one| one.kind == Kind::Corrupt) {
            if total > self.config.max_bytes && files::remove(&one.path).is_ok() {
                total -= one.bytes;
            }
        }
        for block in blocks {
            if block.summary.max_ms >= horizon_ms && total <= self.config.max_bytes {
                continue;
            }
            self.change_blocks(|all| all.retain(|one| one.number != block.number));
            self.cache.forget(block.number);
            if files::remove(&block.path).is_ok() {
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
        let is_due = |head: &Head| head.batch(0..head.series_count()).any(|(_, entry)| head.is_dead(entry, horizon_ms));
        if is_due(&read(&self.head)) {
            write(&self.head).forget_before(horizon_ms);
        }
    }
}

pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
