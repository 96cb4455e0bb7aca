//! The log: every cycle is one record, appended by one write(). A segment is complete by itself: it begins with all
//! series and with what memory held then. A record names its length and checksum, so that reading finds the next whole
//! one.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::labels::Labels;
use crate::model::series::SeriesId;
use crate::store::bytes::{Reader, put_float, put_signed, put_text, put_unsigned};
use crate::store::chunk::Chunk;
use crate::store::crc::crc32;
use crate::sys::files::File;

/// How every record begins: three bytes that seldom stand by chance, then its kind.
const MARK: [u8; 3] = [0xd7, b'W', b'L'];
/// Mark, kind, length, checksum.
const HEADER: usize = 3 + 1 + 4 + 4;
/// No record is longer; a length beyond it is damage.
const RECORD_MAX: usize = 64 << 20;
/// How much of a segment is read at a time.
const WINDOW: usize = 256 << 10;

const BEGIN: u8 = 1;
const DEFINE: u8 = 2;
const CYCLE: u8 = 3;
const CHUNKS: u8 = 4;

/// What the records of a segment say, in order.
pub trait Replay {
    /// No id below this one may be given again.
    fn begin(&mut self, next_id: u32);
    fn define(&mut self, id: SeriesId, pairs: &[(&str, &str)]);
    fn sample(&mut self, id: SeriesId, at_ms: i64, value: f64);
}

/// What reading a segment came upon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Where the last whole record ends: what lies behind it is torn.
    pub whole: u64,
    /// Bytes behind the last whole record.
    pub torn: u64,
    /// Bytes between whole records that are none themselves: damage, not a torn tail.
    pub damaged: u64,
}

/// Appends the record a segment begins with.
pub fn put_begin(out: &mut Vec<u8>, next_id: u32) {
    let start = begin_record(out, BEGIN);
    put_unsigned(out, u64::from(next_id));
    finish_record(out, start);
}

/// Appends the definition of a series.
pub fn put_definition(out: &mut Vec<u8>, id: SeriesId, labels: &Labels) {
    let start = begin_record(out, DEFINE);
    put_unsigned(out, u64::from(id.0));
    for label in labels.iter() {
        put_text(out, &label.name);
        put_text(out, &label.value);
    }
    finish_record(out, start);
}

/// Appends what memory holds of a series: sealed chunks, one after another.
pub fn put_chunks(out: &mut Vec<u8>, id: SeriesId, chunks: &[u8]) {
    let start = begin_record(out, CHUNKS);
    put_unsigned(out, u64::from(id.0));
    out.extend_from_slice(chunks);
    finish_record(out, start);
}

/// The record of one cycle, being filled.
#[derive(Debug)]
pub struct CycleRecord {
    start: usize,
    last_id: u32,
}

impl CycleRecord {
    pub fn begin(out: &mut Vec<u8>, at_ms: i64) -> CycleRecord {
        let start = begin_record(out, CYCLE);
        put_signed(out, at_ms);
        CycleRecord { start, last_id: 0 }
    }

    /// Adds a point. Neighbouring points have neighbouring ids, so the difference is written.
    pub fn point(&mut self, out: &mut Vec<u8>, id: SeriesId, value: f64) {
        put_signed(out, i64::from(id.0) - i64::from(self.last_id));
        put_float(out, value);
        self.last_id = id.0;
    }

    pub fn finish(self, out: &mut [u8]) {
        finish_record(out, self.start);
    }
}

fn begin_record(out: &mut Vec<u8>, kind: u8) -> usize {
    let start = out.len();
    out.extend_from_slice(&MARK);
    out.push(kind);
    out.extend_from_slice(&[0; 8]);
    start
}

fn finish_record(out: &mut [u8], start: usize) {
    let record = &mut out[start..];
    let length = (record.len() - HEADER) as u32;
    record[4..8].copy_from_slice(&length.to_le_bytes());
    let crc = crc32(&[&record[3..8], &record[HEADER..]]);
    record[8..HEADER].copy_from_slice(&crc.to_le_bytes());
}

/// The segment that is being appended to.
#[derive(Clone, Debug)]
pub struct Segment {
    pub file: Arc<File>,
    pub path: PathBuf,
    pub number: u64,
    /// Up to here, records are whole.
    pub bytes: u64,
    /// How large it was when it was begun, or opened.
    pub begun_bytes: u64,
}

