//! From a row's points to series ids. Remembers them, so that a steady cycle allocates no label; knows what went stale.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use crate::engines::contract::Emit;
use crate::model::filter::Filter;
use crate::model::labels::{Labels, NAME};
use crate::model::row::{Family, Metric};
use crate::model::series::{STALE, Series, SeriesId};

/// What a row may have of all series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The most series it may have.
    pub series_max: usize,
    /// It may have another one only while the store has room for this many times what it has. So, as room runs out, the
    /// rows that matter least are refused first, and those with many series before those with few.
    pub leaves: usize,
}

/// What a target's rows last gave.
pub struct Ids {
    series: Arc<dyn Series>,
    /// On every series of this target: tenant, target, instance, job, and its own labels.
    base: Vec<(String, String)>,
    known: HashMap<u128, Known>,
    hashers: (RandomState, RandomState),
    rows: Vec<RowPoints>,
    shares: Vec<Share>,
    filter: Filter,
    round: u64,
    /// Points of each row that were dropped because it or the store had reached its cap, since they were last taken.
    dropped: Vec<u64>,
}

#[derive(Clone, Copy)]
struct Known {
    /// `None`: the filter leaves it out.
    id: Option<SeriesId>,
    row: usize,
    round: u64,
}

#[derive(Default, Clone)]
struct RowPoints {
    points: Vec<(SeriesId, f64)>,
}

impl Ids {
    /// `shares` has what each row may have, and so the number of rows.
    pub fn new(series: Arc<dyn Series>, base: Vec<(String, String)>, shares: Vec<Share>, filter: Filter) -> Ids {
        Ids {
            series,
            base,
            known: HashMap::new(),
            hashers: (RandomState::new(), RandomState::new()),
            rows: vec![RowPoints::default(); shares.len()],
            dropped: vec![0; shares.len()],
            shares,
            filter,
            round: 0,
        }
    }

    /// Takes a row's new points: `fill` emits them. Series of the row that were there before and are not now get the
    /// stale marker in `out`; the new points are appended to `out` and remembered. If `fill` fails, all of the row's
    /// series get the marker.
    ///
    /// # Errors
    /// Whatever `fill` says.
    pub fn read<E>(
        &mut self,
        row: usize,
        out: &mut Vec<(SeriesId, f64)>,
        fill: impl FnOnce(&mut dyn Emit) -> Result<(), E>,
    ) -> Result<(), E> {
        self.round += 1;
        let before = std::mem::take(&mut self.rows[row].points);
        let mut collector = Collector { ids: self, row, points: Vec::with_capacity(before.len()) };
        let outcome = fill(&mut collector);
        let points = collector.points;
        if outcome.is_err() {
            self.mark_stale(row, before, out);
            return outcome;
        }
        let now: std::collections::HashSet<SeriesId> = points.iter().map(|(id, _)| *id).collect();
        let gone: Vec<_> = before.into_iter().filter(|(id, _)| !now.contains(id)).collect();
        if !gone.is_empty() {
            out.extend(gone.iter().map(|(id, _)| (*id, STALE)));
            let round = self.round;
            self.known.retain(|_, known| known.row != row || known.round == round);
        }
        out.extend_from_slice(&points);
        self.rows[row].points = points;
        outcome
    }

    /// Repeats a row's last values: a slow row between its readings.
    pub fn repeat(&self, row: usize, out: &mut Vec<(SeriesId, f64)>) {
        out.extend_from_slice(&self.rows[row].points);
    }

    /// Ends all series of a row: it failed, or its values are too old to repeat.
    pub fn end_row(&mut self, row: usize, out: &mut Vec<(SeriesId, f64)>) {
        let before = std::mem::take(&mut self.rows[row].points);
        self.mark_stale(row, before, out);
    }

    /// Ends all series of all rows but those in `keep`.
    pub fn end_all(&mut self, keep: &[usize], out: &mut Vec<(SeriesId, f64)>) {
        for row in (0..self.rows.len()).filter(|row| !keep.contains(row)) {
            self.end_row(row, out);
        }
    }

