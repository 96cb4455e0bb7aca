//! The two columns of a sealed chunk. Times: the first, the span, changes of the step. Values: whichever is shorter of
//! XORed floats and whole numbers; either brings back the same bits.

use crate::store::bits::{BitReader, BitWriter, Window};
use crate::store::bytes::{Reader, put_signed, put_unsigned};

/// The mark of a column of XORed floats. Other marks say by which power of ten whole numbers are divided, plus one.
const FLOATS: u8 = 0;
/// What whole numbers are divided by: nanoseconds, in seconds, are the finest.
const SCALES: [f64; 10] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
/// Beyond this, not every whole number is a float.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
/// So many ones, and the number itself follows.
const ESCAPE: u64 = 16;
/// The largest parameter of Rice's code: whole numbers have 53 bits, their steps 54, the sign folded in 55.
const LOW_MAX: u32 = 55;
/// In the place of the parameter: no remainder differs from zero, and none is written.
const STEADY: u8 = u8::MAX;

/// Appends a column of times; there is at least one, and no more than a chunk holds.
pub fn put_times(out: &mut Vec<u8>, times: &[i64]) {
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return };
    out.push(times.len() as u8);
    put_signed(out, *first);
    put_unsigned(out, last.wrapping_sub(*first) as u64);
    let mut bits = BitWriter::default();
    let mut step_ms = 0_i64;
    for pair in times.windows(2) {
        let step = pair[1].wrapping_sub(pair[0]);
        bits.put_step_change(step.wrapping_sub(step_ms));
        step_ms = step;
    }
    out.extend_from_slice(bits.bytes());
}

/// A column of times, being read.
#[derive(Clone, Copy, Debug)]
pub struct Times<'a> {
    pub count: u8,
    pub first_ms: i64,
    pub last_ms: i64,
    steps: BitReader<'a>,
    begun: bool,
    at_ms: i64,
    step_ms: i64,
}

impl<'a> Times<'a> {
    pub fn read(column: &'a [u8]) -> Option<Times<'a>> {
        let mut reader = Reader::new(column);
        let count = reader.byte()?;
        let first_ms = reader.signed()?;
        let last_ms = first_ms.wrapping_add(reader.unsigned()? as i64);
        let steps = BitReader::new(reader.rest);
        Some(Times { count, first_ms, last_ms, steps, begun: false, at_ms: first_ms, step_ms: 0 })
    }
}

impl Iterator for Times<'_> {
    type Item = i64;

    /// Goes on as long as there are bits: who reads stops after `count`.
    fn next(&mut self) -> Option<i64> {
        if self.begun {
            self.step_ms = self.step_ms.wrapping_add(self.steps.take_step_change()?);
            self.at_ms = self.at_ms.wrapping_add(self.step_ms);
        }
        self.begun = true;
        Some(self.at_ms)
    }
}

/// Appends a column of values in the shorter form.
pub fn put_values(out: &mut Vec<u8>, values: &[f64]) {
    let mut floats = vec![FLOATS];
    put_floats(&mut floats, values);
    match as_wholes(values).filter(|wholes| wholes.len() < floats.len()) {
        Some(wholes) => out.extend_from_slice(&wholes),
        None => out.extend_from_slice(&floats),
    }
}

fn put_floats(out: &mut Vec<u8>, values: &[f64]) {
    let mut bits = BitWriter::default();
    let mut window = Window::NONE;
    let mut last = 0;
    for (place, value) in values.iter().enumerate() {
        let value = value.to_bits();
        if place == 0 {
            bits.put(value, 64)
        } else {
            window.put(&mut bits, value ^ last)
        }
        last = value;
    }
    out.extend_from_slice(bits.bytes());
}

/// The values as whole numbers over a power of ten, if every one of them comes back bit by bit: counters, sizes, times
/// in seconds with a few decimals. The usual step from one to the next is told once, what differs from it in Rice's
/// code.
fn as_wholes(values: &[f64]) -> Option<Vec<u8>> {
    let whole_by = |places: usize| Some((places, wholes(values, SCALES[places])?));
    let (places, mut wholes) = (0..SCALES.len()).find_map(whole_by)?;
    let shift = wholes.iter().map(|whole| whole.trailing_zeros()).min().filter(|zeros| *zeros < 64).unwrap_or(0);
    wholes.iter_mut().for_each(|whole| *whole >>= shift);
    let mut steps: Vec<i64> = wholes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_unstable();
    let usual = steps.get(steps.len() / 2).copied().unwrap_or(0);
    let remainders: Vec<u64> = wholes.windows(2).map(|pair| fold(pair[1] - pair[0] - usual)).collect();
    let mut out = vec![1 + places as u8, shift as u8];
    put_signed(&mut out, *wholes.first()?);
    put_signed(&mut out, usual);
    if remainders.iter().all(|remainder| *remainder == 0) {
        out.push(STEADY);
        return Some(out);
    }
    let cost = |low: u32| remainders.iter().map(|one| rice_bits(*one, low)).sum::<u64>();
    let low = likely_lows(&remainders).min_by_key(|low| cost(*low)).unwrap_or(0);
    out.push(low as u8);
    let mut bits = BitWriter::default();
    remainders.iter().for_each(|one| put_rice(&mut bits, *one, low));
    out.extend_from_slice(bits.bytes());
    Some(out)
}

