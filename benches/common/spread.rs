//! A few values as people read them: the median, and how far the others are from it.

/// Least, middle and most of some values.
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub most: f64,
}

impl Spread {
    pub fn of(values: impl Iterator<Item = f64>) -> Spread {
        let mut all: Vec<f64> = values.collect();
        all.sort_by(f64::total_cmp);
        let at = |place: usize| all.get(place).copied().unwrap_or(f64::NAN);
        let (low, high) = (at(all.len().saturating_sub(1) / 2), at(all.len() / 2));
        Spread { least: at(0), median: f64::midpoint(low, high), most: at(all.len().saturating_sub(1)) }
    }

    pub fn text(&self, digits: usize) -> String {
        format!("{:.digits$} ({:.digits$}–{:.digits$})", self.median, self.least, self.most)
    }
}
