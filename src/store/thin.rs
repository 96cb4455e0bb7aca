//! Thinning: of old samples the last raw one of each five minutes stays, so that counters stay counters.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::model::series::{LOOKBACK_MS, is_stale};
use crate::store::block::{self, Block, BlockError};
use crate::store::chunk::Open;
use crate::store::maintain::millis;
use crate::store::scoped::in_order;
use crate::store::{Store, read};

/// The grid of thinned history.
pub const GRID_MS: i64 = 5 * 60 * 1000;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Keeps of a series' samples, ordered by time, the last of each five minutes, the markers at which it ended, and where
/// it began. Where cycles drift and two kept samples would stand farther apart than a query looks back, the last
/// between them that bridges the gap stays as well: an instant query finds a series wherever it found it before.
pub fn thin(samples: &[(i64, f64)]) -> Vec<(i64, f64)> {
    let mut kept: Vec<(i64, f64)> = Vec::new();
    for (place, (at_ms, value)) in samples.iter().enumerate() {
        let ended = kept.last().map(|(_, last)| is_stale(*last));
        let keep = if is_stale(*value) {
            ended != Some(true)
        } else if ended != Some(false) {
            true
        } else {
            match samples.get(place + 1) {
                None => true,
                Some((next_ms, next)) => {
                    is_stale(*next)
                        || next_ms.div_euclid(GRID_MS) != at_ms.div_euclid(GRID_MS)
                        || kept.last().is_some_and(|(last_ms, _)| next_ms.saturating_sub(*last_ms) > LOOKBACK_MS)
                }
            }
        };
        if keep {
            kept.push((*at_ms, *value));
        }
    }
    kept
}

impl Store {
    /// Rewrites the raw blocks of each day that is wholly older than `raw_retention` into one thinned block.
    pub(in crate::store) fn thin_old(&self, now_ms: i64) -> io::Result<()> {
        let horizon_ms = now_ms.saturating_sub(millis(self.config.raw_retention));
        let mut days: BTreeMap<i64, Vec<Arc<Block>>> = BTreeMap::new();
        for block in self.blocks().iter().filter(|block| block.summary.grid_ms == 0) {
            let day = block.summary.max_ms.div_euclid(DAY_MS);
            if day.saturating_add(1).saturating_mul(DAY_MS) <= horizon_ms {
                days.entry(day).or_default().push(block.clone());
            }
        }
        for blocks in days.values() {
            self.thin_blocks(blocks)?;
        }
        Ok(())
    }

    fn thin_blocks(&self, blocks: &[Arc<Block>]) -> io::Result<()> {
        let mut directories = Vec::new();
        for block in blocks {
            match block.directory() {
                Ok(directory) => directories.push((block, directory)),
                Err(error) => return self.thinning_failed(block, error),
            }
        }
        let mut ids: Vec<_> = directories.iter().flat_map(|(_, rows)| rows.iter().map(|row| row.id)).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut writer = block::Writer::create(&*self.disk, &self.config.dir, self.next_number(), GRID_MS as u32)?;
        let mut samples = Vec::new();
        let mut chunks = Vec::new();
        for id in ids {
            samples.clear();
            for (block, directory) in &directories {
                let Ok(place) = directory.binary_search_by_key(&id, |row| row.id) else { continue };
                if let Err(error) = block.samples(&directory[place], i64::MIN, i64::MAX, &mut samples) {
                    return self.thinning_failed(block, error);
                }
            }
            in_order(&mut samples);
            chunks.clear();
            seal_all(&thin(&samples), &mut chunks);
            let labels = read(&self.head).entry(id).map(|entry| entry.labels().clone());
            if let Some(labels) = labels {
                writer.add(id, &labels, &chunks)?;
            }
        }
        self.publish(writer, blocks)
    }

    /// A damaged block is set aside, and the rest of its day is thinned the next time.
    fn thinning_failed(&self, block: &Block, error: BlockError) -> io::Result<()> {
        match error {
            BlockError::Io(error) => Err(error),
            BlockError::Damaged(why) => {
                self.set_block_aside(block, &why);
                Ok(())
            }
        }
    }
}

/// Seals samples in order of time into chunks.
fn seal_all(samples: &[(i64, f64)], out: &mut Vec<u8>) {
    let mut open = Open::after(i64::MIN, 0.0);
    for (at_ms, value) in samples {
        if open.is_full() {
            open.seal(out);
            open.clear();
        }
        open.push(*at_ms, *value);
    }
    if !open.is_empty() {
        open.seal(out);
    }
}
