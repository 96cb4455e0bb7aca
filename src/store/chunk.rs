//! Chunks: up to 120 samples of one series, compressed. While open, times and values stand in turn in one run of bits;
//! sealed, in two columns. Bits survive exactly, whatever NaN they spell.

use crate::store::bits::{BitReader, BitWriter, Window};
use crate::store::bytes::{Reader, put_unsigned};
use crate::store::columns::{Times, Values, put_times, put_values};

/// A full chunk. At 5 s that is ten minutes.
pub const SAMPLES_MAX: u8 = 120;

/// No chunk, sealed, is longer: per sample at most 69 bits of time and 77 of value, and what stands before them.
pub const BYTES_MAX: usize = SAMPLES_MAX as usize * 19 + 64;

/// The chunk being filled. Between two chunks it still knows the last sample.
#[derive(Clone, Debug)]
pub struct Open {
    bits: BitWriter,
    first_ms: i64,
    last_ms: i64,
    last_bits: u64,
    step_ms: i64,
    window: Window,
    count: u8,
}

impl Open {
    /// An empty chunk of a series whose last sample, in an earlier chunk, was this one.
    pub fn after(last_ms: i64, last_value: f64) -> Open {
        let (bits, last_bits) = (BitWriter::default(), last_value.to_bits());
        Open { bits, first_ms: 0, last_ms, last_bits, step_ms: 0, window: Window::NONE, count: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn is_full(&self) -> bool {
        self.count >= SAMPLES_MAX
    }

    pub fn count(&self) -> u8 {
        self.count
    }

    /// Time of the first sample in this chunk; means nothing while it is empty.
    pub fn first_ms(&self) -> i64 {
        self.first_ms
    }

    /// The last sample of the series, in this chunk or before it.
    pub fn last(&self) -> (i64, f64) {
        (self.last_ms, f64::from_bits(self.last_bits))
    }

    /// Bytes asked of the allocator.
    pub fn capacity(&self) -> usize {
        self.bits.capacity()
    }

    /// Adds a sample. The caller sees to it that the chunk is not full and that time goes forward.
    pub fn push(&mut self, at_ms: i64, value: f64) {
        let value_bits = value.to_bits();
        self.bits.reserve(20, 36); // in small steps: there are thousands of these, most of them short
        if self.count == 0 {
            (self.first_ms, self.step_ms, self.window) = (at_ms, 0, Window::NONE);
            self.bits.put(value_bits, 64);
        } else {
            let step_ms = at_ms.wrapping_sub(self.last_ms);
            self.bits.put_step_change(step_ms.wrapping_sub(self.step_ms));
            self.window.put(&mut self.bits, value_bits ^ self.last_bits);
            self.step_ms = step_ms;
        }
        (self.last_ms, self.last_bits) = (at_ms, value_bits);
        self.count += 1;
    }

    /// The two columns of the chunk in its final form.
    pub fn columns(&self) -> (Vec<u8>, Vec<u8>) {
        let (times, values): (Vec<i64>, Vec<f64>) = self.samples().unzip();
        let mut columns = (Vec::new(), Vec::new());
        put_times(&mut columns.0, &times);
        put_values(&mut columns.1, &values);
        columns
    }

    /// Appends the chunk in its final form, which `Chunk::read` reads.
    pub fn seal(&self, out: &mut Vec<u8>) {
        let (times, values) = self.columns();
        put_columns(out, &times, &values);
    }

    /// Forgets the samples, keeps the memory and the last sample.
    pub fn clear(&mut self) {
        self.bits.clear();
        self.count = 0;
    }

    fn samples(&self) -> impl Iterator<Item = (i64, f64)> {
        let mut bits = BitReader::new(self.bits.bytes());
        let (mut at_ms, mut step_ms, mut value, mut window) = (self.first_ms, 0_i64, 0, Window::NONE);
        (0..self.count).map_while(move |place| {
            if place == 0 {
                value = bits.take(64)?;
            } else {
                step_ms = step_ms.wrapping_add(bits.take_step_change()?);
                at_ms = at_ms.wrapping_add(step_ms);
                value ^= window.take(&mut bits)?;
            }
            Some((at_ms, f64::from_bits(value)))
        })
    }
}

fn put_columns(out: &mut Vec<u8>, times: &[u8], values: &[u8]) {
    for column in [times, values] {
        put_unsigned(out, column.len() as u64);
        out.extend_from_slice(column);
    }
}

/// A sealed chunk, still compressed.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    pub first_ms: i64,
    pub last_ms: i64,
    pub count: u8,
    times: &'a [u8],
    values: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// A chunk of two columns; `None` if the times make no sense.
    pub fn of(times: &'a [u8], values: &'a [u8]) -> Option<Chunk<'a>> {
        let Times { count, first_ms, last_ms, .. } = Times::read(times)?;
        (count > 0 && count <= SAMPLES_MAX).then_some(Chunk { first_ms, last_ms, count, times, values })
    }

    /// Takes one chunk off the front; `None` if there is no whole one.
    pub fn read(from: &mut Reader<'a>) -> Option<Chunk<'a>> {
        let mut column = || {
            let length = usize::try_from(from.unsigned()?).ok()?;
            from.slice(length)
        };
        Chunk::of(column()?, column()?)
    }

    /// Appends the chunk, for `read`.
    pub fn write(&self, out: &mut Vec<u8>) {
        put_columns(out, self.times, self.values);
    }

    /// Whether it may hold samples of `from_ms < at <= to_ms`.
    pub fn overlaps(&self, from_ms: i64, to_ms: i64) -> bool {
        self.last_ms > from_ms && self.first_ms <= to_ms
    }

    /// Its samples in order. The iterator ends early if the bits make no sense.
    pub fn samples(&self) -> impl Iterator<Item = (i64, f64)> {
        let columns = Times::read(self.times).zip(Values::read(self.values));
        columns.into_iter().flat_map(|(times, values)| times.zip(values)).take(usize::from(self.count))
    }

    /// Appends the samples of `from_ms < at <= to_ms`; `None` if the bits make no sense.
    pub fn decode(&self, from_ms: i64, to_ms: i64, out: &mut Vec<(i64, f64)>) -> Option<()> {
        let mut count = 0;
        for (at_ms, value) in self.samples() {
            count += 1;
            if at_ms > from_ms && at_ms <= to_ms {
                out.push((at_ms, value));
            }
        }
        (count == self.count).then_some(())
    }
}
