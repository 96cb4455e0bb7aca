//! The appending end of the log, and whether history reaches the disk. What the disk refuses stops the writing, not the
//! store.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::model::fault::Fault;
use crate::store::Health;
use crate::store::disk::Disk;
use crate::store::log::Segment;
use crate::sys::files::File;
use crate::sys::files::Space;

/// How much may come while a new segment is made. Beyond it the new segment is given up, to be tried again.
const TEE_MAX: usize = 4 << 20;
/// Scratch memory kept between two cycles.
const SCRATCH_MAX: usize = 64 << 10;

/// The log's end.
#[derive(Debug)]
pub struct Writer {
    segment: Option<Segment>,
    health: Health,
    /// Records that came since a new segment was begun, for its end.
    tee: Option<Vec<u8>>,
    scratch: Vec<u8>,
    /// Whether there is anything to sync.
    dirty: bool,
    last_ms: i64,
    /// Whether, since the writing stopped, memory had to let go of what only the old log holds.
    forgot: bool,
}

impl Writer {
    pub fn new(segment: Option<Segment>, now_ms: i64) -> Writer {
        Writer {
            segment,
            health: Health::Writing,
            tee: None,
            scratch: Vec::new(),
            dirty: false,
            last_ms: now_ms,
            forgot: false,
        }
    }

    pub fn health(&self) -> &Health {
        &self.health
    }

    pub fn is_writing(&self) -> bool {
        self.health == Health::Writing
    }

    pub fn segment_bytes(&self) -> u64 {
        self.segment.as_ref().map_or(0, |segment| segment.bytes)
    }

    /// Whether the log has become so large that what it holds should become a block: it takes half of what history may
    /// take, and more than twice of what it began with.
    pub fn is_too_large(&self, bytes_max: u64) -> bool {
        self.segment.as_ref().is_some_and(|one| one.bytes > bytes_max / 2 && one.bytes > 2 * one.begun_bytes)
    }

    pub fn has_forgotten(&self) -> bool {
        self.forgot
    }

    pub fn note_forgotten(&mut self) {
        self.forgot = true;
    }

    pub fn take_scratch(&mut self) -> Vec<u8> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch
    }

    pub fn put_scratch(&mut self, scratch: Vec<u8>) {
        if scratch.capacity() <= SCRATCH_MAX {
            self.scratch = scratch;
        }
    }

    /// Appends records. While the writing is stopped they go nowhere, or only to the segment that is being made.
    pub fn write(&mut self, disk: &dyn Disk, folder: &Path, records: &[u8], at_ms: i64) {
        self.last_ms = at_ms;
        if let Some(tee) = &mut self.tee {
            tee.extend_from_slice(records);
            if tee.len() > TEE_MAX {
                self.tee = None;
            }
        }
        let Some(segment) = &mut self.segment else { return };
        match disk.write(&segment.file, records) {
            Ok(()) => {
                segment.bytes += records.len() as u64;
                self.dirty = true;
            }
            Err(error) => {
                // What was written of it would be a torn record; if even this fails, the next opening cuts it.
                let _ = segment.file.set_len(segment.bytes);
                self.stop(cannot_write(folder, &error), at_ms);
            }
        }
    }

    /// Stops the writing. A segment that failed is not touched again: what it holds may not be what was written.
    pub fn stop(&mut self, why: Fault, since_ms: i64) {
        self.segment = None;
        self.health = match std::mem::replace(&mut self.health, Health::Writing) {
            Health::Stopped { since_ms, .. } => Health::Stopped { why, since_ms },
            Health::Writing => Health::Stopped { why, since_ms },
        };
    }

    /// The file to sync, if anything was written since.
    pub fn begin_sync(&mut self) -> Option<(Arc<File>, i64)> {
        if !std::mem::take(&mut self.dirty) {
            return None;
        }
        self.segment.as_ref().map(|segment| (segment.file.clone(), self.last_ms))
    }

    /// From here on, records are remembered for a new segment.
    pub fn begin_segment(&mut self) {
        self.tee = Some(Vec::new());
    }

    pub fn give_up_segment(&mut self) {
        self.tee = None;
    }

    /// Ends a new segment with what came while it was made and, by `publish`, puts it in the old one's place.
    pub fn finish_segment(
        &mut self,
        disk: &dyn Disk,
        mut segment: Segment,
        publish: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(tee) = self.tee.take() else {
            return Err(io::Error::other("more came while the segment was made than is kept"));
        };
        disk.write(&segment.file, &tee)?;
        publish()?;
        segment.bytes += tee.len() as u64;
        segment.begun_bytes = segment.bytes;
        self.segment = Some(segment);
        (self.health, self.dirty, self.forgot) = (Health::Writing, true, false);
        Ok(())
    }
}

/// The fault of a write that failed.
pub fn cannot_write(folder: &Path, error: &io::Error) -> Fault {
    if error.kind() == io::ErrorKind::StorageFull || error.kind() == io::ErrorKind::QuotaExceeded {
        return Fault::new("store-03", format!("history is not written: no room left for '{}'", folder.display()))
            .detail(format!("The system says: {error}. What is sampled stays in memory for two hours."))
            .hint("Make room on this file system, or lower [store] max_bytes. Writing resumes by itself.");
    }
    Fault::new("store-05", format!("history is not written: writing to '{}' failed", folder.display()))
        .detail(format!("The system says: {error}. What is sampled stays in memory for two hours."))
        .hint("Is the device or its mount broken, or read-only? Writing is tried again each minute.")
}

/// The fault of a file system with less room than `[store] min_free`.
pub fn too_little_room(folder: &Path, space: Space, min_free: u64) -> Fault {
    let what = format!("history is not written: {} of room left for '{}'", bytes(space.available), folder.display());
    Fault::new("store-04", what)
        .detail(format!("[store] min_free keeps {} of {} free.", bytes(min_free), bytes(space.size)))
        .hint("Make room on this file system, or lower [store] min_free. Writing resumes by itself.")
}

/// The fault of a sync that failed.
pub fn cannot_sync(folder: &Path, error: &io::Error) -> Fault {
    Fault::new("store-06", format!("history is not durable: syncing '{}' failed", folder.display()))
        .detail(format!("The system says: {error}. The log is not trusted any more; memory holds the last two hours."))
        .hint("Look for errors of this device in the system's log. A new log is tried each minute.")
}

fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut size = count as f64;
    while size >= 1024.0 && unit < UNITS.len() - 1 {
        (size, unit) = (size / 1024.0, unit + 1);
    }
    if unit == 0 { format!("{count} B") } else { format!("{size:.1} {}", UNITS[unit]) }
}
