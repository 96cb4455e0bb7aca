//! Blocks: the samples of about two hours (raw) or a day (thinned) in one file that never changes.
//!
//! ```text
//! magic | per series, ids ascending: its chunks, each followed by its CRC | definitions | directory | footer
//! ```
//! The definitions (ids and labels) are read when the store opens, the directory (where each series' chunks are) when a
//! query comes, the chunks by pread. Everything stands under a CRC.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::model::labels::Labels;
use crate::model::series::SeriesId;
use crate::store::bytes::{Reader, put_text, put_unsigned};
use crate::store::chunk::Chunk;
use crate::store::crc::crc32;
use crate::store::disk::{self, Disk};
use crate::sys::files;
use crate::sys::files::File;

const MAGIC: &[u8; 8] = b"WWBLOCK1";
const FOOTER: usize = 6 * 8 + 4 * 4 + 4 + 8;
const ROW: usize = 4 + 4 + 8 + 8;
const BUFFER: usize = 64 << 10;

/// Why a block cannot be read.
#[derive(Debug, Error)]
pub enum BlockError {
    /// Its bytes are wrong: it is set aside.
    #[error("{0}")]
    Damaged(String),
    /// The system refused; the block may be good.
    #[error("{0}")]
    Io(#[from] io::Error),
}

fn damaged(what: impl Into<String>) -> BlockError {
    BlockError::Damaged(what.into())
}

/// Where a series' chunks stand in a block, and the time of the last sample there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub id: SeriesId,
    length: u32,
    offset: u64,
    pub last_ms: i64,
}

/// The rows of a block, ids ascending.
pub type Directory = Arc<[Row]>;

/// What a block says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub min_ms: i64,
    pub max_ms: i64,
    pub samples: u64,
    /// 0: raw; else the grid of which the last sample each was kept.
    pub grid_ms: u32,
    /// No id from here on was given when the block was written.
    pub next_id: u32,
}

/// An open block.
#[derive(Debug)]
pub struct Block {
    pub number: u64,
    pub path: PathBuf,
    pub bytes: u64,
    pub summary: Summary,
    file: File,
    parts: Parts,
}

/// Where the parts are and their checksums.
#[derive(Clone, Copy, Debug)]
struct Parts {
    definitions_at: u64,
    definitions_length: u64,
    directory_length: u64,
    definitions_crc: u32,
    directory_crc: u32,
}

/// The part of a block that is only read when the store opens.
#[derive(Debug)]
pub struct Definitions(Vec<u8>);

impl Definitions {
    /// The blocks that this one was made from and replaces, and all series with their labels.
    pub fn read(&self, each: impl FnMut(SeriesId, &[(&str, &str)])) -> Result<Vec<u64>, BlockError> {
        self.try_read(each).ok_or_else(|| damaged("its definitions end too early"))
    }

    fn try_read(&self, mut each: impl FnMut(SeriesId, &[(&str, &str)])) -> Option<Vec<u64>> {
        let mut reader = Reader::new(&self.0);
        let mut replaced = Vec::new();
        for _ in 0..reader.unsigned()? {
            replaced.push(reader.unsigned()?);
        }
        let mut texts = Vec::new();
        for _ in 0..reader.unsigned()? {
            texts.push(reader.text()?);
        }
        let mut id = 0;
        let mut pairs = Vec::new();
        while !reader.is_empty() {
            id += reader.unsigned()?;
            pairs.clear();
            for _ in 0..reader.unsigned()? {
                let name = texts.get(reader.unsigned()? as usize)?;
                pairs.push((*name, *texts.get(reader.unsigned()? as usize)?));
            }
            each(SeriesId(u32::try_from(id).ok()?), &pairs);
        }
        Some(replaced)
    }
}

impl Block {
    /// Opens a block and checks all of it but the chunks, which are checked when read.
    pub fn open(path: &Path, number: u64) -> Result<(Block, Definitions, Directory), BlockError> {
        let file = files::open(path)?;
        let bytes = file.metadata()?.len();
        let Some(footer_at) = bytes.checked_sub(FOOTER as u64).filter(|at| *at >= MAGIC.len() as u64) else {
            return Err(damaged(format!("it has only {bytes} bytes")));
        };
        let mut magic = [0; MAGIC.len()];
        file.read_exact_at(&mut magic, 0)?;
        let mut footer = [0; FOOTER];
        file.read_exact_at(&mut footer, footer_at)?;
        let (summary, parts) = read_footer(&footer).ok_or_else(|| damaged("its footer does not match its checksum"))?;
        let end = parts.definitions_at.checked_add(parts.definitions_length);
        let end = end.and_then(|end| end.checked_add(parts.directory_length));
        if &magic != MAGIC || end != Some(footer_at) || parts.directory_length % ROW as u64 != 0 {
            return Err(damaged("its footer does not fit the file"));
        }
        let block = Block { number, path: path.to_path_buf(), bytes, summary, file, parts };
        let mut definitions = vec![0; parts.definitions_length as usize];
        block.file.read_exact_at(&mut definitions, parts.definitions_at)?;
        if crc32(&[&definitions]) != parts.definitions_crc {
            return Err(damaged("its definitions do not match their checksum"));
        }
        let directory = block.directory()?;
        Ok((block, Definitions(definitions), directory))
    }

