//! How a series' values go, told from a few seconds of it and carried on for a day. The same for both sides.

/// The course of one series' values, one step at a time.
#[derive(Clone, Debug)]
pub struct Course {
    kind: Kind,
    value: f64,
    is_whole: bool,
    random: u64,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Did not change while it was looked at: nor does it in the history.
    Still,
    /// Only grew, by this much for one step on average.
    Counter(f64),
    /// Went up and down between these.
    Gauge(f64, f64),
}

impl Course {
    /// The course of a series that had these values one step apart, so that it ends about where they do.
    pub fn of(seen: &[f64], steps: f64, seed: u64) -> Course {
        let (first, last) = (seen.first().copied().unwrap_or(0.0), seen.last().copied().unwrap_or(0.0));
        let is_whole = seen.iter().all(|value| value.fract() == 0.0);
        let grows = seen.is_sorted() && last > first;
        let changes = seen.iter().any(|value| value.to_bits() != first.to_bits());
        let kind = if grows {
            #[allow(clippy::cast_precision_loss)] // a handful
            Kind::Counter((last - first) / (seen.len() - 1) as f64)
        } else if changes && seen.iter().all(|value| value.is_finite()) {
            let low = seen.iter().copied().fold(f64::INFINITY, f64::min);
            let high = seen.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            Kind::Gauge(low, high)
        } else {
            Kind::Still
        };
        let value = if let Kind::Counter(growth) = kind { (last - growth * steps).max(0.0) } else { last };
        Course { kind, value, is_whole, random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 }
    }

    /// The next value, `steps` steps later.
    pub fn next(&mut self, steps: f64) -> f64 {
        let chance = self.chance();
        let value = match self.kind {
            Kind::Still => return self.value,
            Kind::Counter(growth) => self.value + 2.0 * growth * steps * chance,
            Kind::Gauge(low, high) => low + (high - low) * chance,
        };
        self.value = value; // unrounded, or a slow counter would never move
        if self.is_whole { value.round() } else { value }
    }

    /// From 0 to 1 (xorshift: cheap, and the same in every run).
    fn chance(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        #[allow(clippy::cast_precision_loss)] // 53 bits are what a f64 holds
        let chance = (self.random >> 11) as f64 / (1u64 << 53) as f64;
        chance
    }
}
