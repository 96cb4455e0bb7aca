//! Numbers and texts as bytes: variable-length integers, fixed integers, length-prefixed texts. Reading never panics.

/// Appends an unsigned number, seven bits a byte, the low ones first.
pub fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed number so that small ones of either sign stay short.
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Appends a float. Round numbers have their zero bits at the low end, so the bytes are turned around first: 0 takes
/// one byte, a small whole number three or four, the worst ten.
pub fn put_float(out: &mut Vec<u8>, value: f64) {
    put_unsigned(out, value.to_bits().swap_bytes());
}

/// Appends a text with its length before it.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_unsigned(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Reads what the functions above wrote. `None` means the bytes end too early or say something impossible.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    pub rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(rest: &'a [u8]) -> Reader<'a> {
        Reader { rest }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    pub fn byte(&mut self) -> Option<u8> {
        self.slice(1).map(|one| one[0])
    }

    pub fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub fn signed(&mut self) -> Option<i64> {
        let raw = self.unsigned()?;
        Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    pub fn float(&mut self) -> Option<f64> {
        self.unsigned().map(|raw| f64::from_bits(raw.swap_bytes()))
    }

    pub fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.unsigned()?).ok()?;
        std::str::from_utf8(self.slice(length)?).ok()
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.slice(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.slice(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    pub fn i64(&mut self) -> Option<i64> {
        self.slice(8)?.try_into().ok().map(i64::from_le_bytes)
    }
}