    pub fn overlaps(&self, from_ms: i64, to_ms: i64) -> bool {
        self.summary.max_ms > from_ms && self.summary.min_ms <= to_ms
    }

    /// Bytes of the directory in memory.
    pub fn directory_bytes(&self) -> usize {
        self.parts.directory_length as usize
    }

    pub fn directory(&self) -> Result<Directory, BlockError> {
        let mut bytes = vec![0; self.parts.directory_length as usize];
        self.file.read_exact_at(&mut bytes, self.parts.definitions_at + self.parts.definitions_length)?;
        if crc32(&[&bytes]) != self.parts.directory_crc {
            return Err(damaged("its directory does not match its checksum"));
        }
        let mut reader = Reader::new(&bytes);
        let mut row = || {
            let (id, length) = (SeriesId(reader.u32()?), reader.u32()?);
            Some(Row { id, length, offset: reader.u64()?, last_ms: reader.i64()? })
        };
        Ok(std::iter::from_fn(&mut row).collect())
    }

    /// Calls with every chunk of a series that may hold samples of `from_ms < at <= to_ms`.
    pub fn chunks(
        &self,
        row: &Row,
        from_ms: i64,
        to_ms: i64,
        each: &mut dyn FnMut(Chunk) -> Result<(), BlockError>,
    ) -> Result<(), BlockError> {
        let end = row.offset.checked_add(u64::from(row.length));
        if end.is_none_or(|end| end > self.parts.definitions_at) {
            return Err(damaged(format!("series {} lies outside of it", row.id.0)));
        }
        let wrong = || damaged(format!("a chunk of series {} does not match its checksum", row.id.0));
        let mut bytes = vec![0; row.length as usize];
        self.file.read_exact_at(&mut bytes, row.offset)?;
        let mut reader = Reader::new(&bytes);
        while !reader.is_empty() {
            let before = reader.rest;
            let chunk = Chunk::read(&mut reader).ok_or_else(wrong)?;
            let sealed = &before[..before.len() - reader.rest.len()];
            if reader.u32() != Some(crc32(&[sealed])) {
                return Err(wrong());
            }
            if chunk.overlaps(from_ms, to_ms) {
                each(chunk)?;
            }
        }
        Ok(())
    }

    /// Appends a series' samples of `from_ms < at <= to_ms`.
    pub fn samples(&self, row: &Row, from_ms: i64, to_ms: i64, out: &mut Vec<(i64, f64)>) -> Result<(), BlockError> {
        self.chunks(row, from_ms, to_ms, &mut |chunk| {
            let wrong = || damaged(format!("a chunk of series {} ends too early", row.id.0));
            chunk.decode(from_ms, to_ms, out).ok_or_else(wrong)
        })
    }
}

fn read_footer(footer: &[u8; FOOTER]) -> Option<(Summary, Parts)> {
    let mut reader = Reader::new(footer);
    let (definitions_at, definitions_length, directory_length) = (reader.u64()?, reader.u64()?, reader.u64()?);
    let (min_ms, max_ms, samples) = (reader.i64()?, reader.i64()?, reader.u64()?);
    let (grid_ms, next_id) = (reader.u32()?, reader.u32()?);
    let (definitions_crc, directory_crc) = (reader.u32()?, reader.u32()?);
    let crc = crc32(&[&footer[..FOOTER - reader.rest.len()]]);
    let whole = reader.u32()? == crc && reader.slice(8)? == MAGIC;
    let parts = Parts { definitions_at, definitions_length, directory_length, definitions_crc, directory_crc };
    whole.then_some((Summary { min_ms, max_ms, samples, grid_ms, next_id }, parts))
}

/// Writes a block, series by series. Until `finish` it has a name that says it is not finished.
#[derive(Debug)]
pub struct Writer<'a> {
    disk: &'a dyn Disk,
    file: File,
    unfinished: PathBuf,
    path: PathBuf,
    number: u64,
    buffer: Vec<u8>,
    written: u64,
    rows: Vec<Row>,
    texts: HashMap<Arc<str>, u64>,
    texts_in_order: Vec<Arc<str>>,
    definitions: Vec<u8>,
    last_id: u32,
    summary: Summary,
}

