//! The newest two hours in memory: per series one open chunk, and sealed chunks in pages that all series share.
//! No chunk crosses a window of two hours and no page holds two windows, so a written window leaves as whole pages.

use std::mem::size_of;
use std::ops::Range;

use crate::model::labels::Labels;
use crate::model::series::{STALE, SeriesId};
use crate::store::chunk::{Chunk, Open};
use crate::store::index::Index;
use crate::store::pages::{Cut, Pages, Place};

/// The span of a block and of a chunk, at most.
pub const WINDOW_MS: i64 = 2 * 60 * 60 * 1000;

/// The number of the window a time falls into.
pub fn window_of(at_ms: i64) -> i64 {
    at_ms.div_euclid(WINDOW_MS)
}

/// What became of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    Accepted,
    /// The series is not (or no longer) in the index.
    UnknownSeries,
    /// Older than the series' last sample.
    OutOfOrder,
    /// The series has a sample at this time.
    Duplicate,
}

/// A label set and an id contradict what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict;

/// One series.
#[derive(Debug)]
pub struct Entry {
    labels: Labels,
    open: Open,
    sealed: Vec<Place>,
    /// When the series became known; protects one that has no sample yet.
    known_ms: i64,
}

impl Entry {
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Time and value of the newest sample; of one that only a block holds, the value is not known and reads as stale.
    pub fn last(&self) -> (i64, f64) {
        self.open.last()
    }
}

/// All series and their newest samples.
#[derive(Debug, Default)]
pub struct Head {
    pub index: Index,
    /// Ascending, beside `entries`.
    ids: Vec<u32>,
    entries: Vec<Entry>,
    pages: Pages,
    next_id: u32,
    newest_ms: Option<i64>,
}

impl Head {
    /// The id that a new series would get.
    pub fn next_id(&self) -> u32 {
        self.next_id
    }

    /// Makes sure that no id below is given again.
    pub fn raise_next_id(&mut self, next_id: u32) {
        self.next_id = self.next_id.max(next_id);
    }

    /// The newest time of any sample ever appended.
    pub fn newest_ms(&self) -> Option<i64> {
        self.newest_ms
    }

    pub fn series_count(&self) -> usize {
        self.entries.len()
    }

    pub fn entry(&self, id: SeriesId) -> Option<&Entry> {
        self.position(id).map(|position| &self.entries[position])
    }

    /// Series by their place in ascending order of ids, for work in batches: `(id, entry)`.
    pub fn batch(&self, range: Range<usize>) -> impl Iterator<Item = (SeriesId, &Entry)> {
        let range = range.start.min(self.ids.len())..range.end.min(self.ids.len());
        self.ids[range.clone()].iter().map(|id| SeriesId(*id)).zip(&self.entries[range])
    }

    /// The next series after one, in ascending order of ids; stays right when series come or leave between two batches.
    pub fn batch_after(&self, id: Option<SeriesId>, count: usize) -> impl Iterator<Item = (SeriesId, &Entry)> {
        let start = id.map_or(0, |id| self.ids.partition_point(|one| *one <= id.0));
        self.batch(start..start.saturating_add(count))
    }

    /// Whether a series has nothing in memory and neither was made nor had a sample since.
    pub fn is_dead(&self, entry: &Entry, horizon_ms: i64) -> bool {
        let last_ms = entry.open.last().0.max(entry.known_ms);
        entry.open.is_empty() && entry.sealed.is_empty() && last_ms < horizon_ms
    }

    /// Gives a new series its id; `None` once 2^32 - 1 were given.
    pub fn create(&mut self, labels: &Labels, now_ms: i64) -> Option<SeriesId> {
        let id = SeriesId(self.next_id);
        self.next_id = self.next_id.checked_add(1)?;
        self.insert(id, labels.iter().map(|label| (&*label.name, &*label.value)), now_ms);
        Some(id)
    }

