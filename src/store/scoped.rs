//! What one reader may see: series of the tenants in its scope, from memory and blocks together.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::labels::{Labels, NAME};
use crate::model::matcher::Matcher;
use crate::model::scope::Scope;
use crate::model::series::{LOOKBACK_MS, SeriesId, is_stale};
use crate::promql::{SeriesSamples, SeriesSource};
use crate::store::block::{Block, BlockError};
use crate::store::bytes::Reader;
use crate::store::chunk::Chunk;
use crate::store::index::TENANT;
use crate::store::{Store, read};

/// How many series are copied under one lock: well below a millisecond.
const BATCH: usize = 256;

/// The store through a scope.
#[derive(Clone, Debug)]
pub struct ScopedStore {
    store: Arc<Store>,
    scope: Scope,
}

/// A series on its way from the store: what memory held of it, still compressed, and what was decoded.
struct Wanted {
    id: SeriesId,
    labels: Labels,
    head: Vec<u8>,
    samples: Vec<(i64, f64)>,
}

impl ScopedStore {
    pub(in crate::store) fn new(store: Arc<Store>, scope: Scope) -> ScopedStore {
        ScopedStore { store, scope }
    }

    /// How many series the reader may see.
    pub fn series_count(&self) -> usize {
        let head = read(&self.store.head);
        let seen = head.index.tenants().iter().filter(|(tenant, _)| self.scope.sees(tenant));
        seen.flat_map(|(_, names)| names.values()).map(Vec::len).sum()
    }

    /// Calls with the newest sample of every series that has one within the lookback (`now - 5 min < at <= now`) which
    /// is no stale marker. Series of one name come together, whatever their tenant. No chunk is decoded.
    pub fn each_latest(&self, now_ms: i64, each: &mut dyn FnMut(SeriesId, &Labels, i64, f64)) {
        self.each_latest_if(now_ms, |_| true, |_| true, each);
    }

    /// As `each_latest`, of one target of one tenant.
    pub fn latest_of(
        &self,
        tenant: &str,
        target: &str,
        now_ms: i64,
        each: &mut dyn FnMut(SeriesId, &Labels, i64, f64),
    ) {
        self.each_latest_if(now_ms, |one| one == tenant, |labels| labels.value("target") == target, each);
    }

    fn each_latest_if(
        &self,
        now_ms: i64,
        tenant_passes: impl Fn(&str) -> bool,
        labels_pass: impl Fn(&Labels) -> bool,
        each: &mut dyn FnMut(SeriesId, &Labels, i64, f64),
    ) {
        let groups: Vec<_> = self.groups(tenant_passes, |_| true).into_iter().collect();
        let mut found: Vec<(SeriesId, Labels, i64, f64)> = Vec::new();
        for some in groups.chunks(32) {
            // The caller works outside the lock: it may be slow, and append must not wait for it.
            let head = read(&self.store.head);
            for (name, tenant) in some {
                let ids = head.index.tenants().get(tenant).and_then(|names| names.get(name));
                for (id, entry) in ids.into_iter().flatten().filter_map(|id| Some((*id, head.entry(*id)?))) {
                    let (at_ms, value) = entry.last();
                    let recent = at_ms > now_ms.saturating_sub(LOOKBACK_MS) && at_ms <= now_ms;
                    if recent && !is_stale(value) && labels_pass(entry.labels()) {
                        found.push((id, entry.labels().clone(), at_ms, value));
                    }
                }
            }
            drop(head);
            found.drain(..).for_each(|(id, labels, at_ms, value)| each(id, &labels, at_ms, value));
        }
    }

    /// The (name, tenant) pairs that the reader may see and that pass, by name first.
    fn groups(
        &self,
        tenant_passes: impl Fn(&str) -> bool,
        name_passes: impl Fn(&str) -> bool,
    ) -> BTreeSet<(Arc<str>, Arc<str>)> {
        let mut groups = BTreeSet::new();
        let head = read(&self.store.head);
        for (tenant, names) in head.index.tenants() {
            if self.scope.sees(tenant) && tenant_passes(tenant) {
                let some = names.keys().filter(|name| name_passes(name));
                groups.extend(some.map(|name| (name.clone(), tenant.clone())));
            }
        }
        groups
    }