    /// Points dropped since this was last asked, by row; only rows that have any.
    pub fn take_dropped(&mut self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.dropped.iter_mut().map(std::mem::take).enumerate().filter(|(_, count)| *count > 0)
    }

    /// How many series a row has now.
    pub fn series_of(&self, row: usize) -> usize {
        self.rows[row].points.len()
    }

    /// How many series the rows have now.
    pub fn len(&self) -> usize {
        self.rows.iter().map(|row| row.points.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn mark_stale(&mut self, row: usize, points: Vec<(SeriesId, f64)>, out: &mut Vec<(SeriesId, f64)>) {
        out.extend(points.into_iter().map(|(id, _)| (id, STALE)));
        // Forgotten whether there were any: what a reading began before it failed must not be remembered either.
        self.known.retain(|_, known| known.row != row);
    }

    /// 128 bits of two independently seeded hashes: two label sets of one target never meet by chance.
    fn key(&self, row: usize, metric: usize, part: &str, labels: &[(&str, &str)]) -> u128 {
        let parts = (row, metric, part, labels);
        let one = |state: &RandomState| u128::from(state.hash_one(parts));
        one(&self.hashers.0) << 64 | one(&self.hashers.1)
    }

    fn full_labels(&self, name: &str, labels: &[(&str, &str)]) -> Labels {
        let own = labels.iter().map(|(label, value)| {
            // As Prometheus does it: the exporter's own label steps aside for the target's.
            let taken = self.base.iter().any(|(base, _)| base == label);
            (if taken { format!("exported_{label}") } else { (*label).to_string() }, (*value).to_string())
        });
        let base = self.base.iter().cloned();
        Labels::new(base.chain(own).chain([(NAME.to_string(), name.to_string())]))
    }
}

/// Collects the points of one row of one cycle.
struct Collector<'a> {
    ids: &'a mut Ids,
    row: usize,
    points: Vec<(SeriesId, f64)>,
}

impl Collector<'_> {
    fn is_full(&self) -> bool {
        self.points.len() >= self.ids.shares[self.row].series_max
    }

    fn keep(&mut self, id: Option<SeriesId>, value: f64) {
        let Some(id) = id else { return };
        if self.is_full() {
            self.ids.dropped[self.row] += 1;
        } else {
            self.points.push((id, value));
        }
    }

    fn point(&mut self, metric: usize, part: &str, name: impl Fn() -> String, labels: &[(&str, &str)], value: f64) {
        let key = self.ids.key(self.row, metric, part, labels);
        let round = self.ids.round;
        if let Some(known) = self.ids.known.get_mut(&key) {
            if known.round == round {
                return; // the same series twice in one answer: the first stands
            }
            known.round = round;
            let id = known.id;
            return self.keep(id, value);
        }
        if !self.ids.filter.keeps(labels) {
            self.ids.known.insert(key, Known { id: None, row: self.row, round });
            return;
        }
        if self.is_full() {
            self.ids.dropped[self.row] += 1;
            return;
        }
        let labels = self.ids.full_labels(&name(), labels);
        let spare = self.ids.shares[self.row].leaves.saturating_mul(self.points.len());
        match self.ids.series.id(&labels, spare) {
            Some(id) => {
                self.ids.known.insert(key, Known { id: Some(id), row: self.row, round });
                self.points.push((id, value));
            }
            None => self.ids.dropped[self.row] += 1,
        }
    }
}

impl Emit for Collector<'_> {
    fn metric(&mut self, metric: &'static Metric, labels: &[(&str, &str)], value: f64) {
        let place = std::ptr::from_ref(metric) as usize;
        self.point(place, "", || metric.name.to_string(), labels, value);
    }

    fn family(&mut self, family: &'static Family, part: &str, labels: &[(&str, &str)], value: f64) {
        let place = std::ptr::from_ref(family) as usize;
        self.point(place, part, || family.name(part), labels, value);
    }
}