    /// Takes in a series that was given its id earlier.
    pub fn define(&mut self, id: SeriesId, pairs: &[(&str, &str)], now_ms: i64) -> Result<(), Conflict> {
        self.next_id = self.next_id.max(id.0.saturating_add(1));
        if let Some(entry) = self.entry(id) {
            let known = entry.labels.iter().map(|label| (&*label.name, &*label.value));
            return if known.eq(pairs.iter().copied()) { Ok(()) } else { Err(Conflict) };
        }
        // A series that left and came back has a second id; the higher is the later one, and the first has no samples
        // left.
        match self.index.id(&pairs.iter().copied().collect()) {
            Some(later) if later > id => return Ok(()),
            Some(earlier) => self.remove(&[earlier]),
            None => {}
        }
        self.insert(id, pairs.iter().copied(), now_ms);
        Ok(())
    }

    /// Says that blocks hold this series up to a time. Older samples will be dropped as out of order.
    pub fn written_until(&mut self, id: SeriesId, last_ms: i64) {
        let Some(position) = self.position(id) else { return };
        let open = &mut self.entries[position].open;
        if open.is_empty() && open.last().0 < last_ms {
            *open = Open::after(last_ms, STALE);
        }
        self.newest_ms = self.newest_ms.max(Some(last_ms));
    }

    pub fn append(&mut self, id: SeriesId, at_ms: i64, value: f64) -> Appended {
        let Some(position) = self.position(id) else { return Appended::UnknownSeries };
        let entry = &mut self.entries[position];
        let (last_ms, _) = entry.open.last();
        if at_ms <= last_ms {
            return if at_ms == last_ms { Appended::Duplicate } else { Appended::OutOfOrder };
        }
        let open = &mut entry.open;
        if open.is_full() || (!open.is_empty() && window_of(open.first_ms()) != window_of(at_ms)) {
            seal(entry, &mut self.pages);
        }
        entry.open.push(at_ms, value);
        self.newest_ms = self.newest_ms.max(Some(at_ms));
        Appended::Accepted
    }

    /// Appends a series' chunks that may hold samples of `from_ms < at <= to_ms`, in order of time, the open one last.
    pub fn copy(&self, id: SeriesId, from_ms: i64, to_ms: i64, out: &mut Vec<u8>) {
        let Some(entry) = self.entry(id) else { return };
        for place in &entry.sealed {
            self.copy_chunk(*place, out, |chunk| chunk.overlaps(from_ms, to_ms));
        }
        if !entry.open.is_empty() && entry.open.last().0 > from_ms && entry.open.first_ms() <= to_ms {
            entry.open.seal(out);
        }
    }

    fn copy_chunk(&self, place: Place, out: &mut Vec<u8>, wanted: impl Fn(&Chunk) -> bool) {
        if let Some(chunk) = self.pages.chunk(place).filter(wanted) {
            chunk.write(out);
        }
    }

    /// Whether anything stands in windows before this one.
    pub fn has_before(&self, window_end: i64) -> bool {
        self.pages.any_before(window_end) || self.entries.iter().any(|entry| opened_before(entry, window_end))
    }

    /// Seals the open chunks that began before a window, of the series at these places; those are all chunks that no
    /// sample of a later window will seal in passing.
    pub fn seal_before(&mut self, window_end: i64, range: Range<usize>) {
        let range = range.start.min(self.entries.len())..range.end.min(self.entries.len());
        for entry in &mut self.entries[range] {
            if opened_before(entry, window_end) {
                seal(entry, &mut self.pages);
            }
        }
    }

    /// Fixes what a cut takes: the chunks sealed so far. What is sealed later goes to new pages.
    pub fn begin_cut(&mut self, window_end: i64) -> Cut {
        self.pages.begin_cut(window_end)
    }

    /// Appends a series' chunks that belong to a cut.
    pub fn copy_cut(&self, entry: &Entry, cut: Cut, out: &mut Vec<u8>) {
        for place in entry.sealed.iter().filter(|place| self.pages.is_cut(**place, cut)) {
            self.copy_chunk(*place, out, |_| true);
        }
    }

    /// Lets go of what a cut took. Places into the pages stay until `forget_places`; they read as nothing.
    pub fn finish_cut(&mut self, cut: Cut) {
        self.pages.finish_cut(cut);
    }

