//! Pages: sealed chunks of all series behind one another. A page belongs to one window of time and is let go as a
//! whole. Series that are sampled together share their column of times: it stands in a page once.

use std::collections::BTreeMap;

use crate::store::bytes::{Reader, put_unsigned};
use crate::store::chunk::{BYTES_MAX, Chunk, Open};

/// Above the allocator's threshold for mappings of their own: a freed page goes back to the system.
const PAGE_BYTES: usize = 256 * 1024;
/// How many columns of times a page offers to later chunks. Each target has its own.
const TIMES_MAX: usize = 64;

/// Where a sealed chunk begins.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    page: u32,
    offset: u32,
}

#[derive(Debug)]
struct Page {
    window: i64,
    newest_ms: i64,
    /// Columns of times, and chunks: where the times stand, the length of the values, the values.
    bytes: Vec<u8>,
    /// Where the columns of times stand that came last.
    times: Vec<u32>,
}

impl Page {
    fn column(&self, offset: u32) -> Option<&[u8]> {
        let mut reader = Reader::new(self.bytes.get(offset as usize..)?);
        let length = reader.unsigned()?;
        reader.slice(length as usize)
    }

    fn chunk(&self, offset: u32) -> Option<Chunk<'_>> {
        let mut reader = Reader::new(self.bytes.get(offset as usize..)?);
        let times = self.column(reader.unsigned()? as u32)?;
        let length = reader.unsigned()?;
        Chunk::of(times, reader.slice(length as usize)?)
    }

    fn share_times(&mut self, times: &[u8]) -> u32 {
        if let Some(known) = self.times.iter().rev().find(|offset| self.column(**offset) == Some(times)) {
            return *known;
        }
        let offset = self.put_column(times);
        if self.times.len() == TIMES_MAX {
            self.times.remove(0);
        }
        self.times.push(offset);
        offset
    }

    fn put_column(&mut self, column: &[u8]) -> u32 {
        let offset = self.bytes.len() as u32;
        put_unsigned(&mut self.bytes, column.len() as u64);
        self.bytes.extend_from_slice(column);
        offset
    }
}

/// The pages a cut takes: those numbered below `page_end` whose window is before `window_end`.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    page_end: u32,
    window_end: i64,
}

/// All pages.
#[derive(Debug, Default)]
pub struct Pages {
    pages: BTreeMap<u32, Page>,
    /// Per window, the page that still has room.
    filling: BTreeMap<i64, u32>,
    next: u32,
}

impl Pages {
    /// Seals a chunk into the page of its window.
    pub fn store(&mut self, window: i64, open: &Open) -> Place {
        let has_room = |page: &Page| page.bytes.len() + BYTES_MAX <= PAGE_BYTES;
        let number = match self.filling.get(&window) {
            Some(number) if self.pages.get(number).is_some_and(has_room) => *number,
            _ => {
                self.filling.insert(window, self.next);
                self.next += 1;
                self.next - 1
            }
        };
        let make = || Page { window, newest_ms: i64::MIN, bytes: Vec::with_capacity(PAGE_BYTES), times: Vec::new() };
        let page = self.pages.entry(number).or_insert_with(make);
        let (times, values) = open.columns();
        let times = page.share_times(&times);
        let offset = page.bytes.len() as u32;
        put_unsigned(&mut page.bytes, u64::from(times));
        page.put_column(&values);
        page.newest_ms = page.newest_ms.max(open.last().0);
        Place { page: number, offset }
    }

    /// The chunk at a place; `None` once its page was let go.
    pub fn chunk(&self, place: Place) -> Option<Chunk<'_>> {
        self.pages.get(&place.page)?.chunk(place.offset)
    }

    pub fn holds(&self, place: Place) -> bool {
        self.pages.contains_key(&place.page)
    }

    pub fn any_before(&self, window_end: i64) -> bool {
        self.pages.values().any(|page| page.window < window_end)
    }

    /// Fixes what a cut takes: the chunks sealed so far. What is sealed later goes to new pages.
    pub fn begin_cut(&mut self, window_end: i64) -> Cut {
        self.filling.retain(|window, _| *window >= window_end);
        Cut { page_end: self.next, window_end }
    }

    pub fn is_cut(&self, place: Place, cut: Cut) -> bool {
        let taken = |page: &Page| page.window < cut.window_end;
        place.page < cut.page_end && self.pages.get(&place.page).is_some_and(taken)
    }

    /// Lets go of what a cut took.
    pub fn finish_cut(&mut self, cut: Cut) {
        self.pages.retain(|number, page| *number >= cut.page_end || page.window >= cut.window_end);
    }

    /// Lets go of the pages whose newest sample is older; says whether there were any.
    pub fn drop_before(&mut self, horizon_ms: i64) -> bool {
        let before = self.pages.len();
        self.pages.retain(|_, page| page.newest_ms >= horizon_ms);
        self.filling.retain(|_, number| self.pages.contains_key(number));
        self.pages.len() < before
    }

    /// Bytes of the parts that were written to: the rest of a page takes no memory yet.
    pub fn bytes(&self) -> usize {
        self.pages.values().map(|page| page.bytes.len().next_multiple_of(4096) + page.times.capacity() * 4).sum()
    }
}
