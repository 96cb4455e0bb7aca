//! Chunks: up to 120 samples of one series, compressed as in Facebook's Gorilla (Pelkonen et al., VLDB 2015): times as
//! deltas of deltas, values as XOR with the one before. Bits survive exactly, whatever NaN they spell.

use crate::store::bytes::{Reader, put_signed, put_unsigned};

/// A full chunk. At 5 s that is ten minutes.
pub const SAMPLES_MAX: u8 = 120;

/// No chunk, sealed, is longer: per sample at most 69 bits of time and 77 of value, and a header.
pub const BYTES_MAX: usize = SAMPLES_MAX as usize * 19 + 32;

/// How a change of the time step is written: from small to large, (prefix, its bits, bits of the change). The first row is
/// for the few milliseconds by which a cycle comes early or late.
const STEPS: [(u64, u32, u32); 5] =
    [(0b10, 2, 5), (0b110, 3, 9), (0b1110, 4, 14), (0b1_1110, 5, 24), (0b1_1111, 5, 64)];

/// The largest count of leading zeros that five bits can say.
const LEADING_MAX: u32 = 31;

/// Stands in `Open::leading` until a window of significant bits was written.
const NO_WINDOW: u8 = u8::MAX;

/// The chunk being filled. Between two chunks it still knows the last sample.
#[derive(Clone, Debug)]
pub struct Open {
    bits: Vec<u8>,
    first_ms: i64,
    last_ms: i64,
    last_bits: u64,
    step_ms: i64,
    /// Bits of the last byte not yet used.
    free: u8,
    count: u8,
    leading: u8,
    trailing: u8,
}

impl Open {
    /// An empty chunk of a series whose last sample, in an earlier chunk, was this one.
    pub fn after(last_ms: i64, last_value: f64) -> Open {
        let last_bits = last_value.to_bits();
        Open {
            bits: Vec::new(),
            first_ms: 0,
            last_ms,
            last_bits,
            step_ms: 0,
            free: 0,
            count: 0,
            leading: NO_WINDOW,
            trailing: 0,
        }
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
        let bits = value.to_bits();
        if self.bits.capacity() - self.bits.len() < 20 {
            self.bits.reserve_exact(36); // small steps: there are thousands of these, most of them short
        }
        if self.count == 0 {
            (self.first_ms, self.step_ms, self.leading) = (at_ms, 0, NO_WINDOW);
            self.put(bits, 64);
        } else {
            let step_ms = at_ms.wrapping_sub(self.last_ms);
            self.put_step_change(step_ms.wrapping_sub(self.step_ms));
            self.put_xor(bits ^ self.last_bits);
            self.step_ms = step_ms;
        }
        (self.last_ms, self.last_bits) = (at_ms, bits);
        self.count += 1;
    }

    /// Appends the chunk in its final form, which `Chunk::read` reads.
    pub fn seal(&self, out: &mut Vec<u8>) {
        out.push(self.count);
        put_unsigned(out, self.bits.len() as u64);
        put_signed(out, self.first_ms);
        put_unsigned(out, self.last_ms.wrapping_sub(self.first_ms) as u64);
        out.extend_from_slice(&self.bits);
    }

    /// Forgets the samples, keeps the memory and the last sample.
    pub fn clear(&mut self) {
        self.bits.clear();
        (self.count, self.free) = (0, 0);
    }

    fn put_step_change(&mut self, change: i64) {
        if change == 0 {
            return self.put(0, 1);
        }
        for (prefix, prefix_bits, bits) in STEPS {
            if bits == 64 || (change >= -(1 << (bits - 1)) && change < 1 << (bits - 1)) {
                self.put(prefix, prefix_bits);
                return self.put(change as u64, bits);
            }
        }
    }

    /// `0`: same value. `10`: the significant bits within the last window. `11`: a new window, then its bits. The old
    /// window is used while it costs less than to describe a new one.
    fn put_xor(&mut self, xor: u64) {
        if xor == 0 {
            return self.put(0, 1);
        }
        let leading = xor.leading_zeros().min(LEADING_MAX);
        let trailing = xor.trailing_zeros();
        let (old_leading, old_trailing) = (u32::from(self.leading), u32::from(self.trailing));
        let fits = self.leading != NO_WINDOW && leading >= old_leading && trailing >= old_trailing;
        if fits && 64 - old_leading - old_trailing <= 11 + 64 - leading - trailing {
            self.put(0b10, 2);
            return self.put(xor >> old_trailing, 64 - old_leading - old_trailing);
        }
        let significant = 64 - leading - trailing;
        self.put(0b11, 2);
        self.put(u64::from(leading), 5);
        self.put(u64::from(significant - 1), 6);
        self.put(xor >> trailing, significant);
        (self.leading, self.trailing) = (leading as u8, trailing as u8);
    }