fn wholes(values: &[f64], scale: f64) -> Option<Vec<i64>> {
    let whole = |value: &f64| {
        let whole = (value * scale).round();
        let same = whole.abs() < WHOLE_MAX && (whole as i64 as f64 / scale).to_bits() == value.to_bits();
        same.then_some(whole as i64)
    };
    values.iter().map(whole).collect()
}

/// Parameters worth trying: from about the middle remainder's length in bits to that of the mean, which outliers raise.
fn likely_lows(remainders: &[u64]) -> impl Iterator<Item = u32> + use<> {
    let mut sorted = remainders.to_vec();
    sorted.sort_unstable();
    let middle = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
    let mean = sorted.iter().sum::<u64>() / sorted.len().max(1) as u64;
    let length = |number: u64| 64 - number.leading_zeros();
    length(middle).saturating_sub(2)..=length(mean).min(LOW_MAX)
}

fn rice_bits(value: u64, low: u32) -> u64 {
    let ones = value >> low;
    if ones < ESCAPE { ones + 1 + u64::from(low) } else { ESCAPE + 64 }
}

fn put_rice(bits: &mut BitWriter, value: u64, low: u32) {
    let ones = value >> low;
    if ones < ESCAPE {
        bits.put((1 << (ones + 1)) - 2, ones as u32 + 1);
        bits.put(value, low);
    } else {
        bits.put((1 << ESCAPE) - 1, ESCAPE as u32);
        bits.put(value, 64);
    }
}

fn take_rice(bits: &mut BitReader, low: u32) -> Option<u64> {
    let mut ones = 0;
    while ones < ESCAPE && bits.take(1)? == 1 {
        ones += 1;
    }
    if ones == ESCAPE { bits.take(64) } else { Some((ones << low) | bits.take(low)?) }
}

/// Signed to unsigned, small stays small.
fn fold(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unfold(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// A column of values, being read.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    Floats { bits: BitReader<'a>, begun: bool, last: u64, window: Window },
    Wholes { bits: BitReader<'a>, begun: bool, last: i64, usual: i64, low: u8, shift: u8, scale: f64 },
}

impl<'a> Values<'a> {
    pub fn read(column: &'a [u8]) -> Option<Values<'a>> {
        let mut reader = Reader::new(column);
        let mark = reader.byte()?;
        if mark == FLOATS {
            let bits = BitReader::new(reader.rest);
            return Some(Values::Floats { bits, begun: false, last: 0, window: Window::NONE });
        }
        let shift = reader.byte()?;
        let (last, usual) = (reader.signed()?, reader.signed()?);
        let low = reader.byte()?;
        let scale = *SCALES.get(usize::from(mark - 1))?;
        let sensible = shift < 64 && (u32::from(low) <= LOW_MAX || low == STEADY);
        let bits = BitReader::new(reader.rest);
        sensible.then_some(Values::Wholes { bits, begun: false, last, usual, low, shift, scale })
    }
}

impl Iterator for Values<'_> {
    type Item = f64;

    /// Goes on as long as there are bits, a steady column for ever: who reads stops after the column's count.
    fn next(&mut self) -> Option<f64> {
        match self {
            Values::Floats { bits, begun, last, window } => {
                *last = if *begun { *last ^ window.take(bits)? } else { bits.take(64)? };
                *begun = true;
                Some(f64::from_bits(*last))
            }
            Values::Wholes { bits, begun, last, usual, low, shift, scale } => {
                if *begun {
                    let remainder = if *low == STEADY { 0 } else { unfold(take_rice(bits, u32::from(*low))?) };
                    *last = last.wrapping_add(*usual).wrapping_add(remainder);
                }
                *begun = true;
                Some((*last << *shift) as f64 / *scale)
            }
        }
    }
}
