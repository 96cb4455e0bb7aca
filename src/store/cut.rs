//! From memory to disk: a block of what is complete, and a new log that begins with what memory still holds.

use std::io;
use std::ops::Range;
use std::sync::{Arc, RwLock};

use crate::store::block::{self, Block};
use crate::store::disk::{self, Kind};
use crate::store::head::Head;
use crate::store::log::{self, Segment};
use crate::store::open::Brought;
use crate::store::{Store, read, write};
use crate::sys::files;

/// How many series are touched under one lock.
const BATCH: usize = 256;
/// Pieces in which a new segment is written.
const PIECE: usize = 256 << 10;

impl Store {
    /// Begins a new segment with all series and what memory holds, and removes the older ones.
    pub(in crate::store) fn begin_log(&self) -> io::Result<()> {
        self.writer().begin_segment();
        let made = self.make_segment();
        if made.is_err() {
            self.writer().give_up_segment();
        }
        let number = made?;
        for old in disk::list(&self.config.dir)?.iter().filter(|one| one.kind == Kind::Log && one.number < number) {
            files::remove(&old.path)?;
        }
        Ok(())
    }

    fn make_segment(&self) -> io::Result<u64> {
        let number = self.next_number();
        let path = disk::path_of(&self.config.dir, number, "log");
        let (file, unfinished) = disk::create_unfinished(&path)?;
        let mut segment = Segment { file: Arc::new(file), path, number, bytes: 0, begun_bytes: 0 };
        let written = self.write_memory(&mut segment).and_then(|()| {
            let (from, to, file) = (unfinished.clone(), segment.path.clone(), segment.file.clone());
            self.writer().finish_segment(&*self.disk, segment, || files::rename(&from, &to))?;
            self.disk.sync(&file)?;
            files::sync_folder(&self.config.dir)
        });
        if written.is_err() {
            let _ = files::remove(&unfinished);
        }
        written.map(|()| number)
    }

    fn write_memory(&self, segment: &mut Segment) -> io::Result<()> {
        let mut piece = Vec::new();
        log::put_begin(&mut piece, read(&self.head).next_id());
        let mut chunks = Vec::new();
        let mut after = None;
        loop {
            let head = read(&self.head);
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
    pub(in crate::store) fn cut(&self, head: &RwLock<Head>, window_end: i64) -> io::Result<()> {
        in_batches(head, |head, range| head.seal_before(window_end, range));
        let cut = write(head).begin_cut(window_end);
        let mut writer = block::Writer::create(&*self.disk, &self.config.dir, self.next_number(), 0)?;
        let mut after = None;
        loop {
            let mut batch = Vec::new();
            let locked = read(head);
            for (id, entry) in locked.batch_after(after, BATCH) {
                let mut chunks = Vec::new();
                locked.copy_cut(entry, cut, &mut chunks);
                batch.push((id, entry.labels().clone(), chunks));
            }
            drop(locked);
            for (id, labels, chunks) in &batch {
                writer.add(*id, labels, chunks)?;
            }
            let Some((last, ..)) = batch.last() else { break };
            after = Some(*last);
        }
        if !writer.is_empty() {
            self.publish(writer, &[])?;
        }
        write(head).finish_cut(cut);
        in_batches(head, |head, range| {
            head.forget_places(range);
        });
        Ok(())
    }

    /// Makes a block of what the old log holds, before a new one takes its place: while nothing could be written,
    /// memory let go of some of it. What memory still holds then stands in two places, and is read once.
    pub(in crate::store) fn rescue_log(&self, now_ms: i64) -> io::Result<()> {
        let mut old = Head::default();
        let logs: Vec<_> = disk::list(&self.config.dir)?.into_iter().filter(|one| one.kind == Kind::Log).collect();
        for one in &logs {
            let mut brought = Brought { head: &mut old, samples: 0, now_ms };
            log::replay(&files::open_to_append(&one.path)?, &mut brought)?;
        }
        self.cut(&RwLock::new(old), i64::MAX)?;
        logs.iter().try_for_each(|one| files::remove(&one.path))
    }

    /// Finishes a block and puts it in the place of those it was made of.
    pub(in crate::store) fn publish(&self, writer: block::Writer, replaced: &[Arc<Block>]) -> io::Result<()> {
        let number = writer.number();
        let numbers: Vec<u64> = replaced.iter().map(|block| block.number).collect();
        let next_id = read(&self.head).next_id();
        let path = writer.finish(next_id, &numbers)?;
        let (block, ..) = Block::open(&path, number).map_err(io::Error::other)?;
        self.change_blocks(|blocks| {
            blocks.retain(|one| !numbers.contains(&one.number));
            blocks.push(Arc::new(block));
        });
        for block in replaced {
            self.cache.forget(block.number);
            files::remove(&block.path)?;
        }
        Ok(())
    }
}

/// Changes all series, some at a time, so that nobody waits long for the lock.
fn in_batches(head: &RwLock<Head>, mut change: impl FnMut(&mut Head, Range<usize>)) {
    let mut from = 0;
    while from < read(head).series_count() {
        change(&mut write(head), from..from + BATCH);
        from += BATCH;
    }
}