    /// The series that pass and have a sample after `from_ms`, ids ascending, with what memory holds of them.
    fn wanted(&self, matchers: &[Matcher], from_ms: i64, to_ms: i64) -> Vec<Wanted> {
        let passes = |label: &str, value: &str| {
            matchers.iter().filter(|matcher| matcher.name == label).all(|matcher| matcher.accepts(value))
        };
        let rest: Vec<&Matcher> =
            matchers.iter().filter(|matcher| matcher.name != NAME && matcher.name != TENANT).collect();
        let mut found: Vec<(SeriesId, Labels)> = Vec::new();
        let mut some = Vec::new();
        for (name, tenant) in self.groups(|tenant| passes(TENANT, tenant), |name| passes(NAME, name)) {
            let head = read(&self.store.head);
            let ids = head.index.tenants().get(&tenant).and_then(|names| names.get(&name));
            for (id, entry) in ids.into_iter().flatten().filter_map(|id| Some((*id, head.entry(*id)?))) {
                if entry.last().0 > from_ms {
                    some.push((id, entry.labels().clone()));
                }
            }
            drop(head); // regular expressions are slow
            found.extend(some.drain(..).filter(|(_, labels)| rest.iter().all(|one| one.accepts_labels(labels))));
        }
        found.sort_by_key(|(id, _)| *id);
        let mut wanted: Vec<Wanted> = found
            .into_iter()
            .map(|(id, labels)| Wanted { id, labels, head: Vec::new(), samples: Vec::new() })
            .collect();
        for some in wanted.chunks_mut(BATCH) {
            let head = read(&self.store.head);
            some.iter_mut().for_each(|one| head.copy(one.id, from_ms, to_ms, &mut one.head));
        }
        wanted
    }

    fn read_block(
        &self,
        block: &Block,
        wanted: &mut [Wanted],
        (from_ms, to_ms): (i64, i64),
        left: &mut usize,
    ) -> Result<(), Stopped> {
        let directory = self.store.cache.directory(block)?;
        for one in wanted {
            if let Ok(place) = directory.binary_search_by_key(&one.id, |row| row.id) {
                let before = one.samples.len();
                block.samples(&directory[place], from_ms, to_ms, &mut one.samples)?;
                *left = left.checked_sub(one.samples.len() - before).ok_or(Stopped::Limit)?;
            }
        }
        Ok(())
    }
}

/// Why a selection ended early.
enum Stopped {
    Limit,
    Block(BlockError),
}

impl From<BlockError> for Stopped {
    fn from(error: BlockError) -> Stopped {
        Stopped::Block(error)
    }
}

impl SeriesSource for ScopedStore {
    fn select(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
        samples_max: usize,
    ) -> Result<Vec<SeriesSamples>, String> {
        let too_many = || format!("more than {samples_max} samples would be read");
        // Memory first, blocks second: what a cut moves in between is then seen twice and not missed.
        let mut wanted = self.wanted(matchers, from_ms, to_ms);
        let mut left = samples_max;
        for block in self.store.blocks().iter().filter(|block| block.overlaps(from_ms, to_ms)) {
            match self.read_block(block, &mut wanted, (from_ms, to_ms), &mut left) {
                Ok(()) => {}
                Err(Stopped::Limit) => return Err(too_many()),
                Err(Stopped::Block(BlockError::Io(error))) => {
                    return Err(format!("cannot read '{}': {error}", block.path.display()));
                }
                Err(Stopped::Block(BlockError::Damaged(why))) => {
                    self.store.set_block_aside(block, &why);
                    return Err(format!("block '{}' is damaged and was set aside: {why}", block.path.display()));
                }
            }
        }
        let mut found = Vec::with_capacity(wanted.len());
        for mut one in wanted {
            let before = one.samples.len();
            let mut reader = Reader::new(&one.head);
            while let Some(chunk) = Chunk::read(&mut reader) {
                one.samples.extend(chunk.samples().filter(|(at_ms, _)| *at_ms > from_ms && *at_ms <= to_ms));
            }
            left = left.checked_sub(one.samples.len() - before).ok_or_else(too_many)?;
            in_order(&mut one.samples);
            if !one.samples.is_empty() {
                found.push(SeriesSamples { labels: one.labels, samples: one.samples });
            }
        }
        found.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(found)
    }
}

/// Brings into order what came from several places, each sample once. Mostly it is already so.
pub fn in_order(samples: &mut Vec<(i64, f64)>) {
    if !samples.is_sorted_by(|a, b| a.0 < b.0) {
        samples.sort_by_key(|(at_ms, _)| *at_ms);
        samples.dedup_by_key(|(at_ms, _)| *at_ms);
    }
}