    /// Appends the lowest `count` bits of `value`, the highest of them first.
    fn put(&mut self, value: u64, count: u32) {
        let mut left = count;
        while left > 0 {
            if self.free == 0 {
                self.bits.push(0);
                self.free = 8;
            }
            let taken = left.min(u32::from(self.free));
            let piece = (value >> (left - taken)) & ((1 << taken) - 1);
            self.free -= taken as u8;
            if let Some(last) = self.bits.last_mut() {
                *last |= (piece as u8) << self.free;
            }
            left -= taken;
        }
    }
}

/// A sealed chunk, still compressed.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    pub first_ms: i64,
    pub last_ms: i64,
    pub count: u8,
    bits: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// Takes one chunk off the front; `None` if there is no whole one.
    pub fn read(from: &mut Reader<'a>) -> Option<Chunk<'a>> {
        let count = from.byte()?;
        let length = usize::try_from(from.unsigned()?).ok()?;
        let first_ms = from.signed()?;
        let last_ms = first_ms.wrapping_add(from.unsigned()? as i64);
        let bits = from.slice(length)?;
        (count > 0 && count <= SAMPLES_MAX).then_some(Chunk { first_ms, last_ms, count, bits })
    }

    /// Whether it may hold samples of `from_ms < at <= to_ms`.
    pub fn overlaps(&self, from_ms: i64, to_ms: i64) -> bool {
        self.last_ms > from_ms && self.first_ms <= to_ms
    }

    /// Its samples in order. The iterator ends early if the bits make no sense.
    pub fn samples(&self) -> Samples<'a> {
        Samples {
            bits: Bits { bytes: self.bits, at: 0 },
            left: self.count,
            begun: false,
            at_ms: self.first_ms,
            step_ms: 0,
            value: 0,
            leading: 0,
            significant: 0,
        }
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

/// Decodes a chunk sample by sample.
#[derive(Clone, Debug)]
pub struct Samples<'a> {
    bits: Bits<'a>,
    left: u8,
    begun: bool,
    at_ms: i64,
    step_ms: i64,
    value: u64,
    leading: u32,
    significant: u32,
}

impl Samples<'_> {
    fn step_change(&mut self) -> Option<i64> {
        if self.bits.take(1)? == 0 {
            return Some(0);
        }
        let mut row = 0;
        while row < STEPS.len() - 1 && self.bits.take(1)? == 1 {
            row += 1;
        }
        let bits = STEPS[row].2;
        Some((self.bits.take(bits)? << (64 - bits)) as i64 >> (64 - bits))
    }

    fn xor(&mut self) -> Option<u64> {
        if self.bits.take(1)? == 0 {
            return Some(0);
        }
        if self.bits.take(1)? == 1 {
            self.leading = self.bits.take(5)? as u32;
            self.significant = self.bits.take(6)? as u32 + 1;
        }
        let trailing = 64_u32.checked_sub(self.leading + self.significant)?;
        Some(self.bits.take(self.significant)? << trailing)
    }

    fn advance(&mut self) -> Option<()> {
        if !self.begun {
            self.begun = true;
            self.value = self.bits.take(64)?;
            return Some(());
        }
        self.step_ms = self.step_ms.wrapping_add(self.step_change()?);
        self.at_ms = self.at_ms.wrapping_add(self.step_ms);
        self.value ^= self.xor()?;
        Some(())
    }
}

impl Iterator for Samples<'_> {
    type Item = (i64, f64);

    fn next(&mut self) -> Option<(i64, f64)> {
        self.left = self.left.checked_sub(1)?;
        if self.advance().is_none() {
            self.left = 0;
            return None;
        }
        Some((self.at_ms, f64::from_bits(self.value)))
    }
}

#[derive(Clone, Copy, Debug)]
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Option<u64> {
        let mut value = 0;
        let mut left = count;
        while left > 0 {
            let byte = u64::from(*self.bytes.get(self.at / 8)?);
            let free = 8 - (self.at % 8) as u32;
            let taken = left.min(free);
            value = (value << taken) | ((byte >> (free - taken)) & ((1 << taken) - 1));
            self.at += taken as usize;
            left -= taken;
        }
        Some(value)
    }
}