impl<'a> Writer<'a> {
    pub fn create(disk: &'a dyn Disk, folder: &Path, number: u64, grid_ms: u32) -> io::Result<Writer<'a>> {
        let path = disk::path_of(folder, number, "block");
        let (file, unfinished) = disk::create_unfinished(&path)?;
        Ok(Writer {
            disk,
            file,
            unfinished,
            path,
            number,
            buffer: MAGIC.to_vec(),
            written: 0,
            rows: Vec::new(),
            texts: HashMap::new(),
            texts_in_order: Vec::new(),
            definitions: Vec::new(),
            last_id: 0,
            summary: Summary { min_ms: i64::MAX, max_ms: i64::MIN, samples: 0, grid_ms, next_id: 0 },
        })
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds a series, ids ascending, by its chunks as sealed, in order of time.
    pub fn add(&mut self, id: SeriesId, labels: &Labels, chunks: &[u8]) -> io::Result<()> {
        let offset = self.written + self.buffer.len() as u64;
        let mut last_ms = i64::MIN;
        let mut reader = Reader::new(chunks);
        while !reader.is_empty() {
            let before = reader.rest;
            let Some(chunk) = Chunk::read(&mut reader) else { break };
            let sealed = &before[..before.len() - reader.rest.len()];
            self.buffer.extend_from_slice(sealed);
            self.buffer.extend_from_slice(&crc32(&[sealed]).to_le_bytes());
            self.summary.min_ms = self.summary.min_ms.min(chunk.first_ms);
            self.summary.samples += u64::from(chunk.count);
            last_ms = last_ms.max(chunk.last_ms);
        }
        let length = (self.written + self.buffer.len() as u64 - offset) as u32;
        if length == 0 {
            return Ok(());
        }
        self.summary.max_ms = self.summary.max_ms.max(last_ms);
        self.rows.push(Row { id, length, offset, last_ms });
        self.define(id, labels);
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    /// Writes the rest, makes it durable and gives it its name. `replaced` are the blocks whose samples this one holds.
    pub fn finish(mut self, next_id: u32, replaced: &[u64]) -> io::Result<PathBuf> {
        self.summary.next_id = next_id;
        let mut definitions = Vec::new();
        put_unsigned(&mut definitions, replaced.len() as u64);
        replaced.iter().for_each(|number| put_unsigned(&mut definitions, *number));
        put_unsigned(&mut definitions, self.texts_in_order.len() as u64);
        self.texts_in_order.iter().for_each(|text| put_text(&mut definitions, text));
        definitions.extend_from_slice(&self.definitions);
        let mut directory = Vec::with_capacity(self.rows.len() * ROW);
        for row in &self.rows {
            directory.extend_from_slice(&row.id.0.to_le_bytes());
            directory.extend_from_slice(&row.length.to_le_bytes());
            directory.extend_from_slice(&row.offset.to_le_bytes());
            directory.extend_from_slice(&row.last_ms.to_le_bytes());
        }
        let footer = self.footer(&definitions, &directory);
        for part in [definitions, directory, footer] {
            self.buffer.extend_from_slice(&part);
            self.flush()?;
        }
        self.disk.sync(&self.file)?;
        files::rename(&self.unfinished, &self.path)?;
        if let Some(folder) = self.path.parent() {
            files::sync_folder(folder)?;
        }
        Ok(std::mem::take(&mut self.path))
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    fn footer(&self, definitions: &[u8], directory: &[u8]) -> Vec<u8> {
        let summary = self.summary;
        let definitions_at = self.written + self.buffer.len() as u64;
        let mut footer = Vec::with_capacity(FOOTER);
        for number in [definitions_at, definitions.len() as u64, directory.len() as u64] {
            footer.extend_from_slice(&number.to_le_bytes());
        }
        footer.extend_from_slice(&summary.min_ms.to_le_bytes());
        footer.extend_from_slice(&summary.max_ms.to_le_bytes());
        footer.extend_from_slice(&summary.samples.to_le_bytes());
        for number in [summary.grid_ms, summary.next_id, crc32(&[definitions]), crc32(&[directory])] {
            footer.extend_from_slice(&number.to_le_bytes());
        }
        footer.extend_from_slice(&crc32(&[&footer]).to_le_bytes());
        footer.extend_from_slice(MAGIC);
        footer
    }

    fn define(&mut self, id: SeriesId, labels: &Labels) {
        put_unsigned(&mut self.definitions, u64::from(id.0 - self.last_id));
        put_unsigned(&mut self.definitions, labels.len() as u64);
        for label in labels.iter() {
            let (name, value) = (self.text(&label.name), self.text(&label.value));
            put_unsigned(&mut self.definitions, name);
            put_unsigned(&mut self.definitions, value);
        }
        self.last_id = id.0;
    }

    fn text(&mut self, text: &Arc<str>) -> u64 {
        if let Some(number) = self.texts.get(text) {
            return *number;
        }
        let number = self.texts_in_order.len() as u64;
        self.texts.insert(text.clone(), number);
        self.texts_in_order.push(text.clone());
        number
    }

    fn flush(&mut self) -> io::Result<()> {
        self.disk.write(&self.file, &self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl Drop for Writer<'_> {
    /// A block that was not finished leaves nothing behind; one that was is no longer under that name.
    fn drop(&mut self) {
        let _ = files::remove(&self.unfinished);
    }
}
