//! Bits in bytes, the highest first; and how time steps and XORed floats are written in them, as in Facebook's Gorilla
//! (Pelkonen et al., VLDB 2015).

/// How a change of the time step is written: from small to large, (prefix, its bits, bits of the change). The first row
/// is for the few milliseconds by which a cycle comes early or late.
const STEPS: [(u64, u32, u32); 5] =
    [(0b10, 2, 5), (0b110, 3, 9), (0b1110, 4, 14), (0b1_1110, 5, 24), (0b1_1111, 5, 64)];

/// The largest count of leading zeros that five bits can say.
const LEADING_MAX: u32 = 31;

/// Stands in `Window::leading` until a window was written.
const NO_WINDOW: u8 = u8::MAX;

/// Where bits are appended.
#[derive(Clone, Debug, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    /// Bits of the last byte not yet used.
    free: u8,
}

impl BitWriter {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Makes room for `count` bytes, growing by so many when there is less.
    pub fn reserve(&mut self, count: usize, growth: usize) {
        if self.bytes.capacity() - self.bytes.len() < count {
            self.bytes.reserve_exact(growth);
        }
    }

    /// Forgets the bits, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.free = 0;
    }

    /// Appends the lowest `count` bits of `value`.
    pub fn put(&mut self, value: u64, count: u32) {
        let mut left = count;
        while left > 0 {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let taken = left.min(u32::from(self.free));
            let piece = (value >> (left - taken)) & ((1 << taken) - 1);
            self.free -= taken as u8;
            if let Some(last) = self.bytes.last_mut() {
                *last |= (piece as u8) << self.free;
            }
            left -= taken;
        }
    }

    pub fn put_step_change(&mut self, change: i64) {
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
}

/// Where bits are read; `None` when they end.
#[derive(Clone, Copy, Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub fn new(bytes: &'a [u8]) -> BitReader<'a> {
        BitReader { bytes, at: 0 }
    }

    pub fn take(&mut self, count: u32) -> Option<u64> {
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

    pub fn take_step_change(&mut self) -> Option<i64> {
        if self.take(1)? == 0 {
            return Some(0);
        }
        let mut row = 0;
        while row < STEPS.len() - 1 && self.take(1)? == 1 {
            row += 1;
        }
        let bits = STEPS[row].2;
        Some((self.take(bits)? << (64 - bits)) as i64 >> (64 - bits))
    }
}

/// The significant bits of the XOR of two neighbouring floats: the window in which the last ones were written.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    leading: u8,
    trailing: u8,
}

impl Window {
    pub const NONE: Window = Window { leading: NO_WINDOW, trailing: 0 };

    /// `0`: same value. `10`: the significant bits within the last window. `11`: a new window, then its bits. The old
    /// window is used while it costs no more than to describe a new one.
    pub fn put(&mut self, bits: &mut BitWriter, xor: u64) {
        if xor == 0 {
            return bits.put(0, 1);
        }
        let leading = xor.leading_zeros().min(LEADING_MAX);
        let trailing = xor.trailing_zeros();
        let (old_leading, old_trailing) = (u32::from(self.leading), u32::from(self.trailing));
        let fits = self.leading != NO_WINDOW && leading >= old_leading && trailing >= old_trailing;
        if fits && 64 - old_leading - old_trailing <= 11 + 64 - leading - trailing {
            bits.put(0b10, 2);
            return bits.put(xor >> old_trailing, 64 - old_leading - old_trailing);
        }
        let significant = 64 - leading - trailing;
        bits.put(0b11, 2);
        bits.put(u64::from(leading), 5);
        bits.put(u64::from(significant - 1), 6);
        bits.put(xor >> trailing, significant);
        *self = Window { leading: leading as u8, trailing: trailing as u8 };
    }

    pub fn take(&mut self, bits: &mut BitReader) -> Option<u64> {
        if bits.take(1)? == 0 {
            return Some(0);
        }
        if bits.take(1)? == 1 {
            let leading = bits.take(5)? as u8;
            let significant = bits.take(6)? as u8 + 1;
            *self = Window { leading, trailing: 64_u8.checked_sub(leading + significant)? };
        }
        let significant = 64_u32.checked_sub(u32::from(self.leading) + u32::from(self.trailing))?;
        Some(bits.take(significant)? << self.trailing)
    }
}