    /// Forgets the places of pages that are gone, of the series in this range; returns how many.
    pub fn forget_places(&mut self, range: Range<usize>) -> u64 {
        let range = range.start.min(self.entries.len())..range.end.min(self.entries.len());
        let mut gone = 0;
        for entry in &mut self.entries[range] {
            let before = entry.sealed.len();
            entry.sealed.retain(|place| self.pages.holds(*place));
            gone += (before - entry.sealed.len()) as u64;
        }
        gone
    }

    /// Drops whole pages and open chunks whose newest sample is older, for a head that cannot be written. Returns how
    /// many chunks were lost.
    pub fn drop_before(&mut self, horizon_ms: i64) -> u64 {
        let mut lost = if self.pages.drop_before(horizon_ms) { self.forget_places(0..self.series_count()) } else { 0 };
        for entry in self.entries.iter_mut().filter(|entry| !entry.open.is_empty()) {
            if entry.open.last().0 < horizon_ms {
                entry.open.clear();
                lost += 1;
            }
        }
        lost
    }

    /// Removes the series that have nothing in memory and neither were made nor had a sample since. Returns how many.
    pub fn forget_before(&mut self, horizon_ms: i64) -> usize {
        let gone: Vec<SeriesId> = self
            .batch(0..self.series_count())
            .filter(|(_, entry)| self.is_dead(entry, horizon_ms))
            .map(|(id, _)| id)
            .collect();
        if !gone.is_empty() {
            self.remove(&gone);
            self.index.forget_texts();
        }
        gone.len()
    }

    /// Bytes asked of the allocator, with 16 for its own use per allocation; of a page, the part that was written to.
    pub fn bytes(&self) -> usize {
        let entries: usize = self
            .entries
            .iter()
            .map(|entry| entry.open.capacity() + entry.sealed.capacity() * size_of::<Place>() + 32)
            .sum();
        let tables = self.ids.capacity() * 4 + self.entries.capacity() * size_of::<Entry>();
        self.pages.bytes() + entries + tables + self.index.bytes()
    }

    fn insert<'a>(&mut self, id: SeriesId, pairs: impl Iterator<Item = (&'a str, &'a str)>, known_ms: i64) {
        let labels = self.index.insert(id, pairs);
        let position = self.ids.partition_point(|one| *one < id.0);
        let growth = 64 + self.ids.len() / 8; // an eighth more, not the double
        if self.ids.len() == self.ids.capacity() {
            self.ids.reserve_exact(growth);
            self.entries.reserve_exact(growth);
        }
        self.ids.insert(position, id.0);
        let open = Open::after(i64::MIN, STALE);
        self.entries.insert(position, Entry { labels, open, sealed: Vec::new(), known_ms });
    }

    /// Removes series; ids ascend.
    fn remove(&mut self, gone: &[SeriesId]) {
        for id in gone {
            if let Some(position) = self.position(*id) {
                self.index.remove(*id, &self.entries[position].labels);
            }
        }
        let stays = |id: u32| gone.binary_search(&SeriesId(id)).is_err();
        let mut ids = self.ids.iter();
        self.entries.retain(|_| ids.next().is_some_and(|id| stays(*id)));
        self.ids.retain(|id| stays(*id));
    }

    fn position(&self, id: SeriesId) -> Option<usize> {
        // Ids are dense until series leave: then the place is the id's distance from the first.
        let guess = id.0.checked_sub(*self.ids.first()?)? as usize;
        if self.ids.get(guess) == Some(&id.0) { Some(guess) } else { self.ids.binary_search(&id.0).ok() }
    }
}

fn opened_before(entry: &Entry, window_end: i64) -> bool {
    !entry.open.is_empty() && window_of(entry.open.first_ms()) < window_end
}

fn seal(entry: &mut Entry, pages: &mut Pages) {
    if entry.sealed.len() == entry.sealed.capacity() {
        entry.sealed.reserve_exact(4);
    }
    entry.sealed.push(pages.store(window_of(entry.open.first_ms()), &entry.open));
    entry.open.clear();
}