/// Reads a segment from its beginning and tells what it says. Passes over damage to the next whole record.
///
/// # Errors
/// The system's own, from reading. Damage is none.
pub fn replay(file: &File, into: &mut dyn Replay) -> io::Result<Read> {
    let end = file.metadata()?.len();
    let mut window = Window { file, end, start: 0, bytes: Vec::new() };
    let mut read = Read::default();
    let mut at = 0;
    while at < end {
        match window.record(at)? {
            Some((kind, payload)) => {
                let next = at + (HEADER + payload.len()) as u64;
                tell(kind, payload, into);
                read.damaged += at - read.whole;
                (read.whole, at) = (next, next);
            }
            None => at = window.next_mark(at + 1)?,
        }
    }
    read.torn = end - read.whole;
    Ok(read)
}

/// Tells one record. A payload with a right checksum that says nothing sensible comes from a later version: it is
/// passed over from there on.
fn tell(kind: u8, payload: &[u8], into: &mut dyn Replay) -> Option<()> {
    let mut reader = Reader::new(payload);
    match kind {
        BEGIN => into.begin(u32::try_from(reader.unsigned()?).ok()?),
        DEFINE => {
            let id = SeriesId(u32::try_from(reader.unsigned()?).ok()?);
            let mut pairs = Vec::new();
            while !reader.is_empty() {
                pairs.push((reader.text()?, reader.text()?));
            }
            into.define(id, &pairs);
        }
        CYCLE => {
            let at_ms = reader.signed()?;
            let mut id = 0_i64;
            while !reader.is_empty() {
                id = id.checked_add(reader.signed()?)?;
                into.sample(SeriesId(u32::try_from(id).ok()?), at_ms, reader.float()?);
            }
        }
        CHUNKS => {
            let id = SeriesId(u32::try_from(reader.unsigned()?).ok()?);
            while !reader.is_empty() {
                for (at_ms, value) in Chunk::read(&mut reader)?.samples() {
                    into.sample(id, at_ms, value);
                }
            }
        }
        _ => return None,
    }
    Some(())
}

/// A piece of a file in memory, moved along as the reading goes.
struct Window<'a> {
    file: &'a File,
    end: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// The kind and payload of the record that begins here, if a whole one does.
    fn record(&mut self, at: u64) -> io::Result<Option<(u8, &[u8])>> {
        let Some(header) = self.slice(at, HEADER)? else { return Ok(None) };
        if header[..3] != MARK {
            return Ok(None);
        }
        let mut reader = Reader::new(&header[4..]);
        let (Some(length), Some(crc)) = (reader.u32(), reader.u32()) else { return Ok(None) };
        if length as usize > RECORD_MAX {
            return Ok(None);
        }
        let Some(record) = self.slice(at, HEADER + length as usize)? else { return Ok(None) };
        let payload = &record[HEADER..];
        Ok((crc32(&[&record[3..8], payload]) == crc).then_some((record[3], payload)))
    }

    /// The next place from `at` on where a record may begin, or the end.
    fn next_mark(&mut self, mut at: u64) -> io::Result<u64> {
        while at + (MARK.len() as u64) <= self.end {
            let length = (self.end - at).min(WINDOW as u64) as usize;
            let Some(bytes) = self.slice(at, length)? else { break };
            if let Some(found) = bytes.windows(MARK.len()).position(|three| three == MARK) {
                return Ok(at + found as u64);
            }
            at += (length - MARK.len() + 1) as u64;
        }
        Ok(self.end)
    }

    fn slice(&mut self, at: u64, length: usize) -> io::Result<Option<&[u8]>> {
        if at + length as u64 > self.end {
            return Ok(None);
        }
        if at < self.start || at + length as u64 > self.start + self.bytes.len() as u64 {
            let wanted = (length.max(WINDOW) as u64).min(self.end - at) as usize;
            self.bytes.resize(wanted, 0);
            self.bytes.truncate(wanted);
            self.file.read_exact_at(&mut self.bytes, at)?;
            self.start = at;
        }
        let offset = (at - self.start) as usize;
        Ok(Some(&self.bytes[offset..offset + length]))
    }
}
